package node

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"quorate/raft"
)

// Config are the settings of one node. The command fills every field; there
// are no defaults here.
type Config struct {
	// Name is this member's name, unique in the cluster and fixed for life.
	Name string
	// DataDir holds everything this node keeps.
	DataDir string
	// WALDir holds the log; usually DataDir/wal.
	WALDir string
	// InitialCluster are the members a new cluster starts with, by name and
	// peer address. On later starts it may be empty; when given, it must
	// describe the cluster that DataDir belongs to.
	InitialCluster []raft.Member
	// ClusterToken tells clusters apart that have the same member names and
	// addresses.
	ClusterToken string
	// The addresses to listen on, and those that others are told.
	SQLListen, SQLAdvertise     string
	PeerListen, PeerAdvertise   string
	AdminListen, AdminAdvertise string
	// ElectionMin and ElectionMax bound the random election timeout.
	ElectionMin, ElectionMax time.Duration
	// Heartbeat is the leader's heartbeat interval.
	Heartbeat time.Duration
	// QuorumTimeout is how long a statement waits for a quorum.
	QuorumTimeout time.Duration
	// Version is shown in status and metrics.
	Version string
	Logger  zerolog.Logger
	// Metrics is where the node registers its collectors; /metrics gathers
	// from Gatherer.
	Metrics  prometheus.Registerer
	Gatherer prometheus.Gatherer
}
