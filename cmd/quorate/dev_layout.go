package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"quorate/internal/exitcode"
)

// devNode is one node of a dev cluster: its name and its ports on localhost.
type devNode struct {
	Name  string `json:"name"`
	SQL   int    `json:"sql_port"`
	Peer  int    `json:"peer_port"`
	Admin int    `json:"admin_port"`
}

func (n devNode) adminURL() string { return fmt.Sprintf("http://localhost:%d", n.Admin) }
func (n devNode) sqlURL() string {
	return fmt.Sprintf("postgres://quorate@localhost:%d/quorate", n.SQL)
}

// devLayout is the cluster. With --data-dir it is kept in dev.json beside the
// data, because the peer addresses are part of what the cluster is.
type devLayout struct {
	Nodes []devNode `json:"nodes"`
}

// devPorts are the ports of the first node; the others count up from there.
type devPorts struct{ sql, peer, admin int }

// newLayout chooses ports for n nodes: from the given ones upwards, leaving
// out those that are taken, and never one twice. report is told of each port
// that had to be left out.
func newLayout(n int, first devPorts, free func(port int) bool, report func(string)) (*devLayout, error) {
	used := map[int]bool{}
	next := first
	choose := func(kind string, next *int) (int, error) {
		for wanted := *next; ; *next++ {
			if *next > 65535 {
				return 0, usage(fmt.Errorf("there is no free %s port from %d upwards", kind, wanted), fmt.Sprintf("Choose a lower --%s-port.", kind))
			}
			if used[*next] || !free(*next) {
				continue
			}
			port := *next
			if port != wanted {
				report(fmt.Sprintf("%s port %d is taken: taking %d", kind, wanted, port))
			}
			used[port] = true
			*next++
			return port, nil
		}
	}
	layout := &devLayout{}
	for i := range n {
		node := devNode{Name: fmt.Sprintf("n%d", i+1)}
		for _, p := range []struct {
			kind string
			port *int
			next *int
		}{{"sql", &node.SQL, &next.sql}, {"peer", &node.Peer, &next.peer}, {"admin", &node.Admin, &next.admin}} {
			var err error
			if *p.port, err = choose(p.kind, p.next); err != nil {
				return nil, err
			}
		}
		layout.Nodes = append(layout.Nodes, node)
	}
	return layout, nil
}

// initialCluster is the value of --initial-cluster.
func (l *devLayout) initialCluster() string {
	members := make([]string, len(l.Nodes))
	for i, n := range l.Nodes {
		members[i] = fmt.Sprintf("%s=localhost:%d", n.Name, n.Peer)
	}
	return strings.Join(members, ",")
}

// clusterURL names all nodes: drivers try them in turn.
func (l *devLayout) clusterURL() string {
	hosts := make([]string, len(l.Nodes))
	for i, n := range l.Nodes {
		hosts[i] = "localhost:" + strconv.Itoa(n.SQL)
	}
	return "postgres://quorate@" + strings.Join(hosts, ",") + "/quorate"
}

// checkFree fails when a port of a kept cluster is taken: it cannot move.
func (l *devLayout) checkFree(free func(port int) bool, file string) error {
	for _, n := range l.Nodes {
		for _, p := range []struct {
			kind string
			port int
		}{{"sql", n.SQL}, {"peer", n.Peer}, {"admin", n.Admin}} {
			if !free(p.port) {
				return failed(fmt.Errorf("%s port %d of node %s, remembered in %s, is taken", p.kind, p.port, n.Name, file),
					"Is this cluster running already? Stop what listens there; a kept cluster keeps its ports.")
			}
		}
	}
	return nil
}

const layoutFile = "dev.json"

// readLayout returns the layout kept in the directory, or nil when the
// directory is new.
func readLayout(dir string) (*devLayout, error) {
	path := filepath.Join(dir, layoutFile)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, checkNew(dir)
	}
	if err != nil {
		return nil, dataDirError(err, "")
	}
	var layout devLayout
	if err = json.Unmarshal(data, &layout); err == nil && len(layout.Nodes) == 0 {
		err = errors.New("it has no nodes")
	}
	if err != nil {
		return nil, dataDirError(fmt.Errorf("%s does not describe a dev cluster: %w", path, err), "Choose another --data-dir, or remove this one if its data is not needed.")
	}
	return &layout, nil
}

// checkNew refuses a directory that has something else in it.
func checkNew(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dataDirError(err, "")
	}
	if len(entries) > 0 {
		return dataDirError(fmt.Errorf("%s is not empty and has no %s", dir, layoutFile), "Choose an empty or a new directory for --data-dir.")
	}
	return nil
}

// write keeps the layout in the directory. The file appears whole or not at all.
func (l *devLayout) write(dir string) error {
	data, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	path := filepath.Join(dir, layoutFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return dataDirError(err, "")
	}
	if err := os.Rename(path+".new", path); err != nil {
		return dataDirError(err, "")
	}
	return nil
}

func dataDirError(err error, hint string) error {
	return &exitcode.Error{Code: exitcode.DataDir, Err: err, Hint: hint}
}

// portFree reports whether nobody listens on the port, on either loopback
// address: psql would try ::1 first and reach somebody else there.
func portFree(port int) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT) {
			continue // a machine without IPv6
		}
		if err != nil {
			return false
		}
		listener.Close() // nobody has connected
	}
	return true
}
