package sqlfsm

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// someCommand has something of everything.
func someCommand() (Header, []byte) {
	h := Header{Origin: 1, Incarnation: 2, Seq: 4, LowWater: 3, Time: -4, SchemaVersion: 5}
	for i := range h.Seed {
		h.Seed[i] = byte(i)
	}
	ddl := bound(`CREATE TABLE t (a INTEGER)`)
	ddl.Plan.Types = []sqlplan.TypeChange{
		{Op: sqlplan.SetType, Relation: "t", Column: "a", Type: pgtype.Of(pgtype.Int4)},
		{Op: sqlplan.RenameColumn, Relation: "t", Column: "a", NewName: "b"},
	}
	insert := bound(`INSERT INTO t VALUES (?1) RETURNING *`, value.Int(-1), value.Float(1.5), value.String(""), value.BlobBytes([]byte{0}), value.Value{})
	return h, AppendCommand([]byte("before"), &h, []sqlplan.Bound{ddl, insert})[len("before"):]
}

// TestCommandRoundTrip: what was encoded comes out again.
func TestCommandRoundTrip(t *testing.T) {
	want, data := someCommand()
	h, err := DecodeHeader(data)
	if err != nil || h != want {
		t.Fatalf("header %+v, %v", h, err)
	}
	var d decoder
	if n := d.begin(data); n != 2 {
		t.Fatalf("%d statements: %v", n, d.err)
	}
	var s statement
	d.next(&s)
	if !s.schema || s.hasRows || string(s.sql) != `CREATE TABLE t (a INTEGER)` || len(s.types) != 2 || len(s.args) != 0 {
		t.Errorf("first statement: %+v", s)
	}
	if want := (sqlplan.TypeChange{Op: sqlplan.SetType, Relation: "t", Column: "a", Type: pgtype.Of(pgtype.Int4)}); s.types[0] != want {
		t.Errorf("type change %+v", s.types[0])
	}
	d.next(&s)
	want5 := []value.Value{value.Int(-1), value.Float(1.5), value.String(""), value.BlobBytes([]byte{0}), {}}
	if s.schema || !s.hasRows || len(s.types) != 0 || len(s.args) != 5 {
		t.Errorf("second statement: %+v", s)
	}
	for i, v := range s.args {
		if !v.Equal(want5[i]) {
			t.Errorf("argument %d: %#v", i+1, v)
		}
	}
	if err := d.end(); err != nil {
		t.Error(err)
	}
}

// TestRestamp: a new time, nothing else, and the entry stays as it is.
func TestRestamp(t *testing.T) {
	want, data := someCommand()
	before := bytes.Clone(data)
	h, err := DecodeHeader(Restamp(data, 77))
	want.Time = 77
	if err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("%+v, %v", h, err)
	}
	if !bytes.Equal(data, before) {
		t.Error("the entry was changed")
	}
}

// TestDamagedCommand: no cut of a command decodes, and Apply stops at one: it
// is not the command's error but the node's.
func TestDamagedCommand(t *testing.T) {
	_, data := someCommand()
	for n := range len(data) {
		if err := decodeAll(data[:n]); err == nil {
			t.Errorf("the first %d bytes decode", n)
		}
	}
	if err := decodeAll(append(bytes.Clone(data), 0)); err == nil {
		t.Error("a byte too many decodes")
	}
	f := openTest(t)
	if _, err := f.Apply([]Entry{{Index: 1, Term: 1, Data: data[:40]}}); err == nil {
		t.Error("a damaged command was applied")
	}
}

func decodeAll(data []byte) error {
	if _, err := DecodeHeader(data); err != nil {
		return err
	}
	var d decoder
	var s statement
	for n := d.begin(data); n > 0 && d.err == nil; n-- {
		d.next(&s)
	}
	return d.end()
}

// FuzzCommand: any bytes either are refused or mean a command that encodes to
// one that decodes to the same.
func FuzzCommand(f *testing.F) {
	_, data := someCommand()
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Fuzz(func(t *testing.T, data []byte) {
		if decodeAll(data) != nil {
			return
		}
		again, err := reencode(data)
		if err != nil {
			t.Fatal(err)
		}
		third, err := reencode(again)
		if err != nil || !bytes.Equal(again, third) {
			t.Fatalf("%x encodes to %x and then to %x: %v", data, again, third, err)
		}
	})
}

// reencode decodes a command and encodes it.
func reencode(data []byte) ([]byte, error) {
	h, err := DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	var d decoder
	var statements []sqlplan.Bound
	for n := d.begin(data); n > 0; n-- {
		var s statement
		d.next(&s)
		b := sqlplan.Bound{Plan: &sqlplan.Plan{SQL: string(s.sql), Schema: s.schema, Types: s.types}, Args: append([]value.Value(nil), s.args...)}
		if s.hasRows {
			b.Plan.Columns = []sqlplan.ResultColumn{}
		}
		statements = append(statements, b)
	}
	return AppendCommand(nil, &h, statements), d.end()
}

// TestKinds: a mark moves the index and nothing else, whatever schema its origin
// knew; a kind that this program does not know stops the node.
func TestKinds(t *testing.T) {
	f := openTest(t)
	mark := AppendCommand(nil, &Header{Kind: KindMark, Time: testStart, SchemaVersion: 9}, nil)
	before := f.meta
	results, err := f.Apply([]Entry{{Index: 1, Term: 1, Data: mark}})
	before.index, before.term = 1, 1
	if err != nil || results[0].Err != nil || f.meta != before {
		t.Errorf("a mark: %+v, %v; meta %+v, want %+v", results, err, f.meta, before)
	}
	unknown := AppendCommand(nil, &Header{Kind: 200}, nil)
	if _, err := f.Apply([]Entry{{Index: 2, Term: 1, Data: unknown}}); !errors.Is(err, errMalformed) {
		t.Errorf("a command of a kind that there is not: %v", err)
	}
}
