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
	images []imageJob // asked for and not sent
	cut    map[link]bool
	oracle oracle
	trace  func(format string, args ...any) // what happened, for transcripts
	fetch  func(*testNode, Fetch)           // answers a Fetch, now or later
}

type link struct{ from, to NodeID }

// imageJob is an image that from is to send.
type imageJob struct{ from, to NodeID }

// testNode is a member. What is in disk survives a crash, pending does not. Its
// state machine is the log itself, so all there is of it is how far it has come;
// an image is the same.
type testNode struct {
	id      NodeID
	config  Config
	members []Member
	core    *Raft // nil: crashed

	disk    testDisk
	pending []pendingWrite // in the order of seq
	stalled bool           // the disk hangs: stabilize persists nothing
	applied Index          // of the state machine, which survives a crash
	lazy    bool           // the state machine hangs: what it gets waits
	behind  Index          // the last index that it got

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
	base    Snapshot // what the log begins after
	entries []Entry  // entries[i] has index base+1+i
}

type pendingWrite struct {
	seq      uint64
	state    *HardState
	snapshot *Snapshot
	entries  []Entry
}

func (d *testDisk) write(w pendingWrite) {
	if w.snapshot != nil {
		d.base, d.entries = *w.snapshot, nil
	}
	if len(w.entries) > 0 {
		d.entries = append(slices.Clip(d.slice(d.base.Index+1, w.entries[0].Index)), w.entries...)
	}
	if w.state != nil {
		d.state = *w.state
	}
}

func (d *testDisk) last() Index { return d.base.Index + Index(len(d.entries)) }

// slice is the entries [lo, hi).
func (d *testDisk) slice(lo, hi Index) []Entry {
	return d.entries[lo-d.base.Index-1 : hi-d.base.Index-1]
}

// read answers a Fetch; entries that were cut off cannot be read.
func (d *testDisk) read(f Fetch) []Entry {
	if f.Lo <= d.base.Index || f.Lo > d.last() {
		return nil
	}
	return d.slice(f.Lo, min(f.Hi, d.last()+1))
}

// holds: an entry is there, or in the image before what is there.
func (d *testDisk) holds(i Index, t Term) bool {
	return i <= d.base.Index || i <= d.last() && d.slice(i, i+1)[0].Term == t
}

// recovered is the state that a log would report after a restart.
func (d *testDisk) recovered(members []Member, applied Index) State {
	s := State{
		HardState: d.state, Base: d.base.Index, BaseTerm: d.base.Term,
		Configurations: []ConfigurationAt{d.base.Configuration},
		Applied:        applied, Last: d.last(), Entries: d.slice(applied+1, d.last()+1),
	}
	if d.base.Index == 0 {
		s.Configurations[0] = ConfigurationAt{Configuration: Configuration{Members: members}}
	}
	for _, e := range d.entries {
		if e.Type == EntryConfiguration {
			c, err := DecodeConfiguration(e.Data)
			if err != nil {
				panic(err)
			}
			s.Configurations = append(s.Configurations, ConfigurationAt{e.Index, c})
		}
		if n := len(s.Runs); n == 0 || s.Runs[n-1].Term != e.Term {
			s.Runs = append(s.Runs, TermRun{First: e.Index, Term: e.Term})
		}
	}
	return s
}

// newCluster makes n members that are down; config makes the settings of one.
func newCluster(n int, config func(NodeID) Config) *cluster {
	c := &cluster{cut: map[link]bool{}, oracle: newOracle(), trace: func(string, ...any) {}}
	c.fetch = fetchNow
	members := membersUpTo(n)
	c.oracle.founders = members
	for id := NodeID(1); id <= NodeID(n); id++ {
		c.nodes = append(c.nodes, &testNode{id: id, config: config(id), members: members})
	}
	return c
}

func fetchNow(n *testNode, f Fetch) { n.core.Fetched(f.To, n.disk.read(f)) }

// join makes one more member, which is in no configuration and down.
func (c *cluster) join(config func(NodeID) Config) *testNode {
	id := NodeID(len(c.nodes) + 1)
	n := &testNode{id: id, config: config(id)}
	c.nodes = append(c.nodes, n)
	return n
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
	// An image that the log begins after was durable before the log said so.
	n.applied = max(n.applied, n.disk.base.Index)
	n.behind = n.applied
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
	c.oracle.reset(n, rd.Snapshot)
	c.oracle.wrote(n, rd.Entries)
	if rd.Seq != 0 {
		c.trace("%d writes #%d%s", id, rd.Seq, describeWrite(rd))
		n.pending = append(n.pending, pendingWrite{rd.Seq, rd.HardState, rd.Snapshot, rd.Entries})
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
	for _, to := range rd.Images {
		c.trace("%d is to send %d an image", id, to)
		c.images = append(c.images, imageJob{id, to})
	}
	if s := rd.Install; s != nil {
		c.trace("%d installs the image of %d/%d", id, s.Index, s.Term)
		c.oracle.install(n, s)
		n.behind = s.Index
	}
	if k := len(rd.Committed); k > 0 {
		c.trace("%d applies %s", id, describeEntries(rd.Committed))
		c.oracle.apply(n, rd.Committed)
		n.behind = rd.Committed[k-1].Index
	}
	if !n.lazy {
		n.apply()
	}
	c.oracle.check(c)
	return true
}

// apply lets the state machine do what it got.
func (n *testNode) apply() {
	if n.behind > n.applied {
		n.applied = n.behind
		n.core.Applied(n.applied)
	}
}

// compact cuts a member's log: it begins after base now.
func (c *cluster) compact(id NodeID, base Index) {
	n := c.node(id)
	term, _ := n.core.log.term(base)
	configuration := n.core.ConfigurationAt(base)
	n.disk.entries = slices.Clone(n.disk.slice(base+1, n.disk.last()+1))
	n.disk.base = Snapshot{base, term, configuration}
	n.core.Compact(base)
}

// image makes an image of a member's state machine, and the message by which
// its receiver tells its core of it.
func (c *cluster) image(j imageJob) Message {
	n := c.node(j.from)
	s := Snapshot{Index: n.applied, Configuration: n.core.ConfigurationAt(n.applied)}
	s.Term, _ = n.core.log.term(n.applied)
	return Message{Type: InstallSnapshot, From: j.from, To: j.to, Term: n.core.Term(), Snapshot: &s}
}

// sendImage sends an image that was asked for, or fails to.
func (c *cluster) sendImage(j imageJob) {
	from, to := c.node(j.from), c.node(j.to)
	if from.core == nil {
		return
	}
	if to.core == nil || c.cut[link(j)] {
		c.trace("%d cannot send %d the image", j.from, j.to)
		from.core.ImageSent(j.to, 0)
	} else {
		m := c.image(j)
		c.trace("%s", describe(m))
		if err := to.core.Step(m); err != nil {
			c.trace("%d: %v", j.to, err)
		}
		c.settle(j.to)
		from.core.ImageSent(j.to, m.Snapshot.Index)
	}
	c.settle(j.from)
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
	core, before := c.core(id), c.core(id).preVotes
	for ticks := 0; core.preVotes == before; ticks++ {
		if ticks > core.config.ElectionTicksMax {
			panic(fmt.Sprintf("member %d does not campaign", id))
		}
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
		images := c.images
		c.images = nil
		for _, j := range images {
			moved = true
			c.sendImage(j)
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
		if m.Transfer {
			b.WriteString(" transfer")
		}
	case InstallSnapshot:
		fmt.Fprintf(&b, " image=%d/%d %s", m.Snapshot.Index, m.Snapshot.Term, describeConfiguration(m.Snapshot.Configuration))
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
		if m.Full {
			b.WriteString(" full")
		}
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
	if s := rd.Snapshot; s != nil {
		fmt.Fprintf(&b, " reset to %d/%d", s.Index, s.Term)
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
		switch e.Type {
		case EntryNoop:
			what = "no-op"
		case EntryConfiguration:
			c, err := DecodeConfiguration(e.Data)
			if err != nil {
				panic(err)
			}
			what = describeMembers(c)
		}
		parts = append(parts, fmt.Sprintf("%d/%d %s", e.Index, e.Term, what))
	}
	if len(parts) > 6 {
		parts = append(parts[:2], "..", parts[len(parts)-1])
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// describeConfiguration writes the members and the index of their entry.
func describeConfiguration(c ConfigurationAt) string {
	return fmt.Sprintf("%s@%d", describeMembers(c.Configuration), c.Index)
}

func describeMembers(c Configuration) string {
	var parts []string
	for _, m := range c.Members {
		part := fmt.Sprint(uint64(m.ID))
		if m.Suffrage != Voter {
			part += " " + m.Suffrage.String()
		}
		if m.Address != "" {
			part += " at " + m.Address
		}
		parts = append(parts, part)
	}
	out := "{" + strings.Join(parts, ", ") + "}"
	if len(c.Removed) > 0 {
		var removed []string
		for _, id := range c.Removed {
			removed = append(removed, fmt.Sprint(uint64(id)))
		}
		out += " removed " + strings.Join(removed, ", ")
	}
	return out
}

// chain hashes an entry together with everything before it.
func chain(before uint64, e Entry) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %d %d %d %s", before, e.Index, e.Term, e.Type, e.Data)
	return h.Sum64()
}
