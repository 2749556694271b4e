package pgfunc

import (
	"bytes"
	"strings"

	"quorate/internal/value"
)

// Pattern matching (manual, section 9.7).
//
// LIKE replaces SQLite's own like() and so its LIKE operator: case matters, and
// a backslash escapes unless ESCAPE says otherwise.
//
// Regular expressions are Go's (RE2). Of PostgreSQL's, back references and lookaround are
// missing (2201B), and so are \m, \M, \y; \b means a word boundary. The
// leftmost match is taken as Perl does, by the order of alternatives, not the
// longest.
var patternFunctions = []entry{
	{"like(text, text) bool = q_like", likeFunction(false)}, // like(string, pattern), as in PostgreSQL
	{"notlike(text, text) bool = q_notlike", likeFunction(true)},
	{"regexp_replace(text, text, text) text = q_regexp_replace", regexpReplace},
	{"regexp_replace(text, text, text, text) text = q_regexp_replace", regexpReplace},
	{"regexp_like(text, text) bool = q_regexp_like", regexpLike},
	{"regexp_like(text, text, text) bool = q_regexp_like", regexpLike},
	{"regexp_count(text, text) int4 = q_regexp_count", regexpCount},
	{"regexp_substr(text, text) text = q_regexp_substr", regexpSubstr},
	{"substring(text, text) text = q_regexp_substring", regexpSubstring},
}

// patternOperators are what the planner emits for LIKE, ILIKE, ~ and ~*.
var patternOperators = []internalFunction{
	{name: "like", args: 2, strict: true, code: likeOperator(false)},
	{name: "like", args: 3, strict: true, code: likeOperator(false)},
	{name: "q_ilike", args: 2, strict: true, code: likeOperator(true)},
	{name: "q_ilike", args: 3, strict: true, code: likeOperator(true)},
	{name: "regexp", args: 2, strict: true, code: regexpOperator("")},
	{name: "q_iregexp", args: 2, strict: true, code: regexpOperator("i")},
}

// regexpOperator is regexp(pattern, string), in the order of SQLite's REGEXP.
func regexpOperator(flags string) impl {
	return func(ctx Context, args []value.Value) (value.Value, error) {
		match, err := regexpMatch(ctx, args[0], args[1], flags)
		return value.Bool(match), err
	}
}

func regexpLike(ctx Context, args []value.Value) (value.Value, error) {
	flags := ""
	if len(args) > 2 {
		flags = args[2].Text()
	}
	match, err := regexpMatch(ctx, args[1], args[0], flags)
	return value.Bool(match), err
}

func regexpMatch(ctx Context, pattern, s value.Value, flags string) (bool, error) {
	e, err := compile(ctx, pattern.Bytes(), flags)
	if err != nil {
		return false, err
	}
	match := e.matches(ctx, textOf(s), false)
	return match.next(), match.err
}

func regexpCount(ctx Context, args []value.Value) (value.Value, error) {
	e, err := compile(ctx, args[1].Bytes(), "")
	if err != nil {
		return value.Value{}, err
	}
	n := int64(0)
	all := e.matches(ctx, textOf(args[0]), true)
	for all.next() {
		n++
	}
	return value.Int(n), all.err
}

func regexpSubstr(ctx Context, args []value.Value) (value.Value, error) {
	e, err := compile(ctx, args[1].Bytes(), "")
	if err != nil {
		return value.Value{}, err
	}
	s := textOf(args[0])
	match := e.matches(ctx, s, false)
	if !match.next() {
		return value.Value{}, match.err
	}
	return value.TextBytes(s[match.at[0]:match.at[1]]), nil
}

// regexpSubstring is substring(s FROM pattern): the first group, if there is
// one.
func regexpSubstring(ctx Context, args []value.Value) (value.Value, error) {
	e, err := compile(ctx, args[1].Bytes(), "")
	if err != nil {
		return value.Value{}, err
	}
	s := textOf(args[0])
	match := e.matches(ctx, s, false)
	if !match.next() {
		return value.Value{}, match.err
	}
	at := match.at
	if len(at) > 2 {
		at = at[2:]
	}
	if at[0] < 0 {
		return value.Value{}, nil
	}
	return value.TextBytes(s[at[0]:at[1]]), nil
}

// regexpReplace replaces the first match, with the flag g every one.
func regexpReplace(ctx Context, args []value.Value) (value.Value, error) {
	flags := ""
	if len(args) > 3 {
		flags = args[3].Text()
	}
	e, err := compile(ctx, args[1].Bytes(), flags)
	if err != nil {
		return value.Value{}, err
	}
	s, replacement := textOf(args[0]), textOf(args[2])
	out := []byte{}
	done := 0
	global := strings.Contains(flags, "g")
	all := e.matches(ctx, s, global)
	for all.next() {
		out = append(out, s[done:all.at[0]]...)
		out = appendReplacement(out, replacement, s, all.at)
		done = all.at[1]
		if err := checkSize(len(out)); err != nil {
			return value.Value{}, err
		}
		if err := ctx.Spend(len(replacement) / searchStepBytes); err != nil {
			return value.Value{}, err
		}
		if !global {
			break
		}
	}
	if all.err != nil {
		return value.Value{}, all.err
	}
	return value.TextBytes(append(out, s[done:]...)), nil
}

// appendReplacement writes \1 … \9 and \& for what was matched.
func appendReplacement(dst, replacement, s []byte, at []int) []byte {
	for len(replacement) > 0 {
		i := bytes.IndexByte(replacement, '\\')
		if i < 0 || i+1 == len(replacement) {
			return append(dst, replacement...)
		}
		dst = append(dst, replacement[:i]...)
		c := replacement[i+1]
		replacement = replacement[i+2:]
		group := -1
		switch {
		case c == '&':
			group = 0
		case c >= '1' && c <= '9':
			group = int(c - '0')
		case c == '\\':
			dst = append(dst, c)
		default:
			dst = append(dst, '\\', c)
		}
		if group >= 0 && 2*group+1 < len(at) && at[2*group] >= 0 {
			dst = append(dst, s[at[2*group]:at[2*group+1]]...)
		}
	}
	return dst
}
