package node

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/transport"
)

const metricsPage = "../docs/reference/metrics.md"

// TestMetricsPage holds the list of metrics to the page that operators read.
func TestMetricsPage(t *testing.T) {
	c := startCluster(t, 3)
	leader := c.nodes[c.leader(t)]
	conn := connect(t, leader)
	for _, sql := range []string{"CREATE TABLE t(a int)", "INSERT INTO t VALUES (1)", "SELECT a FROM t"} {
		if _, err := conn.Exec(context.Background(), sql); err != nil {
			t.Fatal(err)
		}
	}
	families, err := leader.cfg.Gatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	page := describeMetrics(families)
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(metricsPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != page {
		t.Errorf("%s is stale: run go test ./node -run TestMetricsPage -rewrite", metricsPage)
	}
}

func describeMetrics(families []*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString(`# Metrics

What ` + "`/metrics`" + ` answers, made by a test from the program. The first word of a name is the folder that it speaks of. Beside these there
are Go's own (` + "`go_…`, `process_…`" + `).

| name | type | labels | |
|---|---|---|---|
`)
	for _, f := range families {
		var labels []string
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if !slices.Contains(labels, l.GetName()) {
					labels = append(labels, l.GetName())
				}
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), f.GetHelp())
	}
	return b.String()
}

// TestMetricsRegister shows that nothing is registered twice.
func TestMetricsRegister(t *testing.T) {
	n, err := Open(context.Background(), testConfig(t, "n1", t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	defer n.release()
	if err := n.registerMetrics(n.cfg.Metrics); err == nil {
		t.Error("registering twice succeeds")
	}
	if err := n.registerMetrics(prometheus.NewRegistry()); err != nil {
		t.Error(err)
	}
}

// TestMetricsOfNamesakes replaces a member under its name, so that for a while both
// are known to the transport: the page is still served.
func TestMetricsOfNamesakes(t *testing.T) {
	n, stop, done := openOn(t, testConfig(t, "n1", t.TempDir()), vfs.OS{})
	defer func() { stop(); <-done }()
	until(t, "the transport knows the members", func() bool {
		pending := true
		return n.ask(t.Context(), func(*raft.Raft) { pending = n.peersPending }) && !pending
	})
	n.transport.SetPeers([]transport.Peer{{ID: 50, Name: "n2", Address: "127.0.0.1:1"}, {ID: 51, Name: "n2", Address: "127.0.0.1:1"}})
	if _, err := n.cfg.Gatherer.Gather(); err != nil {
		t.Error(err)
	}
}
