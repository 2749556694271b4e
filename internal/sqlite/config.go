package sqlite

import (
	"fmt"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Option is a switch of a connection (https://sqlite.org/c3ref/c_dbconfig_defensive.html).
type Option int32

// The options.
const (
	// Defensive forbids what could damage the file through SQL.
	Defensive Option = lib.SQLITE_DBCONFIG_DEFENSIVE
	// QPSG keeps bound values out of the choice of a query plan.
	QPSG Option = lib.SQLITE_DBCONFIG_ENABLE_QPSG
	// DQSInDML and DQSInDDL read "x" as a string when there is no column x.
	DQSInDML Option = lib.SQLITE_DBCONFIG_DQS_DML
	DQSInDDL Option = lib.SQLITE_DBCONFIG_DQS_DDL
	// TrustedSchema lets views, triggers and defaults call any function.
	TrustedSchema Option = lib.SQLITE_DBCONFIG_TRUSTED_SCHEMA
	// ForeignKeys has foreign keys checked. Unlike the PRAGMA it can be changed inside
	// a transaction.
	ForeignKeys Option = lib.SQLITE_DBCONFIG_ENABLE_FKEY
	// LoadExtension lets C code load extensions.
	LoadExtension Option = lib.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION
	// NoCheckpointOnClose keeps the last connection from moving the WAL into the
	// file and removing it when it closes.
	NoCheckpointOnClose Option = lib.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE
	// AttachCreate and AttachWrite let ATTACH make and write files.
	AttachCreate Option = lib.SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE
	AttachWrite  Option = lib.SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE
)

// Configure sets an option.
func (c *Conn) Configure(option Option, on bool) error {
	v := int32(0)
	if on {
		v = 1
	}
	args := malloc(c.tls, 16)
	defer free(c.tls, args)
	if rc := lib.Xsqlite3_db_config(c.tls, c.db, int32(option), libc.VaList(args, v, uintptr(0))); rc != lib.SQLITE_OK {
		return fmt.Errorf("sqlite: db_config %d: %w", option, c.errorFor(rc))
	}
	return nil
}

// LimitID names a limit of a connection (https://sqlite.org/limits.html).
type LimitID int32

// The limits.
const (
	LimitLength            LimitID = lib.SQLITE_LIMIT_LENGTH
	LimitSQLLength         LimitID = lib.SQLITE_LIMIT_SQL_LENGTH
	LimitColumns           LimitID = lib.SQLITE_LIMIT_COLUMN
	LimitExprDepth         LimitID = lib.SQLITE_LIMIT_EXPR_DEPTH
	LimitCompoundSelect    LimitID = lib.SQLITE_LIMIT_COMPOUND_SELECT
	LimitVDBEOps           LimitID = lib.SQLITE_LIMIT_VDBE_OP
	LimitFunctionArgs      LimitID = lib.SQLITE_LIMIT_FUNCTION_ARG
	LimitAttached          LimitID = lib.SQLITE_LIMIT_ATTACHED
	LimitLikePatternLength LimitID = lib.SQLITE_LIMIT_LIKE_PATTERN_LENGTH
	LimitVariables         LimitID = lib.SQLITE_LIMIT_VARIABLE_NUMBER
	LimitTriggerDepth      LimitID = lib.SQLITE_LIMIT_TRIGGER_DEPTH
	LimitWorkerThreads     LimitID = lib.SQLITE_LIMIT_WORKER_THREADS
)

// SetLimit sets a limit and returns the value before.
func (c *Conn) SetLimit(id LimitID, n int) int {
	return int(lib.Xsqlite3_limit(c.tls, c.db, int32(id), int32(n)))
}
