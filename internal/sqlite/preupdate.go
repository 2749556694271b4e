package sqlite

import (
	"unsafe"

	"quorate/internal/value"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Preupdate is a row that is about to change; it is valid during the hook.
type Preupdate struct {
	conn  *Conn
	Op    Operation
	Table Name
	// The row's rowid before and after; of no meaning in WITHOUT ROWID tables.
	OldRowID, NewRowID int64
}

// SetPreupdateHook has f called before every row of a table changes
// (https://sqlite.org/c3ref/preupdate_blobwrite.html).
func (c *Conn) SetPreupdateHook(f func(*Preupdate)) {
	c.hooks.preupdate = f
	lib.Xsqlite3_preupdate_hook(c.tls, c.db, funcPtr(onPreupdate), c.handle)
}

func onPreupdate(_ *libc.TLS, handle, _ uintptr, op int32, _, table uintptr, oldRowID, newRowID int64) {
	c := connections.lookup(handle)
	c.hooks.preupdate(&Preupdate{conn: c, Op: Operation(op), Table: Name(table), OldRowID: oldRowID, NewRowID: newRowID})
}

// Columns is the number of columns of the table.
func (p *Preupdate) Columns() int { return int(lib.Xsqlite3_preupdate_count(p.conn.tls, p.conn.db)) }

// Old returns a column before an UPDATE or DELETE.
func (p *Preupdate) Old(i int) (value.Value, error) {
	return p.value(lib.Xsqlite3_preupdate_old(p.conn.tls, p.conn.db, int32(i), p.conn.out))
}

// New returns a column after an INSERT or UPDATE.
func (p *Preupdate) New(i int) (value.Value, error) {
	return p.value(lib.Xsqlite3_preupdate_new(p.conn.tls, p.conn.db, int32(i), p.conn.out))
}

func (p *Preupdate) value(rc int32) (value.Value, error) {
	if rc != lib.SQLITE_OK {
		return value.Value{}, p.conn.errorFor(rc)
	}
	return argument(p.conn.tls, *(*uintptr)(unsafe.Pointer(p.conn.out))), nil
}
