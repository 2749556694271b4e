package pgwire

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quorate/internal/errcode"
	"quorate/sqlplan"
)

// statementKind is the label kind of the statement metrics.
type statementKind uint8

const (
	kindRead statementKind = iota
	kindWrite
	kindSession
	statementKinds
)

var kindNames = [statementKinds]string{"read", "write", "session"}

func kindOf(plan *sqlplan.Plan) statementKind {
	switch plan.Kind {
	case sqlplan.Read:
		return kindRead
	case sqlplan.Write:
		return kindWrite
	}
	return kindSession
}

// Metrics are the counters of a Server. It is a prometheus.Collector, for the
// node to register; make it with NewMetrics.
type Metrics struct {
	open   atomic.Int64 // sessions
	active atomic.Int64 // sessions that are carrying out a message

	connections  *prometheus.Desc
	accepted     prometheus.Counter
	authFailures prometheus.Counter
	duration     *prometheus.HistogramVec
	statements   *prometheus.CounterVec
	unsupported  prometheus.Counter

	// The series of every statement, found once.
	durationOf [statementKinds]prometheus.Observer
	successOf  [statementKinds]prometheus.Counter
}

// NewMetrics makes the collectors of one server, all at zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		connections: prometheus.NewDesc("pgwire_connections",
			"Client sessions that are open now.", []string{"state"}, nil),
		accepted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pgwire_connections_total", Help: "Client connections that were accepted.",
		}),
		authFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "pgwire_auth_failures_total", Help: "Connections refused because of who asked for them (SQLSTATE class 28).",
		}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "pgwire_statement_duration_seconds",
			Help:    "Time from a statement's turn to its last row; the statements of one write transaction share one time.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 2, 18), // 0.1 ms to 13 s
		}, []string{"kind"}),
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pgwire_statements_total", Help: "Statements carried out, by the class of their SQLSTATE.",
		}, []string{"kind", "sqlstate_class"}),
		unsupported: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlplan_rejected_total", Help: "Statements that were refused because they are not translated (0A000).",
			ConstLabels: prometheus.Labels{"reason": "unsupported"},
		}),
	}
	for kind, name := range kindNames {
		m.durationOf[kind] = m.duration.WithLabelValues(name)
		m.successOf[kind] = m.statements.WithLabelValues(name, "00")
	}
	return m
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.connections
	for _, c := range m.collectors() {
		c.Describe(ch)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	active := m.active.Load()
	idle := max(m.open.Load()-active, 0)
	ch <- prometheus.MustNewConstMetric(m.connections, prometheus.GaugeValue, float64(active), "active")
	ch <- prometheus.MustNewConstMetric(m.connections, prometheus.GaugeValue, float64(idle), "idle")
	for _, c := range m.collectors() {
		c.Collect(ch)
	}
}

func (m *Metrics) collectors() []prometheus.Collector {
	return []prometheus.Collector{m.accepted, m.authFailures, m.duration, m.statements, m.unsupported}
}

// succeeded counts a statement that was carried out.
func (m *Metrics) succeeded(kind statementKind, took time.Duration) {
	m.durationOf[kind].Observe(took.Seconds())
	m.successOf[kind].Inc()
}

// failed counts a statement that was not.
func (m *Metrics) failed(kind statementKind, code errcode.Code) {
	m.statements.WithLabelValues(kindNames[kind], string(code[:2])).Inc()
}
