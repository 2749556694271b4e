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
	// EntryConfiguration carries a Configuration, as AppendConfiguration writes
	// it.
	EntryConfiguration
)

func (t EntryType) String() string {
	switch t {
	case EntryNormal:
		return "normal"
	case EntryNoop:
		return "no-op"
	case EntryConfiguration:
		return "configuration"
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

// TermRun says that entries from First on carry Term, until the next run
// begins. A log's runs, sorted, answer "which term has the entry at i?"
// without the entries: invariant: both fields strictly increase.
type TermRun struct {
	First Index
	Term  Term
}

// State is what a member knows when it starts: what its log held.
type State struct {
	HardState HardState
	// Base is the index after which the log begins, and BaseTerm the term of the
	// entry there: everything up to it is in the state machine alone. Both are 0
	// for a log that was never cut in front.
	Base     Index
	BaseTerm Term
	// Configurations are those in the log, oldest first. The first is the one in
	// force at Base, whatever its index; the others are entries after Base. A
	// member that has not joined yet has one without members.
	Configurations []ConfigurationAt
	// Applied is the last index whose effects the state machine has kept;
	// Base <= Applied.
	Applied Index
	// Last is the last index in the log; Base when it is empty.
	Last Index
	// Runs covers (Base, Last].
	Runs []TermRun
	// Entries are the newest entries of the log, contiguous up to Last. They
	// reach back to Applied+1 at least, so that everything that may still
	// have to be applied is there; older ones are read through Ready.Fetches.
	Entries []Entry
}
