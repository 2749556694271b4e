package sqlfsm

import (
	"fmt"
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
	), func(f *FSM) { f.counter.limit = 120_000 })
	for i, over := range []bool{false, false, false, false, true, true} {
		if got := strings.Contains(results[i], "54001"); got != over {
			t.Errorf("statement %d answers %s", i, results[i])
		}
	}
}

// TestRowsAreExact: rows that are written, index entries and what is sorted are steps
// of their own, as many on all nodes: the same number of rows is too much everywhere,
// and a number that would be nothing if only instructions counted.
func TestRowsAreExact(t *testing.T) {
	const limit = 48_000
	rows := func(n int) string {
		return fmt.Sprintf(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT `, n)
	}
	var l log
	entries := l.sql(
		`CREATE TABLE o (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, v TEXT) STRICT`,
		`CREATE TABLE indexed (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER) STRICT`,
		`CREATE INDEX one ON indexed (a)`, `CREATE INDEX two ON indexed (b, a)`,
		`CREATE TABLE keyed (k TEXT PRIMARY KEY, a INTEGER) STRICT, WITHOUT ROWID`,
	)
	for i := range 20 {
		from := 50 * i
		entries = append(entries, l.sql(
			`INSERT INTO o (a, b, v) `+rows(50)+fmt.Sprintf(`%d + i, random(), 'a row' FROM n`, from),
			`INSERT INTO indexed (a, b) `+rows(50)+fmt.Sprintf(`%d + i, random() FROM n`, from),
			`INSERT INTO keyed (k, a) `+rows(50)+fmt.Sprintf(`%d + i, random() FROM n`, from))...)
	}
	made := len(entries)
	const times = 8
	statements := []struct {
		sql          string
		rows         int // it is given once to eight times as many
		instructions int // of each row, at most
	}{
		{`UPDATE o SET b = b + 1 WHERE id <= %d`, 125, 16},
		{`UPDATE indexed SET a = a + 1 WHERE id <= %d`, 15, 50},
		{`UPDATE keyed SET a = a + 1 WHERE k IN (SELECT k FROM keyed LIMIT %d)`, 30, 100},
		{`DELETE FROM indexed WHERE id <= %d`, 30, 30},
		{`INSERT INTO o (a) SELECT count(*) FROM (SELECT hex(randomblob(50)) AS v FROM o LIMIT %d) GROUP BY v ORDER BY v LIMIT -1 OFFSET 10000`, 125, 40},
	}
	for _, s := range statements {
		for i := times; i > 0; i-- { // so that there are rows to delete
			entries = append(entries, l.sql(fmt.Sprintf(s.sql, i*s.rows))...)
		}
	}
	results := onThree(t, entries, func(f *FSM) { f.counter.limit = limit })
	for i, r := range results[:made] {
		if strings.Contains(r, "error") {
			t.Fatalf("entry %d: %s", i+1, r)
		}
	}
	for i, s := range statements {
		if most := times * s.rows * s.instructions; most >= limit {
			t.Errorf("%s\n%d instructions are too much without anything else", s.sql, most)
		}
		over := 0
		for _, r := range results[made+times*i:][:times] {
			if strings.Contains(r, "54001") {
				over++
			}
		}
		if over == 0 || over == times {
			t.Errorf("%s\n%d of %d are too much", s.sql, over, times)
		}
	}
}
