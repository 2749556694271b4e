package sqlfsm

import (
	"strings"
	"testing"

	"quorate/sqlplan"
)

// load makes an entry of KindLoad.
func (l *log) load(statements ...string) Entry {
	var list []sqlplan.Bound
	for _, sql := range statements {
		list = append(list, bound(sql))
	}
	e := l.entry(list...)
	e.Data[1] = byte(KindLoad)
	return e
}

// A load may write a row before the row that it refers to, and what AUTOINCREMENT
// has given out. The commands before and after it may not, also when they share
// its transaction and use the same statements.
func TestLoad(t *testing.T) {
	const orphan = "INSERT INTO child VALUES (7, 8)"
	const sequence = "UPDATE sqlite_sequence SET seq = 41"
	l := &log{}
	entries := l.sql(
		"CREATE TABLE parent (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT",
		"CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES parent) STRICT",
		"INSERT INTO parent VALUES (1)",
		orphan,
		sequence,
	)
	entries = append(entries, l.load(sequence, orphan))
	entries = append(entries, l.sql(sequence, "DELETE FROM child WHERE id = 7", orphan, "INSERT INTO parent DEFAULT VALUES")...)
	entries = append(entries, l.load("INSERT INTO child VALUES (9, 10)"))
	want := []string{"", "", "", "23503", "42501", "", "42501", "", "23503", "", ""}
	dumps := make(map[string]bool)
	for _, batch := range []int{1, 2, len(entries)} {
		f := openTest(t)
		for at := 0; at < len(entries); at += batch {
			part := entries[at:min(at+batch, len(entries))]
			for i, r := range apply(t, f, part...) {
				if got := show(r); (want[at+i] == "") == strings.Contains(got, "error") || !strings.Contains(got, want[at+i]) {
					t.Errorf("batches of %d: entry %d: %s; expected %q", batch, at+i+1, got, want[at+i])
				}
			}
		}
		var b strings.Builder
		if _, err := f.Dump(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		dumps[b.String()] = true
		if !strings.Contains(b.String(), "parent: 42 42") {
			t.Errorf("AUTOINCREMENT did not go on from the sequence:\n%s", &b)
		}
	}
	if len(dumps) != 1 {
		t.Errorf("batches of other sizes made %d different databases", len(dumps))
	}
}

// A load that would use AUTOINCREMENT's numbers up is refused: the next row would
// stop every node, because SQLite calls that a full database. SQLite takes text and
// floating-point numbers too.
func TestLoadOfHighestSequence(t *testing.T) {
	for _, highest := range []string{"9223372036854775807", "'9223372036854775807'", "1e19"} {
		f, l := openTest(t), &log{}
		results := apply(t, f, append(l.sql("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT", "INSERT INTO t VALUES (1)"),
			l.load("UPDATE sqlite_sequence SET seq = "+highest))...)
		if got := show(results[2]); !strings.Contains(got, "22003") {
			t.Errorf("%s: %s", highest, got)
		}
		if got := show(apply(t, f, l.sql("INSERT INTO t DEFAULT VALUES RETURNING id")...)[0]); got != "1 (2)" {
			t.Errorf("after %s: %s", highest, got)
		}
	}
}
