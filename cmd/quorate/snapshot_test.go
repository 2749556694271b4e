package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"quorate/admin"
	"quorate/internal/sqlite"
	"quorate/raft"
	"quorate/snapshot/archive"
	"quorate/sqlfsm"
)

// savedArchive makes an archive of a database at index 4 of term 2, in which the
// script was run.
func savedArchive(t *testing.T, script string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "db")
	fsm, err := sqlfsm.Open(path, sqlfsm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fsm.Apply([]sqlfsm.Entry{{Index: 4, Term: 2}}); err != nil {
		t.Fatal(err)
	}
	if _, err := fsm.Image(context.Background(), path+"-image"); err != nil {
		t.Fatal(err)
	}
	if err := fsm.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.Open(path+"-image", sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(script); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path + "-image")
	if err != nil {
		t.Fatal(err)
	}
	meta := &archive.Meta{
		Created:  time.Date(2026, 9, 20, 14, 30, 0, 0, time.UTC),
		Snapshot: raft.Snapshot{Index: 4, Term: 2},
		Bytes:    int64(len(b)), SHA256: sha256.Sum256(b), Cluster: [16]byte{1, 2, 3},
		Member: "n2", Version: "1.0.0", Engine: "sqlite-3.54.1",
	}
	for i, name := range []string{"n1", "n2", "n3"} {
		meta.Snapshot.Configuration.Configuration.Members = append(meta.Snapshot.Configuration.Configuration.Members,
			raft.Member{ID: raft.NodeID(i + 1), Name: name, Address: name + ".example:7432"})
	}
	return archive.AppendTrailer(b, meta)
}

// TestSnapshot saves from a member that sends what the transcript says, and looks
// at the files. "serve" with "bytes" sends only that many, and "flip" with one bit
// changed. "plain" makes plain.db, which is another program's. "files" lists what is
// there.
//
//	go test ./cmd/quorate -run TestSnapshot -rewrite
func TestSnapshot(t *testing.T) {
	transcript, err := filepath.Abs("testdata/snapshot")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	operator := &fakeOperator{}
	cluster := newFakeCluster(t, "n1 leader n1 7 182440\n", operator)
	t.Setenv("QUORATE_ENDPOINT", cluster.endpoint)
	// What is not the same from version to version.
	varies := regexp.MustCompile(`[0-9a-f]{64}|[0-9.]+ (Ki)?B|(_bytes|database_format)": [0-9]+|database  .*|output: [0-9]+`)
	datadriven.RunTest(t, transcript, func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "serve":
			operator.snapshot = savedArchive(t, d.Input)
			bytes, flip := len(operator.snapshot), 0
			if d.HasArg("bytes") {
				d.ScanArgs(t, "bytes", &bytes)
			}
			if d.HasArg("flip") {
				d.ScanArgs(t, "flip", &flip)
				operator.snapshot[flip] ^= 1
			}
			operator.snapshotBytes, operator.snapshot = len(operator.snapshot), operator.snapshot[:bytes]
			return ""
		case "plain":
			os.Remove("plain.db")
			c, err := sqlite.Open("plain.db", sqlite.Create)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.Exec(d.Input), c.Close()); err != nil {
				t.Fatal(err)
			}
			return ""
		case "fail":
			e := &admin.Error{Message: strings.TrimSpace(d.Input), Hint: "Do something about it."}
			d.ScanArgs(t, "status", &e.Status)
			operator.err = e
			return ""
		case "files":
			var names []string
			dir := "."
			if d.HasArg("dir") {
				d.ScanArgs(t, "dir", &dir)
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				names = append(names, e.Name())
			}
			left, err := os.ReadDir(os.Getenv("TMPDIR"))
			if err != nil || len(left) > 0 {
				t.Errorf("%s: %d temporary files are left, %v", d.Pos, len(left), err)
			}
			return strings.Join(names, " ") + "\n"
		case "quorate":
			operator.asked = nil
			var stdout, stderr bytes.Buffer
			code := run(t.Context(), strings.Fields(d.Input), &stdout, &stderr)
			operator.err = nil
			asked := ""
			for _, order := range operator.asked {
				asked += "asked to " + order + "\n"
			}
			if slices.Contains(strings.Fields(d.Input), standardStream) {
				fmt.Fprintf(&stderr, "standard output: %d bytes\n", stdout.Len())
				stdout.Reset()
			}
			return asked + varies.ReplaceAllString(stdout.String()+stderr.String(), "…") + fmt.Sprintf("exit %d\n", code)
		}
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		return ""
	})
}

// A database whose WAL has something in it, or that comes without the file's name
// and may have one, is not all there.
func TestRestoreBesideWAL(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("QUORATE_CONFIG", "")
	c, err := sqlite.Open("app.db", sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Exec("PRAGMA journal_mode=WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	restore := func(name string, code int, words string) {
		t.Helper()
		var out bytes.Buffer
		if got := run(t.Context(), []string{"snapshot", "restore", name, "--data-dir", "new"}, &out, &out); got != code || !strings.Contains(out.String(), words) {
			t.Errorf("%s: exit %d, %s; want %q", name, got, out.String(), words)
		}
	}
	restore("app.db", 1, "app.db-wal is beside it")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("app.db")
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(b)
	if err := errors.Join(err, w.Close(), os.WriteFile("app.db.gz", packed.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	restore("app.db.gz", 1, "may lack what is in a WAL")
	restore("app.db", 0, "restored app.db into new")
}

// --force writes over files, not over directories and devices; a link stays a link.
func TestSaveOverOtherThanFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	operator := &fakeOperator{snapshot: savedArchive(t, "CREATE TABLE t (a ANY) STRICT")}
	operator.snapshotBytes = len(operator.snapshot)
	t.Setenv("QUORATE_ENDPOINT", newFakeCluster(t, "n1 leader n1 7 182440\n", operator).endpoint)
	err := errors.Join(os.Mkdir("dir", 0o700), syscall.Mkfifo("pipe", 0o600), os.WriteFile("old.db", nil, 0o600), os.Symlink("old.db", "latest.db"))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"dir": "dir is a directory", "pipe": "pipe is not an ordinary file", "latest.db": "saved latest.db"} {
		var out bytes.Buffer
		run(t.Context(), []string{"snapshot", "save", name, "--force"}, &out, &out)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s: %s", name, &out)
		}
	}
	link, err := os.Readlink("latest.db")
	saved, readErr := os.ReadFile("old.db")
	if err := errors.Join(err, readErr); err != nil || link != "old.db" || !bytes.Equal(saved, operator.snapshot) {
		t.Errorf("the link leads to %q, where there are %d bytes, %v", link, len(saved), err)
	}
	if info, err := os.Lstat("pipe"); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe: %v, %v", info, err)
	}
}

// A header that tells of more than there is, and be it more than fits on the disk,
// is called what it is: not a matter of room.
func TestRestoreOfTooShortFile(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("QUORATE_CONFIG", "")
	b := savedArchive(t, "CREATE TABLE t (a ANY) STRICT")
	b[28] ^= 0x40 // of the number of pages, the highest byte
	if err := os.WriteFile("meta.db", b, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"snapshot", "verify", "meta.db"}, {"snapshot", "restore", "meta.db", "--data-dir", "new"}} {
		var out bytes.Buffer
		if code := run(t.Context(), command, &out, &out); code != 1 || !strings.Contains(out.String(), "meta.db: it is cut short: the database should have 4398046") {
			t.Errorf("%v: exit %d, %s", command, code, &out)
		}
	}
	if _, err := os.Stat("new"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

// A bar for people, lines for files: the first bytes come after a tenth of a
// second or after ten.
func TestProgress(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &progress{out: &out, doing: "saving", total: 64 << 20, began: now, shown: now, now: func() time.Time { return now }}
	write := func(after time.Duration, n int) {
		now = now.Add(after)
		if _, err := p.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
	}
	p.terminal = true
	write(time.Second, 16<<20)
	write(time.Millisecond, 0)
	write(time.Second-time.Millisecond, 48<<20)
	p.end()
	p.terminal = false
	write(9*time.Second, 0)
	p.done = 11 << 20
	write(time.Second, 11<<20)
	p.total = 0
	write(10*time.Second, 22<<20)
	want := "\rsaving   [======>                    ]  16.0 MiB / 64.0 MiB   25%  16.0 MiB/s  3s left\x1b[K" +
		"\rsaving   [===========================]  64.0 MiB / 64.0 MiB  100%  32.0 MiB/s  0s left\x1b[K" +
		"\r\x1b[K" +
		"saving  22.0 MiB / 64.0 MiB   34%  1.8 MiB/s  23s left\n" +
		"saving   44.0 MiB  2.0 MiB/s\n"
	if out.String() != want {
		t.Errorf("got\n%q\nwant\n%q", out.String(), want)
	}
}
