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
	// Join are peer addresses of members of a running cluster, separated by
	// commas. A node that is no member yet asks them to let it in; one that is
	// ignores it. Not given together with InitialCluster.
	Join string
	// JoinLearner makes a node that joins stay a learner; otherwise it becomes a
	// voter when it has caught up.
	JoinLearner bool
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
	// MaxBatchEntries and MaxBatchBytes bound what is proposed at once; a single
	// larger command goes alone. A command waits up to MaxBatchDelay for company;
	// with 0, what waits already is its company.
	MaxBatchEntries, MaxBatchBytes int
	MaxBatchDelay                  time.Duration
	// SnapshotEntries is how many applied entries the log keeps for followers
	// that are behind: it is cut when it has twice as many, or when it takes more
	// than SnapshotBytes.
	SnapshotEntries int
	SnapshotBytes   int64
	// SnapshotRate bounds the bytes a second of an image on its way to a member.
	SnapshotRate int64
	// SegmentBytes is the size of the log's segments (wal.Options).
	SegmentBytes int64
	// ReaderAgeBytes bounds how old a query's view may grow (sqlfsm.Options).
	ReaderAgeBytes int64
	// MinFreeBytes is how much of the disks of DataDir and WALDir is kept free:
	// with less, this node is full and takes no more entries.
	MinFreeBytes int64
	// QuorumTimeout is how long a statement waits for a quorum.
	QuorumTimeout time.Duration
	// Version is shown in status and metrics.
	Version string
	Logger  zerolog.Logger
	// Metrics is where the node registers its collectors; /metrics gathers
	// from Gatherer.
	Metrics  prometheus.Registerer
	Gatherer prometheus.Gatherer

	// What tests change: the engine that this node says it runs ("": its own), how long
	// it waits to hear the others' (0: engineGrace), how often it tells its digests (0:
	// standingInterval), and how long it waits at first for another database (0:
	// seedPatience).
	engine       string
	engineGrace  time.Duration
	standing     time.Duration
	seedPatience time.Duration
}
