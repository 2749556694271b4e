package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"quorate/internal/exitcode"
)

// The tests of this file run real processes: the test's own binary, which is
// quorate when this variable is set.
const asQuorate = "RUN_AS_QUORATE"

func TestMain(m *testing.M) {
	if os.Getenv(asQuorate) != "" {
		main()
	}
	os.Exit(m.Run())
}

// e2eTimeout bounds each test: long enough for a machine that is busy with
// other tests, so that only what hangs fails by it.
const e2eTimeout = 60 * time.Second

// devRun is a running `quorate dev`.
type devRun struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer // to be read after wait
	pids   map[string]int
	urls   map[string]string
	admin  map[string]string
	exited chan error
}

// startDev starts quorate dev and waits for its table.
func startDev(t *testing.T, args ...string) *devRun {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"dev"}, args...)...)
	cmd.Env = append(os.Environ(), asQuorate+"=1")
	d := &devRun{cmd: cmd, stderr: &bytes.Buffer{}, pids: map[string]int{}, urls: map[string]string{}, admin: map[string]string{}, exited: make(chan error, 1)}
	cmd.Stderr = d.stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // of no effect after wait
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && lines.Text() != "" {
		fields := strings.Fields(lines.Text())
		if fields[0] == "NAME" {
			continue
		}
		pid, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatalf("%q is not a row of the table", lines.Text())
		}
		d.pids[fields[0]], d.urls[fields[0]], d.admin[fields[0]] = pid, fields[3], fields[4]
	}
	if len(d.pids) == 0 {
		t.Fatalf("dev printed no table: %v\n%s", cmd.Wait(), d.stderr)
	}
	go func() {
		for lines.Scan() { // the psql lines
		}
		d.exited <- cmd.Wait()
	}()
	return d
}

// wait returns how dev ended.
func (d *devRun) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-d.exited:
		return err
	case <-time.After(e2eTimeout):
		t.Fatal("quorate dev does not end")
		return nil
	}
}

// freePorts returns flags for ports that nobody uses, from a range that the
// kernel gives to nobody by itself where possible: dev counts up from them.
func freePorts(t *testing.T) []string {
	t.Helper()
	for base := 14432 + os.Getpid()%1000; base < 32000; base += 10 {
		free := true
		for _, first := range []int{base, base + 3, base + 6} {
			for i := range 3 {
				free = free && portFree(first+i)
			}
		}
		if free {
			return []string{"--sql-port", strconv.Itoa(base), "--peer-port", strconv.Itoa(base + 3), "--admin-port", strconv.Itoa(base + 6)}
		}
	}
	t.Fatal("no free ports")
	return nil
}

// leader asks a node who leads.
func (d *devRun) leader(ctx context.Context, t *testing.T) string {
	t.Helper()
	cluster, err := askCluster(ctx, []string{d.admin["n1"], d.admin["n2"], d.admin["n3"]})
	if err != nil {
		t.Fatal(err)
	}
	if cluster.Leader == "" {
		t.Fatalf("no leader: %+v", cluster)
	}
	return cluster.Leader
}

// TestLeaderKilledUnderLoad starts three real processes, lets clients on two
// followers write, and kills the leader with SIGKILL. Every client must go on
// over the connection that it has. At the end nothing that was acknowledged is
// missing or there twice: each client inserts rows that nobody else inserts,
// into a table without a key, and adds one to a counter of its own. What
// failed may or may not be there, but not twice. Then all is stopped and
// started again, and each of the three nodes, the killed one too, must show
// the same.
func TestLeaderKilledUnderLoad(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "cluster")
	dev := startDev(t, append(freePorts(t), "--data-dir", dir)...)
	leader := dev.leader(ctx, t)
	var survivors []string
	for name := range dev.pids {
		if name != leader {
			survivors = append(survivors, name)
		}
	}
	execSQL(ctx, t, dev.urls[survivors[0]], `create table events (client integer, seq integer);
		create table counters (client integer primary key, n integer not null)`)

	load := &load{killed: make(chan struct{})}
	load.warm.Add(clients)
	load.done.Add(clients)
	for i := range clients {
		c := &client{load: load, id: i, url: dev.urls[survivors[i%len(survivors)]]}
		load.clients = append(load.clients, c)
		go c.run(ctx)
	}
	load.warm.Wait()
	if err := syscall.Kill(dev.pids[leader], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	close(load.killed)
	load.done.Wait()
	for _, c := range load.clients {
		if c.err != nil {
			t.Fatalf("client %d did not go on: %v", c.id, c.err)
		}
		t.Logf("client %d: %d rows and %d increments acknowledged, %d statements failed", c.id, len(c.rows), c.increments, c.failedRows+c.failedIncrements)
	}
	for _, name := range survivors {
		load.check(ctx, t, name, dev.urls[name], "linearizable")
	}

	if err := dev.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := dev.wait(t); err != nil {
		t.Fatalf("dev after SIGINT: %v\n%s", err, dev.stderr)
	}
	again := startDev(t, "--data-dir", dir)
	again.awaitEqual(ctx, t)
	for name, url := range again.urls {
		load.check(ctx, t, name, url, "stale")
	}

	// Its nodes end with dev, also when it cannot stop them.
	if err := again.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = again.wait(t) // "signal: killed"
	for name, pid := range again.pids {
		awaitGone(ctx, t, name, pid)
	}
}

const (
	clients    = 4
	writesEach = 40 // acknowledged before the kill, and again after it
)

// load is what all clients share.
type load struct {
	clients    []*client
	warm, done sync.WaitGroup
	killed     chan struct{} // closed when the leader is dead
}

// client is one connection and what it was told. Only its goroutine uses it
// until load.done.
type client struct {
	load *load
	id   int
	url  string

	rows                         []int // acknowledged
	increments                   int   // acknowledged
	failedRows, failedIncrements int   // outcome unknown
	err                          error // why it could not go on
}

func (c *client) run(ctx context.Context) {
	defer c.load.done.Done()
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		c.err = err
		c.load.warm.Done()
		return
	}
	defer conn.Close(context.Background())
	_, c.err = conn.Exec(ctx, "insert into counters (client, n) values ($1, 0)", c.id)
	seq := c.write(ctx, conn, 0)
	c.load.warm.Done()
	for { // the load goes on while the leader dies
		select {
		case <-c.load.killed:
			c.write(ctx, conn, seq)
			return
		default:
			seq = c.writeOnce(ctx, conn, seq)
		}
		if c.err != nil {
			return
		}
	}
}

// write writes until enough is acknowledged.
func (c *client) write(ctx context.Context, conn *pgx.Conn, seq int) int {
	for until := len(c.rows) + writesEach; len(c.rows) < until && c.err == nil; {
		seq = c.writeOnce(ctx, conn, seq)
	}
	return seq
}

// writeOnce inserts a row and increments the counter, and keeps account.
func (c *client) writeOnce(ctx context.Context, conn *pgx.Conn, seq int) int {
	_, rowErr := conn.Exec(ctx, "insert into events (client, seq) values ($1, $2)", c.id, seq)
	if rowErr == nil {
		c.rows = append(c.rows, seq)
	} else {
		c.failedRows++
	}
	_, counterErr := conn.Exec(ctx, "update counters set n = n + 1 where client = $1", c.id)
	if counterErr == nil {
		c.increments++
	} else {
		c.failedIncrements++
	}
	if conn.IsClosed() {
		c.err = fmt.Errorf("the connection is closed after %w", firstError(rowErr, counterErr))
	}
	if ctx.Err() != nil {
		c.err = fmt.Errorf("it was not done in time; its last error: %w", firstError(rowErr, counterErr, ctx.Err()))
	}
	return seq + 1
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// check compares what a node has with what the clients were told.
func (l *load) check(ctx context.Context, t *testing.T, name, url, consistency string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "set quorate.read_consistency = '"+consistency+"'"); err != nil {
		t.Fatal(err)
	}
	for _, c := range l.clients {
		copies := map[int]int{}
		rows, err := conn.Query(ctx, "select seq from events where client = $1", c.id)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var seq int
			if err := rows.Scan(&seq); err != nil {
				t.Fatal(err)
			}
			copies[seq]++
		}
		if rows.Err() != nil {
			t.Fatal(rows.Err())
		}
		c.compare(ctx, t, name, conn, copies)
	}
}

func (c *client) compare(ctx context.Context, t *testing.T, name string, conn *pgx.Conn, copies map[int]int) {
	t.Helper()
	for _, seq := range c.rows {
		if copies[seq] == 0 {
			t.Errorf("%s: client %d: row %d was acknowledged and is lost", name, c.id, seq)
		}
	}
	for seq, n := range copies {
		if n > 1 {
			t.Errorf("%s: client %d: row %d is there %d times", name, c.id, seq, n)
		}
	}
	if len(copies) > len(c.rows)+c.failedRows {
		t.Errorf("%s: client %d: %d rows of %d", name, c.id, len(copies), len(c.rows)+c.failedRows)
	}
	var n int
	if err := conn.QueryRow(ctx, "select n from counters where client = $1", c.id).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if n < c.increments || n > c.increments+c.failedIncrements {
		t.Errorf("%s: client %d: the counter is %d after %d acknowledged and %d unknown increments", name, c.id, n, c.increments, c.failedIncrements)
	}
}

func execSQL(ctx context.Context, t *testing.T, url, sql string) {
	t.Helper()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

// awaitEqual waits until all members have applied the same index.
func (d *devRun) awaitEqual(ctx context.Context, t *testing.T) {
	t.Helper()
	poll(ctx, t, "equal applied indices", func() bool {
		cluster, err := askCluster(ctx, []string{d.admin["n1"]})
		if err != nil || !cluster.Quorum {
			return false
		}
		for _, m := range cluster.Members {
			if !m.Reachable || m.Behind > 0 {
				return false
			}
		}
		return true
	})
}

func awaitGone(ctx context.Context, t *testing.T, name string, pid int) {
	t.Helper()
	poll(ctx, t, name+" to end", func() bool { return syscall.Kill(pid, 0) != nil || isZombie(pid) })
}

// isZombie reports whether a process has ended and nobody has asked for its
// exit code: in a container there may be nobody who does.
func isZombie(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(after, "Z")
}

// poll waits for what other processes do, which nothing here announces.
func poll(ctx context.Context, t *testing.T, what string, condition func() bool) {
	t.Helper()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// TestSecondNodeOnOneDirectory shows that a data directory serves one process
// at a time, and that the second is told so.
func TestSecondNodeOnOneDirectory(t *testing.T) {
	ports := freePorts(t)
	dir := filepath.Join(t.TempDir(), "cluster")
	dev := startDev(t, append(ports, "--nodes", "1", "--data-dir", dir)...)
	code, stderr := runQuorate(t, "start", "--config=", "--name", "n1", "--data-dir", filepath.Join(dir, "n1"),
		"--sql-listen", unusedAddress(t), "--peer-listen", unusedAddress(t), "--admin-listen", unusedAddress(t))
	if code != exitcode.DataDir || !strings.Contains(stderr, "hint: ") {
		t.Errorf("a second node on the same directory: exit %d\n%s", code, stderr)
	}
	dev.stop(t)
}

func unusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
