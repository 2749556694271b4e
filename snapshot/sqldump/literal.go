package sqldump

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"

	"quorate/internal/value"
)

const hexDigits = "0123456789ABCDEF"

// AppendLiteral appends a value as SQLite writes it
// (https://sqlite.org/lang_expr.html#literal_values_constants_).
func AppendLiteral(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case value.Integer:
		return strconv.AppendInt(dst, v.Int(), 10)
	case value.Real:
		return appendFloat(dst, v.Float())
	case value.Text:
		if b := v.Bytes(); !quotable(b) {
			dst = append(dst, "CAST("...)
			return append(appendHex(dst, b), " AS TEXT)"...)
		}
		return appendQuoted(dst, v.Bytes(), '\'')
	case value.Blob:
		return appendHex(dst, v.Bytes())
	}
	return append(dst, "NULL"...)
}

// appendFloat writes a double so that it is read back to the last bit, and as a
// double. Numbers of up to 15 digits every SQLite reads exactly; what needs more
// is written with 17, the nearest such decimal rather than the shortest: it lies
// far from where SQLite's rounding, before version 3.43 not always correct, could
// tip over. There is no literal for infinity, but one for too much.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "9e999"...)
	case math.IsInf(f, -1):
		return append(dst, "-9e999"...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	if significant(dst[start:]) > 15 {
		dst = strconv.AppendFloat(dst[:start], f, 'g', 17, 64)
	}
	if !bytes.ContainsAny(dst[start:], ".e") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// significant counts the digits before the exponent.
func significant(number []byte) int {
	n := 0
	for _, c := range number {
		switch {
		case c == 'e':
			return n
		case c >= '1' && c <= '9' || c == '0' && n > 0:
			n++
		}
	}
	return n
}

// quotable reports that text survives between quotes, in SQLite and in its shell.
func quotable(b []byte) bool {
	return bytes.IndexByte(b, 0) < 0 && bytes.IndexByte(b, '\r') < 0 && utf8.Valid(b)
}

func appendQuoted(dst, b []byte, quote byte) []byte {
	dst = append(dst, quote)
	for {
		i := bytes.IndexByte(b, quote)
		if i < 0 {
			return append(append(dst, b...), quote)
		}
		dst = append(append(dst, b[:i+1]...), quote)
		b = b[i+1:]
	}
}

func appendHex(dst, b []byte) []byte {
	dst = append(dst, 'X', '\'')
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '\'')
}

// quoteName quotes an identifier.
func quoteName(name string) string { return string(appendQuoted(nil, []byte(name), '"')) }

// quoteText quotes a string for a query of our own.
func quoteText(text string) string { return string(appendQuoted(nil, []byte(text), '\'')) }
