package pgtype

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"quorate/internal/value"
)

// fuzzTypes are what the fuzz targets choose from, by number.
var fuzzTypes = []Type{
	Of(Bool), Of(Bytea), Of(Char), Of(Name), Of(Int8), Of(Int2), Of(Int4), Of(Text), Of(OID), Of(JSON), Of(Float4), Of(Float8),
	Of(BPChar), {BPChar, LengthMod(4)}, Of(Varchar), {Varchar, LengthMod(3)}, Of(Date), Of(Time), {Time, 2}, Of(Timestamp),
	{Timestamp, 3}, Of(Timestamptz), {Timestamptz, 0}, Of(Interval), Of(Numeric), {Numeric, PrecisionMod(10, 2)}, Of(UUID), Of(JSONB),
	Of(RegType),
}

// survives checks that an accepted value is unchanged by both wire formats,
// and that its stored form is canonical: stored again it is the same.
func survives(t *testing.T, typ Type, v value.Value, loc *time.Location) {
	t.Helper()
	if v.IsNull() {
		t.Fatalf("%s: accepted as NULL", Format(typ))
	}
	text, err := AppendText(nil, typ, v, &Encoding{Location: loc, ExtraFloatDigits: 1})
	if err != nil {
		t.Fatalf("%s: %#v as text: %v", Format(typ), v, err)
	}
	if back, err := ParseText(typ, text, loc); err != nil || !back.Equal(v) {
		t.Fatalf("%s: %#v as text %q came back as %#v, %v", Format(typ), v, text, back, err)
	}
	binary, err := AppendBinary(nil, typ, v)
	if err != nil {
		t.Fatalf("%s: %#v in binary: %v", Format(typ), v, err)
	}
	if typ.OID == Char && len(v.Bytes()) > 1 {
		return // a character of several bytes has no binary form
	}
	if back, err := ParseBinary(typ, binary); err != nil || !back.Equal(v) {
		t.Fatalf("%s: %#v in binary %x came back as %#v, %v", Format(typ), v, binary, back, err)
	}
	if cast, err := Cast(v, Of(typ.OID), typ, loc, false); err != nil || !cast.Equal(v) {
		t.Fatalf("%s: %#v cast to its own type is %#v, %v", Format(typ), v, cast, err)
	}
}

func FuzzParseText(f *testing.F) {
	paths, _ := filepath.Glob("testdata/golden/*.tsv")
	for _, path := range paths {
		g := readGolden(&testing.T{}, path)
		typ := typeOf(&testing.T{}, g.typeName)
		for number, other := range fuzzTypes {
			for i, l := range g.lines {
				if other.OID == typ.OID && i%4 == 0 {
					f.Add(byte(number), []byte(l.input), byte(i))
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, number byte, text []byte, zone byte) {
		typ := fuzzTypes[int(number)%len(fuzzTypes)]
		loc, err := LoadLocation(zonesToTry[int(zone)%len(zonesToTry)])
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(text)
		v, err := ParseText(typ, text, loc)
		if !bytes.Equal(before, text) {
			t.Fatal("the input was changed")
		}
		if err == nil {
			survives(t, typ, v, loc)
		}
	})
}

func FuzzParseBinary(f *testing.F) {
	for number, typ := range fuzzTypes {
		f.Add(byte(number), make([]byte, max(int(Size(typ.OID)), 8)))
	}
	f.Add(byte(24), []byte{0, 2, 0, 0, 0x40, 0, 0, 2, 0, 12, 0x0b, 0xb8})
	f.Add(byte(27), []byte("\x01{\"a\":1}"))
	f.Fuzz(func(t *testing.T, number byte, b []byte) {
		typ := fuzzTypes[int(number)%len(fuzzTypes)]
		v, err := ParseBinary(typ, b)
		if err == nil {
			survives(t, typ, v, time.UTC)
		}
	})
}

// FuzzAppend gives stored values that are not of their type: an error or a
// well-formed message, never a panic.
func FuzzAppend(f *testing.F) {
	f.Add(byte(0), byte(3), []byte("2026-03-01"), int64(1))
	f.Fuzz(func(t *testing.T, number, kind byte, b []byte, n int64) {
		typ := fuzzTypes[int(number)%len(fuzzTypes)]
		v := []value.Value{value.Int(n), value.Float(float64(n) / 7), value.TextBytes(b), value.BlobBytes(b)}[kind%4]
		text, err := AppendText(nil, typ, v, nil)
		binary, err2 := AppendBinary(nil, typ, v)
		if (err == nil) != (err2 == nil) {
			t.Fatalf("%s: %#v as text %q, %v, in binary %x, %v", Format(typ), v, text, err, binary, err2)
		}
		if size := Size(typ.OID); err2 == nil && size > 0 && typ.OID != Name && len(binary) != int(size) {
			t.Fatalf("%s: %#v in binary has %d bytes", Format(typ), v, len(binary))
		}
	})
}
