package sqlfsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"quorate/internal/sqlite"
	"quorate/internal/vfs"
)

// TestImageWhileApplying: images that are made while entries are applied are
// each at exactly one index, with that index's content and nothing beside the
// file, and are databases for anyone.
func TestImageWhileApplying(t *testing.T) {
	dir := t.TempDir()
	f, err := Open(filepath.Join(dir, "db"), Options{Readers: 1, CheckpointBytes: 128 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	all := l.sql(`CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, pad TEXT) STRICT`)
	apply(t, f, all...)

	const images = 5
	made := make(chan ImageInfo, images)
	go func() {
		defer close(made)
		for i := range images {
			info, err := f.Image(context.Background(), filepath.Join(dir, fmt.Sprint("image", i)))
			if err != nil {
				t.Error(err)
				return
			}
			made <- info
		}
	}()
	var infos []ImageInfo
	for open := true; open; {
		entries := l.sql(`INSERT OR REPLACE INTO t VALUES (abs(random()) % 500, random(), hex(randomblob(2000)))`, `UPDATE t SET n = n + 1 WHERE id % 7 = 0`)
		apply(t, f, entries...)
		all = append(all, entries...)
		select {
		case info, more := <-made:
			if open = more; more {
				infos = append(infos, info)
			}
		default:
		}
	}

	replayed, at := reopenTest(t, filepath.Join(dir, "replayed")), 0
	for i, info := range infos {
		path := filepath.Join(dir, fmt.Sprint("image", i))
		image, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if int64(len(image)) != info.Bytes || sha256.Sum256(image) != info.SHA256 {
			t.Errorf("image %d has other bytes than Image says", i)
		}
		checkPlain(t, path)
		apply(t, replayed, all[at:info.Index]...)
		at = int(info.Index)
		g := reopenTest(t, path)
		if index, term := g.Applied(); index != info.Index || term != info.Term {
			t.Errorf("image %d is at %d of term %d, and Image says %d of term %d", i, index, term, info.Index, info.Term)
		}
		if dump(t, g) != dump(t, replayed) {
			t.Errorf("image %d, at %d, differs from the log up to there", i, info.Index)
		}
		g.Close()
	}
	if len(infos) != images || !slices.IsSortedFunc(infos, func(a, b ImageInfo) int { return int(a.Index) - int(b.Index) }) {
		t.Errorf("the images are %v", infos)
	}
}

// checkPlain checks that a file is a whole database by itself: sound, without
// WAL, and without anything that opening it leaves behind.
func checkPlain(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(path, sqlite.Existing)
	if err != nil {
		t.Fatal(err)
	}
	c := &connection{db: db, cache: newCache(1)}
	defer c.close()
	for pragma, want := range map[string]string{"integrity_check": "ok", "journal_mode": "delete"} {
		if got, err := c.queryText("PRAGMA " + pragma); got != want || err != nil {
			t.Errorf("%s: %s is %q, %v", path, pragma, got, err)
		}
	}
	beside, err := filepath.Glob(path + "-*")
	if len(beside) > 0 || err != nil {
		t.Errorf("beside %s there are %v, %v", path, beside, err)
	}
}

// TestImageFails: an image that cannot be finished leaves no file and does no
// harm to the state machine.
func TestImageFails(t *testing.T) {
	dir := t.TempDir()
	var fault func(vfs.Op) vfs.Fault
	f, err := Open(filepath.Join(dir, "db"), Options{Readers: 1,
		FS: vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
			if fault == nil || !strings.HasPrefix(filepath.Base(op.Path), "image") {
				return vfs.Fault{}
			}
			return fault(op)
		})})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a BLOB) STRICT`,
		`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 600) SELECT i, randomblob(4096) FROM n`)...)

	path := filepath.Join(dir, "image")
	cancelled, cancel := context.WithCancel(context.Background())
	full := vfs.Fault{Err: syscall.ENOSPC, Partial: 10}
	for _, c := range []struct {
		name  string
		want  error
		fault func(vfs.Op) vfs.Fault
	}{
		{"no room at the start", syscall.ENOSPC, func(op vfs.Op) (fault vfs.Fault) {
			if op.Kind == vfs.OpPreallocate {
				fault = full
			}
			return fault
		}},
		{"no room later", syscall.ENOSPC, func(op vfs.Op) (fault vfs.Fault) {
			if op.Kind == vfs.OpWrite && op.Offset > 0 {
				fault = full
			}
			return fault
		}},
		{"a failed sync", syscall.EIO, func(op vfs.Op) (fault vfs.Fault) {
			if op.Kind == vfs.OpSync {
				fault.Err = syscall.EIO
			}
			return fault
		}},
		{"cancelled", context.Canceled, func(op vfs.Op) vfs.Fault {
			if op.Kind == vfs.OpWrite {
				cancel()
			}
			return vfs.Fault{}
		}},
	} {
		fault = c.fault
		if _, err := f.Image(cancelled, path); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the file is there: %v", c.name, err)
		}
	}
	fault = nil
	apply(t, f, l.sql(`DELETE FROM t WHERE id > 1`)...)
	if info, err := f.Image(context.Background(), path); err != nil || info.Index != l.index {
		t.Errorf("then the image is at %d: %v", info.Index, err)
	}

	// Closing does not wait for an image.
	fault = func(op vfs.Op) vfs.Fault {
		if op.Kind == vfs.OpPreallocate {
			f.fail(ErrClosed)
		}
		return vfs.Fault{}
	}
	if _, err := f.Image(context.Background(), filepath.Join(dir, "image2")); !errors.Is(err, ErrClosed) {
		t.Errorf("closed while an image is made: %v", err)
	}
	if _, err := f.Image(context.Background(), filepath.Join(dir, "image3")); !errors.Is(err, ErrClosed) {
		t.Errorf("closed before: %v", err)
	}
}
