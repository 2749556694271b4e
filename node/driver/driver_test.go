package driver

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlplan"
	"quorate/transport"
)

// These tests run one to seven drivers over the real core in one goroutine, on
// a network that loses, repeats and reorders, with partitions, crashes, disks
// that hang and processes that stand still for a while, and show what
// proposals.go and reads.go promise: a command is in the log at most once; one
// whose session was told of success is there, and one whose session was told
// that it was not carried out is not; a read sees every command that was
// confirmed, and all that any read has seen, before it began; and the sessions
// of nodes that live get an answer as soon as there is a quorum again.

var (
	seedFlag  = flag.Uint64("seed", 0, "run TestCommandsOnce with this seed only")
	seedsFlag = flag.Int("seeds", 60, "run TestCommandsOnce with this many seeds")
)

// world is a cluster without goroutines.
type world struct {
	t     *testing.T
	rand  *rand.Rand
	nodes []*worldNode
	net   []parcel
	cut   map[[2]raft.NodeID]bool // from, to: nothing passes
	loss  int                     // per cent
	now   int64
	seq   uint64 // names incarnations

	latency int64 // how long everything is on its way
	// seen is the last index that a session knows of: of a command that was
	// confirmed, or of what a read could see. A read that begins now must see it.
	seen raft.Index
	// never are the commands whose sessions were told that they were not
	// carried out.
	never map[string]bool
	reads int // how many were answered
	tune  func(*Config)
}

// parcel is something on its way.
type parcel struct {
	from, to raft.NodeID
	due      int64
	deliver  func(*Events)
}

// worldNode is one member: its driver and what lives through a crash.
type worldNode struct {
	world  *world
	id     raft.NodeID
	config raft.Configuration

	// Durable.
	hard       raft.HardState
	entries    []raft.Entry
	appliedTo  raft.Index
	appliedLog []string // commands by index, in the order of their application; "": a no-op

	// Gone after a crash.
	driver      *Driver
	commands    *Commands
	reads       *ReadQueue
	incarnation uint64
	unsynced    []LogWrite
	committed   []raft.Entry
	inbox       Events
	open        map[uint64]*Pending
	readers     []worldRead
	stalled     bool     // the disk hangs
	paused      bool     // the process stands still
	confirmed   []string // commands whose sessions were told of success
	flushes     int      // how often the driver wanted the state machine durable
	cuts        []raft.Index
	images      []raft.NodeID // members that it wanted an image sent to
	installs    []raft.Snapshot
	wrong       int // how many messages a story makes that are to be refused
	refused     int
	late        int // how many registrations of this node are refused from now on
}

// worldRead is a session that waits for a read index.
type worldRead struct {
	round *round
	floor raft.Index // what it must see
}

func newWorld(t *testing.T, seed uint64, members int) *world {
	return tunedWorld(t, seed, members, func(*Config) {})
}

// tunedWorld is a world whose drivers have other settings than usual.
func tunedWorld(t *testing.T, seed uint64, members int, tune func(*Config)) *world {
	w := &world{t: t, tune: tune, rand: rand.New(rand.NewPCG(seed, 7)), cut: map[[2]raft.NodeID]bool{}, never: map[string]bool{}}
	var c raft.Configuration
	for i := range members {
		c.Members = append(c.Members, raft.Member{ID: raft.NodeID(i + 1), Name: fmt.Sprint("n", i+1)})
	}
	for _, m := range c.Members {
		n := &worldNode{world: w, id: m.ID, config: c}
		w.nodes = append(w.nodes, n)
		n.start()
	}
	return w
}

// start begins a life of the node, with what the last one left on disk.
func (n *worldNode) start() {
	n.world.seq++
	n.incarnation = n.world.seq
	n.unsynced, n.committed, n.inbox = nil, nil, Events{}
	n.open, n.readers, n.stalled, n.paused = map[uint64]*Pending{}, nil, false, false
	state := raft.State{HardState: n.hard, Configurations: []raft.ConfigurationAt{{Configuration: n.config}}, Applied: n.appliedTo, Entries: append([]raft.Entry(nil), n.entries...), Last: raft.Index(len(n.entries))}
	for _, e := range n.entries {
		if len(state.Runs) == 0 || state.Runs[len(state.Runs)-1].Term != e.Term {
			state.Runs = append(state.Runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
	}
	core, err := raft.New(raft.Config{ID: n.id, ElectionTicks: 10, HeartbeatTicks: 3, Rand: n.world.rand.IntN}, state)
	if err != nil {
		n.world.t.Fatal(err)
	}
	n.commands = NewCommands(n.incarnation)
	n.reads = &ReadQueue{Wake: func() {}}
	config := Config{Self: n.id, Core: core, Effects: n, Commands: n.commands, Reads: n.reads, ResendTicks: 6, ElectionTicks: 20}
	n.world.tune(&config)
	n.driver = New(config)
}

// The effects.

func (n *worldNode) Write(w LogWrite)           { n.unsynced = append(n.unsynced, w) }
func (n *worldNode) Apply(entries []raft.Entry) { n.committed = append(n.committed, entries...) }
func (n *worldNode) Install(s raft.Snapshot)    { n.installs = append(n.installs, s) }
func (n *worldNode) SendImage(to raft.NodeID)   { n.images = append(n.images, to) }
func (n *worldNode) Flush()                     { n.flushes++ }
func (n *worldNode) Cut(through raft.Index)     { n.cuts = append(n.cuts, through) }
func (n *worldNode) Fetch(raft.Fetch)           { n.world.t.Fatal("the log is short enough to be in memory") }

func (n *worldNode) Refused(err error) {
	if n.refused++; n.refused > n.wrong {
		n.world.t.Error(err)
	}
}

func (n *worldNode) Send(messages []raft.Message) {
	for _, m := range messages {
		n.world.post(n.id, m.To, func(e *Events) { e.Messages = append(e.Messages, m) })
	}
}

func (n *worldNode) SendProposals(to raft.NodeID, list []transport.Proposal) {
	list = append([]transport.Proposal(nil), list...)
	n.world.post(n.id, to, func(e *Events) { e.Proposals = append(e.Proposals, list...) })
}

func (n *worldNode) SendReplies(to raft.NodeID, list []transport.ProposalReply) {
	list = append([]transport.ProposalReply(nil), list...)
	n.world.post(n.id, to, func(e *Events) { e.Replies = append(e.Replies, list...) })
}

func (w *world) post(from, to raft.NodeID, deliver func(*Events)) {
	if int(to) > len(w.nodes) || w.cut[[2]raft.NodeID{from, to}] || w.rand.IntN(100) < w.loss {
		return
	}
	p := parcel{from, to, w.now + w.latency, deliver}
	w.net = append(w.net, p)
	if w.loss > 0 && w.rand.IntN(20) == 0 { // a repeated message
		w.net = append(w.net, p)
	}
}

// step lets one thing happen.
func (w *world) step() {
	w.now += 1000
	switch n := w.nodes[w.rand.IntN(len(w.nodes))]; w.rand.IntN(10) {
	case 0:
		n.turn(1)
	case 1, 2:
		n.sync(len(n.unsynced))
	case 3, 4:
		n.applySome(len(n.committed))
		n.answerReads()
	case 5:
		n.turn(0)
	default:
		w.deliverOne()
	}
}

func (w *world) deliverOne() {
	if len(w.net) == 0 {
		return
	}
	i := 0
	if w.loss > 0 { // out of order
		i = w.rand.IntN(len(w.net))
	}
	p := w.net[i]
	if p.due > w.now {
		return
	}
	w.net = append(w.net[:i], w.net[i+1:]...)
	if !w.cut[[2]raft.NodeID{p.from, p.to}] {
		p.deliver(&w.node(p.to).inbox)
	}
}

func (w *world) node(id raft.NodeID) *worldNode { return w.nodes[id-1] }

func (n *worldNode) turn(ticks int) {
	if n.paused {
		return // what happens meanwhile waits in the inbox, and time is lost
	}
	e := n.inbox
	n.inbox = Events{}
	e.Ticks, e.Now = ticks, n.world.now
	n.driver.Turn(&e)
}

// sync makes the oldest writes durable.
func (n *worldNode) sync(count int) {
	if n.stalled || n.paused {
		return
	}
	for ; count > 0; count-- {
		w := n.unsynced[0]
		n.unsynced = n.unsynced[1:]
		if w.HardState != nil {
			n.hard = *w.HardState
		}
		if len(w.Entries) > 0 {
			n.entries = append(n.entries[:w.Entries[0].Index-1:w.Entries[0].Index-1], w.Entries...)
		}
		n.inbox.Persisted = w.Seq
	}
}

// applySome applies some of the committed entries.
func (n *worldNode) applySome(count int) {
	if n.paused {
		return
	}
	var batch []raft.Entry
	batch, n.committed = n.committed[:count], n.committed[count:]
	for _, e := range batch {
		if e.Index != n.appliedTo+1 {
			n.world.t.Fatalf("node %v applies %d after %d", n.id, e.Index, n.appliedTo)
		}
		n.appliedTo = e.Index
		n.inbox.Applied = Applied{Index: e.Index, Term: e.Term}
		if e.Type != raft.EntryNormal {
			n.appliedLog = append(n.appliedLog, "")
			continue
		}
		h, err := sqlfsm.DecodeHeader(e.Data)
		if err != nil {
			n.world.t.Fatal(err)
		}
		name := fmt.Sprintf("%d/%d/%d", h.Origin, h.Incarnation, h.Seq)
		n.appliedLog = append(n.appliedLog, name)
		if raft.NodeID(h.Origin) == n.id && h.Incarnation == n.incarnation {
			if p := n.commands.Get(h.Seq); p != nil {
				var out Outcome
				if h.Kind == sqlfsm.KindRegister && n.late > 0 {
					n.late--
					out.Err = sqlfsm.ErrLateRegistration
				}
				n.commands.Settle(p, out)
				if n.open[p.Seq] == nil {
					continue // the registration is the driver's; a story looks itself
				}
				<-p.Done
				delete(n.open, p.Seq)
				n.confirmed = append(n.confirmed, name)
				n.world.seen = max(n.world.seen, e.Index)
			}
		}
	}
}

// read is a session that begins a linearizable read.
func (n *worldNode) read() {
	n.readers = append(n.readers, worldRead{n.reads.join(), n.world.seen})
}

// answerReads lets the sessions read whose read index is known and applied.
func (n *worldNode) answerReads() {
	keep := n.readers[:0]
	for _, r := range n.readers {
		select {
		case <-r.round.answered:
		default:
			keep = append(keep, r)
			continue
		}
		if r.round.index < r.floor {
			n.world.t.Errorf("a stale read: node %v reads at index %d, after sessions have seen index %d", n.id, r.round.index, r.floor)
		}
		if r.round.index > n.appliedTo {
			keep = append(keep, r)
			continue
		}
		n.world.seen = max(n.world.seen, n.appliedTo)
		n.world.reads++
	}
	n.readers = keep
}

// execute is what a session does.
func (n *worldNode) execute() {
	p := n.commands.Reserve()
	h := sqlfsm.Header{Origin: uint64(n.id), Incarnation: n.incarnation, Seq: p.Seq, Time: n.world.now}
	n.commands.Charge(p, sqlfsm.AppendCommand(nil, &h, []sqlplan.Bound{{Plan: &sqlplan.Plan{SQL: "x"}}}), 1<<30)
	n.open[p.Seq] = p
	n.inbox.Commands = append(n.inbox.Commands, p)
}

// pause stops the process, or lets it go on, to a session that reads at once.
// Its connections may not have lived through the pause.
func (n *worldNode) pause(paused bool) {
	if n.paused && !paused {
		if n.world.rand.IntN(2) == 0 {
			n.inbox.Messages = nil
		}
		n.paused = false
		n.read()
		n.turn(1)
	}
	n.paused = paused
}

// giveUp ends a session's wait for its command.
func (n *worldNode) giveUp() {
	for seq, p := range n.open {
		if seq%7 != 0 { // always the same ones: the map has no order
			continue
		}
		if mayBeApplied, settled := n.commands.Abandon(p); !mayBeApplied && !settled {
			n.world.never[n.name(seq)] = true
		}
		delete(n.open, seq)
	}
}

func (n *worldNode) name(seq uint64) string { return fmt.Sprintf("%d/%d/%d", n.id, n.incarnation, seq) }

// crash forgets what was not durable, and the node's sessions with it. The disk
// may have got more of the log than it has said, and the state machine less
// than it has applied.
func (n *worldNode) crash() {
	n.stalled, n.paused = false, false
	n.sync(n.world.rand.IntN(len(n.unsynced) + 1))
	n.appliedTo = raft.Index(n.world.rand.IntN(int(n.appliedTo) + 1))
	n.appliedLog = n.appliedLog[:n.appliedTo]
	n.start()
}

func TestCommandsOnce(t *testing.T) {
	seeds := []uint64{*seedFlag}
	if *seedFlag == 0 {
		seeds = nil
		for i := range *seedsFlag {
			seeds = append(seeds, uint64(i+1))
		}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { commandsOnce(t, seed) })
	}
}

func commandsOnce(t *testing.T, seed uint64) {
	members := []int{1, 3, 5, 7}[seed%4]
	w := newWorld(t, seed, members)
	w.loss = w.rand.IntN(25)
	for range 6000 {
		w.step()
		switch n := w.nodes[w.rand.IntN(members)]; w.rand.IntN(150) {
		case 0, 1, 2, 3, 4:
			n.execute()
		case 5:
			if w.rand.IntN(6) == 0 {
				n.crash()
			}
		case 6: // a partition: one node, one way or both
			for _, other := range w.nodes {
				w.cut[[2]raft.NodeID{n.id, other.id}] = other != n
				w.cut[[2]raft.NodeID{other.id, n.id}] = other != n && w.rand.IntN(2) == 0
			}
		case 7, 8:
			clear(w.cut)
		case 9, 10, 11, 12:
			n.read()
		case 13:
			n.stalled = w.rand.IntN(3) == 0
		case 14:
			n.pause(w.rand.IntN(3) == 0)
		case 15:
			n.giveUp()
		case 18:
			n.inbox.Unreachable = append(n.inbox.Unreachable, w.nodes[w.rand.IntN(members)].id)
		case 16:
			n.sync(w.rand.IntN(len(n.unsynced) + 1))
		case 17:
			n.applySome(w.rand.IntN(len(n.committed) + 1))
		}
	}
	w.heal()
	for i := 0; !w.settled(); i++ {
		if i == 60_000 {
			t.Fatalf("seed %d: sessions are still without an answer after everything has healed", seed)
		}
		w.step()
	}
	w.check(seed)
}

// heal ends every fault.
func (w *world) heal() {
	clear(w.cut)
	w.loss = 0
	for _, n := range w.nodes {
		n.stalled, n.paused = false, false
	}
}

// settled reports whether every live session has its answer and all nodes have
// applied all they have, and all that was ever seen.
func (w *world) settled() bool {
	for _, n := range w.nodes {
		if len(n.open) > 0 || len(n.readers) > 0 || n.appliedTo != n.driver.core.Last() || n.appliedTo < w.seen {
			return false
		}
	}
	return true
}

func (w *world) check(seed uint64) {
	w.t.Helper()
	times := map[string]int{}
	for _, name := range w.nodes[0].appliedLog {
		if name == "" {
			continue
		}
		times[name]++
		if w.never[name] {
			w.t.Errorf("seed %d: command %s was applied, and its session was told that it was not", seed, name)
		}
	}
	for name, n := range times {
		if n > 1 {
			w.t.Errorf("seed %d: command %s was applied %d times", seed, name, n)
		}
	}
	confirmed := 0
	for _, n := range w.nodes {
		if fmt.Sprint(n.appliedLog) != fmt.Sprint(w.nodes[0].appliedLog) {
			w.t.Errorf("seed %d: node %v has applied other commands than node 1", seed, n.id)
		}
		for _, name := range n.confirmed {
			confirmed++
			if times[name] == 0 {
				w.t.Errorf("seed %d: command %s was confirmed and is lost", seed, name)
			}
		}
	}
	if confirmed == 0 || w.reads == 0 {
		w.t.Errorf("seed %d: %d commands were confirmed and %d reads answered", seed, confirmed, w.reads)
	}
}

// TestSlowNetwork shows that reads and writes get through where a message takes
// so long that whoever waits for an answer asks again before it can be there.
func TestSlowNetwork(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.latency = 100_000 // 100 steps: somewhat more than 3 ticks, one way
	for _, n := range w.nodes {
		n.execute()
		n.read()
	}
	for i := 0; !w.settled(); i++ {
		if i == 60_000 {
			t.Fatal("sessions are still without an answer")
		}
		w.step()
	}
	w.check(1)
}

// TestReplyToAnEarlierLife shows that a restarted node does not take the
// leader's answer to a command of its last life, late, for one to its own of
// the same number: it would not send that again, though it was lost.
func TestReplyToAnEarlierLife(t *testing.T) {
	w := newWorld(t, 1, 3)
	n := w.node(1)
	for n.driver.core.Leader() == 0 || n.driver.core.Leader() == n.id {
		w.step()
	}
	n.crash()
	for n.driver.core.Leader() == 0 {
		w.step()
	}
	n.execute()
	n.turn(0)
	w.net = nil // the command is lost
	n.inbox.Replies = append(n.inbox.Replies, transport.ProposalReply{
		Incarnation: n.incarnation - 1, Seq: 1, Term: n.driver.core.Term(), Accepted: true,
	})
	for i := 0; !w.settled(); i++ {
		if i == 60_000 {
			t.Fatal("the command is never sent again")
		}
		w.step()
	}
}
