package raft

import (
	"fmt"
	"slices"
)

// maxVoters bounds the members of a cluster. More would make every commit wait
// for more disks and survive no more accidents than anybody plans for.
const maxVoters = 7

// validate says in a sentence what is wrong with a configuration of which
// self shall be a member.
func (c Configuration) validate(self NodeID) error {
	if n := len(c.Members); n < 1 || n > maxVoters {
		return fmt.Errorf("raft: the configuration has %d members; a cluster has 1 to %d", n, maxVoters)
	}
	found := false
	for i, m := range c.Members {
		if m.ID == 0 {
			return fmt.Errorf("raft: member %q has the id 0, which means no node", m.Name)
		}
		if i > 0 && m.ID <= c.Members[i-1].ID {
			return fmt.Errorf("raft: the members are not sorted by id, or %s is there twice", m.ID)
		}
		found = found || m.ID == self
	}
	if !found {
		return fmt.Errorf("raft: this member, %s, is not in the configuration", self)
	}
	return nil
}

// configuration is the newest in the log.
func (s *State) configuration() (c Configuration) {
	if n := len(s.Configurations); n > 0 {
		c = s.Configurations[n-1].Configuration
	}
	return c
}

// quorum is how many members make a majority (§5.2: any two majorities have a
// member in common).
func (r *Raft) quorum() int { return (len(r.peers)+1)/2 + 1 }

// atQuorum returns the largest value that a majority of the members has
// reached, given one value a member. It reorders values.
func atQuorum[T ~uint64](values []T) T {
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
