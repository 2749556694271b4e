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
// it only if it was compiled while the hook was set. nil takes the hook off.
func (c *Conn) SetPreupdateHook(f func(*Preupdate)) {
	c.HoldPreupdateHook()
	c.hooks.preupdate = f
	c.ResumePreupdateHook()
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
func (p *Preupdate) Shadow() bool { return p.table().FtabFlags&lib.TF_Shadow != 0 }

// Indexes is how many B-trees of keys the running program has open for writing: the
// indexes that it keeps, of an UPDATE those of the columns that it sets, and a table
// WITHOUT ROWID itself.
func (p *Preupdate) Indexes() (n int) {
	v := (*lib.TVdbe)(unsafe.Pointer(p.running().Fv))
	for i := range uintptr(v.FnCursor) {
		at := *(*uintptr)(unsafe.Pointer(v.FapCsr + i*unsafe.Sizeof(i)))
		if at == 0 {
			continue
		}
		c := (*lib.TVdbeCursor)(unsafe.Pointer(at))
		if c.FeCurType != lib.CURTYPE_BTREE || c.FisTable != 0 || c.F__ccgo8&isEphemeral != 0 {
			continue
		}
		if (*lib.TBtCursor)(unsafe.Pointer(c.Fuc.FpCursor)).FcurFlags&lib.BTCF_WriteFlag != 0 {
			n++
		}
	}
	return n
}

// AppendImage appends what changes to dst: the rowids; for an UPDATE or DELETE the
// record as SQLite has stored it (https://sqlite.org/fileformat2.html#record_format);
// for an INSERT the new record, for an UPDATE the new columns.
//
// It reads SQLite's own structures. Old and New, which the documentation has, unpack
// a record into memory that they allocate, are called for each column and copy what
// they return: with them the digest that this is for took four times as long.
func (p *Preupdate) AppendImage(dst []byte) ([]byte, error) {
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.OldRowID))
	dst = binary.BigEndian.AppendUint64(dst, uint64(p.NewRowID))
	if p.Op != RowInsert {
		old, err := p.oldRecord()
		if err != nil {
			return dst, err
		}
		dst = value.BlobBytes(old).Append(dst)
	}
	switch p.Op {
	case RowInsert:
		dst = appendMem(dst, p.register(0))
	case RowUpdate:
		dst = p.appendNew(dst)
	}
	return dst, nil
}

// oldRecord returns the row's record before the change; nothing, if it has no
// column but the rowid.
func (p *Preupdate) oldRecord() ([]byte, error) {
	table := p.table()
	if table.FiPKey >= 0 && table.FnNVCol == 1 {
		return nil, nil
	}
	cursor := (*lib.TBtCursor)(unsafe.Pointer((*lib.TVdbeCursor)(unsafe.Pointer(p.running().FpCsr)).Fuc.FpCursor))
	// The cursor knows the record when it has looked at it, as after every WHERE,
	// and the page holds all of it when it is not too long.
	if i := &cursor.Finfo; cursor.FeState == lib.CURSOR_VALID && i.FnSize != 0 && uint32(i.FnLocal) == i.FnPayload {
		return bytesAt(i.FpPayload, int32(i.FnPayload)), nil
	}
	// Asked for any column but the rowid, SQLite reads all of it.
	for i := int32(0); p.running().FaRecord == 0 && i < int32(table.FnCol); i++ {
		if i == int32(table.FiPKey) {
			continue
		}
		rc := lib.Xsqlite3_preupdate_old(p.conn.tls, p.conn.db, i, p.conn.out)
		if rc != lib.SQLITE_OK && rc != lib.SQLITE_RANGE { // of a generated column that is not stored
			return nil, p.conn.errorFor(rc)
		}
	}
	return bytesAt(p.running().FaRecord, int32(cursor.Finfo.FnPayload)), nil
}

// appendNew appends the columns after an UPDATE, which are in registers.
func (p *Preupdate) appendNew(dst []byte) []byte {
	columns := min(p.table().FnNVCol, (*lib.TVdbeCursor)(unsafe.Pointer(p.running().FpCsr)).FnField)
	dst = binary.AppendUvarint(dst, uint64(columns))
	for i := range columns {
		dst = appendMem(dst, p.register(1+uintptr(i)))
	}
	return dst
}

func (p *Preupdate) running() *lib.TPreUpdate {
	return (*lib.TPreUpdate)(unsafe.Pointer((*lib.Tsqlite3)(unsafe.Pointer(p.conn.db)).FpPreUpdate))
}

func (p *Preupdate) table() *lib.TTable { return (*lib.TTable)(unsafe.Pointer(p.running().FpTab)) }

// register returns one of the registers with what is new: the first holds the
// record or rowid, the others the columns.
func (p *Preupdate) register(i uintptr) *lib.TMem {
	r := p.running()
	return memAt((*lib.TVdbe)(unsafe.Pointer(r.Fv)).FaMem, uintptr(r.FiNewReg)+i)
}

func memAt(array, i uintptr) *lib.TMem {
	return (*lib.TMem)(unsafe.Pointer(array + i*unsafe.Sizeof(lib.TMem{})))
}

// appendMem appends a value, as value.Value.Append does. A number that SQLite has
// written out as text too is a number, as for sqlite3_value_type.
func appendMem(dst []byte, m *lib.TMem) []byte {
	switch flags := m.Fflags; {
	case flags&lib.MEM_Null != 0:
		return value.Value{}.Append(dst)
	case flags&lib.MEM_Int != 0:
		return value.Int(*(*int64)(unsafe.Pointer(&m.Fu))).Append(dst)
	case flags&lib.MEM_IntReal != 0:
		return value.Float(float64(*(*int64)(unsafe.Pointer(&m.Fu)))).Append(dst)
	case flags&lib.MEM_Real != 0:
		return value.Float(*(*float64)(unsafe.Pointer(&m.Fu))).Append(dst)
	case flags&lib.MEM_Str != 0:
		return value.TextBytes(bytesAt(m.Fz, m.Fn)).Append(dst)
	case flags&lib.MEM_Zero != 0: // a BLOB that ends in so many zeros
		zeros := *(*int32)(unsafe.Pointer(&m.Fu))
		dst = append(dst, byte(value.Blob))
		dst = binary.AppendUvarint(dst, uint64(m.Fn)+uint64(zeros))
		dst = append(dst, bytesAt(m.Fz, m.Fn)...)
		return append(dst, make([]byte, zeros)...)
	}
	return value.BlobBytes(bytesAt(m.Fz, m.Fn)).Append(dst)
}
