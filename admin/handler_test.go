package admin

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/prometheus/client_golang/prometheus"
)

// fakeSource is a node whose state a transcript sets.
type fakeSource struct {
	status  Status
	members []Member
	checks  []Check
}

func (f *fakeSource) Status() Status    { return f.status }
func (f *fakeSource) Cluster() []Member { return f.members }
func (f *fakeSource) Checks() []Check   { return f.checks }

// TestEndpoints asks every endpoint as an operator would, on a node that is
// first healthy, then a leader, then cut off from its peers. The transcript
// shows status line, content type and body.
//
//	go test ./admin -run TestEndpoints -rewrite
func TestEndpoints(t *testing.T) {
	registry := prometheus.NewRegistry()
	elections := prometheus.NewCounter(prometheus.CounterOpts{Name: "raft_leader_elections_total", Help: "Elections won by this node."})
	registry.MustRegister(elections)
	elections.Inc()
	source := &fakeSource{}
	server := httptest.NewServer(Handler(source, nil, registry))
	defer server.Close()

	datadriven.RunTest(t, "testdata/endpoints", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "node":
			source.set(t, d)
			return ""
		case "get", "head", "post":
			return request(t, server, strings.ToUpper(d.Cmd), d.CmdArgs[0].String())
		}
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		return ""
	})
}

// set reads the state of the node: role=, leader=, commit=, applied=, and one
// line of input for each check, "NAME ok" or "NAME reason".
func (f *fakeSource) set(t *testing.T, d *datadriven.TestData) {
	f.status = Status{Name: "n1", ID: "1", ClusterID: "c1", PID: 42, SQLAddr: "localhost:4432", PeerAddr: "localhost:7432",
		AdminAddr: "localhost:8432", Version: "0.1.0", SQLite: "3.54.1", Term: 7, LastIndex: 110,
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), UptimeSecs: 1.5}
	d.ScanArgs(t, "role", &f.status.Role)
	if d.HasArg("leader") {
		d.ScanArgs(t, "leader", &f.status.Leader)
	}
	if d.HasArg("commit") {
		d.ScanArgs(t, "commit", &f.status.CommitIndex)
		d.ScanArgs(t, "applied", &f.status.AppliedIndex)
	}
	f.members = []Member{
		{Name: "n1", ID: "1", Suffrage: "voter", PeerAddr: "localhost:7432", SQLAddr: "localhost:4432", AdminAddr: "localhost:8432", Self: true, Connected: true},
		{Name: "n2", ID: "2", Suffrage: "voter", PeerAddr: "localhost:7433", Leader: f.status.Leader == "n2"},
	}
	f.checks = nil
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		name, reason, _ := strings.Cut(line, " ")
		check := Check{Name: name}
		if reason != "ok" {
			check.Err = errors.New(reason)
		}
		f.checks = append(f.checks, check)
	}
}

func request(t *testing.T, server *httptest.Server, method, path string) string {
	r, err := http.NewRequest(method, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, server, r)
}

func do(t *testing.T, server *httptest.Server, r *http.Request) string {
	response, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf("%s  %s", response.Status, response.Header.Get("Content-Type"))
	if allow := response.Header.Get("Allow"); allow != "" {
		head += "  allow: " + allow
	}
	return head + "\n" + string(body)
}
