package wal

import (
	"errors"
	"fmt"

	"quorate/raft"
)

// Write is what one Ready of the core wants written. It is atomic: recovery
// finds all of it or nothing.
type Write struct {
	HardState *raft.HardState
	// Snapshot, when not nil, comes first: the log forgets every entry and begins
	// after Snapshot.Index, which is committed then.
	Snapshot *raft.Snapshot
	// Entries supersede every stored entry with an index >= Entries[0].Index.
	Entries []raft.Entry
	// Sync is false when the write need not be durable when Append returns. A
	// Snapshot always is.
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
// When there is no room on the disk, IsNoSpace(err): the first taken writes are
// done, durable if one of them said Sync, and the others are not; they may be
// given again when there is room. (If the process ends before that, they may be
// found in the log or not, as after any crash.) Writes without entries go on for
// a while: a part of each segment is kept for them, because elections must.
//
// After any other error the log has failed for good: every later call returns
// that error, and what the failed call had to write may or may not be found when
// the log is opened again. A failed fdatasync is not tried again, because the
// kernel may have dropped the data and would then report success.
func (l *Log) Append(writes []Write) (taken int, err error) {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.failure(); err != nil {
		return 0, err
	}
	if taken, err = l.append(writes); err == nil || IsNoSpace(err) {
		return taken, err
	}
	return 0, l.fail(err)
}

func (l *Log) append(writes []Write) (taken int, err error) {
	for taken < len(writes) && err == nil {
		if err = l.add(&writes[taken]); err == nil {
			taken++
		}
	}
	if err == nil {
		err = l.flush()
	}
	if err != nil {
		taken -= l.drop()
		if !IsNoSpace(err) {
			return 0, err
		}
	}
	for i := range writes[:taken] {
		if writes[i].Sync {
			if err := l.sync(); err != nil {
				return 0, err
			}
			break
		}
	}
	l.ahead.retryAfter(l.active.written)
	return taken, err
}

// add puts a Write into the buffer, in the next segment if this one has no room
// left for all of it.
func (l *Log) add(w *Write) error {
	bytes := w.bytes()
	if bytes > maxWriteBytes {
		return fmt.Errorf("wal: a write of %d bytes: the limit is %d", bytes, int64(maxWriteBytes))
	}
	if w.Snapshot != nil {
		return l.reset(w, bytes)
	}
	if !l.fits(bytes + l.reserve) {
		err := l.roll(bytes)
		inReserve := len(w.Entries) == 0 && l.fits(bytes+recordBytes(keptBytes)) // Cut makes room: it must be able to
		if err != nil && !(IsNoSpace(err) && inReserve) {
			return err
		}
	}
	l.mu.Lock()
	err := l.history.accept(w)
	l.mu.Unlock()
	if err != nil {
		return refused(err)
	}
	l.encode(w)
	l.buffered++
	return nil
}

// refused says that a Write would break the log, which can only come from a
// mistake in the core.
func refused(err error) error {
	return fmt.Errorf("wal: refused a write that would break the log: %w", err)
}

// fits reports whether there is room for so many bytes in the active segment.
func (l *Log) fits(bytes int64) bool { return int64(l.end())+bytes <= l.active.header.bytes }

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

// flush writes the buffer. If there is no room for it, it may be tried again.
func (l *Log) flush() error {
	if len(l.buffer) == 0 {
		return nil
	}
	a := &l.active
	end := l.end()
	if a.stale > end {
		// Records of a write that found no room may lie here, in the very places
		// where they would be valid.
		l.buffer = append(l.buffer, make([]byte, a.stale-end)...)
	}
	if _, err := a.file.WriteAt(l.buffer, int64(a.written)); err != nil {
		a.stale = l.end()
		l.buffer = l.buffer[:end-a.written]
		return fmt.Errorf("wal: segment %v: %w", a.header.number, err)
	}
	a.written, a.stale = end, 0
	l.flushed()
	return nil
}

// flushed notes that what was in the buffer is in the segment.
func (l *Log) flushed() {
	l.mu.Lock()
	for _, p := range l.placed {
		l.index.put(p.index, p.offset)
	}
	l.mu.Unlock()
	l.written = l.history
	l.empty()
}

// drop forgets what is in the buffer, and returns how many Writes that were.
func (l *Log) drop() int {
	dropped := l.buffered
	l.mu.Lock()
	l.history = l.written
	l.mu.Unlock()
	l.empty()
	return dropped
}

func (l *Log) empty() {
	l.buffer, l.placed, l.buffered = l.buffer[:0], l.placed[:0], 0
	if cap(l.buffer) > maxIdleBuffer {
		l.buffer, l.placed = nil, nil
	}
}

// sync makes durable what was written.
func (l *Log) sync() error {
	a := &l.active
	if a.synced == a.written {
		return nil
	}
	if err := a.file.Sync(); err != nil {
		return forGood(fmt.Errorf("wal: segment %v: %w", a.header.number, err))
	}
	a.synced = a.written
	return nil
}

// forGood makes an error after which nothing may be tried again one that
// IsNoSpace does not know: a disk that is full when what was written is flushed,
// or a directory is, has lost something.
func forGood(err error) error {
	if IsNoSpace(err) {
		return errors.New(err.Error())
	}
	return err
}
