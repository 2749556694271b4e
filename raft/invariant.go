package raft

// assert stops the program when the core's own code is wrong. It costs a
// comparison, so it is always on: a member that stops is one failure that the
// cluster survives, a member that goes on with a broken log may be the end of
// everybody's.
func assert(ok bool, broken string) {
	if !ok {
		panic("raft: invariant broken: " + broken)
	}
}

// checkInvariants asserts what is written beside the fields. Every public
// method that changes something ends with it.
func (r *Raft) checkInvariants() {
	l := &r.log
	assert(l.applied <= l.delivered, "applied <= delivered")
	assert(l.delivered <= min(l.commit, l.stable), "delivered <= min(commit, stable)")
	assert(l.base < l.first && l.base <= l.commit, "base < first, base <= commit")
	assert(l.stable <= l.written && l.written <= l.last(), "stable <= written <= last")
	assert(l.commit <= l.last(), "commit <= last")
	assert(l.first <= max(l.base, min(l.applied, l.stable))+1, "first <= max(base, min(applied, stable)) + 1")
	assert(l.base <= l.delivered || l.uninstalled != nil, "base <= delivered, but for a snapshot that is not installed")
	assert(l.unapplied >= 0 && l.unapplied <= l.bytes, "0 <= unapplied <= bytes")
	assert(l.lastTerm() <= r.term, "the log's last term <= term")
	assert(r.persisted <= r.seq && r.syncSeq <= r.seq, "persisted, syncSeq <= seq")
	assert((r.role == Leader) == (r.leader == r.id), "role is leader <=> leader is this member")
	r.checkConfigurations()
	switch r.role {
	case Candidate:
		assert(r.vote == r.id, "a candidate votes for itself")
	case Leader:
		r.checkLeaderInvariants()
	}
}

func (r *Raft) checkConfigurations() {
	first, last := &r.configurations[0], r.newest()
	assert(first.Index <= r.log.base, "the first configuration is in force at base")
	assert(len(r.configurations) == 1 || last.Index > r.log.base, "later configurations are after base")
	assert(last.Index <= r.log.last(), "configurations are in the log")
}

func (r *Raft) checkLeaderInvariants() {
	l := &r.log
	assert(r.vote == r.id, "a leader voted for itself")
	assert(l.lastTerm() == r.term && r.termStart <= l.last(), "a leader's log ends in its term")
	assert(r.uncommittedBytes >= 0, "uncommittedBytes >= 0")
	if last := r.newest(); last.Index > l.commit && len(r.configurations) > 1 {
		before := &r.configurations[len(r.configurations)-2]
		assert(before.Index <= l.commit || last.Index < r.termStart, "a leader has one uncommitted configuration of its own at most")
	}
	for _, p := range r.peers {
		assert(p.match < p.next && p.next <= l.last()+1, "match < next <= last + 1")
		assert(!p.noRoom || p.state == probe, "a follower that has no room is probed")
		assert(p.round <= r.reads.round, "a follower's round <= round")
		assert(p.window.count <= r.config.MaxInflightMessages, "the window's messages <= MaxInflightMessages")
	}
}
