package sim

import (
	"testing"

	"quorate/node/driver"
	"quorate/raft"
)

// 12. A member is removed while it cannot be reached, and comes back without
// knowing.
func TestScenario12RemovedNodeKeepsRunning(t *testing.T) {
	play(t, 4, func(s *scenario) {
		leader := s.elect()
		gone := s.others(leader)[0]
		s.isolate(gone)
		if err := s.order(leader, driver.NewConfChange(raft.ConfChange{Op: raft.RemoveMember, Member: raft.Member{ID: gone.id}})); err != nil {
			s.fail("the member was not removed: %v", err)
		}
		s.run(Second)
		term := leader.core.Term()
		s.healLinks()
		s.never("the removed member disturbs the others", 5*Second, func() bool {
			return leader.core.Role() != raft.Leader || leader.core.Term() != term
		})
		s.confirm(leader)
		s.end()
	})
}

// 16. A learner is promoted, and the leader dies before it knows. Without its
// vote nobody can be elected.
func TestScenario16PromotedLearnerVotes(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		learner := s.joinNode()
		if err := s.order(leader, driver.NewConfChange(raft.ConfChange{Op: raft.AddMember, Member: memberOf(learner, raft.Learner)})); err != nil {
			s.fail("the learner was not added: %v", err)
		}
		s.await("the learner to catch up", 3*Second, func() bool { return learner.core.Last() == leader.core.Last() })
		s.run(200 * Millisecond)
		promotion := driver.NewConfChange(raft.ConfChange{Op: raft.PromoteMember, Member: raft.Member{ID: learner.id}})
		s.cutOneWay(leader, learner) // it is heard, so that it may be promoted, and hears nothing
		if err := s.order(leader, promotion); err != nil {
			s.fail("the learner was not promoted: %v", err)
		}
		leader.crash(powerLoss, s.rand)
		leader.dead = true // for good: three of four are left
		s.healLinks()
		known := learner.core.Status().Configuration.Configuration
		if m, _ := known.Member(learner.id); m.Suffrage != raft.Learner {
			s.fail("the scenario did not come about: the learner knows")
		}
		s.await("a leader", 3*Second, func() bool { return s.leader() != nil })
		s.confirm(s.leader())
	})
}

// 17. Two changes at once: the second is refused, and may be tried again.
func TestScenario17TwoChangesAtOnce(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		a, b := s.joinNode(), s.joinNode()
		first := s.change(leader, driver.NewConfChange(raft.ConfChange{Op: raft.AddMember, Member: memberOf(a, raft.Learner)}))
		second := driver.NewConfChange(raft.ConfChange{Op: raft.AddMember, Member: memberOf(b, raft.Learner)})
		if refused := s.refusal(s.order(leader, second)); !refused.Retry {
			s.fail("the second change is refused for good: %v", refused)
		}
		s.await("the first change", Second, func() bool { return len(first.Done) > 0 })
		if err := <-first.Done; err != nil {
			s.fail("the first change: %v", err)
		}
		if err := s.order(leader, driver.NewConfChange(raft.ConfChange{Op: raft.AddMember, Member: memberOf(b, raft.Learner)})); err != nil {
			s.fail("the second change, tried again: %v", err)
		}
		s.end()
	})
}

// 18. The leader removes itself. It goes on until that is committed, not counting
// itself, and nothing is lost.
func TestScenario18LeaderRemovesItself(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		s.confirmMany(leader, 5)
		calls := []*pendingCall{s.begin(leader), s.begin(s.others(leader)[0])}
		if err := s.order(leader, driver.NewConfChange(raft.ConfChange{Op: raft.RemoveMember, Member: raft.Member{ID: leader.id}})); err != nil {
			s.fail("the leader was not removed: %v", err)
		}
		s.await("another leader", s.electionTimeout(), func() bool { l := s.leader(); return l != nil && l != leader })
		s.await("the writes", 2*Second, func() bool { return calls[0].settled && calls[1].settled })
		s.confirm(s.leader())
		s.end()
	})
}

// 19. Of two members one dies, and is removed at once. The leader, whom both have
// elected, is a majority of the configuration without it; so the change is
// committed, and the dead one, back from the dead and not knowing, can win
// nothing. A moment later the leader has stepped down, and the change has to wait
// (the way out is then deliberate and offline: ForceConfiguration in raft/wal).
func TestScenario19TwoMembersOneDead(t *testing.T) {
	for _, late := range []bool{false, true} {
		play(t, 2, func(s *scenario) {
			leader := s.elect()
			other := s.others(leader)[0]
			other.crash(powerLoss, s.rand)
			if late {
				s.run(2 * s.electionTimeout())
			}
			change := s.change(leader, driver.NewConfChange(raft.ConfChange{Op: raft.RemoveMember, Member: raft.Member{ID: other.id}}))
			s.run(2 * Second)
			if leads := leader.core.Role() == raft.Leader; leads == late {
				s.fail("late %v, and the one that lives leads: %v", late, leads)
			}
			if err := <-change.Done; (err != nil) != late {
				s.fail("late %v: the removal ends with %v", late, err)
			}
			other.start()
			if !late {
				s.never("the removed one leads", 3*Second, func() bool { return other.core.Role() == raft.Leader })
			}
			s.confirm(s.elect())
			s.end()
		})
	}
}

// 20. Leadership is to go to a member that has just died. Writes go on after an
// election timeout.
func TestScenario20TransferToDeadMember(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		s.confirm(leader)
		dead := s.others(leader)[0]
		s.isolate(dead)
		s.change(leader, driver.NewTransfer(dead.id))
		s.run(20 * Millisecond)
		call := s.begin(leader)
		s.await("a write", s.electionTimeout()+200*Millisecond, func() bool { return call.settled })
		s.end()
	})
}

// A member loses its disk. The operator removes it, and it joins anew: with an
// empty log and a new id, as a member that never was there. The old id stays out.
func TestScenarioLostDiskJoinsAnew(t *testing.T) {
	play(t, 3, func(s *scenario) {
		leader := s.elect()
		s.confirmMany(leader, 20)
		lost := s.others(leader)[0]
		lost.crash(powerLoss, s.rand)
		lost.dead = true // nothing of it comes back
		s.confirm(leader)
		change := func(op raft.ConfChangeOp, m raft.Member) error {
			return s.order(leader, driver.NewConfChange(raft.ConfChange{Op: op, Member: m}))
		}
		if err := change(raft.RemoveMember, raft.Member{ID: lost.id}); err != nil {
			s.fail("the member was not removed: %v", err)
		}
		if refused := s.refusal(change(raft.AddMember, memberOf(lost, raft.Staging))); refused.Retry {
			s.fail("its old id may come back later: %v", refused)
		}
		anew := s.joinNode()
		if err := change(raft.AddMember, memberOf(anew, raft.Staging)); err != nil {
			s.fail("the new member was not added: %v", err)
		}
		s.await("the new member to become a voter", 5*Second, func() bool {
			c := anew.core.ConfigurationAt(anew.core.Commit()).Configuration
			m, _ := c.Member(anew.id)
			return m.Suffrage == raft.Voter
		})
		for _, n := range s.others(leader) {
			if n != lost && n != anew {
				s.isolate(n) // so the new member's disk counts
			}
		}
		s.confirm(leader)
		s.healLinks()
		s.end()
	})
}
