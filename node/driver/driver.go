package driver

import (
	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/transport"
)

// Effects is what the driver asks of the world. Every method returns at once;
// what takes time comes back as an event.
type Effects interface {
	// Write puts a write in the log writer's queue; event: Persisted.
	Write(w LogWrite)
	// Apply puts committed entries in the applier's queue; event: Applied.
	Apply(entries []raft.Entry)
	// Fetch reads old entries from the log; event: Fetched.
	Fetch(f raft.Fetch)
	// Send hands messages to the transport, which may lose them.
	Send(messages []raft.Message)
	SendProposals(to raft.NodeID, p []transport.Proposal)
	SendReplies(to raft.NodeID, r []transport.ProposalReply)
	// Refused tells of a message that a correct member would not have sent.
	Refused(err error)
}

// Events is what happened since the driver's last turn. The slices are the
// driver's for the turn.
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
}

// Applied says how far the state machine is.
type Applied struct {
	Index raft.Index
	Term  raft.Term // of the entry at Index
}

// Fetched answers a raft.Fetch; no entries: they could not be read.
type Fetched struct {
	To      raft.NodeID
	Entries []raft.Entry
}

// LogWrite is one write of the core on its way to the log.
type LogWrite struct {
	Seq       uint64
	HardState *raft.HardState
	Entries   []raft.Entry
	Sync      bool
}

// Driver turns events into calls of the core, and the core's Ready into
// effects. One goroutine calls Turn.
type Driver struct {
	self raft.NodeID
	core *raft.Raft
	out  Effects

	proposer proposer
	acceptor acceptor
	reader   reader

	tick int // ticks since the start
	now  int64

	// unsynced are the log writes that are not durable yet, oldest first, with
	// the tick at which they were handed out.
	unsynced []unsyncedWrite
	// stallTicks is how long a leader's write may take before it gives up its
	// leadership: two election timeouts.
	stallTicks int
	stalls     int // how often that happened
}

type unsyncedWrite struct {
	seq  uint64
	tick int
}

// New makes the driver of a core. resendTicks is how long it waits for
// an answer that a message may have lost, before it asks again.
func New(self raft.NodeID, core *raft.Raft, out Effects, commands *Commands, reads *ReadQueue, resendTicks, stallTicks int) *Driver {
	d := &Driver{self: self, core: core, out: out, stallTicks: stallTicks}
	d.proposer = proposer{driver: d, commands: commands, resendTicks: resendTicks}
	d.acceptor = acceptor{driver: d, origins: map[incarnation]*acceptedSeqs{}}
	d.reader = reader{driver: d, queue: reads, resendTicks: resendTicks}
	return d
}

// Turn handles what happened and hands out what follows from it.
func (d *Driver) Turn(e *Events) {
	d.now = e.Now
	if e.Persisted > 0 {
		d.persisted(e.Persisted)
	}
	for _, id := range e.Unreachable {
		d.core.ReportUnreachable(id)
	}
	for _, m := range e.Messages {
		if err := d.core.Step(m); err != nil {
			d.out.Refused(err)
		}
	}
	// Time passes after the messages: when this node was not running for a
	// while, the heartbeats that wait for it count first.
	for range e.Ticks {
		d.tick++
		d.core.Tick()
	}
	if e.Applied.Index > 0 {
		d.core.Applied(e.Applied.Index)
		d.proposer.applied(e.Applied.Term)
	}
	for _, f := range e.Fetched {
		d.core.Fetched(f.To, f.Entries)
	}
	d.acceptor.proposals(e.Proposals)
	d.proposer.replies(e.Replies)
	d.proposer.add(e.Commands)
	if e.Ticks > 0 {
		d.proposer.resend()
		d.reader.resend()
		d.watchDisk()
	}
	d.reader.start()
	d.drain()
}

// drain hands out everything that the core wants done. Reads that were lost
// and commands that can go to a new leader may make it want more.
func (d *Driver) drain() {
	for {
		d.proposer.route()
		ready, ok := d.core.Ready()
		if !ok {
			return
		}
		if ready.Seq != 0 {
			d.unsynced = append(d.unsynced, unsyncedWrite{ready.Seq, d.tick})
			d.out.Write(LogWrite{ready.Seq, ready.HardState, ready.Entries, ready.Sync})
		}
		if len(ready.Messages) > 0 {
			d.out.Send(ready.Messages)
		}
		if len(ready.Committed) > 0 {
			d.out.Apply(ready.Committed)
		}
		for _, f := range ready.Fetches {
			d.out.Fetch(f)
		}
		d.reader.answered(ready.Reads)
		d.reader.lost(ready.LostReads)
	}
}

func (d *Driver) persisted(seq uint64) {
	d.core.Persisted(seq)
	n := 0
	for n < len(d.unsynced) && d.unsynced[n].seq <= seq {
		n++
	}
	d.unsynced = append(d.unsynced[:0], d.unsynced[n:]...)
}

// watchDisk makes a leader whose disk hangs give up: what it cannot make
// durable it should not lead, and its followers' heartbeats would keep it in
// office for ever.
func (d *Driver) watchDisk() {
	if d.core.Role() == raft.Leader && len(d.unsynced) > 0 && d.tick-d.unsynced[0].tick > d.stallTicks {
		d.stalls++
		d.core.StepDown()
	}
}

// Core is the driver's core, to look at. The driver's goroutine calls it.
func (d *Driver) Core() *raft.Raft { return d.core }

// Stalls returns how often this node gave up its leadership because its disk
// hung. The driver's goroutine calls it.
func (d *Driver) Stalls() int { return d.stalls }

// propose puts commands in the log if this node is the leader, all or none.
func (d *Driver) propose(data [][]byte) (raft.Term, error) {
	_, term, err := d.core.Propose(data)
	return term, err
}

// maxClockDifference is how far a command's time may be from the leader's
// clock before the leader replaces it, in µs: so one wrong clock cannot drag
// the others along (the state machine's time never goes back).
const maxClockDifference = 500_000

// restamp returns the command, with the leader's time if its own is far off.
func restamp(data []byte, h *sqlfsm.Header, now int64) []byte {
	if d := h.Time - now; d > maxClockDifference || d < -maxClockDifference {
		return sqlfsm.Restamp(data, now)
	}
	return data
}
