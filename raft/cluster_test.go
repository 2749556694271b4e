package raft

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// cluster is a toy world for cores: members with a disk and a state machine,
// and a wire on which messages lie until somebody delivers, doubles or drops
// them. Nothing happens by itself, so a test decides every order of events.
// After every event the oracles of oracle_test.go look at the members.
type cluster struct {
	nodes  []*testNode // nodes[i] has id i+1
	wire   []Message
	cut    map[link]bool
	oracle oracle
	trace  func(format string, args ...any) // what happened, for transcripts
	fetch  func(*testNode, Fetch)           // answers a Fetch, now or later
}

type link struct{ from, to NodeID }

// testNode is a member. What is in disk survives a crash, pending does not.
type testNode struct {
	id      NodeID
	config  Config
	members []Member
	core    *Raft // nil: crashed

	disk    testDisk
	pending []pendingWrite // in the order of seq
	stalled bool           // the disk hangs: stabilize persists nothing
	applied Index          // of the state machine, which survives a crash

	seen             seen
	committedChecked Index            // by the oracle, in this incarnation
	reads            map[uint64]Index // open requests, and the lowest right answer
}

// seen is what was last shown of a member.
type seen struct {
	role   Role
	term   Term
	leader NodeID
	commit Index
}

type testDisk struct {
	state   HardState
	entries []Entry // entries[i] has index i+1
}

type pendingWrite struct {
	seq     uint64
	state   *HardState
	entries []Entry
}

func (d *testDisk) write(w pendingWrite) {
	if len(w.entries) > 0 {
		d.entries = append(slices.Clip(d.entries[:w.entries[0].Index-1]), w.entries...)
	}
	if w.state != nil {
		d.state = *w.state
	}
}

// recovered is the state that a log would report after a restart.
func (d *testDisk) recovered(members []Member, applied Index) State {
	s := State{
		HardState: d.state, Configurations: []ConfigurationAt{{Configuration: Configuration{Members: members}}},
		Applied: applied, Last: Index(len(d.entries)), Entries: d.entries[applied:],
	}
	for _, e := range d.entries {
		if n := len(s.Runs); n == 0 || s.Runs[n-1].Term != e.Term {
			s.Runs = append(s.Runs, TermRun{First: e.Index, Term: e.Term})
		}
	}
	return s
}

// newCluster makes n members that are down; config makes the settings of one.
func newCluster(n int, config func(NodeID) Config) *cluster {
	c := &cluster{cut: map[link]bool{}, oracle: newOracle(), trace: func(string, ...any) {}}
	c.fetch = func(n *testNode, f Fetch) { n.core.Fetched(f.To, n.disk.entries[f.Lo-1:f.Hi-1]) }
	members := membersUpTo(n)
	for id := NodeID(1); id <= NodeID(n); id++ {
		c.nodes = append(c.nodes, &testNode{id: id, config: config(id), members: members})
	}
	return c
}

// membersUpTo makes n voters with the ids from 1 on.
func membersUpTo(n int) []Member {
	var members []Member
	for id := NodeID(1); id <= NodeID(n); id++ {
		members = append(members, Member{ID: id})
	}
	return members
}

// startedCluster makes n members that are up, with the settings of testConfig.
func startedCluster(n int) *cluster {
	c := newCluster(n, testConfig)
	for _, n := range c.nodes {
		c.start(n.id)
	}
	return c
}

// testConfig has followers stick to a leader for 10 ticks and campaign after
// 20, and heartbeats every 3. A follower's questions count from 1.
func testConfig(id NodeID) Config {
	return Config{
		ID: id, ElectionTicks: 10, ElectionTicksMax: 20, HeartbeatTicks: 3,
		Rand: func(n int) int {
			if n > 100 {
				return 0
			}
			return n - 1
		},
	}
}

func (c *cluster) node(id NodeID) *testNode { return c.nodes[id-1] }

func (c *cluster) core(id NodeID) *Raft { return c.node(id).core }

// start brings a member up with what its disk holds.
func (c *cluster) start(id NodeID) {
	n := c.node(id)
	core, err := New(n.config, n.disk.recovered(n.members, n.applied))
	if err != nil {
		panic(fmt.Sprintf("member %d does not start: %v", id, err))
	}
	n.core, n.reads = core, map[uint64]Index{}
	c.oracle.started(n)
	c.settle(id)
}

// crash stops a member; of its unacknowledged writes the first keep reached
// the disk.
func (c *cluster) crash(id NodeID, keep int) {
	n := c.node(id)
	for _, w := range n.pending[:min(keep, len(n.pending))] {
		n.disk.write(w)
	}
	n.core, n.pending, n.seen, n.committedChecked = nil, nil, seen{}, 0
}

// ready handles one Ready; false: there was none.
func (c *cluster) ready(id NodeID) bool {
	n := c.node(id)
	rd, ok := n.core.Ready()
	if !ok {
		return false
	}
	c.oracle.wrote(n, rd.Entries)
	if rd.Seq != 0 {
		c.trace("%d writes #%d%s", id, rd.Seq, describeWrite(rd))
		n.pending = append(n.pending, pendingWrite{rd.Seq, rd.HardState, rd.Entries})
	}
	for _, m := range rd.Messages {
		c.oracle.sent(m)
		c.trace("%s", describe(m))
		c.wire = append(c.wire, m)
	}
	c.show(n)
	for _, read := range rd.Reads {
		c.trace("%d may read %d at index %d", id, read.Request, read.Index)
		c.oracle.answered(n, read.Request, read.Index)
	}
	for _, request := range rd.LostReads {
		c.trace("%d loses read %d", id, request)
		c.oracle.lost(n, request)
	}
	for _, f := range rd.Fetches {
		c.trace("%d fetches [%d, %d) for %d", id, f.Lo, f.Hi, f.To)
		c.fetch(n, f)
	}
	if k := len(rd.Committed); k > 0 {
		c.trace("%d applies %s", id, describeEntries(rd.Committed))
		c.oracle.apply(n, rd.Committed)
		n.applied = rd.Committed[k-1].Index
		n.core.Applied(n.applied)
	}
	c.oracle.check(c)
	return true
}

// settle handles every Ready of a member.
func (c *cluster) settle(id NodeID) {
	n := c.node(id)
	if n.core == nil {
		return
	}
	c.show(n)
	for c.ready(id) {
	}
	c.show(n)
	c.oracle.check(c)
}

// show tells when role, term, leader or commit index of a member changed.
func (c *cluster) show(n *testNode) {
	now := seen{n.core.Role(), n.core.Term(), n.core.Leader(), n.core.Commit()}
	if now.role != n.seen.role || now.term != n.seen.term || now.leader != n.seen.leader {
		switch {
		case now.role == Follower && now.leader != 0:
			c.trace("%d follows %d in term %d", n.id, now.leader, now.term)
		default:
			c.trace("%d is %s in term %d", n.id, now.role, now.term)
		}
	}
	if now.commit != n.seen.commit {
		c.trace("%d knows that %d is committed", n.id, now.commit)
	}
	n.seen = now
}

// persist makes the first k pending writes of a member durable.
func (c *cluster) persist(id NodeID, k int) {
	n := c.node(id)
	k = min(k, len(n.pending))
	if k == 0 || n.core == nil {
		return
	}
	for _, w := range n.pending[:k] {
		n.disk.write(w)
	}
	seq := n.pending[k-1].seq
	n.pending = n.pending[k:]
	n.core.Persisted(seq)
}

// deliver steps a message, unless its link is cut or its receiver down.
func (c *cluster) deliver(m Message) error {
	n := c.node(m.To)
	if n.core == nil || c.cut[link{m.From, m.To}] {
		return nil
	}
	return n.core.Step(m)
}

// tick ticks a member once.
func (c *cluster) tick(id NodeID) {
	if core := c.core(id); core != nil {
		core.Tick()
		c.settle(id)
	}
}

// campaign ticks a member until it looks for votes.
func (c *cluster) campaign(id NodeID) {
	core := c.core(id)
	for before := core.preVotes; core.preVotes == before; {
		core.Tick()
	}
	c.settle(id)
}

// stabilize persists and delivers everything, among all members that are up,
// until nothing more happens. No time passes.
func (c *cluster) stabilize() {
	for moved := true; moved; {
		moved = false
		for _, n := range c.nodes {
			if n.core != nil && !n.stalled && len(n.pending) > 0 {
				moved = true
				c.persist(n.id, len(n.pending))
				c.settle(n.id)
			}
		}
		wire := c.wire
		c.wire = nil
		for _, m := range wire {
			moved = true
			if err := c.deliver(m); err != nil {
				c.trace("%d: %v", m.To, err)
			}
			c.settle(m.To)
		}
	}
}

// elect makes id the leader in a calm cluster.
func (c *cluster) elect(id NodeID) {
	for _, n := range c.nodes {
		if n.core != nil && n.id != id {
			n.core.electionElapsed = max(n.core.electionElapsed, n.core.config.ElectionTicks) // forget the last leader
		}
	}
	c.campaign(id)
	c.stabilize()
}

// propose proposes at id and handles what comes of it there.
func (c *cluster) propose(id NodeID, cmds ...string) error {
	var batch [][]byte
	for _, cmd := range cmds {
		batch = append(batch, []byte(cmd))
	}
	_, _, err := c.core(id).Propose(batch)
	c.settle(id)
	return err
}

// read asks at id; the oracle remembers what was acknowledged by now.
func (c *cluster) read(id NodeID, request uint64) error {
	n := c.node(id)
	err := n.core.ReadIndex(request)
	if err == nil {
		n.reads[request] = c.oracle.acknowledged
	}
	return err
}

func describe(m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d->%d %s term=%d", m.From, m.To, m.Type, m.Term)
	switch m.Type {
	case PreVote, RequestVote:
		fmt.Fprintf(&b, " last=%d/%d", m.Index, m.LogTerm)
	case AppendEntries:
		fmt.Fprintf(&b, " prev=%d/%d commit=%d", m.Index, m.LogTerm, m.Commit)
		if len(m.Entries) > 0 {
			b.WriteString(" entries " + describeEntries(m.Entries))
		}
	case AppendEntriesResponse:
		fmt.Fprintf(&b, " index=%d", m.Index)
		if m.Reject {
			fmt.Fprintf(&b, " rejected hint=%d/%d", m.HintIndex, m.HintTerm)
		}
	case Heartbeat:
		fmt.Fprintf(&b, " commit=%d round=%d", m.Commit, m.Round)
	case HeartbeatResponse:
		fmt.Fprintf(&b, " round=%d", m.Round)
	case ReadIndex:
		fmt.Fprintf(&b, " request=%d", m.Request)
	case ReadIndexResponse:
		fmt.Fprintf(&b, " request=%d index=%d", m.Request, m.Index)
	}
	if m.Reject && m.Type != AppendEntriesResponse {
		b.WriteString(" rejected")
	}
	return b.String()
}

func describeWrite(rd Ready) string {
	var b strings.Builder
	if s := rd.HardState; s != nil {
		fmt.Fprintf(&b, " term=%d vote=%d commit=%d", s.Term, s.Vote, s.Commit)
	}
	if len(rd.Entries) > 0 {
		b.WriteString(" entries " + describeEntries(rd.Entries))
	}
	if !rd.Sync {
		b.WriteString(" without sync")
	}
	return b.String()
}

// describeEntries writes index/term and the command of each.
func describeEntries(entries []Entry) string {
	var parts []string
	for _, e := range entries {
		what := string(e.Data)
		if e.Type == EntryNoop {
			what = "no-op"
		}
		parts = append(parts, fmt.Sprintf("%d/%d %s", e.Index, e.Term, what))
	}
	if len(parts) > 6 {
		parts = append(parts[:2], "..", parts[len(parts)-1])
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// chain hashes an entry together with everything before it.
func chain(before uint64, e Entry) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %d %d %s", before, e.Index, e.Term, e.Type, e.Data)
	return h.Sum64()
}
