package raft

// ballot is what a member answered to this candidacy.
type ballot uint8

const (
	unanswered ballot = iota
	granted
	refused
)

// preCampaign asks whether an election could be won (thesis §9.6). Nobody's
// term changes: a member that was cut off for a while comes back without
// disturbing anybody.
func (r *Raft) preCampaign() {
	r.becomeCandidate(PreCandidate)
	r.preVotes++
	last, term := r.log.last(), r.log.lastTerm()
	for _, p := range r.peers {
		if p.voter {
			r.send(Message{Type: PreVote, To: p.id, Term: r.term + 1, Index: last, LogTerm: term})
		}
	}
	r.countVotes()
}

// campaign starts an election (§5.2). The requests leave when term and own
// vote are durable, and so does the own vote count only then. transfer: the
// leader wants it.
func (r *Raft) campaign(transfer bool) {
	r.term++
	r.vote = r.id
	r.becomeCandidate(Candidate)
	r.campaigns++
	r.selfVoteSeq = r.seq + 1
	last, term := r.log.last(), r.log.lastTerm()
	for _, p := range r.peers {
		if p.voter {
			r.sendDurable(Message{Type: RequestVote, To: p.id, Index: last, LogTerm: term, Transfer: transfer})
		}
	}
}

func (r *Raft) becomeCandidate(role Role) {
	assert(r.role != Leader, "a leader campaigns")
	r.role = role
	r.setLeader(r.term, 0)
	r.resetElectionTimer()
	for _, p := range r.peers {
		p.ballot = unanswered
	}
}

// countVotes goes on when a majority of the voters agrees, and back when a
// majority refuses.
func (r *Raft) countVotes() {
	yes, no := 0, 0
	if r.voter && (r.role == PreCandidate || r.persisted >= r.selfVoteSeq) {
		yes++ // the own vote
	}
	for _, p := range r.peers {
		switch {
		case !p.voter:
		case p.ballot == granted:
			yes++
		case p.ballot == refused:
			no++
		}
	}
	switch {
	case yes >= r.quorum() && r.role == PreCandidate:
		r.campaign(false)
	case yes >= r.quorum():
		r.becomeLeader()
	case no >= r.quorum():
		r.becomeFollower(r.term, 0)
	}
}

// becomeLeader takes the term and opens it with a no-op: only an entry of its
// own term lets a leader commit what came before (§5.4.2, §8).
func (r *Raft) becomeLeader() {
	assert(r.role == Candidate && r.vote == r.id, "a leader was not a candidate")
	r.role = Leader
	r.setLeader(r.term, r.id)
	r.elections++
	r.heartbeatElapsed = 0
	for _, p := range r.peers {
		p.reset(r.log.last(), r.ticks)
	}
	r.uncommittedBytes = 0
	for i := r.log.commit + 1 - r.log.first; i < Index(len(r.log.entries)); i++ {
		r.uncommittedBytes += entryBytes(&r.log.entries[i])
	}
	r.termStart, r.elected = r.log.last()+1, r.ticks
	r.appendEntry(Entry{Type: EntryNoop})
}

// hearsLeader: a leader was heard within the shortest election timeout, or
// this member leads.
func (r *Raft) hearsLeader() bool {
	return r.role == Leader || r.leader != 0 && r.electionElapsed < r.config.ElectionTicks
}

// handlePreVote answers for the asked term without entering it. A grant is no
// vote: it does not reset the election timer, and any number may be granted.
// A refusal carries the own term, so that a candidate with a lower one learns
// it. Who was removed is not answered.
func (r *Raft) handlePreVote(m *Message) {
	if r.wasRemoved(m.From) {
		return
	}
	response := Message{Type: PreVoteResponse, To: m.From, Term: m.Term}
	if m.Term <= r.term || r.hearsLeader() || !r.log.upToDate(m.Index, m.LogTerm) {
		response.Term, response.Reject = r.term, true
	}
	r.sendDurable(response)
}

func (r *Raft) handlePreVoteResponse(m *Message, p *peer) {
	if m.Reject && m.Term > r.term {
		r.becomeFollower(m.Term, 0)
		return
	}
	if r.role != PreCandidate || !m.Reject && m.Term != r.term+1 {
		return
	}
	r.castBallot(m, p)
}

// handleRequestVote votes (§5.2, §5.4.1): once a term, first come, first
// served, and only for a log that is at least as up-to-date. A granted vote
// resets the election timer. A learner, or who is not a member yet, votes when
// asked: the candidate knows a newer configuration, in which this member is a
// voter.
func (r *Raft) handleRequestVote(m *Message) {
	response := Message{Type: RequestVoteResponse, To: m.From}
	if (r.vote == 0 || r.vote == m.From) && r.log.upToDate(m.Index, m.LogTerm) {
		r.becomeFollower(r.term, 0)
		r.vote = m.From
		r.electionElapsed = 0
	} else {
		response.Reject = true
	}
	r.sendDurable(response)
}

func (r *Raft) handleRequestVoteResponse(m *Message, p *peer) {
	if r.role == Candidate {
		r.castBallot(m, p)
	}
}

// castBallot counts a member's first answer.
func (r *Raft) castBallot(m *Message, p *peer) {
	if p.ballot != unanswered {
		return
	}
	p.ballot = granted
	if m.Reject {
		p.ballot = refused
	}
	r.countVotes()
}
