package driver

import (
	"errors"
	"fmt"
	"math"

	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/transport"
)

// acceptor is the leader's part: what it has accepted from other members in
// its term.
type acceptor struct {
	driver  *Driver
	term    raft.Term
	origins map[incarnation]*acceptedSeqs
	// held wait for the next batch.
	held []transport.Proposal

	data    [][]byte                  // scratch
	replies []transport.ProposalReply // scratch
}

// incarnation is one life of an origin. Its numbers begin anew with each, and
// proposals of an earlier one may still arrive.
type incarnation struct {
	origin raft.NodeID
	number uint64
}

// acceptedSeqs are the numbers of one origin that were decided on in the current
// term.
type acceptedSeqs struct {
	of   incarnation
	low  uint64                      // everything below is settled at the origin
	seqs map[uint64]transport.Reason // Accepted; DiskFull: refused for good; undecided
}

// undecided is the mark of a number that the running call of take decides on. It
// is never sent.
const undecided transport.Reason = math.MaxUint8

// flush proposes what other members want proposed, in runs of one origin, as
// far as the batch has room.
func (a *acceptor) flush(b *batch) {
	n := 0
	for n < len(a.held) && b.hasRoom() {
		end := n + 1
		for end < len(a.held) && a.held[end].Origin == a.held[n].Origin && a.held[end].Term == a.held[n].Term {
			end++
		}
		n += a.fromOrigin(a.held[n:end], b)
	}
	a.held = consumed(a.held, n)
}

// fromOrigin answers the first proposals of a run and returns how many.
func (a *acceptor) fromOrigin(list []transport.Proposal, b *batch) int {
	origin, term := list[0].Origin, list[0].Term
	a.replies = a.replies[:0]
	n := len(list)
	if a.driver.core.Role() == raft.Leader && a.driver.core.Term() == term {
		n = a.take(list, b)
	} else {
		for _, p := range list {
			h, _ := sqlfsm.DecodeHeader(p.Data)
			a.reply(p, h.Incarnation, transport.NotLeader)
		}
	}
	a.driver.out.SendReplies(origin, a.replies)
	return n
}

// take proposes what is new, as far as the batch has room, and answers each
// proposal. This node leads their term. It returns how many it took.
func (a *acceptor) take(list []transport.Proposal, b *batch) int {
	if term := list[0].Term; a.term != term {
		a.term = term
		clear(a.origins)
	}
	a.data = a.data[:0]
	fresh := make([]transport.Proposal, 0, len(list))
	var sets []*acceptedSeqs // of the fresh ones
	n := 0
	for ; n < len(list) && b.hasRoom(); n++ {
		p := list[n]
		h, err := sqlfsm.DecodeHeader(p.Data)
		// A command of no life would be applied with every copy of it.
		if err != nil || h.Seq != p.Seq || h.Origin != uint64(p.Origin) || h.Incarnation == 0 {
			a.driver.out.Refused(fmt.Errorf("node: member %v proposes command %d, which is malformed or named otherwise: %v", p.Origin, p.Seq, err))
			continue
		}
		set := a.set(incarnation{p.Origin, h.Incarnation})
		set.forget(p.LowWater)
		reason, seen := set.seqs[p.Seq]
		if reason == undecided {
			continue // a second copy in the same list: the answer to the first is for both
		}
		if seen || p.Seq < set.low {
			a.reply(p, h.Incarnation, reason) // below low: Accepted, and nobody waits for it
			continue
		}
		set.seqs[p.Seq] = undecided
		fresh, sets = append(fresh, p), append(sets, set)
		a.data = append(a.data, restamp(p.Data, &h, a.driver.now))
		b.take(p.Data)
	}
	if len(fresh) == 0 {
		return n
	}
	reason := a.propose()
	for i, p := range fresh {
		if reason == transport.Overloaded {
			delete(sets[i].seqs, p.Seq)
		} else {
			sets[i].seqs[p.Seq] = reason
		}
		a.reply(p, sets[i].of.number, reason)
	}
	return n
}

// propose hands a.data to the core and returns what the origins are told.
func (a *acceptor) propose() transport.Reason {
	_, err := a.driver.propose(a.data)
	switch {
	case err == nil:
		return transport.Accepted
	case errors.Is(err, raft.ErrFull) && a.driver.fullness.refuses():
		return transport.DiskFull
	}
	return transport.Overloaded
}

func (a *acceptor) reply(p transport.Proposal, incarnation uint64, reason transport.Reason) {
	a.replies = append(a.replies, transport.ProposalReply{
		Incarnation: incarnation, Seq: p.Seq, Term: p.Term, Accepted: reason == transport.Accepted, Reason: reason,
	})
}

func (a *acceptor) set(of incarnation) *acceptedSeqs {
	s := a.origins[of]
	if s == nil {
		s = &acceptedSeqs{of: of, seqs: map[uint64]transport.Reason{}}
		a.origins[of] = s
	}
	return s
}

// forget drops numbers that the origin will not send again.
func (s *acceptedSeqs) forget(low uint64) {
	if low <= s.low {
		return
	}
	if low-s.low <= uint64(len(s.seqs)) {
		for ; s.low < low; s.low++ {
			delete(s.seqs, s.low)
		}
		return
	}
	for seq := range s.seqs {
		if seq < low {
			delete(s.seqs, seq)
		}
	}
	s.low = low
}
