package main

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"quorate/internal/exitcode"
)

func (p *processes) connect(at string) *pgx.Conn {
	p.t.Helper()
	conn, err := pgx.Connect(p.ctx, p.sqlURL(at))
	if err != nil {
		p.t.Fatal(err)
	}
	return conn
}

// TestMembers follows a cluster of three through its life: it grows to five,
// by a node that joins and by one that is added first; its leader is removed,
// then a member that has died, which is replaced under the same name; a member
// moves to another address. All that was written in between is on every node
// at the end.
func TestMembers(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table story (chapter text primary key)")
	chapter := func(at, name string) { p.exec(at, "insert into story values ('"+name+"')") }
	chapter("n1", "three nodes")

	p.define("n4", "--join", p.nodes["n2"].peer+","+p.nodes["n3"].peer)
	p.start("n4")
	p.awaitReady("n4")
	p.awaitMember("n1", "n4", "voter")
	chapter("n4", "n4 has joined")

	n5 := p.define("n5")
	command := p.quorate("n2", "member", "add", "n5", n5.peer)
	p.startPrinted(n5, command)
	p.awaitReady("n5")
	p.awaitMember("n1", "n5", "voter")
	chapter("n5", "n5 was added and has joined")

	learner := p.define("reader", "--join", p.nodes["n1"].peer, "--learner")
	p.start(learner.name)
	p.awaitReady(learner.name)
	p.awaitMember("n1", "reader", "learner")
	chapter("reader", "a learner takes statements")

	leader := p.leader("n1")
	others := p.others(leader)
	p.quorate(others[0], "member", "remove", leader, "--yes")
	p.expectRemoved(leader)
	p.awaitMember(others[0], leader, "")
	if now := p.leader(others[0]); now == leader {
		t.Errorf("%s was removed and leads", leader)
	}
	chapter(others[1], "the leader is removed")

	dead := others[0]
	if dead == "reader" || dead == p.leader(others[1]) {
		dead = others[2]
	}
	alive := p.others(leader, dead)
	p.kill(dead)
	p.quorate(alive[0], "member", "remove", dead, "--yes")
	p.awaitMember(alive[0], dead, "")
	chapter(alive[0], "a dead member is removed")
	p.define(dead, "--join", p.nodes[alive[0]].peer+","+p.nodes[alive[1]].peer)
	p.start(dead)
	p.awaitReady(dead)
	p.awaitMember(alive[0], dead, "voter")
	chapter(dead, "and replaced under its name")

	moved := p.nodes[dead]
	moved.peer = freeAddress()
	p.quorate(alive[0], "member", "update", dead, moved.peer)
	p.stop(dead)
	moved.args = nil
	p.start(dead)
	p.awaitReady(dead)
	chapter(dead, "and moved")

	delete(p.nodes, leader)
	p.awaitEqual(alive[0])
	for name := range p.nodes {
		if n := p.count(name, "story"); n != 8 {
			t.Errorf("%s has %d chapters of 8", name, n)
		}
	}
}

// startPrinted starts a node with the command that member add has printed, but
// for the ports that it could not know.
func (p *processes) startPrinted(n *process, printed string) {
	p.t.Helper()
	_, command, ok := strings.Cut(strings.ReplaceAll(printed, "\\\n", ""), "quorate start ")
	if !ok {
		p.t.Fatalf("member add has printed no command:\n%s", printed)
	}
	args := append([]string{"start", "--config="}, strings.Fields(command)...)
	p.run(n, append(args, "--data-dir", n.dataDir, "--sql-listen", n.sql, "--admin-listen", n.admin))
}

// others are the members that run, but for some.
func (p *processes) others(but ...string) (names []string) {
	for _, name := range []string{"n1", "n2", "n3", "n4", "n5"} {
		if _, ok := p.nodes[name]; ok && !strings.Contains(" "+strings.Join(but, " ")+" ", " "+name+" ") {
			names = append(names, name)
		}
	}
	return names
}

// expectRemoved waits for a removed node to stop, which it does not do
// silently, and starts it again, which it refuses.
func (p *processes) expectRemoved(name string) {
	p.t.Helper()
	if code := p.exit(name); code != exitcode.DataDir || !p.said(name, "removed") {
		p.t.Errorf("%s was removed: exit %d", name, code)
	}
	p.start(name)
	if code := p.exit(name); code != exitcode.DataDir {
		p.t.Errorf("%s was removed and started again: exit %d", name, code)
	}
}

// TestRemoveRefused shows that of a cluster with a dead member, what makes the
// majority cannot be removed by mistake.
func TestRemoveRefused(t *testing.T) {
	p := startCluster(t, 3)
	leader := p.leader("n1")
	dead, alive := p.others(leader)[0], p.others(leader)[1]
	p.kill(dead)
	// It fails after an election timeout, in which the leader heard nothing of
	// the dead one.
	if code, _, words := p.tryQuorate(alive, "transfer-leader", dead); code != exitcode.Failed {
		t.Errorf("leadership handed over to the dead: exit %d\n%s", code, words)
	}
	code, _, words := p.tryQuorate(leader, "member", "remove", alive, "--yes")
	if code != exitcode.Failed || !strings.Contains(words, "majority") || !strings.Contains(words, "--force") {
		t.Errorf("removing what makes the majority: exit %d\n%s", code, words)
	}
	p.awaitMember(leader, alive, "voter")
	p.exec(leader, "create table goes_on (a int)")
}

// TestTransferLeader hands leadership over to a follower and then to the leader
// that it has become, which is no mistake.
func TestTransferLeader(t *testing.T) {
	p := startCluster(t, 3)
	leader := p.leader("n1")
	follower := p.others(leader)[0]
	if got, want := p.quorate(follower, "transfer-leader", follower), follower+" leads now\n"; got != want {
		t.Errorf("transfer-leader says %q, want %q", got, want)
	}
	if got, want := p.quorate(leader, "stepdown", follower), follower+" is the leader already\n"; got != want {
		t.Errorf("transfer-leader says %q, want %q", got, want)
	}
	if got := p.quorate(leader, "transfer-leader"); got == follower+" is the leader already\n" {
		t.Errorf("without a name, leadership stays where it is: %q", got)
	}
	if got := p.quorate("n2", "member", "promote", "n1"); !strings.Contains(got, "already") {
		t.Errorf("promoting a voter says %q", got)
	}
}

// TestTermination stops the leader with SIGTERM while clients are connected.
// An idle session and one that writes are both closed with 57P01, no statement
// that was acknowledged is lost, and the node ends with exit code 0 after
// another one leads.
func TestTermination(t *testing.T) {
	p := startCluster(t, 3)
	leader := p.leader("n1")
	other := p.others(leader)[0]
	p.exec(leader, "create table written (n integer)")
	idle, busy := p.connect(leader), p.connect(leader)
	written, stop := 0, make(chan error)
	begun := make(chan struct{})
	go func() {
		for {
			if _, err := busy.Exec(p.ctx, "insert into written values ($1)", written); err != nil {
				stop <- err
				return
			}
			if written++; written == 10 {
				close(begun)
			}
		}
	}()
	<-begun
	p.signal(leader, syscall.SIGTERM)
	if err := <-stop; sqlstate(err) != "57P01" {
		t.Errorf("the busy session ended with %v", err)
	}
	if _, err := idle.Exec(p.ctx, "select 1"); sqlstate(err) != "57P01" {
		t.Errorf("the idle session ended with %v", err)
	}
	if code := p.exit(leader); code != exitcode.OK {
		t.Errorf("%s ended with exit code %d", leader, code)
	}
	if now := p.leader(other); now == leader {
		t.Errorf("%s has ended and leads", now)
	}
	p.exec(other, "insert into written values (-1)")
	if n := p.count(other, "written"); n != written+1 {
		t.Errorf("%d rows, acknowledged were %d", n, written+1)
	}
}

func sqlstate(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// TestDrain drains a leader: it serves nobody and leads nobody, and goes on
// following, until it is started again.
func TestDrain(t *testing.T) {
	p := startCluster(t, 3)
	leader := p.leader("n1")
	other := p.others(leader)[0]
	session := p.connect(leader)
	p.quorate(leader, "drain", "--yes")
	if _, err := session.Exec(p.ctx, "select 1"); sqlstate(err) != "57P01" {
		t.Errorf("a session ended with %v", err)
	}
	if conn, err := pgx.Connect(p.ctx, p.sqlURL(leader)); err == nil {
		conn.Close(p.ctx)
		t.Error("a drained node accepts sessions")
	}
	if now := p.leader(other); now == leader {
		t.Errorf("%s is drained and leads", now)
	}
	p.exec(other, "create table after_drain (a int)")
	p.awaitEqual(other)
	p.stop(leader)
	p.start(leader)
	p.awaitReady(leader)
	p.exec(leader, "insert into after_drain values (1)")
}

// TestCopiedDataDirectory starts a second node with a copy of a member's data
// directory. It is kept out, and the first does not suffer.
func TestCopiedDataDirectory(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table kept (a int)")
	p.stop("n3")
	original := p.nodes["n3"]
	twin := p.define("n3")
	if err := os.CopyFS(twin.dataDir, os.DirFS(original.dataDir)); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	p.nodes["n3"], p.nodes["twin"] = original, twin
	p.start("n3")
	p.awaitReady("n3")

	p.run(twin, []string{"start", "--config=", "--name", "n3", "--data-dir", twin.dataDir,
		"--sql-listen", twin.sql, "--peer-listen", twin.peer, "--admin-listen", twin.admin})
	poll(p.ctx, t, "the twin to be told", func() bool { return p.said("twin", "another process with the data of n3") })
	if code, body := get(t, "http://"+twin.admin+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("the twin is ready: %d\n%s", code, body)
	}
	p.exec("n3", "insert into kept values (1)")
	p.awaitReady("n3")
	p.kill("twin")
}

// TestFarBehind stops a follower, writes until its next entry is no longer in
// anybody's log, and starts it again: it gets an image of the database, and
// then the rest of the log.
func TestFarBehind(t *testing.T) {
	p := startCluster(t, 3, "--snapshot-entries", "100", "--wal-segment-bytes", "64KiB")
	p.exec("n1", "create table filled (filler text)")
	p.stop("n3")
	conn := p.connect("n1")
	written := 0
	for _, name := range []string{"n1", "n2"} {
		first := filepath.Join(p.nodes[name].dataDir, "wal", "0000000000000001.wal")
		poll(p.ctx, t, name+" to cut its log", func() bool {
			for range 20 {
				if _, err := conn.Exec(p.ctx, "insert into filled values ($1)", strings.Repeat("x", 1000)); err != nil {
					t.Fatal(err)
				}
				written++
			}
			_, err := os.Stat(first)
			return errors.Is(err, fs.ErrNotExist)
		})
	}
	p.start("n3")
	p.awaitReady("n3")
	p.awaitEqual("n1")
	if n := p.count("n3", "filled"); n != written {
		t.Errorf("n3 has %d rows of %d", n, written)
	}
}

// TestFullDisk gives a majority of the members, the leader perhaps among them,
// a disk that has less room than they want to keep free. Writes are refused
// with disk_full on every node, reads go on, also under a new leader; when one
// has room again, writes resume.
func TestFullDisk(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table kept (a int)")
	normal := p.nodes["n1"].args
	for _, name := range []string{"n1", "n2"} {
		p.stop(name)
		p.nodes[name].args = append(slices.Clone(normal), "--disk-min-free-bytes", "1000000TiB")
		p.start(name)
		p.awaitReady(name, "disk")
		if code, checks := get(t, "http://"+p.nodes[name].admin+"/readyz/disk"); code != http.StatusServiceUnavailable {
			t.Errorf("%s has a full disk and is ready: %d\n%s", name, code, checks)
		}
	}
	for name := range p.nodes {
		session := p.connect(name)
		poll(p.ctx, t, "writes at "+name+" to be refused", func() bool {
			_, err := session.Exec(p.ctx, "insert into kept values (1)")
			return sqlstate(err) == "53100"
		})
		if _, err := session.Exec(p.ctx, "select count(*) from kept"); err != nil {
			t.Errorf("a read at %s: %v", name, err)
		}
	}
	p.stop("n1")
	p.nodes["n1"].args = normal
	p.start("n1")
	p.awaitReady("n1")
	session := p.connect("n3")
	poll(p.ctx, t, "writes to resume", func() bool {
		_, err := session.Exec(p.ctx, "insert into kept values (2)")
		return err == nil
	})
}
