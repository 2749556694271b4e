package sqlfsm

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
)

// openForAge opens a machine whose views may be 256 KiB old, with a table of 100
// rows, and returns it with what writes a page and more.
func openForAge(t *testing.T) (f *FSM, write func()) {
	t.Helper()
	f, err := Open(filepath.Join(t.TempDir(), "db"), Options{Readers: 4, CheckpointBytes: 64 << 10, ReaderAgeBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT) STRICT`,
		`INSERT INTO t WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, 'row ' || i FROM n`,
		`CREATE TABLE other (v BLOB) STRICT`,
	)...)
	return f, func() { apply(t, f, l.entry(bound(`INSERT INTO other VALUES (randomblob(?1))`, value.Int(5000)))) }
}

// view opens a snapshot and reads a row.
func view(t *testing.T, f *FSM, many bool, sql string) (*Snapshot, *Rows, string) {
	t.Helper()
	s, err := f.Snapshot(context.Background(), f.Schema().Version, many)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	rows, err := s.Query(sqlplan.Bound{Plan: plan(sql)})
	if err != nil {
		t.Fatal(err)
	}
	row, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	return s, rows, showRow(row)
}

// isTooOld checks the error that the owner of an old view gets.
func isTooOld(t *testing.T, what string, err error) {
	t.Helper()
	var e *errcode.Error
	if !errors.As(err, &e) || e.Code != errcode.QueryCanceled || !strings.Contains(e.Hint, "reader.age-bytes") {
		t.Errorf("%s: %v", what, err)
	}
}

// TestOldViews: views that their owners do nothing with are ended when enough was
// written, and not before. Rows that were handed out stay what they are; the next
// call gets the error; the reader can be used again.
func TestOldViews(t *testing.T) {
	f, write := openForAge(t)
	single, rows, _ := view(t, f, false, `SELECT v FROM t ORDER BY id`)
	held, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	many, manyRows, _ := view(t, f, true, `SELECT v FROM t ORDER BY id`)
	manyRows.Close()
	for f.written.Load() < 60 {
		write()
	}
	f.endOldViews()
	if single.ended || many.ended {
		t.Fatal("views were ended before their time")
	}
	young, youngRows, _ := view(t, f, true, `SELECT v FROM t ORDER BY id`)
	for f.written.Load() < 90 {
		write()
	}
	f.endOldViews()
	if !single.ended || !many.ended || young.ended {
		t.Fatalf("ended: %t, %t, and the young one %t", single.ended, many.ended, young.ended)
	}
	if got := showRow(held); got != "('row 2')" {
		t.Errorf("the row that was read before is %s", got)
	}
	_, err = rows.Next()
	isTooOld(t, "the next row", err)
	_, err = many.Query(sqlplan.Bound{Plan: plan(`SELECT 1`)})
	isTooOld(t, "the next query", err)
	if row, err := youngRows.Next(); err != nil || showRow(row) != "('row 2')" {
		t.Errorf("the young view: %v, %v", row, err)
	}
	for _, s := range []*Snapshot{single, many, young} {
		s.Close()
	}
	for range 2 * f.options.Readers {
		if got := query(t, f, `SELECT count(*) FROM t`); got[0] != "(100)" {
			t.Errorf("afterwards: %v", got)
		}
	}
}

// TestOldQuery: beside writes, a query that would never end does, and the WAL
// starts from its beginning again.
func TestOldQuery(t *testing.T) {
	f, write := openForAge(t)
	s, err := f.Snapshot(context.Background(), f.Schema().Version, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ended := make(chan error)
	go func() {
		_, err := s.Query(sqlplan.Bound{Plan: plan(`WITH RECURSIVE n (i) AS (SELECT count(*) FROM t UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n`)})
		ended <- err
	}()
	for running := true; running; {
		write()
		select {
		case err := <-ended:
			isTooOld(t, "the query", err)
			running = false
		default:
		}
	}
	for before := f.frames.Load(); f.frames.Load() >= before; {
		write()
	}
}

// TestOldPinned: what is pinned grows no older than a query's view: not while its
// owner is busy elsewhere, and not while it is read. It says why; what was pinned
// later stays, and the WAL starts from its beginning again.
func TestOldPinned(t *testing.T) {
	f, write := openForAge(t)
	pin := func() *Pinned {
		p, err := f.Reserve()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		if _, err := p.Pin(); err != nil {
			t.Fatal(err)
		}
		return p
	}
	outdated := func(what string, err error) {
		t.Helper()
		var e *OutdatedError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "reader.age-bytes") {
			t.Errorf("%s: %v", what, err)
		}
	}
	read := func(p *Pinned, sql string) error {
		return p.query(context.Background(), sql, func([]value.Value) error { return nil })
	}
	idle, busy := pin(), pin()
	for f.written.Load() < 60 {
		write()
	}
	f.endOldViews()
	if err := read(idle, `SELECT * FROM t`); err != nil {
		t.Fatalf("before its time: %v", err)
	}
	ended := make(chan error)
	go func() {
		ended <- read(busy, `WITH RECURSIVE n (i) AS (SELECT count(*) FROM t UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n`)
	}()
	young := pin()
	for running := true; running; {
		write()
		select {
		case err := <-ended:
			outdated("a query that never ends", err)
			running = false
		default:
		}
	}
	outdated("the next question", read(busy, `SELECT 1`))
	outdated("one that nothing was asked of", read(idle, `SELECT 1`))
	young.Close()
	for before := f.frames.Load(); f.frames.Load() >= before; {
		write()
	}
}
