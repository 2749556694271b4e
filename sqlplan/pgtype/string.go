package pgtype

import (
	"bytes"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// checkUTF8 refuses what PostgreSQL refuses in a UTF8 database: malformed
// sequences and the zero byte.
func checkUTF8(b []byte) error {
	if bytes.IndexByte(b, 0) >= 0 {
		return errcode.Newf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x00`)
	}
	if utf8.Valid(b) {
		return nil
	}
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size == 1 {
			return errcode.Newf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x%02x`, b[0])
		}
		b = b[size:]
	}
	return nil
}

// nameBytesMost is PostgreSQL's NAMEDATALEN less its zero byte.
const nameBytesMost = 63

// parseString reads the character types. An explicit cast cuts what is too
// long; otherwise only blanks may be lost.
func parseString(t Type, b []byte, explicit bool) (value.Value, error) {
	if err := checkUTF8(b); err != nil {
		return value.Value{}, err
	}
	b = notNil(b)
	switch t.OID {
	case Varchar, BPChar:
		return limitString(t, b, explicit)
	case Name:
		b = cutBytes(b, nameBytesMost)
	case Char:
		if _, size := utf8.DecodeRune(b); size < len(b) {
			b = b[:size]
		}
	}
	return value.TextBytes(b), nil
}

// cutBytes keeps at most n bytes and no half character.
func cutBytes(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// limitString applies the n of varchar(n) and char(n). Character(n) is stored
// without the blanks at its end, because they do not count when such values
// are compared.
func limitString(t Type, b []byte, explicit bool) (value.Value, error) {
	if n, ok := t.Length(); ok && len(b) > n {
		kept := cutCharacters(b, n)
		if !explicit && len(bytes.TrimRight(b[len(kept):], " ")) > 0 {
			return value.Value{}, errcode.Newf(errcode.StringDataRightTruncation, "value too long for type %s", Format(t))
		}
		b = kept
	}
	if t.OID == BPChar {
		b = bytes.TrimRight(b, " ")
	}
	return value.TextBytes(b), nil
}

// cutCharacters keeps the first n characters.
func cutCharacters(b []byte, n int) []byte {
	for i := 0; i < len(b); n-- {
		if n == 0 {
			return b[:i]
		}
		_, size := utf8.DecodeRune(b[i:])
		i += size
	}
	return b
}

// appendBlankPadded writes a character(n) with its blanks.
func appendBlankPadded(dst []byte, t Type, b []byte) []byte {
	dst = append(dst, b...)
	if n, ok := t.Length(); ok {
		for pad := n - utf8.RuneCount(b); pad > 0; pad-- {
			dst = append(dst, ' ')
		}
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// hexValue is -1 for what is no hexadecimal digit.
func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// parseBytea reads both formats of bytea (manual, section 8.4).
func parseBytea(b []byte) (value.Value, error) {
	if len(b) >= 2 && b[0] == '\\' && b[1] == 'x' {
		out, err := DecodeHex(b[2:])
		return value.BlobBytes(out), err
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != '\\' {
			out = append(out, b[i])
			continue
		}
		switch rest := b[i+1:]; {
		case len(rest) >= 1 && rest[0] == '\\':
			out = append(out, '\\')
			i++
		case len(rest) >= 3 && rest[0] >= '0' && rest[0] <= '3' && isOctal(rest[1]) && isOctal(rest[2]):
			out = append(out, (rest[0]-'0')<<6|(rest[1]-'0')<<3|(rest[2]-'0'))
			i += 3
		default:
			return value.Value{}, errcode.Newf(errcode.InvalidTextRepresentation, "invalid input syntax for type bytea")
		}
	}
	return value.BlobBytes(out), nil
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// DecodeHex reads pairs of hexadecimal digits, with blanks between pairs.
func DecodeHex(b []byte) ([]byte, error) {
	out := make([]byte, 0, len(b)/2)
	for i := 0; i < len(b); i++ {
		if b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r' {
			continue
		}
		high := hexValue(b[i])
		if high < 0 {
			return nil, errHexDigit(b[i:])
		}
		if i++; i == len(b) {
			return nil, errcode.Newf(errcode.InvalidParameterValue, "invalid hexadecimal data: odd number of digits")
		}
		low := hexValue(b[i])
		if low < 0 {
			return nil, errHexDigit(b[i:])
		}
		out = append(out, byte(high<<4|low))
	}
	return out, nil
}

func errHexDigit(b []byte) error {
	_, size := utf8.DecodeRune(b)
	return errcode.Newf(errcode.InvalidParameterValue, `invalid hexadecimal digit: "%s"`, bytes.ToValidUTF8(b[:size], []byte("?")))
}

// AppendHex writes two hexadecimal digits a byte.
func AppendHex(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

func appendBytea(dst, b []byte, escape bool) []byte {
	if !escape {
		return AppendHex(append(dst, '\\', 'x'), b)
	}
	return AppendEscaped(dst, b)
}

// AppendEscaped writes bytes in bytea's escape format.
func AppendEscaped(dst, b []byte) []byte {
	for _, c := range b {
		switch {
		case c == '\\':
			dst = append(dst, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// uuidLength is the length of a UUID as text.
const uuidLength = 36

// parseUUID reads what PostgreSQL takes for a UUID (manual, section 8.12):
// digits in either case, braces around, a hyphen after any four digits or none.
func parseUUID(b []byte) (value.Value, error) {
	if isCanonicalUUID(b) {
		return value.TextBytes(b), nil
	}
	s := b
	if len(s) >= 2 && s[0] == '{' && s[len(s)-1] == '}' {
		s = s[1 : len(s)-1]
	}
	var raw [16]byte
	digits := 0
	for i, c := range s {
		if c == '-' && digits > 0 && digits%4 == 0 && digits < 32 && s[i-1] != '-' {
			continue
		}
		h := hexValue(c)
		if h < 0 || digits == 32 {
			return value.Value{}, errSyntax(UUID, b)
		}
		raw[digits/2] = raw[digits/2]<<4 | byte(h)
		digits++
	}
	if digits != 32 {
		return value.Value{}, errSyntax(UUID, b)
	}
	return value.TextBytes(appendUUID(make([]byte, 0, uuidLength), raw[:])), nil
}

func isUUIDHyphen(i int) bool { return i == 8 || i == 13 || i == 18 || i == 23 }

func isCanonicalUUID(b []byte) bool {
	if len(b) != uuidLength {
		return false
	}
	for i, c := range b {
		if isUUIDHyphen(i) != (c == '-') || c != '-' && !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// appendUUID writes 16 bytes as a canonical UUID.
func appendUUID(dst, raw []byte) []byte {
	for i, c := range raw {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// FormatUUID makes the stored form of a UUID's 16 bytes.
func FormatUUID(raw [16]byte) value.Value {
	return value.TextBytes(appendUUID(make([]byte, 0, uuidLength), raw[:]))
}

func appendUUIDBinary(dst, text []byte) []byte {
	for i := 0; i < len(text); i += 2 {
		if isUUIDHyphen(i) {
			i++
		}
		dst = append(dst, byte(hexValue(text[i])<<4|hexValue(text[i+1])))
	}
	return dst
}
