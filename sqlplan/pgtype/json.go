package pgtype

import (
	"bytes"
	"encoding/json"
	"sort"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// jsonbVersion is the byte in front of jsonb's text on the wire.
const jsonbVersion = 1

// jsonDepthMost bounds the nesting of arrays and objects.
const jsonDepthMost = 1000

// parseJSON checks json and keeps its text as given.
func parseJSON(b []byte) (value.Value, error) {
	if err := checkUTF8(b); err != nil {
		return value.Value{}, err
	}
	if !json.Valid(b) {
		return value.Value{}, errJSON()
	}
	return value.TextBytes(b), nil
}

func errJSON() error {
	return errcode.Newf(errcode.InvalidTextRepresentation, "invalid input syntax for type json")
}

// parseJSONB reads JSON into jsonb's canonical text, which is what PostgreSQL
// prints for it (manual, section 8.14): one blank after ':' and ',', keys in
// order of length and then of bytes, of equal keys the last, numbers without
// exponent and with the digits that were given.
func parseJSONB(b []byte) (value.Value, error) {
	if err := checkUTF8(b); err != nil {
		return value.Value{}, err
	}
	p := jsonParser{in: b, out: make([]byte, 0, len(b)+len(b)/8)}
	if err := p.value(0); err != nil {
		return value.Value{}, err
	}
	if p.skipSpace(); p.at < len(p.in) {
		return value.Value{}, errJSON()
	}
	return value.TextBytes(p.out), nil
}

// jsonParser reads in from at on and writes canonical text to out.
type jsonParser struct {
	in  []byte
	at  int
	out []byte
}

func (p *jsonParser) skipSpace() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek returns the next byte after blanks, 0 at the end.
func (p *jsonParser) peek() byte {
	if p.skipSpace(); p.at < len(p.in) {
		return p.in[p.at]
	}
	return 0
}

func (p *jsonParser) value(depth int) error {
	if depth > jsonDepthMost {
		return errcode.Newf(errcode.StatementTooComplex, "json is nested more than %d levels deep", jsonDepthMost)
	}
	switch c := p.peek(); {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.array(depth)
	case c == '"':
		s, err := p.string()
		if err != nil {
			return err
		}
		p.out = AppendJSONString(p.out, s)
		return nil
	case c == '-' || isDigit(c):
		return p.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(p.in[p.at:], []byte(word)) {
			p.at += len(word)
			p.out = append(p.out, word...)
			return nil
		}
	}
	return errJSON()
}

func (p *jsonParser) array(depth int) error {
	p.at++
	p.out = append(p.out, '[')
	if p.peek() == ']' {
		p.at++
		p.out = append(p.out, ']')
		return nil
	}
	for {
		if err := p.value(depth + 1); err != nil {
			return err
		}
		switch p.peek() {
		case ',':
			p.at++
			p.out = append(p.out, ", "...)
		case ']':
			p.at++
			p.out = append(p.out, ']')
			return nil
		default:
			return errJSON()
		}
	}
}

// jsonMember is one member of an object, `"key": value` at out[start:end].
type jsonMember struct {
	key        string
	start, end int
}

// keyBefore is jsonb's order of keys: shorter ones first, equal lengths by
// bytes.
func keyBefore(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

func (p *jsonParser) object(depth int) error {
	p.at++
	p.out = append(p.out, '{')
	start := len(p.out)
	var members []jsonMember
	for p.peek() != '}' {
		if len(members) > 0 {
			if p.peek() != ',' {
				return errJSON()
			}
			p.at++
			p.out = append(p.out, ", "...)
		}
		m, err := p.member(depth)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	p.at++
	for i := 1; i < len(members); i++ {
		if !keyBefore(members[i-1].key, members[i].key) {
			p.sortMembers(start, members)
			break
		}
	}
	p.out = append(p.out, '}')
	return nil
}

// member reads one "key": value.
func (p *jsonParser) member(depth int) (m jsonMember, err error) {
	if p.peek() != '"' {
		return m, errJSON()
	}
	key, err := p.string()
	if err != nil {
		return m, err
	}
	m.key, m.start = string(key), len(p.out)
	p.out = append(AppendJSONString(p.out, key), ": "...)
	if p.peek() != ':' {
		return m, errJSON()
	}
	p.at++
	err = p.value(depth + 1)
	m.end = len(p.out)
	return m, err
}

// sortMembers puts the members that were written from start on into order, of
// equal keys only the last.
func (p *jsonParser) sortMembers(start int, members []jsonMember) {
	written := bytes.Clone(p.out[start:])
	p.out = p.out[:start]
	sort.SliceStable(members, func(i, j int) bool { return keyBefore(members[i].key, members[j].key) })
	for i, m := range members {
		if i+1 < len(members) && members[i+1].key == m.key {
			continue
		}
		if len(p.out) > start {
			p.out = append(p.out, ", "...)
		}
		p.out = append(p.out, written[m.start-start:m.end-start]...)
	}
}

// string reads a JSON string and returns it decoded; it may alias the input.
func (p *jsonParser) string() ([]byte, error) {
	p.at++ // the opening quote
	start := p.at
	for p.at < len(p.in) && p.in[p.at] != '"' && p.in[p.at] != '\\' {
		if p.in[p.at] < ' ' {
			return nil, errJSON()
		}
		p.at++
	}
	if p.at == len(p.in) {
		return nil, errJSON()
	}
	if p.in[p.at] == '"' {
		p.at++
		return p.in[start : p.at-1], nil
	}
	s := bytes.Clone(p.in[start:p.at])
	for p.at < len(p.in) {
		c := p.in[p.at]
		p.at++
		switch {
		case c == '"':
			return s, nil
		case c < ' ':
			return nil, errJSON()
		case c == '\\':
			var err error
			if s, err = p.escape(s); err != nil {
				return nil, err
			}
		default:
			s = append(s, c)
		}
	}
	return nil, errJSON()
}

var jsonEscapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escape reads what follows a backslash.
func (p *jsonParser) escape(s []byte) ([]byte, error) {
	if p.at == len(p.in) {
		return nil, errJSON()
	}
	c := p.in[p.at]
	p.at++
	if plain, ok := jsonEscapes[c]; ok {
		return append(s, plain), nil
	}
	if c != 'u' {
		return nil, errJSON()
	}
	r, ok := p.hex4()
	if !ok {
		return nil, errJSON()
	}
	if utf16.IsSurrogate(r) {
		if !bytes.HasPrefix(p.in[p.at:], []byte(`\u`)) {
			return nil, errJSON()
		}
		p.at += 2
		second, ok := p.hex4()
		if r = utf16.DecodeRune(r, second); !ok || r == utf8.RuneError {
			return nil, errJSON()
		}
	}
	if r == 0 {
		return nil, errcode.Newf(errcode.UntranslatableCharacter, "unsupported Unicode escape sequence").
			WithDetail(`\u0000 cannot be converted to text.`)
	}
	return utf8.AppendRune(s, r), nil
}

func (p *jsonParser) hex4() (rune, bool) {
	if len(p.in)-p.at < 4 {
		return 0, false
	}
	var r rune
	for _, c := range p.in[p.at : p.at+4] {
		h := hexValue(c)
		if h < 0 {
			return 0, false
		}
		r = r<<4 | rune(h)
	}
	p.at += 4
	return r, true
}

// jsonZerosMost bounds how many zeros an exponent may stand for, so that short
// input cannot become long output; it has room for every double.
const jsonZerosMost = 400

// number reads a JSON number and writes it as PostgreSQL's numeric prints it.
func (p *jsonParser) number() error {
	start := p.at
	negative := p.in[p.at] == '-'
	if negative {
		p.at++
	}
	whole := p.digits()
	if len(whole) == 0 || len(whole) > 1 && whole[0] == '0' {
		return errJSON()
	}
	var fraction []byte
	if p.at < len(p.in) && p.in[p.at] == '.' {
		p.at++
		if fraction = p.digits(); len(fraction) == 0 {
			return errJSON()
		}
	}
	exponent := 0
	if p.at < len(p.in) && lower(p.in[p.at]) == 'e' {
		p.at++
		from := p.at
		if p.at < len(p.in) && (p.in[p.at] == '+' || p.in[p.at] == '-') {
			p.at++
		}
		p.digits()
		var ok bool
		if exponent, ok = parseExponent(p.in[from:p.at]); !ok {
			return errJSON()
		}
	}
	d, _ := parseDecimal(p.in[start:p.at])
	if exponent > jsonZerosMost || exponent < -jsonZerosMost {
		return errcode.Newf(errcode.NumericValueOutOfRange, "number %s in jsonb is out of range", quoted(p.in[start:p.at]))
	}
	p.out = d.append(p.out, max(len(fraction)-exponent, 0))
	return nil
}

func (p *jsonParser) digits() []byte {
	start := p.at
	for p.at < len(p.in) && isDigit(p.in[p.at]) {
		p.at++
	}
	return p.in[start:p.at]
}

// AppendJSONString writes a string with its quotes, escaped as PostgreSQL does.
func AppendJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			if c < ' ' {
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
				continue
			}
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// isJSONNumber reports whether canonical JSON text is a number.
func isJSONNumber(b []byte) bool {
	if len(b) == 0 || b[0] != '-' && !isDigit(b[0]) {
		return false
	}
	_, err := strconv.ParseFloat(string(b), 64)
	return err == nil
}
