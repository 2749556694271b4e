package driver

import (
	"errors"
	"slices"

	"quorate/raft"
	"quorate/transport"
)

// How a command gets into the log, once.
//
// The node that holds the client (the origin) sends its command to the leader
// it knows, together with that leader's term, and the receiver takes it only
// if it is the leader of just that term (the fence). So the command's entry,
// if there ever is one, carries that term. Terms never fall along the log:
// once the origin has applied an entry of a higher term without having met its
// command, the command is not in the log and never will be, and the origin
// proposes it again, in the higher term. Every new leader begins with a no-op
// entry, so this moment comes as soon as there is a new leader. Nothing is
// guessed and nothing is applied twice, and a client of a surviving node sees
// a pause instead of an error.
//
// A node that is so far behind that it gets an image of the state machine does
// not meet the entries that are in it. So before it tells the driver that the image
// is installed, it looks its commands up in the state machine's memory of what was
// applied, and settles those that are there. The others are not in the image, and
// the fence holds for them as ever. A node that is quarantined lets entries pass and
// gets a database that contains them; until it has looked its commands up there,
// the fence stands still (Applied.Passed). Else a command that was carried out would
// be taken for one that never can be, and its session told so.
//
// That memory also drops a command that is in the log twice. The fence sees to it
// that none is, by us; without it every command that was under way when a leader
// died would take its room in the log again, and it would not be known when a
// command cannot come any more, which a session is told that withdraws one.
//
// Within a term a message may be lost, so the origin sends it again until it
// hears that it was accepted, and the leader remembers what it has accepted
// in its term (acceptedSeqs), which it can forget with the term. In the same way
// it remembers what it has refused for good, because disks are full: no copy of
// that is accepted in its term, so the origin can tell its session at once that
// the command was not carried out (full.go).

// proposer is the origin's part.
type proposer struct {
	driver      *Driver
	commands    *Commands
	resendTicks int

	waiting  []*Pending // not proposed: no leader is known
	later    []*Pending // not taken by the own core; they wait for the next tick
	inflight []*Pending // proposed in some term; finished ones are dropped on the way
	// fence is the highest term of an applied entry: nothing of a lower term
	// can be applied any more.
	fence raft.Term

	data [][]byte             // scratch
	sent []*Pending           // scratch
	out  []transport.Proposal // scratch
}

func (p *proposer) add(commands []*Pending) {
	p.waiting = append(p.waiting, commands...)
}

// route proposes the waiting commands, if there is somebody to propose to: to
// the own core as many as the batch has room for.
func (p *proposer) route(b *batch) {
	if len(p.waiting) == 0 {
		return
	}
	switch leader := p.driver.core.Leader(); leader {
	case 0:
	case p.driver.self:
		p.proposeHere(b)
	default:
		if p.driver.fullness.full {
			p.refuseAll()
			return
		}
		p.proposeTo(leader)
	}
}

// refuseAll refuses the waiting commands: a follower without room takes no
// entries, so that it would not learn what became of them.
func (p *proposer) refuseAll() {
	p.takeWaiting(nil)
	for _, c := range p.sent {
		p.commands.finish(c, ErrFull)
	}
}

// takeWaiting moves waiting commands that are still wanted to p.sent, as many
// as the batch has room for; nil: all.
func (p *proposer) takeWaiting(b *batch) {
	p.sent = p.sent[:0]
	n := 0
	for ; n < len(p.waiting) && (b == nil || b.hasRoom()); n++ {
		if c := p.waiting[n]; c.Propose() {
			p.sent = append(p.sent, c)
			if b != nil {
				b.take(c.data)
			}
		}
	}
	p.waiting = consumed(p.waiting, n)
}

// stillWanted returns the commands of a list that their sessions did not withdraw.
func stillWanted(list []*Pending) []*Pending {
	return slices.DeleteFunc(list, func(c *Pending) bool { return c.state.Load() == withdrawn })
}

// consumed takes the first n off a list that is filled again.
func consumed[T any](list []T, n int) []T {
	rest := copy(list, list[n:])
	clear(list[rest:])
	return list[:rest]
}

func (p *proposer) proposeHere(b *batch) {
	p.takeWaiting(b)
	if len(p.sent) == 0 {
		return
	}
	p.data = p.data[:0]
	for _, c := range p.sent {
		p.data = append(p.data, c.data)
	}
	term, err := p.driver.propose(p.data)
	switch {
	case err == nil:
	case errors.Is(err, raft.ErrFull) && p.driver.fullness.refuses():
		for _, c := range p.sent {
			p.commands.finish(c, ErrFull)
		}
		return
	default:
		// Not the leader any more, or it takes nothing just now: nothing was
		// appended.
		p.later = append(p.later, p.requeued(p.sent)...)
		return
	}
	for _, c := range p.sent {
		c.term, c.leader, c.accepted = term, 0, true
	}
	p.inflight = append(p.inflight, p.sent...)
}

func (p *proposer) proposeTo(leader raft.NodeID) {
	p.takeWaiting(nil)
	if len(p.sent) == 0 {
		return
	}
	term := p.driver.core.Term()
	for _, c := range p.sent {
		c.term, c.leader, c.accepted = term, leader, false
	}
	p.inflight = append(p.inflight, p.sent...)
	p.transmit(leader, p.sent)
}

// transmit sends copies of commands to the leader of their term.
func (p *proposer) transmit(leader raft.NodeID, commands []*Pending) {
	low := p.commands.lowWater()
	p.out = p.out[:0]
	for _, c := range commands {
		c.sent = p.driver.tick
		p.out = append(p.out, transport.Proposal{
			Origin: p.driver.self, Term: c.term, Seq: c.Seq, LowWater: low, Data: c.data,
		})
	}
	p.driver.out.SendProposals(leader, p.out)
}

// requeued takes back commands that are known not to be in the log and returns
// those that are still wanted.
func (p *proposer) requeued(commands []*Pending) []*Pending {
	var wanted []*Pending
	for _, c := range commands {
		c.term, c.leader, c.accepted = 0, 0, false
		if c.state.CompareAndSwap(proposed, queued) {
			wanted = append(wanted, c)
		}
	}
	return wanted
}

// applied moves the fence: commands proposed in a lower term that were not
// among the applied entries are proposed again.
func (p *proposer) applied(term raft.Term) {
	if term <= p.fence {
		return
	}
	p.fence = term
	var again []*Pending
	keep := p.inflight[:0]
	for _, c := range p.inflight {
		switch {
		case c.state.Load() == finished:
		case c.term < p.fence:
			again = append(again, c)
		default:
			keep = append(keep, c)
		}
	}
	clear(p.inflight[len(keep):])
	p.inflight = keep
	p.waiting = append(p.waiting, p.requeued(again)...)
}

// replies takes the leader's answers to proposals of this life: an answer to an
// earlier one may still come. A yes counts, and a no for want of room, which
// its leader keeps to. Any other no does not say that the command is not in
// the log: an earlier copy may have been accepted. If the receiver does not lead
// the term any more, the fence will decide; if it has too much to do, the next
// copy may be taken.
func (p *proposer) replies(replies []transport.ProposalReply) {
	for _, r := range replies {
		if r.Incarnation != p.commands.Incarnation {
			continue
		}
		c := p.commands.Get(r.Seq)
		if c == nil || c.term != r.Term {
			continue
		}
		switch {
		case r.Accepted:
			c.accepted = true
		case r.Reason == transport.DiskFull:
			p.commands.finish(c, ErrFull)
		}
	}
}

// resend runs on every tick: it sends again what was not answered for a while,
// lets commands that were not taken try again and forgets what is finished.
func (p *proposer) resend() {
	p.waiting = append(stillWanted(p.waiting), p.later...)
	p.later = p.later[:0]
	leader, term := p.driver.core.Leader(), p.driver.core.Term()
	p.sent = p.sent[:0]
	keep := p.inflight[:0]
	for _, c := range p.inflight {
		if c.state.Load() == finished {
			continue
		}
		keep = append(keep, c)
		if !c.accepted && c.leader == leader && c.term == term && p.driver.tick-c.sent >= p.resendTicks {
			p.sent = append(p.sent, c)
		}
	}
	clear(p.inflight[len(keep):])
	p.inflight = keep
	if len(p.sent) > 0 {
		p.transmit(leader, p.sent)
	}
}
