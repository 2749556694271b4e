package pgfunc

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

func likeFunction(not bool) impl {
	return func(ctx Context, args []value.Value) (value.Value, error) {
		match, err := like(ctx, textOf(args[1]), textOf(args[0]), '\\', false)
		return value.Bool(match != not), err
	}
}

// likeOperator is like(pattern, string [, escape]), in SQLite's order. fold
// says that case does not matter.
func likeOperator(fold bool) impl {
	return func(ctx Context, args []value.Value) (value.Value, error) {
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
		match, err := like(ctx, textOf(args[0]), textOf(args[1]), escape, fold)
		return value.Bool(match), err
	}
}

func errEscapeEnd() error {
	return errcode.Newf(errcode.InvalidEscapeSequence, "LIKE pattern must not end with escape character")
}

// likeCharactersMost is the product of two lengths up to which it is quicker to
// look at single characters than to take the pattern apart.
const likeCharactersMost = 2048

// like matches s with a pattern. What is not UTF-8 goes character by character,
// and so does a pattern that ends with an escape, for it depends on the text
// whether that is an error.
func like(ctx Context, pattern, s []byte, escape rune, fold bool) (bool, error) {
	m := &meter{ctx: ctx}
	var match, ok bool
	var err error
	if len(pattern)*len(s) > likeCharactersMost && utf8.Valid(pattern) && utf8.Valid(s) {
		match, ok = likeSegments(m, pattern, s, escape, fold)
	}
	if !ok && m.err == nil {
		match, err = likeCharacters(m, pattern, s, escape, fold)
	}
	if over := m.end(); over != nil {
		return false, over
	}
	return match, err
}

// segment is what is between two % of a pattern: texts and numbers of _, in
// turn.
type segment []segmentPart

type segmentPart struct {
	any  int    // so many characters, whatever they are
	text []byte // when any is 0
}

// segments cuts a pattern at its %; ok is false when it ends with an escape.
func segments(pattern []byte, escape rune, fold bool) (list []segment, ok bool) {
	var s segment
	var text []byte
	endText := func() {
		if len(text) == 0 {
			return
		}
		if fold {
			text = bytes.ToLower(text)
		}
		s, text = append(s, segmentPart{text: text}), nil
	}
	for len(pattern) > 0 {
		p, size := utf8.DecodeRune(pattern)
		switch {
		case p == escape:
			if pattern = pattern[size:]; len(pattern) == 0 {
				return nil, false
			}
			_, size = utf8.DecodeRune(pattern)
			text = append(text, pattern[:size]...)
		case p == '%':
			endText()
			list, s = append(list, s), nil
		case p == '_':
			endText()
			if n := len(s); n > 0 && s[n-1].any > 0 {
				s[n-1].any++
			} else {
				s = append(s, segmentPart{any: 1})
			}
		default:
			text = append(text, pattern[:size]...)
		}
		pattern = pattern[size:]
	}
	endText()
	return append(list, s), true
}

// likeSegments matches the first and the last segment at the ends, and each of
// the others at its first place behind the one before: a later place would
// leave less to the rest.
func likeSegments(m *meter, pattern, s []byte, escape rune, fold bool) (match, ok bool) {
	m.work(len(pattern)/2 + len(s)/16)
	list, ok := segments(pattern, escape, fold)
	if !ok {
		return false, false
	}
	if fold {
		m.work(len(s) / 2)
		s = bytes.ToLower(s)
	}
	width := list[0].match(m, s)
	if width < 0 || len(list) == 1 {
		return width == len(s), true
	}
	s = s[width:]
	last := len(list) - 1
	for _, g := range list[1:last] {
		if len(g) == 0 {
			continue
		}
		at, width := g.find(m, s)
		if at < 0 {
			return false, true
		}
		s = s[at+width:]
	}
	return list[last].matchEnd(m, s), true
}

// match returns how many bytes at the beginning of s the segment takes, -1 when
// it does not match there.
func (g segment) match(m *meter, s []byte) int {
	rest := s
	for _, p := range g {
		if p.any == 0 {
			m.work(1 + len(p.text)/64)
			if !bytes.HasPrefix(rest, p.text) {
				return -1
			}
			rest = rest[len(p.text):]
			continue
		}
		m.work(p.any)
		for range p.any {
			_, size := utf8.DecodeRune(rest)
			if size == 0 {
				return -1
			}
			rest = rest[size:]
		}
	}
	return len(s) - len(rest)
}

// matchEnd reports whether the segment matches at the end of s.
func (g segment) matchEnd(m *meter, s []byte) bool {
	for i := len(g) - 1; i >= 0; i-- {
		p := g[i]
		if p.any == 0 {
			m.work(1 + len(p.text)/64)
			if !bytes.HasSuffix(s, p.text) {
				return false
			}
			s = s[:len(s)-len(p.text)]
			continue
		}
		m.work(p.any)
		for range p.any {
			_, size := utf8.DecodeLastRune(s)
			if size == 0 {
				return false
			}
			s = s[:len(s)-size]
		}
	}
	return true
}

// find is the first place of a segment in s, and how many bytes it takes; -1
// when there is none, or when the budget is over.
func (g segment) find(m *meter, s []byte) (at, width int) {
	if len(g) == 1 && g[0].any == 0 {
		search := newSearch(g[0].text)
		width = len(g[0].text)
		at = search.index(s)
		seen := at + width
		if at < 0 {
			seen = len(s)
		}
		m.work(1 + (seen+width)*unitsAStep/searchStepBytes)
		return at, width
	}
	for at <= len(s) && m.work(1) {
		if width := g.match(m, s[at:]); width >= 0 {
			return at, width
		}
		if at == len(s) {
			break
		}
		_, size := utf8.DecodeRune(s[at:])
		at += size
	}
	return -1, 0
}

// likeCharacters compares character by character. When what follows a % does
// not match, it is tried one character further on; only the last % needs that,
// for an earlier one has already found its first place.
func likeCharacters(m *meter, pattern, s []byte, escape rune, fold bool) (bool, error) {
	var afterPercent, retry []byte // the pattern after the last %, and where in s it is tried next
	for m.work(1) {
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
			if any || p == r || fold && unicode.ToLower(p) == unicode.ToLower(r) {
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
	return false, nil // the meter has the error
}
