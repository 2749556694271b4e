package sqlplan

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"quorate/internal/errcode"
)

// unescape reads an E'…' string from its opening quote (PostgreSQL manual,
// section 4.1.2.2) and returns the value and the offset after the closing
// quote.
func (l *lexer) unescape(open int) (value string, end int, ok bool, err *errcode.Error) {
	var b strings.Builder
	for i := open + 1; i < len(l.src); {
		switch c := l.src[i]; {
		case c == '\'' && l.byteAt(i+1) == '\'':
			b.WriteByte('\'')
			i += 2
		case c == '\'':
			if value = b.String(); !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
				return "", 0, false, l.fail(open, errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8"`)
			}
			return value, i + 1, true, nil
		case c == '\\':
			if i, err = l.escape(&b, i); err != nil {
				return "", 0, false, err
			}
		default:
			b.WriteByte(c)
			i++
		}
	}
	return "", 0, false, nil
}

// escape reads one backslash sequence at i and returns the offset after it.
func (l *lexer) escape(b *strings.Builder, i int) (int, *errcode.Error) {
	c := l.byteAt(i + 1)
	switch c {
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case 'x':
		n, value := l.digits(i+2, 2, 16)
		if n == 0 {
			b.WriteByte('x')
			return i + 2, nil
		}
		b.WriteByte(byte(value))
		return i + 2 + n, nil
	case 'u', 'U':
		return l.unicodeEscape(b, i)
	case '0', '1', '2', '3', '4', '5', '6', '7':
		n, value := l.digits(i+1, 3, 8)
		b.WriteByte(byte(value))
		return i + 1 + n, nil
	case 0:
		return i + 1, nil // the text ends here: an unterminated string
	default:
		b.WriteByte(c)
	}
	return i + 2, nil
}

// unicodeEscape reads \uXXXX or \UXXXXXXXX, also a surrogate pair of them.
func (l *lexer) unicodeEscape(b *strings.Builder, i int) (int, *errcode.Error) {
	r, end := l.unicodePoint(i)
	if utf16.IsSurrogate(r) {
		second, secondEnd := l.unicodePoint(end)
		r, end = utf16.DecodeRune(r, second), secondEnd
		if r == utf8.RuneError {
			return 0, l.fail(i, errcode.SyntaxError, "invalid Unicode surrogate pair at or near \"%s\"", clip(l.src[i:]))
		}
	}
	if r <= 0 || r > utf8.MaxRune {
		return 0, l.fail(i, errcode.SyntaxError, "invalid Unicode escape at or near \"%s\"", clip(l.src[i:])).
			WithHint(`Unicode escapes must be \uXXXX or \UXXXXXXXX.`)
	}
	b.WriteRune(r)
	return end, nil
}

// unicodePoint reads one \u or \U sequence at i; r is -1 when there is none.
func (l *lexer) unicodePoint(i int) (r rune, end int) {
	if l.byteAt(i) != '\\' {
		return -1, i
	}
	want := 4
	switch l.byteAt(i + 1) {
	case 'u':
	case 'U':
		want = 8
	default:
		return -1, i
	}
	n, value := l.digits(i+2, want, 16)
	if n != want {
		return -1, i
	}
	return rune(value), i + 2 + n
}

// digits reads up to most digits of a base at i.
func (l *lexer) digits(i, most int, base int64) (n int, value int64) {
	for n < most {
		d := int64(99)
		switch c := l.byteAt(i + n); {
		case isDigit(c):
			d = int64(c - '0')
		case 'a' <= c && c <= 'f':
			d = int64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = int64(c-'A') + 10
		}
		if d >= base {
			break
		}
		value = value*base + d
		n++
	}
	return n, value
}
