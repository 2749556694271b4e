package pgtype

import (
	"encoding/binary"
	"math"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// decimal is a number in decimal digits: 0.d1d2d3… × 10^point. It has no zeros
// at either end; zero has no digits.
type decimal struct {
	negative bool
	digits   []byte // '0' … '9'
	point    int
}

// decimalExponentMost bounds exponents in input, far beyond what can be stored.
const decimalExponentMost = 100000

// parseDecimal reads [sign] digits [. digits] [e exponent].
func parseDecimal(s []byte) (d decimal, ok bool) {
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		d.negative = s[0] == '-'
		s = s[1:]
	}
	d.digits = make([]byte, 0, len(s))
	seen, fraction := false, false
	i := 0
	for ; i < len(s); i++ {
		c := s[i]
		if c == '.' && !fraction {
			fraction = true
			continue
		}
		if !isDigit(c) {
			break
		}
		seen = true
		d.digits = append(d.digits, c)
		if !fraction {
			d.point++
		}
	}
	if !seen {
		return d, false
	}
	if i < len(s) {
		if lower(s[i]) != 'e' {
			return d, false
		}
		exponent, ok := parseExponent(s[i+1:])
		if !ok {
			return d, false
		}
		d.point += exponent
	}
	return d.trim(), true
}

// parseExponent reads what follows the e; too large ones are cut off.
func parseExponent(s []byte) (exponent int, ok bool) {
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	for _, c := range s {
		if !isDigit(c) {
			return 0, false
		}
		exponent = min(exponent*10+int(c-'0'), decimalExponentMost)
	}
	if negative {
		exponent = -exponent
	}
	return exponent, true
}

func (d decimal) trim() decimal {
	for len(d.digits) > 0 && d.digits[0] == '0' {
		d.digits = d.digits[1:]
		d.point--
	}
	for len(d.digits) > 0 && d.digits[len(d.digits)-1] == '0' {
		d.digits = d.digits[:len(d.digits)-1]
	}
	if len(d.digits) == 0 {
		return decimal{}
	}
	return d
}

// round keeps scale digits after the decimal point; halves go away from zero.
func (d decimal) round(scale int) decimal {
	keep := d.point + scale
	if keep >= len(d.digits) {
		return d
	}
	if keep < 0 {
		return decimal{}
	}
	up := d.digits[keep] >= '5'
	d.digits = append([]byte(nil), d.digits[:keep]...)
	if up {
		i := keep - 1
		for ; i >= 0; i-- {
			if d.digits[i] != '9' {
				d.digits[i]++
				break
			}
			d.digits[i] = '0'
		}
		if i < 0 {
			d.digits = append([]byte{'1'}, d.digits...)
			d.point++
		}
	}
	return d.trim()
}

// int64 returns the number when it is whole and fits.
func (d decimal) int64() (i int64, ok bool) {
	if d.point < len(d.digits) || d.point > 19 {
		return 0, false
	}
	var n uint64
	for k := range d.point {
		c := uint64(0)
		if k < len(d.digits) {
			c = uint64(d.digits[k] - '0')
		}
		if n > (math.MaxUint64-c)/10 {
			return 0, false
		}
		n = n*10 + c
	}
	if d.negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}

// float64 returns the double whose shortest decimal form is this number.
func (d decimal) float64() (f float64, ok bool) {
	if len(d.digits) > 17 || d.point < -330 || d.point > 310 {
		return 0, false
	}
	var buf [40]byte
	s := buf[:0]
	if d.negative {
		s = append(s, '-')
	}
	s = append(append(s, "0."...), d.digits...)
	s = strconv.AppendInt(append(s, 'e'), int64(d.point), 10)
	f, err := strconv.ParseFloat(string(s), 64)
	if err != nil {
		return 0, false
	}
	return f, floatDecimal(f).equal(d)
}

// floatDecimal is a finite double's shortest decimal form.
func floatDecimal(f float64) decimal {
	var buf [32]byte
	d, _ := parseDecimal(strconv.AppendFloat(buf[:0], f, 'e', -1, 64))
	return d
}

func (d decimal) equal(e decimal) bool {
	return d.negative == e.negative && d.point == e.point && string(d.digits) == string(e.digits)
}

// append writes the number without exponent and with at least scale digits
// after the point.
func (d decimal) append(dst []byte, scale int) []byte {
	if d.negative {
		dst = append(dst, '-')
	}
	if d.point <= 0 {
		dst = append(dst, '0')
	}
	for i := range max(d.point, 0) {
		dst = append(dst, d.digit(i))
	}
	scale = max(scale, len(d.digits)-d.point, 0)
	if scale > 0 {
		dst = append(dst, '.')
		for i := range scale {
			dst = append(dst, d.digit(d.point+i))
		}
	}
	return dst
}

func (d decimal) digit(i int) byte {
	if i < 0 || i >= len(d.digits) {
		return '0'
	}
	return d.digits[i]
}

// parseNumeric reads numeric and decimal.
func parseNumeric(t Type, b []byte) (value.Value, error) {
	s := trimSpace(b)
	if t.Mod < 0 && len(s) <= 18 {
		if v, err := parseInt(Int8, s); err == nil {
			return v, nil
		}
	}
	d, ok := parseDecimal(s)
	if !ok {
		return value.Value{}, errNumericWord(b, s)
	}
	return d.numeric(t)
}

// errNumericWord tells the words for numbers that cannot be stored from text
// that is no number.
func errNumericWord(b, s []byte) error {
	word := s
	if len(word) > 0 && (word[0] == '-' || word[0] == '+') {
		word = word[1:]
	}
	switch {
	case equalFold(s, "nan"):
		return errNaN(Numeric)
	case equalFold(word, "infinity"), equalFold(word, "inf"):
		return errcode.Newf(errcode.NumericValueOutOfRange, "infinity cannot be stored as numeric").
			WithHint("Use double precision.")
	}
	return errSyntax(Numeric, b)
}

// numeric makes the stored form, rounded to t's scale.
func (d decimal) numeric(t Type) (value.Value, error) {
	if precision, scale, ok := t.Precision(); ok {
		d = d.round(scale)
		if len(d.digits) > 0 && d.point > precision-scale {
			return value.Value{}, errPrecision(precision, scale)
		}
	}
	if i, ok := d.int64(); ok {
		return value.Int(i), nil
	}
	if f, ok := d.float64(); ok {
		return value.Float(f), nil
	}
	return value.Value{}, errInexact(d)
}

func errPrecision(precision, scale int) error {
	limit := "10^" + strconv.Itoa(precision-scale)
	if precision == scale {
		limit = "1"
	}
	return errcode.Newf(errcode.NumericValueOutOfRange, "numeric field overflow").
		WithDetail("A field with precision %d, scale %d must round to an absolute value less than %s.", precision, scale, limit)
}

func errInexact(d decimal) error {
	shown := d
	if d.point > 40 || d.point < -40 {
		shown.point = 1
	}
	s := shown.append(nil, 0)
	if shown.point != d.point {
		s = strconv.AppendInt(append(s, 'e'), int64(d.point-1), 10)
	}
	return errcode.Newf(errcode.NumericValueOutOfRange, "numeric value %s cannot be stored exactly", quoted(s)).
		WithHint("A numeric is kept in 64 bits: whole numbers up to 9223372036854775807, or 15 significant digits. Use text for longer numbers, or round().")
}

// appendNumeric writes a stored numeric with the scale of its type.
func appendNumeric(dst []byte, t Type, v value.Value) []byte {
	_, scale, scaled := t.Precision()
	if v.Kind() == value.Integer {
		dst = strconv.AppendInt(dst, v.Int(), 10)
		if scaled && scale > 0 {
			dst = append(dst, '.')
			for range scale {
				dst = append(dst, '0')
			}
		}
		return dst
	}
	f := v.Float()
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case f == 0:
		f = 0 // numeric has no negative zero
	}
	if !scaled {
		return strconv.AppendFloat(dst, f, 'f', -1, 64)
	}
	return floatDecimal(f).round(scale).append(dst, scale)
}

// The binary format of numeric (src/backend/utils/adt/numeric.c,
// numeric_send):
//
//	+---------+---------+---------+---------+----------------------+
//	| ndigits | weight  |  sign   | dscale  | ndigits × 0 … 9999   |
//	|  int16  |  int16  | uint16  | uint16  |        uint16        |
//	+---------+---------+---------+---------+----------------------+
//
// The number is the sum of digit[i] × 10000^(weight-i); dscale is how many
// decimal digits after the point are shown.
const (
	numericHeaderBytes  = 8
	numericPositive     = 0x0000
	numericNegative     = 0x4000
	numericNaN          = 0xC000
	numericInfinity     = 0xD000
	numericNegInfinity  = 0xF000
	numericScaleMost    = 0x3FFF
	numericGroup        = 4 // decimal digits in one binary digit
	numericGroupTooMuch = 10000
)

func parseNumericBinary(t Type, b []byte) (value.Value, error) {
	if len(b) < numericHeaderBytes {
		return value.Value{}, errBinary(Numeric)
	}
	groups := int(binary.BigEndian.Uint16(b))
	weight := int(int16(binary.BigEndian.Uint16(b[2:])))
	sign := binary.BigEndian.Uint16(b[4:])
	scale := int(binary.BigEndian.Uint16(b[6:]))
	b = b[numericHeaderBytes:]
	switch {
	case sign == numericNaN:
		return value.Value{}, errNaN(Numeric)
	case sign == numericInfinity || sign == numericNegInfinity:
		return value.Value{}, errNumericWord(nil, []byte("inf"))
	case sign != numericPositive && sign != numericNegative, scale > numericScaleMost, len(b) != 2*groups:
		return value.Value{}, errBinary(Numeric)
	}
	d := decimal{
		negative: sign == numericNegative,
		digits:   make([]byte, 0, groups*numericGroup),
		point:    (weight + 1) * numericGroup,
	}
	for ; len(b) > 0; b = b[2:] {
		group := binary.BigEndian.Uint16(b)
		if group >= numericGroupTooMuch {
			return value.Value{}, errBinary(Numeric)
		}
		d.digits = append(d.digits, byte('0'+group/1000), byte('0'+group/100%10), byte('0'+group/10%10), byte('0'+group%10))
	}
	// Digits beyond dscale are cut off, as numeric_recv does.
	if keep := d.point + scale; keep < len(d.digits) {
		d.digits = d.digits[:max(keep, 0)]
	}
	return d.trim().numeric(t)
}

func appendNumericBinary(dst []byte, t Type, v value.Value) []byte {
	if _, scale, ok := t.Precision(); v.Kind() == value.Integer && (!ok || scale >= 0) {
		return appendWholeBinary(dst, v.Int(), scale)
	}
	var buf [48]byte
	text := appendNumeric(buf[:0], t, v)
	sign := uint16(numericPositive)
	if text[0] == '-' {
		sign = numericNegative
		text = text[1:]
	}
	if text[0] == 'I' {
		if sign = numericInfinity; v.Float() < 0 {
			sign = numericNegInfinity
		}
		return appendUint16s(dst, 0, 0, sign, 0)
	}
	scale := 0
	for i, c := range text {
		if c == '.' {
			scale = len(text) - i - 1
		}
	}
	d, _ := parseDecimal(text)
	// Groups of four are counted from the point outwards.
	weight := (d.point+numericGroup-1)/numericGroup - 1
	if d.point <= 0 {
		weight = -(-d.point / numericGroup) - 1
	}
	lead := d.point - (weight+1)*numericGroup // digits[0] stands -lead places into its group
	groups := (len(d.digits) - lead + numericGroup - 1) / numericGroup
	if len(d.digits) == 0 {
		weight, groups = 0, 0
	}
	dst = appendUint16s(dst, uint16(groups), uint16(weight), sign, uint16(scale))
	for g := range groups {
		group := uint16(0)
		for k := range numericGroup {
			group = group*10 + uint16(d.digit(g*numericGroup+k+lead)-'0')
		}
		dst = binary.BigEndian.AppendUint16(dst, group)
	}
	return dst
}

// appendWholeBinary is appendNumericBinary for whole numbers.
func appendWholeBinary(dst []byte, i int64, scale int) []byte {
	sign, rest := uint16(numericPositive), uint64(i)
	if i < 0 {
		sign, rest = numericNegative, -rest
	}
	var groups [5]uint16 // the last of the number first
	n, skip := 0, 0      // skip counts groups of zeros at the number's end
	for ; rest > 0; rest /= numericGroupTooMuch {
		groups[n] = uint16(rest % numericGroupTooMuch)
		if n == skip && groups[n] == 0 {
			skip++
		}
		n++
	}
	dst = appendUint16s(dst, uint16(n-skip), uint16(max(n-1, 0)), sign, uint16(scale))
	for n--; n >= skip; n-- {
		dst = binary.BigEndian.AppendUint16(dst, groups[n])
	}
	return dst
}

func appendUint16s(dst []byte, numbers ...uint16) []byte {
	for _, n := range numbers {
		dst = binary.BigEndian.AppendUint16(dst, n)
	}
	return dst
}
