package sqlplan

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"quorate/internal/errcode"
)

// seeds are the inputs of the transcripts.
func seeds(f *testing.F) {
	paths, err := filepath.Glob("testdata/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		input := false
		for _, line := range strings.Split(string(text), "\n") {
			switch {
			case line == "----" || line == "":
				input = false
			case input:
				f.Add(line)
			case !strings.HasPrefix(line, "#"):
				input = true
			}
		}
	}
}

// fuzzTables is what the fuzzed statements find.
const fuzzTables = `
CREATE TABLE t (id serial PRIMARY KEY, a int, b text, c timestamptz, x text, n integer, f double precision, j jsonb, m numeric(10,2), w);
CREATE TABLE kv (k text PRIMARY KEY, v integer NOT NULL DEFAULT 7, at timestamptz, w);
CREATE TABLE log (id bigserial PRIMARY KEY, k text, n bigint);
CREATE TABLE dept (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE emp (id int PRIMARY KEY, dept int, name text, pay numeric(8,2), born date);
CREATE VIEW v AS SELECT id, name AS x FROM dept;
CREATE INDEX i ON emp (name);
CREATE VIRTUAL TABLE docs USING fts5(title, body)`

func fuzzSchema(f testing.TB, e *engine) *Schema {
	schema := emptySchema()
	statements, err := Split(fuzzTables)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range statements {
		plan, err := schema.Plan(s.Text, Options{})
		if err != nil {
			f.Fatal(err)
		}
		if err := e.db.Exec(plan.SQL); err != nil {
			f.Fatalf("%v in %s", err, plan.SQL)
		}
		schema = schema.After(plan)
	}
	return schema
}

// FuzzSplit: Split never panics; its pieces stand in the query where it says,
// in order, and between them is nothing but blanks, comments and semicolons.
func FuzzSplit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, sql string) {
		statements, err := Split(sql)
		if err != nil {
			checkError(t, sql, err)
			return
		}
		end := 0
		for _, s := range statements {
			if s.Offset < end || !strings.HasPrefix(sql[s.Offset:], s.Text) || s.Text == "" {
				t.Fatalf("%q is not at %d", s.Text, s.Offset)
			}
			checkGap(t, sql[end:s.Offset])
			end = s.Offset + len(s.Text)
		}
		checkGap(t, sql[end:])
	})
}

func checkGap(t *testing.T, gap string) {
	l := lexer{src: gap}
	for {
		token, err := l.next()
		if err != nil || token.kind != tokEnd && !token.isOp(";") {
			t.Fatalf("%q was left out", gap)
		}
		if token.kind == tokEnd {
			return
		}
	}
}

// checkError: a client gets a code and a position inside the text.
func checkError(t *testing.T, sql string, err error) {
	var e *errcode.Error
	if !errors.As(err, &e) || len(e.Code) != 5 || e.Message == "" {
		t.Fatalf("not a client's error: %#v", err)
	}
	if e.Position < 0 || e.Position > utf8.RuneCountInString(sql)+1 {
		t.Fatalf("position %d in a text of %d characters", e.Position, utf8.RuneCountInString(sql))
	}
}

// FuzzPlan: planning never panics; it gives the same plan each time, and for
// the plan's own source; and what it makes of a query SQLite understands.
func FuzzPlan(f *testing.F) {
	seeds(f)
	e := newEngine(f)
	schema := fuzzSchema(f, e)
	f.Fuzz(func(t *testing.T, sql string) {
		plan, err := schema.Plan(sql, Options{})
		if err != nil {
			checkError(t, sql, err)
			return
		}
		again, err := schema.Plan(plan.Source, Options{})
		if err != nil {
			t.Fatalf("the source %q of %q is not a statement: %v", plan.Source, sql, err)
		}
		if plan.SQL != again.SQL || !reflect.DeepEqual(plan.Columns, again.Columns) || !reflect.DeepEqual(plan.Params, again.Params) {
			t.Fatalf("planned otherwise the second time:\n%s\n%s", plan.SQL, again.SQL)
		}
		if plan.Kind == Read || plan.Kind == Write && !plan.Schema && plan.Tag != "ALTER TABLE" {
			prepares(t, e, plan)
		}
	})
}

// prepares compiles a plan's SQL. Errors of SQLite's limits are no surprise.
func prepares(t *testing.T, e *engine, plan *Plan) {
	s, tail, err := e.db.Prepare(plan.SQL, false)
	if err != nil {
		for _, known := range []string{"too many", "too large", "too deep", "parser stack overflow", "ON CONFLICT clause does not match",
			"frame s", "circular reference", "cannot modify", "recursive"} {
			if strings.Contains(err.Error(), known) {
				return
			}
		}
		t.Fatalf("%v\n%s\n%s", err, plan.Source, plan.SQL)
	}
	defer s.Finalize()
	if strings.TrimSpace(tail) != "" {
		t.Fatalf("two statements: %s", plan.SQL)
	}
	if plan.Columns != nil && s.Columns() != max(len(plan.Columns), 1) {
		t.Fatalf("%d columns, not %d: %s", s.Columns(), len(plan.Columns), plan.SQL)
	}
	if want := len(plan.Params) + len(plan.Session); s.Parameters() > want {
		t.Fatalf("%d parameters, not %d: %s", s.Parameters(), want, plan.SQL)
	}
}
