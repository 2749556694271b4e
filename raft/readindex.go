package raft

// A linearizable read (thesis §6.4) needs the leader's commit index, and proof
// that the leader was still the leader after the read was asked for: a round
// of heartbeats that a majority answers.
//
// A round is named by the leader's term and a number that the leader counts
// up; both come back in the response. So a late or doubled response to an
// earlier round confirms nothing asked after that round began, and nothing
// that a client or follower says can be mistaken for a name. One round is
// under way at a time; reads that arrive meanwhile share the next one. A lost
// heartbeat is made up for by the next periodic one, which names the same
// round.
//
// A follower forwards: one question to the leader for all reads that came
// since its last Ready, numbered by the follower. An answer to question q came
// from a leader that was asked after everything before q, so it answers all
// questions up to q.

// readsMax bounds the reads that wait on one member.
const readsMax = 1 << 16

// readState is what a member knows about reads that wait for an answer.
type readState struct {
	term Term // in which they were asked

	// On a leader. waiting have no round yet; asked are in the round under
	// way, and asked when the commit index was index or lower.
	waiting, asked []leaderRead
	index          Index
	round          uint64 // the newest one

	// On a follower. unsent were not forwarded yet; those in forwarded have
	// their question's number, and the numbers do not decrease.
	unsent    []uint64
	forwarded []forwardedRead
	question  uint64 // the newest one
}

// leaderRead is a read to be answered to member from: the request of the own
// driver, or the question of a follower.
type leaderRead struct {
	from    NodeID
	request uint64
}

type forwardedRead struct {
	question uint64
	request  uint64
}

// ReadIndex asks for an index that a linearizable read has to wait for. The
// answer comes as Ready.Reads or Ready.LostReads, under the same request
// number, which the driver must not use again. When a message is lost the
// answer may be late or never come: ask again under a new number, and ignore an
// answer that comes after all.
func (r *Raft) ReadIndex(request uint64) error {
	if r.leader == 0 {
		return &NotLeaderError{}
	}
	s := &r.reads
	if len(s.waiting)+len(s.unsent) >= readsMax {
		return ErrReadDropped
	}
	if len(s.forwarded) >= readsMax {
		// Questions are being lost, or answers. Only a newer question can bring
		// an end to that.
		r.loseForwarded()
	}
	if r.role == Leader {
		s.waiting = append(s.waiting, leaderRead{r.id, request})
	} else {
		s.unsent = append(s.unsent, request)
	}
	return nil
}

// openReadRound starts a round for all waiting reads. It waits until an entry
// of the own term is committed: before that a new leader's commit index may be
// older than what its predecessor acknowledged.
func (r *Raft) openReadRound() {
	s := &r.reads
	if len(s.waiting) == 0 || len(s.asked) > 0 || r.log.commit < r.termStart {
		return
	}
	s.asked, s.waiting = s.waiting, s.asked
	s.index = r.log.commit
	s.round++
	r.broadcastHeartbeat()
	r.confirmReadRound() // alone, a member is a majority
}

// confirmReadRound answers the round under way if a majority confirmed it.
func (r *Raft) confirmReadRound() {
	s := &r.reads
	if len(s.asked) == 0 {
		return
	}
	if atQuorum(r, s.round, func(p *peer) uint64 { return p.round }) < s.round {
		return
	}
	for _, read := range s.asked {
		if read.from == r.id {
			r.answers = append(r.answers, ReadState{Request: read.request, Index: s.index})
		} else {
			r.send(Message{Type: ReadIndexResponse, To: read.from, Request: read.request, Index: s.index})
		}
	}
	s.asked = s.asked[:0]
}

func (r *Raft) handleReadIndex(m *Message) {
	if r.role != Leader || len(r.reads.waiting) >= readsMax {
		r.send(Message{Type: ReadIndexResponse, To: m.From, Request: m.Request, Reject: true})
		return
	}
	r.reads.waiting = append(r.reads.waiting, leaderRead{m.From, m.Request})
}

// forwardReads asks the leader one question for all reads not sent yet. There
// is a leader: without one there are no reads.
func (r *Raft) forwardReads() {
	s := &r.reads
	if len(s.unsent) == 0 {
		return
	}
	s.question++
	for _, request := range s.unsent {
		s.forwarded = append(s.forwarded, forwardedRead{s.question, request})
	}
	s.unsent = s.unsent[:0]
	r.send(Message{Type: ReadIndex, To: r.leader, Request: s.question})
}

// handleReadIndexResponse answers, or gives up, every question up to the one
// that the leader speaks of.
func (r *Raft) handleReadIndexResponse(m *Message) {
	s := &r.reads
	if m.From != r.leader || m.Request > s.question {
		return
	}
	n := 0
	for n < len(s.forwarded) && s.forwarded[n].question <= m.Request {
		if m.Reject {
			r.lostReads = append(r.lostReads, s.forwarded[n].request)
		} else {
			r.answers = append(r.answers, ReadState{Request: s.forwarded[n].request, Index: m.Index})
		}
		n++
	}
	s.forwarded = append(s.forwarded[:0], s.forwarded[n:]...)
}

// loseReads gives up every read: the role, the leader or the term changed.
func (r *Raft) loseReads() {
	s := &r.reads
	for _, reads := range [...][]leaderRead{s.asked, s.waiting} {
		for _, read := range reads {
			if read.from == r.id {
				r.lostReads = append(r.lostReads, read.request)
			} else {
				r.send(Message{Type: ReadIndexResponse, To: read.from, Request: read.request, Reject: true})
			}
		}
	}
	r.loseForwarded()
	r.lostReads = append(r.lostReads, s.unsent...)
	s.asked, s.waiting, s.unsent = s.asked[:0], s.waiting[:0], s.unsent[:0]
}

// loseForwarded gives up the reads that wait for the leader's answer.
func (r *Raft) loseForwarded() {
	s := &r.reads
	for _, read := range s.forwarded {
		r.lostReads = append(r.lostReads, read.request)
	}
	s.forwarded = s.forwarded[:0]
}
