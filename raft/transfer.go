package raft

// Leadership is handed over (thesis §3.10) in three steps: the leader takes no
// more proposals, brings the target's log up to its own, and tells it to campaign
// at once. The target's RequestVote says so (Transfer), because everybody still
// hears the old leader and would refuse. A transfer that did not succeed within
// the longest election timeout is given up, and proposals are taken again.

// transfer is a handing over that is under way.
type transfer struct {
	to      NodeID // 0: none
	elapsed int    // ticks since it began
}

// TransferLeadership makes this leader hand over to a voter, 0: the one that has
// most of the log. Whether it succeeded shows in who leads; proposals are
// refused with ErrTransferring until it did or was given up. Refusals are a
// *ConfChangeError, *NotLeaderError and ErrTransferring.
func (r *Raft) TransferLeadership(to NodeID) error {
	if r.role != Leader {
		return &NotLeaderError{Leader: r.leader}
	}
	if r.transfer.to != 0 {
		if to == 0 || to == r.transfer.to {
			return nil // it is on its way
		}
		return ErrTransferring
	}
	if to == r.id {
		return alreadyDone("member %s leads already", r.label(to))
	}
	p, err := r.heir(to)
	if err != nil {
		return err
	}
	r.transfer = transfer{to: p.id}
	r.handOver(p)
	r.checkInvariants()
	return nil
}

// label is what people call the member with this id.
func (r *Raft) label(id NodeID) string {
	if m, ok := r.newest().Configuration.Member(id); ok {
		return m.label()
	}
	return id.String()
}

// heir returns the member to hand over to.
func (r *Raft) heir(to NodeID) (*peer, error) {
	if to == 0 {
		if p := r.bestHeir(); p != nil {
			return p, nil
		}
		return nil, retryLater("no other voter was heard from lately that has room on its disk")
	}
	p := r.peer(to)
	switch {
	case p == nil || p.leaving != 0:
		return nil, notPossible("there is no member %s", to)
	case !p.voter:
		return nil, notPossible("member %s is no voter, so it cannot lead; promote it first", r.label(to))
	case !r.active(p):
		return nil, retryLater("member %s was not heard from lately", r.label(to))
	case p.full:
		return nil, retryLater("member %s has no room on its disk", r.label(to))
	}
	return p, nil
}

// bestHeir returns the voter that has most of the log and could lead, nil when
// there is none.
func (r *Raft) bestHeir() (best *peer) {
	for _, p := range r.peers {
		if p.voter && !p.full && r.active(p) && p.state == replicate && (best == nil || p.match > best.match) {
			best = p
		}
	}
	return best
}

// handOver tells the target of a transfer to campaign, if it has the whole log,
// and before that what is committed.
func (r *Raft) handOver(p *peer) {
	if p.id == r.transfer.to && p.match == r.log.last() {
		r.replicate(p)
		r.send(Message{Type: TimeoutNow, To: p.id})
	}
}

// tickTransfer gives a transfer up when it takes too long. Until then it repeats
// what may have been lost.
func (r *Raft) tickTransfer() {
	if r.transfer.to == 0 {
		return
	}
	r.transfer.elapsed++
	p := r.peer(r.transfer.to)
	if p == nil || !p.voter || r.transfer.elapsed >= r.config.ElectionTicksMax {
		r.transfer = transfer{}
	} else if r.transfer.elapsed%r.config.HeartbeatTicks == 0 {
		r.handOver(p)
	}
}

// tickFull makes a leader without room hand over to a member that has room and
// the log, if there is one. If there is none it stays: it can serve reads. But a
// new leader cannot, when it has entries that a majority has no room for: those
// are before its no-op. It gives up after an election timeout, for a member that
// does not have them; that one's no-op they can take.
func (r *Raft) tickFull() {
	if r.log.commit < r.termStart && r.ticks-r.elected >= uint64(r.config.ElectionTicksMax) && r.quorumFull() {
		r.becomeFollower(r.term, 0)
		return
	}
	if !r.full || r.transfer.to != 0 {
		return
	}
	if p := r.bestHeir(); p != nil && r.caughtUp(p) {
		r.transfer = transfer{to: p.id}
		r.handOver(p)
	}
}

// quorumFull: so many voters have no room that the others are no majority.
func (r *Raft) quorumFull() bool {
	room := uint64(1)
	if r.full {
		room = 0
	}
	return atQuorum(r, room, func(p *peer) uint64 {
		if p.full {
			return 0
		}
		return 1
	}) == 0
}

// handleTimeoutNow campaigns at once, without a pre-vote: the leader wants it.
func (r *Raft) handleTimeoutNow(m *Message) error {
	if err := r.heardLeader(m); err != nil {
		return err
	}
	if r.mayCampaign() && !r.full {
		r.campaign(true)
	}
	return nil
}

// SetFull tells whether this member's disk has no room for entries. While it has
// none, it takes no proposals and no entries, and says so to its leader; votes
// and terms go on, and so do reads.
func (r *Raft) SetFull(full bool) { r.full = full }
