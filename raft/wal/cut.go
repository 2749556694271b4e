package wal

import (
	"fmt"

	"quorate/raft"
)

// Cut removes from the front of the log the segments whose entries are all
// committed and not above through, and returns after which entry the log begins
// now. Through is at most what the state machine has durably. All entries above
// the base that is returned are there; a segment that also has entries above
// through stays whole.
//
// It may be called while Append and Entries run, and holds Append up for the time
// of one flush. When there is no room for the record that it writes, IsNoSpace is
// true for the error and the log is as it was. When a file could not be removed,
// the base holds all the same, and the next Cut, or Open, tries again.
func (l *Log) Cut(through raft.Index) (base raft.Index, err error) {
	l.writing.Lock()
	if err = l.failure(); err == nil {
		if err = l.cut(through); err != nil && !IsNoSpace(err) {
			err = l.fail(err)
		}
	}
	base = l.history.base
	l.writing.Unlock()
	if err != nil {
		return base, err
	}
	err = l.sweep()
	l.ahead.wake() // there may be room again
	return base, err
}

func (l *Log) cut(through raft.Index) error {
	n := l.index.cuttable(min(through, l.history.hardState.Commit))
	if n == 0 {
		return nil
	}
	if !l.fits(recordBytes(keptBytes)) {
		if err := l.roll(recordBytes(keptBytes)); err != nil {
			return err
		}
	}
	after := l.history
	begins := &l.index.segments[n]
	after.cut(begins.first-1, begins.number)
	l.buffer = appendCut(l.buffer, l.place(), l.active.synced, &after)
	if err := l.flush(); err != nil {
		l.drop()
		return err
	}
	if err := l.sync(); err != nil {
		return err
	}
	l.mu.Lock()
	l.history = after
	l.discard(l.index.cut(n))
	l.mu.Unlock()
	l.written = after
	return nil
}

// Refill makes segments ahead if some are missing, as after OnLowSpace said so.
// It is for when there may be room again: nothing else tells a log to which
// nothing is written. Cut does it by itself.
func (l *Log) Refill() { l.ahead.wake() }

// discard notes that segments are no longer the log's. The caller holds mu.
func (l *Log) discard(segments []coverage) {
	for i := range segments {
		l.garbage = append(l.garbage, segments[i].number)
	}
}

// sweep removes the files of segments that are no longer the log's. Nothing need
// be made durable: a file that comes back after the loss of power is garbage then
// too, and Open removes it.
func (l *Log) sweep() error {
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	l.mu.Lock()
	garbage := l.garbage
	l.garbage = nil
	l.mu.Unlock()
	for i, number := range garbage {
		err := l.options.FS.Remove(segmentPath(l.options.Dir, number))
		if err != nil && !notExist(err) {
			l.mu.Lock()
			l.garbage = append(l.garbage, garbage[i:]...)
			l.mu.Unlock()
			return fmt.Errorf("wal: segment %v: it was cut off, and could not be removed: %w", number, err)
		}
	}
	return nil
}
