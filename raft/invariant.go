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
	assert(l.stable <= l.written && l.written <= l.last(), "stable <= written <= last")
	assert(l.commit <= l.last(), "commit <= last")
	assert(l.first <= min(l.applied, l.stable)+1, "first <= min(applied, stable) + 1")
	assert(l.lastTerm() <= r.term, "the log's last term <= term")
	assert(r.persisted <= r.seq && r.syncSeq <= r.seq, "persisted, syncSeq <= seq")
	assert((r.role == Leader) == (r.leader == r.id), "role is leader <=> leader is this member")
	switch r.role {
	case Candidate:
		assert(r.vote == r.id, "a candidate votes for itself")
	case Leader:
		r.checkLeaderInvariants()
	}
}

func (r *Raft) checkLeaderInvariants() {
	l := &r.log
	assert(r.vote == r.id, "a leader voted for itself")
	assert(l.lastTerm() == r.term && r.termStart <= l.last(), "a leader's log ends in its term")
	assert(r.uncommittedBytes >= 0, "uncommittedBytes >= 0")
	for i := range r.peers {
		p := &r.peers[i]
		assert(p.match < p.next && p.next <= l.last()+1, "match < next <= last + 1")
		assert(p.round <= r.reads.round, "a follower's round <= round")
		assert(p.window.count <= r.config.MaxInflightMessages, "the window's messages <= MaxInflightMessages")
	}
}
