package value

import (
	"math"
	"testing"
)

func TestEncodingRoundTrip(t *testing.T) {
	for _, v := range []Value{
		{}, Int(0), Int(-1), Int(math.MaxInt64), Int(math.MinInt64), Float(1.5), Float(math.Inf(-1)),
		Float(math.Copysign(0, -1)), String(""), String("naïve \x00 text"), BlobBytes([]byte{}), BlobBytes([]byte{0, 255}),
	} {
		b := v.Append([]byte("head"))
		got, rest, err := Decode(append(b[4:], 'x'))
		if err != nil || string(rest) != "x" || !got.Equal(v) {
			t.Errorf("%#v came back as %#v, rest %q, error %v", v, got, rest, err)
		}
		for cut := 4; cut < len(b); cut++ {
			if _, _, err := Decode(b[4:cut]); err == nil {
				t.Errorf("%#v cut to %d of %d bytes decodes without error", v, cut-4, len(b)-4)
			}
		}
	}
}

func TestNaNIsNull(t *testing.T) {
	if !Float(math.NaN()).IsNull() {
		t.Error("NaN is not NULL")
	}
}

func TestRows(t *testing.T) {
	var r Rows
	want := [][]Value{{Int(1), String("a")}, {{}, BlobBytes([]byte{7})}, {Float(2.5), String("")}}
	for _, row := range want {
		r.Append(row)
	}
	c := r.Cursor()
	for i, row := range want {
		got := c.Next()
		for j := range row {
			if !got[j].Equal(row[j]) {
				t.Errorf("row %d column %d: %#v, want %#v", i, j, got[j], row[j])
			}
		}
	}
	if c.Next() != nil || r.Len() != 3 {
		t.Errorf("cursor does not end after %d rows", r.Len())
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0})
	f.Add(Int(5).Append(nil))
	f.Add(String("abc").Append(nil))
	f.Add([]byte{3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := Decode(b)
		if err != nil {
			return
		}
		again, _, err := Decode(v.Append(nil))
		if err != nil || !again.Equal(v) {
			t.Fatalf("decoded %#v does not survive encoding: %#v, %v", v, again, err)
		}
		if len(rest) >= len(b) {
			t.Fatal("nothing was consumed")
		}
	})
}
