// Package value holds SQL values as the engine stores them: one of SQLite's
// five storage classes (https://sqlite.org/datatype3.html, section 2), and
// packed rows of them. It is what the front door, the planner and the state
// machine hand to each other; it imports nothing of ours.
package value

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
)

// Kind is a storage class.
type Kind uint8

// The storage classes. The numbers are part of the command and result formats
// and must not change.
const (
	Null Kind = iota
	Integer
	Real
	Text
	Blob
)

func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Integer:
		return "integer"
	case Real:
		return "real"
	case Text:
		return "text"
	case Blob:
		return "blob"
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is one SQL value. The zero Value is NULL.
//
// A Text or Blob value may alias memory that its maker reuses (a result row
// points into SQLite's own buffers until the next step): whoever keeps a Value
// longer than its maker promises calls Clone.
type Value struct {
	kind Kind
	num  uint64 // Integer: two's complement; Real: IEEE 754 bits
	data []byte // Text, Blob
}

// Int makes an INTEGER.
func Int(i int64) Value { return Value{kind: Integer, num: uint64(i)} }

// Float makes a REAL. SQLite has no NaN: it becomes NULL, as it does there.
func Float(f float64) Value {
	if math.IsNaN(f) {
		return Value{}
	}
	return Value{kind: Real, num: math.Float64bits(f)}
}

// Bool makes the INTEGER 1 or 0, which is how booleans are stored.
func Bool(b bool) Value {
	if b {
		return Int(1)
	}
	return Int(0)
}

// String makes a TEXT from a Go string.
func String(s string) Value { return Value{kind: Text, data: []byte(s)} }

// TextBytes makes a TEXT that aliases b.
func TextBytes(b []byte) Value { return Value{kind: Text, data: b} }

// BlobBytes makes a BLOB that aliases b.
func BlobBytes(b []byte) Value { return Value{kind: Blob, data: b} }

// Kind returns the storage class.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is NULL.
func (v Value) IsNull() bool { return v.kind == Null }

// Int returns an INTEGER's number, and 0 for every other kind.
func (v Value) Int() int64 {
	if v.kind != Integer {
		return 0
	}
	return int64(v.num)
}

// Float returns a REAL's number, an INTEGER converted, and 0 for other kinds.
func (v Value) Float() float64 {
	switch v.kind {
	case Real:
		return math.Float64frombits(v.num)
	case Integer:
		return float64(int64(v.num))
	}
	return 0
}

// Bytes returns the bytes of a TEXT or BLOB without copying, nil otherwise.
func (v Value) Bytes() []byte { return v.data }

// Text returns the bytes of a TEXT or BLOB as a Go string.
func (v Value) Text() string { return string(v.data) }

// Clone returns a Value that shares no memory with v.
func (v Value) Clone() Value {
	if v.data != nil {
		v.data = bytes.Clone(v.data)
	}
	return v
}

// Equal reports whether two values are of the same kind and identical,
// bit for bit. It is stricter than SQL's =: 1 and 1.0 differ.
func (v Value) Equal(w Value) bool {
	return v.kind == w.kind && v.num == w.num && bytes.Equal(v.data, w.data)
}

// GoString shows the value as an SQL literal, for tests and logs.
func (v Value) GoString() string {
	switch v.kind {
	case Integer:
		return strconv.FormatInt(v.Int(), 10)
	case Real:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case Text:
		return "'" + string(bytes.ReplaceAll(v.data, []byte("'"), []byte("''"))) + "'"
	case Blob:
		return "x'" + hex(v.data) + "'"
	}
	return "NULL"
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// ErrTruncated is returned when encoded bytes end too early or are not values.
var ErrTruncated = errors.New("value: truncated or malformed encoding")

// Append writes v's encoding after dst: the kind in one byte, then for
// numbers eight bytes big endian, for TEXT and BLOB a uvarint length and the
// bytes.
func (v Value) Append(dst []byte) []byte {
	dst = append(dst, byte(v.kind))
	switch v.kind {
	case Integer, Real:
		dst = binary.BigEndian.AppendUint64(dst, v.num)
	case Text, Blob:
		dst = binary.AppendUvarint(dst, uint64(len(v.data)))
		dst = append(dst, v.data...)
	}
	return dst
}

// Decode reads one encoded value from the front of b and returns it with the
// rest of b. TEXT and BLOB alias b.
func Decode(b []byte) (v Value, rest []byte, err error) {
	if len(b) == 0 {
		return Value{}, nil, ErrTruncated
	}
	v.kind, b = Kind(b[0]), b[1:]
	switch v.kind {
	case Null:
		return v, b, nil
	case Integer, Real:
		if len(b) < 8 {
			return Value{}, nil, ErrTruncated
		}
		v.num = binary.BigEndian.Uint64(b)
		if v.kind == Real && math.IsNaN(math.Float64frombits(v.num)) {
			return Value{}, nil, ErrTruncated
		}
		return v, b[8:], nil
	case Text, Blob:
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return Value{}, nil, ErrTruncated
		}
		b = b[w:]
		v.data = b[:n:n]
		return v, b[n:], nil
	}
	return Value{}, nil, ErrTruncated
}

// Rows is a packed result: every row's values one after another in one
// buffer. The zero Rows is empty and ready for Append.
type Rows struct {
	columns int
	count   int
	buf     []byte
}

// Append adds one row. All rows of one result have the same number of columns.
func (r *Rows) Append(row []Value) {
	if r.count == 0 {
		r.columns = len(row)
	}
	if len(row) != r.columns {
		panic("value: rows of different width in one result")
	}
	for _, v := range row {
		r.buf = v.Append(r.buf)
	}
	r.count++
}

// Len returns the number of rows.
func (r *Rows) Len() int { return r.count }

// Size returns the bytes that the rows take.
func (r *Rows) Size() int { return len(r.buf) }

// Cursor returns an iterator over the rows.
func (r *Rows) Cursor() *Cursor {
	return &Cursor{left: r.count, buf: r.buf, row: make([]Value, r.columns)}
}

// Cursor walks packed rows.
type Cursor struct {
	left int
	buf  []byte
	row  []Value
}

// Next returns the next row, which is valid until the following call, or nil
// at the end.
func (c *Cursor) Next() []Value {
	if c.left == 0 {
		return nil
	}
	c.left--
	for i := range c.row {
		v, rest, err := Decode(c.buf)
		if err != nil {
			panic("value: packed rows are damaged: " + err.Error())
		}
		c.row[i], c.buf = v, rest
	}
	return c.row
}

// Result is what one statement of a command did.
type Result struct {
	Rows     Rows  // of SELECT and RETURNING
	Affected int64 // rows inserted, updated or deleted; 0 for DDL
}
