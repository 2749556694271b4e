package sqlite

import (
	"fmt"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Code is an extended result code (https://sqlite.org/rescode.html).
type Code int32

// Primary returns the code's low byte, the primary result code.
func (c Code) Primary() Code { return c & 0xff }

// The result codes that callers tell apart. The first block are primary
// codes, the second extended ones.
const (
	OK         Code = lib.SQLITE_OK
	ErrError   Code = lib.SQLITE_ERROR
	Internal   Code = lib.SQLITE_INTERNAL
	Perm       Code = lib.SQLITE_PERM
	Abort      Code = lib.SQLITE_ABORT
	Busy       Code = lib.SQLITE_BUSY
	Locked     Code = lib.SQLITE_LOCKED
	NoMem      Code = lib.SQLITE_NOMEM
	ReadOnly   Code = lib.SQLITE_READONLY
	Interrupt  Code = lib.SQLITE_INTERRUPT
	IOErr      Code = lib.SQLITE_IOERR
	Corrupt    Code = lib.SQLITE_CORRUPT
	Full       Code = lib.SQLITE_FULL
	CantOpen   Code = lib.SQLITE_CANTOPEN
	Protocol   Code = lib.SQLITE_PROTOCOL
	Schema     Code = lib.SQLITE_SCHEMA
	TooBig     Code = lib.SQLITE_TOOBIG
	Constraint Code = lib.SQLITE_CONSTRAINT
	Mismatch   Code = lib.SQLITE_MISMATCH
	Misuse     Code = lib.SQLITE_MISUSE
	NoLFS      Code = lib.SQLITE_NOLFS
	Auth       Code = lib.SQLITE_AUTH
	Range      Code = lib.SQLITE_RANGE
	NotADB     Code = lib.SQLITE_NOTADB

	CorruptVTab Code = lib.SQLITE_CORRUPT_VTAB

	ConstraintCheck      Code = lib.SQLITE_CONSTRAINT_CHECK
	ConstraintForeignKey Code = lib.SQLITE_CONSTRAINT_FOREIGNKEY
	ConstraintNotNull    Code = lib.SQLITE_CONSTRAINT_NOTNULL
	ConstraintPrimaryKey Code = lib.SQLITE_CONSTRAINT_PRIMARYKEY
	ConstraintTrigger    Code = lib.SQLITE_CONSTRAINT_TRIGGER
	ConstraintUnique     Code = lib.SQLITE_CONSTRAINT_UNIQUE
	ConstraintRowID      Code = lib.SQLITE_CONSTRAINT_ROWID
	ConstraintDataType   Code = lib.SQLITE_CONSTRAINT_DATATYPE
)

// String returns SQLite's own name for the code in English.
func (c Code) String() string {
	tls := libc.NewTLS()
	defer tls.Close()
	return goString(lib.Xsqlite3_errstr(tls, int32(c)))
}

// Error is what SQLite answered.
type Error struct {
	Code    Code   // extended
	Message string // sqlite3_errmsg
	Offset  int    // byte offset into the statement's text; -1: none
}

func (e *Error) Error() string {
	return fmt.Sprintf("sqlite: %s (result code %d)", e.Message, int32(e.Code))
}
