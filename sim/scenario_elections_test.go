package sim

import (
	"testing"

	"quorate/raft"
)

// 1. A candidate loses power while its vote for itself is not durable, comes
// back and campaigns in the same term. Nobody may have heard of its candidacy.
func TestScenario01RequestVoteBeforeVoteIsDurable(t *testing.T) {
	play(t, 3, func(s *scenario) {
		n := s.nodes[0]
		for _, other := range s.others(n) {
			other.skew = 0.02 // they wait for long before they campaign
		}
		n.stalledUntil = 3 * Second
		s.await("a candidate", 2*Second, func() bool { return n.core.Role() == raft.Candidate })
		term := n.core.Term()
		s.never("a request for a vote left before the candidate's own vote was durable", Second, func() bool {
			return s.nodes[1].core.Term() >= term || s.nodes[2].core.Term() >= term
		})
		n.crash(powerLoss, s.rand)
		n.start()
		s.await("a leader", 5*Second, func() bool { return s.leader() != nil })
		s.end()
	})
}

// 9. The leader's process is killed while clients work. (node and chaos measure
// it on real clocks.)
func TestScenario09LeaderKilled(t *testing.T) {
	p := calm(3)
	p.clients, p.thinkTime, p.readPercent = 50, 5*Millisecond, 30
	playWith(t, p, func(s *scenario) {
		leader := s.elect()
		s.startClients()
		s.run(Second)
		since := s.now
		leader.crash(killed, s.rand)
		confirmed := len(s.oracle.confirmed)
		s.await("the first write after the kill", Second, func() bool { return len(s.oracle.confirmed) > confirmed })
		t.Logf("%d ms without a leader", (s.now-since)/Millisecond)
		s.run(Second)
		s.healing = true // the clients go home
		s.end()
	})
}

// 11. A node that was cut off for ten minutes comes back and disturbs nobody.
func TestScenario11ReturnAfterTenMinutes(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		term := leader.core.Term()
		away := s.others(leader)[0]
		s.isolate(away)
		s.run(600 * Second)
		s.confirm(leader)
		s.healLinks()
		s.never("the one that came back disturbs the others", 3*Second, func() bool {
			return s.leader() != leader || leader.core.Term() != term
		})
		s.end()
	})
}

// 13. A follower hears the leader, and the leader does not hear it.
func TestScenario13AsymmetricLink(t *testing.T) {
	play(t, 5, func(s *scenario) {
		leader := s.elect()
		term := leader.core.Term()
		s.cutOneWay(s.others(leader)[0], leader)
		s.never("there is another election", 5*Second, func() bool { return leader.core.Role() != raft.Leader || leader.core.Term() != term })
		s.confirm(leader)
		s.end()
	})
}

// 14. The old leader reaches one node of a majority that is connected.
func TestScenario14ChainPartition(t *testing.T) {
	play(t, 5, func(s *scenario) {
		leader := s.elect()
		for _, other := range s.others(leader)[1:] {
			s.cutLink(leader, other)
		}
		s.await("another leader", 3*s.electionTimeout(), func() bool { l := s.leader(); return l != nil && l != leader })
		s.await("the old one to step down", s.electionTimeout(), func() bool { return leader.core.Role() != raft.Leader })
		s.confirm(s.leader())
		s.end()
	})
}

// 15. Of two that are left, one has the longer log and the other the higher
// term. They must agree on the first.
func TestScenario15LongestLogInLowerTerm(t *testing.T) {
	play(t, 3, func(s *scenario) {
		long := s.elect()
		s.isolate(long)
		call := s.begin(long)
		var candidate *node
		s.await("a candidate", 2*Second, func() bool {
			for _, n := range s.others(long) {
				if n.core.Role() == raft.Candidate {
					candidate = n
				}
			}
			return candidate != nil
		})
		for _, n := range s.others(long) {
			if n != candidate {
				n.crash(powerLoss, s.rand) // its vote never arrives
			}
		}
		s.run(Second)
		if candidate.core.Term() <= long.core.Term() || candidate.core.Last() >= long.core.Last() {
			s.fail("the scenario did not come about:%s", s.describe())
		}
		s.healLinks()
		s.await("the one with the longer log to lead", 3*Second, func() bool { return long.core.Role() == raft.Leader })
		s.await("its write", Second, func() bool { return call.settled })
		s.end()
	})
}

// 28. A clock jumps by an hour, and another runs at double speed. Time is counted
// in ticks, so that only the second could matter.
func TestScenario28ClockJumps(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		s.others(leader)[0].skew = 2
		s.others(leader)[1].jumped = 3600 * Second
		leader.jumped = -3600 * Second
		elections := len(s.oracle.leaders)
		for range 20 {
			s.run(500 * Millisecond)
			s.confirm(s.nodes[1])
		}
		if n := len(s.oracle.leaders) - elections; n > 1 {
			s.fail("%d elections because of a clock", n)
		}
		s.end()
	})
}
