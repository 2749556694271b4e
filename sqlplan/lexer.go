package sqlplan

import (
	"strings"
	"unicode/utf8"

	"quorate/internal/errcode"
)

// tokenKind says what a token is (PostgreSQL manual, section 4.1).
type tokenKind uint8

const (
	tokEnd    tokenKind = iota
	tokWord             // an unquoted identifier or key word; text is folded
	tokQuoted           // a "quoted" identifier; text is its name
	tokString           // a string constant in any quoting; text is its value
	tokInt              // digits
	tokNumber           // digits with a point or an exponent
	tokParam            // $n; text is the digits
	tokOp               // an operator or a punctuation mark
)

// token is a lexeme. pos and end are byte offsets in the text.
type token struct {
	kind     tokenKind
	pos, end int
	text     string
}

// maxIdentifierBytes is PostgreSQL's NAMEDATALEN-1: longer names are cut
// there, as PostgreSQL does (section 4.1.1), because tools that make long
// names count on it.
const maxIdentifierBytes = 63

// lexer turns text into tokens by PostgreSQL's rules.
type lexer struct {
	src string
	at  int
}

// checkText refuses what no statement may contain: bytes that are not UTF-8,
// and NUL, which PostgreSQL's text cannot hold.
func checkText(src string) *errcode.Error {
	if utf8.ValidString(src) {
		if i := strings.IndexByte(src, 0); i >= 0 {
			return errcode.Newf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x00`).At(position(src, i))
		}
		return nil
	}
	for i, r := range src {
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(src[i:]); size == 1 {
				return errcode.Newf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x%02x`, src[i]).At(position(src, i))
			}
		}
	}
	panic("sqlplan: text is invalid UTF-8 without an invalid byte")
}

// position converts a byte offset to the 1-based character that the protocol
// counts in (section 55.8).
func position(src string, offset int) int {
	return utf8.RuneCountInString(src[:min(offset, len(src))]) + 1
}

func (l *lexer) fail(pos int, code errcode.Code, format string, args ...any) *errcode.Error {
	return errcode.Newf(code, format, args...).At(position(l.src, pos))
}

// next returns the next token; at the end, again and again, tokEnd.
func (l *lexer) next() (token, *errcode.Error) {
	if err := l.skipBlank(); err != nil {
		return token{}, err
	}
	start := l.at
	if start >= len(l.src) {
		return token{kind: tokEnd, pos: len(l.src), end: len(l.src)}, nil
	}
	c := l.src[start]
	switch {
	case c == '\'':
		return l.stringToken(start, start, false)
	case c == '"':
		return l.quotedIdentifier(start)
	case c == '$':
		return l.dollar(start)
	case isDigit(c), c == '.' && isDigit(l.byteAt(start+1)):
		return l.number(start)
	case isIdentifierStart(c):
		return l.word(start)
	}
	return l.operator(start)
}

func (l *lexer) byteAt(i int) byte {
	if i < len(l.src) {
		return l.src[i]
	}
	return 0
}

// skipBlank skips white space and comments; block comments nest.
func (l *lexer) skipBlank() *errcode.Error {
	for l.at < len(l.src) {
		switch c := l.src[l.at]; {
		case isBlank(c):
			l.at++
		case c == '-' && l.byteAt(l.at+1) == '-':
			l.skipLine()
		case c == '/' && l.byteAt(l.at+1) == '*':
			if err := l.skipBlockComment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) skipLine() {
	for l.at < len(l.src) && l.src[l.at] != '\n' && l.src[l.at] != '\r' {
		l.at++
	}
}

func (l *lexer) skipBlockComment() *errcode.Error {
	start, depth := l.at, 0
	for l.at < len(l.src) {
		switch rest := l.src[l.at:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			l.at += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			l.at += 2
			if depth == 0 {
				return nil
			}
		default:
			l.at++
		}
	}
	return l.fail(start, errcode.SyntaxError, "unterminated /* comment at or near \"%s\"", clip(l.src[start:]))
}

// word reads an identifier or key word, or the prefix of a string constant.
func (l *lexer) word(start int) (token, *errcode.Error) {
	if l.byteAt(start+1) == '\'' {
		switch l.src[start] {
		case 'e', 'E':
			return l.stringToken(start, start+1, true)
		case 'n', 'N': // national character: an ordinary string
			return l.stringToken(start, start+1, false)
		case 'b', 'B', 'x', 'X':
			return token{}, l.fail(start, errcode.FeatureNotSupported, "bit string constants are not supported").
				WithHint(`A bytea constant is written '\x1f'::bytea.`)
		}
	}
	if c := l.src[start]; (c == 'u' || c == 'U') && l.byteAt(start+1) == '&' && (l.byteAt(start+2) == '\'' || l.byteAt(start+2) == '"') {
		return token{}, l.fail(start, errcode.FeatureNotSupported, "U& strings and identifiers are not supported").
			WithHint(`Write the characters themselves, or E'\u00e4'.`)
	}
	i, upper := start, false
	for i < len(l.src) && isIdentifierPart(l.src[i]) {
		upper = upper || 'A' <= l.src[i] && l.src[i] <= 'Z'
		i++
	}
	text := l.src[start:i]
	if upper {
		text = foldASCII(text)
	}
	l.at = i
	return token{tokWord, start, i, clipIdentifier(text)}, nil
}

// foldASCII folds A to Z only, as PostgreSQL does for unquoted identifiers in
// a UTF-8 database.
func foldASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

func clipIdentifier(s string) string {
	if len(s) <= maxIdentifierBytes {
		return s
	}
	end := maxIdentifierBytes
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

func (l *lexer) quotedIdentifier(start int) (token, *errcode.Error) {
	name, end, ok := unquote(l.src, start, '"')
	if !ok {
		return token{}, l.fail(start, errcode.SyntaxError, "unterminated quoted identifier at or near \"%s\"", clip(l.src[start:]))
	}
	if name == "" {
		return token{}, l.fail(start, errcode.SyntaxError, `zero-length delimited identifier at or near """"`)
	}
	l.at = end
	return token{tokQuoted, start, end, clipIdentifier(name)}, nil
}

// unquote reads from the opening quote at start to its closing quote; a
// doubled quote stands for one. It returns the value and the offset after it.
func unquote(src string, start int, quote byte) (value string, end int, ok bool) {
	i := strings.IndexByte(src[start+1:], quote)
	if i < 0 {
		return "", 0, false
	}
	end = start + 1 + i
	if end+1 >= len(src) || src[end+1] != quote {
		return src[start+1 : end], end + 1, true
	}
	var b strings.Builder
	for i := start + 1; i < len(src); i++ {
		if src[i] == quote {
			if i+1 >= len(src) || src[i+1] != quote {
				return b.String(), i + 1, true
			}
			i++
		}
		b.WriteByte(src[i])
	}
	return "", 0, false
}

// stringToken reads a string constant whose quote is at open, and the parts
// that continue it on following lines (section 4.1.2.1).
func (l *lexer) stringToken(start, open int, escapes bool) (token, *errcode.Error) {
	value, end, err := l.stringPart(start, open, escapes)
	if err != nil {
		return token{}, err
	}
	for {
		l.at = end
		if err := l.skipBlank(); err != nil {
			return token{}, err
		}
		if l.byteAt(l.at) != '\'' || !strings.ContainsAny(l.src[end:l.at], "\n\r") {
			l.at = end
			return token{tokString, start, end, value}, nil
		}
		part, partEnd, err := l.stringPart(start, l.at, escapes)
		if err != nil {
			return token{}, err
		}
		value, end = value+part, partEnd
	}
}

func (l *lexer) stringPart(start, open int, escapes bool) (string, int, *errcode.Error) {
	var value string
	var end int
	var ok bool
	if escapes {
		var err *errcode.Error
		if value, end, ok, err = l.unescape(open); err != nil {
			return "", 0, err
		}
	} else {
		value, end, ok = unquote(l.src, open, '\'')
	}
	if !ok {
		return "", 0, l.fail(start, errcode.SyntaxError, "unterminated quoted string at or near \"%s\"", clip(l.src[start:]))
	}
	return value, end, nil
}

// dollar reads $n or a dollar-quoted string (section 4.1.2.4).
func (l *lexer) dollar(start int) (token, *errcode.Error) {
	i := start + 1
	for isDigit(l.byteAt(i)) {
		i++
	}
	if i > start+1 {
		if isIdentifierStart(l.byteAt(i)) {
			return token{}, l.fail(start, errcode.SyntaxError, "trailing junk after parameter at or near \"%s\"", clip(l.src[start:]))
		}
		l.at = i
		return token{tokParam, start, i, l.src[start+1 : i]}, nil
	}
	for i < len(l.src) && isIdentifierPart(l.src[i]) && l.src[i] != '$' {
		i++
	}
	if l.byteAt(i) != '$' {
		return token{}, l.fail(start, errcode.SyntaxError, `syntax error at or near "$"`)
	}
	tag := l.src[start : i+1]
	n := strings.Index(l.src[i+1:], tag)
	if n < 0 {
		return token{}, l.fail(start, errcode.SyntaxError, "unterminated dollar-quoted string at or near \"%s\"", clip(l.src[start:]))
	}
	l.at = i + 1 + n + len(tag)
	return token{tokString, start, l.at, l.src[i+1 : i+1+n]}, nil
}

// number reads an integer or a decimal constant. As in PostgreSQL 15 there
// are no hexadecimal numbers and no underscores; unlike there, junk right
// after a number is refused rather than read as an alias.
func (l *lexer) number(start int) (token, *errcode.Error) {
	i, kind := start, tokInt
	for isDigit(l.byteAt(i)) {
		i++
	}
	if l.byteAt(i) == '.' && l.byteAt(i+1) != '.' {
		kind = tokNumber
		i++
		for isDigit(l.byteAt(i)) {
			i++
		}
	}
	if c := l.byteAt(i); c == 'e' || c == 'E' {
		j := i + 1
		if s := l.byteAt(j); s == '+' || s == '-' {
			j++
		}
		if isDigit(l.byteAt(j)) {
			kind = tokNumber
			for i = j; isDigit(l.byteAt(i)); {
				i++
			}
		}
	}
	if isIdentifierStart(l.byteAt(i)) {
		return token{}, l.fail(start, errcode.SyntaxError, "trailing junk after numeric literal at or near \"%s\"", clip(l.src[start:]))
	}
	l.at = i
	return token{kind, start, i, l.src[start:i]}, nil
}

const operatorBytes = "+-*/<>=~!@#%^&|`?"

// operator reads an operator or a punctuation mark (section 4.1.3: the longest
// run of operator characters, without the start of a comment, and not ending
// in + or - unless it has one of the special characters).
func (l *lexer) operator(start int) (token, *errcode.Error) {
	c := l.src[start]
	if strings.IndexByte(operatorBytes, c) < 0 {
		end := start + 1
		switch c {
		case '(', ')', '[', ']', ',', ';', '.':
		case ':':
			if n := l.byteAt(end); n == ':' || n == '=' {
				end++
			}
		default:
			return token{}, l.fail(start, errcode.SyntaxError, "syntax error at or near \"%s\"", clip(l.src[start:]))
		}
		l.at = end
		return token{tokOp, start, end, l.src[start:end]}, nil
	}
	end := start
	for end < len(l.src) && strings.IndexByte(operatorBytes, l.src[end]) >= 0 {
		if two := l.src[end:min(end+2, len(l.src))]; end > start && (two == "--" || two == "/*") {
			break
		}
		end++
	}
	if !strings.ContainsAny(l.src[start:end], "~!@#%^&|`?") {
		for end > start+1 && (l.src[end-1] == '+' || l.src[end-1] == '-') {
			end--
		}
	}
	l.at = end
	return token{tokOp, start, end, l.src[start:end]}, nil
}

// clip shortens text for an error message to its first word.
func clip(s string) string {
	const most = 40
	if i := strings.IndexAny(s, " \t\r\n"); i > 0 {
		s = s[:i]
	}
	if len(s) > most {
		end := most
		for !utf8.RuneStart(s[end]) {
			end--
		}
		s = s[:end]
	}
	return s
}

func isBlank(c byte) bool {
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v'
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isIdentifierStart(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= 0x80
}

func isIdentifierPart(c byte) bool { return isIdentifierStart(c) || isDigit(c) || c == '$' }
