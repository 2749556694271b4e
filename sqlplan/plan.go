package sqlplan

import (
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Kind says which way a statement goes.
type Kind uint8

// The kinds of statement.
const (
	Empty       Kind = iota // nothing but blanks and comments
	Read                    // goes to a reader
	Write                   // goes through the log
	Set                     // SET, RESET: changes the session (Plan.Setting)
	Show                    // SHOW (Plan.Setting)
	Transaction             // BEGIN, COMMIT, ROLLBACK, SAVEPOINT … (Plan.Tag says which)
	Deallocate              // DEALLOCATE name or ALL (Plan.Setting.Name, "" for ALL)
	Discard                 // DISCARD ALL
)

// Plan is one statement, understood: immutable once made and shared by all
// sessions that send the same text under the same schema.
type Plan struct {
	Kind Kind
	// Source is the statement's own text, without blanks around it and
	// without its semicolon.
	Source string
	// SQL is what SQLite runs. "" for statements that never reach it.
	SQL string
	// Tag is the command tag without numbers: "SELECT", "INSERT", "CREATE
	// TABLE". The front door adds the counts ("INSERT 0 5").
	Tag string
	// Params are the types of $1 … $n. OID 0: not known.
	Params []pgtype.Type
	// Session are values of the session that the statement reads
	// (current_user, the time zone); they are bound after the parameters.
	Session []SessionValue
	// Columns describe the result; nil when the statement returns no rows.
	Columns []ResultColumn
	// Tableless: a Read of nothing that is stored. It means the same on a node
	// that is behind, or that has lost its quorum.
	Tableless bool
	// Schema is true for DDL: the schema's version changes.
	Schema bool
	// Types are the changes to the type table that go with the DDL.
	Types []TypeChange
	// ScanOrder names what in a Write depends on the order in which a table is
	// read, "" when nothing that is looked for does.
	ScanOrder string
	// SchemaVersion is the version of the Schema that this was planned with.
	SchemaVersion uint64
	// Setting is what SET, RESET, SHOW and DEALLOCATE name.
	Setting Setting
	// UsesTimeZone: a literal was read in the time zone of Options, so the plan
	// holds for that time zone only.
	UsesTimeZone bool
	Warnings     []string // to be sent as notices

	edits []edit // what DDL does to the schema, for Schema.After
}

// SessionValue names a value that the session supplies.
type SessionValue uint8

// The session's values.
const (
	CurrentUser SessionValue = iota + 1
	TimeZone
	ApplicationName
	BackendPID // refused in writes
	InRecovery // true on followers; refused in writes
)

// Setting is the operand of SET, RESET and SHOW. The front door knows which
// names there are.
type Setting struct {
	Name    string // lower case; "all" for SHOW ALL and RESET ALL
	Value   string // SET: the value; lists joined by ", "
	Default bool   // SET … TO DEFAULT, RESET
	Local   bool   // SET LOCAL
}

// ResultColumn describes one column of a result, as RowDescription does.
type ResultColumn struct {
	Name string
	Type pgtype.Type
	// Relation and Attribute name the table column that the result column is,
	// 0 when it is an expression.
	Relation  uint32
	Attribute int16
}

// Bound is a statement ready to run: a plan, its parameters in their stored
// form, and after them the session's values in the order of Plan.Session.
type Bound struct {
	Plan *Plan
	Args []value.Value
}
