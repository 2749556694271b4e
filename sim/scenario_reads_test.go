package sim

import (
	"testing"

	"quorate/raft"
)

// 2. A leader is cut off, and clients can still reach it: it serves neither reads
// nor writes, and steps down within an election timeout.
func TestScenario02LeaderCutOff(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		s.confirm(leader)
		s.isolate(leader)
		call, read := s.begin(leader), s.probe(leader)
		s.await("the leader to step down", s.electionTimeout()+100*Millisecond, func() bool { return leader.core.Role() != raft.Leader })
		s.await("another leader", 3*s.electionTimeout(), func() bool { return s.leader() != nil })
		s.confirm(s.leader())
		s.never("a node that is cut off serves a client", 2*Second, func() bool { return call.settled || read.over })
		s.healLinks()
		s.await("its clients to be served", 3*Second, func() bool { return call.settled && read.over })
		s.end()
	})
}

// 3. The leader's process stands still for five seconds, and on waking is asked
// for a read at once (resume does that): the oracle knows what it must see.
func TestScenario03PausedLeader(t *testing.T) {
	p := calm(3)
	p.clients, p.thinkTime, p.readPercent = 10, 5*Millisecond, 50
	playWith(t, p, func(s *scenario) {
		leader := s.elect()
		s.startClients()
		s.run(500 * Millisecond)
		leader.pause(5 * Second)
		confirmed := len(s.oracle.confirmed)
		s.run(5 * Second)
		if len(s.oracle.confirmed) == confirmed {
			s.fail("nothing was written while the leader stood still")
		}
		s.healing = true
		s.end()
	})
}

// 4. A new leader is asked for a read before it has committed anything in its
// term: it does not answer by what it knows from before.
func TestScenario04ReadBeforeNoop(t *testing.T) {
	play(t, 3, func(s *scenario) {
		old := s.elect()
		s.confirmMany(old, 5)
		old.crash(powerLoss, s.rand)
		s.await("another leader", 3*Second, func() bool { return s.leader() != nil })
		fresh := s.leader()
		for _, other := range s.others(fresh) { // it can be heard, and hears nothing
			s.cutOneWay(other, fresh)
		}
		read := s.probe(fresh)
		s.never("a new leader answers a read before it has committed", s.electionTimeout()/2, func() bool { return read.over })
		s.healLinks()
		s.await("the read", 3*Second, func() bool { return read.over })
		s.end()
	})
}

// 5. Answers to an earlier round of heartbeats arrive late, when there is another
// leader. They do not confirm a read that was asked for since.
func TestScenario05LateHeartbeatResponses(t *testing.T) {
	play(t, 3, func(s *scenario) {
		old := s.elect()
		s.confirm(old)
		s.clogNode(old, 2*Second) // what it is sent arrives in two seconds
		early := s.probe(old)
		s.run(20 * Millisecond) // the followers have answered
		old.skew = 0.01         // it does not notice how late it is
		for _, other := range s.others(old) {
			s.cutOneWay(old, other)
		}
		s.await("another leader", 1500*Millisecond, func() bool { l := s.leader(); return l != nil && l != old })
		s.confirm(s.leader())
		late := s.probe(old)
		s.isolate(old) // nothing new reaches it, and what was under way is let through:
		s.network.lossy = false
		s.never("an answer to an earlier round confirms a later read", 3*Second, func() bool { return late.over })
		if !early.over && old.core.Role() == raft.Leader {
			s.fail("the earlier read was not answered by what was held back")
		}
		s.healLinks()
		old.skew = 1
		s.await("the later read", 5*Second, func() bool { return late.over })
		s.end()
	})
}
