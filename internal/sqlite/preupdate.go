package sqlite

import (
	"encoding/binary"
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
// (https://sqlite.org/c3ref/preupdate_blobwrite.html). A DELETE without WHERE calls
// it only if it was compiled while the hook was set.
func (c *Conn) SetPreupdateHook(f func(*Preupdate)) {
	c.hooks.preupdate = f
	lib.Xsqlite3_preupdate_hook(c.tls, c.db, funcPtr(onPreupdate), c.handle)
}

// HoldPreupdateHook takes the hook off until ResumePreupdateHook. For a statement
// that is compiled meanwhile, DELETE without WHERE throws a table's pages away
// (https://sqlite.org/lang_delete.html, the truncate optimization); any other calls
// the hook as ever.
func (c *Conn) HoldPreupdateHook() {
	if c.hooks.preupdate != nil {
		lib.Xsqlite3_preupdate_hook(c.tls, c.db, 0, 0)
	}
}

// ResumePreupdateHook ends what HoldPreupdateHook began.
func (c *Conn) ResumePreupdateHook() {
	if c.hooks.preupdate != nil {
		lib.Xsqlite3_preupdate_hook(c.tls, c.db, funcPtr(onPreupdate), c.handle)
	}
}

func onPreupdate(_ *libc.TLS, handle, _ uintptr, op int32, _, table uintptr, oldRowID, newRowID int64) {
	c := connections.lookup(handle)
	c.changing = Preupdate{conn: c, Op: Operation(op), Table: Name(table), OldRowID: oldRowID, NewRowID: newRowID}
	c.hooks.preupdate(&c.changing)
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

// value reads the value that the last call has shown. A generated column that is
// not stored has none: NULL.
func (p *Preupdate) value(rc int32) (value.Value, error) {
	if rc == lib.SQLITE_RANGE {
		return value.Value{}, nil
	}
	if rc != lib.SQLITE_OK {
		return value.Value{}, p.conn.errorFor(rc)
	}
	return argument(p.conn.tls, *(*uintptr)(unsafe.Pointer(p.conn.out))), nil
}

// Shadow reports that the table belongs to a virtual table
// (https://sqlite.org/vtab.html#xshadowname).
func (p *Preupdate) Shadow() bool {
	running := (*lib.Tsqlite3)(unsafe.Pointer(p.conn.db)).FpPreUpdate
	table := (*lib.TPreUpdate)(unsafe.Pointer(running)).FpTab
	return (*lib.TTable)(unsafe.Pointer(table)).FtabFlags&lib.TF_Shadow != 0
}

// AppendImage appends what changes to dst: the rowids, then the number of columns,
// then the columns before, if there was a row, and after, if there will be one.
func (p *Preupdate) AppendImage(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.OldRowID))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.NewRowID))
	columns := p.Columns()
	dst = binary.AppendUvarint(dst, uint64(columns))
	var err error
	if p.Op != RowInsert {
		if dst, err = appendColumns(dst, columns, p.Old); err != nil {
			return dst, err
		}
	}
	if p.Op != RowDelete {
		dst, err = appendColumns(dst, columns, p.New)
	}
	return dst, err
}

func appendColumns(dst []byte, columns int, column func(int) (value.Value, error)) ([]byte, error) {
	for i := range columns {
		v, err := column(i)
		if err != nil {
			return dst, err
		}
		dst = v.Append(dst)
	}
	return dst, nil
}
