package driver

import (
	"sync"
	"sync/atomic"

	"quorate/internal/value"
	"quorate/raft"
	"quorate/sqlfsm/origins"
)

// Pending is a command of this node's sessions, from Execute to its outcome.
type Pending struct {
	Seq uint64
	// LowWater is the smallest number that was pending when this one was given out:
	// what goes into the command's header.
	LowWater uint64
	data     []byte // the encoded command
	Done     chan Outcome
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

// Data is the encoded command.
func (p *Pending) Data() []byte { return p.data }

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
	if incarnation == 0 {
		panic("node: a life without a name, whose commands would not be remembered")
	}
	return &Commands{Incarnation: incarnation, bySeq: map[uint64]*Pending{}, next: 1, low: 1}
}

// Reserve gives out a sequence number; Remove ends it.
func (c *Commands) Reserve() *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := &Pending{Seq: c.next, LowWater: c.low, Done: make(chan Outcome, 1)}
	c.bySeq[p.Seq] = p
	c.next++
	return p
}

// Charge gives a command its bytes and counts them; false: they would be over
// the limit, or too many commands came after one that is still pending, of which
// the state machine could not remember all.
func (c *Commands) Charge(p *Pending, data []byte, limit int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bytes+len(data) > limit || p.Seq-p.LowWater >= origins.Window {
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

// Proposed returns the commands that may be in the log.
func (c *Commands) Proposed() []*Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*Pending
	for _, p := range c.bySeq {
		if p.state.Load() == proposed {
			list = append(list, p)
		}
	}
	return list
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

// finish gives the session of a proposed command an outcome that does not come from
// applying it.
func (c *Commands) finish(p *Pending, err error) {
	if p.state.CompareAndSwap(proposed, finished) {
		c.Remove(p)
		p.Done <- Outcome{Err: err}
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
