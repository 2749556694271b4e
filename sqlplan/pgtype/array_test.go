package pgtype

import (
	"encoding/binary"
	"errors"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// TestArrays shows arrays of each form and their stored form, or the error's
// code; what is accepted was compared with PostgreSQL 15.
func TestArrays(t *testing.T) {
	for _, c := range []struct {
		element uint32
		text    string
		want    string
	}{
		{Int4, "{}", "[]"},
		{Int4, " { 1 , -2 ,NULL } ", "[1,-2,null]"},
		{Text, `{a b,"c,d","NULL",null,"e\"\\f",\g}`, `["a b","c,d","NULL",null,"e\"\\f","g"]`},
		{Text, `{"",ü}`, `["","ü"]`},
		{Bool, "{t,off}", "[1,0]"},
		{Float8, "{1,0.1,1e300,-Infinity}", "[1.0,0.1,1e+300,-9e999]"},
		{Numeric, "{1.50,12}", "[1.5,12]"},
		{Date, `{"Jan 2, 2024"}`, `["2024-01-02"]`},
		{UUID, "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}", `["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]`},
		{Int4, "{x}", "22P02"},
		{Int4, "", "22P02"},
		{Int4, "1", "22P02"},
		{Int4, "{1", "22P02"},
		{Int4, "{1,}", "22P02"},
		{Int4, "{,1}", "22P02"},
		{Int4, "{1}}", "22P02"},
		{Text, `{"a}`, "22P02"},
		{Text, `{"a"b}`, "22P02"},
		{Text, `{a"b"}`, "22P02"},
		{Int4, "{{1},{2}}", "0A000"},
		{Int4, "[0:1]={1,2}", "0A000"},
	} {
		v, err := ParseText(Of(ArrayOf(c.element)), []byte(c.text), nil)
		if got := shownArray(v, err); got != c.want {
			t.Errorf("%s of %s: %s, want %s", c.text, InternalName(c.element), got, c.want)
		}
	}
}

func shownArray(v value.Value, err error) string {
	var told *errcode.Error
	switch {
	case errors.As(err, &told):
		return string(told.Code)
	case err != nil:
		return err.Error()
	}
	return v.Text()
}

// TestArrayBinary: an array in binary has the stored form that it has as text,
// and no prefix of it is taken for one.
func TestArrayBinary(t *testing.T) {
	var b []byte
	for _, n := range []uint32{1, 1, Int4, 3, 1, 4, 7, 0xffffffff, 4, 0xfffffffe} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	v, err := ParseBinary(Of(ArrayOf(Int4)), b)
	if got := shownArray(v, err); got != "[7,null,-2]" {
		t.Error(got)
	}
	for n := range b {
		if v, err := ParseBinary(Of(ArrayOf(Int4)), b[:n]); err == nil {
			t.Errorf("the first %d bytes are %s", n, v.Text())
		}
	}
	if _, err := ParseBinary(Of(ArrayOf(Int8)), b); err == nil {
		t.Error("an array of integer was taken for one of bigint")
	}
	empty := append(make([]byte, 8), 0, 0, 0, byte(Int4))
	if v, err := ParseBinary(Of(ArrayOf(Int4)), empty); shownArray(v, err) != "[]" {
		t.Error(shownArray(v, err))
	}
}

func FuzzArray(f *testing.F) {
	f.Add([]byte(`{a,"b\"",NULL}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := ParseText(Of(ArrayOf(Text)), b, nil); err == nil {
			if _, err := ParseText(Of(JSON), v.Bytes(), nil); err != nil {
				t.Errorf("%q is stored as %q, which is not JSON", b, v.Bytes())
			}
		}
		_, _ = ParseBinary(Of(ArrayOf(Text)), b)
	})
}
