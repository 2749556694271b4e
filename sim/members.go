package sim

import (
	"fmt"
	"math/rand/v2"

	"quorate/node/driver"
	"quorate/raft"
)

// maxMembersUp bounds the nodes of a run, so that it stays small.
const maxMembersUp = 8

// joinNode makes a node that is no member yet.
func (w *World) joinNode() *node {
	n := newNode(w, raft.NodeID(len(w.nodes)+1))
	w.nodes = append(w.nodes, n)
	n.create(raft.Configuration{})
	n.start()
	return n
}

func memberOf(n *node, s raft.Suffrage) raft.Member {
	return raft.Member{ID: n.id, Name: n.String(), Address: fmt.Sprintf("%v:7432", n), Suffrage: s}
}

// change gives an operator's order to a node, and returns where its outcome
// will be.
func (w *World) change(n *node, c *driver.Change) *driver.Change {
	n.inbox.Changes = append(n.inbox.Changes, c)
	n.wake()
	return c
}

// changeAtOnce gives a leader that has committed nothing yet an order.
func (w *World) changeAtOnce(n *node) {
	if !w.happens(Minorities) || !w.chance(Membership, 30) {
		return
	}
	r := w.source(Membership)
	if c, ok := w.drawChange(n, r); ok {
		w.count(Membership)
		w.tracef("%v is asked at once to %v n%d", n, c.Op, uint64(c.Member.ID))
		w.change(n, driver.NewConfChange(c))
	}
}

// changeMembers gives the leader, or now and then somebody else, an order: add,
// remove, promote, update. Now and then it gives two at once.
func (w *World) changeMembers(r *rand.Rand) {
	n := w.leader()
	if n == nil || r.IntN(20) == 0 {
		n = w.any(r)
	}
	if !n.up {
		return
	}
	for range 1 + r.IntN(4)/3 {
		c, ok := w.drawChange(n, r)
		if !ok {
			return
		}
		w.count(Membership)
		w.tracef("%v is asked to %v n%d", n, c.Op, uint64(c.Member.ID))
		w.change(n, driver.NewConfChange(c))
	}
}

func (w *World) drawChange(n *node, r *rand.Rand) (raft.ConfChange, bool) {
	members := n.core.Status().Configuration.Configuration.Members
	alive := 0
	for _, other := range w.nodes {
		if !other.dead {
			alive++
		}
	}
	switch dice := r.IntN(10); {
	case dice < 4:
		joiner := w.stranger(n)
		if joiner == nil && alive < maxMembersUp {
			joiner = w.joinNode()
		}
		if joiner == nil {
			return raft.ConfChange{}, false
		}
		suffrage := raft.Staging
		if r.IntN(3) == 0 {
			suffrage = raft.Learner
		}
		return raft.ConfChange{Op: raft.AddMember, Member: memberOf(joiner, suffrage)}, true
	case len(members) == 0:
		return raft.ConfChange{}, false
	case dice < 8:
		return raft.ConfChange{Op: raft.RemoveMember, Member: members[r.IntN(len(members))]}, true
	case dice < 9:
		return raft.ConfChange{Op: raft.PromoteMember, Member: members[r.IntN(len(members))]}, true
	}
	m := members[r.IntN(len(members))]
	m.Address = fmt.Sprintf("%s:%d", m.Name, r.IntN(10_000))
	return raft.ConfChange{Op: raft.UpdateMember, Member: m}, true
}

// stranger returns a node that is up and was never a member, as n knows it.
func (w *World) stranger(n *node) *node {
	c := n.core.Status().Configuration.Configuration
	for _, other := range w.nodes {
		if _, member := c.Member(other.id); other.up && !member && !other.leaves && len(other.core.Status().Configuration.Configuration.Members) == 0 {
			return other
		}
	}
	return nil
}

// transferLeadership asks the leader to hand over to somebody, or to anybody.
func (w *World) transferLeadership(r *rand.Rand) {
	n := w.leader()
	if n == nil {
		return
	}
	to := raft.NodeID(0)
	if r.IntN(3) > 0 {
		to = w.any(r).id
	}
	w.count(Transfers)
	w.tracef("%v is asked to hand over to n%d", n, uint64(to))
	w.change(n, driver.NewTransfer(to))
}

// leaveIfRemoved ends a node that learns that it was removed, after a while.
func (n *node) leaveIfRemoved() {
	if n.leaves || !n.core.Removed() {
		return
	}
	n.leaves = true
	n.world.tracef("%v was removed", n)
	n.world.after(exponential(n.world.rand, 500*Millisecond), n.leave)
}

func (n *node) leave() {
	if n.up {
		n.crash(killed, n.world.rand)
	}
	n.dead = true
}

// configurations returns those that may be in force on some node: the newest
// that is committed, and what logs have after it.
func (w *World) configurations() []raft.Configuration {
	committed := raft.ConfigurationAt{}
	var all []raft.ConfigurationAt
	for _, n := range w.nodes {
		if n.up {
			// Who committed it may be gone, and those who have it not know yet.
			known := raft.Index(w.oracle.committedIn(w.oracle.of(n).written))
			c := n.core.ConfigurationAt(max(known, n.core.Commit()))
			if len(c.Configuration.Members) > 0 && (c.Index > committed.Index || len(committed.Configuration.Members) == 0) {
				committed = c
			}
			all = append(all, n.core.Status().Configuration)
		}
	}
	out := []raft.Configuration{committed.Configuration}
	for _, c := range all {
		if c.Index > committed.Index {
			out = append(out, c.Configuration)
		}
	}
	return out
}

// hasMajority: the nodes are a majority of the configuration's voters.
func hasMajority(c *raft.Configuration, nodes map[raft.NodeID]bool) bool {
	voters, in := countVoters(c, nodes)
	return in > voters/2
}

// keepsMajority: nodes have a majority of c, whoever of the staging members is
// promoted.
func keepsMajority(c *raft.Configuration, nodes map[raft.NodeID]bool) bool {
	voters, in := countVoters(c, nodes)
	for _, m := range c.Members {
		if m.Suffrage == raft.Staging && !nodes[m.ID] {
			voters++
		}
	}
	return in > voters/2
}

func countVoters(c *raft.Configuration, nodes map[raft.NodeID]bool) (voters, in int) {
	for _, m := range c.Members {
		if m.Suffrage == raft.Voter {
			voters++
			if nodes[m.ID] {
				in++
			}
		}
	}
	return voters, in
}

// isMember: n is in the committed configuration, and in all that may follow it.
func (w *World) isMember(n *node) bool {
	for _, c := range w.configurations() {
		if _, ok := c.Member(n.id); !ok {
			return false
		}
	}
	return true
}
