package raft

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

var (
	skirmishSeedFlag = flag.Uint64("raft.skirmish", 0, "run this skirmish only")
	skirmishesFlag   = flag.Uint64("raft.skirmishes", 800, "how many skirmishes to run")
)

// TestSkirmishes fights over the membership. The random schedules spread their
// events evenly, so that what takes five steps in the right order hardly ever
// happens there. Here a seed is a series of rounds, and every round draws new
// links, in one direction or in both, lets one or two members campaign at once,
// and has whoever leads asked for a change before anything else. Half of what is
// sent arrives, in any order; members die in the middle of it and come back with
// any part of what they wrote. The oracles are the same, and so is the end: all
// is healed, and the cluster must go on.
//
//	go test ./raft -run Skirmishes -raft.skirmish=42
func TestSkirmishes(t *testing.T) {
	if *skirmishSeedFlag != 0 {
		runSkirmish(t, *skirmishSeedFlag)
		return
	}
	for seed := uint64(1); seed <= *skirmishesFlag && !t.Failed(); seed++ {
		runSkirmish(t, seed)
	}
}

func runSkirmish(t *testing.T, seed uint64) {
	t.Helper()
	s := newSkirmish(seed)
	defer s.reportBroken(t, "raft.skirmish", seed)
	if *skirmishSeedFlag != 0 {
		s.trace = func(format string, args ...any) { t.Logf(format, args...) }
	}
	for range 8 {
		if s.percent(25) {
			s.relay()
		} else {
			s.round()
		}
	}
	s.heal()
}

// newSkirmish makes an even number of members more often than not, and learners
// that have the log: one step up and one step down from there are two
// configurations that may have majorities without a member in common.
func newSkirmish(seed uint64) *schedule {
	r := rand.New(rand.NewPCG(seed, 1))
	s := &schedule{rand: r, crashes: r.IntN(3) > 0, cuts: r.IntN(3) == 0, lossPercent: 10, reorderPercent: 20, repeatPercent: 5}
	s.config = func(id NodeID) Config {
		return Config{ID: id, ElectionTicks: 3, ElectionTicksMax: 5, HeartbeatTicks: 1, Rand: r.IntN}
	}
	s.begin([]int{2, 2, 3, 4, 4, 4, 5}[r.IntN(7)])
	s.elect(1)
	for range r.IntN(3) {
		member := Member{ID: s.join(s.config).id, Suffrage: Learner}
		s.setClocks()
		s.start(member.ID)
		if _, _, err := s.core(1).ProposeConfChange(ConfChange{Op: AddMember, Member: member}); err != nil {
			panic(err)
		}
		s.settle(1)
		s.stabilize()
	}
	return s
}

// round is one fight for the leadership and what the winners do with it.
func (s *schedule) round() {
	s.drawLinks()
	for range 1 + s.rand.IntN(2) {
		s.provoke(s.nodes[s.rand.IntN(len(s.nodes))])
	}
	for range 20 + s.rand.IntN(60) {
		n := s.nodes[s.rand.IntN(len(s.nodes))]
		if n.core == nil {
			if s.percent(5) {
				s.start(n.id)
			}
			continue
		}
		switch dice := s.rand.IntN(100); {
		case dice < 50:
			s.receive()
		case dice < 70:
			s.persist(n.id, 1+s.rand.IntN(3))
		case dice < 90:
			s.settle(n.id)
		case dice < 91:
			n.core.Tick()
		case dice < 93:
			s.drawLinks()
		case dice < 94 && s.crashes:
			s.lose(n)
		case dice < 95 && s.cuts:
			s.cutLog(n)
		case dice < 97:
			s.sendImages()
		case dice < 98 && len(s.past) > 0:
			_ = s.deliver(s.past[s.rand.IntN(len(s.past))])
		}
		s.oracle.check(s.cluster) // what was committed is judged by the configuration that it was committed in
		s.exploit()
		s.oracle.check(s.cluster)
	}
}

// relay has one leader after another change the membership where hardly anybody
// sees it, each as soon as it leads: what the rule is there against that a leader
// first commits an entry of its own term (see membership.go).
func (s *schedule) relay() {
	clear(s.cut)
	s.stabilize()
	for range 3 {
		s.provoke(s.nodes[s.rand.IntN(len(s.nodes))])
		for range 100 {
			n := s.nodes[s.rand.IntN(len(s.nodes))]
			led := n.core != nil && n.core.Role() == Leader
			if s.percent(50) {
				s.deliverTo(n)
			} else {
				s.persist(n.id, 1)
			}
			if !led && n.core != nil && n.core.Role() == Leader {
				s.changeVoters(n)
				s.settle(n.id)
				break
			}
			s.settle(n.id)
		}
		s.drawSides(false)
		s.stabilize()
	}
}

// deliverTo delivers the oldest message to a member.
func (s *schedule) deliverTo(n *testNode) {
	i := slices.IndexFunc(s.wire, func(m Message) bool { return m.To == n.id })
	if i < 0 {
		return
	}
	m := s.wire[i]
	s.wire = slices.Delete(s.wire, i, i+1)
	if err := s.deliver(m); err != nil {
		panic(broken(fmt.Sprintf("a member refuses what a member sent: %v", err)))
	}
}

// drawLinks cuts none, some, or all links between two sides.
func (s *schedule) drawLinks() {
	clear(s.cut)
	switch s.rand.IntN(4) {
	case 0:
		s.partition()
	case 1, 2:
		s.drawSides(s.percent(30))
	}
}

// drawSides cuts all links between two sides, or those in one direction.
func (s *schedule) drawSides(oneWay bool) {
	clear(s.cut)
	side := s.rand.IntN(1 << len(s.nodes))
	for _, a := range s.nodes {
		for _, b := range s.nodes {
			from, to := side>>(a.id-1)&1, side>>(b.id-1)&1
			if from < to || from > to && !oneWay {
				s.cut[link{a.id, b.id}] = true
			}
		}
	}
}

// provoke lets a member's election timeout pass, and everybody forget the leader.
func (s *schedule) provoke(n *testNode) {
	if n.core == nil || n.core.Role() == Leader {
		return
	}
	for _, other := range s.nodes {
		if other.core != nil && other.core.Role() != Leader {
			other.core.electionElapsed = max(other.core.electionElapsed, other.core.config.ElectionTicks)
		}
	}
	for range n.config.ElectionTicksMax {
		n.core.Tick()
	}
	s.settle(n.id)
}

// exploit has a leader do something before it can do anything else: mostly change
// the membership.
func (s *schedule) exploit() {
	for _, n := range s.nodes {
		if n.core == nil || n.core.Role() != Leader || !s.percent(10) {
			continue
		}
		s.next++
		switch s.rand.IntN(8) {
		case 0:
			s.tryPropose(n)
		case 1:
			_ = s.read(n.id, s.next)
		case 2:
			s.operate(n)
		default:
			s.changeVoters(n)
		}
	}
}

// changeVoters has a leader remove a voter, or make one of a learner.
func (s *schedule) changeVoters(n *testNode) {
	members := n.core.newest().Configuration.Members
	c := ConfChange{Op: RemoveMember, Member: members[s.rand.IntN(len(members))], Force: true}
	if c.Member.Suffrage != Voter {
		c.Op = PromoteMember
	}
	_, _, _ = n.core.ProposeConfChange(c) // refused, it changes nothing
}
