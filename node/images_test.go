package node

import (
	"bytes"
	"crypto/sha256"
	"path/filepath"
	"testing"

	"quorate/raft"
	"quorate/snapshot"
)

// TestImagesThatAreNotNeeded gives a node images that its core has no use for:
// one that it is beyond, and one of a leader that leads no more, which it comes to
// be beyond. They do not stay on the disk.
func TestImagesThatAreNotNeeded(t *testing.T) {
	c := kvCluster(t, 1, small)
	if err := c.stopNode(0); err != nil {
		t.Fatal(err)
	}
	n := c.restart(t, 0) // in term 2
	content := bytes.Repeat([]byte("image"), 1000)
	receive := func(index raft.Index) {
		t.Helper()
		w, err := n.snapshots.Receive(snapshot.Header{From: 77, Term: 1, Snapshot: raft.Snapshot{Index: index, Term: 1},
			Bytes: int64(len(content)), SHA256: sha256.Sum256(content)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		names, err := filepath.Glob(filepath.Join(n.cfg.DataDir, "snapshots", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	receive(2)
	until(t, "the image that is too old is gone", func() bool { return left() == 0 })
	receive(300)
	insert(t, n, 0, 100)
	if _, ok := n.snapshots.Path(300); !ok {
		t.Error("an image is gone that the database has not reached")
	}
	insert(t, n, 100, 600)
	until(t, "the image that is too old by now is gone", func() bool { return left() == 0 })
}
