package pgfunc

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// repetitive are texts of few characters, whose parts are often equal.
func repetitive(longest int) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		unit := rapid.StringMatching(`[ab]{1,6}`).Draw(t, "unit")
		text := strings.Repeat(unit, rapid.IntRange(0, longest/len(unit)).Draw(t, "times")) + rapid.StringMatching(`[abc]{0,4}`).Draw(t, "rest")
		if rapid.Bool().Draw(t, "changed") && text != "" {
			i := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			text = text[:i] + "c" + text[i+1:]
		}
		return text
	})
}

// TestSearch compares with the standard library, with needles that repeat
// themselves and that do not.
func TestSearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		needle := repetitive(90).Draw(t, "needle")
		text := repetitive(300).Draw(t, "before") + needle[:rapid.IntRange(0, len(needle)).Draw(t, "part")] + repetitive(100).Draw(t, "after")
		if rapid.Bool().Draw(t, "there") {
			text += needle + repetitive(100).Draw(t, "behind")
		}
		s := newSearch([]byte(needle))
		if got, want := s.index([]byte(text)), strings.Index(text, needle); got != want {
			t.Fatalf("%q in %q: at %d, want %d", needle, text, got, want)
		}
	})
}

// TestLikeWays: taking a pattern apart and going character by character give
// the same answer.
func TestLikeWays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := []byte(rapid.StringMatching(`([aBé_]|%|\\[ab%_\\]){0,12}\\?`).Draw(t, "pattern"))
		s := []byte(rapid.StringMatching(`[aAbBéÉ%_\\]{0,16}`).Draw(t, "s"))
		escape := rapid.SampledFrom([]rune{'\\', '%', '_', 'a', -1}).Draw(t, "escape")
		fold := rapid.Bool().Draw(t, "fold")
		m := &meter{ctx: &testContext{}}
		want, err := likeCharacters(m, pattern, s, escape, fold)
		got, ok := likeSegments(m, pattern, s, escape, fold)
		if !ok {
			return // a pattern that ends with an escape
		}
		if err != nil || got != want {
			t.Fatalf("%q LIKE %q ESCAPE %q: %v, %v, want %v", s, pattern, escape, got, err, want)
		}
	})
}

// TestLikeBytes: texts that are no UTF-8 match as they always did, long ones too.
func TestLikeBytes(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		s, pattern string
		want       bool
	}{
		{long + "\xff", "%\xfe", true}, // each such byte is the replacement character
		{long + "\xff", "%\ufffd", true},
		{long + "\xff", "x%_", true},
		{long + "\ufffd", "%\xff", true},
		{long + "\xffa", "%\xff", false},
	} {
		got, err := like(&testContext{}, []byte(c.pattern), []byte(c.s), '\\', false)
		if got != c.want || err != nil {
			t.Errorf("%q: %v, %v", c.pattern, got, err)
		}
	}
}

// TestMatchesWays: where a statement is limited, expressions match as elsewhere.
func TestMatchesWays(t *testing.T) {
	parts := []string{"a", "b", "é", ".", "^", "$", `\b`, `\B`, "(a|b)", "a*", "b+?", "(?:ab)*", "|", "[ab]", "(a*)(b?)", `\w+`, "(?m:^)", "(?m:$)", "(?i:A)", `\pL`, "(a*b|a)"}
	rapid.Check(t, func(t *rapid.T) {
		pattern := strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 5).Draw(t, "pattern"), "")
		flags := rapid.SampledFrom([]string{"", "i", "n"}).Draw(t, "flags")
		s := []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "A", "é", " ", "\n", "\xff", "aab"}), 0, 12).Draw(t, "s"), ""))
		e, err := newExpression(pattern, flags)
		if err != nil {
			return
		}
		want := e.FindAllSubmatchIndex(s, -1)
		for _, prepaid := range []int{prepaidSteps, 0} {
			var got [][]int
			m := e.matches(&testContext{limit: 1e9}, s, true)
			m.prepaid = prepaid
			for m.next() {
				got = append(got, m.at)
			}
			if m.err != nil || len(got) != len(want) {
				t.Fatalf("%q in %q: %v, %v, want %v", pattern, s, got, m.err, want)
			}
			for i := range got {
				if !equalInts(got[i], want[i]) {
					t.Fatalf("%q in %q: %v, want %v", pattern, s, got, want)
				}
			}
		}
	})
}

func equalInts(a, b []int) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestQuoteWithoutEnd: what goes on behind a match is put together from the
// expression, which may end inside a quotation.
func TestQuoteWithoutEnd(t *testing.T) {
	e, err := newExpression(`\Qa.`, "")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for m := e.matches(&testContext{limit: 1e9}, []byte("a.a.ab"), true); m.next(); n++ {
	}
	if n != 2 {
		t.Errorf("%d matches", n)
	}
}

// TestTooComplex: an expression that would become a huge program is refused.
func TestTooComplex(t *testing.T) {
	for _, pattern := range []string{strings.Repeat("a", expressionBytesMost+1), strings.Repeat("(", 30) + strings.Repeat("a{1000}", 30) + strings.Repeat(")", 30), strings.Repeat("(a{100}){10}", 10)} {
		_, err := compile(&testContext{}, []byte(pattern), "")
		var e *errcode.Error
		if !errors.As(err, &e) || e.Code != errcode.InvalidRegularExpression {
			t.Errorf("%.40s: %v", pattern, err)
		}
	}
	if e, err := compile(&testContext{}, []byte(strings.Repeat("a{1000}", 4)), ""); err != nil || e.program < 4000 {
		t.Errorf("%v", err)
	}
}

// spentOn is what a call spends where its statement is limited.
func spentOn(t *testing.T, limit int, name string, args ...string) (steps int, err error) {
	t.Helper()
	ctx := &testContext{limit: limit}
	list := make([]value.Value, len(args))
	for i, a := range args {
		list[i] = value.String(a)
	}
	for _, b := range Builtins() {
		if b.Name == name && b.Args == len(args) {
			_, ok, err := b.Impl(ctx, list)
			if !ok {
				t.Fatalf("%s leaves the call to SQLite", name)
			}
			return ctx.spent, err
		}
	}
	for _, i := range Implementations() {
		if i.Name == name && (i.Args == len(args) || i.Args == -1) {
			_, err := i.Impl(ctx, list)
			return ctx.spent, err
		}
	}
	t.Fatalf("no function %s", name)
	return 0, nil
}

// hard are calls that take long, or once did, for texts of n bytes.
var hard = []struct {
	name string
	args func(n int) []string
	most float64 // how many times the steps for twice the bytes
}{
	{"instr", func(n int) []string { return []string{zeros(n), zeros(n/2) + "1"} }, 2.1},
	{"instr", func(n int) []string { return []string{zeros(n), "1" + zeros(n/2)} }, 2.1},
	{"replace", func(n int) []string { return []string{zeros(n), zeros(n/2) + "1", "x"} }, 2.1},
	{"replace", func(n int) []string { return []string{zeros(n), "0", "x"} }, 2.1},
	{"q_position", func(n int) []string { return []string{zeros(n/2) + "1", zeros(n)} }, 2.1},
	{"q_split_part", func(n int) []string { return []string{zeros(n), zeros(n/2) + "1", "2"} }, 2.1},
	{"q_split_part", func(n int) []string { return []string{zeros(n), "0", "2"} }, 2.1},
	{"like", func(n int) []string { return []string{"%" + zeros(n/2) + "1%", zeros(n)} }, 2.1},
	{"like", func(n int) []string { return []string{strings.Repeat("%0", n/4) + "1", zeros(n)} }, 2.1},
	{"q_ilike", func(n int) []string { return []string{"%" + zeros(n/2) + "A%", zeros(n)} }, 2.1},
	{"regexp", func(n int) []string { return []string{"(0*)*1", zeros(n)} }, 2.1},
	{"q_regexp_replace", func(n int) []string { return []string{zeros(n), "0", "x", "g"} }, 2.1},
	{"q_regexp_count", func(n int) []string { return []string{zeros(n), "[0-9]"} }, 2.1},
	{"q_translate", func(n int) []string { return []string{zeros(n), zeros(n), zeros(n)} }, 2.1},
	// Products, which are counted while they are computed.
	{"like", func(n int) []string { return []string{"%" + zeros(n/2) + "_1%", zeros(n)} }, 4.2},
	{"like", func(n int) []string { return []string{"%" + zeros(n/2) + "1%", zeros(n) + "\xff"} }, 4.2},
	{"glob", func(n int) []string { return []string{"*" + zeros(n/4) + "1*", zeros(n)} }, 4.2},
	{"glob", func(n int) []string { return []string{"*[" + strings.Repeat("1", n/4) + "]", zeros(n)} }, 4.2},
	{"q_regexp_count", func(n int) []string { return []string{zeros(n), "0*1|0"} }, 4.2},
	{"q_regexp_replace", func(n int) []string { return []string{zeros(n), "0*1|0", "", "g"} }, 4.2},
}

func zeros(n int) string { return strings.Repeat("0", n) }

// TestHardCalls: what a call spends grows as the work does, and one that spends
// too much ends with the limit's error.
func TestHardCalls(t *testing.T) {
	for _, h := range hard {
		n := 8 << 10
		if h.most > 3 {
			n = 1 << 10
		}
		one, err := spentOn(t, 1<<40, h.name, h.args(n)...)
		if err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
		two, _ := spentOn(t, 1<<40, h.name, h.args(2*n)...)
		if one == 0 || float64(two) > h.most*float64(one) {
			t.Errorf("%s(%.20q …): %d steps, for twice the bytes %d", h.name, h.args(n)[0], one, two)
		}
		if _, err := spentOn(t, one-1, h.name, h.args(n)...); err != error(errSpent) {
			t.Errorf("%s(%.20q …) with a step less than it needs: %v", h.name, h.args(n)[0], err)
		}
	}
}

// TestGlobText: what the rapid test of the state machine compares with SQLite,
// in a few examples.
func TestGlobText(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"a*c", "abc", true}, {"a?c", "aéc", true}, {"[^a]*", "b", true}, {"[]]", "]", true}, {"[a-c]", "b", true},
		{"[a", "a", false}, {"*", "", true}, {"", "", true}, {"?", "", false}, {"a\x00b", "a", true},
	} {
		m := &meter{ctx: &testContext{}}
		if got := globMatch(m, untilNUL([]byte(c.pattern)), untilNUL([]byte(c.s))); got != c.want {
			t.Errorf("%q GLOB %q: %v", c.s, c.pattern, got)
		}
	}
}
