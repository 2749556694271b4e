package sqlite

import (
	"unsafe"

	lib "modernc.org/sqlite/lib"
)

// This file reaches into SQLite's own structures, for what it has no function
// to ask. The structures are those of the version in go.mod; internals_test.go
// notices when a newer one means something else by them.

func (c *Conn) internals() *lib.Tsqlite3 { return (*lib.Tsqlite3)(unsafe.Pointer(c.db)) }

// SetChanges sets what the SQL function changes() answers (sqlite3.nChange).
func (c *Conn) SetChanges(n int64) { c.internals().FnChange = n }

// Nested reports that the statement that runs was begun by another one that is
// running: by VACUUM, which is made of statements, or by a virtual table. It is
// for callbacks.
func (c *Conn) Nested() bool { return c.internals().FnVdbeExec > 1 }

// ResetFullTextCursors has the numbers of the cursors on full text indexes begin
// at one again (Fts5Global.iNextId). None may be open.
func (c *Conn) ResetFullTextCursors() error {
	if c.fullText == 0 {
		s, _, err := c.Prepare("SELECT fts5(?1)", false)
		if err != nil {
			return err
		}
		defer s.Finalize()
		*(*uintptr)(unsafe.Pointer(c.out)) = 0
		name := cString(c.tls, "fts5_api_ptr")
		defer free(c.tls, name)
		if rc := lib.Xsqlite3_bind_pointer(c.tls, s.ptr, 1, c.out, name, 0); rc != lib.SQLITE_OK {
			return c.errorFor(rc)
		}
		if _, err := s.Step(); err != nil {
			return err
		}
		c.fullText = *(*uintptr)(unsafe.Pointer(c.out))
	}
	(*lib.TFts5Global)(unsafe.Pointer(c.fullText)).FiNextId = 0
	return nil
}
