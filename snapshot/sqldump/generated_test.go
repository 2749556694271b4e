package sqldump

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/value"
	"quorate/sqlfsm/sqlgen"
	"quorate/sqlplan"
)

// TestShellTakesGenerated dumps databases of the SQL generator while it fills them:
// whatever it has defined, the sqlite3 shell takes the dump and has the same rows,
// and dumps of what import and the shell have made of it are the same text.
func TestShellTakesGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and much of SQLite")
	}
	for seed := range uint64(3) {
		dir := t.TempDir()
		t.Setenv("TMPDIR", dir)
		commands, dumps := 0, 0
		_, err := sqlgen.Run(sqlgen.Options{Seed: seed + 1, Statements: 240, Trace: func(string) {
			if commands++; commands%60 != 0 {
				return
			}
			dumps++
			d := copyReference(t, dir)
			checkShellTakes(t, d)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if dumps == 0 {
			t.Errorf("seed %d: nothing was dumped", seed+1)
		}
	}
}

// copyReference copies the generator's database between two commands.
func copyReference(t *testing.T, dir string) *database {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "quorate-sqlgen*", "reference", "db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the generator's databases: %v, %v", found, err)
	}
	to := filepath.Join(t.TempDir(), "db")
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(found[0] + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openDatabase(t, to)
	t.Cleanup(func() { d.Close() })
	d.addFunctions(t)
	return d
}

// TestShellTakesTranscripts is the same for what the planner's transcripts define.
func TestShellTakesTranscripts(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine, and much of SQLite")
	}
	defined := 0
	datadriven.Walk(t, "../../sqlplan/testdata", func(t *testing.T, path string) {
		d := newDatabase(t, "db")
		schema := &sqlplan.Schema{Version: 1, Relations: map[string]*sqlplan.Relation{}}
		before := defined
		datadriven.RunTest(t, path, func(t *testing.T, c *datadriven.TestData) string {
			if c.Cmd != "schema" && c.Cmd != "run" {
				return c.Expected
			}
			statements, err := sqlplan.Split(c.Input)
			if err != nil {
				return c.Expected
			}
			for _, s := range statements {
				plan, err := schema.Plan(s.Text, sqlplan.Options{})
				if err != nil || len(plan.Params) > 0 || d.run(plan) != nil {
					continue
				}
				schema = schema.After(plan)
				if plan.Schema {
					defined++
				}
			}
			return c.Expected
		})
		if defined > before {
			checkShellTakes(t, d)
		}
	})
	if defined < 50 {
		t.Errorf("the transcripts define only %d things", defined)
	}
}

// run executes a plan that has no parameters.
func (d *database) run(plan *sqlplan.Plan) error {
	if plan.Kind != sqlplan.Write || plan.SQL == "" {
		return nil
	}
	s, _, err := d.Prepare(plan.SQL, false)
	if err != nil {
		return err
	}
	defer s.Finalize()
	args := make([]value.Value, len(plan.Session))
	for i := range args {
		args[i] = value.String("UTC")
	}
	return s.Run(args...)
}

// sequence is what AUTOINCREMENT has given out. The generator forgets it; with the
// rows it comes back.
var sequence = regexp.MustCompile(`(?m)^INSERT INTO sqlite_sequence .*\n(\(.*\n)+`)

// checkShellTakes loads a database's dump into the shell and compares.
func checkShellTakes(t *testing.T, d *database) {
	t.Helper()
	first := newDatabase(t, "first")
	first.load(t, d.dump(t), Quorate)
	dump := first.dump(t)
	if was := d.dump(t); sequence.ReplaceAllString(was, "") != sequence.ReplaceAllString(dump, "") {
		t.Fatalf("loaded and dumped again:\n%s\nbefore:\n%s", dump, was)
	}
	checkRoundTrips(t, dump)
	got := shell(t, dump)
	for _, table := range columnsOf(t, d) {
		if table.virtual && fullText(table.sql) == noContent {
			continue // nobody has what is in it
		}
		if was, is := tableRows(t, d, table), tableRows(t, got, table); was != is {
			t.Fatalf("table %s has\n%s\nand in sqlite3\n%s\nafter\n%s", table.name, was, is, dump)
		}
	}
	if !strings.Contains(dump, "fails when it is used") && !strings.Contains(dump, "there is no view") {
		checkViews(t, got, dump)
	}
}

// checkViews compiles queries of all views in the shell.
func checkViews(t *testing.T, d *database, dump string) {
	t.Helper()
	var queries strings.Builder
	err := d.Query("SELECT name FROM sqlite_schema WHERE type = 'view'", func(row []value.Value) error {
		fmt.Fprintf(&queries, "EXPLAIN SELECT * FROM %s;\n", quoteName(row[0].Text()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if t.Failed() {
			t.Log(dump)
		}
	}()
	runShell(t, filepath.Join(t.TempDir(), "views.db"), dump+queries.String())
}

// columnsOf are the tables with all of their columns.
func columnsOf(t *testing.T, d *database) []*table {
	t.Helper()
	s, err := readSchema(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range s.tables {
		table.columns = nil
		err := d.Query("SELECT name FROM pragma_table_xinfo("+quoteText(table.name)+") WHERE hidden <> 1", func(row []value.Value) error {
			table.columns = append(table.columns, quoteName(row[0].Text()))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s.tables
}

// tableRows shows a table's rows with the types of their values, sorted.
func tableRows(t *testing.T, d *database, table *table) string {
	t.Helper()
	shown := make([]string, len(table.columns))
	for i, c := range table.columns {
		shown[i] = fmt.Sprintf("typeof(%s) || ' ' || quote(%s)", c, c)
	}
	var rows []string
	err := d.Query("SELECT "+strings.Join(shown, " || ', ' || ")+" FROM "+quoteName(table.name), func(row []value.Value) error {
		rows = append(rows, row[0].Text())
		return nil
	})
	if err != nil {
		return err.Error() // of a generated column: the same in both
	}
	slices.Sort(rows)
	return strings.Join(rows, "\n")
}
