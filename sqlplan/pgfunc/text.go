package pgfunc

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// String functions (manual, sections 9.4 and 9.5). Upper and lower case follow
// Unicode, in every locale alike; SQLite's own know only ASCII and are
// replaced under their names, so that an index on lower(x) stays readable.
var textFunctions = []entry{
	{"length(text) int4", nil},
	{"length(bytea) int4", nil},
	{"char_length(text) int4 = length", nil},
	{"character_length(text) int4 = length", nil},
	{"octet_length(text) int4", nil},
	{"octet_length(bytea) int4", nil},
	{"bit_length(text) int4 = q_bit_length", bitLength},
	{"bit_length(bytea) int4 = q_bit_length", nil},
	{"lower(text) text", text1(bytes.ToLower)},
	{"upper(text) text", text1(bytes.ToUpper)},
	{"initcap(text) text = q_initcap", text1(initcap)},
	{"reverse(text) text = q_reverse", text1(reverse)},
	{"left(text, int4) text = q_left", left},
	{"right(text, int4) text = q_right", right},
	{"lpad(text, int4) text = q_lpad", pad(true)},
	{"lpad(text, int4, text) text = q_lpad", pad(true)},
	{"rpad(text, int4) text = q_rpad", pad(false)},
	{"rpad(text, int4, text) text = q_rpad", pad(false)},
	{"btrim(text) text = trim", nil},
	{"btrim(text, text) text = trim", nil},
	{"trim(text) text", nil},
	{"trim(text, text) text", nil},
	{"ltrim(text) text", nil},
	{"ltrim(text, text) text", nil},
	{"rtrim(text) text", nil},
	{"rtrim(text, text) text", nil},
	{"repeat(text, int4) text = q_repeat", repeat},
	{"replace(text, text, text) text", nil},
	{"translate(text, text, text) text = q_translate", translate},
	{"split_part(text, text, int4) text = q_split_part", splitPart},
	{"strpos(text, text) int4 = instr", nil},
	{"position(text, text) int4 = q_position", position},
	{"starts_with(text, text) bool = q_starts_with", startsWith},
	{"substr(text, int4) text = q_substr", substring},
	{"substr(text, int4, int4) text = q_substr", substring},
	{"substr(bytea, int4) bytea = q_substr", nil},
	{"substr(bytea, int4, int4) bytea = q_substr", nil},
	{"substring(text, int4) text = q_substr", nil},
	{"substring(text, int4, int4) text = q_substr", nil},
	{"substring(bytea, int4) bytea = q_substr", nil},
	{"substring(bytea, int4, int4) bytea = q_substr", nil},
	{"overlay(text, text, int4) text = q_overlay", overlay},
	{"overlay(text, text, int4, int4) text = q_overlay", overlay},
	{"ascii(text) int4 = q_ascii", ascii},
	{"chr(int4) text = q_chr", chr},
	{"concat(any…) text = q_concat; types zone null", concat},
	{"concat_ws(text, any…) text = q_concat_ws; types zone null", concatWS},
	{"format(text, any…) text = q_format; types zone null", format},
	{"md5(text) text = q_md5", md5Hex},
	{"md5(bytea) text = q_md5", nil},
	{"sha224(bytea) bytea = q_sha224", hash(func(b []byte) []byte { h := sha256.Sum224(b); return h[:] })},
	{"sha256(bytea) bytea = q_sha256", hash(func(b []byte) []byte { h := sha256.Sum256(b); return h[:] })},
	{"sha384(bytea) bytea = q_sha384", hash(func(b []byte) []byte { h := sha512.Sum384(b); return h[:] })},
	{"sha512(bytea) bytea = q_sha512", hash(func(b []byte) []byte { h := sha512.Sum512(b); return h[:] })},
	{"encode(bytea, text) text = q_encode", encode},
	{"decode(text, text) bytea = q_decode", decode},
	{"quote_ident(text) text = q_quote_ident", text1(quoteIdent)},
	{"quote_literal(any) text = q_quote_literal; types zone", shown1(quoteLiteral)},
	{"quote_nullable(any) text = q_quote_nullable; types zone null", quoteNullable},
	{"to_hex(int4) text = q_to_hex4", func(_ Context, a []value.Value) (value.Value, error) {
		return value.String(strconv.FormatUint(uint64(uint32(a[0].Int())), 16)), nil
	}},
	{"to_hex(int8) text = q_to_hex8", func(_ Context, a []value.Value) (value.Value, error) {
		return value.String(strconv.FormatUint(uint64(a[0].Int()), 16)), nil
	}},
}

func text1(f func([]byte) []byte) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		return value.TextBytes(f(textOf(args[0]))), nil
	}
}

// shown1 is text1 for an argument of any type.
func shown1(f func([]byte) []byte) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		shown, err := shownArgs(args, 1)
		if err != nil {
			return value.Value{}, err
		}
		return value.TextBytes(f(textOf(shown[0]))), nil
	}
}

func bitLength(_ Context, args []value.Value) (value.Value, error) {
	return value.Int(8 * int64(len(textOf(args[0])))), nil
}

// initcap: a word is a run of letters and digits.
func initcap(b []byte) []byte {
	out := make([]byte, 0, len(b))
	inside := false
	for _, r := range string(b) {
		if inside {
			out = utf8.AppendRune(out, unicode.ToLower(r))
		} else {
			out = utf8.AppendRune(out, unicode.ToUpper(r))
		}
		inside = unicode.IsLetter(r) || unicode.IsDigit(r)
	}
	return out
}

func reverse(b []byte) []byte {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		_, size := utf8.DecodeLastRune(b)
		out = append(out, b[len(b)-size:]...)
		b = b[:len(b)-size]
	}
	return out
}

// head is the first n characters; the others follow.
func head(b []byte, n int) (first, rest []byte) {
	i := 0
	for ; n > 0 && i < len(b); n-- {
		_, size := utf8.DecodeRune(b[i:])
		i += size
	}
	return b[:i], b[i:]
}

// left(s, n): the first n characters, or all but the last -n.
func left(_ Context, args []value.Value) (value.Value, error) {
	s, n := textOf(args[0]), intOf(args[1])
	if n < 0 {
		n = max(utf8.RuneCount(s)+n, 0)
	}
	first, _ := head(s, n)
	return value.TextBytes(first), nil
}

// right(s, n): the last n characters, or all but the first -n.
func right(_ Context, args []value.Value) (value.Value, error) {
	s, n := textOf(args[0]), intOf(args[1])
	skip := -n
	if n >= 0 {
		skip = max(utf8.RuneCount(s)-n, 0)
	}
	_, rest := head(s, skip)
	return value.TextBytes(rest), nil
}

func pad(atLeft bool) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		s, n, fill := textOf(args[0]), max(intOf(args[1]), 0), []byte(" ")
		if len(args) > 2 {
			fill = textOf(args[2])
		}
		missing := n - utf8.RuneCount(s)
		if missing <= 0 || len(fill) == 0 {
			first, _ := head(s, n)
			return value.TextBytes(first), nil
		}
		if err := checkSize(missing * utf8.UTFMax); err != nil {
			return value.Value{}, err
		}
		times, extra := missing/utf8.RuneCount(fill), missing%utf8.RuneCount(fill)
		part, _ := head(fill, extra)
		padding := append(bytes.Repeat(fill, times), part...)
		if atLeft {
			return value.TextBytes(append(padding, s...)), nil
		}
		return value.TextBytes(append(append(make([]byte, 0, len(s)+len(padding)), s...), padding...)), nil
	}
}

func repeat(_ Context, args []value.Value) (value.Value, error) {
	s, n := textOf(args[0]), max(intOf(args[1]), 0)
	if len(s) == 0 {
		return value.String(""), nil
	}
	if n > resultBytesMost {
		n = resultBytesMost + 1
	}
	if err := checkSize(len(s) * n); err != nil {
		return value.Value{}, err
	}
	return value.TextBytes(bytes.Repeat(s, n)), nil
}

// translate replaces each character of a set by the one in the same place of
// another, or by nothing.
func translate(ctx Context, args []value.Value) (value.Value, error) {
	for _, a := range args {
		if err := ctx.Spend(len(textOf(a))); err != nil { // each character is looked up
			return value.Value{}, err
		}
	}
	from, to := []rune(string(textOf(args[1]))), []rune(string(textOf(args[2])))
	place := make(map[rune]int, len(from))
	for i, r := range from {
		if _, ok := place[r]; !ok {
			place[r] = i
		}
	}
	out := []byte{}
	for _, r := range string(textOf(args[0])) {
		i, found := place[r]
		switch {
		case !found:
			out = utf8.AppendRune(out, r)
		case i < len(to):
			out = utf8.AppendRune(out, to[i])
		}
	}
	return value.TextBytes(out), nil
}

func splitPart(ctx Context, args []value.Value) (value.Value, error) {
	s, delimiter, n := textOf(args[0]), textOf(args[1]), intOf(args[2])
	if n == 0 {
		return fail(errcode.InvalidParameterValue, "field position must not be zero")
	}
	if err := ctx.Spend((len(s) + len(delimiter)) / searchStepBytes); err != nil {
		return value.Value{}, err
	}
	parts := split(s, delimiter)
	if n < 0 {
		n += len(parts) + 1
	}
	if n < 1 || n > len(parts) {
		return value.String(""), nil
	}
	return value.TextBytes(parts[n-1]), nil
}

// split cuts s at each delimiter.
func split(s, delimiter []byte) (parts [][]byte) {
	find := newSearch(delimiter)
	for len(delimiter) > 0 {
		at := find.index(s)
		if at < 0 {
			break
		}
		parts, s = append(parts, s[:at]), s[at+len(delimiter):]
	}
	return append(parts, s)
}

// position(substring, string): the planner turns POSITION(a IN b) into it.
func position(ctx Context, args []value.Value) (value.Value, error) {
	s := textOf(args[1])
	i, err := find(ctx, s, textOf(args[0]))
	if i < 0 || err != nil {
		return value.Int(0), err
	}
	return value.Int(int64(utf8.RuneCount(s[:i])) + 1), nil
}

func startsWith(_ Context, args []value.Value) (value.Value, error) {
	return value.Bool(bytes.HasPrefix(textOf(args[0]), textOf(args[1]))), nil
}

// substring counts from 1; positions before the start count, but hold nothing.
func substring(_ Context, args []value.Value) (value.Value, error) {
	start, length := int64(intOf(args[1])), int64(1)<<40
	if len(args) > 2 {
		if length = int64(intOf(args[2])); length < 0 {
			return fail(errcode.SubstringError, "negative substring length not allowed")
		}
	}
	end := start + length
	start = max(start, 1)
	length = max(end-start, 0)
	if b := args[0]; b.Kind() == value.Blob {
		data := b.Bytes()
		from := min(start-1, int64(len(data)))
		return value.BlobBytes(data[from:min(from+length, int64(len(data)))]), nil
	}
	_, rest := head(textOf(args[0]), int(start-1))
	first, _ := head(rest, int(length))
	return value.TextBytes(first), nil
}

// overlay(s, t, from [, for]): t takes the place of for characters, its own
// length by default.
func overlay(_ Context, args []value.Value) (value.Value, error) {
	s, t, from := textOf(args[0]), textOf(args[1]), intOf(args[2])
	length := utf8.RuneCount(t)
	if len(args) > 3 {
		length = intOf(args[3])
	}
	if from <= 0 {
		return fail(errcode.SubstringError, "negative substring length not allowed")
	}
	before, _ := head(s, from-1)
	_, after := head(s, max(from-1+length, 0))
	out := append(append(append([]byte{}, before...), t...), after...)
	return value.TextBytes(out), nil
}

func ascii(_ Context, args []value.Value) (value.Value, error) {
	s := textOf(args[0])
	if len(s) == 0 {
		return value.Int(0), nil
	}
	r, _ := utf8.DecodeRune(s)
	return value.Int(int64(r)), nil
}

func chr(_ Context, args []value.Value) (value.Value, error) {
	n := args[0].Int()
	switch {
	case n < 0:
		return fail(errcode.InvalidParameterValue, "character number must be positive")
	case n == 0:
		return fail(errcode.ProgramLimitExceeded, "null character not permitted")
	case n > unicode.MaxRune:
		return fail(errcode.ProgramLimitExceeded, "requested character too large for encoding: %d", n)
	case !utf8.ValidRune(rune(n)):
		return fail(errcode.ProgramLimitExceeded, "requested character not valid for encoding: %d", n)
	}
	return value.String(string(rune(n))), nil
}

// chars is SQLite's char(): the characters of all the numbers.
func chars(c Context, args []value.Value) (value.Value, error) {
	out := []byte{}
	for i := range args {
		one, err := chr(c, args[i:i+1])
		if err != nil {
			return value.Value{}, err
		}
		out = append(out, one.Bytes()...)
	}
	return value.TextBytes(out), nil
}

func concat(_ Context, args []value.Value) (value.Value, error) {
	shown, err := shownArgs(args, 0)
	if err != nil {
		return value.Value{}, err
	}
	return join(nil, shown)
}

func concatWS(_ Context, args []value.Value) (value.Value, error) {
	shown, err := shownArgs(args, 1)
	if err != nil || shown[0].IsNull() {
		return value.Value{}, err
	}
	return join(textOf(shown[0]), shown[1:])
}

func join(separator []byte, args []value.Value) (value.Value, error) {
	out := []byte{}
	first := true
	for _, a := range args {
		if a.IsNull() {
			continue
		}
		if !first {
			out = append(out, separator...)
		}
		first = false
		out = append(out, textOf(a)...)
	}
	return value.TextBytes(out), checkSize(len(out))
}

func md5Hex(_ Context, args []value.Value) (value.Value, error) {
	sum := md5.Sum(textOf(args[0]))
	return value.TextBytes(pgtype.AppendHex(nil, sum[:])), nil
}

func hash(f func([]byte) []byte) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		return value.BlobBytes(f(textOf(args[0]))), nil
	}
}

// base64Line is where PostgreSQL breaks lines of base64 (RFC 2045).
const base64Line = 76

func encode(_ Context, args []value.Value) (value.Value, error) {
	data := textOf(args[0])
	switch name := strings.ToLower(args[1].Text()); name {
	case "hex":
		return value.TextBytes(pgtype.AppendHex([]byte{}, data)), nil
	case "base64":
		flat := base64.StdEncoding.EncodeToString(data)
		out := []byte{}
		for len(flat) > base64Line {
			out = append(append(out, flat[:base64Line]...), '\n')
			flat = flat[base64Line:]
		}
		return value.TextBytes(append(out, flat...)), nil
	case "escape":
		out := []byte{}
		for _, c := range data {
			switch {
			case c == '\\':
				out = append(out, '\\', '\\')
			case c == 0 || c >= 0x80:
				out = append(out, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
			default:
				out = append(out, c)
			}
		}
		return value.TextBytes(out), nil
	default:
		return fail(errcode.InvalidParameterValue, "unrecognized encoding: %q", name)
	}
}

func decode(_ Context, args []value.Value) (value.Value, error) {
	text := textOf(args[0])
	switch name := strings.ToLower(args[1].Text()); name {
	case "hex":
		data, err := pgtype.DecodeHex(text)
		return value.BlobBytes(data), err
	case "base64":
		clean := strings.Map(func(r rune) rune {
			if strings.ContainsRune(" \t\r\n", r) {
				return -1
			}
			return r
		}, string(text))
		data, err := base64.StdEncoding.DecodeString(clean)
		if err != nil {
			return value.Value{}, errcode.Newf(errcode.InvalidParameterValue, "invalid base64 end sequence").
				WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
		}
		return value.BlobBytes(data), nil
	case "escape":
		return pgtype.ParseText(pgtype.Of(pgtype.Bytea), bytes.TrimPrefix(text, []byte(`\x`)), nil)
	default:
		return fail(errcode.InvalidParameterValue, "unrecognized encoding: %q", name)
	}
}

// quoteIdent quotes what is not a plain lower-case identifier, or is a word
// that SQL keeps for itself.
func quoteIdent(b []byte) []byte {
	plain := len(b) > 0 && !reserved[string(b)]
	for i, c := range b {
		if !(c >= 'a' && c <= 'z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			plain = false
		}
	}
	if plain {
		return b
	}
	out := append([]byte{'"'}, bytes.ReplaceAll(b, []byte(`"`), []byte(`""`))...)
	return append(out, '"')
}

// quoteLiteral writes a literal that reads back as b; with a backslash in it,
// in the E” form.
func quoteLiteral(b []byte) []byte {
	out := []byte{}
	if bytes.IndexByte(b, '\\') >= 0 {
		out = append(out, 'E')
	}
	out = append(out, '\'')
	for _, c := range b {
		if c == '\'' || c == '\\' {
			out = append(out, c)
		}
		out = append(out, c)
	}
	return append(out, '\'')
}

func quoteNullable(_ Context, args []value.Value) (value.Value, error) {
	if args[0].IsNull() {
		return value.String("NULL"), nil
	}
	return shown1(quoteLiteral)(nil, args)
}
