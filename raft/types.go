package raft

import "strconv"

// NodeID names a member for life. 0 is no node.
type NodeID uint64

func (id NodeID) String() string { return strconv.FormatUint(uint64(id), 16) }

// Term numbers elections (§5.1). 0 is before the first.
type Term uint64

// Index is a position in the log. The first entry has index 1; 0 is before it.
type Index uint64

// Role is a member's part in its current term (§5.1).
type Role uint8

// The roles. A PreCandidate asks whether it could win before it raises its
// term (thesis §9.6).
const (
	Follower Role = iota
	PreCandidate
	Candidate
	Leader
)

func (r Role) String() string {
	switch r {
	case Follower:
		return "follower"
	case PreCandidate:
		return "pre-candidate"
	case Candidate:
		return "candidate"
	case Leader:
		return "leader"
	}
	return "role " + strconv.Itoa(int(r))
}

// EntryType says who an entry is for. The numbers are on disk.
type EntryType uint8

const (
	// EntryNormal carries a command of the state machine.
	EntryNormal EntryType = iota
	// EntryNoop opens a leader's term (§8) and carries nothing.
	EntryNoop
)

func (t EntryType) String() string {
	switch t {
	case EntryNormal:
		return "normal"
	case EntryNoop:
		return "no-op"
	}
	return "entry type " + strconv.Itoa(int(t))
}

// Entry is one position of the log. Data is never written to after the entry
// was handed to the core: core, log, transport and state machine share it.
type Entry struct {
	Term  Term
	Index Index
	Type  EntryType
	Data  []byte
}

// HardState is what a member must not forget between elections (Figure 2,
// "persistent state"), plus the commit index, which it may: Commit is only a
// head start after a restart and may lag behind what was acknowledged.
type HardState struct {
	Term   Term
	Vote   NodeID
	Commit Index
}

// Member is one server of the cluster.
type Member struct {
	ID      NodeID
	Name    string
	Address string // host:port where other members reach it
}

// Configuration is the set of members. All of them vote; learners come with
// membership changes.
type Configuration struct {
	Members []Member // sorted by ID
}

// TermRun says that entries from First on carry Term, until the next run
// begins. A log's runs, sorted, answer "which term has the entry at i?"
// without the entries: invariant: both fields strictly increase.
type TermRun struct {
	First Index
	Term  Term
}

// State is what a member knows when it starts: what its log held.
type State struct {
	HardState     HardState
	Configuration Configuration
	// Applied is the last index whose effects the state machine has kept.
	Applied Index
	// Last is the last index in the log, 0 when empty. The first is 1 until
	// log truncation comes with snapshots.
	Last Index
	// Runs covers (0, Last].
	Runs []TermRun
	// Entries are the newest entries of the log, contiguous up to Last. They
	// reach back to Applied+1 at least, so that everything that may still
	// have to be applied is there; older ones are read through Ready.Fetches.
	Entries []Entry
}
