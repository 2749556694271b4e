package sim

import (
	"testing"

	"quorate/raft"
)

// 6. The paper's Figure 8: an entry of an old term is on a majority, and another
// log could still win. It is committed only together with an entry of the
// leader's own term. (raft/testdata/figure_8.txt goes on to the end of the story.)
func TestScenario06Figure8(t *testing.T) {
	p := calm(5)
	p.raft.MaxEntriesPerMessage = 1
	playWith(t, p, func(s *scenario) {
		first := s.electReady()
		second, third, fourth, fifth := s.others(first)[0], s.others(first)[1], s.others(first)[2], s.others(first)[3]
		for _, n := range []*node{third, fourth, fifth} {
			s.cutLink(first, n)
			s.cutLink(second, n)
		}
		old := first.core.Last() + 1
		s.begin(first) // on two disks
		s.await("the entry on the second", Second, func() bool { return second.core.Status().Stable == old && first.core.Last() == old })
		first.crash(powerLoss, s.rand)
		second.skew, third.skew, fourth.skew, fifth.skew = 0.6, 0.6, 0.6, 2
		s.await("the fifth to lead", 3*Second, func() bool { return fifth.core.Role() == raft.Leader })
		s.isolate(fifth) // its first entry is its own alone
		s.run(100 * Millisecond)
		s.healLinks()
		s.isolate(fifth)
		first.start()
		first.skew = 2
		s.await("the first to lead again", 5*Second, func() bool { return first.core.Role() == raft.Leader })
		own := first.core.Last() // the no-op of its term
		s.await("a commit", 3*Second, func() bool {
			if c := first.core.Commit(); c >= old && c < own {
				s.fail("entry %d of an old term was committed by counting", c)
			}
			return first.core.Commit() >= own
		})
		first.skew, second.skew, third.skew, fourth.skew, fifth.skew = 1, 1, 1, 1, 1
		s.end()
	})
}

// 7. A deposed leader has a long tail that nobody else has, and learns of a high
// commit index: it commits nothing of its own tail.
func TestScenario07DivergentTail(t *testing.T) {
	play(t, 3, func(s *scenario) {
		old := s.elect()
		s.isolate(old)
		for range 20 {
			s.begin(old)
		}
		s.await("another leader", 3*Second, func() bool { l := s.leader(); return l != nil && l != old })
		s.confirmMany(s.leader(), 30)
		s.end()
	})
}

// 8. Every message comes twice, the second time up to seconds later.
func TestScenario08OldMessages(t *testing.T) {
	p := calm(3)
	p.faults = Duplicates | Delays
	p.duplicatePercent, p.delayPercent, p.maxDelay = 100, 30, 3*Second
	p.clients, p.thinkTime, p.readPercent = 5, 20*Millisecond, 30
	playWith(t, p, func(s *scenario) {
		s.startClients()
		s.run(20 * Second)
		s.healing = true
		if len(s.oracle.confirmed) == 0 {
			s.fail("nothing was written")
		}
		s.end()
	})
}

// 10. All nodes lose power at once, and what was not synced is gone.
func TestScenario10AllLosePower(t *testing.T) {
	p := calm(3)
	p.clients, p.thinkTime, p.readPercent = 20, 2*Millisecond, 30
	playWith(t, p, func(s *scenario) {
		s.startClients()
		for range 5 {
			s.run(2 * Second)
			for _, n := range s.nodes {
				n.crash(powerLoss, s.rand)
			}
			for _, n := range s.nodes {
				n.start()
			}
		}
		s.healing = true
		s.end()
	})
}

// 29. The leader has a command, and the origin does not hear so: it sends it
// again, and it is applied once (the oracle looks).
func TestScenario29RetryAfterLostAnswer(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.electReady()
		origin, other := s.others(leader)[0], s.others(leader)[1]
		s.cutOneWay(leader, origin)
		call := s.begin(origin)
		s.run(120 * Millisecond) // it is asked for more than once
		if _, ok := s.oracle.commands[call.op.command]; !ok {
			s.fail("the scenario did not come about: the command was not applied")
		}
		if call.settled {
			s.fail("the origin heard of it")
		}
		leader.crash(powerLoss, s.rand) // and a new leader does not know it was accepted
		s.healLinks()
		s.await("the command's outcome", 5*Second, func() bool { return call.settled })
		s.confirm(other)
		s.end()
	})
}

// 30. A follower's client writes, and the follower hears nothing until the log was
// cut: it gets an image instead of the entry. The image tells what came of the
// command.
func TestScenario30AnswerOutOfAnImage(t *testing.T) {
	playWith(t, cutting(3), func(s *scenario) {
		leader := s.electReady()
		origin := s.others(leader)[0]
		for _, n := range s.others(origin) {
			s.cutOneWay(n, origin)
		}
		call := s.begin(origin)
		s.await("the command to be applied elsewhere", Second, func() bool { return s.oracle.commands[call.op.command] != 0 })
		if call.settled {
			s.fail("the origin heard of it")
		}
		s.confirmMany(leader, 200)
		base, _ := leader.log.Base()
		if base <= s.oracle.commands[call.op.command] {
			s.fail("the scenario did not come about: the log begins after %d", base)
		}
		s.healLinks()
		s.await("the command's outcome", 5*Second, func() bool { return call.settled })
		if s.recalled == 0 {
			s.fail("the outcome did not come out of an image")
		}
		s.end()
	})
}
