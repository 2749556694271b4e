package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"

	"quorate/internal/vfs"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/sqlfsm"
	"quorate/transport"
)

// node is one member: what survives a crash, and what lives between two.
type node struct {
	world *World
	id    raft.NodeID

	// On disk.
	disk    *vfs.Mem
	machine machine
	dead    bool    // its log is damaged, and it knows: it never comes back
	images  []image // received
	// receiving are the images that are becoming durable.
	receiving int
	leaves    bool // it was removed, and knows
	// skew is how fast its clock runs, and jumped by how much it is wrong.
	skew   float64
	jumped Time

	// One life, from start to crash.
	up     bool
	life   uint64
	log    *wal.Log
	driver *driver.Driver
	core   *raft.Raft
	inbox  driver.Events
	awake  bool // a turn is scheduled
	ticks  int

	ticked    int  // ticks of this life
	writing   bool // the log writer is busy with batch
	writeTick int  // ticked when it began
	writes    []driver.LogWrite
	batch     []driver.LogWrite
	applying  bool
	committed []work
	outgoing  *image
	full      bool // the driver knows that the disk is
	noRoom    bool // the log could not be written

	paused       bool
	held         []func()                // what happens to a paused process, later
	stalledUntil Time                    // the disk hangs
	echoes       echoes                  // what it was sent once
	fault        func(vfs.Op) vfs.Fault  // what the disk does next; nil: it works
	open         map[uint64]*pendingCall // by sequence number; only looked up
	calls        []*pendingCall          // the same, in order
	readers      []*pendingRead
	commands     *driver.Commands
	reads        *driver.ReadQueue

	shown string // what the trace said of it last
}

const logDir = "/log"

func newNode(w *World, id raft.NodeID) *node {
	return &node{world: w, id: id, disk: vfs.NewMem(), skew: 1}
}

// work is for the applier: an entry, or an image that comes before the next.
type work struct {
	entry   raft.Entry
	install *raft.Snapshot
}

func (n *node) String() string { return fmt.Sprintf("n%d", uint64(n.id)) }

func (n *node) walOptions() wal.Options {
	o := n.world.plan.wal
	o.Dir = logDir
	o.FS = vfs.Inject(n.disk, func(op vfs.Op) vfs.Fault {
		if n.fault == nil {
			return vfs.Fault{}
		}
		return n.fault(op)
	})
	return o
}

// create makes the log of a member that was never there.
func (n *node) create(c raft.Configuration) {
	log, err := wal.Create(n.walOptions(), wal.Identity{Node: n.id, Storage: [16]byte{byte(n.id)}}, c)
	if err == nil {
		err = log.Close()
	}
	if err != nil {
		panic(err) // no fault is injected here
	}
}

// start begins a life with what the disk has. A log that does not open because
// it is damaged is the node's end; that it was damaged is the oracle's
// business.
func (n *node) start() {
	w := n.world
	log, err := wal.Open(n.walOptions())
	if err != nil {
		n.refuse(err)
		return
	}
	if base, _ := log.Base(); base > n.machine.index {
		n.install(base) // an installation that was interrupted
	}
	n.images, n.receiving = nil, 0
	state, err := log.State(n.machine.index)
	if err != nil {
		n.refuse(err)
		return
	}
	w.oracle.recovered(n, log, &state)
	config := w.plan.raft
	config.ID, config.Rand = n.id, w.rand.IntN
	core, err := raft.New(config, state)
	if err != nil {
		w.fail("%v does not start: %v", n, err)
	}
	w.lives++
	n.up, n.life, n.log, n.core = true, w.lives, log, core
	n.inbox, n.awake, n.ticks, n.ticked = driver.Events{}, false, 0, 0
	n.writing, n.writes, n.batch = false, nil, nil
	n.applying, n.committed, n.outgoing, n.full, n.noRoom = false, nil, nil, false, false
	n.paused, n.held, n.stalledUntil = false, nil, 0
	n.open, n.calls, n.readers = map[uint64]*pendingCall{}, nil, nil
	n.commands = driver.NewCommands(n.life)
	n.reads = &driver.ReadQueue{Wake: n.wake}
	n.driver = driver.New(driver.Config{
		Self: n.id, Core: core, Effects: n, Commands: n.commands, Reads: n.reads,
		ResendTicks: 2 * config.HeartbeatTicks, ElectionTicks: 2 * config.ElectionTicks,
		MaxBatchEntries: w.plan.batchEntries, SnapshotEntries: w.plan.snapshotEntries, SnapshotBytes: w.plan.snapshotBytes,
	})
	w.tracef("%v starts: term %d, log to %d, commit %d, applied %d", n, state.HardState.Term, state.Last, state.HardState.Commit, n.machine.index)
	n.shown = ""
	w.oracle.started(n)
	w.unneededImage(n)
	n.wake()
	n.later(Time(w.rand.Int64N(int64(w.plan.interval))), n.tick)
}

// refuse: the log does not open. That is the end of a node whose log is
// damaged; one whose disk fails tries again.
func (n *node) refuse(err error) {
	var damaged *wal.CorruptError
	if isNoSpace(err) || errors.Is(err, syscall.EIO) && n.world.plan.faults&SyncErrors != 0 {
		n.world.tracef("%v does not start: %v", n, err)
		n.fault = nil
		n.disk = n.disk.CrashClone(vfs.KeepUnsynced)
		n.restartLater(n.world.source(SyncErrors))
		return
	}
	if !errors.As(err, &damaged) {
		n.world.fail("%v does not start: %v", n, err)
	}
	n.world.oracle.refused(n, err)
	n.world.tracef("%v does not start: %v", n, err)
	n.dead = true
}

// later schedules something in this life; a paused process does it afterwards.
func (n *node) later(d Time, do func()) {
	life := n.life
	n.world.after(d, func() {
		switch {
		case !n.up || n.life != life:
		case n.paused:
			n.held = append(n.held, do)
		default:
			do()
		}
	})
}

// clock is the node's idea of the time, µs since the Unix epoch.
func (n *node) clock() int64 {
	return 1_700_000_000_000_000 + int64(n.jumped) + int64(float64(n.world.now)*n.skew)
}

// tick is the ticker: when the process does not keep up, ticks are lost.
func (n *node) tick() {
	n.ticks = 1
	n.lookForRoom()
	n.wake()
	n.later(Time(float64(n.world.plan.interval)/n.skew), n.tick)
}

// wake schedules a turn of the driver.
func (n *node) wake() {
	if n.awake || !n.up {
		return
	}
	n.awake = true
	n.later(Time(5+n.world.rand.IntN(60)), func() {
		n.awake = false
		n.turn()
	})
}

func (n *node) turn() {
	e := n.inbox
	n.inbox = driver.Events{}
	e.Ticks, e.Now = n.ticks, n.clock()
	n.ticked += n.ticks
	n.ticks = 0
	role := n.core.Role()
	n.driver.Turn(&e)
	if now := n.core.Role(); now != role && (now == raft.Candidate || now == raft.Leader) {
		n.world.echo(n)
	}
	n.checkStall()
	n.takeOutcomes()
	n.leaveIfRemoved()
	n.world.oracle.afterTurn(n)
	n.answerReads()
	n.show()
}

// checkStall: a leader whose disk hangs does not stay one. One whose disk is
// full may: it serves reads when nobody has room.
func (n *node) checkStall() {
	if n.full {
		n.writeTick = n.ticked
		return
	}
	bound := 2*2*n.world.plan.raft.ElectionTicks + 2
	if n.writing && n.core.Role() == raft.Leader && n.ticked-n.writeTick > bound {
		n.world.fail("%v leads, and its disk has not answered for %d ticks", n, n.ticked-n.writeTick)
	}
}

// show traces what changed.
func (n *node) show() {
	shown := fmt.Sprintf("%v %v of term %d, leader %d", n, n.core.Role(), n.core.Term(), uint64(n.core.Leader()))
	if shown != n.shown {
		n.shown = shown
		n.world.tracef("%s, log to %d, commit %d, applied %d", shown, n.core.Last(), n.core.Commit(), n.machine.index)
	}
}

// The driver's effects.

func (n *node) Write(write driver.LogWrite) {
	n.world.oracle.wrote(n, &write)
	n.writes = append(n.writes, write)
	n.startWriting()
}

func (n *node) Apply(entries []raft.Entry) {
	for _, e := range entries {
		n.committed = append(n.committed, work{entry: e})
	}
	n.startApplying()
}

func (n *node) Refused(err error) { n.world.fail("%v refuses what a correct member sent: %v", n, err) }

func (n *node) Fetch(f raft.Fetch) {
	n.later(n.diskTime(), func() {
		entries, err := n.log.Entries(f.Lo, f.Hi, f.MaxBytes)
		if errors.Is(err, wal.ErrCut) {
			entries, err = nil, nil // the core will ask for an image
		}
		if err != nil {
			n.world.fail("%v cannot read its log: %v", n, err)
		}
		n.inbox.Fetched = append(n.inbox.Fetched, driver.Fetched{To: f.To, Entries: entries})
		n.wake()
	})
}

func (n *node) Send(messages []raft.Message) {
	for _, m := range messages {
		n.world.oracle.sent(n, &m)
		n.world.remember(&m)
		n.world.network.post(n.id, m.To, func(to *node) { to.inbox.Messages = append(to.inbox.Messages, m) })
	}
}

func (n *node) SendProposals(to raft.NodeID, list []transport.Proposal) {
	list = slices.Clone(list)
	n.world.network.post(n.id, to, func(to *node) { to.inbox.Proposals = append(to.inbox.Proposals, list...) })
}

func (n *node) SendReplies(to raft.NodeID, list []transport.ProposalReply) {
	list = slices.Clone(list)
	n.world.network.post(n.id, to, func(to *node) { to.inbox.Replies = append(to.inbox.Replies, list...) })
}

// diskTime is how long a flush takes, a hang of the disk included.
func (n *node) diskTime() Time {
	w := n.world
	return max(0, n.stalledUntil-w.now) + 50*Microsecond + exponential(w.rand, w.plan.fsync)
}

// startWriting is the log writer: what queued up while the last batch was
// flushed is the next one.
func (n *node) startWriting() {
	if n.writing || len(n.writes) == 0 {
		return
	}
	n.writing, n.writeTick = true, n.ticked
	n.batch, n.writes = n.writes, nil
	n.later(n.diskTime(), n.finishWriting)
}

func (n *node) finishWriting() {
	if wait := n.stalledUntil - n.world.now; wait > 0 { // the disk began to hang meanwhile
		n.later(wait, n.finishWriting)
		return
	}
	taken, err := n.log.Append(n.logWrites())
	if err != nil && !isNoSpace(err) {
		n.stop(err)
		return
	}
	if taken > 0 {
		n.world.oracle.durable(n, n.batch[:taken])
		n.inbox.Persisted = n.batch[taken-1].Seq
		n.inbox.LogBytes, _ = n.log.Size()
		n.batch = n.batch[taken:]
		n.wake()
	}
	n.noRoom = err != nil
	n.lookForRoom()
	if err != nil {
		n.later(diskPoll, n.finishWriting)
		return
	}
	n.writing, n.batch = false, nil
	n.wake()
	n.startWriting()
}

// diskPoll is how long what found no room waits.
const diskPoll = 50 * Millisecond

func isNoSpace(err error) bool { return err != nil && vfs.IsNoSpace(err) }

// minFree is what a node keeps free, so that what is under way, and elections,
// have room when it begins to say that it is full.
const minFree = 64 << 10

// lookForRoom tells the driver whether the disk is full.
func (n *node) lookForRoom() {
	free, err := n.disk.Free("/")
	if err != nil {
		panic(err) // the root is there
	}
	if full := n.noRoom || free < minFree; full != n.full {
		n.full = full
		n.inbox.Full = &full
		n.wake()
	}
}

func (n *node) logWrites() []wal.Write {
	writes := make([]wal.Write, len(n.batch))
	for i, b := range n.batch {
		writes[i] = wal.Write{HardState: b.HardState, Snapshot: b.Snapshot, Entries: b.Entries, Sync: b.Sync}
	}
	return writes
}

// maxApplyBatch is how many entries are applied at once.
const maxApplyBatch = 64

func (n *node) startApplying() {
	if n.applying || len(n.committed) == 0 {
		return
	}
	n.applying = true
	n.later(Time(10+n.world.rand.IntN(200)), func() {
		n.applying = false
		count := min(len(n.committed), maxApplyBatch)
		batch := n.committed[:count]
		n.committed = n.committed[count:]
		for i := range batch {
			if s := batch[i].install; s != nil {
				n.install(s.Index)
			} else {
				n.applyOne(&batch[i].entry)
			}
		}
		if len(n.machine.since) >= n.world.plan.checkpointEvery {
			n.machine.checkpoint()
		}
		n.inbox.Applied = driver.Applied{Index: n.machine.index, Term: n.machine.term}
		n.answerReads()
		n.wake()
		n.startApplying()
	})
}

func (n *node) applyOne(e *raft.Entry) {
	a := n.machine.apply(e)
	n.world.oracle.applied(n, e, &a)
	if e.Type != raft.EntryNormal || raft.NodeID(a.header.Origin) != n.id || a.header.Incarnation != n.life {
		return
	}
	if p := n.commands.Get(a.header.Seq); p != nil {
		n.answer(p, &a)
	}
}

// answer gives a command of this life what came of it.
func (n *node) answer(p *driver.Pending, a *applied) {
	switch {
	case a.late:
		n.commands.Settle(p, driver.Outcome{Err: sqlfsm.ErrLateRegistration})
	case a.header.Kind == sqlfsm.KindRegister:
		n.commands.Settle(p, driver.Outcome{})
	case a.refused():
		n.commands.Settle(p, driver.Outcome{Err: sqlfsm.ErrUnregistered})
		n.refusedHere(p.Seq)
	default:
		n.commands.Settle(p, driver.Outcome{})
		n.settled(p.Seq, n.world.oracle.commands[nameOf(&a.header)], a.outcome)
	}
}

// crashMode says what a crash leaves.
type crashMode uint8

const (
	// powerLoss: what was not synced may be lost.
	powerLoss crashMode = iota
	// killed: the process ends, the system lives on.
	killed
)

// crash ends the node's life. A write that is under way may be on the disk, or
// a part of it.
func (n *node) crash(mode crashMode, r *rand.Rand) {
	if !n.up {
		return
	}
	w := n.world
	w.tracef("%v crashes", n)
	if n.writing && r.IntN(3) > 0 {
		// The batch under way, and then the writer may have gone on.
		if r.IntN(2) == 0 {
			n.fault = func(op vfs.Op) vfs.Fault {
				if op.Kind == vfs.OpSync {
					return vfs.Fault{Err: syscall.EIO}
				}
				return vfs.Fault{}
			}
		}
		taken, err := n.log.Append(n.logWrites())
		n.fault = nil
		if err == nil || isNoSpace(err) {
			w.oracle.durable(n, n.batch[:taken])
		}
	}
	decide := vfs.KeepUnsynced
	if mode == powerLoss {
		decide = vfs.DropUnsynced
		if w.plan.faults&TornWrites != 0 {
			decide = vfs.RandomCrash(r.IntN)
			w.count(TornWrites)
		} else if r.IntN(2) == 0 {
			decide = vfs.KeepUnsynced
		}
	}
	n.disk = n.disk.CrashClone(decide)
	n.end(r)
}

// end forgets what a process forgets.
func (n *node) end(r *rand.Rand) {
	n.machine.crash(r.IntN)
	n.up = false
	n.world.abandonCalls(n)
	for _, other := range n.world.nodes {
		if other != n && other.up && r.IntN(2) == 0 {
			other.unreachable(n.id)
		}
	}
}

// stop is what the server does when its disk fails: it ends at once.
func (n *node) stop(err error) {
	w := n.world
	w.tracef("%v stops: %v", n, err)
	n.fault = nil
	r := w.source(SyncErrors)
	if r.IntN(2) == 0 {
		n.disk = n.disk.CrashClone(vfs.KeepUnsynced)
	} else if err := n.log.Close(); err != nil { // what was not written can still be read
		w.fail("%v cannot give back its log's lock: %v", n, err)
	}
	n.end(r)
	n.restartLater(r)
}

// restartLater repairs the node after a while.
func (n *node) restartLater(r *rand.Rand) {
	n.world.after(exponential(r, n.world.plan.repair), n.restart)
}

// restart starts the node if it is down.
func (n *node) restart() {
	if !n.up && !n.dead {
		n.start()
	}
}

func (n *node) unreachable(id raft.NodeID) {
	n.inbox.Unreachable = append(n.inbox.Unreachable, id)
	n.wake()
}

// pause stops the process for a while.
func (n *node) pause(d Time) {
	if !n.up || n.paused {
		return
	}
	n.world.tracef("%v stands still for %d ms", n, d/Millisecond)
	n.paused = true
	life := n.life
	n.world.after(d, func() {
		if n.up && n.life == life {
			n.resume()
		}
	})
}

// resume lets the process go on, with a client that reads at once.
func (n *node) resume() {
	if !n.paused {
		return
	}
	n.world.tracef("%v goes on", n)
	n.paused = false
	held := n.held
	n.held = nil
	for _, do := range held {
		if n.up {
			do()
		}
	}
	if n.up {
		n.world.probe(n)
	}
}
