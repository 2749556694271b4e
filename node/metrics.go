package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"quorate/raft"
	"quorate/transport"
)

// metrics are the node's own collectors. The prefix of a name is the folder
// that it speaks of; the list is in docs/reference/metrics.md.
type metrics struct {
	walSync, walBatch, apply, applyBatch, readIndex, commit, checkpoint prometheus.Histogram
	appliedEntries, walBytes                                            prometheus.Counter
	proposals, reads, images                                            *prometheus.CounterVec
	imageCreate                                                         prometheus.Histogram
	imageIndex, imageBytes                                              prometheus.Gauge
	imagesActive                                                        *prometheus.GaugeVec
	divergences                                                         prometheus.Counter
}

func newMetrics() *metrics {
	seconds := prometheus.ExponentialBuckets(0.00005, 2, 18) // 50 µs … 6.5 s
	entries := prometheus.ExponentialBuckets(1, 2, 12)
	m := &metrics{
		walSync: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "wal_sync_duration_seconds", Help: "Time to write and flush one batch of the log.", Buckets: seconds}),
		walBatch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "wal_batch_entries", Help: "Entries in one batch of the log.", Buckets: entries}),
		apply: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sqlfsm_apply_duration_seconds", Help: "Time to apply one batch of entries.", Buckets: seconds}),
		applyBatch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sqlfsm_apply_batch_entries", Help: "Entries in one applied batch.", Buckets: entries}),
		readIndex: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "raft_read_index_duration_seconds", Help: "Time from a linearizable read's question to its applied read index.", Buckets: seconds}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "raft_commit_duration_seconds", Help: "Time from a command's proposal by this node's client until it was committed and applied here.", Buckets: seconds}),
		checkpoint: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sqlfsm_checkpoint_duration_seconds", Help: "Time of one checkpoint of the database.", Buckets: seconds}),
		walBytes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "wal_append_bytes_total", Help: "Bytes of entries written to the log."}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "raft_read_index_total", Help: "Linearizable reads of this node's clients, by whether a quorum confirmed them."}, []string{"result"}),
		appliedEntries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlfsm_applied_entries_total", Help: "Entries applied since the start."}),
		images: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "snapshot_transfers_total", Help: "Images of the database that were sent or received, by what became of them."}, []string{"direction", "result"}),
		imagesActive: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "snapshot_transfers_active", Help: "Images that are being made and sent, or received."}, []string{"direction"}),
		imageCreate: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "snapshot_create_duration_seconds", Help: "Time to make an image of the database.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}),
		imageIndex: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "snapshot_last_index", Help: "Index of the image that this node made last."}),
		imageBytes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "snapshot_size_bytes", Help: "Size of the image that this node made last."}),
		divergences: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sqlfsm_divergence_total", Help: "Times that this node's database was found to differ from a majority's, or the voters' from each other without one. Must stay 0."}),
		proposals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "raft_proposals_total", Help: "Commands of this node's clients, by what became of them."}, []string{"result"}),
	}
	for _, direction := range []string{"sent", "received"} { // known before the first image
		m.imagesActive.WithLabelValues(direction)
		m.images.WithLabelValues(direction, "done")
		m.images.WithLabelValues(direction, "failed")
	}
	return m
}

// checkpointed counts a checkpoint.
func (m *metrics) checkpointed(took time.Duration) { m.checkpoint.Observe(took.Seconds()) }

// registerMetrics registers the node's collectors, those that read its view among
// them.
func (n *Node) registerMetrics(r prometheus.Registerer) error {
	gauge := func(name, help string, f func(v *view) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return f(n.view.Load()) })
	}
	counter := func(name, help string, f func(v *view) float64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return f(n.view.Load()) })
	}
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	collectors := []prometheus.Collector{
		n.metrics.walSync, n.metrics.walBatch, n.metrics.apply, n.metrics.applyBatch, n.metrics.readIndex,
		n.metrics.appliedEntries, n.metrics.proposals, n.metrics.commit, n.metrics.checkpoint, n.metrics.walBytes, n.metrics.reads, n.metrics.divergences,
		counter("raft_leader_elections_total", "Elections won by this node since it started; the sum over the cluster is its elections.",
			func(v *view) float64 { return float64(v.raft.Elections) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "raft_campaigns_total", Help: "Elections begun by this node, pre-votes apart.",
			ConstLabels: prometheus.Labels{"kind": "real"}}, func() float64 { return float64(n.view.Load().raft.Campaigns) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "raft_campaigns_total", Help: "Elections begun by this node, pre-votes apart.",
			ConstLabels: prometheus.Labels{"kind": "pre"}}, func() float64 { return float64(n.view.Load().raft.PreVotes) }),
		gauge("raft_is_leader", "1 on the leader.", func(v *view) float64 { return truth(v.raft.Role == raft.Leader) }),
		gauge("raft_has_leader", "1 when this node knows a leader.", func(v *view) float64 { return truth(v.raft.Leader != 0) }),
		gauge("raft_term", "The current term.", func(v *view) float64 { return float64(v.raft.Term) }),
		gauge("raft_last_index", "The last index in the log.", func(v *view) float64 { return float64(v.raft.Last) }),
		gauge("raft_commit_index", "The commit index.", func(v *view) float64 { return float64(v.raft.Commit) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sqlfsm_quarantined", Help: "1 while this node serves no SQL because its database differs from the majority's."},
			func() float64 { return truth(n.quarantine.Load() != nil) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "raft_applied_index", Help: "The last applied index."},
			func() float64 { return float64(n.progress.applied()) }),
		n.membersGauge("voter", func(s raft.Suffrage) bool { return s == raft.Voter }),
		n.membersGauge("learner", func(s raft.Suffrage) bool { return s != raft.Voter }),
		n.metrics.images, n.metrics.imagesActive, n.metrics.imageCreate, n.metrics.imageIndex, n.metrics.imageBytes,
		gauge("wal_base_index", "The index after which the log begins: what was before is in the database alone.",
			func(v *view) float64 { return float64(v.raft.Base) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "node_disk_full", Help: "1 while this node takes no writes because a disk is full."},
			func() float64 { return truth(n.disk.full() != nil) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "raft_proposals_pending", Help: "Commands of this node's clients that have no outcome yet."},
			func() float64 { return float64(n.commands.Pending()) }),
		counter("raft_wal_stall_total", "Leaderships given up because the disk hung.", func(v *view) float64 { return float64(v.stalls) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "wal_size_bytes", Help: "Bytes of the log's segments."},
			func() float64 { b, _ := n.log.Size(); return float64(b) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "wal_segments", Help: "Segments of the log."},
			func() float64 { _, s := n.log.Size(); return float64(s) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sqlfsm_readers_active", Help: "Snapshots that are open."},
			func() float64 { return float64(n.fsm.ReadersActive()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "sqlfsm_db_size_bytes", Help: "Bytes of the database's pages."},
			func() float64 { return float64(n.fsm.Size()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "quorate_build_info", Help: "1, with the versions as labels.",
			ConstLabels: prometheus.Labels{"version": n.cfg.Version, "engine": n.engine}}, func() float64 { return 1 }),
		&peerCollector{n},
		n.pg.Metrics,
	}
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// membersGauge counts the members with a role.
func (n *Node) membersGauge(role string, has func(raft.Suffrage) bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "raft_members", Help: "Members by role; those that will be voters when they have caught up are learners.",
		ConstLabels: prometheus.Labels{"role": role}}, func() float64 {
		count := 0
		for _, m := range n.members.Load().Configuration.Members {
			if has(m.Suffrage) {
				count++
			}
		}
		return float64(count)
	})
}

// peerCollector reports what is known of each peer.
type peerCollector struct{ node *Node }

var (
	descPeerUp      = prometheus.NewDesc("transport_peer_up", "1 while this node has a connection to the peer.", []string{"peer"}, nil)
	descPeerSent    = prometheus.NewDesc("transport_sent_bytes_total", "Bytes sent to the peer.", []string{"peer"}, nil)
	descPeerRecv    = prometheus.NewDesc("transport_received_bytes_total", "Bytes received from the peer.", []string{"peer"}, nil)
	descPeerDropped = prometheus.NewDesc("transport_dropped_messages_total", "Messages not sent to the peer: no connection, or its queue was full.", []string{"peer"}, nil)
	descPeerRTT     = prometheus.NewDesc("transport_peer_rtt_seconds", "Round trip of the newest ping to the peer.", []string{"peer"}, nil)
	descPeerBehind  = prometheus.NewDesc("raft_peer_behind_entries", "How many entries the peer is behind; on the leader.", []string{"peer"}, nil)
)

// Describe sends the descriptions.
func (c *peerCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descPeerUp, descPeerSent, descPeerRecv, descPeerDropped, descPeerRTT, descPeerBehind} {
		ch <- d
	}
}

// peers returns one peer of each name: two with one label would spoil the whole
// page. While a member is replaced under its name, both may be connected; then the
// one that is a member counts.
func (c *peerCollector) peers() map[string]transport.PeerState {
	peers := map[string]transport.PeerState{}
	for _, p := range c.node.transport.Peers() {
		_, member := c.node.member(p.ID)
		if _, taken := peers[p.Name]; !taken || member {
			peers[p.Name] = p
		}
	}
	return peers
}

// Collect sends the current values.
func (c *peerCollector) Collect(ch chan<- prometheus.Metric) {
	for _, p := range c.peers() {
		up := 0.0
		if p.Connected {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(descPeerUp, prometheus.GaugeValue, up, p.Name)
		ch <- prometheus.MustNewConstMetric(descPeerSent, prometheus.CounterValue, float64(p.SentBytes), p.Name)
		ch <- prometheus.MustNewConstMetric(descPeerRecv, prometheus.CounterValue, float64(p.ReceivedBytes), p.Name)
		ch <- prometheus.MustNewConstMetric(descPeerDropped, prometheus.CounterValue, float64(p.Dropped), p.Name)
		ch <- prometheus.MustNewConstMetric(descPeerRTT, prometheus.GaugeValue, p.RoundTrip.Seconds(), p.Name)
	}
	v := c.node.view.Load()
	for _, p := range v.raft.Peers {
		if m, ok := c.node.member(p.ID); ok && p.ID != c.node.id {
			ch <- prometheus.MustNewConstMetric(descPeerBehind, prometheus.GaugeValue, float64(v.raft.Last-p.Match), m.Name)
		}
	}
}
