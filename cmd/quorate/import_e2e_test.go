package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
)

// quorateOn runs a command against all members of a cluster, and returns its exit
// code and what it printed.
func (d *devRun) quorateOn(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	endpoints := strings.Join([]string{d.admin["n1"], d.admin["n2"], d.admin["n3"]}, ",")
	code = run(ctx, append(args, "--endpoint", endpoints), &out, &errs)
	return code, out.String(), errs.String()
}

// TestImportSurvives imports a script in small batches and has it broken in two
// ways: the leader is killed with SIGKILL, and the command is ended. The command
// that is begun again goes on, and every row is there once. What quorate dump then
// writes goes into another cluster and comes out of it the same.
func TestImportSurvives(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	defer cancel()
	dir := t.TempDir()
	dev := startDev(t, append(freePorts(t), "--data-dir", filepath.Join(dir, "cluster"))...)
	const rows = 20_000
	script := filepath.Join(dir, "script.sql")
	var text strings.Builder
	text.WriteString("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a TEXT, n INTEGER);\n")
	for i := range rows {
		fmt.Fprintf(&text, "INSERT INTO t VALUES('row %d',%d);\n", i, i)
	}
	text.WriteString("COMMIT;\n")
	if err := os.WriteFile(script, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	leader := dev.leader(ctx, t)
	watched, stop := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		awaitRows(ctx, t, dev, leader, rows/4)
		if err := syscall.Kill(dev.pids[leader], syscall.SIGKILL); err != nil {
			t.Error(err)
		}
		awaitRows(ctx, t, dev, leader, rows/2)
		stop(signalError{syscall.SIGINT})
	}()
	code, _, stderr := dev.quorateOn(watched, "import", script, "--batch-size", "10KiB")
	<-done
	if code != 130 {
		t.Fatalf("the first import: exit %d: %s", code, stderr)
	}
	code, stdout, stderr := dev.quorateOn(ctx, "import", script, "--batch-size", "10KiB", "-o", "json")
	if code != exitcode.OK || !strings.Contains(stderr, "going on in line ") {
		t.Fatalf("the second import: exit %d: %s%s", code, stdout, stderr)
	}
	if n, distinct := countRows(ctx, t, dev, leader); n != rows || distinct != rows {
		t.Errorf("%d rows are there, %d different ones; expected %d", n, distinct, rows)
	}

	dump := filepath.Join(dir, "dump.sql")
	if code, _, stderr := dev.quorateOn(ctx, "dump", dump); code != exitcode.OK {
		t.Fatalf("dump: exit %d: %s", code, stderr)
	}
	if code, _, stderr := dev.quorateOn(ctx, "dump", dump); code != exitcode.Failed || !strings.Contains(stderr, "--force") {
		t.Errorf("dump over a file: exit %d: %s", code, stderr)
	}
	execSQL(ctx, t, dev.urls[survivor(leader)], "drop table t")
	if code, stdout, stderr := dev.quorateOn(ctx, "import", dump); code != exitcode.OK || !strings.Contains(stdout, fmt.Sprintf(" %d rows, ", rows)) {
		t.Fatalf("import: exit %d: %s%s", code, stdout, stderr)
	}
	before, err := os.ReadFile(dump)
	if err != nil {
		t.Fatal(err)
	}
	if code, after, stderr := dev.quorateOn(ctx, "dump"); code != exitcode.OK || after != string(before) {
		t.Errorf("dumped again: exit %d: %s%d bytes of %d", code, stderr, len(after), len(before))
	}

	// The same from a database file; and one that is in use is refused.
	execSQL(ctx, t, dev.urls[survivor(leader)], "drop table t")
	database := filepath.Join(dir, "app.sqlite")
	db, err := sqlite.Open(database, sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Exec("PRAGMA journal_mode=WAL;\n" + string(before)); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = dev.quorateOn(ctx, "import", database)
	if code != exitcode.Failed || !strings.Contains(stderr, "app.sqlite-wal") {
		t.Errorf("import of a database in use: exit %d: %s", code, stderr)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := dev.quorateOn(ctx, "import", database); code != exitcode.OK {
		t.Fatalf("import of a database: exit %d: %s", code, stderr)
	}
	if code, after, stderr := dev.quorateOn(ctx, "dump"); code != exitcode.OK || after != string(before) {
		t.Errorf("dumped again: exit %d: %s%d bytes of %d", code, stderr, len(after), len(before))
	}

	cut := filepath.Join(dir, "cut.sql")
	if err := os.WriteFile(cut, []byte(strings.NewReplacer("TABLE t ", "TABLE cut ", `INTO "t"`, `INTO "cut"`).Replace(string(before[:len(before)-2]))), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr = dev.quorateOn(ctx, "import", cut)
	if code != exitcode.Failed || !strings.Contains(stderr, "cut off") {
		t.Errorf("import of a dump that is cut off: exit %d: %s", code, stderr)
	}
	if err := dev.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	dev.wait(t) // one node was killed, and dev says so
}

// survivor is a member that is not the one.
func survivor(killed string) string {
	if killed == "n1" {
		return "n2"
	}
	return "n1"
}

// countRows counts the rows of t, and how many different ones there are.
func countRows(ctx context.Context, t *testing.T, dev *devRun, killed string) (n, distinct int) {
	conn, err := pgx.Connect(ctx, dev.urls[survivor(killed)])
	if err != nil {
		t.Error(err)
		return 0, 0
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, "select count(*), count(distinct a) from t").Scan(&n, &distinct); err != nil && !strings.Contains(err.Error(), "does not exist") {
		t.Error(err)
	}
	return n, distinct
}

func awaitRows(ctx context.Context, t *testing.T, dev *devRun, killed string, want int) {
	for ctx.Err() == nil {
		if n, _ := countRows(ctx, t, dev, killed); n >= want {
			return
		}
	}
}

// What sqlite3 makes of quorate dump's text is imported as a file, too: nothing of
// the types and definitions is lost on the way, also where sqlite3 has got others.
func TestDumpToShell(t *testing.T) {
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("the sqlite3 shell is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	defer cancel()
	dir := t.TempDir()
	dev := startDev(t, append(freePorts(t), "--data-dir", filepath.Join(dir, "cluster"))...)
	execSQL(ctx, t, dev.urls["n1"], `create table t (id serial primary key, at timestamptz default now(), price numeric(10,2), n bigint check (n + 1 > 0), total numeric(12,2) generated always as (price * n) stored,
			name varchar(20) check (name ~ '^.'));
		create unique index folded on t (lower(name));
		insert into t (at, price, n, name) values ('2024-01-01 00:00:00+00', 12.50, 3, 'é')`)
	_, dump, stderr := dev.quorateOn(ctx, "dump")
	database := filepath.Join(dir, "new.db")
	shell := exec.Command(program, database)
	shell.Stdin = strings.NewReader(dump)
	if out, err := shell.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("sqlite3: %v\n%s\n%s", err, out, stderr)
	}
	execSQL(ctx, t, dev.urls["n1"], "drop table t")
	if code, _, stderr := dev.quorateOn(ctx, "import", database); code != exitcode.OK {
		t.Fatalf("import: exit %d: %s", code, stderr)
	}
	if _, again, _ := dev.quorateOn(ctx, "dump"); again != dump {
		t.Errorf("dumped again:\n%s\nbefore:\n%s", again, dump)
	}
	if err := dev.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := dev.wait(t); err != nil {
		t.Error(err)
	}
}
