package sqlfsm

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/sqlplan"
)

// TestViewsCount: how many words a text has, and how many its views and WITH
// queries stand for.
func TestViewsCount(t *testing.T) {
	v := &views{words: make(map[string]int), texts: map[string]string{
		"v":    `CREATE VIEW v AS SELECT a FROM t`,            // 8
		"w":    `CREATE VIEW w AS SELECT v.a FROM v JOIN "V"`, // 12, and v twice
		`q"q`:  `CREATE VIEW "q""q" AS SELECT 1`,              // 6
		"self": `CREATE VIEW self AS SELECT * FROM self`,
	}}
	for _, test := range []struct {
		sql           string
		own, expanded int
	}{
		{`SELECT a FROM t`, 4, 0},
		{`SELECT a FROM v`, 4, 8},
		{`SELECT v.a FROM v`, 6, 8},
		{`SELECT a FROM main . v`, 6, 8},
		{`SELECT a FROM w`, 4, 28},
		{`SELECT 'v' FROM [w] , ` + "`v`", 6, 36},
		{`SELECT * FROM "q""q"`, 4, 6},
		{`INSERT INTO t WITH c AS (SELECT 1) SELECT * FROM c, c`, 16, 4},
		{`WITH c (x) AS NOT MATERIALIZED (SELECT a FROM v), d AS MATERIALIZED (SELECT * FROM c, c) SELECT * FROM d`, 30, 8 + 2*12 + 6 + 2*12},
		{`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n`, 25, 12},
	} {
		if own, expanded := v.count(test.sql); own != test.own || expanded != test.expanded {
			t.Errorf("%s: %d and %d, want %d and %d", test.sql, own, expanded, test.own, test.expanded)
		}
	}
}

// TestViewsDouble: views and WITH queries that double with every step are
// refused before SQLite compiles them, in commands and in queries, however they
// come about. Without the bound this test would take all memory there is.
func TestViewsDouble(t *testing.T) {
	f := openTest(t)
	var l log
	double := func(name, from string) string {
		return fmt.Sprintf(`CREATE VIEW %s AS SELECT a FROM %s UNION ALL SELECT a FROM %[2]s`, name, from)
	}
	run := func(statements ...string) Result {
		var b []sqlplan.Bound
		for _, sql := range statements {
			b = append(b, bound(sql))
		}
		l.schemaVersion = f.Schema().Version
		return apply(t, f, l.entry(b...))[0]
	}
	tooComplex := func(what string, err error) {
		t.Helper()
		if e, ok := err.(*errcode.Error); !ok || e.Code != errcode.StatementTooComplex {
			t.Errorf("%s: %v", what, err)
		}
	}
	run(`CREATE TABLE t (a INTEGER) STRICT`, `CREATE VIEW u AS SELECT a FROM t`)
	from, made := "u", 0
	for i := range 40 {
		r := run(double(fmt.Sprintf("v%d", i), from))
		if r.Err != nil {
			tooComplex("a view of views", r.Err)
			break
		}
		from, made = fmt.Sprintf("v%d", i), i+1
	}
	if made < 8 || made > 12 {
		t.Errorf("%d views were made", made)
	}
	tooComplex("a view that another makes too long", run(`DROP VIEW u`, double("x", "t"), double("y", "x"), double("z", "y"), double("u", "z")).Err)

	var with strings.Builder
	with.WriteString(`WITH c0 AS (SELECT a FROM t)`)
	for i := 1; i < 40; i++ {
		fmt.Fprintf(&with, `, c%d AS (SELECT a FROM c%d UNION ALL SELECT a FROM c%[2]d)`, i, i-1)
	}
	with.WriteString(` SELECT a FROM c39`)
	tooComplex("a command", run(`INSERT INTO t `+with.String()).Err)
	tooComplex("in one command", run(`DROP VIEW `+from, double(from, "t"), `INSERT INTO t `+strings.ReplaceAll(with.String(), "FROM t", "FROM "+from)).Err)

	s, err := f.Snapshot(context.Background(), f.Schema().Version, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Query(bound(with.String()))
	tooComplex("a query", err)
	_, err = s.Query(bound(`SELECT a FROM ` + strings.Repeat(from+`, `, 20) + from))
	tooComplex("a query of views", err)
	rows, err := s.Query(bound(`SELECT count(*) FROM ` + from))
	if err != nil {
		t.Fatal(err)
	}
	if got := collect(t, rows); got[0] != "(0)" {
		t.Error(got)
	}
}
