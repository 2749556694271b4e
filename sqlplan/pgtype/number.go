package pgtype

import (
	"math"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// parseInt reads smallint, integer and bigint: blanks, a sign, digits.
func parseInt(oid uint32, b []byte) (value.Value, error) {
	s := trimSpace(b)
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 {
		return value.Value{}, errSyntax(oid, b)
	}
	var n uint64
	overflow := false
	for _, c := range s {
		if !isDigit(c) {
			return value.Value{}, errSyntax(oid, b)
		}
		if n > (math.MaxUint64-9)/10 {
			overflow = true
			continue
		}
		n = n*10 + uint64(c-'0')
	}
	if overflow || n > 1<<63 || n == 1<<63 && !negative {
		return value.Value{}, errRange(oid, b)
	}
	i := int64(n)
	if negative {
		i = -i
	}
	if !inRange(oid, i) {
		return value.Value{}, errRange(oid, b)
	}
	return value.Int(i), nil
}

// inRange reports whether an integer type can hold i.
func inRange(oid uint32, i int64) bool {
	switch oid {
	case Int2:
		return i == int64(int16(i))
	case Int4:
		return i == int64(int32(i))
	case OID, RegClass, RegType:
		return i == int64(uint32(i))
	}
	return true
}

// exactFloat is the end of the range in which every whole number is a double.
const exactFloat = 1 << 53

// fitInt is fit for integers. SQLite's + - * go over to doubles when int64
// overflows; such a double is 2^63 or more, and becomes the error that
// PostgreSQL would have given.
func fitInt(oid uint32, v value.Value) (value.Value, error) {
	switch v.Kind() {
	case value.Integer:
		if inRange(oid, v.Int()) {
			return v, nil
		}
		return v, errOverflow(oid)
	case value.Real:
		f := v.Float()
		if math.Abs(f) >= exactFloat {
			return v, errOverflow(oid)
		}
		if f == math.Trunc(f) {
			return fitInt(oid, value.Int(int64(f)))
		}
	case value.Text:
		parsed, err := ParseText(Of(oid), v.Bytes(), nil)
		if err == nil {
			return parsed, nil
		}
	}
	return v, errStored(oid, v)
}

// parseOID reads an object id. (PostgreSQL also takes negative ones, modulo
// 2^32.)
func parseOID(b []byte) (value.Value, error) {
	v, err := parseInt(Int8, b)
	if e, ok := err.(*errcode.Error); ok && e.Code == errcode.InvalidTextRepresentation {
		return v, errSyntax(OID, b)
	}
	if err != nil || !inRange(OID, v.Int()) {
		return v, errRange(OID, b)
	}
	return v, nil
}

// parseReg reads regtype and regclass: numbers, and the names of types. Names
// of relations need the schema, which only the planner has.
func parseReg(oid uint32, b []byte) (value.Value, error) {
	s := trimSpace(b)
	if len(s) > 0 && isDigit(s[0]) {
		return parseOID(b)
	}
	if len(s) == 1 && s[0] == '-' {
		return value.Int(0), nil
	}
	if oid == RegType {
		found, ok := ByName(string(s))
		if !ok {
			return value.Value{}, errcode.Newf(errcode.UndefinedObject, "type %s does not exist", quoted(s))
		}
		return value.Int(int64(found)), nil
	}
	return value.Value{}, errcode.Newf(errcode.FeatureNotSupported, "the name of a relation as regclass is known only as a literal: %s", quoted(s))
}

func appendReg(dst []byte, oid uint32, v value.Value) []byte {
	if v.Int() == 0 {
		return append(dst, '-')
	}
	if oid == RegType && byOID[uint32(v.Int())] != nil {
		return append(dst, Format(Of(uint32(v.Int())))...)
	}
	return strconv.AppendInt(dst, v.Int(), 10)
}

var boolWords = []struct {
	word    string
	shorter int // the shortest unique beginning
	value   bool
}{{"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false}, {"on", 2, true}, {"off", 2, false}, {"1", 1, true}, {"0", 1, false}}

// parseBool reads what PostgreSQL takes for a boolean (manual, section 8.6):
// the words and their unique beginnings.
func parseBool(b []byte) (value.Value, error) {
	s := trimSpace(b)
	for _, w := range boolWords {
		if len(s) >= w.shorter && len(s) <= len(w.word) && equalFold(s, w.word[:len(s)]) {
			return value.Bool(w.value), nil
		}
	}
	return value.Value{}, errSyntax(Bool, b)
}

// equalFold compares with a lower-case word, without regard to ASCII case.
func equalFold(b []byte, word string) bool {
	if len(b) != len(word) {
		return false
	}
	for i, c := range b {
		if lower(c) != word[i] {
			return false
		}
	}
	return true
}

// parseFloat reads real and double precision. (PostgreSQL leaves this to
// strtod, which also takes hexadecimal; that is refused here.)
func parseFloat(oid uint32, b []byte) (value.Value, error) {
	s := trimSpace(b)
	unsigned := s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		unsigned = s[1:]
	}
	if len(unsigned) == 0 {
		return value.Value{}, errSyntax(oid, b)
	}
	if !isDigit(unsigned[0]) && unsigned[0] != '.' {
		return parseFloatWord(oid, b, unsigned, s[0] == '-')
	}
	for _, c := range unsigned {
		if !isDigit(c) && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-' {
			return value.Value{}, errSyntax(oid, b)
		}
	}
	bits := 64
	if oid == Float4 {
		bits = 32
	}
	f, err := strconv.ParseFloat(string(s), bits)
	if e, ok := err.(*strconv.NumError); ok && e.Err != strconv.ErrRange {
		return value.Value{}, errSyntax(oid, b)
	}
	if err != nil || f == 0 && hasNonzeroDigit(unsigned) {
		return value.Value{}, errcode.Newf(errcode.NumericValueOutOfRange, "%s is out of range for type %s", quoted(s), typeWord(oid))
	}
	return value.Float(f), nil
}

func hasNonzeroDigit(s []byte) bool {
	for _, c := range s {
		if c == 'e' || c == 'E' {
			return false
		}
		if c >= '1' && c <= '9' {
			return true
		}
	}
	return false
}

func parseFloatWord(oid uint32, b, word []byte, negative bool) (value.Value, error) {
	switch {
	case equalFold(word, "infinity"), equalFold(word, "inf"):
		if negative {
			return value.Float(math.Inf(-1)), nil
		}
		return value.Float(math.Inf(1)), nil
	case equalFold(word, "nan"):
		return value.Value{}, errNaN(oid)
	}
	return value.Value{}, errSyntax(oid, b)
}

// floatValue makes a stored float.
func floatValue(oid uint32, f float64) (value.Value, error) {
	if math.IsNaN(f) {
		return value.Value{}, errNaN(oid)
	}
	return value.Float(f), nil
}

// appendFloat writes a float as PostgreSQL does: the shortest digits that read
// back the same, with an exponent below 1e-4 and from 1e15 on (1e6 for real);
// with extra digits of 0 or less, as C's %.*g does.
func appendFloat(dst []byte, oid uint32, f float64, extra int) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	bits, digits, plainFrom, plainBelow := 64, 15, 1e-4, 1e15
	if oid == Float4 {
		bits, digits, plainFrom, plainBelow = 32, 6, float64(float32(1e-4)), 1e6
		f = float64(float32(f))
	}
	if extra <= 0 {
		return strconv.AppendFloat(dst, f, 'g', max(digits+extra, 1), bits)
	}
	abs := math.Abs(f)
	if abs == 0 || abs >= plainFrom && abs < plainBelow {
		return strconv.AppendFloat(dst, f, 'f', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'e', -1, bits)
}
