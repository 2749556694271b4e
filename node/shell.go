package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/sqlfsm"
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
	var e driver.Events
	for {
		ticks := 0
		select {
		case <-ctx.Done():
			return nil
		case <-n.inbox.wake:
		case <-ticker.C:
			ticks = 1
		}
		n.inbox.take(&e)
		e.Ticks, e.Now = ticks, time.Now().UnixMicro()
		n.driver.Turn(&e)
		n.observe(ticks > 0)
		clear(e.Messages)
		clear(e.Commands)
		clear(e.Proposals)
		clear(e.Fetched)
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

// runLog makes the core's writes durable: everything that queued up while the
// last batch was being flushed becomes the next one (group commit).
func (n *Node) runLog(ctx context.Context) error {
	var batch []driver.LogWrite
	var writes []wal.Write
	for {
		var ok bool
		if batch, ok = n.writes.take(ctx, batch); !ok {
			return nil
		}
		writes = writes[:0]
		entries, bytes := 0, 0
		for _, w := range batch {
			writes = append(writes, wal.Write{HardState: w.HardState, Entries: w.Entries, Sync: w.Sync})
			entries += len(w.Entries)
			for i := range w.Entries {
				bytes += len(w.Entries[i].Data)
			}
		}
		began := time.Now()
		if _, err := n.log.Append(writes); err != nil {
			return fmt.Errorf("node: the log cannot be written: %w", err)
		}
		n.metrics.walSync.Observe(time.Since(began).Seconds())
		n.metrics.walBatch.Observe(float64(entries))
		n.metrics.walBytes.Add(float64(bytes))
		seq := batch[len(batch)-1].Seq
		n.inbox.put(func(e *driver.Events) { e.Persisted = seq })
		clear(writes)
	}
}

// maxApplyBatch bounds how many entries go into one call of Apply, so that
// the first of them are answered before the last are run.
const maxApplyBatch = 512

// runApplier applies committed entries and tells the sessions what came of
// their commands.
func (n *Node) runApplier(ctx context.Context) error {
	var committed []raft.Entry
	var entries []sqlfsm.Entry
	for {
		var ok bool
		if committed, ok = n.committed.take(ctx, committed); !ok {
			return nil
		}
		for rest := committed; len(rest) > 0; {
			chunk := rest[:min(len(rest), maxApplyBatch)]
			rest = rest[len(chunk):]
			entries = entries[:0]
			for _, e := range chunk {
				entries = append(entries, n.command(e))
			}
			if err := n.applyBatch(entries); err != nil {
				return err
			}
			clear(entries)
		}
	}
}

// command makes the state machine's entry of a log entry.
func (n *Node) command(e raft.Entry) sqlfsm.Entry {
	entry := sqlfsm.Entry{Index: uint64(e.Index), Term: uint64(e.Term)}
	if e.Type == raft.EntryNormal {
		entry.Data = e.Data
		h, err := sqlfsm.DecodeHeader(e.Data)
		entry.Collect = err == nil && n.ours(&h)
	}
	return entry
}

// ours reports whether a command came from this node, in this life.
func (n *Node) ours(h *sqlfsm.Header) bool {
	return h.Origin == uint64(n.id) && h.Incarnation == n.commands.Incarnation
}

func (n *Node) applyBatch(entries []sqlfsm.Entry) error {
	began := time.Now()
	results, err := n.fsm.Apply(entries)
	if err != nil {
		return fmt.Errorf("node: the state machine cannot go on: %w", err)
	}
	last := driver.Applied{Index: raft.Index(entries[len(entries)-1].Index), Term: raft.Term(entries[len(entries)-1].Term)}
	n.progress.advance(last.Index)
	for i := range results {
		if !entries[i].Collect {
			continue
		}
		if p := n.commands.Get(results[i].Header.Seq); p != nil {
			n.commands.Settle(p, driver.Outcome{Results: results[i].Results, Err: results[i].Err})
		}
	}
	n.metrics.apply.Observe(time.Since(began).Seconds())
	n.metrics.appliedEntries.Add(float64(len(entries)))
	n.metrics.applyBatch.Observe(float64(len(entries)))
	n.inbox.put(func(e *driver.Events) { e.Applied = last })
	return nil
}

// runFetcher reads old entries for followers that are far behind.
func (n *Node) runFetcher(ctx context.Context) error {
	var fetches []raft.Fetch
	for {
		var ok bool
		if fetches, ok = n.fetches.take(ctx, fetches); !ok {
			return nil
		}
		for _, f := range fetches {
			entries, err := n.log.Entries(f.Lo, f.Hi, f.MaxBytes)
			if err != nil {
				return fmt.Errorf("node: the log cannot be read: %w", err)
			}
			n.inbox.put(func(e *driver.Events) { e.Fetched = append(e.Fetched, driver.Fetched{To: f.To, Entries: entries}) })
		}
	}
}

// The driver's effects.

func (n *Node) Write(w driver.LogWrite) { n.writes.put(w) }
func (n *Node) Apply(e []raft.Entry)    { n.committed.put(e...) }
func (n *Node) Fetch(f raft.Fetch)      { n.fetches.put(f) }
func (n *Node) Send(m []raft.Message)   { n.transport.Send(m) }

// As long as no log is cut, nobody needs an image.
func (n *Node) Install(raft.Snapshot) {
	panic("node: an image is to be installed, and none was received")
}
func (n *Node) SendImage(raft.NodeID) { panic("node: an image is wanted, and the log is whole") }
func (n *Node) Flush()                { panic("node: the log is never cut") }
func (n *Node) Cut(raft.Index)        { panic("node: the log is never cut") }

func (n *Node) SendProposals(to raft.NodeID, p []transport.Proposal) {
	n.transport.SendProposals(to, p) // what is lost is sent again
}

func (n *Node) SendReplies(to raft.NodeID, r []transport.ProposalReply) {
	n.transport.SendReplies(to, r) // likewise
}

func (n *Node) Refused(err error) {
	n.cfg.Logger.Error().Str("component", "raft").Err(err).Msg("message refused")
}
