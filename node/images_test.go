package node

import (
	"bytes"
	"crypto/sha256"
	"path/filepath"
	"strings"
	"testing"

	"quorate/pgwire"
	"quorate/raft"
	"quorate/snapshot"
	"quorate/sqlplan"
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

// TestDeposedSender hands the leadership over while the leader sends an image, which
// would take it half an hour. It stops: the new leader, which has the whole log,
// brings the member up.
func TestDeposedSender(t *testing.T) {
	c := kvCluster(t, 3, func(cfg *Config) {
		if cfg.SnapshotRate = 1000; cfg.Name == "n1" {
			small(cfg)
		}
	})
	first, third := c.nodes[0], c.nodes[2]
	if _, err := first.TransferLeadership(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if err := c.stopNode(1); err != nil {
		t.Fatal(err)
	}
	execute(t, first, raw(first, sqlplan.Write, "INSERT INTO kv VALUES(1000, hex(zeroblob(1000000)))", false))
	insert(t, first, 0, 500)
	until(t, "the log is cut", func() bool { return base(first) > 100 })
	second := c.restart(t, 1)
	until(t, "the leader sends an image", func() bool { return metric(t, first, "snapshot_transfers_active") == 1 })
	if _, err := first.TransferLeadership(t.Context(), "n3"); err != nil {
		t.Fatal(err)
	}
	until(t, "it sends it no more", func() bool { return metric(t, first, "snapshot_transfers_active") == 0 })
	insert(t, third, 500, 510)
	if got := count(t, second, pgwire.Linearizable); got != 511 {
		t.Errorf("the member that was behind reads %d rows, want 511", got)
	}
}

// metric returns the sum of a node's gauges of the name.
func metric(t *testing.T, n *Node, name string) (sum float64) {
	t.Helper()
	families, err := n.cfg.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasSuffix(f.GetName(), name) {
			for _, m := range f.GetMetric() {
				sum += m.GetGauge().GetValue()
			}
		}
	}
	return sum
}
