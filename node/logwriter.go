package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"quorate/internal/vfs"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/raft/wal"
)

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
		for rest := batch; len(rest) > 0; {
			end := n.batchEnd(rest)
			writes = writes[:0]
			for _, w := range rest[:end] {
				writes = append(writes, wal.Write{HardState: w.HardState, Snapshot: w.Snapshot, Entries: w.Entries, Sync: w.Sync})
			}
			if err := n.write(ctx, rest[:end], writes); err != nil {
				return err
			}
			clear(writes)
			rest = rest[end:]
		}
	}
}

// batchEnd returns how many writes go into one flush. The driver bounds one write;
// those that queued up meanwhile are bounded here.
func (n *Node) batchEnd(writes []driver.LogWrite) int {
	entries := 0
	for i := range writes {
		entries += len(writes[i].Entries)
		if i > 0 && n.cfg.MaxBatchEntries > 0 && entries > n.cfg.MaxBatchEntries {
			return i
		}
	}
	return len(writes)
}

// write puts a batch into the log, as writes. What finds no room waits until there
// is some.
func (n *Node) write(ctx context.Context, batch []driver.LogWrite, writes []wal.Write) error {
	entries, bytes := 0, 0
	for _, w := range batch {
		entries += len(w.Entries)
		for k := range w.Entries {
			bytes += len(w.Entries[k].Data)
		}
	}
	for {
		began := time.Now()
		taken, err := n.log.Append(writes)
		if taken > 0 {
			n.written(batch[taken-1].Seq)
			batch, writes = batch[taken:], writes[taken:]
		}
		if err == nil {
			n.metrics.walSync.Observe(time.Since(began).Seconds())
			n.metrics.walBatch.Observe(float64(entries))
			n.metrics.walBytes.Add(float64(bytes))
			n.noRoom(diskLog, nil)
			return nil
		}
		if !vfs.IsNoSpace(err) {
			return fmt.Errorf("node: the log cannot be written: %w", err)
		}
		n.noRoom(diskLog, err)
		if !awaitRoom(ctx) {
			return nil
		}
	}
}

// written tells the driver what is durable.
func (n *Node) written(seq uint64) {
	size, _ := n.log.Size()
	n.inbox.put(func(e *driver.Events) { e.Persisted, e.LogBytes = seq, size })
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
			if errors.Is(err, wal.ErrCut) {
				entries, err = nil, nil // cut meanwhile: the core will ask for an image
			}
			if err != nil {
				return fmt.Errorf("node: the log cannot be read: %w", err)
			}
			n.inbox.put(func(e *driver.Events) { e.Fetched = append(e.Fetched, driver.Fetched{To: f.To, Entries: entries}) })
		}
	}
}

// runChores does what nobody waits for: it makes the state machine durable, cuts
// the log, tidies up.
func (n *Node) runChores(ctx context.Context) error {
	var chores []func() error
	for {
		var ok bool
		if chores, ok = n.chores.take(ctx, chores); !ok {
			return nil
		}
		for _, chore := range chores {
			if err := chore(); err != nil {
				return err
			}
		}
	}
}

// flush makes what the state machine has applied survive a power loss.
func (n *Node) flush() error {
	index, err := n.fsm.MakeDurable()
	if err != nil {
		return fmt.Errorf("node: the state machine cannot go on: %w", err)
	}
	n.inbox.put(func(e *driver.Events) { e.Durable = max(e.Durable, raft.Index(index)) })
	return nil
}

// cut removes old entries from the log, and before that images, which need more
// room.
func (n *Node) cut(through raft.Index) error {
	if err := n.forgetImages(); err != nil {
		return err
	}
	base, err := n.log.Cut(through)
	if vfs.IsNoSpace(err) {
		// The log writes a little before it removes something.
		time.AfterFunc(diskPoll, func() { n.chores.put(func() error { return n.cut(through) }) })
		return nil
	}
	if err != nil {
		return fmt.Errorf("node: the log cannot be cut: %w", err)
	}
	size, _ := n.log.Size()
	n.inbox.put(func(e *driver.Events) { e.Base, e.LogBytes = max(e.Base, base), size })
	return nil
}
