package sqlfsm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
)

// testStart is the time of the first command in tests: 2026-01-02 03:04:05.678901 UTC.
const testStart = 1767323045678901

// openTest opens an FSM in a directory of its own.
func openTest(t testing.TB) *FSM {
	t.Helper()
	return reopenTest(t, filepath.Join(t.TempDir(), "db"))
}

func reopenTest(t testing.TB, path string) *FSM {
	t.Helper()
	f, err := Open(path, Options{Readers: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// log makes entries as a leader would: indexes and times go up, and each
// command is planned with the schema as it is after the one before.
type log struct {
	index         uint64
	schemaVersion uint64
}

// plan makes a Plan of SQL that is meant for SQLite as it stands.
func plan(sql string) *sqlplan.Plan {
	p := &sqlplan.Plan{Kind: sqlplan.Write, Source: sql, SQL: sql}
	word, _, _ := strings.Cut(strings.TrimSpace(sql), " ")
	switch strings.ToUpper(word) {
	case "CREATE", "DROP", "ALTER", "ANALYZE", "REINDEX", "VACUUM":
		p.Schema = true
	case "SELECT", "WITH", "VALUES":
		p.Columns = []sqlplan.ResultColumn{}
	}
	if strings.Contains(strings.ToUpper(sql), "RETURNING") {
		p.Columns = []sqlplan.ResultColumn{}
	}
	return p
}

// bound makes a statement of SQL and arguments.
func bound(sql string, args ...value.Value) sqlplan.Bound {
	return sqlplan.Bound{Plan: plan(sql), Args: args}
}

// entry makes the next entry.
func (l *log) entry(statements ...sqlplan.Bound) Entry {
	l.index++
	h := Header{Time: testStart + int64(l.index)*1_000_003, SchemaVersion: l.schemaVersion}
	binary.BigEndian.PutUint64(h.Seed[:], l.index)
	for _, s := range statements {
		if s.Plan.Schema {
			l.schemaVersion = l.index // as if it succeeds
		}
	}
	return Entry{Index: l.index, Term: 1, Data: AppendCommand(nil, &h, statements), Collect: true}
}

// sql makes an entry for each statement.
func (l *log) sql(statements ...string) []Entry {
	var entries []Entry
	for _, s := range statements {
		entries = append(entries, l.entry(bound(s)))
	}
	return entries
}

// apply applies entries in one batch.
func apply(t testing.TB, f *FSM, entries ...Entry) []Result {
	t.Helper()
	results, err := f.Apply(entries)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// show writes a result in one line.
func show(r Result) string {
	var b strings.Builder
	for i, s := range r.Results {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d", s.Affected)
		for c := s.Rows.Cursor(); ; {
			row := c.Next()
			if row == nil {
				break
			}
			b.WriteString(" " + showRow(row))
		}
	}
	if r.Err != nil {
		fmt.Fprintf(&b, " %s", showError(r.Err))
	}
	return strings.TrimSpace(b.String())
}

// showRow writes a row as "(1, 'one')".
func showRow(row []value.Value) string {
	var cells []string
	for _, v := range row {
		cells = append(cells, fmt.Sprintf("%#v", v))
	}
	return "(" + strings.Join(cells, ", ") + ")"
}

func showError(err error) string {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return "error: " + err.Error()
	}
	s := fmt.Sprintf("error %s: %s", e.Code, e.Message)
	for _, f := range []struct{ name, value string }{{"table", e.Table}, {"column", e.Column}, {"constraint", e.Constraint}} {
		if f.value != "" {
			s += fmt.Sprintf(" [%s %s]", f.name, f.value)
		}
	}
	return s
}

// query runs a query on a snapshot and returns its rows as text.
func query(t testing.TB, f *FSM, sql string, args ...value.Value) []string {
	t.Helper()
	s, err := f.Snapshot(context.Background(), f.Schema().Version, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(sqlplan.Bound{Plan: plan(sql), Args: args})
	if err != nil {
		t.Fatal(err)
	}
	return collect(t, rows)
}

func collect(t testing.TB, rows *Rows) []string {
	t.Helper()
	defer rows.Close()
	var out []string
	for {
		row, err := rows.Next()
		if err != nil {
			t.Fatal(err)
		}
		if row == nil {
			return out
		}
		out = append(out, showRow(row))
	}
}

// dump returns the whole database as text.
func dump(t testing.TB, f *FSM) string {
	t.Helper()
	var b strings.Builder
	if _, err := f.Dump(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
