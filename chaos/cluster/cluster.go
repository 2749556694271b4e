package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"quorate/admin"
)

// Network is what the cluster needs of the network between its members.
type Network interface {
	// Add opens the address front, behind which the member listens at target.
	Add(name, front, target string) error
}

// Config says what to run.
type Config struct {
	Binary string // of quorate
	// Dir is where data, logs and disks are.
	Dir   string
	Nodes int
	// Network connects the members; nil: they reach each other directly.
	Network Network
	// Disks gives each member a file system of its own, if that is possible.
	Disks bool
	// Flags are added to those of quorate start.
	Flags []string
}

// Cluster is the members, running or not. Each Node is used by one goroutine at
// a time; different ones may be used at once.
type Cluster struct {
	// Nodes are the members, in the order of their names. Join appends, Remove
	// removes; no other method of the Cluster may run meanwhile.
	Nodes   []*Node
	gone    []*Node // removed
	config  Config
	spawner *spawner
	disks   error // why there are none
	// lifeline is the end of a pipe that the processes watch; the other end is
	// here alone. It closes when we end: where the kernel does not kill them
	// for us, they stop by that.
	lifeline, held *os.File
	client         http.Client

	mu     sync.Mutex // guards fallen
	fallen []error
	fell   chan struct{} // closed at the first
}

// New chooses names and addresses. Nothing runs yet.
func New(c Config) (*Cluster, error) {
	lifeline, held, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	s := newSpawner()
	cluster := &Cluster{config: c, spawner: s, lifeline: lifeline, held: held, fell: make(chan struct{})}
	for _, dir := range []string{"logs", "data"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, dir), 0o700); err != nil {
			return nil, fmt.Errorf("cluster: %w", err)
		}
	}
	cluster.disks = errors.New("they were not asked for")
	if c.Disks {
		cluster.disks = s.separate()
	}
	var members []string
	for range c.Nodes {
		node, err := cluster.newNode()
		if err != nil {
			return nil, err
		}
		members = append(members, node.Name+"="+node.peer)
	}
	initial := strings.Join(members, ",")
	for _, node := range cluster.Nodes {
		node.membership = []string{"--initial-cluster", initial}
	}
	return cluster, nil
}

// newNode appends a member that does not run yet.
func (c *Cluster) newNode() (*Node, error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, err
	}
	node := &Node{
		Name: fmt.Sprintf("n%d", len(c.Nodes)+len(c.gone)+1), cluster: c,
		SQL: ports[0], Admin: ports[1], listen: ports[2], peer: ports[3],
	}
	if c.config.Network == nil {
		node.peer = node.listen
	} else if err := c.config.Network.Add(node.Name, node.peer, node.listen); err != nil {
		return nil, err
	}
	node.data = filepath.Join(c.config.Dir, "data", node.Name)
	if c.disks == nil {
		node.disk = filepath.Join(c.config.Dir, "disks", node.Name)
		node.data = filepath.Join(node.disk, "data")
		if err := c.spawner.mount(node.disk); err != nil {
			return nil, err
		}
	}
	c.Nodes = append(c.Nodes, node)
	return node, nil
}

// DisksError says why the members have no disks of their own; nil: they have.
func (c *Cluster) DisksError() error { return c.disks }

// Fell is closed when a process has ended that nobody had told to; Fallen
// says which, and what it said last.
func (c *Cluster) Fell() <-chan struct{} { return c.fell }

// Fallen returns the processes that ended by themselves.
func (c *Cluster) Fallen() []error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fallen
}

func (c *Cluster) fall(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fallen = append(c.fallen, err)
	if len(c.fallen) == 1 {
		close(c.fell)
	}
}

// Running returns the members whose processes run, paused or not.
func (c *Cluster) Running() []*Node {
	var running []*Node
	for _, n := range c.Nodes {
		if n.Running() {
			running = append(running, n)
		}
	}
	return running
}

// Leader returns who says that it leads, in the latest term; nil: nobody does.
func (c *Cluster) Leader(ctx context.Context) *Node {
	var leader *Node
	var term uint64
	for _, n := range c.Running() {
		status, err := n.Status(ctx)
		if err == nil && status.Role == "leader" && status.Term > term {
			leader, term = n, status.Term
		}
	}
	return leader
}

// Logged returns how often all members, over all their lives, have logged the
// text.
func (c *Cluster) Logged(text string) int {
	count := 0
	for _, n := range slices.Concat(c.Nodes, c.gone) {
		log, err := os.ReadFile(n.logPath())
		if err == nil { // a member that never ran has none
			count += bytes.Count(log, []byte(text))
		}
	}
	return count
}

// statusTimeout bounds one question for a status: the member may be paused.
const statusTimeout = 300 * time.Millisecond

// answerBytesMax bounds what is read of an answer.
const answerBytesMax = 1 << 20

// Status asks the member.
func (n *Node) Status(ctx context.Context) (admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	var status admin.Status
	return status, n.order(ctx, http.MethodGet, "/status", nil, &status)
}

// Close kills what still runs. With keep, what is on disks in memory is copied
// to where it lasts.
func (c *Cluster) Close(keep bool) error {
	all := slices.Concat(c.Nodes, c.gone)
	for _, n := range all {
		n.Kill()
	}
	c.client.CloseIdleConnections()
	var errs []error
	if keep && c.disks == nil {
		for _, n := range all {
			errs = append(errs, c.spawner.copy(n.data, filepath.Join(c.config.Dir, "data", n.Name)))
		}
	}
	c.spawner.close()
	c.lifeline.Close()
	c.held.Close()
	return errors.Join(errs...)
}
