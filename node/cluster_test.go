package node

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"quorate/internal/value"
	"quorate/internal/vfs"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlplan"
)

// cluster is a few nodes in this process, with real disks and sockets.
type cluster struct {
	nodes []*Node
	stop  []context.CancelFunc
	done  []chan error
	dir   string
	fs    func(i int) vfs.FS
	tune  func(*Config)
}

// startCluster starts a cluster and waits until it has a leader that every
// node follows.
func startCluster(t testing.TB, members int) *cluster {
	t.Helper()
	return startClusterOn(t, members, func(int) vfs.FS { return vfs.OS{} })
}

// startClusterOn starts a cluster whose logs are on the given file systems.
func startClusterOn(t testing.TB, members int, fs func(i int) vfs.FS) *cluster {
	t.Helper()
	return startClusterWith(t, members, fs, func(*Config) {})
}

// startClusterWith starts a cluster with other settings than usual.
func startClusterWith(t testing.TB, members int, fs func(i int) vfs.FS, tune func(*Config)) *cluster {
	t.Helper()
	c := &cluster{dir: t.TempDir(), fs: fs, tune: tune}
	var initial []raft.Member
	var bound []listeners
	for i := range members {
		l := bind(t)
		bound = append(bound, l)
		initial = append(initial, raft.Member{Name: fmt.Sprint("n", i+1), Address: l.peer.Addr().String()})
	}
	t.Cleanup(c.close)
	for i, m := range initial {
		cfg := c.config(t, m.Name)
		cfg.InitialCluster, cfg.PeerAdvertise = initial, m.Address
		c.run(t, cfg, bound[i])
	}
	for _, n := range c.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// bind takes three ports.
func bind(t testing.TB) (l listeners) {
	t.Helper()
	for _, to := range []*net.Listener{&l.sql, &l.peer, &l.admin} {
		var err error
		if *to, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func (c *cluster) config(t testing.TB, name string) Config {
	cfg := testConfig(t, name, filepath.Join(c.dir, name))
	c.tune(&cfg)
	return cfg
}

// run opens and runs one more node.
func (c *cluster) run(t testing.TB, cfg Config, l listeners) *Node {
	t.Helper()
	i := len(c.nodes)
	c.nodes, c.stop, c.done = append(c.nodes, nil), append(c.stop, nil), append(c.done, nil)
	return c.runAt(t, i, cfg, l)
}

// runAt opens and runs the node in the place of one that has stopped.
func (c *cluster) runAt(t testing.TB, i int, cfg Config, l listeners) *Node {
	t.Helper()
	n, err := open(context.Background(), cfg, l, c.fs(i))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	c.nodes[i], c.stop[i], c.done[i] = n, stop, done
	return n
}

// join starts a node that enters the cluster by the address of the first node.
func (c *cluster) join(t testing.TB, name string, learner bool) *Node {
	t.Helper()
	l := bind(t)
	cfg := c.config(t, name)
	cfg.Join, cfg.JoinLearner, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, learner, l.peer.Addr().String()
	return c.run(t, cfg, l)
}

// restart starts a stopped node again, at the same addresses.
func (c *cluster) restart(t testing.TB, i int) *Node {
	t.Helper()
	old := c.nodes[i]
	cfg := c.config(t, old.cfg.Name)
	cfg.InitialCluster, cfg.Join, cfg.PeerAdvertise = old.cfg.InitialCluster, old.cfg.Join, old.cfg.PeerAdvertise
	cfg.PeerListen = old.cfg.PeerAdvertise
	return c.runAt(t, i, cfg, listeners{})
}

func (c *cluster) close() {
	for i := range c.nodes {
		c.stopNode(i)
	}
}

// stopNode stops a node cleanly; again: nothing.
func (c *cluster) stopNode(i int) error {
	if c.done[i] == nil {
		return nil
	}
	c.stop[i]()
	err := <-c.done[i]
	c.done[i] = nil
	return err
}

// leader returns the position of the node that leads.
func (c *cluster) leader(t testing.TB) int {
	t.Helper()
	for i, n := range c.nodes {
		if !n.InRecovery() {
			return i
		}
	}
	t.Fatal("no node leads")
	return -1
}

// raw is a statement in SQLite's own words.
func raw(n *Node, kind sqlplan.Kind, sql string, schema bool, args ...value.Value) sqlplan.Bound {
	return sqlplan.Bound{Args: args, Plan: &sqlplan.Plan{
		Kind: kind, Source: sql, SQL: sql, Schema: schema, SchemaVersion: n.Schema().Version,
	}}
}

// execute runs one write and fails the test if it fails.
func execute(t testing.TB, n *Node, b sqlplan.Bound) {
	t.Helper()
	if _, err := n.Execute(context.Background(), []sqlplan.Bound{b}); err != nil {
		t.Fatal(err)
	}
}

// count asks a node how many rows there are in kv.
func count(t testing.TB, n *Node, level pgwire.Consistency) int64 {
	t.Helper()
	if level == pgwire.Linearizable { // a session would plan again instead
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := n.Snapshot(context.Background(), level, n.Schema().Version, false)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.Query(raw(n, sqlplan.Read, "SELECT count(*) FROM kv", false))
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	row, err := rows.Next()
	if err != nil {
		t.Fatal(err)
	}
	return row[0].Int()
}

// TestWritesThroughEveryNode writes through every node of a cluster and reads
// everything back, linearizable, from every other.
func TestWritesThroughEveryNode(t *testing.T) {
	c := startCluster(t, 3)
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
	for i, n := range c.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
		execute(t, n, raw(n, sqlplan.Write, "INSERT INTO kv VALUES(?1, 'x')", false, value.Int(int64(i))))
		for j, m := range c.nodes {
			if got := count(t, m, pgwire.Linearizable); got != int64(i+1) {
				t.Errorf("after %d writes node %d reads %d rows", i+1, j+1, got)
			}
		}
	}
}

// TestLeaderStops stops the leader while sessions write through the other two
// nodes: every write succeeds, and is there once.
func TestLeaderStops(t *testing.T) {
	c := startCluster(t, 3)
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
	leader := c.leader(t)
	const sessions, writes = 8, 100
	half := make(chan struct{}, sessions)
	var wg sync.WaitGroup
	for s := range sessions {
		n := c.nodes[(leader+1+s%2)%3]
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range writes {
				if i == writes/2 {
					half <- struct{}{}
				}
				b := raw(n, sqlplan.Write, "INSERT INTO kv VALUES(?1, 'x')", false, value.Int(int64(s*writes+i)))
				if _, err := n.Execute(context.Background(), []sqlplan.Bound{b}); err != nil {
					t.Errorf("session %d, write %d: %v", s, i, err)
				}
			}
		})
	}
	<-half
	if err := c.stopNode(leader); err != nil {
		t.Errorf("the leader stops with %v", err)
	}
	wg.Wait()
	for i, n := range c.nodes {
		if i != leader {
			if got := count(t, n, pgwire.Linearizable); got != sessions*writes {
				t.Errorf("node %d has %d rows, want %d", i+1, got, sessions*writes)
			}
		}
	}
}

// BenchmarkExecute measures writes through the leader and a follower without
// the front door.
func BenchmarkExecute(b *testing.B) {
	for _, sessions := range []int{1, 64, 256} {
		b.Run(fmt.Sprint("sessions=", sessions), func(b *testing.B) {
			c := startCluster(b, 3)
			execute(b, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
			leader := c.nodes[c.leader(b)]
			if err := leader.CatchUp(context.Background()); err != nil {
				b.Fatal(err)
			}
			var next sync.Mutex
			left := b.N
			b.ResetTimer()
			var wg sync.WaitGroup
			for range sessions {
				wg.Go(func() {
					for {
						next.Lock()
						left--
						i := left
						next.Unlock()
						if i < 0 {
							return
						}
						execute(b, leader, raw(leader, sqlplan.Write, "INSERT INTO kv VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v", false,
							value.Int(int64(i%10_000)), value.String(fmt.Sprintf("%0100d", i))))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
		})
	}
}
