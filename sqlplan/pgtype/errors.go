package pgtype

import (
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// errSyntax is PostgreSQL's error for text that is not of a type.
func errSyntax(oid uint32, b []byte) error {
	code, word := errcode.InvalidTextRepresentation, typeWord(oid)
	switch oid {
	case Time, Timestamp: // PostgreSQL says "without time zone" elsewhere only
		code, word = errcode.InvalidDatetimeFormat, InternalName(oid)
	case Date, Timestamptz, Interval:
		code = errcode.InvalidDatetimeFormat
	}
	return errcode.Newf(code, "invalid input syntax for type %s: %s", word, quoted(b))
}

// errRange is the error for text whose number the type cannot hold.
func errRange(oid uint32, b []byte) error {
	return errcode.Newf(errcode.NumericValueOutOfRange, "value %s is out of range for type %s", quoted(b), typeWord(oid))
}

// errOverflow is the error for a computed number that the type cannot hold.
func errOverflow(oid uint32) error {
	switch oid {
	case Float4, Float8:
		return errcode.Newf(errcode.NumericValueOutOfRange, "value out of range: overflow")
	case OID:
		return errcode.Newf(errcode.NumericValueOutOfRange, "OID out of range")
	}
	return errcode.Newf(errcode.NumericValueOutOfRange, "%s out of range", typeWord(oid))
}

// errBinary is the error for a binary parameter of the wrong form.
func errBinary(oid uint32) error {
	return errcode.Newf(errcode.InvalidBinaryRepresentation, "incorrect binary data format for type %s", typeWord(oid))
}

// errStored is the error for a stored value that is not of its column's type:
// it was written around the types, or an expression was typed wrongly.
func errStored(oid uint32, v value.Value) error {
	return errcode.Newf(errcode.InvalidTextRepresentation, "stored value %s is not of type %s", shortened(v.GoString()), typeWord(oid))
}

// errNaN refuses not-a-number, which SQLite would turn into NULL.
func errNaN(oid uint32) error {
	return errcode.Newf(errcode.NumericValueOutOfRange, "NaN cannot be stored as %s", typeWord(oid)).
		WithHint("Use NULL for a number that is not known.")
}

// typeWord is the name that PostgreSQL's messages use.
func typeWord(oid uint32) string {
	if info := byOID[oid]; info != nil {
		return info.format
	}
	return "unknown"
}

func quoted(b []byte) string { return `"` + shortened(string(b)) + `"` }

// shortened keeps a message readable and its size bounded.
func shortened(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// trimSpace cuts the blanks that PostgreSQL's number and time input ignores.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
