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
