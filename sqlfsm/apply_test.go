package sqlfsm

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan"

	"pgregory.net/rapid"
)

// endless never ends by itself.
const endless = `INSERT INTO t (a) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0`

// TestRunawayStatement: a statement that runs over its budget of instructions
// fails with 54001, and its neighbours in the batch are as if it had never
// been there. SQLite ends the whole transaction when it is interrupted, so
// this is the case where a batch is applied twice.
func TestRunawayStatement(t *testing.T) {
	f := openTest(t)
	f.counter.limit = 100_000
	var l log
	entries := l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT`,
		`INSERT INTO t (a) VALUES (1) RETURNING *`,
		endless,
		`INSERT INTO t (a) VALUES (2) RETURNING *`,
		endless,
		endless,
		`INSERT INTO t (a) VALUES (3) RETURNING *`,
		`SELECT count(*) FROM (WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n)`,
	)
	const exhausted = "error 54001: the statement takes more than 100000 steps"
	want := []string{"0", "1 (1, 1)", exhausted, "1 (2, 2)", exhausted, exhausted, "1 (3, 3)", exhausted}
	for i, r := range apply(t, f, entries...) {
		if got := show(r); got != want[i] {
			t.Errorf("entry %d answers %q, want %q", i+1, got, want[i])
		}
	}
	if got := query(t, f, "SELECT a FROM t"); fmt.Sprint(got) != "[(1) (2) (3)]" {
		t.Errorf("the table holds %v", got)
	}
	if index, _ := f.Applied(); index != uint64(len(entries)) {
		t.Errorf("applied %d, want %d", index, len(entries))
	}
}

// TestBudgetIsExact: whether a statement is over its budget does not depend
// on whether it was compiled before, ran before, or was stopped before.
func TestBudgetIsExact(t *testing.T) {
	count := func(n int) string {
		return fmt.Sprintf(`INSERT INTO t (a) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT max(i) FROM n`, n)
	}
	outcome := func(f *FSM, l *log, sql string) string { return show(apply(t, f, l.entry(bound(sql)))[0]) }
	fresh := func() (*FSM, *log) {
		f, l := openTest(t), &log{}
		f.counter.limit = 50_000
		apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT`)...)
		return f, l
	}
	// The largest count that fits, found on one database …
	f, l := fresh()
	fits, over := 1, 50_000
	for fits+1 < over {
		if middle := (fits + over) / 2; outcome(f, l, count(middle)) == "1" {
			fits = middle
		} else {
			over = middle
		}
	}
	// … is the largest on others, cached or not.
	g, m := fresh()
	for range 3 {
		if got := outcome(g, m, count(fits)); got != "1" {
			t.Errorf("%d rows: %s", fits, got)
		}
		if got := outcome(g, m, count(over)); !strings.Contains(got, "54001") {
			t.Errorf("%d rows: %s", over, got)
		}
	}
}

// TestHighestRowIDComesFirst: once a statement has used the highest rowid, what
// follows depends on random numbers of SQLite's own, the end of the budget too.
func TestHighestRowIDComesFirst(t *testing.T) {
	f := openTest(t)
	f.counter.limit = 20_000
	var l log
	results := apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT`,
		`INSERT INTO t (a) VALUES (1)`,
		`INSERT INTO t (id) WITH RECURSIVE n(i) AS (VALUES (9223372036854775807) UNION ALL SELECT NULL FROM n) SELECT i FROM n`,
		`INSERT INTO t (id, a) VALUES (9223372036854775807, 1), (NULL, q_cast_int4('x', 25))`,
		`INSERT INTO t (a) VALUES (2)`,
	)...)
	const highest = "error 22003: the row number 9223372036854775807 cannot be used"
	for i, want := range []string{"0", "1", highest, highest, "1"} {
		if got := show(results[i]); got != want {
			t.Errorf("entry %d answers %q, want %q", i+1, got, want)
		}
	}
	if got := query(t, f, "SELECT * FROM t"); fmt.Sprint(got) != "[(1, 1) (2, 2)]" {
		t.Errorf("the table holds %v", got)
	}
}

// joinTables are two tables of which statistics decide which comes first in a
// join, and a table that shows which did: the order gives the ids.
var joinTables = []string{
	`CREATE TABLE a (x INTEGER, y INTEGER) STRICT`,
	`CREATE TABLE b (x INTEGER, y INTEGER) STRICT`,
	`CREATE INDEX ax ON a (x)`,
	`CREATE INDEX bx ON b (x)`,
	`CREATE TABLE o (id INTEGER PRIMARY KEY, y TEXT) STRICT`,
}

const join = `INSERT INTO o (y) SELECT b.y || ':' || a.y FROM b, a WHERE a.x = b.x`

// fill makes the statement that puts n rows into a table.
func fill(table string, n int) string {
	return fmt.Sprintf(`INSERT INTO %s WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i %% 3, i FROM n`, table, n)
}

// TestStatisticsOfFile: what plans are made of is what the file says, not
// what the connection remembers: a restart between any two commands does not
// show. Here SQLite keeps the statistics of indexes that are gone.
func TestStatisticsOfFile(t *testing.T) {
	var want string
	for _, restarts := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "db")
		f := reopenTest(t, path)
		var l log
		for _, e := range l.sql(append(joinTables[:5:5], fill("a", 5), fill("b", 3000), `ANALYZE`, `DROP INDEX ax`, `DROP INDEX bx`, join)...) {
			if restarts {
				f.Close()
				f = reopenTest(t, path)
			}
			if r := apply(t, f, e)[0]; r.Err != nil {
				t.Fatal(r.Err)
			}
		}
		got := dump(t, f)
		if want == "" {
			want = got
		}
		if got != want {
			t.Error("a database that was opened again and again is another one")
		}
	}
}

// TestStatisticsOfLostBatch: statistics that a batch made and lost when a later
// entry ended its transaction do not guide the entries before them when these
// are applied again.
func TestStatisticsOfLostBatch(t *testing.T) {
	var want string
	for _, together := range []bool{false, true} {
		f := openTest(t)
		f.counter.limit = 1_000_000
		var l log
		apply(t, f, l.sql(append(joinTables[:5:5], fill("b", 5), fill("a", 3000), `ANALYZE`)...)...)
		entries := l.sql(`DELETE FROM a WHERE y > 5`, fill("b", 3000), join, `ANALYZE`,
			`INSERT INTO o (y) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0`)
		if together {
			apply(t, f, entries...)
		} else {
			for _, e := range entries {
				apply(t, f, e)
			}
		}
		got := dump(t, f)
		if want == "" {
			want = got
		}
		if got != want {
			t.Error("the batch made another database than its entries one by one")
		}
	}
}

// TestEnvironmentErrorStops: an error that is the node's, here a database that
// cannot be written to any more, is never a result. Apply returns it, nothing of
// the batch is there, and the FSM applies no more. After a restart the same
// entries apply. (Only a full disk is waited for: TestFull.)
func TestEnvironmentErrorStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := reopenTest(t, path)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT`, `INSERT INTO t VALUES (1, 'x')`)...)
	if err := f.writer.script("PRAGMA query_only=1"); err != nil {
		t.Fatal(err)
	}
	entries := l.sql(`INSERT INTO t VALUES (2, 'small')`, `INSERT INTO t (a) SELECT hex(zeroblob(100000))`, `INSERT INTO t VALUES (7, 'small')`)
	_, err := f.Apply(entries)
	var e *errcode.Error
	if err == nil || errors.As(err, &e) {
		t.Fatalf("Apply says %v", err)
	}
	if _, again := f.Apply(l.sql(`INSERT INTO t VALUES (9, 'y')`)); !errors.Is(again, err) {
		t.Errorf("the next Apply says %v", again)
	}
	f.Close()

	f = reopenTest(t, path)
	if index, _ := f.Applied(); index != 2 {
		t.Fatalf("after the restart the applied index is %d, want 2", index)
	}
	for _, r := range apply(t, f, entries...) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	}
	if got := query(t, f, "SELECT id, length(a) FROM t"); fmt.Sprint(got) != "[(1, 1) (2, 5) (3, 200000) (7, 5)]" {
		t.Errorf("the table holds %v", got)
	}
}

// TestDamageStops: damage to the file that SQLite meets while it applies is the
// node's, and stops it; what does not touch the damaged page goes on before.
func TestDamageStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := reopenTest(t, path)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT`,
		`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, hex(randomblob(500)) FROM n`)...)
	f.Close()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err == nil {
		_, err = file.WriteAt(make([]byte, pageBytes), info.Size()-pageBytes) // the last rows
	}
	if err != nil {
		t.Fatal(err)
	}
	file.Close()

	f = reopenTest(t, path)
	apply(t, f, l.sql(`UPDATE t SET a = 'x' WHERE id = 1`)...)
	_, err = f.Apply(l.sql(`UPDATE t SET a = 'x' WHERE id = 100`))
	var e *sqlite.Error
	if !errors.As(err, &e) || e.Code.Primary() != sqlite.Corrupt {
		t.Fatalf("Apply says %v", err)
	}
	if _, again := f.Apply(l.sql(`UPDATE t SET a = 'y' WHERE id = 1`)); !errors.Is(again, err) {
		t.Errorf("the next Apply says %v", again)
	}
	if index, _ := f.Applied(); index != 3 {
		t.Errorf("the applied index is %d, want 3", index)
	}
}

// TestIndexesAscend: an entry that was applied is not applied again, whatever
// the node above believes.
func TestIndexesAscend(t *testing.T) {
	f := openTest(t)
	var l log
	entries := l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO t VALUES (1)`)
	apply(t, f, entries...)
	apply(t, f, Entry{Index: 7, Term: 3})
	if index, term := f.Applied(); index != 7 || term != 3 {
		t.Errorf("applied %d in term %d, want 7 in term 3", index, term)
	}
	if _, err := f.Apply(entries[1:]); err == nil {
		t.Error("entry 2 was applied again")
	}
}

// TestClock: the clock of commands never goes back, is kept over a restart, and
// is what SQL sees.
func TestClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := reopenTest(t, path)
	var l log
	now := func(f *FSM, micros int64) string {
		e := l.entry(bound(`SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), CURRENT_TIMESTAMP`))
		e.Data = Restamp(e.Data, micros)
		return show(apply(t, f, e)[0])
	}
	const later, earlier = testStart + 5_000_000, testStart - 5_000_000
	for _, step := range []struct {
		micros int64
		want   string
	}{
		{testStart, "0 ('2026-01-02 03:04:05.678', '2026-01-02 03:04:05')"},
		{later, "0 ('2026-01-02 03:04:10.678', '2026-01-02 03:04:10')"},
		{earlier, "0 ('2026-01-02 03:04:10.678', '2026-01-02 03:04:10')"},
	} {
		if got := now(f, step.micros); got != step.want {
			t.Errorf("%d: %s, want %s", step.micros, got, step.want)
		}
	}
	f.Close()
	if got := now(reopenTest(t, path), earlier); got != "0 ('2026-01-02 03:04:10.678', '2026-01-02 03:04:10')" {
		t.Errorf("after a restart: %s", got)
	}
}

// material is what logs are drawn from.
type material struct {
	schema     []string // the first entries
	statements []string // with a number ?1 and a text ?2
	ddl        []string
}

// drawn is what TestBatchesDoNotShow draws from. Its statements fail often, in
// all the ways that there are.
var drawn = material{[]string{
	`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT NOT NULL DEFAULT 'd', r INTEGER DEFAULT (random())) STRICT`,
	`CREATE TABLE child (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED) STRICT`,
	`CREATE TRIGGER ti AFTER UPDATE ON t BEGIN INSERT INTO child (t) VALUES (NEW.id); END`,
	`CREATE TABLE heap (a TEXT, n INTEGER AS (length(a)) VIRTUAL) STRICT`,
}, []string{
	`INSERT INTO t (id, a, r) VALUES (?1, ?2, random()) RETURNING *`,
	`INSERT INTO t (a) VALUES (?2), (hex(randomblob(3))), (?1)`,
	`INSERT INTO t (id, a) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET a = excluded.a || CURRENT_TIMESTAMP RETURNING a`,
	`INSERT OR REPLACE INTO t (id, a) VALUES (?1, ?2)`,
	`INSERT OR FAIL INTO t (id, a) VALUES (50, ?2), (?1, ?2)`,
	`UPDATE t SET a = a || ?2, r = last_insert_rowid() * 100 + changes() WHERE id > ?1 RETURNING id, r`,
	`UPDATE t SET id = id + ?1 WHERE a <> ?2`,
	`DELETE FROM t WHERE id IN (SELECT id FROM t WHERE a <> ?2 ORDER BY random() LIMIT ?1)`,
	`INSERT INTO child (t) VALUES (?1) RETURNING id, ?2`,
	`UPDATE child SET t = ?1 WHERE id = 1 AND ?2 <> ''`,
	`INSERT INTO t (id, a) VALUES (9223372036854775800 + ?1, ?2)`,
	`INSERT INTO logged (x) SELECT a FROM t WHERE id < ?1 AND a <> ?2`,
	`INSERT INTO heap VALUES (?2), (?1), (?2 || ?1)`,
	`DELETE FROM heap WHERE rowid % 4 = ?1 % 4 OR a = ?2 RETURNING rowid, n`,
	`SELECT count(*), sum(r), ?1, ?2 FROM t`,
	`INSERT INTO missing VALUES (?1, ?2)`,
	`UPDATE t SET a = NULL WHERE id = ?1 AND a <> ?2`,
	`INSERT INTO t (a) WITH RECURSIVE n(i) AS (VALUES (?1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0 AND ?2 <> ''`,
}, []string{
	`CREATE TABLE extra (a INTEGER) STRICT`,
	`DROP TABLE extra`,
	`CREATE UNIQUE INDEX t_a ON t (a)`,
	`DROP INDEX t_a`,
	`ALTER TABLE child ADD COLUMN n INTEGER DEFAULT 3`,
	`ALTER TABLE child DROP COLUMN n`,
	`CREATE TABLE logged (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT) STRICT`,
	`ANALYZE`,
	`VACUUM`,
}}

// TestBatchesDoNotShow is the metamorphic test: any entries give the same
// results and the same database however they are cut into batches, with
// restarts, with batches that were lost in a crash before their commit, and with
// images of another replica that were installed in place of entries.
func TestBatchesDoNotShow(t *testing.T) {
	checkBatches(t, drawn, 30)
}

func checkBatches(t *testing.T, m material, checks int) {
	fewerChecks(t, checks)
	rapid.Check(t, func(rt *rapid.T) {
		entries := m.entries(rt)
		want, wantDump := run(t, rt, entries, func() int { return 1 }, func() int { return 0 })
		alike(t, rt, entries, want, wantDump)
	})
}

// alike applies entries to two new databases in batches of any size, with
// restarts and lost batches, and compares results and databases with those of
// the entries one by one.
func alike(t *testing.T, rt *rapid.T, entries []Entry, want []string, wantDump string) {
	for _, way := range []string{"a", "b"} {
		size := func() int { return rapid.IntRange(1, 20).Draw(rt, way+" batch") }
		fate := func() int { return rapid.IntRange(0, 11).Draw(rt, way+" fate") }
		got, gotDump := run(t, rt, entries, size, fate)
		for i := range want {
			if got[i] != want[i] {
				rt.Fatalf("entry %d answers %q, one by one it answered %q", i+1, got[i], want[i])
			}
		}
		if gotDump != wantDump {
			rt.Fatalf("another database:\n%s\none by one:\n%s", gotDump, wantDump)
		}
	}
}

// entries draws a log. Some of its entries are planned with a schema that is
// not there, because DDL before them failed: they must do nothing.
func (m *material) entries(rt *rapid.T) []Entry {
	var l log
	entries := l.sql(m.schema...)
	for range rapid.IntRange(5, 30).Draw(rt, "entries") {
		version := l.schemaVersion
		var statements []sqlplan.Bound
		for range rapid.IntRange(1, 3).Draw(rt, "statements") {
			statements = append(statements, m.statement(rt))
		}
		entries = append(entries, l.entry(statements...))
		if rapid.Bool().Draw(rt, "expect failure") {
			l.schemaVersion = version
		}
	}
	return entries
}

func (m *material) statement(rt *rapid.T) sqlplan.Bound {
	if rapid.IntRange(0, 9).Draw(rt, "ddl") == 0 {
		return bound(rapid.SampledFrom(m.ddl).Draw(rt, "definition"))
	}
	return bound(rapid.SampledFrom(m.statements).Draw(rt, "statement"),
		value.Int(rapid.Int64Range(0, 8).Draw(rt, "number")),
		value.String(rapid.SampledFrom([]string{"", "x", "long text"}).Draw(rt, "text")))
}

// run applies entries to a new database in batches of the sizes that size
// draws, and returns the results and the dump. fate says what happens between:
// 1 is a restart, 2 a batch that is lost before its commit, 3 an image of
// another replica, which has applied the batch and answers for it.
func run(t *testing.T, rt *rapid.T, entries []Entry, size, fate func() int) (results []string, database string) {
	dir, err := os.MkdirTemp(t.TempDir(), "")
	if err != nil {
		rt.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "db")
	open := func(path string) *FSM {
		f, err := Open(path, Options{Readers: 1, CacheBytes: 128 << 10})
		if err != nil {
			rt.Fatal(err)
		}
		f.counter.limit = 20_000
		return f
	}
	f := open(path)
	defer func() { f.Close() }()
	for len(entries) > 0 {
		n := min(size(), len(entries))
		applier := f
		switch fate() {
		case 1:
			f.Close()
			f = open(path)
			applier = f
		case 2:
			lose(rt, f, entries[:n])
			f.Close()
			f = open(path)
			applier = f
		case 3:
			other := filepath.Join(dir, "other")
			image(rt, f, other)
			applier = open(other)
		}
		got, err := applier.Apply(entries[:n])
		if err != nil {
			rt.Fatal(err)
		}
		for _, r := range got {
			results = append(results, show(r))
		}
		if applier != f {
			next := filepath.Join(dir, "image")
			image(rt, applier, next)
			applier.Close()
			if err := installAs(f, next, applier); err != nil {
				rt.Fatal(err)
			}
		}
		entries = entries[n:]
	}
	return results, everything(t, f)
}

// everything that must be equal on all nodes: the database, the schema with its
// object ids, the effects digest.
func everything(t *testing.T, f *FSM) string {
	_, effects := f.EffectsDigest()
	return fmt.Sprintf("%s%s%x\n", dump(t, f), showSchema(f.Schema()), effects)
}

// image makes an image at path.
func image(rt *rapid.T, f *FSM, path string) {
	info, err := f.Image(context.Background(), path)
	if err != nil {
		rt.Fatal(err)
	}
	if index, term := f.Applied(); info.Index != index || info.Term != term {
		rt.Fatalf("the image is at %d of term %d, the state machine at %d of term %d", info.Index, info.Term, index, term)
	}
}

// lose runs a batch up to its commit, which fails.
func lose(rt *rapid.T, f *FSM, entries []Entry) {
	before, _ := f.Applied()
	failing, _, err := f.writer.db.Prepare("SELECT json('{')", false)
	if err != nil {
		rt.Fatal(err)
	}
	f.own.commit.Finalize()
	f.own.commit = failing
	if _, err := f.Apply(entries); err == nil {
		rt.Fatal("a batch whose commit failed was reported")
	}
	if after, _ := f.Applied(); after != before {
		rt.Fatalf("a lost batch moved the applied index from %d to %d", before, after)
	}
}

// fewerChecks makes rapid draw so many logs instead of 100, unless the command line
// says otherwise: each is applied three times.
func fewerChecks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Value.Set(f.DefValue) })
}
