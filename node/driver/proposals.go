package driver

import (
	"fmt"
	"sync"
	"sync/atomic"

	"quorate/internal/value"
	"quorate/raft"
	"quorate/sqlfsm"
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
// Within a term a message may be lost, so the origin sends it again until it
// hears that it was accepted, and the leader remembers what it has accepted
// in its term (acceptedSeqs), which it can forget with the term.

// Pending is a command of this node's sessions, from Execute to its outcome.
type Pending struct {
	Seq  uint64
	data []byte // the encoded command
	Done chan Outcome
	// state moves queued → proposed → finished; back to queued when the
	// command is known not to be in the log; queued → withdrawn when its
	// session gives up, which it can't once it is proposed.
	state atomic.Int32

	// The driver's:
	term     raft.Term   // in which it was proposed
	leader   raft.NodeID // to whom it was sent; 0: this node itself
	accepted bool        // the leader said so
	sent     int         // the tick of the last copy
}

// The states of a pending command.
const (
	queued int32 = iota
	proposed
	withdrawn
	finished
)

// Propose notes that the command is on its way into the log; false: it is not
// wanted any more.
func (p *Pending) Propose() bool { return p.state.CompareAndSwap(queued, proposed) }

// Outcome is what became of a command.
type Outcome struct {
	Results []value.Result
	Err     error
}

// Commands are this node's pending commands by sequence number.
type Commands struct {
	// Incarnation names this life of the node, in which numbers begin with 1.
	Incarnation uint64

	mu    sync.Mutex
	bySeq map[uint64]*Pending
	next  uint64 // the next command's number
	// low is the smallest number that is pending, or next: everything below
	// is settled.
	low   uint64
	bytes int // of pending commands' data
}

// NewCommands begins a life of a node.
func NewCommands(incarnation uint64) *Commands {
	return &Commands{Incarnation: incarnation, bySeq: map[uint64]*Pending{}, next: 1, low: 1}
}

// Reserve gives out a sequence number; remove ends it.
func (c *Commands) Reserve() *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &Pending{Seq: c.next, Done: make(chan Outcome, 1)}
	c.bySeq[p.Seq] = p
	c.next++
	return p
}

// Charge gives a command its bytes and counts them; false: they would be over
// the limit.
func (c *Commands) Charge(p *Pending, data []byte, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes+len(data) > limit {
		return false
	}
	c.bytes += len(data)
	p.data = data
	return true
}

// Pending returns how many commands have no Outcome yet.
func (c *Commands) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bySeq)
}

// Remove forgets a command that is settled or given up.
func (c *Commands) Remove(p *Pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bySeq[p.Seq] != p {
		return
	}
	delete(c.bySeq, p.Seq)
	c.bytes -= len(p.data)
	for c.low < c.next && c.bySeq[c.low] == nil {
		c.low++
	}
}

func (c *Commands) Get(seq uint64) *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bySeq[seq]
}

func (c *Commands) lowWater() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.low
}

// Settle reports what applying a command came to, to the session that waits
// for it.
func (c *Commands) Settle(p *Pending, o Outcome) {
	if p.state.CompareAndSwap(proposed, finished) {
		c.Remove(p)
		p.Done <- o
		return
	}
	if p.state.Load() == queued {
		panic("node: a command was applied that was known not to be in the log")
	}
}

// Withdraw takes a command back if it is not proposed.
func (c *Commands) Withdraw(p *Pending) bool {
	if !p.state.CompareAndSwap(queued, withdrawn) {
		return false
	}
	c.Remove(p)
	return true
}

// Abandon is called by a session that will not wait any longer. It says
// whether the command may still be applied; if it is settled already, the
// Outcome is in p.Done.
func (c *Commands) Abandon(p *Pending) (mayBeApplied, settled bool) {
	for {
		switch {
		case c.Withdraw(p):
			return false, false
		case p.state.CompareAndSwap(proposed, finished):
			c.Remove(p)
			return true, false
		case p.state.Load() == finished:
			return true, true
		}
	}
}

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

// route proposes the waiting commands, if there is somebody to propose to.
func (p *proposer) route() {
	if len(p.waiting) == 0 {
		return
	}
	switch leader := p.driver.core.Leader(); leader {
	case 0:
	case p.driver.self:
		p.proposeHere()
	default:
		p.proposeTo(leader)
	}
}

// takeWaiting moves the waiting commands that are still wanted to p.sent.
func (p *proposer) takeWaiting() {
	p.sent = p.sent[:0]
	for _, c := range p.waiting {
		if c.Propose() {
			p.sent = append(p.sent, c)
		}
	}
	p.waiting = p.waiting[:0]
}

func (p *proposer) proposeHere() {
	p.takeWaiting()
	if len(p.sent) == 0 {
		return
	}
	p.data = p.data[:0]
	for _, c := range p.sent {
		p.data = append(p.data, c.data)
	}
	term, err := p.driver.propose(p.data)
	if err != nil {
		// Not the leader any more, or too much is uncommitted: nothing was
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
	p.takeWaiting()
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
// earlier one may still come. Only a yes counts. A no does not say that
// the command is not in the log: an earlier copy may have been accepted. If the
// receiver does not lead the term any more, the fence will decide; if it has
// too much to do, the next copy may be taken.
func (p *proposer) replies(replies []transport.ProposalReply) {
	for _, r := range replies {
		if !r.Accepted || r.Incarnation != p.commands.Incarnation {
			continue
		}
		if c := p.commands.Get(r.Seq); c != nil && c.term == r.Term {
			c.accepted = true
		}
	}
}

// resend runs on every tick: it sends again what was not answered for a while,
// lets commands that were not taken try again and forgets what is finished.
func (p *proposer) resend() {
	p.waiting = append(p.waiting, p.later...)
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

// acceptor is the leader's part: what it has accepted from other members in
// its term.
type acceptor struct {
	driver  *Driver
	term    raft.Term
	origins map[incarnation]*acceptedSeqs

	batch   [][]byte                  // scratch
	replies []transport.ProposalReply // scratch
}

// incarnation is one life of an origin. Its numbers begin anew with each, and
// proposals of an earlier one may still arrive.
type incarnation struct {
	origin raft.NodeID
	number uint64
}

// acceptedSeqs are the numbers accepted from one origin in the current term.
type acceptedSeqs struct {
	of   incarnation
	low  uint64 // everything below is settled at the origin
	seqs map[uint64]struct{}
}

// proposals takes what other members propose, in runs of one origin.
func (a *acceptor) proposals(list []transport.Proposal) {
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].Origin == list[0].Origin && list[n].Term == list[0].Term {
			n++
		}
		a.fromOrigin(list[:n])
		list = list[n:]
	}
}

func (a *acceptor) fromOrigin(list []transport.Proposal) {
	origin, term := list[0].Origin, list[0].Term
	a.replies = a.replies[:0]
	if a.driver.core.Role() == raft.Leader && a.driver.core.Term() == term {
		a.take(list)
	} else {
		for _, p := range list {
			h, _ := sqlfsm.DecodeHeader(p.Data)
			a.reply(p, h.Incarnation, transport.NotLeader)
		}
	}
	a.driver.out.SendReplies(origin, a.replies)
}

// take proposes what is new, and answers each proposal. This node leads their
// term.
func (a *acceptor) take(list []transport.Proposal) {
	if term := list[0].Term; a.term != term {
		a.term = term
		clear(a.origins)
	}
	a.batch = a.batch[:0]
	fresh := make([]transport.Proposal, 0, len(list))
	var sets []*acceptedSeqs // of the fresh ones
	for _, p := range list {
		h, err := sqlfsm.DecodeHeader(p.Data)
		if err != nil || h.Seq != p.Seq {
			a.driver.out.Refused(fmt.Errorf("node: member %v proposes command %d, which is malformed or named otherwise: %v", p.Origin, p.Seq, err))
			continue
		}
		set := a.set(incarnation{p.Origin, h.Incarnation})
		set.forget(p.LowWater)
		if _, seen := set.seqs[p.Seq]; seen || p.Seq < set.low {
			a.reply(p, h.Incarnation, transport.Accepted)
			continue
		}
		set.seqs[p.Seq] = struct{}{} // a second copy may be in the same list
		fresh, sets = append(fresh, p), append(sets, set)
		a.batch = append(a.batch, restamp(p.Data, &h, a.driver.now))
	}
	if len(fresh) == 0 {
		return
	}
	reason := transport.Accepted
	if _, err := a.driver.propose(a.batch); err != nil {
		reason = transport.Overloaded
	}
	for i, p := range fresh {
		if reason != transport.Accepted {
			delete(sets[i].seqs, p.Seq)
		}
		a.reply(p, sets[i].of.number, reason)
	}
}

func (a *acceptor) reply(p transport.Proposal, incarnation uint64, reason transport.Reason) {
	a.replies = append(a.replies, transport.ProposalReply{
		Incarnation: incarnation, Seq: p.Seq, Term: p.Term, Accepted: reason == transport.Accepted, Reason: reason,
	})
}

func (a *acceptor) set(of incarnation) *acceptedSeqs {
	s := a.origins[of]
	if s == nil {
		s = &acceptedSeqs{of: of, seqs: map[uint64]struct{}{}}
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
