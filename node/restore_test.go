package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/snapshot/archive"
)

// save returns a node's database as an archive.
func save(t testing.TB, n *Node) []byte {
	t.Helper()
	s, err := n.SaveSnapshot(context.Background(), false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	b, err := io.ReadAll(s)
	if err != nil || int64(len(b)) != s.Bytes {
		t.Fatalf("%d of %d bytes, %v", len(b), s.Bytes, err)
	}
	return b
}

// restoreTo restores an archive into the node's directory.
func restoreTo(disk vfs.FS, cfg Config, saved []byte, change func(*RestoreConfig)) (*Restored, error) {
	reader, err := archive.NewReader(bytes.NewReader(saved))
	if err != nil {
		return nil, err
	}
	r := RestoreConfig{DataDir: cfg.DataDir, WALDir: cfg.WALDir, Source: reader}
	if change != nil {
		change(&r)
	}
	return restore(context.Background(), disk, r)
}

// dumped is a node's data as SQL, without the remarks.
func dumped(t testing.TB, n *Node) string {
	t.Helper()
	var b, data strings.Builder
	if _, err := n.Dump(context.Background(), &b, false); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if !strings.HasPrefix(line, "--") {
			data.WriteString(line)
		}
	}
	return data.String()
}

// original is a cluster of one with some data of every kind.
func original(t *testing.T) (saved []byte, dump string) {
	t.Helper()
	n, stop, done := openOn(t, testConfig(t, "n1", t.TempDir()), vfs.OS{})
	execSQL(t, n, "CREATE TABLE users (id bigserial PRIMARY KEY, name varchar(30) NOT NULL, at timestamptz DEFAULT now(), n numeric(10,2), b bytea, j jsonb, d date, x double precision, ok boolean)",
		`INSERT INTO users (name, n, b, j, d, x, ok) VALUES ('ann', 12.5, '\x00ff', '{"a": [1]}', '2001-02-03', 0.1, true), ('bob', NULL, NULL, NULL, NULL, NULL, NULL)`,
		"CREATE INDEX users_name ON users (name)", "CREATE VIEW names AS SELECT name FROM users")
	saved, dump = save(t, n), dumped(t, n)
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return saved, dump
}

// A new cluster of one has what was saved, takes writes, and starts again, whatever
// its name; and what it saves can be restored again.
func TestRestore(t *testing.T) {
	saved, want := original(t)
	for round := range 2 {
		cfg := testConfig(t, fmt.Sprint("m", round), filepath.Join(t.TempDir(), "new"))
		if _, err := restoreTo(vfs.OS{}, cfg, saved, nil); err != nil {
			t.Fatal(err)
		}
		n, stop, done := openOn(t, cfg, vfs.OS{})
		if got := dumped(t, n); got != want {
			t.Errorf("round %d: there is\n%s\nwant\n%s", round, got, want)
		}
		execSQL(t, n, "INSERT INTO users (name) VALUES ('cy')")
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		n, stop, done = openOn(t, testConfig(t, cfg.Name, cfg.DataDir), vfs.OS{})
		if got := dumped(t, n); got == want || !strings.Contains(got, "'cy'") {
			t.Errorf("round %d: after a restart there is\n%s", round, got)
		}
		saved, want = save(t, n), dumped(t, n)
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// Three nodes that restore the same file are a cluster, and a fourth one that joins
// gets all of it. One that has restored another file is none of it, and neither is
// a member of the cluster that was saved.
func TestRestoreCluster(t *testing.T) {
	saved, want := original(t)
	c := &cluster{dir: t.TempDir(), fs: func(int) vfs.FS { return vfs.OS{} }, tune: func(*Config) {}}
	t.Cleanup(c.close)
	var initial []raft.Member
	var bound []listeners
	for i := range 3 {
		bound = append(bound, bind(t))
		initial = append(initial, raft.Member{Name: fmt.Sprint("n", i+1), Address: bound[i].peer.Addr().String()})
	}
	for i, m := range initial {
		cfg := c.config(t, m.Name)
		cfg.PeerAdvertise = m.Address
		_, err := restoreTo(vfs.OS{}, cfg, saved, func(r *RestoreConfig) { r.Name, r.Members = m.Name, initial })
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 { // the others have it from the restore
			cfg.InitialCluster = initial
		}
		c.run(t, cfg, bound[i])
	}
	c.join(t, "n4", false)
	for _, n := range c.nodes {
		if n.cluster != c.nodes[0].cluster {
			t.Errorf("%s is of cluster %x", n.cfg.Name, n.cluster)
		}
		until(t, n.cfg.Name+" has all", func() bool { return n.CatchUp(context.Background()) == nil && n.progress.applied() > 0 })
		if got := dumped(t, n); got != want {
			t.Errorf("%s has\n%s\nwant\n%s", n.cfg.Name, got, want)
		}
	}
	execSQL(t, c.nodes[2], "INSERT INTO users (name) VALUES ('cy')")
	if err := c.stopNode(1); err != nil {
		t.Fatal(err)
	}
	c.nodes[1].cfg.InitialCluster = initial // may be given again
	if n := c.restart(t, 1); !strings.Contains(dumped(t, n), "'cy'") {
		t.Error("after a restart it has not all")
	}

	configuration := raft.Configuration{Members: initial}
	ids := map[[16]byte]string{}
	for what, id := range map[string][16]byte{
		"nothing":      clusterID("test", configuration, nil),
		"one file":     clusterID("test", configuration, []byte("one")),
		"another file": clusterID("test", configuration, []byte("two")),
	} {
		if other, taken := ids[id]; taken || !hasToken("test", id) {
			t.Errorf("clusters that begin with %s and with %s have the same id", what, other)
		}
		ids[id] = what
	}
}

// Another program's database becomes a cluster too.
func TestRestorePlain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plain.db")
	db, err := sqlite.Open(path, sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Exec("PRAGMA journal_mode=WAL; CREATE TABLE people (id INTEGER PRIMARY KEY, born DATE, seen DATETIME); INSERT INTO people VALUES (7, '2001-02-03', 'today')")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t, "n1", t.TempDir())
	restored, err := restoreTo(vfs.OS{}, cfg, b, nil)
	if err != nil || len(restored.Notes) != 1 || !strings.Contains(restored.Notes[0], "seen") {
		t.Fatalf("%+v, %v", restored, err)
	}
	n, _, _ := openOn(t, cfg, vfs.OS{})
	execSQL(t, n, "INSERT INTO people VALUES (8, '2002-01-01', now())")
	var count int
	if err := connect(t, n).QueryRow(t.Context(), "SELECT count(*) FROM people WHERE born < date '2002-01-01'").Scan(&count); err != nil || count != 1 {
		t.Errorf("%d rows, %v", count, err)
	}
	reader, err := archive.NewReader(bytes.NewReader(save(t, n)))
	if err != nil || reader.Kind != archive.Saved {
		t.Errorf("what it saves is %+v, %v", reader, err)
	}
}

// What is there already is never touched, and a start that does not fit what was
// restored does nothing.
func TestRestoreRefused(t *testing.T) {
	saved, want := original(t)
	cfg := testConfig(t, "n1", t.TempDir())
	cfg.InitialCluster = []raft.Member{{Name: "n1", Address: cfg.PeerAdvertise}}
	refusesRestore := func(words string, cfg Config) {
		t.Helper()
		_, err := restoreTo(vfs.OS{}, cfg, saved, nil)
		var e *exitcode.Error
		if !errors.As(err, &e) || e.Code != exitcode.DataDir || !strings.Contains(e.Error(), words) || e.Hint == "" {
			t.Errorf("restoring: %v; want %q", err, words)
		}
	}
	if err := os.WriteFile(filepath.Join(cfg.DataDir, "letter"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refusesRestore("it is not empty: letter is in it", cfg)
	elsewhere := testConfig(t, "n1", filepath.Join(t.TempDir(), "new"))
	elsewhere.WALDir = cfg.DataDir
	refusesRestore("it is not empty: letter is in it", elsewhere)
	if err := os.Remove(filepath.Join(cfg.DataDir, "letter")); err != nil {
		t.Fatal(err)
	}

	if _, err := restoreTo(vfs.OS{}, cfg, saved, func(r *RestoreConfig) { r.Name, r.Members = "n1", cfg.InitialCluster }); err != nil {
		t.Fatal(err)
	}
	refusesRestore("it is not empty", cfg)
	other := cfg
	other.Name = "n2"
	other.InitialCluster = nil
	refuses(t, other, exitcode.DataDir, `restored for member "n1", not for "n2"`, "--name")
	other = cfg
	other.InitialCluster = []raft.Member{{Name: "n1", Address: cfg.PeerAdvertise}, {Name: "n2", Address: "127.0.0.1:1"}}
	refuses(t, other, exitcode.DataDir, "a cluster of other members", "--initial-cluster")
	other = cfg
	other.InitialCluster, other.Join = nil, "127.0.0.1:1"
	refuses(t, other, exitcode.DataDir, "cannot join one", "--join")
	n, _, _ := openOn(t, cfg, vfs.OS{})
	if got := dumped(t, n); got != want {
		t.Errorf("after all that there is\n%s", got)
	}
}

// crashStep is how many operations of the disk lie between two crashes.
func crashStep() int64 {
	if testing.Short() {
		return 7
	}
	return 1
}

// errCrash is what a process meets that is dead.
var errCrash = errors.New("the process is dead")

// dying is a disk on which every change from the n-th on fails: as after a kill,
// nothing more happens. It counts the changes.
func dying(n int64, changes *atomic.Int64) vfs.FS {
	return vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if !op.Kind.Changes() || strings.HasSuffix(op.Path, "LOCK") {
			return vfs.Fault{}
		}
		if changes.Add(1) > n {
			return vfs.Fault{Err: errCrash, Partial: op.Bytes / 2}
		}
		return vfs.Fault{}
	})
}

// TestRestoreCrash kills a restore before every operation of the disk. Then a start
// either refuses, says that a restore was interrupted, and what to do; or it finds
// nothing at all; or it has all.
func TestRestoreCrash(t *testing.T) {
	saved, _ := original(t)
	step := crashStep()
	interrupted, over := 0, false
	for at := int64(0); !over; at += step {
		cfg := testConfig(t, "n1", t.TempDir())
		var changes atomic.Int64
		_, err := restoreTo(dying(at, &changes), cfg, saved, nil)
		over = err == nil
		_, errNote := os.Stat(filepath.Join(cfg.DataDir, restoredName))
		_, errMark := os.Stat(filepath.Join(cfg.DataDir, restoringName))
		switch {
		case errNote == nil:
			cfg.SegmentBytes = 64 << 10
			n, err := open(context.Background(), cfg, listeners{}, vfs.OS{})
			if err != nil {
				t.Fatalf("killed before operation %d, the restore was done, and the node does not start: %v", at, err)
			}
			if applied, _ := n.fsm.Applied(); applied < 3 {
				t.Errorf("killed before operation %d: the database is at %d", at, applied)
			}
			n.release()
		case errMark == nil:
			interrupted++
			refuses(t, cfg, exitcode.DataDir, "a restore into it was interrupted", "restore again")
			if _, err := restoreTo(vfs.OS{}, cfg, saved, nil); err == nil || !strings.Contains(err.Error(), "an earlier restore into it was interrupted") {
				t.Errorf("killed before operation %d, restored again: %v", at, err)
			}
		default:
			if images, err := os.ReadDir(filepath.Join(cfg.DataDir, "snapshots")); err == nil {
				t.Errorf("killed before operation %d, nothing says so, and there are %v", at, images)
			}
		}
	}
	if interrupted < 5 && step == 1 {
		t.Errorf("%d kills left a restore that is not over", interrupted)
	}
}

// TestFirstStartAfterRestoreCrash kills the first start before every operation of
// the disk. The next one goes on to the end.
func TestFirstStartAfterRestoreCrash(t *testing.T) {
	saved, want := original(t)
	step := crashStep()
	over := false
	for at := int64(0); !over; at += step {
		cfg := testConfig(t, "n1", t.TempDir())
		if _, err := restoreTo(vfs.OS{}, cfg, saved, nil); err != nil {
			t.Fatal(err)
		}
		var changes atomic.Int64
		cfg.SegmentBytes = 64 << 10 // many are made
		n, err := open(context.Background(), cfg, listeners{}, dying(at, &changes))
		if err == nil {
			n.release()
		}
		over = changes.Load() <= at
		cfg = testConfig(t, "n1", cfg.DataDir)
		cfg.SegmentBytes = 64 << 10
		n, err = open(context.Background(), cfg, listeners{}, vfs.OS{})
		if err != nil {
			t.Fatalf("killed before operation %d, the node does not start: %v", at, err)
		}
		if applied, _ := n.fsm.Applied(); applied < 3 {
			t.Errorf("killed before operation %d: the database is at %d", at, applied)
		}
		if _, err := os.Stat(filepath.Join(cfg.DataDir, restoredName)); err == nil {
			t.Errorf("killed before operation %d: the note is still there", at)
		}
		n.release()
		if over {
			n, _, _ := openOn(t, testConfig(t, "n1", cfg.DataDir), vfs.OS{})
			if got := dumped(t, n); got != want {
				t.Errorf("then there is\n%s", got)
			}
		}
	}
}

// Whatever operation finds the disk full, the directory is as it was, and the
// restore can be repeated.
func TestRestoreDiskFull(t *testing.T) {
	saved, _ := original(t)
	for at := 1; ; at++ {
		cfg := testConfig(t, "n1", t.TempDir())
		operations := 0
		full := vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
			switch op.Kind {
			case vfs.OpCreate, vfs.OpMkdir, vfs.OpPreallocate, vfs.OpWrite, vfs.OpSync:
				if operations++; operations == at {
					return vfs.Fault{Err: syscall.ENOSPC, Partial: op.Bytes / 2}
				}
			}
			return vfs.Fault{}
		})
		_, err := restoreTo(full, cfg, saved, nil)
		if operations < at {
			if err != nil || at < 8 {
				t.Fatalf("after %d operations: %v", operations, err)
			}
			return
		}
		if !vfs.IsNoSpace(err) {
			var e *exitcode.Error
			if !errors.As(err, &e) || e.Code != exitcode.DiskFull {
				t.Errorf("operation %d: %v", at, err)
			}
		}
		left, err := os.ReadDir(cfg.DataDir)
		if err != nil || len(left) > 1 || len(left) == 1 && left[0].Name() != "LOCK" {
			t.Errorf("operation %d: then there are %v, %v", at, left, err)
		}
		if _, err := restoreTo(vfs.OS{}, cfg, saved, nil); err != nil {
			t.Errorf("operation %d, when there is room: %v", at, err)
		}
	}
}

// A file that is not whole leaves nothing.
func TestRestoreDamaged(t *testing.T) {
	saved, _ := original(t)
	flipped := bytes.Clone(saved)
	flipped[len(saved)/2] ^= 1
	for what, b := range map[string][]byte{"cut short": saved[:len(saved)-10], "a bit changed": flipped} {
		cfg := testConfig(t, "n1", t.TempDir())
		_, err := restoreTo(vfs.OS{}, cfg, b, nil)
		var refused *archive.Error
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
		if left, err := os.ReadDir(cfg.DataDir); err != nil || len(left) > 1 {
			t.Errorf("%s: then there are %v, %v", what, left, err)
		}
	}
}
