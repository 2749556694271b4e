package sqldump

import (
	"fmt"
	"strings"
	"testing"

	"quorate/internal/value"
)

// TestShellTakesReturns has definitions with the line ends of other systems: what
// sqlite3 computes is the same, and its database is still one of this dump.
func TestShellTakesReturns(t *testing.T) {
	d := newDatabase(t, "db")
	err := d.Exec("CREATE TABLE t (a INTEGER,\r\n b TEXT DEFAULT 'x\r\ny', -- text\r\n c TEXT AS (b || '\r\n') STORED\r\n);\n" +
		"CREATE TRIGGER r BEFORE DELETE ON t BEGIN\r\nSELECT RAISE(ABORT, 'not\r\nthis');\r\nEND;\n" +
		"CREATE VIRTUAL TABLE f USING fts5(\r\nx, prefix='2 3');\n" +
		"INSERT INTO t (a) VALUES (1);")
	if err != nil {
		t.Fatal(err)
	}
	dump := d.dump(t)
	checkRoundTrips(t, dump)
	got := shell(t, dump)
	if err := got.Exec("INSERT INTO t (a) VALUES (2);"); err != nil {
		t.Fatal(err)
	}
	var texts []string
	err = got.Query("SELECT b || c FROM t", func(row []value.Value) error {
		texts = append(texts, row[0].Text())
		return nil
	})
	if want := "x\r\nyx\r\ny\r\n"; err != nil || len(texts) != 2 || texts[0] != want || texts[1] != want {
		t.Errorf("texts in sqlite3: %q, %v; want %q each", texts, err, want)
	}
}

// TestShellParserStack nests expressions in each other until sqlite3 cannot read
// them, and some further: what is too much for it is left out.
func TestShellParserStack(t *testing.T) {
	for _, form := range []string{"q_add(?, 1)", "q_sub(1, ?)", "q_neg(?)", "CASE WHEN a > 1 THEN ? END", "CASE a WHEN 1 THEN 2 ELSE ? END",
		"coalesce(a, ?)", "a IN (1, ?)", "a BETWEEN 1 AND (?)", "(SELECT ? FROM t AS u)"} {
		var script strings.Builder
		script.WriteString("CREATE TABLE t (a INTEGER);\n")
		for _, depth := range []int{8, 12, 16, 20, 24, 32, 48, 64, 80} {
			text := "a"
			for range depth {
				text = strings.Replace(form, "?", text, 1)
			}
			fmt.Fprintf(&script, "CREATE VIEW v%d AS SELECT %s AS x FROM t;\n", depth, text)
			if !strings.Contains(form, "SELECT") {
				fmt.Fprintf(&script, "CREATE TABLE t%d (a INTEGER, CONSTRAINT c CHECK (1 = %s));\n", depth, text)
			}
		}
		d := newDatabase(t, "db")
		if err := d.Exec(script.String()); err != nil {
			t.Fatalf("%s: %v", form, err)
		}
		dump := d.dump(t)
		if !strings.Contains(dump, "there is no view v80: nested too deeply") || strings.Contains(dump, "there is no view v8:") {
			t.Errorf("%s: not the right views are left out", form)
		}
		checkRoundTrips(t, dump)
	}
}

// Calls that sqlite3 has nothing for, in each other: the time for a dump does not
// double with each.
func TestMissingNested(t *testing.T) {
	d := newDatabase(t, "db")
	if err := d.Exec("CREATE VIEW v AS SELECT " + strings.Repeat("q_cast_bool(", 60) + "'t'" + strings.Repeat(", 25)", 60) + " AS x;"); err != nil {
		t.Fatal(err)
	}
	dump := d.dump(t)
	if !strings.Contains(dump, "q_cast_bool") {
		t.Error(dump)
	}
	checkRoundTrips(t, dump)
}
