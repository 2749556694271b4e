package wal

import (
	"fmt"

	"quorate/raft"
)

// Write is what one Ready of the core wants written. It is atomic: recovery
// finds all of it or nothing.
type Write struct {
	HardState *raft.HardState
	// Entries supersede every stored entry with an index >= Entries[0].Index.
	Entries []raft.Entry
	// Sync is false when the write need not be durable when Append returns.
	Sync bool
}

// maxWriteBytes bounds one Write, so that offsets in a segment fit into 32 bits.
const maxWriteBytes = 1 << 31

// maxIdleBuffer is how large a buffer is kept from one Append to the next.
const maxIdleBuffer = 4 << 20

// Append writes writes in their order: with one system call for each segment
// that they touch and, if any of them says Sync, one fdatasync. Then all that
// was written before is durable too.
//
// After an error the log has failed for good: every later call returns that
// error, and what the failed call had to write may or may not be found when the
// log is opened again. A failed fdatasync is not tried again, because the kernel
// may have dropped the data and would then report success.
//
// Append and Close are called by one goroutine at a time.
func (l *Log) Append(writes []Write) error {
	if err := l.failure(); err != nil {
		return err
	}
	if err := l.append(writes); err != nil {
		return l.fail(err)
	}
	return nil
}

func (l *Log) append(writes []Write) error {
	sync := false
	for i := range writes {
		if err := l.add(&writes[i]); err != nil {
			return err
		}
		sync = sync || writes[i].Sync
	}
	if err := l.flush(); err != nil {
		return err
	}
	if sync {
		if err := l.sync(); err != nil {
			return err
		}
	}
	l.ahead.retryAfter(l.active.written)
	return nil
}

// add puts a Write into the buffer, in the next segment if this one has no room
// left for all of it.
func (l *Log) add(w *Write) error {
	bytes := w.bytes()
	if bytes > maxWriteBytes {
		return fmt.Errorf("wal: a write of %d bytes: the limit is %d", bytes, int64(maxWriteBytes))
	}
	if int64(l.end())+bytes > l.active.header.bytes {
		if err := l.roll(bytes); err != nil {
			return err
		}
	}
	l.mu.Lock()
	err := l.history.accept(w)
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("wal: refused a write that would break the log: %w", err)
	}
	l.encode(w)
	return nil
}

// bytes is how much room the Write takes.
func (w *Write) bytes() int64 {
	var n int64
	for i := range w.Entries {
		n += recordBytes(len(w.Entries[i].Data))
	}
	if w.HardState != nil {
		n += recordBytes(voteBytes)
	}
	return n
}

// encode appends the Write's records to the buffer: entries, then HardState, all
// but the last marked as having more to come.
func (l *Log) encode(w *Write) {
	for i := range w.Entries {
		e := &w.Entries[i]
		l.placed = append(l.placed, placedEntry{e.Index, l.end()})
		l.buffer = appendRecord(l.buffer, l.place(), &record{
			kind:      entryRecord,
			more:      i < len(w.Entries)-1 || w.HardState != nil,
			entryType: e.Type,
			index:     e.Index,
			term:      e.Term,
			synced:    l.active.synced,
		}, e.Data)
	}
	if w.HardState != nil {
		l.buffer = appendHardState(l.buffer, l.place(), l.active.synced, *w.HardState)
	}
}

// end is where the next record will lie.
func (l *Log) end() Offset { return l.active.written + Offset(len(l.buffer)) }

func (l *Log) place() place {
	h := &l.active.header
	return place{segment: h.number, seed: h.seed, offset: l.end()}
}

// flush writes the buffer.
func (l *Log) flush() error {
	if len(l.buffer) == 0 {
		return nil
	}
	a := &l.active
	if _, err := a.file.WriteAt(l.buffer, int64(a.written)); err != nil {
		return fmt.Errorf("wal: segment %v: %w", a.header.number, err)
	}
	a.written = l.end()
	l.mu.Lock()
	for _, p := range l.placed {
		l.index.put(p.index, p.offset)
	}
	l.mu.Unlock()
	l.placed = l.placed[:0]
	l.buffer = l.buffer[:0]
	if cap(l.buffer) > maxIdleBuffer {
		l.buffer, l.placed = nil, nil
	}
	return nil
}

// sync makes durable what was written.
func (l *Log) sync() error {
	a := &l.active
	if a.synced == a.written {
		return nil
	}
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("wal: segment %v: %w", a.header.number, err)
	}
	a.synced = a.written
	return nil
}
