// Package errcode is the one table of SQLSTATEs and the error that carries
// one to the client. Codes and their names are PostgreSQL's (manual, appendix
// A); the fields are those of ErrorResponse (manual, section 55.8).
package errcode

import "fmt"

// Code is a SQLSTATE: five characters, the first two its class.
type Code string

// The codes that Quorate uses.
const (
	ProtocolViolation            Code = "08P01"
	FeatureNotSupported          Code = "0A000"
	CardinalityViolation         Code = "21000"
	StringDataRightTruncation    Code = "22001"
	NumericValueOutOfRange       Code = "22003"
	InvalidDatetimeFormat        Code = "22007"
	DatetimeFieldOverflow        Code = "22008"
	SubstringError               Code = "22011"
	InvalidTimeZoneDisplacement  Code = "22009"
	DivisionByZero               Code = "22012"
	IntervalFieldOverflow        Code = "22015"
	InvalidRegularExpression     Code = "2201B"
	InvalidArgumentForLogarithm  Code = "2201E"
	InvalidArgumentForPower      Code = "2201F"
	InvalidEscapeSequence        Code = "22025"
	InvalidParameterValue        Code = "22023"
	CharacterNotInRepertoire     Code = "22021"
	InvalidTextRepresentation    Code = "22P02"
	InvalidBinaryRepresentation  Code = "22P03"
	UntranslatableCharacter      Code = "22P05"
	IntegrityConstraintViolation Code = "23000"
	NotNullViolation             Code = "23502"
	ForeignKeyViolation          Code = "23503"
	UniqueViolation              Code = "23505"
	CheckViolation               Code = "23514"
	ActiveSQLTransaction         Code = "25001"
	ReadOnlySQLTransaction       Code = "25006"
	NoActiveSQLTransaction       Code = "25P01"
	IdleInTransactionTimeout     Code = "25P03"
	InvalidSQLStatementName      Code = "26000"
	InvalidAuthorizationSpec     Code = "28000"
	InvalidCatalogName           Code = "3D000"
	InvalidCursorName            Code = "34000"
	InvalidSchemaName            Code = "3F000"
	DependentObjectsStillExist   Code = "2BP01"
	SerializationFailure         Code = "40001"
	StatementCompletionUnknown   Code = "40003"
	SyntaxError                  Code = "42601"
	InsufficientPrivilege        Code = "42501"
	DuplicateColumn              Code = "42701"
	AmbiguousColumn              Code = "42702"
	UndefinedColumn              Code = "42703"
	UndefinedObject              Code = "42704"
	DuplicateObject              Code = "42710"
	DuplicateCursor              Code = "42P03"
	DuplicatePreparedStatement   Code = "42P05"
	DuplicateTable               Code = "42P07"
	GroupingError                Code = "42803"
	DatatypeMismatch             Code = "42804"
	WrongObjectType              Code = "42809"
	CannotCoerce                 Code = "42846"
	UndefinedFunction            Code = "42883"
	AmbiguousFunction            Code = "42725"
	DuplicateAlias               Code = "42712"
	WindowingError               Code = "42P20"
	InvalidForeignKey            Code = "42830"
	GeneratedAlways              Code = "428C9"
	UndefinedTable               Code = "42P01"
	UndefinedParameter           Code = "42P02"
	InvalidColumnReference       Code = "42P10"
	InvalidTableDefinition       Code = "42P16"
	IndeterminateDatatype        Code = "42P18"
	InsufficientResources        Code = "53000"
	DiskFull                     Code = "53100"
	OutOfMemory                  Code = "53200"
	TooManyConnections           Code = "53300"
	ProgramLimitExceeded         Code = "54000"
	StatementTooComplex          Code = "54001"
	TooManyColumns               Code = "54011"
	ObjectNotInPrerequisiteState Code = "55000"
	CantChangeRuntimeParam       Code = "55P02"
	QueryCanceled                Code = "57014"
	AdminShutdown                Code = "57P01"
	CannotConnectNow             Code = "57P03"
	IdleSessionTimeout           Code = "57P05"
	InternalError                Code = "XX000"
	DataCorrupted                Code = "XX001"
	IndexCorrupted               Code = "XX002"
)

// Error is an error that a client sees.
type Error struct {
	Code     Code
	Message  string // one sentence, lower case, no full stop
	Detail   string // "" or a full sentence
	Hint     string // "" or what to do, a full sentence
	Position int    // 1-based character in the statement's text; 0: none
	// What a constraint violation is about; "" when not known.
	Table, Column, Constraint string
}

// Error returns the message with its code.
func (e *Error) Error() string { return e.Message + " (SQLSTATE " + string(e.Code) + ")" }

// Newf makes an Error with a formatted message.
func Newf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithHint sets the hint and returns the error.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// WithDetail sets the detail and returns the error.
func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// At sets the position and returns the error.
func (e *Error) At(position int) *Error {
	e.Position = position
	return e
}
