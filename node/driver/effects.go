package driver

import (
	"quorate/raft"
	"quorate/transport"
)

// Effects is what the driver asks of the world. Every method returns at once;
// what takes time comes back as an event.
type Effects interface {
	// Write puts a write in the log writer's queue; event: Persisted.
	Write(w LogWrite)
	// Install puts an image, which was received and is durable, in the applier's
	// queue: it replaces the state machine's state; event: Applied.
	Install(s raft.Snapshot)
	// Apply puts committed entries in the applier's queue; event: Applied.
	Apply(entries []raft.Entry)
	// Fetch reads old entries from the log; event: Fetched.
	Fetch(f raft.Fetch)
	// SendImage makes an image of the state machine, or takes one whose index is
	// at least the log's base, and sends it; event: ImagesSent.
	SendImage(to raft.NodeID)
	// Flush makes what the state machine has applied survive a power loss; event:
	// Durable.
	Flush()
	// Cut removes old entries from the log, up to through at most; event: Base.
	Cut(through raft.Index)
	// Send hands messages to the transport, which may lose them.
	Send(messages []raft.Message)
	SendProposals(to raft.NodeID, p []transport.Proposal)
	SendReplies(to raft.NodeID, r []transport.ProposalReply)
	// Refused tells of a message that a correct member would not have sent.
	Refused(err error)
}

// LogWrite is one write of the core on its way to the log.
type LogWrite struct {
	Seq       uint64
	HardState *raft.HardState
	// Snapshot, when not nil, comes before the rest: the log forgets every entry
	// and begins after it.
	Snapshot *raft.Snapshot
	Entries  []raft.Entry
	Sync     bool
}

// Events is what happened since the driver's last turn. The slices are the
// driver's for the turn. Zero means no news.
type Events struct {
	Now       int64 // µs since the Unix epoch, by this node's clock
	Ticks     int
	Messages  []raft.Message
	Commands  []*Pending // new commands of this node's sessions
	Proposals []transport.Proposal
	Replies   []transport.ProposalReply
	Persisted uint64 // highest Seq that is durable
	Applied   Applied
	Fetched   []Fetched
	// Unreachable are the members to whom a connection broke.
	Unreachable []raft.NodeID
	// Images were received from leaders, are complete and durable.
	Images []Image
	// ImagesSent answer SendImage.
	ImagesSent []ImageSent
	// Base is the index after which the log begins.
	Base raft.Index
	// Durable is an applied index that the state machine will have reached even
	// after a power loss.
	Durable raft.Index
	// LogBytes is how much room the log takes on disk.
	LogBytes int64
	// Changes are what operators want of this node, if it leads.
	Changes []*Change
	// Full says whether the disk is full: there is no room for entries.
	Full *bool
}

// Applied says how far the state machine is.
type Applied struct {
	Index raft.Index
	Term  raft.Term // of the entry at Index
	// Passed: not all that came before was applied one by one, and what became of
	// this node's commands among it is still to be looked up.
	Passed bool
}

// Fetched answers a raft.Fetch; no entries: they could not be read.
type Fetched struct {
	To      raft.NodeID
	Entries []raft.Entry
}

// Image is an image of the state machine that was received.
type Image struct {
	Snapshot raft.Snapshot
	From     raft.NodeID
	Term     raft.Term // in which From led
}

// ImageSent tells that a member has an image with the index; 0: it could not be
// made or sent.
type ImageSent struct {
	To    raft.NodeID
	Index raft.Index
}
