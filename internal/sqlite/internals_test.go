package sqlite

import (
	"testing"

	"quorate/internal/value"
)

// TestInternals: the structures that we reach into are what we take them for.
func TestInternals(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3)")
	if got := query(c, "SELECT changes()"); got != "3" {
		t.Errorf("changes() after three rows: %s", got)
	}
	c.SetChanges(7)
	if got := query(c, "SELECT changes()"); got != "7" || c.Changes() != 7 {
		t.Errorf("changes() is %s, was set to 7", got)
	}

	exec(t, c, "CREATE VIRTUAL TABLE ft USING fts5(body); INSERT INTO ft VALUES ('x')")
	var seen []string
	for range 2 {
		if err := c.ResetFullTextCursors(); err != nil {
			t.Fatal(err)
		}
		seen = append(seen, query(c, "SELECT ft FROM ft"), query(c, "SELECT ft FROM ft"))
	}
	for i, want := range []string{"1", "2", "1", "2"} {
		if seen[i] != want {
			t.Errorf("cursor %d has the number %s, want %s", i+1, seen[i], want)
		}
	}
}

// TestNested: a callback from a statement that a virtual table has begun knows
// that it is not from the one that we run.
func TestNested(t *testing.T) {
	c, _ := openTest(t)
	var nested []bool
	err := c.CreateFunction(Function{Name: "f", Args: 1, Scalar: func(args []value.Value) (value.Value, error) {
		nested = append(nested, c.Nested())
		return args[0], nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, c, "CREATE VIEW v AS SELECT 1 AS id, f('x') AS body; CREATE VIRTUAL TABLE ft USING fts5(body, content = 'v', content_rowid = 'id')")
	exec(t, c, "SELECT * FROM v")
	if len(nested) != 1 || nested[0] {
		t.Errorf("in a statement of ours: %v", nested)
	}
	nested = nil
	exec(t, c, "INSERT INTO ft (ft) VALUES ('rebuild')")
	if len(nested) != 1 || !nested[0] {
		t.Errorf("in a statement of the index's: %v", nested)
	}
}

// TestTemporaryBytes: what a statement has in temporary tables and sorts is
// counted, whether it is in memory or on disk, and also from within a trigger.
func TestTemporaryBytes(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (v); CREATE TABLE o (v); CREATE TABLE log (v);
		INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT hex(randomblob(50)) FROM n;
		CREATE TABLE u (v); CREATE TRIGGER tu AFTER INSERT ON u BEGIN INSERT INTO log SELECT NEW.v WHERE NEW.v > 'Z'; END`)
	for _, test := range []struct {
		sql         string
		least, most int64
	}{
		{"INSERT INTO o SELECT v FROM t", 0, 0},
		{"INSERT INTO o SELECT v FROM t ORDER BY v", 2_000_000, 2_500_000},
		{"INSERT INTO o SELECT DISTINCT v FROM t", 2_000_000, 4_000_000},
		{"INSERT INTO o SELECT v FROM t UNION SELECT v || 'x' FROM t", 4_000_000, 8_000_000},
		{"INSERT INTO u SELECT v FROM t ORDER BY v", 4_000_000, 8_000_000}, // the trigger's rows wait, too
	} {
		for _, cache := range []string{"-64", "-65536"} {
			exec(t, c, "PRAGMA cache_size="+cache)
			s, _, err := c.Prepare(test.sql, false)
			if err != nil {
				t.Fatal(err)
			}
			var most int64
			c.SetProgress(100, func() bool {
				most = max(most, s.TemporaryBytes())
				return false
			})
			err = s.Run()
			c.SetProgress(100, func() bool { return false })
			s.Finalize()
			if err != nil || most < test.least || most > test.most {
				t.Errorf("%s, cache %s: %d bytes, want %d to %d: %v", test.sql, cache, most, test.least, test.most, err)
			}
		}
	}
}
