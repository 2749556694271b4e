package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"quorate/internal/value"
)

// openTest opens a connection to a new file in WAL mode.
func openTest(t testing.TB) (*Conn, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	c := openPath(t, path)
	exec(t, c, "PRAGMA journal_mode=WAL")
	return c, path
}

func openPath(t testing.TB, path string) *Conn {
	t.Helper()
	c, err := Open(path, Create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func exec(t testing.TB, c *Conn, script string) {
	t.Helper()
	if err := c.Exec(script); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// query returns the rows of a query as text, or its error.
func query(c *Conn, sql string, args ...value.Value) string {
	s, _, err := c.Prepare(sql, false)
	if err != nil {
		return err.Error()
	}
	defer s.Finalize()
	if err := s.Bind(args); err != nil {
		return err.Error()
	}
	var rows []string
	for {
		more, err := s.Step()
		if err != nil {
			return err.Error()
		}
		if !more {
			return strings.Join(rows, "; ")
		}
		var cells []string
		for _, v := range s.Row() {
			cells = append(cells, fmt.Sprintf("%#v", v))
		}
		rows = append(rows, strings.Join(cells, ", "))
	}
}

// TestValues: every kind of value goes in as a parameter, through a function,
// and out as a column, and stays what it was.
func TestValues(t *testing.T) {
	c, _ := openTest(t)
	err := c.CreateFunction(Function{Name: "same", Args: 1, Scalar: func(args []value.Value) (value.Value, error) { return args[0], nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []value.Value{
		{}, value.Int(0), value.Int(-1 << 63), value.Int(1<<63 - 1), value.Float(0.1), value.Float(-1e300),
		value.String(""), value.String("text"), value.String("Grüße"), value.TextBytes([]byte("a\x00b")),
		value.BlobBytes([]byte{}), value.BlobBytes([]byte{0, 255}), value.String(strings.Repeat("long ", 100_000)),
	} {
		s, _, err := c.Prepare("SELECT ?1, same(?1), typeof(?1)", true)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the arena grows, and is given back when it was large
			if err := s.Bind([]value.Value{v}); err != nil {
				t.Fatal(err)
			}
			if more, err := s.Step(); !more || err != nil {
				t.Fatal(err)
			}
			row := s.Row()
			if !row[0].Equal(v) || !row[1].Equal(v) || row[2].Text() != v.Kind().String() {
				t.Errorf("%.40s came back as %.40s, %.40s, %s", v.GoString(), row[0].GoString(), row[1].GoString(), row[2].Text())
			}
			s.Reset()
		}
		s.Finalize()
	}
}

// TestPrepare: a script's statements come one by one, blanks are none, and an
// error says where it is.
func TestPrepare(t *testing.T) {
	c, _ := openTest(t)
	s, tail, err := c.Prepare("SELECT ?2, ?1 ; SELECT 2", false)
	if err != nil || tail != " SELECT 2" {
		t.Fatalf("%q, %v", tail, err)
	}
	if s.Parameters() != 2 || s.Columns() != 2 || !s.ReadOnly() {
		t.Errorf("%d parameters, %d columns, read-only %t", s.Parameters(), s.Columns(), s.ReadOnly())
	}
	if err := s.Bind(nil); err == nil {
		t.Error("no values were bound to two parameters")
	}
	s.Finalize()
	if s, _, err := c.Prepare(" -- nothing\n", false); s != nil || err != nil {
		t.Errorf("a comment is %v, %v", s, err)
	}
	var e *Error
	if _, _, err := c.Prepare("SELECT 1 FROM", false); !errors.As(err, &e) || e.Code != ErrError {
		t.Errorf("%v", err)
	}
	if _, _, err := c.Prepare("SELECT 1, missing", false); !errors.As(err, &e) || e.Offset != 10 {
		t.Errorf("%v", err)
	}
	if _, _, err := c.Prepare("SELECT '\x00'", false); !errors.As(err, &e) || e.Offset != 8 {
		t.Errorf("%v", err)
	}
}

// TestColumns: names, declared types and origins, through a view.
func TestColumns(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (a INTEGER, b TEXT); CREATE VIEW v AS SELECT b AS renamed, a + 1 AS more FROM t`)
	s, _, err := c.Prepare("SELECT renamed, more AS x FROM v", false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	var got []string
	for i := range s.Columns() {
		table, column := s.Origin(i)
		got = append(got, fmt.Sprintf("%s:%s:%s.%s", s.ColumnName(i), s.DeclaredType(i), table, column))
	}
	if want := "[renamed:TEXT:t.b x::.]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// TestRowAfterSchemaChange: a statement that SQLite compiles again for another
// schema returns the columns of that.
func TestRowAfterSchemaChange(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (a); INSERT INTO t VALUES (1)`)
	s, _, err := c.Prepare("SELECT * FROM t", true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	for want := 1; want <= 3; want++ {
		if more, err := s.Step(); !more || err != nil {
			t.Fatal(err)
		}
		if got := len(s.Row()); got != want {
			t.Errorf("%d columns, want %d", got, want)
		}
		s.Reset()
		exec(t, c, fmt.Sprintf("ALTER TABLE t ADD COLUMN c%d", want))
	}
	if s.Reprepared() != 2 {
		t.Errorf("compiled again %d times, want 2", s.Reprepared())
	}
}

// TestErrorCodes: extended codes, with SQLite's message.
func TestErrorCodes(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT NOT NULL UNIQUE CHECK (b <> 'x')) STRICT; INSERT INTO t VALUES (1, 'a')`)
	for _, test := range []struct {
		sql  string
		code Code
	}{
		{`INSERT INTO t VALUES (1, 'b')`, ConstraintPrimaryKey},
		{`INSERT INTO t VALUES (2, 'a')`, ConstraintUnique},
		{`INSERT INTO t VALUES (2, NULL)`, ConstraintNotNull},
		{`INSERT INTO t VALUES (2, 'x')`, ConstraintCheck},
		{`INSERT INTO t VALUES (2, x'00')`, ConstraintDataType},
		{`INSERT INTO t VALUES ('y', 'y')`, Mismatch},
	} {
		var e *Error
		if err := c.Exec(test.sql); !errors.As(err, &e) || e.Code != test.code {
			t.Errorf("%s: %v, want code %d", test.sql, err, test.code)
		}
	}
}

// TestFunctionError: what a function returns as its error comes out of Step as
// that very error, from wherever the function was called; and an error of
// SQLite's own afterwards is SQLite's.
func TestFunctionError(t *testing.T) {
	c, _ := openTest(t)
	mine := errors.New("mine")
	err := c.CreateFunction(Function{Name: "fail", Args: -1, Scalar: func(args []value.Value) (value.Value, error) {
		if len(args) == 0 {
			return value.Value{}, mine
		}
		return value.Int(int64(len(args))), nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, c, `CREATE TABLE t (a DEFAULT (fail())); CREATE TABLE u (a); CREATE TRIGGER tr AFTER INSERT ON u BEGIN SELECT fail(); END`)
	for _, sql := range []string{`SELECT fail()`, `INSERT INTO t DEFAULT VALUES`, `INSERT INTO u VALUES (1)`, `SELECT 1 WHERE fail() > 1`} {
		if err := c.Exec(sql); err != mine {
			t.Errorf("%s: %v", sql, err)
		}
	}
	var e *Error
	if err := c.Exec(`SELECT abs(-9223372036854775807 - 1)`); !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
	if got := query(c, `SELECT fail(1, 2, 3)`); got != "3" {
		t.Error(got)
	}
}

// TestClocks: each connection has its own clock; without one it has the
// machine's, always in UTC.
func TestClocks(t *testing.T) {
	t.Setenv("TZ", "Asia/Tokyo")
	a, path := openTest(t)
	b := openPath(t, path)
	a.SetClock(time.Date(2001, 2, 3, 4, 5, 6, 789_000_000, time.UTC))
	b.SetClockMicros(-1) // just before the Unix epoch
	const now = `SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), CURRENT_TIMESTAMP, datetime('now', 'localtime')`
	if got, want := query(a, now), "'2001-02-03 04:05:06.789', '2001-02-03 04:05:06', '2001-02-03 04:05:06'"; got != want {
		t.Errorf("the first: %s, want %s", got, want)
	}
	if got, want := query(b, now), "'1969-12-31 23:59:59.999', '1969-12-31 23:59:59', '1969-12-31 23:59:59'"; got != want {
		t.Errorf("the second: %s, want %s", got, want)
	}
	a.SetClock(time.Time{})
	before := time.Now().UTC().Format("'2006-01-02 15:04:05")
	if got := query(a, `SELECT CURRENT_TIMESTAMP`); got < before || got > time.Now().UTC().Format("'2006-01-02 15:04:05'") {
		t.Errorf("the machine's clock: %s", got)
	}
}

// TestExclusive: the WAL's index is in memory, not in a -shm file, and other
// connections of the process see what one writes.
func TestExclusive(t *testing.T) {
	a, path := openTest(t)
	b := openPath(t, path)
	exec(t, a, `CREATE TABLE t (x); INSERT INTO t VALUES (1)`)
	if got := query(b, `SELECT x FROM t`); got != "1" {
		t.Error(got)
	}
	if _, err := os.Stat(path + "-shm"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("there is a -shm file: %v", err)
	}
	frames, moved, err := b.Checkpoint()
	if err != nil || frames == 0 || moved != frames {
		t.Errorf("checkpoint: %d of %d, %v", moved, frames, err)
	}
}

// An immutable connection reads a file that another one has locked, whatever its
// name and permissions, and leaves nothing beside it.
func TestImmutable(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "50% of #1?.db")
	c := openPath(t, path)
	exec(t, c, "CREATE TABLE t(a); INSERT INTO t VALUES (1); BEGIN IMMEDIATE")
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(path, Immutable)
	if err != nil {
		t.Fatal(err)
	}
	if got := query(r, "SELECT a FROM t"); got != "1" {
		t.Errorf("read %s", got)
	}
	if err := r.Exec("INSERT INTO t VALUES (2)"); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("INSERT: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Errorf("%d files beside it, then %d, %v", len(before), len(after), err)
	}
}

// TestTemporaryFiles: a sort that does not fit into memory has its files beside
// the database, without a name there, even when a crash has left one.
func TestTemporaryFiles(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("without /proc the open files cannot be seen")
	}
	path := filepath.Join(t.TempDir(), "db")
	c, err := Open(path, Create)
	if err != nil {
		t.Fatal(err)
	}
	left := fmt.Sprintf("%s-temp-%d", path, c.handle)
	if err := os.WriteFile(left, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c = openPath(t, path) // gets the number that has just become free
	exec(t, c, `PRAGMA cache_size=10; PRAGMA temp_store=FILE`)
	s, _, err := c.Prepare(`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
		SELECT i FROM n ORDER BY hex(randomblob(100))`, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Finalize()
	if _, err := s.Step(); err != nil {
		t.Fatal(err)
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var temporary int
	for _, f := range open {
		name, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if strings.Contains(name, "etilqs") {
			t.Errorf("SQLite has put %s elsewhere", name)
		}
		if strings.HasPrefix(name, left) {
			temporary++
		}
	}
	if temporary == 0 {
		t.Error("no temporary file is open")
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s can be seen: %v", left, err)
	}
}

// TestHooks: what each hook is told.
func TestHooks(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)`)
	var told []string
	tell := func(format string, args ...any) { told = append(told, fmt.Sprintf(format, args...)) }
	check := func(want string) {
		t.Helper()
		if got := strings.Join(told, ", "); got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		told = nil
	}
	c.SetPreupdateHook(func(p *Preupdate) {
		cell := func(v value.Value, err error) string {
			if err != nil {
				return err.Error()
			}
			return v.GoString()
		}
		if p.Op != RowInsert {
			tell("old %s %d %s", p.Table, p.OldRowID, cell(p.Old(1)))
		}
		if p.Op != RowDelete {
			tell("new %s %d %s of %d", p.Table, p.NewRowID, cell(p.New(1)), p.Columns())
		}
	})
	exec(t, c, `INSERT INTO t VALUES (8, 'c'); UPDATE t SET a = 'd' WHERE id = 8; DELETE FROM t WHERE id = 8`)
	check("new t 8 'c' of 2, old t 8 'c', new t 8 'd' of 2, old t 8 'd'")

	c.SetPreupdateHook(nil)
	frames := 0
	c.SetWALHook(func(n int) { frames = n })
	exec(t, c, `INSERT INTO t VALUES (9, 'e')`)
	if frames == 0 {
		t.Error("the WAL hook was not called")
	}

	c.SetAuthorizer(func(a Access) Verdict {
		switch {
		case a.Action == Delete && a.First.String() == "t":
			return Deny
		case a.Action == Analyze:
			return Skip
		}
		return Allow
	})
	exec(t, c, `ANALYZE`)
	if n := query(c, `SELECT count(*) FROM sqlite_stat1`); n != "0" {
		t.Errorf("%s tables were analysed; all were to be skipped", n)
	}
	var e *Error
	if err := c.Exec(`DELETE FROM t`); !errors.As(err, &e) || e.Code != Auth {
		t.Errorf("%v", err)
	}
	exec(t, c, `INSERT INTO t VALUES (10, 'f')`)
}

// TestInterrupts: both ways to end a query that would not end.
func TestInterrupts(t *testing.T) {
	const endless = `WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n`
	c, _ := openTest(t)
	calls := 0
	c.SetProgress(1000, func() bool { calls++; return calls == 5 })
	var e *Error
	if err := c.Exec(endless); !errors.As(err, &e) || e.Code != Interrupt {
		t.Errorf("progress: %v", err)
	}
	running := make(chan struct{})
	var once bool
	c.SetProgress(1000, func() bool {
		if !once {
			once = true
			close(running)
		}
		return false
	})
	go func() {
		<-running
		c.Interrupt()
	}()
	if err := c.Exec(endless); !errors.As(err, &e) || e.Code != Interrupt {
		t.Errorf("interrupt: %v", err)
	}
	if got := query(c, `SELECT 1`); got != "1" {
		t.Errorf("then: %s", got)
	}
}

// TestTransactionState: autocommit, deferred foreign keys, last_insert_rowid.
func TestTransactionState(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `PRAGMA foreign_keys=ON; CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE f (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)`)
	if !c.Autocommit() || c.DeferredForeignKeys() {
		t.Error("not at rest")
	}
	exec(t, c, `BEGIN; INSERT INTO f VALUES (1)`)
	if c.Autocommit() || !c.DeferredForeignKeys() {
		t.Error("the violation is not seen")
	}
	exec(t, c, `INSERT INTO p VALUES (1)`)
	if c.DeferredForeignKeys() {
		t.Error("the violation is still seen")
	}
	if c.LastInsertRowID() != 1 || c.Changes() != 1 {
		t.Errorf("last rowid %d, changes %d", c.LastInsertRowID(), c.Changes())
	}
	c.SetLastInsertRowID(0)
	if got := query(c, `SELECT last_insert_rowid()`); got != "0" {
		t.Error(got)
	}
	exec(t, c, `COMMIT`)
}

// TestOpenErrors: a missing file is an error, and leaves nothing behind.
func TestOpenErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing")
	if _, err := Open(path, Existing); err == nil || !strings.Contains(err.Error(), "unable to open") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}

// BenchmarkPointRead reads one row by its key through a cached statement.
func BenchmarkPointRead(b *testing.B) {
	c, _ := openTest(b)
	exec(b, c, `CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT);
		INSERT INTO kv WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 9999) SELECT i, printf('%064d', i) FROM n`)
	s, _, err := c.Prepare("SELECT v FROM kv WHERE k = ?1", true)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Finalize()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := s.Bind([]value.Value{value.Int(int64(i % 10_000))}); err != nil {
			b.Fatal(err)
		}
		if more, err := s.Step(); !more || err != nil {
			b.Fatal(err)
		}
		if len(s.Row()[0].Bytes()) != 64 {
			b.Fatal("another row")
		}
		s.Reset()
	}
}
