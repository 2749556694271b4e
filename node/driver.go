package node

import (
	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/transport"
)

// effects is what the driver asks of the world. Every method returns at once;
// what takes time comes back as an event.
type effects interface {
	// write puts a write in the log writer's queue; event: persisted.
	write(w logWrite)
	// apply puts committed entries in the applier's queue; event: applied.
	apply(entries []raft.Entry)
	// fetch reads old entries from the log; event: fetched.
	fetch(f raft.Fetch)
	// send hands messages to the transport, which may lose them.
	send(messages []raft.Message)
	sendProposals(to raft.NodeID, p []transport.Proposal)
	sendReplies(to raft.NodeID, r []transport.ProposalReply)
	// refused tells of a message that a correct member would not have sent.
	refused(err error)
}

// events is what happened since the driver's last turn. The slices are the
// driver's for the turn.
type events struct {
	now       int64 // µs since the Unix epoch, by this node's clock
	ticks     int
	messages  []raft.Message
	commands  []*pending // new commands of this node's sessions
	proposals []transport.Proposal
	replies   []transport.ProposalReply
	persisted uint64 // highest Seq that is durable
	applied   applied
	fetched   []fetched
	// unreachable are the members to whom a connection broke.
	unreachable []raft.NodeID
}

// applied says how far the state machine is.
type applied struct {
	index raft.Index
	term  raft.Term // of the entry at index
}

// fetched answers a raft.Fetch; no entries: they could not be read.
type fetched struct {
	to      raft.NodeID
	entries []raft.Entry
}

// logWrite is one write of the core on its way to the log.
type logWrite struct {
	seq       uint64
	hardState *raft.HardState
	entries   []raft.Entry
	sync      bool
}

// driver turns events into calls of the core, and the core's Ready into
// effects. One goroutine calls turn.
type driver struct {
	self raft.NodeID
	core *raft.Raft
	out  effects

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

// newDriver makes the driver of a core. resendTicks is how long it waits for
// an answer that a message may have lost, before it asks again.
func newDriver(self raft.NodeID, core *raft.Raft, out effects, commands *commands, reads *readQueue, resendTicks, stallTicks int) *driver {
	d := &driver{self: self, core: core, out: out, stallTicks: stallTicks}
	d.proposer = proposer{driver: d, commands: commands, resendTicks: resendTicks}
	d.acceptor = acceptor{driver: d, origins: map[incarnation]*acceptedSeqs{}}
	d.reader = reader{driver: d, queue: reads, resendTicks: resendTicks}
	return d
}

// turn handles what happened and hands out what follows from it.
func (d *driver) turn(e *events) {
	d.now = e.now
	if e.persisted > 0 {
		d.persisted(e.persisted)
	}
	for _, id := range e.unreachable {
		d.core.ReportUnreachable(id)
	}
	for _, m := range e.messages {
		if err := d.core.Step(m); err != nil {
			d.out.refused(err)
		}
	}
	// Time passes after the messages: when this node was not running for a
	// while, the heartbeats that wait for it count first.
	for range e.ticks {
		d.tick++
		d.core.Tick()
	}
	if e.applied.index > 0 {
		d.core.Applied(e.applied.index)
		d.proposer.applied(e.applied.term)
	}
	for _, f := range e.fetched {
		d.core.Fetched(f.to, f.entries)
	}
	d.acceptor.proposals(e.proposals)
	d.proposer.replies(e.replies)
	d.proposer.add(e.commands)
	if e.ticks > 0 {
		d.proposer.resend()
		d.reader.resend()
		d.watchDisk()
	}
	d.reader.start()
	d.drain()
}

// drain hands out everything that the core wants done. Reads that were lost
// and commands that can go to a new leader may make it want more.
func (d *driver) drain() {
	for {
		d.proposer.route()
		ready, ok := d.core.Ready()
		if !ok {
			return
		}
		if ready.Seq != 0 {
			d.unsynced = append(d.unsynced, unsyncedWrite{ready.Seq, d.tick})
			d.out.write(logWrite{ready.Seq, ready.HardState, ready.Entries, ready.Sync})
		}
		if len(ready.Messages) > 0 {
			d.out.send(ready.Messages)
		}
		if len(ready.Committed) > 0 {
			d.out.apply(ready.Committed)
		}
		for _, f := range ready.Fetches {
			d.out.fetch(f)
		}
		d.reader.answered(ready.Reads)
		d.reader.lost(ready.LostReads)
	}
}

func (d *driver) persisted(seq uint64) {
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
func (d *driver) watchDisk() {
	if d.core.Role() == raft.Leader && len(d.unsynced) > 0 && d.tick-d.unsynced[0].tick > d.stallTicks {
		d.stalls++
		d.core.StepDown()
	}
}

// propose puts commands in the log if this node is the leader, all or none.
func (d *driver) propose(data [][]byte) (raft.Term, error) {
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
