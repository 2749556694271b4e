package node

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quorate/admin"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/sqlplan"
)

// What can come between a quarantine and its end: images of the core's, images that
// take long to make, images of the damaged database.

// heldFS holds file operations of a node back.
type heldFS struct {
	vfs.FS
	// before is told of each file that is created, or comes to its name.
	before func(name string)
}

func (f heldFS) Create(path string) (vfs.File, error) {
	f.before(filepath.Base(path))
	return f.FS.Create(path)
}

func (f heldFS) Rename(from, to string) error {
	f.before(filepath.Base(to))
	return f.FS.Rename(from, to)
}

// quarantineOnDisk makes a stopped node one that was quarantined when it stopped.
func quarantineOnDisk(t *testing.T, n *Node) {
	t.Helper()
	m := memory{Format: divergenceFormat, Quarantined: true, Findings: []finding{{Index: 3, Statement: "x"}}}
	if err := m.write(vfs.OS{}, n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
}

// TestImageComesFirst: a quarantined node that was away for long is started again.
// The core has an image installed, for the leader has not the entries any more, before
// the node has kept a copy of the damaged database and asks for one itself. That
// image will do.
func TestImageComesFirst(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	if err := d.stopNode(victim); err != nil {
		t.Fatal(err)
	}
	n := d.nodes[victim]
	change(t, n.cfg.DataDir, 5)
	quarantineOnDisk(t, n)
	leader := d.nodes[d.leader(t)]
	last := n.view.Load().raft.Commit
	long := strings.Repeat("x", 10_000)
	until(t, "the others' logs are cut beyond the node's", func() bool {
		execute(t, leader, raw(leader, sqlplan.Write, "UPDATE kv SET v = v + 1 WHERE k = 7 AND '"+long+"' <> ''", false))
		base, _ := leader.log.Base()
		return base > last
	})

	copied := make(chan struct{})
	d.fs = func(i int) vfs.FS {
		return heldFS{vfs.OS{}, func(name string) {
			if i == victim && name == damagedFile {
				<-copied
			}
		}}
	}
	n = d.restart(t, victim)
	until(t, "the core has its image", func() bool { return n.discarding() == nil })
	close(copied)
	d.awaitMended(victim)
	d.sameEverywhere()
}

// TestSlowImage: making an image takes as long as 200 writes do, and the quarantined
// node waits less at first. It must not ask for a newer and newer one.
func TestSlowImage(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	var written atomic.Int64
	stop := make(chan struct{})
	d.tune = tuned(d.tune, func(c *Config) { c.seedPatience = 5 * time.Millisecond })
	d.fs = func(int) vfs.FS {
		return heldFS{vfs.OS{}, func(name string) {
			if !strings.HasPrefix(name, "outgoing-") {
				return
			}
			for end := written.Load() + 200; written.Load() < end; {
				select {
				case <-time.After(time.Millisecond):
				case <-stop:
					return
				}
			}
		}}
	}
	for i := range d.nodes {
		if err := d.stopNode(i); err != nil {
			t.Fatal(err)
		}
		if i == victim {
			change(t, d.nodes[i].cfg.DataDir, 5)
		}
		d.restart(t, i)
		until(t, "a leader", func() bool { return d.nodes[i].view.Load().raft.Leader != 0 })
	}
	n := d.nodes[d.other(victim)]
	var writing sync.WaitGroup
	defer writing.Wait()
	defer close(stop)
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// Between the first entry and the quarantine it may be in doubt.
			if _, err := n.Execute(context.Background(), []sqlplan.Bound{raw(n, sqlplan.Write, "UPDATE kv SET v = v + 1 WHERE k = 7", false)}); err == nil {
				written.Add(1)
			}
		}
	})
	d.awaitMended(victim)
}

// TestVerifyQuarantined: a quarantined member has no part in comparisons, and says
// so at once: it applies nothing, so it would never come to their mark.
func TestVerifyQuarantined(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	if err := d.stopNode(victim); err != nil {
		t.Fatal(err)
	}
	m := memory{Format: divergenceFormat, Quarantined: true, Final: true, Findings: make([]finding, 2)}
	if err := m.write(vfs.OS{}, d.nodes[victim].cfg.DataDir); err != nil {
		t.Fatal(err)
	}
	d.restart(t, victim)
	good := d.nodes[d.other(victim)]
	until(t, "the member is connected", func() bool {
		_, err := good.askVerify(context.Background(), d.nodes[victim].id, verifyQuestion{ID: make([]byte, len(verifyID{})), Op: verifyEnd})
		return err == nil
	})
	report := verify(t, good)
	if want := d.nodes[victim].cfg.Name + " is not compared: it is quarantined"; report.Verdict != admin.VerdictIncomplete || !strings.Contains(showReport(report), want) {
		t.Errorf("the others are compared:\n%s", showReport(report))
	}
	_, err := d.nodes[victim].Verify(context.Background(), admin.VerifyOptions{Wait: time.Minute}, func(admin.VerifyProgress) {})
	if err == nil || !strings.Contains(err.Error(), "cannot take part: it is quarantined") {
		t.Errorf("the quarantined member compares: %v", err)
	}
}

// tuned is one setting after the other.
func tuned(a, b func(*Config)) func(*Config) { return func(c *Config) { a(c); b(c) } }

// TestDamagedImageIsForgotten: a node has made an image of its damaged database, which
// it keeps for a minute in case somebody needs it. When it has another database that
// is at the same entry, nobody gets that image.
func TestDamagedImageIsForgotten(t *testing.T) {
	d := startDivergent(t, 3)
	victim := (d.leader(t) + 1) % 3
	n := d.nodes[victim]

	d.tune = tuned(d.tune, func(c *Config) {
		if c.Name == n.cfg.Name {
			c.standing = time.Hour
		}
	})
	d.damage(victim)
	n = d.nodes[victim]
	entry := d.touch(d.other(victim))
	until(t, "the damaged node has applied the entry", func() bool { return n.progress.applied() >= entry })
	saved, err := n.SaveSnapshot(context.Background(), true)
	if err != nil {
		t.Fatal(err)
	}
	if err := saved.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := n.snapshots.Outgoing(context.Background(), entry)
	if err != nil {
		t.Fatal(err)
	}
	damaged := before.Image
	before.Release()

	until(t, "the node is quarantined", func() bool { n.compare(0); return n.quarantine.Load() != nil })
	d.awaitMended(victim)
	if at, _ := n.fsm.Applied(); raft.Index(at) != damaged.Snapshot.Index {
		t.Fatalf("the node is at entry %d, its damaged image at %d: the test shows nothing", at, damaged.Snapshot.Index)
	}
	after, err := n.snapshots.Outgoing(context.Background(), damaged.Snapshot.Index)
	if err != nil {
		t.Fatal(err)
	}
	defer after.Release()
	if after.SHA256 == damaged.SHA256 {
		t.Error("a member, or an operator, is sent the damaged database")
	}
}
