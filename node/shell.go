package node

import (
	"context"
	"sync"
	"time"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/transport"
)

// inbox collects events for the driver's next turn.
type inbox struct {
	wake chan struct{} // has room for one: something is there

	mu     sync.Mutex
	events driver.Events
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// put changes the collected events and wakes the driver.
func (b *inbox) put(f func(*driver.Events)) {
	b.mu.Lock()
	f(&b.events)
	b.mu.Unlock()
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// take moves the collected events to e, whose slices are reused.
func (b *inbox) take(e *driver.Events) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*e, b.events = b.events, driver.Events{
		Messages:  e.Messages[:0],
		Commands:  e.Commands[:0],
		Proposals: e.Proposals[:0],
		Replies:   e.Replies[:0],
		Fetched:   e.Fetched[:0],

		Unreachable: e.Unreachable[:0],
		Images:      e.Images[:0],
		ImagesSent:  e.ImagesSent[:0],
		Changes:     e.Changes[:0],
	}
}

// runDriver is the loop that owns the core.
func (n *Node) runDriver(ctx context.Context) error {
	ticker := time.NewTicker(n.tick)
	defer ticker.Stop()
	// company ends the wait of commands for others to share a flush with.
	company := time.NewTimer(time.Hour)
	company.Stop()
	defer company.Stop()
	var e driver.Events
	for {
		ticks := 0
		select {
		case <-ctx.Done():
			return nil
		case <-n.inbox.wake:
		case <-company.C:
		case <-ticker.C:
			ticks = 1
		}
		n.inbox.take(&e)
		e.Ticks, e.Now = ticks, time.Now().UnixMicro()
		n.driver.Turn(&e)
		n.observe(ticks > 0)
		n.answerQuestions()
		if next := n.driver.NextTurn(); next > 0 {
			company.Reset(time.Until(time.UnixMicro(next)))
		}
		clear(e.Messages)
		clear(e.Commands)
		clear(e.Proposals)
		clear(e.Fetched)
		clear(e.Images)
		clear(e.Changes)
	}
}

// ask has f called between two turns of the driver, to look at the core, and
// waits until that is done; false: ctx has ended, or the node stops.
func (n *Node) ask(ctx context.Context, f func(*raft.Raft)) bool {
	done := make(chan struct{})
	n.questions.put(func(core *raft.Raft) { f(core); close(done) })
	n.inbox.signal()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	case <-n.stopped:
		return false
	}
}

func (n *Node) answerQuestions() {
	for _, f := range n.questions.all() {
		f(n.driver.Core())
	}
}

// queue is an unbounded list that one goroutine drains as a whole. What is in
// it is bounded elsewhere: log writes by the core's limits, committed entries
// by what is uncommitted or unapplied.
type queue[T any] struct {
	mu    sync.Mutex
	items []T
	wake  chan struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{wake: make(chan struct{}, 1)} }

func (q *queue[T]) put(items ...T) {
	q.mu.Lock()
	q.items = append(q.items, items...)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// all returns what there is.
func (q *queue[T]) all() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	items := q.items
	q.items = nil
	return items
}

// take waits for items and returns all there are; false: ctx ended. The slice
// is the caller's until the next call, which reuses it.
func (q *queue[T]) take(ctx context.Context, reuse []T) ([]T, bool) {
	clear(reuse)
	for {
		q.mu.Lock()
		if len(q.items) > 0 {
			items := q.items
			q.items = reuse[:0]
			q.mu.Unlock()
			return items, true
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, false
		case <-q.wake:
		}
	}
}

// The driver's effects.

func (n *Node) Write(w driver.LogWrite) { n.writes.put(w) }
func (n *Node) Apply(e []raft.Entry)    { n.work.put(applierWork{entries: e}) }
func (n *Node) Install(s raft.Snapshot) { n.work.put(applierWork{install: &s}) }
func (n *Node) Fetch(f raft.Fetch)      { n.fetches.put(f) }
func (n *Node) Send(m []raft.Message)   { n.transport.Send(m) }
func (n *Node) SendImage(to raft.NodeID) {
	n.images.put(imageOrder{to: to, term: n.driver.Core().Term()})
}
func (n *Node) Flush()                 { n.chores.put(n.flush) }
func (n *Node) Cut(through raft.Index) { n.chores.put(func() error { return n.cut(through) }) }

func (n *Node) SendProposals(to raft.NodeID, p []transport.Proposal) {
	n.transport.SendProposals(to, p) // what is lost is sent again
}

func (n *Node) SendReplies(to raft.NodeID, r []transport.ProposalReply) {
	n.transport.SendReplies(to, r) // likewise
}

func (n *Node) Refused(err error) {
	n.cfg.Logger.Error().Str("component", "raft").Err(err).Msg("message refused")
}
