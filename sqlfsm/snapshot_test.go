package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"quorate/sqlplan"
)

// TestSnapshotIsFixed: a snapshot for many queries sees one point of the log,
// whatever is applied meanwhile; one for a single query sees the point where
// its query starts.
func TestSnapshotIsFixed(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO t VALUES (1)`)...)
	count := bound(`SELECT count(*) FROM t`)
	ask := func(s *Snapshot) string {
		rows, err := s.Query(count)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(collect(t, rows))
	}
	many, err := f.Snapshot(context.Background(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer many.Close()
	if got := f.ReadersActive(); got != 1 {
		t.Errorf("%d readers are active, want 1", got)
	}
	single, err := f.Snapshot(context.Background(), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	apply(t, f, l.sql(`INSERT INTO t VALUES (2)`)...)
	if got := ask(single); got != "[(2)]" {
		t.Errorf("the single query sees %s", got)
	}
	for range 2 {
		if got := ask(many); got != "[(1)]" {
			t.Errorf("the fixed snapshot sees %s", got)
		}
	}
}

// TestSnapshotSchemaChanged: no query runs against another schema than its
// plan's, not even when the schema changes between opening the snapshot and
// asking.
func TestSnapshotSchemaChanged(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	for _, version := range []uint64{0, 2, schemaChanging - 1} {
		if _, err := f.Snapshot(context.Background(), version, false); !errors.Is(err, ErrSchemaChanged) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	single, err := f.Snapshot(context.Background(), 1, false)
	if err != nil {
		t.Fatal(err)
	}
	many, err := f.Snapshot(context.Background(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, f, l.sql(`ALTER TABLE t ADD COLUMN a INTEGER`)...)
	if _, err := single.Query(bound(`SELECT * FROM t`)); !errors.Is(err, ErrSchemaChanged) {
		t.Errorf("the single query says %v", err)
	}
	single.Close()
	rows, err := many.Query(bound(`SELECT * FROM t`))
	if err != nil {
		t.Fatalf("the older view is gone: %v", err)
	}
	rows.Close()
	many.Close()
}

// TestCancel: a query ends soon after its context does, with the context's
// error, and the reader is as good as new; so does waiting for a reader.
func TestCancel(t *testing.T) {
	f := openTest(t) // two readers
	ctx, cancel := context.WithCancel(context.Background())
	s, err := f.Snapshot(ctx, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := s.Query(bound(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i = 1 OR i < 0`))
	if err != nil {
		t.Fatal(err)
	}
	if row, err := rows.Next(); row == nil {
		t.Fatal(err)
	}
	go cancel() // the next row never comes
	if _, err := rows.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("the query ended with %v", err)
	}
	s.Close()
	for range 3 {
		if got := query(t, f, `SELECT 1`); fmt.Sprint(got) != "[(1)]" {
			t.Errorf("the reader answers %v", got)
		}
	}

	var open []*Snapshot
	for range 2 {
		s, err := f.Snapshot(context.Background(), 0, false)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, s)
	}
	if _, err := f.Snapshot(ctx, 0, false); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for a reader ended with %v", err)
	}
	for _, s := range open {
		s.Close()
	}
}

// TestReadersDuringDDL: while columns come and go, every query either says
// that the schema has changed or answers with the columns that it was planned
// with; and rows that belong together are seen together. Run with -race.
func TestReadersDuringDDL(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER) STRICT`,
		`INSERT INTO t VALUES (1, 0), (2, 0)`,
	)...)
	done := make(chan struct{})
	var readers sync.WaitGroup
	var answered [2]int
	for i := range answered {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for {
				n, err := readDuringDDL(f, i == 0)
				if err != nil {
					t.Error(err)
					return
				}
				answered[i] += n
				select {
				case <-done:
					if answered[i] > 0 {
						return
					}
				default:
				}
			}
		}()
	}
	for i := range 30 {
		ddl := `ALTER TABLE t ADD COLUMN extra INTEGER DEFAULT 7`
		if i%2 == 1 {
			ddl = `ALTER TABLE t DROP COLUMN extra`
		}
		apply(t, f, l.entry(bound(`UPDATE t SET a = a + 1`)), l.entry(bound(ddl)), l.entry(bound(`UPDATE t SET a = a + 1`)))
	}
	close(done)
	readers.Wait()
}

// readDuringDDL plans a query on t, runs it, and returns how many rows it saw.
func readDuringDDL(f *FSM, many bool) (answered int, err error) {
	schema := f.Schema()
	columns := len(schema.Relations["t"].Columns)
	s, err := f.Snapshot(context.Background(), schema.Version, many)
	if errors.Is(err, ErrSchemaChanged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer s.Close()
	rows, err := s.Query(sqlplan.Bound{Plan: plan(`SELECT * FROM t ORDER BY id`)})
	if errors.Is(err, ErrSchemaChanged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	var seen []int64
	for {
		row, err := rows.Next()
		if err != nil {
			return 0, err
		}
		if row == nil {
			break
		}
		if len(row) != columns {
			return 0, fmt.Errorf("planned with %d columns, answered with %d", columns, len(row))
		}
		seen = append(seen, row[1].Int())
	}
	if len(seen) != 2 || seen[0] != seen[1] {
		return 0, fmt.Errorf("saw half a command: %v", seen)
	}
	return 1, nil
}

// TestReadErrors: a failing query leaves its reader usable, and its error has
// a SQLSTATE.
func TestReadErrors(t *testing.T) {
	f := openTest(t)
	for _, sql := range []string{`SELECT missing`, `SELECT abs(-9223372036854775807 - 1)`, `SELEC`, `SELECT 1; SELECT 2`, ``} {
		for range 3 {
			if got := queryLine(f, sql); !strings.HasPrefix(got, "error ") {
				t.Errorf("%q answers %s", sql, got)
			}
		}
	}
	if got := query(t, f, `SELECT 1`); fmt.Sprint(got) != "[(1)]" {
		t.Errorf("then a reader answers %v", got)
	}
}

// TestRefusalDoesNotStay: a query that was refused leaves nothing behind that
// would refuse another one, which SQLite compiles again after a schema change.
func TestRefusalDoesNotStay(t *testing.T) {
	f, err := Open(filepath.Join(t.TempDir(), "db"), Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (a INTEGER) STRICT`, `INSERT INTO t VALUES (1)`)...)
	query(t, f, `SELECT a FROM t`)
	if got := queryLine(f, `SELECT count(*) FROM sqlite_dbpage`); !strings.Contains(got, "42501") {
		t.Fatalf("not refused: %s", got)
	}
	apply(t, f, l.sql(`CREATE TABLE u (a INTEGER) STRICT`)...)
	if got := queryLine(f, `SELECT a FROM t`); got != "(1)" {
		t.Error(got)
	}
}
