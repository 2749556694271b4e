package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"quorate/internal/config"
)

// processes is a cluster of real processes that a test starts, stops and kills
// one by one.
type processes struct {
	t   *testing.T
	ctx context.Context
	dir string
	// args are given to every node besides its own.
	args  []string
	nodes map[string]*process
}

// process is one node: what it is started with, and its present life.
type process struct {
	name             string
	dataDir          string
	sql, peer, admin string // addresses
	args             []string
	log              string // path; all lives write to it

	cmd    *exec.Cmd
	exited chan error
}

// newProcesses lets the test run beside others: it waits more than it works.
func newProcesses(t *testing.T, args ...string) *processes {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	t.Cleanup(cancel)
	p := &processes{t: t, ctx: ctx, dir: t.TempDir(), args: args, nodes: map[string]*process{}}
	t.Cleanup(p.killAll)
	return p
}

// startCluster starts nodes n1 … as a new cluster and waits until all serve.
func startCluster(t *testing.T, size int, args ...string) *processes {
	t.Helper()
	p := newProcesses(t, args...)
	var initial []string
	for i := range size {
		n := p.define(fmt.Sprintf("n%d", i+1))
		initial = append(initial, n.name+"="+n.peer)
	}
	for _, n := range p.nodes {
		n.args = []string{"--initial-cluster", strings.Join(initial, ",")}
		p.start(n.name)
	}
	for name := range p.nodes {
		p.awaitReady(name)
	}
	return p
}

// define gives a node ports and an empty directory; it may replace one that
// does not run.
func (p *processes) define(name string, args ...string) *process {
	n := &process{name: name, args: args, sql: freeAddress(), peer: freeAddress(), admin: freeAddress()}
	_, port, _ := strings.Cut(n.sql, ":")
	n.dataDir = filepath.Join(p.dir, name+"-"+port) // new for every node of the name
	n.log = n.dataDir + ".log"
	p.nodes[name] = n
	return n
}

var (
	portMu   sync.Mutex // guards lastPort
	lastPort = 17000 + os.Getpid()%500*10
)

// freeAddress is one that nobody uses and nobody was given, from a range that
// the kernel gives to nobody by itself where possible.
func freeAddress() string {
	portMu.Lock()
	defer portMu.Unlock()
	for lastPort++; !portFree(lastPort); lastPort++ {
	}
	return "localhost:" + strconv.Itoa(lastPort)
}

// start begins a life of the node.
func (p *processes) start(name string) {
	p.t.Helper()
	n := p.nodes[name]
	args := append([]string{"start", "--config=", "--name", name, "--data-dir", n.dataDir,
		"--sql-listen", n.sql, "--peer-listen", n.peer, "--admin-listen", n.admin}, p.args...)
	p.run(n, append(args, n.args...))
}

// run runs a command line as the node.
func (p *processes) run(n *process, args []string) {
	p.t.Helper()
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer log.Close() // the process has its own
	n.cmd = exec.Command(os.Args[0], args...)
	n.cmd.Env = append(config.WithoutSettings(os.Environ()), asQuorate+"=1")
	n.cmd.Stderr = log
	n.cmd.Dir = p.dir
	if err := n.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	exited, cmd := make(chan error, 1), n.cmd
	n.exited = exited
	go func() { exited <- cmd.Wait() }()
}

func (p *processes) killAll() {
	for _, n := range p.nodes {
		if n.cmd != nil {
			_ = n.cmd.Process.Kill() // of no effect when it has ended
		}
		if p.t.Failed() {
			text, _ := os.ReadFile(n.log)
			lines := strings.SplitAfter(string(text), "\n")
			p.t.Logf("%s said:\n%s", n.name, strings.Join(lines[max(0, len(lines)-40):], ""))
		}
	}
}

// awaitReady waits until the node serves, for all checks but those excluded.
func (p *processes) awaitReady(name string, exclude ...string) {
	p.t.Helper()
	query := url.Values{"exclude": exclude}.Encode()
	poll(p.ctx, p.t, name+" to be ready", func() bool {
		response, err := http.Get("http://" + p.nodes[name].admin + "/readyz?" + query)
		if err != nil {
			return false
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// kill ends the node as a loss of power does.
func (p *processes) kill(name string) {
	p.t.Helper()
	p.signal(name, syscall.SIGKILL)
	p.exit(name)
}

// stop ends the node as an operator does.
func (p *processes) stop(name string) {
	p.t.Helper()
	p.signal(name, syscall.SIGTERM)
	if code := p.exit(name); code != 0 {
		p.t.Errorf("%s after SIGTERM: exit %d", name, code)
	}
}

func (p *processes) signal(name string, signal syscall.Signal) {
	p.t.Helper()
	if err := p.nodes[name].cmd.Process.Signal(signal); err != nil {
		p.t.Fatal(err)
	}
}

// exit waits for the end of the node and returns its exit code, -1 for a
// signal.
func (p *processes) exit(name string) int {
	p.t.Helper()
	select {
	case err := <-p.nodes[name].exited:
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-p.ctx.Done():
		p.t.Fatalf("%s does not end", name)
		return 0
	}
}

// said reports whether the node's log contains the text.
func (p *processes) said(name, text string) bool {
	log, err := os.ReadFile(p.nodes[name].log)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Contains(string(log), text)
}

// quorate runs an operator's command at a node, and returns what it prints.
func (p *processes) quorate(at string, args ...string) string {
	p.t.Helper()
	code, stdout, stderr := p.tryQuorate(at, args...)
	if code != 0 {
		p.t.Fatalf("quorate %s: exit %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

func (p *processes) tryQuorate(at string, args ...string) (code int, stdout, stderr string) {
	var out, words bytes.Buffer
	code = run(p.ctx, append(args, "--endpoint", p.nodes[at].admin), &out, &words)
	return code, out.String(), words.String()
}

// cluster is what the node and the members that it knows say.
func (p *processes) cluster(at string) *clusterStatus {
	cluster, err := askCluster(p.ctx, []string{endpointURL(p.nodes[at].admin)})
	if err != nil {
		return &clusterStatus{}
	}
	return cluster
}

// awaitMember waits until the node sees a member with the suffrage; "" when it
// is to see none.
func (p *processes) awaitMember(at, name, suffrage string) {
	p.t.Helper()
	poll(p.ctx, p.t, fmt.Sprintf("%s to be %q in the eyes of %s", name, suffrage, at), func() bool {
		for _, m := range p.cluster(at).Members {
			if m.Name == name {
				return m.Suffrage == suffrage
			}
		}
		return suffrage == ""
	})
}

// leader waits until there is one, in the eyes of the node and of itself.
func (p *processes) leader(at string) (name string) {
	p.t.Helper()
	poll(p.ctx, p.t, "a leader", func() bool {
		cluster := p.cluster(at)
		name = cluster.Leader
		return cluster.Quorum
	})
	return name
}

// awaitEqual waits until all members have applied what the leader has.
func (p *processes) awaitEqual(at string) {
	p.t.Helper()
	poll(p.ctx, p.t, "equal applied indices", func() bool {
		cluster := p.cluster(at)
		for _, m := range cluster.Members {
			if !m.Reachable || m.Behind > 0 {
				return false
			}
		}
		return cluster.Quorum
	})
}

func (p *processes) sqlURL(name string) string {
	return "postgres://quorate@" + p.nodes[name].sql + "/quorate"
}

func (p *processes) exec(at, sql string) {
	p.t.Helper()
	execSQL(p.ctx, p.t, p.sqlURL(at), sql)
}

// count counts the rows of a table in a node's own copy.
func (p *processes) count(at, table string) (rows int) {
	p.t.Helper()
	conn := p.connect(at)
	defer conn.Close(p.ctx)
	if _, err := conn.Exec(p.ctx, "set quorate.read_consistency = 'stale'"); err != nil {
		p.t.Fatal(err)
	}
	if err := conn.QueryRow(p.ctx, "select count(*) from "+table).Scan(&rows); err != nil {
		p.t.Fatal(err)
	}
	return rows
}
