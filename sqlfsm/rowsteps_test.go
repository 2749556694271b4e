package sqlfsm

import (
	"strings"
	"testing"
)

// TestRowsWrittenCount: what a statement writes counts more than the instructions
// that write it, and the rows of other statements do not.
func TestRowsWrittenCount(t *testing.T) {
	const rows = `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT i, 'a row' AS v FROM n`
	var l log
	results := onThree(t, l.sql(
		`CREATE TABLE o (id INTEGER PRIMARY KEY, v TEXT) STRICT`,
		`INSERT INTO o `+rows+` LIMIT 1000`,
		`DELETE FROM o WHERE v <> 'x'`,
		`INSERT INTO o (id) SELECT count(*) FROM (`+rows+`)`, // read, not written
		`INSERT INTO o SELECT i + 10000, v FROM (`+rows+`)`,
		`INSERT INTO o `+rows,
	), func(f *FSM) { f.counter.limit = 200_000 })
	for i, over := range []bool{false, false, false, false, true, true} {
		if got := strings.Contains(results[i], "54001"); got != over {
			t.Errorf("statement %d answers %s", i, results[i])
		}
	}
}
