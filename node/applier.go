package node

import (
	"context"
	"fmt"
	"time"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/sqlfsm"
)

// applierWork is what the applier is given: committed entries, or an image that
// replaces the database, by the core's will or, in a quarantine, the node's own.
type applierWork struct {
	entries []raft.Entry
	install *raft.Snapshot
	seed    *seedWork
	recall  bool // a quarantine is over: look what came of the commands under way
}

const (
	// maxApplyBatch bounds how many entries go into one call of Apply, so that
	// the first of them are answered before the last are run.
	maxApplyBatch = 512
	// maxApplyBytes bounds their commands, so that one call is, nearly always, one
	// transaction of the state machine, of which all is applied or nothing.
	maxApplyBytes = 8 << 20
)

// runApplier applies committed entries and tells the sessions what came of
// their commands.
func (n *Node) runApplier(ctx context.Context) error {
	var work []applierWork
	var entries []sqlfsm.Entry
	for {
		var ok bool
		if work, ok = n.work.take(ctx, work); !ok {
			return nil
		}
		entries = entries[:0]
		bytes := 0
		for _, w := range work {
			if w.install != nil || w.seed != nil || w.recall {
				if err := n.applyBatch(ctx, entries); err != nil {
					return err
				}
				entries, bytes = entries[:0], 0
				if err := n.replace(ctx, w); err != nil {
					return err
				}
				continue
			}
			for _, e := range w.entries {
				if len(entries) == maxApplyBatch || bytes+len(e.Data) > maxApplyBytes {
					if err := n.applyBatch(ctx, entries); err != nil {
						return err
					}
					entries, bytes = entries[:0], 0
				}
				entries, bytes = append(entries, n.command(e)), bytes+len(e.Data)
				if v := n.verifications.expects(&e); v != nil {
					if err := n.applyBatch(ctx, entries); err != nil {
						return err
					}
					entries, bytes = entries[:0], 0
					n.verifications.reached(v, e.Index)
				}
			}
		}
		if err := n.applyBatch(ctx, entries); err != nil {
			return err
		}
		clear(entries[:cap(entries)])
	}
}

// replace replaces the database by an image, at once or when it is time, and does
// what there is to do when another one serves.
func (n *Node) replace(ctx context.Context, w applierWork) error {
	switch {
	case w.recall:
		return n.recallPassed()
	case w.seed != nil:
		n.seed = w.seed
	default:
		if err := n.install(w.install); err != nil {
			return err
		}
	}
	return n.plant(ctx)
}

// command makes the state machine's entry of a log entry.
func (n *Node) command(e raft.Entry) sqlfsm.Entry {
	entry := sqlfsm.Entry{Index: uint64(e.Index), Term: uint64(e.Term)}
	switch e.Type {
	case raft.EntryNormal:
		entry.Data = e.Data
		h, err := sqlfsm.DecodeHeader(e.Data)
		entry.Collect = err == nil && n.ours(&h)
	case raft.EntryConfiguration:
		entry.Members = memberIDs(e.Data)
	}
	return entry
}

// memberIDs returns the members that a configuration names.
func memberIDs(data []byte) []uint64 {
	c, err := raft.DecodeConfiguration(data)
	if err != nil {
		panic(err) // the core has read it already
	}
	ids := make([]uint64, 0, len(c.Members))
	for _, m := range c.Members {
		ids = append(ids, uint64(m.ID))
	}
	return ids
}

// ours reports whether a command came from this node, in this life.
func (n *Node) ours(h *sqlfsm.Header) bool {
	return h.Origin == uint64(n.id) && h.Incarnation == n.commands.Incarnation
}

// applyBatch applies entries, and tries again for as long as there is no room.
func (n *Node) applyBatch(ctx context.Context, entries []sqlfsm.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	if q := n.discarding(); q != nil {
		n.discard(q, entries)
		return n.plant(ctx)
	}
	began := time.Now()
	last := driver.Applied{Index: raft.Index(entries[len(entries)-1].Index), Term: raft.Term(entries[len(entries)-1].Term)}
	if done, err := n.applyAll(ctx, entries); err != nil || !done {
		return err
	}
	n.metrics.apply.Observe(time.Since(began).Seconds())
	n.metrics.appliedEntries.Add(float64(len(entries)))
	n.metrics.applyBatch.Observe(float64(len(entries)))
	n.tellApplied(last)
	return nil
}

// applyAll applies entries, however long it takes until there is room, and tells
// the sessions; not done: ctx ended.
func (n *Node) applyAll(ctx context.Context, entries []sqlfsm.Entry) (done bool, err error) {
	results, err := n.fsm.Apply(entries)
	for err != nil {
		if !sqlfsm.IsFull(err) {
			return false, fmt.Errorf("node: the state machine cannot go on: %w", err)
		}
		n.noRoom(diskDatabase, n.whyFull(err))
		n.tellSessions(entries, results)
		entries = entries[len(results):]
		if !awaitRoom(ctx) {
			return false, nil
		}
		results, err = n.fsm.Apply(entries)
	}
	n.noRoom(diskDatabase, nil)
	n.tellSessions(entries, results)
	return true, nil
}

// tellSessions tells this node's sessions what the first of the entries did.
func (n *Node) tellSessions(entries []sqlfsm.Entry, results []sqlfsm.Result) {
	if len(results) == 0 {
		return
	}
	n.progress.advance(raft.Index(entries[len(results)-1].Index))
	for i := range results {
		if !entries[i].Collect {
			continue
		}
		if p := n.commands.Get(results[i].Header.Seq); p != nil {
			n.commands.Settle(p, driver.Outcome{Results: results[i].Results, Err: results[i].Err})
		}
	}
}

// recall settles commands of this node's sessions that are in an image that was
// installed: this node does not meet their entries.
func (n *Node) recall() error {
	for _, p := range n.commands.Proposed() {
		r, applied, err := n.fsm.Recall(p.Data())
		if err != nil {
			return fmt.Errorf("node: what came of a command: %w", err)
		}
		if applied {
			n.commands.Settle(p, driver.Outcome{Results: r.Results, Err: r.Err})
		}
	}
	return nil
}

// tellApplied tells the driver how far the state machine is, and how far it is
// durably.
func (n *Node) tellApplied(last driver.Applied) {
	durable := raft.Index(n.fsm.Durable())
	if q := n.discarding(); q != nil {
		durable = max(durable, raft.Index(q.floor.Load())) // the database to come will have it
	}
	last.Passed = n.passedSome
	n.inbox.put(func(e *driver.Events) { e.Applied, e.Durable = last, max(e.Durable, durable) })
}
