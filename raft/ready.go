package raft

// Ready is what the core wants done. The driver may do the parts in any order
// and at the same time, but
//
//   - writes (HardState, Entries) reach the log in the order of their Seq, and
//     Persisted(Seq) is called only after they are durable;
//   - Messages are sent as they are: what depends on a write that is not
//     durable yet has been withheld by the core and comes in a later Ready;
//   - Install and Committed are applied in order, Install first, each once, and
//     Applied is called afterwards.
type Ready struct {
	// Seq numbers this write; 0: nothing to write. Consecutive writes may be
	// merged into one, acknowledged by the last Seq.
	Seq uint64
	// HardState is to be written when not nil.
	HardState *HardState
	// Snapshot, when not nil, belongs to this write and comes before the rest of
	// it: the log forgets every entry and begins after Snapshot.Index.
	Snapshot *Snapshot
	// Entries supersede every stored entry with an index >= Entries[0].Index.
	Entries []Entry
	// Sync is false when only the commit index moved: the write need not be
	// flushed for its own sake (but Persisted is called all the same).
	Sync bool
	// Messages may be sent now.
	Messages []Message
	// Install, when not nil, is the image that replaces the state machine's state
	// before anything in Committed is applied: it was accepted with an
	// InstallSnapshot, and the log begins after it durably. Applied(Install.Index)
	// follows.
	Install *Snapshot
	// Committed are to be applied. They are durable in this member's own log.
	Committed []Entry
	// Reads are questions asked through ReadIndex that have an answer.
	Reads []ReadState
	// LostReads are questions that will never be answered, because the role,
	// the leader or the term changed: ask again, with a new number.
	LostReads []uint64
	// Fetches ask for old entries that the core keeps no longer in memory, to
	// be sent to a follower that is behind. The driver reads them from the
	// log, off the loop, and hands them to Fetched.
	Fetches []Fetch
	// Images are members whose next entry is no longer in the log: send each an
	// image of the state machine, at an index that is at least the log's base,
	// and tell the outcome by ImageSent.
	Images []NodeID
}

// ReadState answers ReadIndex: the state machine may be read for Request once
// it has applied Index (thesis §6.4).
type ReadState struct {
	Request uint64
	Index   Index
}

// Fetch asks for the entries [Lo, Hi) of the log for member To. The driver may
// return fewer, but at least one, beginning at Lo.
type Fetch struct {
	To       NodeID
	Lo, Hi   Index
	MaxBytes int
}

// Status is a snapshot of the core's state, for operators and tests.
type Status struct {
	ID        NodeID
	Role      Role
	Term      Term
	Leader    NodeID // 0: unknown
	Vote      NodeID
	Commit    Index
	Applied   Index
	Last      Index
	Stable    Index  // last index that is durable here
	Base      Index  // the log begins after it
	Elections uint64 // elections won by this member since it started
	Campaigns uint64 // elections begun (term raised)
	PreVotes  uint64 // pre-vote rounds begun
	// Configuration is the newest in the log, committed or not.
	Configuration ConfigurationAt
	// Transfer is the member that a leader is handing over to, 0: none.
	Transfer NodeID
	Peers    []PeerStatus // on the leader; sorted by ID
}

// PeerStatus is what a leader knows of a follower.
type PeerStatus struct {
	ID     NodeID
	State  string // "probe", "replicate" or "snapshot"
	Match  Index
	Next   Index
	Active bool // heard from within the last election timeout
	Lives  bool // active, and its connection has not broken since: counted on in a removal
	Full   bool // its disk has no room for entries
}
