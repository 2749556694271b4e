package raft

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	seedFlag      = flag.Uint64("raft.seed", 0, "run this random schedule only")
	schedulesFlag = flag.Uint64("raft.schedules", 600, "how many random schedules to run")
)

// TestRandomSchedules lets 1, 2, 3 and 5 members live through a random order
// of everything that may happen to them: messages lost, doubled, reordered
// and come back from long ago, partitions in one or both directions, crashes
// that lose any part of the unacknowledged writes and of what was applied,
// slow disks, slow clocks and clocks that stand still (so that a deposed leader
// does not notice), proposals and reads anywhere; members that join, are promoted,
// move and are removed, and go on running all the same; leadership that is handed
// over; logs that are cut, images that are late, lost and come again; full disks
// and state machines that hang. The oracles look on after every event. Then
// everything is healed, and the cluster must elect, commit on every member, and
// answer reads on every member.
//
//	go test ./raft -run RandomSchedules -raft.seed=42
func TestRandomSchedules(t *testing.T) {
	if *seedFlag != 0 {
		runSchedule(t, *seedFlag)
		return
	}
	for seed := uint64(1); seed <= *schedulesFlag && !t.Failed(); seed++ {
		runSchedule(t, seed)
	}
}

// schedule is one random run.
type schedule struct {
	*cluster
	rand   *rand.Rand
	config func(NodeID) Config
	past   []Message // delivered or lost; any of them may come again
	next   uint64    // numbers proposals and reads

	lossPercent, repeatPercent, reorderPercent int
	crashes, partitions                        bool
	operators, cuts, shortages                 bool
	clocks                                     []int // percent of the ticks that a member gets

	fetches []pendingFetch
	flying  []flyingImage
	arrived []Message // images that were received; any of them may come again
}

// flyingImage is an image on its way.
type flyingImage struct {
	core    *Raft
	message Message
}

type pendingFetch struct {
	core *Raft
	node *testNode
	Fetch
}

func runSchedule(t *testing.T, seed uint64) {
	t.Helper()
	s := newSchedule(seed)
	defer s.reportBroken(t, "raft.seed", seed)
	if *seedFlag != 0 {
		s.trace = func(format string, args ...any) { t.Logf(format, args...) }
	}
	for range 1500 {
		s.event()
		s.oracle.check(s.cluster)
	}
	s.heal()
}

// reportBroken, deferred, says which seed broke a property, and how to see it again.
func (s *schedule) reportBroken(t *testing.T, flag string, seed uint64) {
	what := recover()
	if what == nil {
		return
	}
	t.Errorf("seed %d: %v\n(run it again with -%s=%d -v)", seed, what, flag, seed)
	if _, ok := what.(broken); !ok {
		panic(what)
	}
}

func newSchedule(seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &schedule{
		rand:        r,
		lossPercent: r.IntN(30), repeatPercent: r.IntN(30), reorderPercent: r.IntN(100),
		crashes: r.IntN(3) > 0, partitions: r.IntN(3) > 0,
		operators: r.IntN(3) > 0, cuts: r.IntN(3) > 0, shortages: r.IntN(3) == 0,
	}
	limits := Config{
		ElectionTicks: 6, ElectionTicksMax: 12, HeartbeatTicks: 2,
		MaxEntriesPerMessage: 1 + r.IntN(5), MaxInflightMessages: 1 + r.IntN(5),
		MaxBytesPerMessage: 1 + r.IntN(300), MaxInflightBytes: 1 + r.IntN(1000),
		MaxUncommittedBytes: 200 + r.IntN(2000), MaxCachedBytes: 1 + r.IntN(500),
		MaxUnappliedBytes: 100 + r.IntN(2000),
	}
	s.config = func(id NodeID) Config {
		config := limits
		config.ID = id
		config.Rand = r.IntN
		return config
	}
	s.begin([]int{1, 2, 3, 3, 3, 5, 5}[r.IntN(7)])
	return s
}

// begin starts the first members.
func (s *schedule) begin(members int) {
	s.cluster = newCluster(members, s.config)
	s.cluster.fetch = func(n *testNode, f Fetch) {
		s.fetches = append(s.fetches, pendingFetch{n.core, n, f})
	}
	for _, n := range s.nodes {
		s.start(n.id)
	}
	s.setClocks()
}

// setClocks draws how fast each member's clock is.
func (s *schedule) setClocks() {
	s.clocks = s.clocks[:0]
	for range s.nodes {
		s.clocks = append(s.clocks, []int{20, 80, 100, 100}[s.rand.IntN(4)])
	}
}

func (s *schedule) percent(p int) bool { return s.rand.IntN(100) < p }

// event does one random thing.
func (s *schedule) event() {
	n := s.nodes[s.rand.IntN(len(s.nodes))]
	switch dice := s.rand.IntN(1000); {
	case n.core == nil:
		if s.percent(15) {
			s.start(n.id)
		}
	case dice < 200:
		if s.percent(s.clocks[n.id-1]) {
			n.core.Tick()
		}
	case dice < 340:
		s.ready(n.id)
	case dice < 450:
		s.persist(n.id, 1+s.rand.IntN(3))
	case dice < 820:
		s.receive()
	case dice < 880:
		s.next++
		s.tryPropose(n)
	case dice < 930:
		s.next++
		_ = s.read(n.id, s.next) // without a leader it is refused
	case dice < 938:
		s.answerFetch()
	case dice < 944:
		s.sendImages()
	case dice < 950:
		n.core.ReportUnreachable(s.nodes[s.rand.IntN(len(s.nodes))].id)
	case dice < 952:
		n.core.StepDown()
	case dice < 956 && s.operators:
		s.operate(n)
	case dice < 958 && s.cuts:
		s.cutLog(n)
	case dice < 960 && s.shortages:
		s.shorten(n)
	case dice < 968 && s.crashes:
		s.lose(n)
	case dice < 972 && s.partitions:
		s.partition()
	case dice < 974 && s.partitions:
		s.depose(n)
	case dice < 985:
		clear(s.cut)
		s.setClocks()
	case dice < 1000 && len(s.past) > 0:
		_ = s.deliver(s.past[s.rand.IntN(len(s.past))]) // from long ago
	}
}

// receive takes a message off the wire, mostly the oldest, and delivers it, or
// loses it, or leaves a copy.
func (s *schedule) receive() {
	if len(s.wire) == 0 {
		return
	}
	i := 0
	if s.percent(s.reorderPercent) {
		i = s.rand.IntN(len(s.wire))
	}
	m := s.wire[i]
	if !s.percent(s.repeatPercent) {
		s.wire = slices.Delete(s.wire, i, i+1)
	}
	if len(s.past) < 2000 {
		s.past = append(s.past, m)
	}
	if s.percent(s.lossPercent) {
		return
	}
	if err := s.deliver(m); err != nil {
		panic(broken(fmt.Sprintf("a member refuses what a member sent: %v", err)))
	}
}

func (s *schedule) tryPropose(n *testNode) {
	var batch [][]byte
	for i := range 1 + s.rand.IntN(3) {
		batch = append(batch, fmt.Appendf(nil, "command %d.%d", s.next, i))
	}
	last := n.core.Last()
	first, term, err := n.core.Propose(batch)
	switch {
	case err != nil:
		s.oracle.must(n.core.Last() == last, "a refused proposal was appended")
	default:
		s.oracle.must(first == last+1 && n.core.Last() == last+Index(len(batch)) && term == n.core.Term(), "a proposal was appended in part")
	}
}

// answerFetch answers the oldest fetch, if its asker still lives; sometimes
// the entries cannot be read.
func (s *schedule) answerFetch() {
	if len(s.fetches) == 0 {
		return
	}
	f := s.fetches[0]
	s.fetches = s.fetches[1:]
	if f.core != f.node.core {
		return
	}
	var entries []Entry
	if s.percent(80) {
		entries = f.node.disk.read(f.Fetch)
		if len(entries) > 1 {
			entries = entries[:1+s.rand.IntN(len(entries))]
		}
	}
	f.node.core.Fetched(f.To, entries)
}

// sendImages starts an image that was asked for, or lets one arrive or fail, or
// lets one come again that arrived long ago.
func (s *schedule) sendImages() {
	for _, j := range s.images {
		n := s.node(j.from)
		if n.core == nil || n.core.Role() != Leader {
			continue
		}
		if m := s.image(j); len(m.Snapshot.Configuration.Configuration.Members) > 0 {
			s.flying = append(s.flying, flyingImage{n.core, m})
		} else {
			n.core.ImageSent(j.to, 0)
		}
	}
	s.images = nil
	if len(s.arrived) > 0 && s.percent(30) {
		s.install(s.arrived[s.rand.IntN(len(s.arrived))])
	}
	if len(s.flying) == 0 || s.percent(30) {
		return
	}
	i := s.rand.IntN(len(s.flying))
	f := s.flying[i]
	s.flying = slices.Delete(s.flying, i, i+1)
	index := f.message.Snapshot.Index
	if s.percent(30) || !s.install(f.message) {
		index = 0
	}
	if from := s.node(f.message.From); from.core == f.core {
		from.core.ImageSent(f.message.To, index)
	}
}

// install tells a member of a complete image; false: it is down.
func (s *schedule) install(m Message) bool {
	n := s.node(m.To)
	if n.core == nil {
		return false
	}
	s.arrived = append(s.arrived, m)
	if err := n.core.Step(m); err != nil {
		panic(broken(fmt.Sprintf("a member refuses an image: %v", err)))
	}
	return true
}

// operate asks a member for a change of membership, or to hand over.
func (s *schedule) operate(n *testNode) {
	member := Member{ID: NodeID(1 + s.rand.IntN(len(s.nodes))), Name: fmt.Sprint("member ", s.rand.IntN(20)), Address: fmt.Sprint("at ", s.rand.IntN(5))}
	c := ConfChange{Member: member, Force: s.percent(30)}
	switch s.rand.IntN(7) {
	case 0, 1:
		c.Op, c.Member.Suffrage = AddMember, []Suffrage{Learner, Staging, Staging}[s.rand.IntN(3)]
		if n.core.Role() == Leader && len(s.nodes) < 8 && s.percent(70) {
			c.Member.ID = s.join(s.config).id
			s.setClocks()
			s.start(c.Member.ID)
		}
	case 2:
		c.Op = PromoteMember
	case 3, 4:
		c.Op = RemoveMember
	case 5:
		c.Op = UpdateMember
	default:
		_ = n.core.TransferLeadership(NodeID(s.rand.IntN(len(s.nodes) + 1))) // refused, it changes nothing
		return
	}
	last := n.core.Last()
	index, term, err := n.core.ProposeConfChange(c)
	if err != nil {
		s.oracle.must(n.core.Last() == last, "a refused change was appended")
		return
	}
	s.oracle.must(index == last+1 && n.core.Last() == index && term == n.core.Term(), "a change was appended at %d of term %d", index, term)
}

// cutLog cuts a member's log somewhere before what is applied.
func (s *schedule) cutLog(n *testNode) {
	if base := n.core.log.base; n.applied > base {
		s.compact(n.id, base+1+Index(s.rand.IntN(int(n.applied-base))))
	}
}

// shorten takes a member's room on disk, or stops its state machine, or ends that.
func (s *schedule) shorten(n *testNode) {
	if s.percent(50) {
		n.core.SetFull(s.percent(50))
		return
	}
	n.lazy = s.percent(50)
	if !n.lazy {
		n.apply()
	}
}

// lose crashes a member: any first part of its pending writes is on its disk,
// and its state machine may have lost what it did not keep.
func (s *schedule) lose(n *testNode) {
	s.crash(n.id, s.rand.IntN(len(n.pending)+1))
	if kept := n.disk.base.Index; kept < n.applied {
		n.applied = kept + Index(s.rand.IntN(int(n.applied-kept)+1))
	}
}

// partition cuts some links, in one direction or in both.
func (s *schedule) partition() {
	both := s.percent(50)
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			if s.percent(30) {
				s.cut[link{a.id, b.id}] = true
				s.cut[link{b.id, a.id}] = both
			}
		}
	}
}

// depose cuts a leader off and stops its clock, so that it takes itself for
// the leader, while the others, undisturbed for once, elect another one and
// commit something. Then the deposed one is asked for a read.
func (s *schedule) depose(n *testNode) {
	if n.core.Role() != Leader {
		return
	}
	clear(s.cut)
	s.setClocks()
	s.clocks[n.id-1] = 0
	for _, other := range s.nodes {
		s.cut[link{other.id, n.id}] = true
		s.cut[link{n.id, other.id}] = true
	}
	for range 3 * n.config.ElectionTicksMax {
		for _, other := range s.nodes {
			if other != n {
				s.tick(other.id)
			}
		}
		s.stabilize()
	}
	for _, other := range s.nodes {
		if other != n && other.core != nil && other.core.Role() == Leader {
			s.next++
			s.tryPropose(other)
		}
	}
	s.stabilize()
	if n.core.Role() == Leader {
		s.next++
		_ = s.read(n.id, s.next)
	}
}

// heal ends all faults and requires progress within a bounded time.
func (s *schedule) heal() {
	clear(s.cut)
	for _, n := range s.nodes {
		n.lazy = false
		if n.core == nil {
			s.start(n.id)
		}
		n.core.SetFull(false)
		n.apply()
	}
	for _, f := range s.flying {
		if from := s.node(f.message.From); from.core == f.core {
			from.core.ImageSent(f.message.To, 0)
		}
	}
	s.flying = nil
	s.cluster.fetch = fetchNow
	for len(s.fetches) > 0 {
		s.answerFetch()
	}
	s.next++
	marker := fmt.Sprintf("marker %d", s.next)
	proposedIn := Term(0)
	for tick := 0; !s.allApplied(marker); tick++ {
		if tick > 300 {
			panic(broken(fmt.Sprintf("no progress after everything was healed: %s", s.describeAll())))
		}
		for _, n := range s.nodes {
			s.tick(n.id)
			if n.core.Role() == Leader && n.core.Term() != proposedIn {
				if _, _, err := n.core.Propose([][]byte{[]byte(marker)}); err == nil {
					proposedIn = n.core.Term()
				}
				s.settle(n.id)
			}
		}
		s.stabilize()
	}
	for _, n := range s.members() {
		s.next++
		s.oracle.must(s.read(n.id, s.next) == nil, "member %d refuses a read though all is well", n.id)
		s.settle(n.id)
	}
	for range 2 * s.nodes[0].config.HeartbeatTicks { // a round may have been lost before
		for _, n := range s.nodes {
			s.tick(n.id)
		}
		s.stabilize()
	}
	for _, n := range s.members() {
		s.oracle.must(len(n.reads) == 0, "member %d has unanswered reads %v", n.id, n.reads)
	}
}

func (s *schedule) allApplied(marker string) bool {
	at := slices.IndexFunc(s.oracle.committed, func(c committedEntry) bool { return string(c.entry.Data) == marker })
	return at >= 0 && !slices.ContainsFunc(s.members(), func(n *testNode) bool { return n.applied <= Index(at) })
}

// members are those of the newest committed configuration. Who was removed, or
// never added, goes on running.
func (s *schedule) members() []*testNode {
	var all []*testNode
	for _, m := range s.oracle.configurationAt(Index(len(s.oracle.committed))).Configuration.Members {
		all = append(all, s.node(m.ID))
	}
	return all
}

func (s *schedule) describeAll() string {
	var all string
	for _, n := range s.nodes {
		all += fmt.Sprintf("\n%+v", n.core.Status())
	}
	return all
}
