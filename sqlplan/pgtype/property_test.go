package pgtype

import (
	"bytes"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"quorate/internal/value"
)

// These properties hold for every stored value: both wire formats bring it
// back, and the order of stored times is the order of time.

// storedTypes draw a value in its stored form.
var storedTypes = map[uint32]func(t *rapid.T) value.Value{
	Int2: func(t *rapid.T) value.Value { return value.Int(int64(rapid.Int16().Draw(t, "int2"))) },
	Int4: func(t *rapid.T) value.Value { return value.Int(int64(rapid.Int32().Draw(t, "int4"))) },
	Int8: func(t *rapid.T) value.Value { return value.Int(rapid.Int64().Draw(t, "int8")) },
	OID:  func(t *rapid.T) value.Value { return value.Int(int64(rapid.Uint32().Draw(t, "oid"))) },
	Bool: func(t *rapid.T) value.Value { return value.Bool(rapid.Bool().Draw(t, "bool")) },
	Float8: func(t *rapid.T) value.Value {
		return value.Float(math.Float64frombits(rapid.Uint64().Filter(func(b uint64) bool { return !math.IsNaN(math.Float64frombits(b)) }).Draw(t, "float8")))
	},
	Float4: func(t *rapid.T) value.Value {
		f := rapid.Uint32().Filter(func(b uint32) bool { return math.Float32frombits(b) == math.Float32frombits(b) }).Draw(t, "float4")
		return value.Float(float64(math.Float32frombits(f)))
	},
	Numeric: drawNumeric,
	Text: func(t *rapid.T) value.Value {
		return value.String(rapid.StringMatching(`[^\x00]*`).Draw(t, "text"))
	},
	Bytea: func(t *rapid.T) value.Value { return value.BlobBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "bytea")) },
	UUID: func(t *rapid.T) value.Value {
		return FormatUUID([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid")))
	},
	Timestamp:   drawTimestamp,
	Timestamptz: drawTimestamp,
	Date: func(t *rapid.T) value.Value {
		v, _ := dateValue(rapid.IntRange(daysOf(1, 1, 1), daysOf(9999, 12, 31)).Draw(t, "date"))
		return v
	},
	Time: func(t *rapid.T) value.Value { return timeValue(rapid.Int64Range(0, microsPerDay).Draw(t, "time")) },
	Interval: func(t *rapid.T) value.Value {
		return Span{
			Months: rapid.Int32Range(-math.MaxInt32, math.MaxInt32).Draw(t, "months"),
			Days:   rapid.Int32Range(-math.MaxInt32, math.MaxInt32).Draw(t, "days"),
			Micros: rapid.Int64Range(-1<<62, 1<<62).Draw(t, "micros"),
		}.Value()
	},
}

func drawTimestamp(t *rapid.T) value.Value {
	v, err := TimestampValue(drawMicros(t))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func drawMicros(t *rapid.T) Micros {
	return Micros(rapid.Int64Range(int64(microsLeast), int64(microsMost)).Draw(t, "micros"))
}

func drawNumeric(t *rapid.T) value.Value {
	digits := rapid.StringMatching(`-?[0-9]{1,9}(\.[0-9]{1,6})?(e-?[0-9])?`).Draw(t, "numeric")
	v, err := ParseText(Of(Numeric), []byte(digits), nil)
	if err != nil {
		t.Fatalf("%s: %v", digits, err)
	}
	return v
}

// zonesToTry have whole and half hours, seconds in their history, both
// hemispheres, and a day left out.
var zonesToTry = []string{"UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Europe/Amsterdam"}

func TestStoredValuesSurviveTheWire(t *testing.T) {
	var locations []*time.Location
	for _, name := range zonesToTry {
		loc, err := LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		locations = append(locations, loc)
	}
	for oid, draw := range storedTypes {
		t.Run(InternalName(oid), func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				v, typ := draw(t), Of(oid)
				e := Encoding{Location: rapid.SampledFrom(locations).Draw(t, "zone"), ExtraFloatDigits: 1,
					ByteaEscape: rapid.Bool().Draw(t, "escape")}
				text, err := AppendText(nil, typ, v, &e)
				if err != nil {
					t.Fatalf("%#v as text: %v", v, err)
				}
				if back, err := ParseText(typ, text, e.Location); err != nil || !back.Equal(v) {
					t.Fatalf("%#v as text %s came back as %#v, %v", v, text, back, err)
				}
				binary, err := AppendBinary(nil, typ, v)
				if err != nil {
					t.Fatalf("%#v in binary: %v", v, err)
				}
				if back, err := ParseBinary(typ, binary); err != nil || !back.Equal(v) {
					t.Fatalf("%#v in binary %x came back as %#v, %v", v, binary, back, err)
				}
			})
		})
	}
}

func TestStoredOrderIsTimeOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawMicros(t), drawMicros(t)
		if rapid.Bool().Draw(t, "near") {
			b = min(a+Micros(rapid.Int64Range(0, 1e7).Draw(t, "step")), microsMost)
		}
		x, y := AppendTimestamp(nil, a), AppendTimestamp(nil, b)
		if (a < b) != (bytes.Compare(x, y) < 0) || (a == b) != bytes.Equal(x, y) {
			t.Fatalf("%s and %s are not in the order of %d and %d", x, y, a, b)
		}
	})
}

// TestCalendar compares our calendar with the standard library's, day by day.
func TestCalendar(t *testing.T) {
	day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for days := daysOf(1, 1, 1); days <= daysOf(9999, 12, 31); days++ {
		year, month, dayOfMonth := dateOf(days)
		y, m, d := day.Date()
		if year != y || month != int(m) || dayOfMonth != d {
			t.Fatalf("day %d is %d-%d-%d, want %d-%d-%d", days, year, month, dayOfMonth, y, m, d)
		}
		day = day.AddDate(0, 0, 1)
	}
}

// TestZoneRoundTrip: a point in time, shown on a zone's wall with its offset,
// is that point again; without the offset it is one with the same wall time.
func TestZoneRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		loc, err := LoadLocation(rapid.SampledFrom(zonesToTry).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		m := Micros(rapid.Int64Range(-2e15, 2.5e15).Draw(t, "micros"))
		wall := InZone(m, loc)
		if back := InZone(FromZone(wall, loc), loc); back != wall {
			t.Fatalf("%d is %d on the wall of %s, which is %d again", m, wall, loc, back)
		}
	})
}

func TestZonesAreOurOwn(t *testing.T) {
	t.Setenv("ZONEINFO", "/nonexistent")
	loc, err := LoadLocation("europe/BERLIN")
	if err != nil || loc.String() != "Europe/Berlin" {
		t.Fatalf("europe/BERLIN is %v, %v", loc, err)
	}
	for name, want := range map[string]string{"5": "<+05>-05", "-3.5": "<-03:30>+03:30", "UTC+3": "<-03>+03", "<+0530>-5:30": "<+05:30>-05:30", "utc": "UTC"} {
		loc, err := LoadLocation(name)
		if err != nil || loc.String() != want {
			t.Errorf("%s is %v, %v; want %s", name, loc, err, want)
		}
	}
	for _, name := range []string{"Mars/Olympus", "+", "UTC+99", "../etc/passwd", "localtime", "Local"} {
		if loc, err := LoadLocation(name); err == nil {
			t.Errorf("%s is a time zone: %v", name, loc)
		}
	}
}
