package sqlfsm

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// TestCacheDoesNotShow: how much memory a node gives to its caches does not
// show in what statements do. It decides where SQLite cuts what it sorts, and
// GROUP BY does not sort rows of one group: group_concat() would tell.
func TestCacheDoesNotShow(t *testing.T) {
	var want string
	for i, cache := range []int{64 << 10, 256 << 20} {
		f, err := Open(filepath.Join(t.TempDir(), "db"), Options{Readers: 1, CacheBytes: cache})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var l log
		for _, r := range apply(t, f, l.sql(
			`CREATE TABLE t (k INTEGER, v TEXT) STRICT`,
			`CREATE TABLE o (k INTEGER, v TEXT) STRICT`,
			`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30000) SELECT i % 3, hex(randomblob(50)) FROM n`,
			`INSERT INTO o SELECT k, group_concat(v) FROM t GROUP BY k`,
		)...) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		got := everything(t, f)
		if i == 0 {
			want = got
		} else if got != want {
			t.Error("the databases differ")
		}
	}
}

// endlessOnes are statements that would not end, or not before the disk is full.
var endlessOnes = []string{
	`INSERT INTO o (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0`,
	`INSERT INTO o (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(100000) FROM n ORDER BY random()`,
	`INSERT INTO o (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i + 1 FROM n) SELECT DISTINCT hex(randomblob(20000)) FROM n`,
	`INSERT INTO o (v) SELECT DISTINCT a.v || b.v || c.v || hex(randomblob(10000)) FROM t a, t b, t c`,
	`INSERT INTO o (v) SELECT count(*) OVER (PARTITION BY a.v || randomblob(9000)) FROM t a, t b, t c`,
	`INSERT INTO o (v) SELECT zeroblob(100000) FROM t a, t b, t c`,
	`UPDATE t SET v = zeroblob(1000000) WHERE v <> 'x' RETURNING v`,
	`INSERT INTO looped (v) VALUES ('x')`,
	`INSERT INTO ft (a) SELECT hex(randomblob(10000)) FROM t a, t b, t c`,
	`DELETE FROM t WHERE v IN (SELECT a.v || b.v || c.v || randomblob(9000) FROM t a, t b, t c)`,
}

// largeValues are statements of few instructions, each of which works on much or
// leaves much in memory.
var largeValues = []string{
	`INSERT INTO o (v) WITH RECURSIVE n(x) AS (VALUES ('a') UNION ALL SELECT x || 'y' FROM n) SELECT count(*) FROM n`,
	`INSERT INTO o (v) SELECT sum(length(hex(zeroblob(10000 + c.id)))) FROM t a, t b, t c`,
	`INSERT INTO o (v) SELECT count(*) FROM t a, t b, t c WHERE replace(hex(zeroblob(1000)), '00', a.v || b.v || c.v) LIKE 'x%'`,
	`INSERT INTO o (v) SELECT count(*) FROM t a, t b, t c WHERE hex(zeroblob(100000)) LIKE '%' || c.v`,
	`INSERT INTO o (v) SELECT count(*) FROM t a, t b, t c WHERE q_regexp_replace(hex(zeroblob(10000)), 'x', a.v || b.v || c.v) = 'x'`,
	`INSERT INTO o (v) SELECT length(group_concat(x || 1)) + length(string_agg(x, '')) FROM (SELECT hex(zeroblob(10000)) AS x FROM t LIMIT 80)`,
	`INSERT INTO o (v) SELECT json_group_array(x || 1) || json_group_array(x || 2) FROM (SELECT hex(zeroblob(10000)) AS x FROM t LIMIT 80)`,
}

// TestLargeValues: what an instruction works on counts, and not only that it is one.
func TestLargeValues(t *testing.T) {
	tooMuch(t, largeValues, func(f *FSM) { f.counter.limit, f.counter.held = 200_000, 2<<20 })
}

// wideOnes are statements without loops, which SQLite runs from their beginning to
// their end without a look at the budget. They have much in memory in one row, in one
// expression, in aggregates, in a function's cache or in triggers, or take long over
// what they throw away at once.
func wideOnes() []string {
	values := func(n int, of string) string {
		list := make([]string, n)
		for i := range list {
			list[i] = strings.ReplaceAll(of, "%d", fmt.Sprint(i))
		}
		return strings.Join(list, ", ")
	}
	large := fmt.Sprintf("(SELECT hex(zeroblob(%d)) AS x)", 300_000)
	return []string{
		`INSERT INTO o (v) SELECT length(concat(` + values(100, "hex(zeroblob(100000 + %d))") + `))`,
		`INSERT INTO o (v) SELECT 1 FROM (SELECT ` + values(400, "hex(zeroblob(100000 + t.id + %d)) AS c%d") + ` FROM t LIMIT 1) WHERE c1 <> c399`,
		`INSERT INTO o (v) SELECT concat(` + values(60, "x || '%d'") + `) FROM ` + large,
		`INSERT INTO o (v) SELECT max(length(c1)) FROM (SELECT ` + values(60, "max(hex(zeroblob(100000 + id + %d))) AS c%d") + ` FROM t) WHERE c1 <> c59`,
		`INSERT INTO o (v) SELECT concat(` + values(60, "string_agg(x, '%d')") + `) FROM ` + large,
		`INSERT INTO o (v) VALUES (` + strings.ReplaceAll(values(300, "length(hex(zeroblob(100000 + %d)))"), ", ", " + ") + `)`,
		`INSERT INTO o (v) SELECT json_array(` + values(60, "json_extract(json_array(x || %d), '$[0]')") + `) FROM ` + large,
		`UPDATE t SET v = concat(` + values(60, "hex(zeroblob(100000 + id + %d))") + `) WHERE id = 1`,
		`DELETE FROM t WHERE id = 2 AND concat(` + values(60, "hex(zeroblob(100000 + id + %d))") + `) <> ''`,
		`INSERT INTO nested (v) VALUES ('x')`,
		`INSERT INTO ft (a) SELECT concat(` + values(60, "hex(zeroblob(300000 + %d))") + `)`,
	}
}

// TestWide: what a program without loops has in memory is bounded too, and what it
// works on.
func TestWide(t *testing.T) {
	tooMuch(t, wideOnes(), func(f *FSM) { f.counter.limit, f.counter.held = 2_000_000, 4<<20 })
}

// TestHeldAtMost: a wide statement does not get more memory than the limit.
func TestHeldAtMost(t *testing.T) {
	const held = 4 << 20
	f := openTest(t)
	f.counter.limit, f.counter.held = 2_000_000, held
	var most int64
	watch := f.counter.watch
	f.counter.watch = func(n int, held int64) bool {
		allowed := watch(n, held)
		if allowed {
			most = max(most, held)
		}
		return allowed
	}
	var l log
	for _, sql := range append(forTooMuch, wideOnes()...) {
		apply(t, f, l.entry(bound(sql)))
	}
	if most < held/2 || most > held {
		t.Errorf("at most %d bytes were allocated", most)
	}
}

// TestTooMuch: a statement that takes too long or too much room ends with 54001 on
// all nodes alike, with its neighbours as if it had never been there, whatever
// the nodes' memory, batches and restarts are.
func TestTooMuch(t *testing.T) {
	tooMuch(t, endlessOnes, func(f *FSM) { f.counter.limit, f.counter.bytes = 5_000_000, 16<<20 })
}

// forTooMuch are the tables that the statements are about.
var forTooMuch = []string{
	`CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT`,
	`CREATE TABLE o (id INTEGER PRIMARY KEY, v ANY) STRICT`,
	`CREATE TABLE looped (id INTEGER PRIMARY KEY, v ANY) STRICT`,
	`CREATE TRIGGER again AFTER INSERT ON looped WHEN NEW.id < 90 BEGIN INSERT INTO looped (v) SELECT zeroblob(1000000); END`,
	`CREATE TABLE nested (id INTEGER PRIMARY KEY, v ANY) STRICT`,
	// Each of these holds its value while the next one runs.
	`CREATE TRIGGER deeper AFTER INSERT ON nested WHEN NEW.id < 90 BEGIN INSERT INTO nested (v) SELECT NEW.v || hex(zeroblob(40000)); END`,
	`CREATE VIRTUAL TABLE ft USING fts5(a)`,
	`INSERT INTO t (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200) SELECT 'a row ' || i FROM n`,
}

func tooMuch(t *testing.T, statements []string, prepare func(*FSM)) {
	t.Helper()
	var l log
	entries := l.sql(forTooMuch...)
	made := len(entries)
	for _, sql := range statements {
		entries = append(entries, l.sql(sql, `INSERT INTO t (v) VALUES ('between')`)...)
	}
	results := onThree(t, entries, prepare)
	for i, sql := range statements {
		if got := results[made+2*i]; !strings.Contains(got, "error 54001") {
			t.Errorf("%s\nanswers %s", sql, got)
		}
		if got := results[made+2*i+1]; got != "1" {
			t.Errorf("after it: %s", got)
		}
	}
}

// TestRoomIsExact: the same number of rows is too much everywhere.
func TestRoomIsExact(t *testing.T) {
	var l log
	entries := l.sql(`CREATE TABLE o (id INTEGER PRIMARY KEY, v ANY) STRICT`)
	for n := range 8 {
		for _, order := range []string{"ORDER BY random()", "GROUP BY 1", ""} {
			entries = append(entries, l.sql(fmt.Sprintf(`INSERT INTO o (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d)
				SELECT hex(randomblob(100)) FROM n %s`, 1000+600*n, order), `DELETE FROM o`)...)
		}
	}
	results := onThree(t, entries, func(f *FSM) { f.counter.bytes = 1 << 20 })
	for order := range 3 {
		over := 0
		for n := range 8 {
			if strings.Contains(results[1+2*(3*n+order)], "54001") {
				over++
			}
		}
		if over == 0 || over == 8 {
			t.Errorf("order %d: %d of 8 are too much", order, over)
		}
	}
}

// onThree applies entries to three state machines that differ in memory,
// batches and restarts, and returns what they answer.
func onThree(t *testing.T, entries []Entry, prepare func(*FSM)) (answers []string) {
	t.Helper()
	var database string
	for i, node := range []struct{ cache, batch, restart int }{{16 << 20, len(entries), 0}, {64 << 10, 1, 10}, {64 << 20, 7, 0}} {
		path := filepath.Join(t.TempDir(), "db")
		open := func() *FSM {
			f, err := Open(path, Options{Readers: 1, CacheBytes: node.cache})
			if err != nil {
				t.Fatal(err)
			}
			prepare(f)
			return f
		}
		f := open()
		var got []string
		for from, batches := 0, 1; from < len(entries); from, batches = from+node.batch, batches+1 {
			for _, r := range apply(t, f, entries[from:min(from+node.batch, len(entries))]...) {
				got = append(got, show(r))
			}
			if node.restart > 0 && batches%node.restart == 0 {
				f.Close()
				f = open()
			}
		}
		all := everything(t, f)
		f.Close()
		if i == 0 {
			answers, database = got, all
			continue
		}
		for k := range got {
			if got[k] != answers[k] {
				t.Errorf("node %d, entry %d answers %s\nnode 1: %s", i+1, k+1, got[k], answers[k])
			}
		}
		if all != database {
			t.Errorf("node %d holds another database", i+1)
		}
	}
	return answers
}
