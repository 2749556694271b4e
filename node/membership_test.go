package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"quorate/admin"
	"quorate/internal/exitcode"
	"quorate/internal/value"
	"quorate/internal/vfs"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlplan"
)

// Members that come, move up, and go, while the cluster is in use.

// kvCluster is a cluster with a table kv.
func kvCluster(t *testing.T, members int, tune func(*Config)) *cluster {
	t.Helper()
	return kvClusterOn(t, members, vfs.OS{}, tune)
}

// kvClusterOn is kvCluster on a file system.
func kvClusterOn(t *testing.T, members int, fs vfs.FS, tune func(*Config)) *cluster {
	t.Helper()
	c := startClusterWith(t, members, func(int) vfs.FS { return fs }, tune)
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
	for _, n := range c.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// insert writes rows [from, to) through a node.
func insert(t *testing.T, n *Node, from, to int) {
	t.Helper()
	if err := n.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := from; i < to; i++ {
		execute(t, n, raw(n, sqlplan.Write, "INSERT INTO kv VALUES(?1, ?2)", false, value.Int(int64(i)), value.String(fmt.Sprintf("%0200d", i))))
	}
}

// suffrage returns what a node believes of a member, "" if it is none.
func suffrage(n *Node, name string) string {
	for _, m := range n.Cluster() {
		if m.Name == name {
			return m.Suffrage
		}
	}
	return ""
}

// TestJoin lets a node join. It comes in as a learner, gets everything, becomes
// a voter by itself, and is still one after a restart of its own and of all.
func TestJoin(t *testing.T) {
	c := kvCluster(t, 3, func(*Config) {})
	insert(t, c.nodes[1], 0, 50)
	n4 := c.join(t, "n4", false)
	until(t, "n4 is a voter", func() bool { return suffrage(n4, "n4") == "voter" })
	if got := count(t, n4, pgwire.Linearizable); got != 50 {
		t.Errorf("n4 reads %d rows, want 50", got)
	}
	insert(t, n4, 50, 60)
	if err := c.stopNode(3); err != nil {
		t.Fatal(err)
	}
	insert(t, c.nodes[0], 60, 70)
	n4 = c.restart(t, 3)
	if got := count(t, n4, pgwire.Linearizable); got != 70 {
		t.Errorf("after its restart n4 reads %d rows, want 70", got)
	}
	if n4.id == memberID("n4") {
		t.Error("a member that joins has the id of an initial one; it could have been used before")
	}
}

// TestJoinAsLearner lets a node join that is to stay a learner until an operator
// says otherwise. It reads, linearizable, and writes all the same.
func TestJoinAsLearner(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 1, func(*Config) {})
	n2 := c.join(t, "n2", true)
	until(t, "n2 is a learner", func() bool { return suffrage(n2, "n2") == "learner" })
	insert(t, n2, 0, 10)
	if got := count(t, n2, pgwire.Linearizable); got != 10 {
		t.Errorf("the learner reads %d rows, want 10", got)
	}
	if _, err := n2.TransferLeadership(ctx, "n2"); err == nil {
		t.Error("a learner takes over the leadership")
	}
	for _, want := range []string{"n2 is a voter", "already"} {
		if message, err := n2.PromoteMember(ctx, "n2"); err != nil || !strings.Contains(message, want) {
			t.Errorf("promoting n2: %q, %v; want %q", message, err, want)
		}
	}
	until(t, "n2 is a voter", func() bool { return suffrage(c.nodes[0], "n2") == "voter" })
}

// TestAddBeforeItComes adds a member that joins afterwards, under the id that it
// was given; a second one of that name, and one at that address, is refused.
func TestAddBeforeItComes(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 1, func(*Config) {})
	l := bind(t)
	address := l.peer.Addr().String()
	m, err := c.nodes[0].AddMember(ctx, "n2", address, false)
	if err != nil || m.Suffrage != "staging" {
		t.Fatalf("adding n2: %+v, %v", m, err)
	}
	for _, other := range [][2]string{{"n2", "127.0.0.1:1"}, {"n3", address}} {
		var refused *admin.Error
		if _, err := c.nodes[0].AddMember(ctx, other[0], other[1], false); !errors.As(err, &refused) || refused.Status != 409 || refused.Hint == "" {
			t.Errorf("adding %s at %s: %v", other[0], other[1], err)
		}
	}
	cfg := c.config(t, "n2")
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, address
	n2 := c.run(t, cfg, l)
	if n2.id.String() != m.ID {
		t.Errorf("n2 has the id %v, it was added with %v", n2.id, m.ID)
	}
	until(t, "n2 is a voter", func() bool { return suffrage(n2, "n2") == "voter" })

	// Another node of that name is told so, and does not come in.
	cfg = c.config(t, "n2")
	cfg.DataDir, cfg.WALDir = t.TempDir(), t.TempDir()
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, address
	refuses(t, cfg, exitcode.Failed, "has been here", "remove it first")
}

// TestRemove removes a follower through another follower, then a dead one, then
// the leader itself. Those that are removed say so and stop; writes go on.
func TestRemove(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 5, func(*Config) {})
	leader := c.leader(t)
	follower, other, dead := (leader+1)%5, (leader+2)%5, (leader+3)%5
	remove := func(by, who int) {
		t.Helper()
		if err := c.nodes[by].RemoveMember(ctx, c.nodes[who].cfg.Name, ""); err != nil {
			t.Fatalf("removing %s: %v", c.nodes[who].cfg.Name, err)
		}
	}
	stops := func(who int) {
		t.Helper()
		err := <-c.done[who]
		c.done[who] = nil
		var exit *exitcode.Error
		if !errors.As(err, &exit) || exit.Code != exitcode.DataDir || !strings.Contains(exit.Error(), "removed from the cluster") {
			t.Errorf("a removed node ends with %v", err)
		}
	}
	remove(other, follower)
	stops(follower)
	insert(t, c.nodes[other], 0, 10)

	if err := c.stopNode(dead); err != nil {
		t.Fatal(err)
	}
	remove(other, dead)
	insert(t, c.nodes[other], 10, 20)
	c.restart(t, dead) // it comes back and learns it
	stops(dead)

	leader = c.leader(t)
	by := other
	if by == leader {
		by = (leader + 4) % 5
	}
	for c.done[by] == nil || by == leader {
		by = (by + 1) % 5
	}
	remove(by, leader)
	stops(leader)
	insert(t, c.nodes[by], 20, 30)
	if got := count(t, c.nodes[by], pgwire.Linearizable); got != 30 {
		t.Errorf("%d rows, want 30", got)
	}
	if err := c.nodes[by].RemoveMember(ctx, "nobody", ""); !strings.Contains(fmt.Sprint(err), "no member") {
		t.Errorf("removing nobody: %v", err)
	}
}

// TestTransfer hands the leadership from one node to the next, asked through any
// node, while sessions write; nobody sees an error. To whom leads already it
// succeeds.
func TestTransfer(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 3, func(*Config) {})
	writing, finish := context.WithCancel(ctx)
	written := make(chan int, 1)
	go func() {
		i := 0
		for ; writing.Err() == nil; i++ {
			insert(t, c.nodes[0], i, i+1)
		}
		written <- i
	}()
	for i := range 6 {
		to, by := c.nodes[i%3], c.nodes[(i+1)%3]
		for range 2 {
			if leader, err := by.TransferLeadership(ctx, to.cfg.Name); err != nil || leader != to.cfg.Name {
				t.Errorf("transfer %d to %s: %q, %v", i, to.cfg.Name, leader, err)
			}
		}
	}
	finish()
	if want, got := int64(<-written), count(t, c.nodes[1], pgwire.Linearizable); got != want {
		t.Errorf("%d rows, want %d", got, want)
	}
}

// TestDrain drains the leader while a session of its own is connected. Another
// node leads, the session ends with 57P01, new ones are not taken; the node goes
// on as a member, and a write through another one reaches it.
func TestDrain(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 3, func(*Config) {})
	first := c.leader(t)
	n := c.nodes[first]
	conn := connect(t, n)
	if err := n.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if !n.InRecovery() {
		t.Error("a drained node leads")
	}
	if _, err := conn.Exec(ctx, "SELECT 1"); err == nil {
		t.Error("a session goes on through a drained node")
	}
	if failedCheck(n, "sessions") == nil {
		t.Error("a drained node is ready")
	}
	insert(t, c.nodes[(first+1)%3], 0, 10)
	if got := count(t, n, pgwire.Linearizable); got != 10 {
		t.Errorf("the drained node has %d rows, want 10", got)
	}
}

// TestStopHandsOver stops the leader. The others do not have to miss it first: by
// the time it has stopped, they follow another.
func TestStopHandsOver(t *testing.T) {
	c := kvCluster(t, 3, func(*Config) {})
	first := c.leader(t)
	if err := c.stopNode(first); err != nil {
		t.Fatal(err)
	}
	if leader := c.nodes[(first+1)%3].view.Load().raft.Leader; leader == 0 || leader == c.nodes[first].id {
		t.Errorf("when the leader has stopped, %v is believed to lead", leader)
	}
}

// TestUpdateMember moves a follower to another address.
func TestUpdateMember(t *testing.T) {
	c := kvCluster(t, 3, func(*Config) {})
	moved := (c.leader(t) + 1) % 3
	old := c.nodes[moved]
	if err := c.stopNode(moved); err != nil {
		t.Fatal(err)
	}
	l := bind(t)
	if err := c.nodes[(moved+1)%3].UpdateMember(context.Background(), old.cfg.Name, l.peer.Addr().String()); err != nil {
		t.Fatal(err)
	}
	insert(t, c.nodes[(moved+1)%3], 0, 10)
	cfg := c.config(t, old.cfg.Name)
	cfg.PeerAdvertise = l.peer.Addr().String()
	n := c.runAt(t, moved, cfg, l)
	if got := count(t, n, pgwire.Linearizable); got != 10 {
		t.Errorf("%d rows, want 10", got)
	}
}

// small makes the log be cut often.
func small(cfg *Config) {
	cfg.SnapshotEntries, cfg.SegmentBytes = 20, 64<<10
}

// base is the index after which a node's log begins.
func base(n *Node) raft.Index { i, _ := n.log.Base(); return i }

// smallDisk is a file system that never has much room, as its node's settings allow.
type smallDisk struct{ vfs.FS }

// Free implements vfs.FS.
func (smallDisk) Free(string) (int64, error) { return 16 << 20, nil }

// TestBehindTheCut stops a follower for so long that the others cut the entries
// that it needs. It gets an image and goes on; so does a node that joins. After a
// restart everything is still there. The disks are small: what an image must leave
// free follows from the settings.
func TestBehindTheCut(t *testing.T) {
	c := kvClusterOn(t, 3, smallDisk{vfs.OS{}}, func(cfg *Config) {
		small(cfg)
		cfg.MinFreeBytes = 1 << 20
	})
	behind := (c.leader(t) + 1) % 3
	if err := c.stopNode(behind); err != nil {
		t.Fatal(err)
	}
	writer := c.nodes[(behind+1)%3]
	insert(t, writer, 0, 1000)
	until(t, "the others have cut their logs", func() bool {
		return base(writer) > 500 && base(c.nodes[(behind+2)%3]) > 500
	})
	n := c.restart(t, behind)
	if got := count(t, n, pgwire.Linearizable); got != 1000 {
		t.Errorf("the follower that was behind reads %d rows, want 1000", got)
	}
	if base(n) <= 500 {
		t.Errorf("its log begins after %d: it got no image", base(n))
	}
	n4 := c.join(t, "n4", false)
	until(t, "n4 is a voter", func() bool { return suffrage(n4, "n4") == "voter" })
	if got := count(t, n4, pgwire.Linearizable); got != 1000 {
		t.Errorf("the node that joined reads %d rows, want 1000", got)
	}
	insert(t, n4, 1000, 1010)
	for i := range c.nodes {
		if err := c.stopNode(i); err != nil {
			t.Fatal(err)
		}
	}
	for i := range c.nodes {
		c.restart(t, i)
	}
	for i, n := range c.nodes {
		if got := count(t, n, pgwire.Linearizable); got != 1010 {
			t.Errorf("after the restart of all node %d reads %d rows, want 1010", i+1, got)
		}
	}
}

// TestJoinInterrupted stops a node that joins before it has asked to be added.
// The next start goes on, under the id that the log has.
func TestJoinInterrupted(t *testing.T) {
	c := kvCluster(t, 1, func(*Config) {})
	insert(t, c.nodes[0], 0, 10)
	l := bind(t)
	cfg := c.config(t, "n2")
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, l.peer.Addr().String()
	n, err := open(context.Background(), cfg, listeners{}, vfs.OS{})
	if err != nil {
		t.Fatal(err)
	}
	id := n.id
	n.release()
	cfg = c.config(t, "n2")
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, l.peer.Addr().String()
	n = c.run(t, cfg, l)
	until(t, "n2 is a voter", func() bool { return suffrage(n, "n2") == "voter" })
	if n.id != id {
		t.Errorf("n2 has the id %v, before the restart it was %v", n.id, id)
	}
	if got := count(t, n, pgwire.Linearizable); got != 10 {
		t.Errorf("n2 reads %d rows, want 10", got)
	}
}

// TestJoinRefused joins under the name of a member at another address.
func TestJoinRefused(t *testing.T) {
	c := kvCluster(t, 1, func(*Config) {})
	cfg := c.config(t, "n1")
	cfg.DataDir, cfg.WALDir = t.TempDir(), t.TempDir()
	cfg.Join = c.nodes[0].cfg.PeerAdvertise
	refuses(t, cfg, exitcode.Failed, `member "n1" is at`, "--name")
	cfg.ClusterToken = "another"
	refuses(t, cfg, exitcode.Usage, "cannot join: the cluster tokens of n1 and n1 differ", "--cluster-token")
}

// TestAddressWarning starts a member at an address at which the others do not look
// for it, and at one under which they find it.
func TestAddressWarning(t *testing.T) {
	for listen, warns := range map[string]bool{
		"127.0.0.1:7432": false, "0.0.0.0:7432": false, "localhost:7432": false,
		"127.0.0.2:7432": true, "127.0.0.1:7433": true,
	} {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg) // at 127.0.0.1:7432
		var log strings.Builder
		cfg = testConfig(t, "n1", cfg.DataDir)
		cfg.PeerListen, cfg.PeerAdvertise, cfg.Logger = listen, listen, zerolog.New(&log)
		n, err := open(t.Context(), cfg, bind(t), vfs.OS{})
		if err != nil {
			t.Fatal(err)
		}
		n.release()
		if got := strings.Contains(log.String(), "quorate member update n1 HOST:PEERPORT"); got != warns {
			t.Errorf("listening at %s it warns: %v, want %v; it logs %s", listen, got, warns, log.String())
		}
	}
}

// TestRemoveAfterADeath removes a member right after another one of three has died:
// that the dead one was heard a moment ago does not count.
func TestRemoveAfterADeath(t *testing.T) {
	ctx := context.Background()
	c := kvCluster(t, 3, func(cfg *Config) {
		cfg.ElectionMin, cfg.ElectionMax = time.Second, 2*time.Second // "lately" is long
	})
	i := c.leader(t)
	leader, dead := c.nodes[i], c.nodes[(i+1)%3]
	if err := c.stopNode((i + 1) % 3); err != nil {
		t.Fatal(err)
	}
	until(t, "the leader knows that the connection is broken", func() bool {
		return slices.ContainsFunc(leader.view.Load().raft.Peers, func(p raft.PeerStatus) bool { return p.ID == dead.id && !p.Lives })
	})
	var refused *admin.Error
	if err := leader.RemoveMember(ctx, c.nodes[(i+2)%3].cfg.Name, ""); !errors.As(err, &refused) || !strings.Contains(refused.Message, "no majority") {
		t.Errorf("removing one of the two that live: %v", err)
	}
	if err := leader.RemoveMember(ctx, dead.cfg.Name, ""); err != nil {
		t.Errorf("removing the dead one: %v", err)
	}
}

// TestJoinStopped stops a node while it looks for a member that it could join,
// which would take it 20 s.
func TestJoinStopped(t *testing.T) {
	l := bind(t)
	defer l.close()
	cfg := testConfig(t, "n2", t.TempDir())
	cfg.Join = l.peer.Addr().String()
	ctx, stop := context.WithCancelCause(context.Background())
	told := errors.New("told to stop")
	go func() {
		conn, err := l.peer.Accept() // it asks, and gets no answer
		if err != nil {
			t.Error(err)
		}
		stop(told)
		conn.Close()
	}()
	if _, err := Open(ctx, cfg); !errors.Is(err, told) {
		t.Errorf("a node that is told to stop while it joins ends with %v", err)
	}
}

// TestJoinRemoved lets a node join that was removed before it ever heard of the
// cluster again: it says so and stops, instead of asking for ever.
func TestJoinRemoved(t *testing.T) {
	c := kvCluster(t, 1, func(*Config) {})
	ctx := context.Background()
	l := bind(t)
	cfg := c.config(t, "n2")
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, l.peer.Addr().String()
	n, err := open(ctx, cfg, l, vfs.OS{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.askMembers(ctx, order{Op: opAdd, ID: n.id, Name: "n2", Address: cfg.PeerAdvertise, Learner: true}); err != nil {
		t.Fatal(err)
	}
	n.release()
	if err := c.nodes[0].RemoveMember(ctx, "n2", ""); err != nil {
		t.Fatal(err)
	}
	cfg.Metrics = c.config(t, "n2").Metrics
	c.run(t, cfg, listeners{})
	err = <-c.done[1]
	c.done[1] = nil
	var exit *exitcode.Error
	if !errors.As(err, &exit) || exit.Code != exitcode.DataDir || !strings.Contains(err.Error(), "removed from the cluster") {
		t.Errorf("a node that was removed while it joined ends with %v", err)
	}
}

// TestWipedVoter empties a voter's directory and lets it join under its name, when
// the leader was restarted and has not met it since: it must not get its old id, or
// it could undo what it has acknowledged.
func TestWipedVoter(t *testing.T) {
	c := kvCluster(t, 3, func(*Config) {})
	wiped := c.nodes[2]
	for i := range c.nodes {
		if err := c.stopNode(i); err != nil {
			t.Fatal(err)
		}
	}
	for _, i := range []int{0, 1} { // they do not remember it
		if err := os.Remove(filepath.Join(c.nodes[i].cfg.DataDir, "peers.json")); err != nil {
			t.Fatal(err)
		}
		c.restart(t, i)
	}
	cfg := c.config(t, "n3")
	cfg.DataDir, cfg.WALDir = t.TempDir(), t.TempDir()
	cfg.Join, cfg.PeerAdvertise = c.nodes[0].cfg.PeerAdvertise, wiped.cfg.PeerAdvertise
	refuses(t, cfg, exitcode.Failed, "been here", "remove it first")
}
