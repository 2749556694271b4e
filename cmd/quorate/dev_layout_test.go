package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"quorate/internal/config"
	"quorate/internal/exitcode"
)

func secondsOf(n int) time.Duration { return time.Duration(n) * time.Second }

// Ports count up from the first; what is taken is named and left out; no port
// is given twice, also where the ranges meet.
func TestNewLayout(t *testing.T) {
	for _, test := range []struct {
		name    string
		nodes   int
		first   devPorts
		taken   map[int]bool
		want    string // sql/peer/admin of each node
		reports string
	}{
		{"all free", 3, devPorts{4432, 7432, 8432}, nil, "4432/7432/8432 4433/7433/8433 4434/7434/8434", ""},
		{"some taken", 3, devPorts{4432, 7432, 8432}, map[int]bool{4433: true, 4434: true, 8432: true},
			"4432/7432/8433 4435/7433/8434 4436/7434/8435", "admin port 8432 is taken: taking 8433; sql port 4433 is taken: taking 4435"},
		{"ranges meet", 2, devPorts{5000, 5000, 5001}, nil, "5000/5001/5002 5003/5004/5005",
			"peer port 5000 is taken: taking 5001; admin port 5001 is taken: taking 5002; sql port 5001 is taken: taking 5003; " +
				"peer port 5002 is taken: taking 5004; admin port 5003 is taken: taking 5005"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reports, got []string
			layout, err := newLayout(test.nodes, test.first, func(p int) bool { return !test.taken[p] }, func(r string) { reports = append(reports, r) })
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range layout.Nodes {
				got = append(got, fmt.Sprintf("%d/%d/%d", n.SQL, n.Peer, n.Admin))
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("ports %v, want %s", got, test.want)
			}
			if strings.Join(reports, "; ") != test.reports {
				t.Errorf("reported %q, want %q", strings.Join(reports, "; "), test.reports)
			}
		})
	}
}

func TestNewLayoutWithoutFreePorts(t *testing.T) {
	_, err := newLayout(3, devPorts{65535, 7432, 8432}, func(int) bool { return true }, func(string) {})
	if code(err) != exitcode.Usage || !strings.Contains(err.Error(), "no free sql port from 65536 upwards") {
		t.Errorf("newLayout: %v", err)
	}
}

func code(err error) int {
	var exit *exitcode.Error
	if errors.As(err, &exit) {
		return exit.Code
	}
	return -1
}

// A kept cluster is found again; a directory with something else in it is
// refused and not touched.
func TestKeptLayout(t *testing.T) {
	dir := t.TempDir()
	if layout, err := readLayout(dir); layout != nil || err != nil {
		t.Fatalf("in an empty directory: %v, %v", layout, err)
	}
	if layout, err := readLayout(filepath.Join(dir, "new")); layout != nil || err != nil {
		t.Fatalf("in no directory: %v, %v", layout, err)
	}
	layout := &devLayout{Nodes: []devNode{{"n1", 4432, 7432, 8432}, {"n2", 4435, 7435, 8435}}}
	if err := layout.write(dir); err != nil {
		t.Fatal(err)
	}
	again, err := readLayout(dir)
	if err != nil || !reflect.DeepEqual(again, layout) {
		t.Errorf("read %v, %v; wrote %v", again, err, layout)
	}
	if got, want := again.clusterURL(), "postgres://quorate@localhost:4432,localhost:4435/quorate"; got != want {
		t.Errorf("clusterURL() = %s, want %s", got, want)
	}
	if got, want := again.initialCluster(), "n1=localhost:7432,n2=localhost:7435"; got != want {
		t.Errorf("initialCluster() = %s, want %s", got, want)
	}

	for name, content := range map[string]string{"notes.txt": "x", layoutFile: "{", "also/" + layoutFile: `{"nodes":[]}`} {
		foreign := t.TempDir()
		path := filepath.Join(foreign, filepath.Base(name))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLayout(foreign); code(err) != exitcode.DataDir {
			t.Errorf("with %s: %v", name, err)
		}
	}
}

// A kept cluster cannot be asked for other nodes or ports than it has.
func TestCheckKept(t *testing.T) {
	layout := &devLayout{Nodes: []devNode{{"n1", 4432, 7432, 8432}}}
	o := devOptions{nodes: 3, ports: devPorts{4432, 7432, 8432}, given: func(flag string) bool { return flag == "nodes" }}
	if err := o.checkKept(layout, "dir"); code(err) != exitcode.Usage || !strings.Contains(err.Error(), "--nodes 3: the cluster in dir has 1") {
		t.Errorf("checkKept: %v", err)
	}
	err := layout.checkFree(func(port int) bool { return port != 7432 }, "dir/dev.json")
	if code(err) != exitcode.Failed || !strings.Contains(err.Error(), "peer port 7432 of node n1, remembered in dir/dev.json, is taken") {
		t.Errorf("checkFree: %v", err)
	}
}

// A port is taken when somebody listens on it on either loopback address.
func TestPortFree(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if portFree(port) {
		t.Errorf("port %d is free while somebody listens", port)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	if !portFree(port) {
		t.Errorf("port %d is taken while nobody listens", port)
	}
}

// Output of several nodes comes in whole lines, each with its node's name.
func TestPrefixWriter(t *testing.T) {
	var out strings.Builder
	w := &prefixWriter{prefix: "n1 | ", w: &out}
	for _, part := range []string{"one\ntw", "o\n", "\nrest"} {
		if n, err := w.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("Write(%q) = %d, %v", part, n, err)
		}
	}
	if got, want := out.String(), "n1 | one\nn1 | two\nn1 | \n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

// Settings meant for a node by environment do not reach the nodes of dev.
func TestWithoutSettings(t *testing.T) {
	got := config.WithoutSettings([]string{"PATH=/bin", "QUORATE_NAME=x", "HOME=/root"})
	if !reflect.DeepEqual(got, []string{"PATH=/bin", "HOME=/root"}) {
		t.Errorf("WithoutSettings: %v", got)
	}
}
