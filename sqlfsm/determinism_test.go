package sqlfsm

import (
	"context"
	"strings"
	"testing"
	"time"

	"quorate/sqlplan"
)

// unequal are statements that other replicated SQLite databases were seen to
// run differently on their nodes, one entry a line. "refused" ones must fail,
// alike, everywhere.
var unequal = []struct {
	sql     string
	refused bool
}{
	// The clock, in every spelling and place.
	{sql: `CREATE TABLE c (id INTEGER PRIMARY KEY, ts TEXT DEFAULT CURRENT_TIMESTAMP, d TEXT DEFAULT CURRENT_DATE, tm TEXT DEFAULT CURRENT_TIME, x ANY) STRICT`},
	{sql: `INSERT INTO c (x) VALUES (CURRENT_TIMESTAMP || CURRENT_DATE || CURRENT_TIME) RETURNING *`},
	{sql: `INSERT INTO c (x) VALUES (datetime ('now')), (datetime()), (strftime('%s')), (unixepoch('subsec')), (julianday('now')) RETURNING x`},
	{sql: `INSERT INTO c (x) VALUES (CURRENT_DATE || time('now')) RETURNING x`},
	{sql: `INSERT INTO c (x) VALUES (datetime('now', 'localtime')), (datetime('now', 'utc')), (timediff('now', '2000-01-01')) RETURNING x`},
	{sql: `CREATE TABLE f (id INTEGER PRIMARY KEY, at TEXT DEFAULT (strftime('%f')), sub REAL DEFAULT (unixepoch('subsec')), local TEXT DEFAULT (datetime('now', 'localtime'))) STRICT`},
	{sql: `INSERT INTO f DEFAULT VALUES RETURNING *`},
	{sql: `CREATE TABLE chk (a TEXT CHECK (a > date('2000-01-01'))) STRICT`},
	{sql: `INSERT INTO chk VALUES ('2001')`},
	{sql: `CREATE TABLE chk2 (a TEXT CHECK (a > CURRENT_TIMESTAMP)) STRICT`},

	// Randomness, in every spelling and place.
	{sql: `INSERT INTO c (x) VALUES (random ()), (randomblob(4 + 4)), (abs(random()) % 100), (hex(randomblob(2))) RETURNING x`},
	{sql: `WITH r AS (SELECT random() AS r) INSERT INTO c (x) SELECT r FROM r RETURNING x`},
	{sql: `CREATE TABLE big (n INTEGER) STRICT`},
	{sql: `INSERT INTO big WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT i FROM n`},
	{sql: `INSERT INTO c (x) SELECT random() FROM big RETURNING x`},
	{sql: `INSERT INTO c (x) SELECT n FROM big ORDER BY random() LIMIT 5 RETURNING x`},
	{sql: `DELETE FROM big WHERE n IN (SELECT n FROM big ORDER BY random() LIMIT 20)`},
	{sql: `UPDATE big SET n = random() WHERE n % 2 RETURNING n`},
	{sql: `INSERT INTO c (id, x) VALUES (1, 0) ON CONFLICT (id) DO UPDATE SET x = random() RETURNING x`},
	{sql: `CREATE TABLE d (id INTEGER PRIMARY KEY, r INTEGER DEFAULT (random()), b BLOB DEFAULT (randomblob(8))) STRICT`},
	{sql: `INSERT INTO d DEFAULT VALUES RETURNING *`},
	{sql: `ALTER TABLE big ADD COLUMN made TEXT DEFAULT 'x'`},
	{sql: `CREATE TRIGGER t AFTER INSERT ON d BEGIN INSERT INTO c (x) VALUES (random()), (datetime('now')), (hex(randomblob(3))); END`},
	{sql: `INSERT INTO d (id) VALUES (100), (101)`},
	{sql: `CREATE VIEW v AS SELECT random() AS r, CURRENT_TIMESTAMP AS ts, date('now', '-1 day') AS y`},
	{sql: `INSERT INTO c (x) SELECT r || ts || y FROM v RETURNING x`},
	{sql: `SELECT random(), CURRENT_TIMESTAMP, x FROM c ORDER BY random() LIMIT 3`},
	{sql: `CREATE INDEX ri ON d (random())`, refused: true},
	{sql: `CREATE TABLE rg (a INTEGER, b INTEGER AS (random())) STRICT`, refused: true},

	// Generated ids, and what a connection remembers.
	{sql: `CREATE TABLE ai (id INTEGER PRIMARY KEY AUTOINCREMENT, x ANY) STRICT`},
	{sql: `INSERT INTO ai (x) VALUES (last_insert_rowid()) RETURNING id, x`},
	{sql: `INSERT INTO ai (x) VALUES (last_insert_rowid()) RETURNING id, x`},
	{sql: `INSERT INTO d (id) VALUES (9223372036854775807)`, refused: true},
	{sql: `INSERT INTO ai (x) VALUES (changes()) RETURNING x`},
	{sql: `INSERT INTO ai (x) VALUES (total_changes())`, refused: true},
	{sql: `INSERT INTO ai (x) VALUES (sqlite_version())`, refused: true},

	// What would live on one node only.
	{sql: `PRAGMA foreign_keys=ON`, refused: true},
	{sql: `/* PRAGMA */ PRAGMA foreign_keys=ON`, refused: true},
	{sql: `CREATE TEMP TABLE tt (a INTEGER)`, refused: true},
	{sql: `ATTACH ':memory:' AS other`, refused: true},
	{sql: `VACUUM`},
	{sql: `VACUUM INTO 'elsewhere'`, refused: true},
	{sql: `PRAGMA optimize`, refused: true},
	{sql: `INSERT INTO ai (x) SELECT page_count FROM pragma_page_count`, refused: true},
	{sql: `INSERT INTO ai (x) SELECT count(*) FROM sqlite_dbpage`, refused: true},

	// Statistics change plans, and so the order of rows: as a command they do
	// so everywhere.
	{sql: `ANALYZE`},
	{sql: `INSERT INTO ai (x) SELECT n FROM big RETURNING id, x`},

	// Several statements in one command are all run.
	{sql: `INSERT INTO ai (x) VALUES (random()) RETURNING x`},
}

// unequalPlanned are the same ideas as clients write them, for the planner.
var unequalPlanned = []string{
	`CREATE TABLE c (id serial PRIMARY KEY, at timestamptz DEFAULT CURRENT_TIMESTAMP, d date DEFAULT CURRENT_DATE, u uuid DEFAULT gen_random_uuid(), r float8 DEFAULT random(), x text)`,
	`INSERT INTO c (x) VALUES (CURRENT_TIMESTAMP::text), (now()::text), (clock_timestamp()::text), (CURRENT_DATE::text), (localtimestamp::text) RETURNING *`,
	`INSERT INTO c (x) VALUES (random()::text), (gen_random_uuid()::text), (random(1, 100)::text), (randomblob(4 + 4)::text), (md5(random()::text)) RETURNING *`,
	`INSERT INTO c (x) VALUES (datetime()), (strftime('%s')), (datetime('now', 'localtime')), (unixepoch()::text), (CURRENT_DATE || time('now')) RETURNING x`,
	`INSERT INTO c (x) VALUES (extract(hour FROM now())::text), (date_trunc('day', now())::text), ((now() AT TIME ZONE 'Asia/Tokyo')::text), (age(now())::text) RETURNING x`,
	`WITH r AS (SELECT random() AS r, now() AS moment) INSERT INTO c (x) SELECT r || ' ' || moment::text FROM r RETURNING x`,
	`INSERT INTO c (x) SELECT x FROM c ORDER BY random() LIMIT 5 RETURNING id, x`,
	`INSERT INTO c (x) SELECT random()::text FROM c RETURNING x`,
	`INSERT INTO c (id, x) VALUES (1, 'again') ON CONFLICT (id) DO UPDATE SET x = random()::text, at = now() RETURNING x, at`,
	`DELETE FROM c WHERE id IN (SELECT id FROM c ORDER BY random() LIMIT 3) RETURNING id`,
	`UPDATE c SET r = random(), u = gen_random_uuid() WHERE r > 0.5 RETURNING id, r, u`,
	`CREATE VIEW v AS SELECT id, random() AS r, now() AS moment FROM c`,
	`INSERT INTO c (x) SELECT r || ' ' || id FROM v RETURNING x`,
	`CREATE TABLE log (id serial PRIMARY KEY, at timestamptz, r float8)`,
	`CREATE TRIGGER tr AFTER INSERT ON c BEGIN INSERT INTO log (at, r) VALUES (now(), random()); END`,
	`INSERT INTO c (x) VALUES ('a'), ('b') RETURNING *`,
	`ALTER TABLE log ADD COLUMN note text DEFAULT 'none'`,
	`UPDATE log SET note = (SELECT string_agg(x, ',' ORDER BY random()) FROM c) RETURNING note`,
	`INSERT INTO c (x) VALUES (upper('straße') || initcap('éa') || lower('İ')) RETURNING x`,
	`INSERT INTO c (x) VALUES ((exp(1.5) + ln(2.5) + power(2.1, 3.3) + sqrt(2.0) + sin(1.0))::text) RETURNING x`,
}

// TestThreeNodesPlanned is TestThreeNodes for SQL that goes through the planner.
func TestThreeNodesPlanned(t *testing.T) {
	var l log
	zones := []string{"UTC", "America/New_York", "Asia/Kolkata"}
	nodes := []*FSM{openTest(t), openTest(t), openTest(t)}
	for _, sql := range unequalPlanned {
		p, err := nodes[0].Schema().Plan(sql, sqlplan.Options{})
		if err != nil {
			t.Errorf("%s\nis not planned: %v", sql, err)
			continue
		}
		l.schemaVersion = p.SchemaVersion
		e := l.entry(sqlplan.Bound{Plan: p, Args: sessionArgs(p)})
		var first string
		for i, f := range nodes {
			t.Setenv("TZ", zones[i])
			if i == 2 {
				f.Close()
				f = reopenTest(t, f.path)
				nodes[i] = f
			}
			answer := show(apply(t, f, e)[0])
			if i == 0 {
				first = answer
			}
			if answer != first || strings.Contains(answer, "error") {
				t.Errorf("%s\nnode %d: %s\nnode 1: %s", sql, i+1, answer, first)
			}
		}
	}
	want := dump(t, nodes[0])
	for i, f := range nodes[1:] {
		if got := dump(t, f); got != want {
			t.Errorf("node %d holds\n%s\nnode 1:\n%s", i+2, got, want)
		}
	}
	if today := time.Now().UTC().Format(time.DateOnly); strings.Contains(want, today) {
		t.Errorf("the machine's clock got into the database: it says %s", today)
	}
}

// TestThreeNodes applies the statements on three state machines. They differ in
// what a cluster's nodes differ in: the time at which an entry is applied, the
// time zone, batches, restarts, and what readers do meanwhile.
func TestThreeNodes(t *testing.T) {
	var l log
	type node struct {
		*FSM
		zone    string
		restart bool
	}
	nodes := []*node{
		{FSM: openTest(t), zone: "UTC"},
		{FSM: openTest(t), zone: "America/New_York"},
		{FSM: openTest(t), zone: "Asia/Kolkata", restart: true},
	}
	for _, s := range unequal {
		l.schemaVersion = nodes[0].Schema().Version
		e := l.entry(bound(s.sql))
		var answers []string
		for i, n := range nodes {
			t.Setenv("TZ", n.zone)
			if i == 1 {
				readNoise(t, n.FSM)
			}
			if n.restart {
				n.Close()
				n.FSM = reopenTest(t, n.path)
			}
			answers = append(answers, show(apply(t, n.FSM, e)[0]))
		}
		for i, a := range answers[1:] {
			if a != answers[0] {
				t.Errorf("%s\nnode 1: %s\nnode %d: %s", s.sql, answers[0], i+2, a)
			}
		}
		if failed := strings.Contains(answers[0], "error"); failed != s.refused {
			t.Errorf("%s\nanswers %s, should be refused: %t", s.sql, answers[0], s.refused)
		}
	}
	want := dump(t, nodes[0].FSM)
	for i, n := range nodes[1:] {
		if got := dump(t, n.FSM); got != want {
			t.Errorf("node %d holds\n%s\nnode 1:\n%s", i+2, got, want)
		}
	}
	if today := time.Now().UTC().Format(time.DateOnly); strings.Contains(want, today) {
		t.Errorf("the machine's clock got into the database: it says %s", today)
	}
}

// readNoise draws random numbers and asks for the time on a reader.
func readNoise(t *testing.T, f *FSM) {
	t.Helper()
	s, err := f.Snapshot(context.Background(), f.Schema().Version, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(sqlplan.Bound{Plan: plan(`SELECT random(), randomblob(100), datetime('now')`)})
	if err != nil {
		t.Fatal(err)
	}
	collect(t, rows)
}

// TestReadersSeeTheirOwnTime: a reader's clock is the machine's, not that of
// the last command, and two snapshots draw different random numbers.
func TestReadersSeeTheirOwnTime(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (a INTEGER) STRICT`)...)
	before := time.Now().UTC().Format("2006-01-02 15:04:05")
	got := query(t, f, `SELECT datetime('now')`)[0]
	after := time.Now().UTC().Format("2006-01-02 15:04:05")
	if got < "('"+before || got > "('"+after+"')" {
		t.Errorf("a reader's time is %s, not between %s and %s", got, before, after)
	}
	const numbers = `SELECT random(), random()`
	if a, b := query(t, f, numbers)[0], query(t, f, numbers)[0]; a == b {
		t.Errorf("two queries drew the same numbers: %s", a)
	}
}

// TestSeedsDecide: commands that differ in nothing but their seeds draw other
// numbers, and equal ones the same.
func TestSeedsDecide(t *testing.T) {
	f := openTest(t)
	draw := func(index uint64, seed byte) string {
		h := Header{Time: testStart}
		h.Seed[31] = seed
		data := AppendCommand(nil, &h, []sqlplan.Bound{bound(`SELECT random(), randomblob(5)`), bound(`SELECT random()`)})
		return show(apply(t, f, Entry{Index: index, Term: 1, Data: data, Collect: true})[0])
	}
	if a, b := draw(1, 1), draw(2, 2); a == b {
		t.Errorf("two seeds drew the same: %s", a)
	}
	if a, b := draw(3, 1), draw(4, 1); a != b {
		t.Errorf("one seed drew %s and %s", a, b)
	}
}
