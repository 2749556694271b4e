package pgfunc

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Pattern matching (manual, section 9.7).
//
// LIKE replaces SQLite's own like() and so its LIKE operator: case matters, and
// a backslash escapes unless ESCAPE says otherwise.
//
// Regular expressions are Go's (RE2): they take time in proportion to the text,
// whatever the pattern. Of PostgreSQL's, back references and lookaround are
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
	{name: "like", args: 2, strict: true, code: likeOperator(nil)},
	{name: "like", args: 3, strict: true, code: likeOperator(nil)},
	{name: "q_ilike", args: 2, strict: true, code: likeOperator(unicode.ToLower)},
	{name: "q_ilike", args: 3, strict: true, code: likeOperator(unicode.ToLower)},
	{name: "regexp", args: 2, strict: true, code: regexpOperator("")},
	{name: "q_iregexp", args: 2, strict: true, code: regexpOperator("i")},
}

func likeFunction(not bool) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		match, err := like(textOf(args[1]), textOf(args[0]), '\\', nil)
		return value.Bool(match != not), err
	}
}

// likeOperator is like(pattern, string [, escape]), in SQLite's order. fold is
// nil when case matters.
func likeOperator(fold func(rune) rune) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		escape := '\\'
		if len(args) == 3 {
			text := textOf(args[2])
			r, size := utf8.DecodeRune(text)
			if size != len(text) {
				return value.Value{}, errcode.Newf(errcode.InvalidEscapeSequence, "invalid escape string").
					WithHint("Escape string must be empty or one character.")
			}
			escape = r
			if size == 0 {
				escape = -1 // ESCAPE '': nothing escapes
			}
		}
		match, err := like(textOf(args[0]), textOf(args[1]), escape, fold)
		return value.Bool(match), err
	}
}

func errEscapeEnd() error {
	return errcode.Newf(errcode.InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

// like matches s with a pattern. When what follows a % does not match, it is
// tried one character further on; only the last % needs that, for an earlier
// one has already found its first place.
func like(pattern, s []byte, escape rune, fold func(rune) rune) (bool, error) {
	var afterPercent, retry []byte // the pattern after the last %, and where in s it is tried next
	for {
		p, size := utf8.DecodeRune(pattern)
		switch {
		case size == 0 && len(s) == 0:
			return true, nil
		case size > 0 && p == '%' && p != escape:
			pattern = pattern[size:]
			afterPercent, retry = pattern, s
			continue
		case size > 0 && len(s) > 0:
			r, width := utf8.DecodeRune(s)
			any := p == '_' && p != escape
			if p == escape {
				if pattern = pattern[size:]; len(pattern) == 0 {
					return false, errEscapeEnd()
				}
				p, size = utf8.DecodeRune(pattern)
			}
			if any || p == r || fold != nil && fold(p) == fold(r) {
				pattern, s = pattern[size:], s[width:]
				continue
			}
		case size > 0 && p == escape && size == len(pattern):
			return false, errEscapeEnd()
		}
		if afterPercent == nil || len(retry) == 0 {
			return false, nil
		}
		_, width := utf8.DecodeRune(retry)
		retry = retry[width:]
		pattern, s = afterPercent, retry
	}
}

// compiled keeps regular expressions that were used, up to a bound; then it
// starts anew.
var compiled struct {
	mu          sync.Mutex // guards expressions
	expressions map[string]*regexp.Regexp
}

const compiledMost = 200

// compile makes a regular expression. flags are those of PostgreSQL's regexp
// functions that Go has too.
func compile(pattern, flags string) (*regexp.Regexp, error) {
	key := flags + "/" + pattern
	compiled.mu.Lock()
	re := compiled.expressions[key]
	compiled.mu.Unlock()
	if re != nil {
		return re, nil
	}
	prefix := "s" // in PostgreSQL a dot matches a newline
	for _, flag := range flags {
		switch flag {
		case 'i':
			prefix += "i"
		case 'n', 'm':
			prefix = strings.ReplaceAll(prefix, "s", "m")
		case 'c', 'g', 's':
		default:
			return nil, errcode.Newf(errcode.InvalidParameterValue, "invalid regular expression option: %q", flag)
		}
	}
	re, err := regexp.Compile("(?" + prefix + ")" + pattern)
	if err != nil {
		reason := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			reason = string(e.Code)
		}
		return nil, errcode.Newf(errcode.InvalidRegularExpression, "invalid regular expression: %s", reason).
			WithHint("Regular expressions are RE2's: there are no back references and no lookaround.")
	}
	compiled.mu.Lock()
	defer compiled.mu.Unlock()
	if compiled.expressions == nil || len(compiled.expressions) >= compiledMost {
		compiled.expressions = map[string]*regexp.Regexp{}
	}
	compiled.expressions[key] = re
	return re, nil
}

// regexpOperator is regexp(pattern, string), in the order of SQLite's REGEXP.
func regexpOperator(flags string) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		re, err := compile(args[0].Text(), flags)
		if err != nil {
			return value.Value{}, err
		}
		return value.Bool(re.Match(textOf(args[1]))), nil
	}
}

func regexpLike(_ Context, args []value.Value) (value.Value, error) {
	flags := ""
	if len(args) > 2 {
		flags = args[2].Text()
	}
	re, err := compile(args[1].Text(), flags)
	if err != nil {
		return value.Value{}, err
	}
	return value.Bool(re.Match(textOf(args[0]))), nil
}

func regexpCount(_ Context, args []value.Value) (value.Value, error) {
	re, err := compile(args[1].Text(), "")
	if err != nil {
		return value.Value{}, err
	}
	return value.Int(int64(len(re.FindAllIndex(textOf(args[0]), -1)))), nil
}

func regexpSubstr(_ Context, args []value.Value) (value.Value, error) {
	re, err := compile(args[1].Text(), "")
	if err != nil {
		return value.Value{}, err
	}
	s := textOf(args[0])
	if at := re.FindIndex(s); at != nil {
		return value.TextBytes(s[at[0]:at[1]]), nil
	}
	return value.Value{}, nil
}

// regexpSubstring is substring(s FROM pattern): the first group, if there is
// one.
func regexpSubstring(_ Context, args []value.Value) (value.Value, error) {
	re, err := compile(args[1].Text(), "")
	if err != nil {
		return value.Value{}, err
	}
	s := textOf(args[0])
	at := re.FindSubmatchIndex(s)
	if len(at) > 2 {
		at = at[2:]
	}
	if len(at) == 0 || at[0] < 0 {
		return value.Value{}, nil
	}
	return value.TextBytes(s[at[0]:at[1]]), nil
}

// regexpReplace replaces the first match, with the flag g every one.
func regexpReplace(_ Context, args []value.Value) (value.Value, error) {
	flags := ""
	if len(args) > 3 {
		flags = args[3].Text()
	}
	re, err := compile(args[1].Text(), flags)
	if err != nil {
		return value.Value{}, err
	}
	most := 1
	if strings.Contains(flags, "g") {
		most = -1
	}
	s, replacement := textOf(args[0]), textOf(args[2])
	out := []byte{}
	done := 0
	for _, at := range re.FindAllSubmatchIndex(s, most) {
		out = append(out, s[done:at[0]]...)
		out = appendReplacement(out, replacement, s, at)
		done = at[1]
		if err := checkSize(len(out)); err != nil {
			return value.Value{}, err
		}
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
