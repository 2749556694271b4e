package sqlfsm

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"

	"github.com/cockroachdb/datadriven"
)

// TestTranscripts runs the stories in testdata/transcripts. Each shows what commands and
// queries answer; and behind each, all of its entries are applied again to
// fresh databases, cut into batches in other ways and with restarts between:
// every result and the whole database must come out the same.
//
//	apply             one entry a line; statements of one entry are parted by ";;".
//	                  "+ …" lines are type changes of the following statement, and
//	                  "? …" its arguments. The answer is the rows changed and
//	                  returned, or the error
//	query             one query a line, on a snapshot
//	schema            the schema as the planner sees it
//	stale             apply, planned with the schema before
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		s := &story{log: &log{}, f: openTest(t)}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return s.run(t, d)
		})
		s.repeat(t)
	})
}

type story struct {
	log     *log
	f       *FSM
	entries []Entry
	results []string
}

func (s *story) run(t *testing.T, d *datadriven.TestData) string {
	switch d.Cmd {
	case "apply":
		return s.apply(t, d.Input, 0)
	case "stale":
		return s.apply(t, d.Input, 1)
	case "query":
		var out []string
		for _, sql := range strings.Split(d.Input, "\n") {
			out = append(out, queryLine(s.f, sql))
		}
		return strings.Join(out, "\n")
	case "schema":
		return showSchema(s.f.Schema())
	}
	t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
	return ""
}

// apply applies a block's entries one by one, each planned with the schema
// that the ones before left, or with one that is older by age.
func (s *story) apply(t *testing.T, input string, age uint64) string {
	var out []string
	var types []sqlplan.TypeChange
	var args []value.Value
	for _, line := range strings.Split(input, "\n") {
		if change, ok := strings.CutPrefix(line, "+ "); ok {
			types = append(types, parseTypeChange(t, strings.Fields(change)))
			continue
		}
		if arg, ok := strings.CutPrefix(line, "? "); ok {
			args = append(args, parseValue(t, arg))
			continue
		}
		var statements []sqlplan.Bound
		for _, sql := range strings.Split(line, ";;") {
			b := bound(strings.TrimSpace(sql), args...)
			b.Plan.Types = types
			statements = append(statements, b)
			types, args = nil, nil
		}
		s.log.schemaVersion = s.f.Schema().Version - age
		e := s.log.entry(statements...)
		answer := show(apply(t, s.f, e)[0])
		s.entries, s.results, out = append(s.entries, e), append(s.results, answer), append(out, answer)
	}
	return strings.Join(out, "\n")
}

// parseTypeChange reads "set t.a varchar 14", "drop t", "drop t.a",
// "rename t u" or "rename t.a b".
func parseTypeChange(t *testing.T, words []string) sqlplan.TypeChange {
	relation, column, isColumn := strings.Cut(words[1], ".")
	c := sqlplan.TypeChange{Relation: relation, Column: column}
	switch {
	case words[0] == "set":
		oid, _ := pgtype.ByName(words[2])
		c.Op, c.Type = sqlplan.SetType, pgtype.Of(oid)
		if len(words) > 3 {
			mod, err := strconv.Atoi(words[3])
			if err != nil {
				t.Fatal(err)
			}
			c.Type.Mod = int32(mod)
		}
	case words[0] == "drop" && isColumn:
		c.Op = sqlplan.DropColumn
	case words[0] == "drop":
		c.Op = sqlplan.DropRelation
	case isColumn:
		c.Op, c.NewName = sqlplan.RenameColumn, words[2]
	default:
		c.Op, c.NewName = sqlplan.RenameRelation, words[2]
	}
	return c
}

func parseValue(t *testing.T, s string) value.Value {
	if text, ok := strings.CutPrefix(s, "'"); ok {
		return value.String(strings.TrimSuffix(text, "'"))
	}
	if s == "NULL" {
		return value.Value{}
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return value.Int(i)
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return value.Float(x)
}

// queryLine answers a query in one line, with its error when it has one.
func queryLine(f *FSM, sql string) string {
	s, err := f.Snapshot(context.Background(), f.Schema().Version, true)
	if err != nil {
		return showError(err)
	}
	defer s.Close()
	rows, err := s.Query(bound(sql))
	if err != nil {
		return showError(err)
	}
	var out []string
	for {
		row, err := rows.Next()
		if err != nil {
			return showError(err)
		}
		if row == nil {
			return strings.Join(out, " ")
		}
		out = append(out, showRow(row))
	}
}

func showSchema(s *sqlplan.Schema) string {
	var names []string
	for name := range s.Relations {
		if !strings.HasPrefix(name, reservedPrefix) {
			names = append(names, name)
		}
	}
	sort.Slice(names, func(i, j int) bool { return s.Relations[names[i]].OID < s.Relations[names[j]].OID })
	var b strings.Builder
	fmt.Fprintf(&b, "version %d\n", s.Version)
	for _, name := range names {
		r := s.Relations[name]
		fmt.Fprintf(&b, "%s %s oid=%d", []string{"table", "view", "virtual table", "index"}[r.Kind], r.Name, r.OID)
		if r.Table != "" {
			fmt.Fprintf(&b, " on=%s", r.Table)
		}
		if r.WithoutRowid {
			b.WriteString(" without rowid")
		}
		b.WriteString("\n")
		for _, c := range r.Columns {
			fmt.Fprintf(&b, "  %s", c.Name)
			if c.Type.OID != 0 {
				fmt.Fprintf(&b, " %s", pgtype.Format(c.Type))
			}
			if c.NotNull {
				b.WriteString(" not null")
			}
			if c.Default != "" {
				fmt.Fprintf(&b, " default=%s", c.Default)
			}
			if c.PrimaryKey > 0 {
				fmt.Fprintf(&b, " pk=%d", c.PrimaryKey)
			}
			if c.Identity {
				b.WriteString(" identity")
			}
			if c.Generated {
				b.WriteString(" generated")
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// repeat applies the story's entries to other databases.
func (s *story) repeat(t *testing.T) {
	want := dump(t, s.f)
	for _, way := range []struct {
		name    string
		batch   int
		restart bool
	}{
		{"all in one batch", len(s.entries), false},
		{"one by one", 1, false},
		{"one by one, with restarts", 1, true},
		{"by threes, with restarts", 3, true},
	} {
		path := filepath.Join(t.TempDir(), "db")
		f := reopenTest(t, path)
		for from := 0; from < len(s.entries); from += way.batch {
			to := min(from+way.batch, len(s.entries))
			for i, r := range apply(t, f, s.entries[from:to]...) {
				if got := show(r); got != s.results[from+i] {
					t.Errorf("%s: entry %d answers %q, was %q", way.name, s.entries[from+i].Index, got, s.results[from+i])
				}
			}
			if way.restart {
				f.Close()
				f = reopenTest(t, path)
			}
		}
		if got := dump(t, f); got != want {
			t.Errorf("%s: another database:\n%s\nwas:\n%s", way.name, got, want)
		}
		f.Close()
	}
}
