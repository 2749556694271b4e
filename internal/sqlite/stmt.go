package sqlite

import (
	"strings"
	"unsafe"

	"quorate/internal/value"

	lib "modernc.org/sqlite/lib"
)

// Stmt is a prepared statement.
type Stmt struct {
	conn *Conn
	ptr  uintptr

	parameters int
	readOnly   bool
	row        []value.Value

	// TEXT and BLOB parameters are copied here, so that binding allocates
	// nothing once the arena is large enough. SQLite reads them in place until
	// the next Bind.
	arena      uintptr
	arenaBytes int
}

// arenaKeepBytes is the largest arena that a statement keeps after Reset.
const arenaKeepBytes = 64 << 10

// Prepare compiles the first statement of sql and returns the text behind it.
// The statement is nil when there are only blanks and comments. persistent
// says that it will be used many times.
func (c *Conn) Prepare(sql string, persistent bool) (s *Stmt, tail string, err error) {
	if strings.IndexByte(sql, 0) >= 0 {
		return nil, "", &Error{Code: ErrError, Message: "NUL character in the statement", Offset: strings.IndexByte(sql, 0)}
	}
	text := cString(c.tls, sql)
	defer free(c.tls, text)
	var flags uint32
	if persistent {
		flags = lib.SQLITE_PREPARE_PERSISTENT
	}
	c.failure = nil
	if rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, text, int32(len(sql)+1), flags, c.out, c.out+8); rc != lib.SQLITE_OK {
		return nil, "", c.errorFor(rc)
	}
	ptr := *(*uintptr)(unsafe.Pointer(c.out))
	tail = sql[*(*uintptr)(unsafe.Pointer(c.out + 8))-text:]
	if ptr == 0 {
		return nil, tail, nil
	}
	s = &Stmt{
		conn:       c,
		ptr:        ptr,
		parameters: int(lib.Xsqlite3_bind_parameter_count(c.tls, ptr)),
		readOnly:   lib.Xsqlite3_stmt_readonly(c.tls, ptr) != 0,
	}
	return s, tail, nil
}

// Finalize frees the statement.
func (s *Stmt) Finalize() {
	lib.Xsqlite3_finalize(s.conn.tls, s.ptr)
	free(s.conn.tls, s.arena)
	s.ptr, s.arena, s.arenaBytes = 0, 0, 0
}

// Parameters is the largest parameter number in the statement.
func (s *Stmt) Parameters() int { return s.parameters }

// ReadOnly reports that the statement itself changes nothing in the database.
// PRAGMAs and transaction control count as read-only
// (https://sqlite.org/c3ref/stmt_readonly.html).
func (s *Stmt) ReadOnly() bool { return s.readOnly }

// Columns is the number of result columns, 0 for a statement without rows. It
// changes when SQLite compiles the statement again for another schema.
func (s *Stmt) Columns() int { return int(lib.Xsqlite3_column_count(s.conn.tls, s.ptr)) }

// ColumnName returns the name of a result column.
func (s *Stmt) ColumnName(i int) string {
	return goString(lib.Xsqlite3_column_name(s.conn.tls, s.ptr, int32(i)))
}

// DeclaredType returns the type that the result column's table column was
// declared with, "" for expressions.
func (s *Stmt) DeclaredType(i int) string {
	return goString(lib.Xsqlite3_column_decltype(s.conn.tls, s.ptr, int32(i)))
}

// Origin returns the table and column that a result column is, through views
// and subqueries; both are "" for expressions.
func (s *Stmt) Origin(i int) (table, column string) {
	return goString(lib.Xsqlite3_column_table_name(s.conn.tls, s.ptr, int32(i))),
		goString(lib.Xsqlite3_column_origin_name(s.conn.tls, s.ptr, int32(i)))
}

// Bind sets the parameters ?1 … ?n to args. There must be exactly as many.
func (s *Stmt) Bind(args []value.Value) error {
	if len(args) != s.parameters {
		return &Error{Code: Range, Message: "wrong number of parameters", Offset: -1}
	}
	size := 0
	for i := range args {
		size += len(args[i].Bytes())
	}
	s.reserve(size)
	at := s.arena
	for i := range args {
		rc := s.bind(int32(i+1), args[i], at)
		if rc != lib.SQLITE_OK {
			return s.conn.errorFor(rc)
		}
		at += uintptr(len(args[i].Bytes()))
	}
	return nil
}

// bind sets one parameter; TEXT and BLOB are copied to at.
func (s *Stmt) bind(n int32, v value.Value, at uintptr) int32 {
	tls := s.conn.tls
	switch v.Kind() {
	case value.Integer:
		return lib.Xsqlite3_bind_int64(tls, s.ptr, n, v.Int())
	case value.Real:
		return lib.Xsqlite3_bind_double(tls, s.ptr, n, v.Float())
	case value.Text:
		b := v.Bytes()
		copy(unsafe.Slice((*byte)(unsafe.Pointer(at)), len(b)), b)
		return lib.Xsqlite3_bind_text64(tls, s.ptr, n, at, uint64(len(b)), 0, lib.SQLITE_UTF8)
	case value.Blob:
		b := v.Bytes()
		copy(unsafe.Slice((*byte)(unsafe.Pointer(at)), len(b)), b)
		return lib.Xsqlite3_bind_blob64(tls, s.ptr, n, at, uint64(len(b)), 0)
	}
	return lib.Xsqlite3_bind_null(tls, s.ptr, n)
}

// reserve makes room for n bytes in the arena. It is never empty: an empty
// TEXT needs an address that is not NULL.
func (s *Stmt) reserve(n int) {
	if s.arena != 0 && n <= s.arenaBytes {
		return
	}
	free(s.conn.tls, s.arena)
	s.arenaBytes = max(64, n)
	s.arena = malloc(s.conn.tls, s.arenaBytes)
}

// Step runs the statement to its next row and reports whether there is one.
func (s *Stmt) Step() (bool, error) {
	switch rc := lib.Xsqlite3_step(s.conn.tls, s.ptr); rc {
	case lib.SQLITE_ROW:
		return true, nil
	case lib.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.errorFor(rc)
	}
}

// Row returns the current row. The slice is reused, and TEXT and BLOB point
// into SQLite's memory, until the next Step or Reset.
func (s *Stmt) Row() []value.Value {
	if n := s.Columns(); n != len(s.row) {
		s.row = make([]value.Value, n)
	}
	for i := range s.row {
		s.row[i] = s.column(int32(i))
	}
	return s.row
}

func (s *Stmt) column(i int32) value.Value {
	tls := s.conn.tls
	switch lib.Xsqlite3_column_type(tls, s.ptr, i) {
	case lib.SQLITE_INTEGER:
		return value.Int(lib.Xsqlite3_column_int64(tls, s.ptr, i))
	case lib.SQLITE_FLOAT:
		return value.Float(lib.Xsqlite3_column_double(tls, s.ptr, i))
	case lib.SQLITE_TEXT:
		p := lib.Xsqlite3_column_text(tls, s.ptr, i)
		return value.TextBytes(bytesAt(p, lib.Xsqlite3_column_bytes(tls, s.ptr, i)))
	case lib.SQLITE_BLOB:
		p := lib.Xsqlite3_column_blob(tls, s.ptr, i)
		return value.BlobBytes(bytesAt(p, lib.Xsqlite3_column_bytes(tls, s.ptr, i)))
	}
	return value.Value{}
}

// Reset ends the execution, so that the statement can be bound and run again.
// How the execution went is what the last Step said.
func (s *Stmt) Reset() {
	lib.Xsqlite3_reset(s.conn.tls, s.ptr)
	if s.arenaBytes > arenaKeepBytes {
		lib.Xsqlite3_clear_bindings(s.conn.tls, s.ptr)
		free(s.conn.tls, s.arena)
		s.arena, s.arenaBytes = 0, 0
	}
}

// Run binds args, runs the statement to its end and resets it; rows are
// discarded.
func (s *Stmt) Run(args ...value.Value) error {
	if err := s.Bind(args); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		if !more {
			s.Reset()
			return err
		}
	}
}

// ResetSteps sets the count of virtual machine instructions that the progress
// handler is measured against to zero. Without it the count goes on from the
// statement's earlier executions, and the handler's calls come at other
// instructions than in a fresh statement.
func (s *Stmt) ResetSteps() {
	lib.Xsqlite3_stmt_status(s.conn.tls, s.ptr, lib.SQLITE_STMTSTATUS_VM_STEP, 1)
}

// Reprepared returns how often SQLite recompiled the statement by itself,
// because the schema had changed.
func (s *Stmt) Reprepared() int {
	return int(lib.Xsqlite3_stmt_status(s.conn.tls, s.ptr, lib.SQLITE_STMTSTATUS_REPREPARE, 0))
}
