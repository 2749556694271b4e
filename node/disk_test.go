package node

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlplan"
)

// What becomes of a cluster whose disks are full.

// fullDisk is a file system that says it is full, or whose log finds no room.
type fullDisk struct {
	vfs.FS
	low, full atomic.Bool
}

func newFullDisk() *fullDisk {
	d := &fullDisk{}
	d.FS = vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if d.full.Load() && strings.HasSuffix(op.Path, ".wal") && (op.Kind == vfs.OpWrite || op.Kind == vfs.OpPreallocate) {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		return vfs.Fault{}
	})
	return d
}

// Free implements vfs.FS.
func (d *fullDisk) Free(dir string) (int64, error) {
	if d.low.Load() {
		return 0, nil
	}
	return 1 << 40, nil
}

// disks are the file systems of three nodes.
func startOnDisks(t *testing.T) (*cluster, []*fullDisk) {
	disks := []*fullDisk{newFullDisk(), newFullDisk(), newFullDisk()}
	c := startClusterWith(t, 3, func(i int) vfs.FS { return disks[i] }, func(cfg *Config) {
		cfg.MinFreeBytes, cfg.QuorumTimeout = 1<<20, 8*time.Second
	})
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
	return c, disks
}

// failedCheck returns what /readyz says of one thing.
func failedCheck(n *Node, name string) error {
	for _, c := range n.Checks() {
		if c.Name == name {
			return c.Err
		}
	}
	return errors.New("there is no such check")
}

// TestFirstStartWithoutRoom starts a node where there is no room for its log: it is
// the disk that it blames, not the data directory.
func TestFirstStartWithoutRoom(t *testing.T) {
	full := vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if op.Kind == vfs.OpWrite || op.Kind == vfs.OpPreallocate {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		return vfs.Fault{}
	})
	_, err := open(context.Background(), testConfig(t, "n1", t.TempDir()), listeners{}, full)
	var exit *exitcode.Error
	if !errors.As(err, &exit) || exit.Code != exitcode.DiskFull || exit.Hint != hintRoom {
		t.Errorf("%+v", err)
	}
}

// refused writes through a node and shows that it is told, long before its
// patience is at an end, that there is no room.
func refused(t *testing.T, n *Node, row string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), n.cfg.QuorumTimeout/2)
	defer cancel()
	_, err := n.Execute(ctx, []sqlplan.Bound{raw(n, sqlplan.Write, "INSERT INTO kv VALUES("+row+")", false)})
	isFull(t, err)
}

// roomAgain waits until every node knows that there is room, and the leader that
// they all know: a heartbeat tells it.
func roomAgain(t *testing.T, c *cluster) {
	t.Helper()
	for _, n := range c.nodes {
		until(t, "every node has room", func() bool { return n.disk.full() == nil })
	}
	until(t, "the leader knows that all have room", func() bool {
		for _, n := range c.nodes {
			if s := n.view.Load().raft; s.Role == raft.Leader {
				return !slices.ContainsFunc(s.Peers, func(p raft.PeerStatus) bool { return p.Full })
			}
		}
		return false
	})
}

func isFull(t *testing.T, err error) {
	t.Helper()
	var known *errcode.Error
	if !errors.As(err, &known) || known.Code != errcode.DiskFull || known.Hint == "" {
		t.Errorf("a write without room ends with %v, want 53100", err)
	}
}

// TestDiskFull fills the leader's disk: another node leads, and the writes of the
// others' sessions go on. Then it fills all of them: writes are refused through
// every node, reads go on. When there is room, writes do, and nothing is to be
// mended.
func TestDiskFull(t *testing.T) {
	c, disks := startOnDisks(t)
	first := c.leader(t)
	disks[first].low.Store(true)
	until(t, "another node leads", func() bool {
		leader := c.nodes[(first+1)%3].view.Load().raft.Leader
		return leader != 0 && leader != c.nodes[first].id
	})
	refused(t, c.nodes[first], "99, 'lost'")
	insert(t, c.nodes[(first+1)%3], 0, 20)
	if failedCheck(c.nodes[first], "disk") == nil {
		t.Error("a node whose disk is full is ready")
	}

	disks[first].low.Store(false)
	if got := count(t, c.nodes[first], pgwire.Linearizable); got != 20 {
		t.Errorf("the node that has room again reads %d rows, want 20", got)
	}
	for _, d := range disks {
		d.low.Store(true)
	}
	for _, n := range c.nodes {
		until(t, "every node knows that its disk is full", func() bool { return n.disk.full() != nil })
	}
	for i, n := range c.nodes {
		refused(t, n, "99, 'lost'")
		if got := count(t, n, pgwire.Linearizable); got != 20 {
			t.Errorf("node %d reads %d rows, want 20", i+1, got)
		}
	}
	for _, d := range disks {
		d.low.Store(false)
	}
	roomAgain(t, c)
	insert(t, c.nodes[first], 20, 30)
	for i, n := range c.nodes {
		if got := count(t, n, pgwire.Linearizable); got != 30 {
			t.Errorf("node %d reads %d rows, want 30", i+1, got)
		}
	}
}

// TestLogFindsNoRoom fills the leader's disk so suddenly that the log cannot be
// written. The leader goes on without, another one leads, and when there is room
// the old one catches up by itself.
func TestLogFindsNoRoom(t *testing.T) {
	c, disks := startOnDisks(t)
	first := c.leader(t)
	disks[first].full.Store(true)
	insert(t, c.nodes[(first+1)%3], 0, 10)
	until(t, "another node leads", func() bool {
		leader := c.nodes[(first+1)%3].view.Load().raft.Leader
		return leader != 0 && leader != c.nodes[first].id
	})
	insert(t, c.nodes[(first+2)%3], 10, 20)
	disks[first].full.Store(false)
	if got := count(t, c.nodes[first], pgwire.Linearizable); got != 20 {
		t.Errorf("the old leader reads %d rows, want 20", got)
	}
	insert(t, c.nodes[first], 20, 30)
}

// TestNoRoomAnywhere fills all disks so suddenly that no log can be written, with
// a write under way. The leader stays and reads go on; when there is room, that
// write is carried out, or was refused, and others are.
func TestNoRoomAnywhere(t *testing.T) {
	c, disks := startOnDisks(t)
	insert(t, c.nodes[0], 0, 10)
	for _, n := range c.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	leader := c.nodes[c.leader(t)]
	for _, d := range disks {
		d.full.Store(true)
	}
	underWay := make(chan error, 1)
	go func() {
		_, err := leader.Execute(context.Background(), []sqlplan.Bound{raw(leader, sqlplan.Write, "INSERT INTO kv VALUES(10, 'under way')", false)})
		underWay <- err
	}()
	for _, n := range c.nodes {
		until(t, "every node knows that its log finds no room", func() bool { return n.disk.full() != nil })
	}
	refused(t, leader, "99, 'lost'")
	for i, n := range c.nodes {
		if got := count(t, n, pgwire.Linearizable); got != 10 {
			t.Errorf("node %d reads %d rows, want 10", i+1, got)
		}
	}
	for _, d := range disks {
		d.full.Store(false)
	}
	want := int64(20)
	if err := <-underWay; err != nil { // a write of the log's own found no room before it
		isFull(t, err)
		want--
	}
	roomAgain(t, c)
	insert(t, c.nodes[0], 11, 20)
	if got := count(t, c.nodes[1], pgwire.Linearizable); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// roomFS says how much is free in a directory.
type roomFS struct {
	vfs.FS
	free map[string]int64
}

func (f roomFS) Free(dir string) (int64, error) {
	if free, ok := f.free[dir]; ok {
		return free, nil
	}
	return 0, syscall.ENOSYS
}

// TestWhyFull: SQLite says "full" of more than the disk of the database; what is
// known of the disks is told, and nothing is called full that is not.
func TestWhyFull(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("SQLITE_TMPDIR", temporary)
	const data = "/data"
	for name, c := range map[string]struct {
		free map[string]int64
		want string
	}{
		"the disk":     {map[string]int64{data: 3 << 20, temporary: 1 << 40}, "/data has 3 MiB free, and " + temporary + ", where SQLite has temporary files, 1048576 MiB"},
		"temporary":    {map[string]int64{data: 1 << 40, temporary: 0}, "temporary files, 0 MiB"},
		"neither":      {map[string]int64{data: 1 << 40, temporary: 1 << 40}, "1048576 MiB: neither is full, so look for a quota of this user; an SQLite database cannot have more than 16 TiB"},
		"nobody knows": {nil, "it is not known how much is free"},
	} {
		n := &Node{fs: roomFS{vfs.OS{}, c.free}, cfg: Config{DataDir: data}}
		full := errors.New("database or disk is full")
		if err := n.whyFull(full); !errors.Is(err, full) || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
