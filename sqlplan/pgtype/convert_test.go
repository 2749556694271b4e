package pgtype

import (
	"errors"
	"math"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// threeTenths is what 0.1 + 0.2 is in doubles, one bit above 0.3.
var threeTenths = math.Nextafter(0.3, 1)

// TestMisfits: what SQLite computed or holds is shown when it means the same
// in the type, and is an error otherwise, never a wrong message.
func TestMisfits(t *testing.T) {
	for _, test := range []struct {
		typ  Type
		v    value.Value
		want string // or the error's code
	}{
		{Of(Int4), value.Float(3), "3"},
		{Of(Int4), value.Float(3.5), "22P02"},
		{Of(Int4), value.String(" 7"), "7"},
		{Of(Int4), value.String("x"), "22P02"},
		{Of(Int4), value.BlobBytes([]byte("7")), "22P02"},
		{Of(Int4), value.Int(1 << 31), "22003"},
		{Of(Int2), value.Int(-1 << 15), "-32768"},
		{Of(Int8), value.Float(1 << 63), "22003"}, // what SQLite makes of 9223372036854775807 + 1
		{Of(Bool), value.Int(2), "22P02"},
		{Of(Bool), value.String("yes"), "t"},
		{Of(Float8), value.Int(2), "2"},
		{Of(Numeric), value.Float(math.Inf(1)), "Infinity"},
		{Type{Numeric, PrecisionMod(10, 2)}, value.Float(threeTenths), "0.30"},
		{Type{Numeric, PrecisionMod(10, 2)}, value.Float(-0.004), "0.00"},
		{Of(Text), value.Float(1.5), "1.5"},
		{Of(Text), value.BlobBytes([]byte{0, 255}), `\x00ff`},
		{Of(Bytea), value.String("ab"), `\x6162`},
		{Of(Bytea), value.Int(1), "22P02"},
		{Of(Timestamp), value.String("2026-03-01 14:05:09"), "2026-03-01 14:05:09"},
		{Of(Timestamptz), value.String("2026-03-01 14:05:09"), "2026-03-01 14:05:09+00"},
		{Of(Timestamptz), value.Int(0), "22P02"},
		{Of(Date), value.String("2026-02-30"), "22P02"},
		{Of(UUID), value.String("no"), "22P02"},
		{Of(UUID), value.BlobBytes(make([]byte, 16)), "22P02"},
		{Of(RegType), value.Int(int64(Timestamptz)), "timestamp with time zone"},
		{Of(RegClass), value.Int(16384), "16384"},
	} {
		text, err := AppendText(nil, test.typ, test.v, nil)
		got := string(text)
		var e *errcode.Error
		if errors.As(err, &e) {
			got = string(e.Code)
		}
		if got != test.want {
			t.Errorf("%#v as %s is %s (%v), want %s", test.v, Format(test.typ), got, err, test.want)
		}
	}
}

// TestMalformedBinary: each is refused with 22P03, or with the code of what is
// wrong inside.
func TestMalformedBinary(t *testing.T) {
	for _, test := range []struct {
		oid  uint32
		b    string
		code errcode.Code
	}{
		{Int4, "", errcode.InvalidBinaryRepresentation},
		{Int4, "\x00\x00\x01", errcode.InvalidBinaryRepresentation},
		{Int8, "\x00\x00\x00\x01", errcode.InvalidBinaryRepresentation},
		{Bool, "", errcode.InvalidBinaryRepresentation},
		{Float8, "\x7f\xf8\x00\x00\x00\x00\x00\x01", errcode.NumericValueOutOfRange},
		{UUID, "123", errcode.InvalidBinaryRepresentation},
		{JSONB, "", errcode.InvalidBinaryRepresentation},
		{JSONB, "\x02{}", errcode.InvalidBinaryRepresentation},
		{JSONB, "\x01{", errcode.InvalidTextRepresentation},
		{Numeric, "\x00\x01\x00\x00\x00\x00\x00", errcode.InvalidBinaryRepresentation},
		{Numeric, "\x00\x01\x00\x00\x00\x00\x00\x00", errcode.InvalidBinaryRepresentation},
		{Numeric, "\x00\x01\x00\x00\x00\x00\x00\x00\x27\x10", errcode.InvalidBinaryRepresentation}, // a digit of 10000
		{Numeric, "\x00\x00\x00\x00\x12\x34\x00\x00", errcode.InvalidBinaryRepresentation},
		{Numeric, "\x00\x00\x00\x00\xc0\x00\x00\x00", errcode.NumericValueOutOfRange},
		{Text, "\xff", errcode.CharacterNotInRepertoire},
		{Text, "a\x00b", errcode.CharacterNotInRepertoire},
		{Timestamp, "\x7f\xff\xff\xff\xff\xff\xff\xff", errcode.DatetimeFieldOverflow},
		{Timestamp, "\x7f\xff\xff\xff\xff\xff\xff\xfe", errcode.DatetimeFieldOverflow},
		{Timestamptz, "\x80\x00\x00\x00\x00\x00\x00\x01", errcode.DatetimeFieldOverflow},
		{Date, "\x7f\xff\xff\xff", errcode.DatetimeFieldOverflow},
		{Time, "\xff\xff\xff\xff\xff\xff\xff\xff", errcode.DatetimeFieldOverflow},
		{Interval, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", errcode.DatetimeFieldOverflow},
		{Any, "\x00\x00\x00\x00", errcode.FeatureNotSupported},
	} {
		v, err := ParseBinary(Of(test.oid), []byte(test.b))
		var e *errcode.Error
		if !errors.As(err, &e) || e.Code != test.code {
			t.Errorf("%s %q is %#v, %v; want %s", Format(Of(test.oid)), test.b, v, err, test.code)
		}
	}
}

// TestSettings: what sessions may change about text.
func TestSettings(t *testing.T) {
	for _, test := range []struct {
		oid  uint32
		v    value.Value
		e    Encoding
		want string
	}{
		{Float8, value.Float(0.1), Encoding{ExtraFloatDigits: 0}, "0.1"},
		{Float8, value.Float(threeTenths), Encoding{ExtraFloatDigits: 0}, "0.3"},
		{Float8, value.Float(threeTenths), Encoding{ExtraFloatDigits: 3}, "0.30000000000000004"},
		{Float8, value.Float(123456789), Encoding{ExtraFloatDigits: -10}, "1.2346e+08"},
		{Float4, value.Float(float64(float32(0.1))), Encoding{ExtraFloatDigits: 0}, "0.1"},
		{Bytea, value.BlobBytes([]byte("a\\\x00\xff")), Encoding{ByteaEscape: true}, `a\\\000\377`},
	} {
		got, err := AppendText(nil, Of(test.oid), test.v, &test.e)
		if err != nil || string(got) != test.want {
			t.Errorf("%#v as %s is %s, %v; want %s", test.v, Format(Of(test.oid)), got, err, test.want)
		}
	}
}

// TestHotPathsDoNotAllocate: integers, text and timestamps go by millions.
func TestHotPathsDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 100)
	for _, test := range []struct {
		oid  uint32
		text string
	}{{Int4, "12345"}, {Int8, "-9223372036854775808"}, {Text, "some text"}, {Bool, "t"}, {Numeric, "42"},
		{Timestamptz, "2026-03-01 14:05:09.250000"}, {UUID, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"}} {
		typ, text := Of(test.oid), []byte(test.text)
		n := testing.AllocsPerRun(100, func() {
			v, err := ParseText(typ, text, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := AppendText(buf, typ, v, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := AppendBinary(buf, typ, v); err != nil {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations for text in, text out and binary out", Format(typ), n)
		}
	}
}

// TestJSONLimits: what is too deep or would become too long is refused.
func TestJSONLimits(t *testing.T) {
	deep := make([]byte, 0, 20000)
	for range 10000 {
		deep = append(deep, '[')
	}
	for text, code := range map[string]errcode.Code{
		string(deep):              errcode.StatementTooComplex,
		"1e500":                   errcode.NumericValueOutOfRange,
		"1e-500":                  errcode.NumericValueOutOfRange,
		"1e999999999999999999999": errcode.NumericValueOutOfRange,
	} {
		_, err := ParseText(Of(JSONB), []byte(text), nil)
		var e *errcode.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%.20s…: %v, want %s", text, err, code)
		}
	}
}
