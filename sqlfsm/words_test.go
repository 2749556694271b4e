package sqlfsm

import (
	"strings"
	"testing"
)

// TestWords: what is quoted or commented out is no word, whatever is in it,
// and whether or not it ends.
func TestWords(t *testing.T) {
	for _, test := range []struct{ sql, want string }{
		{``, ""},
		{` -- nothing`, ""},
		{`/* nothing`, ""},
		{`SELECT a.b, c1 FROM t`, "SELECT a . b , c1 FROM t"},
		{`x='it''s' OR "a""b" [c d] ` + "`e`", "x = ' OR \" [ `"},
		{`a--b` + "\nc/*d*/e", "a c e"},
		{`'open OR ROLLBACK`, "'"},
		{`?1-$x::y`, "? 1 - $x : : y"},
		{`Größe`, "Größe"},
	} {
		w := words{sql: test.sql}
		var got []string
		for word := w.next(); word != ""; word = w.next() {
			got = append(got, word)
		}
		if s := strings.Join(got, " "); s != test.want {
			t.Errorf("%q: %q, want %q", test.sql, s, test.want)
		}
	}
}

// TestWordsName: a quoted name says what is between its quotes.
func TestWordsName(t *testing.T) {
	w := words{sql: "a \"b\" \"\"\"c\"\"d\" `e``f` [g\"h] 'text' ( \"open"}
	var got []string
	for word := w.next(); word != ""; word = w.next() {
		got = append(got, w.name(word))
	}
	if s := strings.Join(got, "|"); s != "a|b|\"c\"d|e`f|g\"h|||open" {
		t.Error(s)
	}
}

// FuzzWords: any text comes to an end, and its words are parts of it in order.
func FuzzWords(f *testing.F) {
	f.Add(`INSERT OR ROLLBACK INTO t VALUES ('a', "b") -- c`)
	f.Add(`/* */ x [y`)
	f.Fuzz(func(t *testing.T, sql string) {
		w := words{sql: sql}
		rest := sql
		for word := w.next(); word != ""; word = w.next() {
			i := strings.Index(rest, word)
			if i < 0 {
				t.Fatalf("%q is not left of %q", word, sql)
			}
			rest = rest[i+len(word):]
		}
	})
}
