package driver

import (
	"quorate/raft"
	"quorate/sqlfsm"
)

// Driver turns events into calls of the core, and the core's Ready into
// effects. One goroutine calls Turn.
type Driver struct {
	self   raft.NodeID
	core   *raft.Raft
	out    Effects
	config Config

	registrar registrar
	proposer  proposer
	acceptor  acceptor
	reader    reader
	changer   changer
	cutter    cutter
	fullness  fullness

	tick int // ticks since the start
	now  int64
	// batchSince is when the oldest command came that waits for company; 0: none
	// does.
	batchSince int64

	// The log writes in (durable, written] are with the log writer. progress is the
	// tick at which it last said that one is durable, or began to have some.
	durable, written uint64
	progress         int
	stalls           int // how often a leader gave up because there was none
}

// Config is what a driver is made of. Numbers that are zero mean the default given
// in brackets.
type Config struct {
	Self     raft.NodeID
	Core     *raft.Raft
	Effects  Effects
	Commands *Commands
	Reads    *ReadQueue

	// ResendTicks is how long the driver waits for an answer that a message may
	// have lost, before it asks again.
	ResendTicks int
	// ElectionTicks is the longest election timeout. A leader whose write takes
	// twice as long gives up its leadership.
	ElectionTicks int

	// MaxBatchEntries and MaxBatchBytes bound what is proposed to the core, and
	// flushed, at a time [1024, 8 MiB]. More wait for the next flush: smaller
	// batches cost throughput, larger ones the latency of those who come next.
	MaxBatchEntries int
	MaxBatchBytes   int
	// MaxBatchDelay is how long a leader lets a command wait for company, in µs
	// [0]. Whatever comes while a flush is under way shares the next one without
	// any delay; so a delay pays only where flushes cost more than waiting.
	MaxBatchDelay int64

	// SnapshotEntries is how many entries the log keeps for followers that are
	// behind [10,000]. It is cut when it holds twice as many.
	SnapshotEntries int
	// SnapshotBytes is the size of the log that makes it be cut [64 MiB].
	SnapshotBytes int64
}

func orDefault[T int | int64](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// New makes a driver.
func New(c Config) *Driver {
	orDefault(&c.MaxBatchEntries, 1024)
	orDefault(&c.MaxBatchBytes, 8<<20)
	orDefault(&c.SnapshotEntries, 10_000)
	orDefault(&c.SnapshotBytes, 64<<20)
	d := &Driver{self: c.Self, core: c.Core, out: c.Effects, config: c}
	d.proposer = proposer{driver: d, commands: c.Commands, resendTicks: c.ResendTicks}
	d.acceptor = acceptor{driver: d, origins: map[incarnation]*acceptedSeqs{}}
	d.reader = reader{driver: d, queue: c.Reads, resendTicks: c.ResendTicks}
	d.changer = changer{driver: d}
	status := c.Core.Status()
	d.registrar = registrar{driver: d, commands: c.Commands, applied: status.Applied}
	d.cutter = cutter{driver: d, base: status.Base, applied: status.Applied, holds: map[raft.NodeID]raft.Index{}}
	d.fullness = fullness{driver: d}
	return d
}

// Turn handles what happened and hands out what follows from it.
func (d *Driver) Turn(e *Events) {
	d.now = e.Now
	if e.Persisted > 0 {
		d.persisted(e.Persisted)
	}
	if e.Full != nil {
		d.fullness.set(*e.Full)
	}
	for _, id := range e.Unreachable {
		d.core.ReportUnreachable(id)
	}
	for _, m := range e.Messages {
		d.step(m)
	}
	for _, image := range e.Images {
		d.step(raft.Message{Type: raft.InstallSnapshot, From: image.From, To: d.self, Term: image.Term, Snapshot: &image.Snapshot})
	}
	// Time passes after the messages: when this node was not running for a
	// while, the heartbeats that wait for it count first.
	for range e.Ticks {
		d.tick++
		d.core.Tick()
	}
	if e.Applied.Index > 0 {
		d.applied(e.Applied)
	}
	for _, f := range e.Fetched {
		d.core.Fetched(f.To, f.Entries)
	}
	d.logNews(e)
	d.acceptor.held = append(d.acceptor.held, e.Proposals...)
	d.proposer.replies(e.Replies)
	d.registrar.add(e.Commands)
	d.registrar.turn(e.Ticks)
	d.changer.begin(e.Changes)
	if e.Ticks > 0 {
		d.proposer.resend()
		d.reader.resend()
		d.watchDisk()
		d.fullness.tick()
		d.cutter.tick()
	}
	d.reader.start()
	d.drain()
	d.changer.watchTransfers()
}

func (d *Driver) step(m raft.Message) {
	if err := d.core.Step(m); err != nil {
		d.out.Refused(err)
	}
}

// logNews takes what happened to the log and to images.
func (d *Driver) logNews(e *Events) {
	for _, s := range e.ImagesSent {
		d.core.ImageSent(s.To, s.Index)
		d.cutter.sent(s)
	}
	if e.Base > 0 {
		d.core.Compact(e.Base)
		d.cutter.began(e.Base)
	}
	if e.Durable > 0 {
		d.cutter.durableTo(e.Durable)
	}
	if e.LogBytes > 0 {
		d.cutter.bytes = e.LogBytes
	}
}

func (d *Driver) applied(a Applied) {
	d.core.Applied(a.Index)
	d.registrar.applied = a.Index
	if !a.Passed {
		d.proposer.applied(a.Term)
	}
	d.changer.applied(a)
	d.cutter.applied = a.Index
}

// drain hands out everything that the core wants done. Reads that were lost
// and commands that can go to a new leader, or did not fit into a batch, may make
// it want more.
func (d *Driver) drain() {
	for {
		batch := d.fill()
		ready, ok := d.core.Ready()
		if ok {
			d.handOut(&ready)
		} else if batch.hasRoom() {
			return
		}
	}
}

func (d *Driver) handOut(ready *raft.Ready) {
	if ready.Seq != 0 {
		if d.durable == d.written {
			d.progress = d.tick
		}
		d.written = ready.Seq
		d.out.Write(LogWrite{ready.Seq, ready.HardState, ready.Snapshot, ready.Entries, ready.Sync})
	}
	if ready.Snapshot != nil {
		d.cutter.began(ready.Snapshot.Index)
	}
	if len(ready.Messages) > 0 {
		d.out.Send(ready.Messages)
	}
	if ready.Install != nil {
		d.changer.installed(ready.Install)
		d.out.Install(*ready.Install)
	}
	if len(ready.Committed) > 0 {
		d.changer.delivered(ready.Committed)
		d.out.Apply(ready.Committed)
	}
	for _, f := range ready.Fetches {
		d.out.Fetch(f)
	}
	for _, to := range ready.Images {
		d.cutter.sending(to)
		d.out.SendImage(to)
	}
	d.reader.answered(ready.Reads)
	d.reader.lost(ready.LostReads)
}

func (d *Driver) persisted(seq uint64) {
	d.core.Persisted(seq)
	d.durable, d.progress = seq, d.tick
}

// watchDisk makes a leader whose disk hangs give up: what it cannot make
// durable it should not lead, and its followers' heartbeats would keep it in
// office for ever. A disk that is busy does not hang: however much waits for it,
// it is enough that some of it becomes durable. A disk that is full is another
// matter: the core hands over to whoever has room, and where nobody has, a leader
// that stays can serve reads.
func (d *Driver) watchDisk() {
	if d.core.Role() != raft.Leader || d.fullness.full || d.durable == d.written {
		return
	}
	if d.tick-d.progress > 2*d.config.ElectionTicks {
		d.stalls++
		d.core.StepDown()
	}
}

// Core is the driver's core, to look at. The driver's goroutine calls it.
func (d *Driver) Core() *raft.Raft { return d.core }

// Stalls returns how often this node gave up its leadership because its disk
// hung. The driver's goroutine calls it.
func (d *Driver) Stalls() int { return d.stalls }

// propose puts commands in the log if this node is the leader and there is room
// for them, all or none.
func (d *Driver) propose(data [][]byte) (raft.Term, error) {
	if d.fullness.quorum {
		return 0, raft.ErrFull
	}
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
