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

// TemporaryBytes is how large the temporary tables are that the running statement
// has, and what it has given to sorts: the same wherever it runs, in memory or
// on disk (struct VdbeCursor in vdbeInt.h, VdbeSorter in vdbesort.c). Sorts count
// a few bytes more for each piece as large as the cache. It is for callbacks.
func (s *Stmt) TemporaryBytes() (n int64) {
	v := (*lib.TVdbe)(unsafe.Pointer(s.ptr))
	n = cursorBytes(v.FapCsr, v.FnCursor)
	for at := v.FpFrame; at != 0; { // those outside the trigger that runs
		frame := (*lib.TVdbeFrame)(unsafe.Pointer(at))
		n += cursorBytes(frame.FapCsr, frame.FnCursor)
		at = frame.FpParent
	}
	return n
}

// isEphemeral is the first of a cursor's bits: it is on a temporary table.
const isEphemeral = 1

func cursorBytes(list uintptr, count int32) (n int64) {
	for i := range uintptr(count) {
		at := *(*uintptr)(unsafe.Pointer(list + i*unsafe.Sizeof(list)))
		if at == 0 {
			continue
		}
		c := (*lib.TVdbeCursor)(unsafe.Pointer(at))
		switch {
		case c.FeCurType == lib.CURTYPE_SORTER:
			sorter := c.Fuc.FpCursor
			n += (*lib.TVdbeSorter)(unsafe.Pointer(sorter)).Flist.FszPMA
			tasks := (unsafe.Sizeof(lib.TVdbeSorter{}) + 7) &^ 7 // a flexible array behind it
			n += (*lib.TSortSubtask)(unsafe.Pointer(sorter + tasks)).Ffile.FiEof
		case c.FeCurType == lib.CURTYPE_BTREE && c.F__ccgo8&isEphemeral != 0 && c.Fub.FpBtx != 0:
			tree := (*lib.TBtShared)(unsafe.Pointer((*lib.TBtree)(unsafe.Pointer(c.Fub.FpBtx)).FpBt))
			n += int64(tree.FnPage) * int64(tree.FpageSize)
		}
	}
	return n
}
