package pgfunc

import (
	"bytes"
	"unicode/utf8"

	"quorate/internal/value"
)

// Builtin is a function of SQLite's that takes more than its share of time for
// large values, and here does not. The result is the same.
type Builtin struct {
	Name string
	Args int
	// Impl computes a result; ok is false for arguments that are SQLite's to
	// handle, which are none of two large ones.
	Impl func(ctx Context, args []value.Value) (v value.Value, ok bool, err error)
}

// Builtins returns what is to be put in the place of SQLite's functions where
// a statement may be long, with the flags that those have. The caller must not
// change it.
func Builtins() []Builtin { return builtins }

var builtins = []Builtin{
	{"instr", 2, instr},
	{"replace", 3, replace},
	{"glob", 2, glob},
}

// isBytes reports whether all are TEXT or BLOB: the text of a number is
// SQLite's matter.
func isBytes(args ...value.Value) bool {
	for _, a := range args {
		if a.Kind() != value.Text && a.Kind() != value.Blob {
			return false
		}
	}
	return true
}

// instr counts bytes in two BLOBs, else characters: a byte is one unless it
// continues one (https://sqlite.org/lang_corefunc.html#instr).
func instr(ctx Context, args []value.Value) (value.Value, bool, error) {
	if !isBytes(args...) {
		return value.Value{}, false, nil
	}
	s, needle := args[0].Bytes(), args[1].Bytes()
	if len(needle) == 0 {
		return value.Int(1), true, nil
	}
	blobs := args[0].Kind() == value.Blob && args[1].Kind() == value.Blob
	if !blobs && continues(needle[0]) {
		// No character begins so, but the text may.
		return value.Int(int64(bool2int(bytes.HasPrefix(s, needle)))), true, nil
	}
	at, err := find(ctx, s, needle)
	if err != nil || at < 0 {
		return value.Int(0), true, err
	}
	n := at
	if !blobs {
		n = 0
		for _, c := range s[1 : at+1] {
			if !continues(c) {
				n++
			}
		}
	}
	return value.Int(int64(n) + 1), true, nil
}

func continues(c byte) bool { return c&0xc0 == 0x80 }

func bool2int(b bool) int {
	if b {
		return 1
	}
	return 0
}

// replace replaces one text by another, from the left
// (https://sqlite.org/lang_corefunc.html#replace).
func replace(ctx Context, args []value.Value) (value.Value, bool, error) {
	if !isBytes(args...) {
		return value.Value{}, false, nil
	}
	s, old, with := args[0].Bytes(), args[1].Bytes(), args[2].Bytes()
	if len(s) < len(old) || len(old) == 0 || old[0] == 0 {
		return value.TextBytes(s), true, nil
	}
	if err := ctx.Spend((len(s) + len(old)) / searchStepBytes); err != nil {
		return value.Value{}, true, err
	}
	find := newSearch(old)
	var out []byte
	for {
		at := find.index(s)
		if at < 0 {
			break
		}
		if len(out)+at+len(with) > resultBytesMost {
			return value.Value{}, false, nil // too large, as SQLite says in its own words
		}
		out = append(append(out, s[:at]...), with...)
		s = s[at+len(old):]
	}
	if out == nil {
		return value.TextBytes(s), true, nil
	}
	return value.TextBytes(append(out, s...)), true, ctx.Spend(len(out) / searchStepBytes)
}

// globPatternMost is SQLITE_LIMIT_LIKE_PATTERN_LENGTH as the state machine has
// it; for longer ones SQLite has an error.
const globPatternMost = 50_000

// glob is glob(pattern, string), the operator GLOB: * stands for any characters,
// ? for one, […] for one of a set
// (https://sqlite.org/lang_expr.html#like). Texts end at their first NUL.
// Like likeCharacters, it goes back to the last * only.
func glob(ctx Context, args []value.Value) (value.Value, bool, error) {
	if args[0].Kind() != value.Text || args[1].Kind() != value.Text || len(args[0].Bytes()) > globPatternMost {
		return value.Value{}, false, nil
	}
	m := &meter{ctx: ctx}
	match := globMatch(m, untilNUL(args[0].Bytes()), untilNUL(args[1].Bytes()))
	return value.Bool(match), true, m.end()
}

func untilNUL(b []byte) []byte {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return b[:i]
	}
	return b
}

func globMatch(m *meter, pattern, s []byte) bool {
	var afterStar, retry []byte // the pattern behind the last *, and where in s it is tried next
	for {
		p, size := globRune(pattern)
		if !m.work(1 + size) {
			return false
		}
		switch {
		case size == 0 && len(s) == 0:
			return true
		case p == '*':
			pattern = pattern[size:]
			afterStar, retry = pattern, s
			if len(pattern) == 0 {
				return true
			}
			continue
		case size > 0 && len(s) > 0:
			r, width := globRune(s)
			m.work(width)
			match := p == r || p == '?'
			if p == '[' {
				match, size = globSet(m, pattern, r)
			}
			if match {
				pattern, s = pattern[size:], s[width:]
				continue
			}
		}
		if afterStar == nil || len(retry) == 0 {
			return false
		}
		_, width := globRune(retry)
		retry = retry[width:]
		pattern, s = afterStar, retry
	}
}

// globSet matches a character with the set that a pattern begins with, and
// tells how long that is. One without an end matches nothing. A ] or - that is
// the first, after a ^, stands for itself.
func globSet(m *meter, pattern []byte, r uint32) (match bool, size int) {
	at := 1
	next := func() uint32 {
		p, width := globRune(pattern[at:])
		at += width
		m.work(width)
		return p
	}
	var before uint32 // what a range may begin with
	p, invert := next(), false
	if p == '^' {
		p, invert = next(), true
	}
	if p == ']' {
		match = r == ']'
		p = next()
	}
	for p != 0 && p != ']' {
		if p == '-' && at < len(pattern) && pattern[at] != ']' && before > 0 {
			p = next()
			match = match || r >= before && r <= p
			before = 0
		} else {
			match = match || r == p
			before = p
		}
		p = next()
	}
	return p == ']' && match != invert, at
}

// globRune is the first character of b as SQLite reads it (sqlite3Utf8Read in
// utf.c): of bytes that are no UTF-8 as well. It is 0 only at the end.
func globRune(b []byte) (c uint32, size int) {
	if len(b) == 0 {
		return 0, 0
	}
	if b[0] < 0xc0 {
		return uint32(b[0]), 1
	}
	switch {
	case b[0] < 0xe0:
		c = uint32(b[0] & 0x1f)
	case b[0] < 0xf0:
		c = uint32(b[0] & 0x0f)
	case b[0] < 0xf8:
		c = uint32(b[0] & 0x07)
	case b[0] < 0xfc:
		c = uint32(b[0] & 0x03)
	case b[0] < 0xfe:
		c = uint32(b[0] & 0x01)
	}
	size = 1
	for size < len(b) && continues(b[size]) {
		c = c<<6 + uint32(b[size]&0x3f)
		size++
	}
	if c < utf8.RuneSelf || c&0xfffff800 == 0xd800 {
		c = utf8.RuneError
	}
	return c, size
}
