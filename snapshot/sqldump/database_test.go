package sqldump

import (
	"io"

	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// database is a SQLite database in a file.
type database struct {
	*sqlite.Conn
	path string
}

func openDatabase(t testing.TB, path string) *database {
	t.Helper()
	c, err := sqlite.Open(path, sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec("PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY"); err != nil {
		t.Fatal(err)
	}
	return &database{c, path}
}

// newDatabase opens a new database, which has the functions that clusters have, and
// closes it after the test.
func newDatabase(t testing.TB, name string) *database {
	d := openDatabase(t, filepath.Join(t.TempDir(), name))
	t.Cleanup(func() { d.Close() })
	d.addFunctions(t)
	return d
}

func (d *database) addFunctions(t testing.TB) {
	t.Helper()
	for _, f := range pgfunc.Implementations() {
		err := d.CreateFunction(sqlite.Function{Name: f.Name, Args: f.Args, Deterministic: f.Deterministic,
			Scalar: func(args []value.Value) (value.Value, error) { return f.Impl(oneMoment{}, args) }})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// oneMoment is what the functions see of a command.
type oneMoment struct{}

func (oneMoment) NowMicros() int64 { return 1_700_000_000_000_000 }
func (oneMoment) Uint64() uint64   { return 4 }

func (oneMoment) Spend(int) error                  { return nil }
func (oneMoment) Limited() bool                    { return false }
func (oneMoment) Expressions() *pgfunc.Expressions { return new(pgfunc.Expressions) }

// Query implements Source.
func (d *database) Query(sql string, each func(row []value.Value) error) error {
	s, _, err := d.Prepare(sql, false)
	if err != nil {
		return err
	}
	defer s.Finalize()
	for {
		more, err := s.Step()
		if !more {
			return err
		}
		if err := each(s.Row()); err != nil {
			return err
		}
	}
}

func (d *database) dump(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	if _, err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// load runs a script statement by statement, as Reader gives them.
func (d *database) load(t testing.TB, script string, format Format) {
	t.Helper()
	r := NewReader(strings.NewReader(script), format, 0, 1)
	for {
		s, err := r.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if insert, ok := ParseInsert(s.Text); ok {
			d.insert(t, insert)
		} else if err := d.Exec(s.Text); err != nil {
			t.Fatalf("line %d: %s: %v", s.Line, s.Text, err)
		}
	}
}

// insert binds the values as they were parsed.
func (d *database) insert(t testing.TB, insert *Insert) {
	t.Helper()
	sql := "INSERT INTO " + quoteName(insert.Table)
	if insert.Columns != nil {
		quoted := make([]string, len(insert.Columns))
		for i, c := range insert.Columns {
			quoted[i] = quoteName(c)
		}
		sql += " (" + strings.Join(quoted, ", ") + ")"
	}
	sql += " VALUES (?" + strings.Repeat(", ?", insert.Width-1) + ")"
	s, _, err := d.Prepare(sql, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	for i := 0; i < len(insert.Values); i += insert.Width {
		if err := s.Run(insert.Values[i : i+insert.Width]...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// shell loads a script with the sqlite3 shell into a new file and opens it. The
// test is skipped where there is no shell that knows STRICT tables.
func shell(t testing.TB, script string) *database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shell.db")
	runShell(t, path, script)
	d := openDatabase(t, path)
	t.Cleanup(func() { d.Close() })
	return d
}

func runShell(t testing.TB, path, script string) string {
	t.Helper()
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("the sqlite3 shell is not installed")
	}
	cmd := exec.Command(program, "-batch", path)
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), `unknown table option: STRICT`) {
		t.Skip("the sqlite3 shell is older than 3.40")
	}
	if err != nil || strings.Contains(string(out), "rror") {
		t.Fatalf("sqlite3: %v\n%s", err, out)
	}
	return string(out)
}
