package pgwire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/prometheus/client_golang/prometheus"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// What a few statements leave in the counters.
func TestMetrics(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 1"] = fakeReply{rows: [][]value.Value{{value.Int(1)}}}
	backend.replies["select 1 / 0"] = fakeReply{err: errcode.Newf(errcode.DivisionByZero, "division by zero")}
	metrics := NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	address := startServer(t, &Server{Backend: backend, Metrics: metrics})

	c := login(t, address)
	for _, text := range []string{"select 1; select 1", "create table t (a int)", "show timezone", "selec", "select 1 / 0", "copy t to stdout", "select 1"} {
		c.send(&pgproto3.Query{String: text})
		for c.next() != "ReadyForQuery I" {
		}
	}
	login(t, address)
	refused := connect(t, address)
	refused.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"database": "quorate"}})
	refused.expect("ErrorResponse FATAL 28000", "(closed)")
	await(t, func() bool { return metrics.active.Load() == 0 })

	want := `pgwire_auth_failures_total 1
pgwire_connections state=active 0
pgwire_connections state=idle 2
pgwire_connections_total 3
pgwire_statement_duration_seconds kind=read, 3 observed
pgwire_statement_duration_seconds kind=session, 1 observed
pgwire_statement_duration_seconds kind=write, 1 observed
pgwire_statements_total kind=read sqlstate_class=00 3
pgwire_statements_total kind=read sqlstate_class=22 1
pgwire_statements_total kind=session sqlstate_class=00 1
pgwire_statements_total kind=session sqlstate_class=0A 1
pgwire_statements_total kind=session sqlstate_class=42 1
pgwire_statements_total kind=write sqlstate_class=00 1
sqlplan_rejected_total reason=unsupported 1
`
	if got := showMetrics(t, registry); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func showMetrics(t *testing.T, registry prometheus.Gatherer) string {
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, family := range families {
		for _, m := range family.GetMetric() {
			out.WriteString(family.GetName())
			for _, label := range m.GetLabel() {
				out.WriteString(" " + label.GetName() + "=" + label.GetValue())
			}
			if h := m.GetHistogram(); h != nil {
				fmt.Fprintf(&out, ", %d observed\n", h.GetSampleCount())
				continue
			}
			fmt.Fprintf(&out, " %v\n", m.GetCounter().GetValue()+m.GetGauge().GetValue())
		}
	}
	return out.String()
}
