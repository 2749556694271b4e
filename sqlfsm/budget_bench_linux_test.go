package sqlfsm

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkStatementCost shows how honest the budget is: how long a step of a
// statement takes, which ought to be the same whatever the statement does: in ns of
// the time that the thread had a processor for itself, and as a multiple of what a
// step of computing takes in the same run. The limit is statementSteps of them.
//
//	go test -run '^$' -bench StatementCost -benchtime 1x ./sqlfsm
func BenchmarkStatementCost(b *testing.B) {
	rows := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT ", n)
	}
	f := openTest(b)
	var l log
	computing := 0.0
	run := func(b *testing.B, n int, sql string) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := threadTime(b)
		r := apply(b, f, l.entry(bound(sql)))[0]
		if r.Err != nil {
			b.Fatalf("%s: %v", sql, r.Err)
		}
		took := float64(threadTime(b) - before)
		perStep := took / float64(f.counter.taken())
		if strings.HasSuffix(sql, "max(i) FROM n") && (computing == 0 || perStep < computing) {
			computing = perStep
		}
		b.ReportMetric(took/float64(n), "ns/row")
		b.ReportMetric(float64(f.counter.taken())/float64(n), "steps/row")
		b.ReportMetric(perStep, "ns/step")
		b.ReportMetric(perStep/computing, "of-computing")
		b.ReportMetric(0, "ns/op")
	}
	step := func(name string, n int, sql string) {
		b.Run(name, func(b *testing.B) { run(b, n, sql) })
	}
	apply(b, f, l.sql(`CREATE TABLE o (v) `)...)
	for range 3 { // the quickest counts
		step("computing", 1_000_000, `INSERT INTO o `+rows(1_000_000)+`max(i) FROM n`)
	}
	// Tables and indexes that are larger than the cache.
	apply(b, f, l.sql(`CREATE TABLE many (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, d INTEGER, v ANY) STRICT`)...)
	const many = `INSERT INTO many (a, b, c, d, v) `
	step("many/0indexes/insert", 500_000, many+rows(500_000)+`random(), random(), random(), i, zeroblob(60) FROM n`)
	step("many/0indexes/update", 500_000, `UPDATE many SET d = d + 1`)
	apply(b, f, l.sql(`CREATE INDEX many_a ON many (a)`)...)
	step("many/1indexes/insert", 300_000, many+rows(300_000)+`random(), random(), random(), i, zeroblob(60) FROM n`)
	step("many/1indexes/update-indexed", 500_000, `UPDATE many SET a = random() WHERE id > 300000`)
	apply(b, f, l.sql(`CREATE INDEX many_b ON many (b)`, `CREATE INDEX many_c ON many (c)`)...)
	step("many/3indexes/insert", 200_000, many+rows(200_000)+`random(), random(), random(), i, zeroblob(60) FROM n`)
	step("many/3indexes/delete", 200_000, `DELETE FROM many WHERE id > 800000`)
	apply(b, f, l.sql(`DROP TABLE many`)...)
	for _, size := range []int{4, 50, 1000, 100_000} {
		n := 20_000_000 / (100 + size)
		step(fmt.Sprintf("sorting/%dB", 2*size), n, fmt.Sprintf(`INSERT INTO o SELECT count(*) FROM (%s i, hex(randomblob(%d)) AS v FROM n ORDER BY v LIMIT -1 OFFSET 1)`, rows(n), size))
		step(fmt.Sprintf("distinct/%dB", 2*size), n, fmt.Sprintf(`INSERT INTO o SELECT count(DISTINCT v) FROM (%s i, hex(randomblob(%d)) AS v FROM n)`, rows(n), size))
	}
	for _, size := range []struct{ bytes, rows int }{{100, 100_000}, {1 << 10, 30_000}, {10 << 10, 5_000}, {1 << 20, 50}} {
		for _, indexes := range []int{0, 1, 3} {
			table := fmt.Sprintf("t%d_%d", size.bytes, indexes)
			apply(b, f, l.sql(`CREATE TABLE `+table+` (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c INTEGER, d INTEGER, v ANY) STRICT`)...)
			for i := range indexes {
				apply(b, f, l.sql(fmt.Sprintf(`CREATE INDEX %s_%d ON %s (%c)`, table, i, table, 'a'+i))...)
			}
			name := fmt.Sprintf("%dB/%dindexes/", size.bytes, indexes)
			step(name+"insert", size.rows, fmt.Sprintf(`INSERT INTO %s (a, b, c, d, v) `, table)+rows(size.rows)+
				fmt.Sprintf(`random() & 0xffffffff, random() & 0xffffffff, random() & 0xffffffff, i, zeroblob(%d) FROM n`, size.bytes))
			step(name+"update", size.rows, `UPDATE `+table+` SET d = d + 1`)
			if indexes > 0 {
				step(name+"update-indexed", size.rows, `UPDATE `+table+` SET a = a + 1, b = b + 1, c = c + 1`)
			}
			step(name+"delete", size.rows, `DELETE FROM `+table+` WHERE id > 0`)
		}
	}
	apply(b, f, l.sql(`CREATE VIRTUAL TABLE ft USING fts5(a)`)...)
	step("fts5/insert", 10_000, `INSERT INTO ft `+rows(10_000)+`'some words ' || hex(randomblob(4)) || ' and ' || i || ' more' FROM n`)
	step("fts5/delete", 10_000, `DELETE FROM ft WHERE rowid > 0`)
}
