package pgfunc

import (
	"bytes"

	"quorate/internal/value"
)

// compare orders values as SQLite does (datatype3.html, section 4.1): numbers,
// then text, then blobs.
func compare(a, b value.Value) int {
	if ca, cb := class(a), class(b); ca != cb || ca > 1 {
		if ca != cb {
			return ca - cb
		}
		return bytes.Compare(a.Bytes(), b.Bytes())
	}
	if a.Kind() == value.Integer && b.Kind() == value.Integer {
		return order(a.Int() < b.Int(), a.Int() > b.Int())
	}
	x, y := a.Float(), b.Float()
	if x != y || a.Kind() == b.Kind() {
		return order(x < y, x > y)
	}
	// An integer and a double that is as near to it as doubles get.
	if a.Kind() == value.Integer {
		return compareIntFloat(a.Int(), y)
	}
	return -compareIntFloat(b.Int(), x)
}

func compareIntFloat(i int64, f float64) int {
	if f >= 1<<63 {
		return -1
	}
	return order(i < int64(f), i > int64(f))
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

func class(v value.Value) int {
	switch v.Kind() {
	case value.Null:
		return 0
	case value.Text:
		return 2
	case value.Blob:
		return 3
	}
	return 1
}
