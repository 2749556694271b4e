package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/vfs"
)

// TestCopiedFiles: the file and its WAL, copied between batches while the node
// runs, as a crash would leave them, open at exactly the index that they say,
// with that index's content.
func TestCopiedFiles(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(filepath.Join(dir, "db"), Options{Readers: 1, CheckpointBytes: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, pad TEXT) STRICT`)...)
	for i := range 12 {
		var entries []Entry
		for range 5 {
			entries = append(entries, l.entry(bound(fmt.Sprintf(`INSERT INTO t (pad) VALUES (hex(randomblob(%d)))`, 2000+100*i))))
		}
		apply(t, f, entries...)
		f.checkpointer.mu.Lock() // copying takes time, which a crash does not
		copied := filepath.Join(dir, fmt.Sprint("copy", i))
		for _, suffix := range []string{"", "-wal"} {
			copyFile(t, f.path+suffix, copied+suffix)
		}
		f.checkpointer.mu.Unlock()
		g := reopenTest(t, copied)
		wantIndex, _ := f.Applied()
		if index, _ := g.Applied(); index != wantIndex {
			t.Fatalf("the copy is at %d, want %d", index, wantIndex)
		}
		if dump(t, g) != dump(t, f) {
			t.Fatalf("the copy at %d differs", wantIndex)
		}
		g.Close()
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestTornWAL: whatever end of the WAL is lost, as in a power loss, the file
// opens at some batch's end, never between.
func TestTornWAL(t *testing.T) {
	dir := t.TempDir()
	f := reopenTest(t, filepath.Join(dir, "db"))
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER) STRICT`, `INSERT INTO t VALUES (1, 2)`)...)
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		// Each entry sets n to its own index.
		apply(t, f, l.entry(bound(fmt.Sprintf(`UPDATE t SET n = %d`, l.index+1))), l.entry(bound(fmt.Sprintf(`UPDATE t SET n = %d`, l.index+1))))
	}
	wal, err := os.ReadFile(f.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[uint64]bool)
	for end := len(wal); end >= 0; end -= 1700 {
		torn := filepath.Join(dir, fmt.Sprint("torn", end))
		copyFile(t, f.path, torn)
		if err := os.WriteFile(torn+"-wal", wal[:end], 0o600); err != nil {
			t.Fatal(err)
		}
		g := reopenTest(t, torn)
		index, _ := g.Applied()
		seen[index] = true
		if got, want := query(t, g, `SELECT n FROM t`)[0], fmt.Sprintf("(%d)", index); got != want {
			t.Errorf("cut at %d: at index %d the row holds %s", end, index, got)
		}
		g.Close()
	}
	if len(seen) < 3 {
		t.Errorf("the cuts led to the indexes %v only", seen)
	}
}

// TestCheckpoints: the WAL is moved into the file while entries are applied, and
// starts from its beginning, so that it does not grow for ever.
func TestCheckpoints(t *testing.T) {
	var told atomic.Int64
	f, err := Open(filepath.Join(t.TempDir(), "db"), Options{Readers: 1, CheckpointBytes: 256 << 10,
		OnCheckpoint: func(time.Duration) { told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, pad TEXT) STRICT`)...)
	restarts, before := 0, int64(0)
	for range 2000 {
		apply(t, f, l.entry(bound(`INSERT OR REPLACE INTO t VALUES (abs(random()) % 50, hex(randomblob(4000)))`)))
		frames := f.frames.Load()
		if frames < before {
			restarts++
		}
		before = frames
	}
	if restarts == 0 {
		t.Errorf("the WAL grew to %d frames and never started from its beginning", before)
	}
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := f.Durable(); got != l.index {
		t.Errorf("durable up to %d, want %d", got, l.index)
	}
	if got := told.Load(); got <= int64(restarts) {
		t.Errorf("told of %d checkpoints; the WAL started from its beginning %d times, and there was one more", got, restarts)
	}
}

// TestCheckpointWithReader: an open snapshot keeps back what came after it, and
// the durable index with it.
func TestCheckpointWithReader(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s, err := f.Snapshot(context.Background(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	apply(t, f, l.sql(`INSERT INTO t VALUES (1)`)...)
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if got := f.Durable(); got > 2 {
		t.Errorf("durable up to %d", got)
	}
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if got := f.Durable(); got != 2 {
		t.Errorf("durable up to %d, want 2", got)
	}
}

// TestMakeDurable: syncing the WAL makes durable what was applied, whatever a
// reader or a checkpoint keeps back; a sync that fails stops the state machine,
// which then leaves the WAL alone.
func TestMakeDurable(t *testing.T) {
	var synced atomic.Int64
	var fault vfs.Fault
	f, err := Open(filepath.Join(t.TempDir(), "db"), Options{Readers: 1, FS: vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if op.Kind != vfs.OpSync || !strings.HasSuffix(op.Path, "-wal") {
			return vfs.Fault{}
		}
		synced.Add(1)
		return fault
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	s, err := f.Snapshot(context.Background(), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	apply(t, f, l.sql(`INSERT INTO t VALUES (1)`)...)
	for range 2 { // the second time there is nothing to do
		if index, err := f.MakeDurable(); index != 2 || err != nil || f.Durable() != 2 || synced.Load() != 1 {
			t.Errorf("made durable up to %d and %d with %d syncs: %v", index, f.Durable(), synced.Load(), err)
		}
	}
	apply(t, f, l.sql(`INSERT INTO t VALUES (2)`)...)
	fault.Err = syscall.EIO
	if _, err := f.MakeDurable(); !errors.Is(err, syscall.EIO) || f.Durable() != 2 {
		t.Errorf("a failed sync: %v, durable up to %d", err, f.Durable())
	}
	if _, err := f.Apply(l.sql(`INSERT INTO t VALUES (3)`)); !errors.Is(err, syscall.EIO) {
		t.Errorf("then Apply says %v", err)
	}
	s.Close()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(f.path + "-wal"); err != nil {
		t.Errorf("closed, the state machine relied on a WAL that could not be synced: %v", err)
	}
}

// TestOpenAfterFailedSync: a process ended because the disk could not take what
// was applied last. The kernel has given up writing it, shows it to the next
// process all the same, and says of the next sync that it succeeded. What that
// process calls durable must survive the loss of power.
func TestOpenAfterFailedSync(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`, `INSERT INTO t VALUES (1)`)...)
	path := filepath.Join(t.TempDir(), "db")
	copyFile(t, f.path, path)
	copyFile(t, f.path+"-wal", path+"-wal")

	var written [][2]int64
	var onDisk []byte // of the WAL
	g, err := Open(path, Options{Readers: 1, FS: vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if !strings.HasSuffix(op.Path, "-wal") {
			return vfs.Fault{}
		}
		switch op.Kind {
		case vfs.OpWrite:
			written = append(written, [2]int64{op.Offset, op.Offset + int64(op.Bytes)})
		case vfs.OpSync:
			shown, err := os.ReadFile(op.Path)
			if err != nil {
				t.Error(err)
			}
			for _, w := range written {
				onDisk = append(onDisk, make([]byte, max(0, w[1]-int64(len(onDisk))))...)
				copy(onDisk[w[0]:w[1]], shown[w[0]:])
			}
			written = nil
		}
		return vfs.Fault{}
	})})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if index, err := g.MakeDurable(); index != l.index || err != nil {
		t.Errorf("made durable up to %d: %v", index, err)
	}
	after := filepath.Join(t.TempDir(), "db")
	copyFile(t, path, after)
	if err := os.WriteFile(after+"-wal", onDisk, 0o600); err != nil {
		t.Fatal(err)
	}
	h := reopenTest(t, after)
	if index, _ := h.Applied(); index < g.Durable() {
		t.Errorf("durable were %d entries, and after the loss of power there are %d", g.Durable(), index)
	}
}

// TestOpenRefuses: what is not ours, or not of this version, is left alone.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	make := func(name, script string) string {
		path := filepath.Join(dir, name)
		db, err := sqlite.Open(path, sqlite.Create)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Exec(script); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{
		{make("foreign", `CREATE TABLE t (a)`), "not a database of Quorate's"},
		{make("newer", fmt.Sprintf(`PRAGMA application_id=%d; PRAGMA user_version=99; CREATE TABLE t (a)`, applicationID)), "format is 99"},
		{text, "file is not a database"},
		{filepath.Join(dir, "no", "such", "directory"), "unable to open"},
	} {
		_, err := Open(c.path, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", filepath.Base(c.path), err, c.want)
		}
	}
}

// TestClose: a closed FSM says so, and its files open again.
func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := reopenTest(t, path)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY) STRICT`)...)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Apply(l.sql(`INSERT INTO t VALUES (1)`)); !errors.Is(err, ErrClosed) {
		t.Errorf("Apply says %v", err)
	}
	if _, err := f.Snapshot(context.Background(), 1, false); !errors.Is(err, ErrClosed) {
		t.Errorf("Snapshot says %v", err)
	}
	if err := f.Close(); err != nil {
		t.Errorf("the second Close says %v", err)
	}
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the WAL is still there: %v", err)
	}
	if got := reopenTest(t, path).Schema().Version; got != 1 {
		t.Errorf("reopened with schema version %d", got)
	}
}

// TestSize: the size is that of the data: how long the WAL has become, and
// whether there was a checkpoint, does not show.
func TestSize(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB) STRICT`,
		`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i, randomblob(4096) FROM n`,
	)...)
	size := f.Size()
	if size < 100*4096 || size > 250*4096 {
		t.Errorf("a hundred pages take %d bytes", size)
	}
	for range 5 {
		apply(t, f, l.sql(`UPDATE t SET a = randomblob(4096)`)...)
	}
	if again := f.Size(); again != size {
		t.Errorf("other data of the same size: %d bytes, not %d", again, size)
	}
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if again := f.Size(); again != size {
		t.Errorf("after a checkpoint: %d bytes, not %d", again, size)
	}
	f.checkpointer.mu.Lock() // as while a checkpoint runs
	apply(t, f, l.sql(`INSERT INTO t (a) SELECT a FROM t`)...)
	grown := f.Size()
	f.checkpointer.mu.Unlock()
	if grown < 2*size-20*4096 {
		t.Errorf("twice the data: %d bytes, not 2 * %d", grown, size)
	}
	f.Close()
	if again := f.Size(); again != grown {
		t.Errorf("when closed: %d bytes, not %d", again, grown)
	}
}
