package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/exitcode"
	"quorate/internal/sqlite"
	"quorate/internal/vfs"
	"quorate/node/driver"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlplan"
)

// How a node ends when something breaks, and what becomes of its sessions.

// openOn opens a node of its own whose log is on fs, and runs it.
func openOn(t *testing.T, cfg Config, fs vfs.FS) (n *Node, stop context.CancelFunc, done chan error) {
	t.Helper()
	n, err := open(context.Background(), cfg, listeners{}, fs)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	done = make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	if err := n.CatchUp(context.Background()); err != nil {
		t.Fatal(err)
	}
	return n, stop, done
}

// until waits for a condition that nobody announces.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	for !holds() {
		select {
		case <-time.After(time.Millisecond):
		case <-deadline:
			t.Fatal("waited in vain until " + what)
		}
	}
}

// TestLogFails breaks the disk under writes. The node stops at once and says
// why; nobody waits for a quorum that will not come (here their patience is an
// hour), and the writers learn that the outcome is not known.
func TestLogFails(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
		code int
	}{
		{"a flush that fails", syscall.EIO, exitcode.Failed},
		// Unlike a write that finds no room, after this nobody knows what is there.
		{"a flush that finds no room", syscall.ENOSPC, exitcode.Failed},
	} {
		t.Run(test.name, func(t *testing.T) {
			var broken atomic.Bool
			fail := make(chan struct{})
			fs := vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
				if broken.Load() && op.Kind == vfs.OpSync {
					<-fail
					return vfs.Fault{Err: test.err}
				}
				return vfs.Fault{}
			})
			cfg := testConfig(t, "n1", t.TempDir())
			cfg.QuorumTimeout = time.Hour
			n, _, done := openOn(t, cfg, fs)
			conn := connect(t, n)
			last := n.view.Load().raft.Last
			broken.Store(true)
			session, direct := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := conn.Exec(context.Background(), "CREATE TABLE a(k int)")
				session <- err
			}()
			go func() {
				_, err := n.Execute(context.Background(), []sqlplan.Bound{raw(n, sqlplan.Write, "CREATE TABLE b(k)", true)})
				direct <- err
			}()
			until(t, "both writes are proposed", func() bool { return n.view.Load().raft.Last >= last+2 })
			close(fail)
			err := <-direct
			var unknown *errcode.Error
			if !errors.As(err, &unknown) || unknown.Code != errcode.StatementCompletionUnknown {
				t.Errorf("the write ends with %v, want 40003", err)
			}
			if err := <-session; err == nil {
				t.Error("the session's write succeeds")
			}
			err = <-done
			var exit *exitcode.Error
			if !errors.As(err, &exit) || exit.Code != test.code || exit.Hint == "" || !strings.Contains(err.Error(), test.err.Error()) {
				t.Errorf("Run returns %v, want exit code %d with a hint, because of %v", err, test.code, test.err)
			}
		})
	}
}

// TestExitError shows what a node says that cannot go on for its database's
// sake.
func TestExitError(t *testing.T) {
	for _, test := range []struct {
		code sqlite.Code
		exit int
		hint string
	}{
		{sqlite.Full, exitcode.DiskFull, "Make room on the disk"},
		{sqlite.Corrupt, exitcode.DataDir, "is damaged"},
		{sqlite.IOErr, exitcode.Failed, "see the log"},
	} {
		cause := &sqlite.Error{Code: test.code, Message: "it does not work"}
		var exit *exitcode.Error
		if err := exitError(fmt.Errorf("node: the state machine cannot go on: %w", cause)); !errors.As(err, &exit) ||
			exit.Code != test.exit || !strings.Contains(exit.Hint, test.hint) || !errors.Is(err, cause) {
			t.Errorf("result code %d: %#v", test.code, err)
		}
	}
}

// hang is a file system whose flushes hang while it is told to.
type hang struct {
	vfs.FS
	mu    sync.Mutex
	until chan struct{} // nil: they don't
}

func newHang() *hang {
	h := &hang{}
	h.FS = vfs.Inject(vfs.OS{}, func(op vfs.Op) vfs.Fault {
		if op.Kind == vfs.OpSync {
			h.mu.Lock()
			until := h.until
			h.mu.Unlock()
			if until != nil {
				<-until
			}
		}
		return vfs.Fault{}
	})
	return h
}

// begin makes flushes hang until the returned function is called.
func (h *hang) begin() (end func()) {
	until := make(chan struct{})
	h.mu.Lock()
	h.until = until
	h.mu.Unlock()
	return sync.OnceFunc(func() {
		h.mu.Lock()
		h.until = nil
		h.mu.Unlock()
		close(until)
	})
}

// TestLeaderDiskHangs makes the leader's disk hang. It gives its leadership
// up, another node leads, and everybody's writes go on; those of its own
// sessions when the disk is back.
func TestLeaderDiskHangs(t *testing.T) {
	disks := []*hang{newHang(), newHang(), newHang()}
	c := startClusterOn(t, 3, func(i int) vfs.FS { return disks[i] })
	create := "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT"
	execute(t, c.nodes[0], raw(c.nodes[0], sqlplan.Write, create, true))
	for _, n := range c.nodes {
		if err := n.CatchUp(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	old := c.leader(t)
	end := disks[old].begin()
	defer end()
	var own sync.WaitGroup
	own.Go(func() {
		execute(t, c.nodes[old], raw(c.nodes[old], sqlplan.Write, "INSERT INTO kv VALUES(1, 'of the old leader')", false))
	})
	until(t, "the leader gives up", func() bool { return c.nodes[old].view.Load().stalls > 0 })
	other := c.nodes[(old+1)%3]
	execute(t, other, raw(other, sqlplan.Write, "INSERT INTO kv VALUES(2, 'of another')", false))
	end()
	own.Wait()
	for i, n := range c.nodes {
		if got := count(t, n, pgwire.Linearizable); got != 2 {
			t.Errorf("node %d has %d rows, want 2", i+1, got)
		}
	}
}

// TestStopWithoutQuorum stops a node that waits for a quorum on behalf of a
// session whose patience is an hour: the session is told that the outcome is
// not known, or that there is none, and the node stops.
func TestStopWithoutQuorum(t *testing.T) {
	disk := newHang()
	cfg := testConfig(t, "n1", t.TempDir())
	cfg.QuorumTimeout = time.Hour
	n, stop, done := openOn(t, cfg, disk)
	conn := connect(t, n)
	end := disk.begin()
	failed := make(chan error, 1)
	go func() {
		_, err := conn.Exec(context.Background(), "CREATE TABLE kv(k int)")
		failed <- err
	}()
	until(t, "the write is pending", func() bool { return n.commands.Pending() > 0 })
	stop()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), string(errcode.StatementCompletionUnknown)) && !strings.Contains(err.Error(), string(errcode.AdminShutdown)) {
		t.Errorf("the session gets %v", err)
	}
	end()
	if err := <-done; err != nil {
		t.Errorf("Run returns %v", err)
	}
}

// TestForeignDatabase puts the database of another cluster beside a log.
func TestForeignDatabase(t *testing.T) {
	run := func(cfg Config, times int) {
		for range times {
			fresh := testConfig(t, cfg.Name, cfg.DataDir) // with a registry of its own
			_, stop, done := openOn(t, fresh, vfs.OS{})
			stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	ours, theirs := testConfig(t, "n1", t.TempDir()), testConfig(t, "n1", t.TempDir())
	run(ours, 3) // two entries a term at most: a no-op, and a registration unless the stop came first
	n, stop, done := openOn(t, testConfig(t, "n1", theirs.DataDir), vfs.OS{})
	execute(t, n, raw(n, sqlplan.Write, "CREATE TABLE kv(k INTEGER PRIMARY KEY, v TEXT) STRICT", true))
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	// A no-op, a registration, the table: theirs has applied index 3 of term 1,
	// which in ours has a later term.
	database := filepath.Join("db", "quorate.db")
	if err := (vfs.OS{}).Remove(filepath.Join(ours.DataDir, database)); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(theirs.DataDir, database), filepath.Join(ours.DataDir, database))
	refuses(t, testConfig(t, "n1", ours.DataDir), exitcode.DataDir, "another log", "its own database")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSlowStatement runs a statement that takes longer than the patience with a
// missing quorum. There is a quorum, so it is carried out, and so are those
// that wait behind it.
func TestSlowStatement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &Node{
			cfg: testConfig(t, "n1", t.TempDir()), metrics: newMetrics(), commands: driver.NewCommands(1),
			stopped: make(chan struct{}), disk: newDisk(newInbox()),
		}
		show := func(commit, applied raft.Index) {
			n.view.Store(&view{raft: raft.Status{Commit: commit, Applied: applied}})
		}
		show(10, 9) // entry 10 is being applied
		write := func() (*driver.Pending, chan driver.Outcome) {
			p, done := n.commands.Reserve(), make(chan driver.Outcome, 1)
			p.Propose()
			go func() { done <- n.await(context.Background(), p) }()
			return p, done
		}
		slow, slowDone := write()
		_, lost := write()
		<-time.After(10 * n.cfg.QuorumTimeout)
		synctest.Wait()
		if len(slowDone)+len(lost) > 0 {
			t.Fatal("a command is given up that may be among those that are being applied")
		}
		n.commands.Settle(slow, driver.Outcome{})
		show(20, 10) // the other was not among them
		<-time.After(n.cfg.QuorumTimeout)
		synctest.Wait()
		if o := <-slowDone; o.Err != nil {
			t.Errorf("the slow statement ends with %v", o.Err)
		}
		var unknown *errcode.Error
		if o := <-lost; !errors.As(o.Err, &unknown) || unknown.Code != errcode.StatementCompletionUnknown {
			t.Errorf("the one without a quorum ends with %v, want 40003", o.Err)
		}
	})
}

// TestFollowerIsGone stops a follower. The leader does not go on sending to it
// as if it answered.
func TestFollowerIsGone(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.nodes[c.leader(t)]
	gone := (c.leader(t) + 1) % 3
	state := func() string {
		for _, p := range leader.view.Load().raft.Peers {
			if p.ID == c.nodes[gone].id {
				return p.State
			}
		}
		return ""
	}
	until(t, "the follower is sent to without waiting", func() bool { return state() == "replicate" })
	if err := c.stopNode(gone); err != nil {
		t.Fatal(err)
	}
	until(t, "the follower is known to be gone", func() bool { return state() == "probe" })
}
