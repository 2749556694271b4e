package wal

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"quorate/internal/vfs"
	"quorate/raft"
)

// A segment's file is called by its number. One that was made ahead has no
// header yet and another ending; it gets its name when the header is durable.
const (
	segmentSuffix = ".wal"
	aheadSuffix   = ".ahead"
	nameDigits    = 16
)

func segmentPath(dir string, n SegmentNumber) string { return numbered(dir, n, segmentSuffix) }

func aheadPath(dir string, n SegmentNumber) string { return numbered(dir, n, aheadSuffix) }

func numbered(dir string, n SegmentNumber, suffix string) string {
	return filepath.Join(dir, fmt.Sprintf("%0*x%s", nameDigits, uint64(n), suffix))
}

// listSegments returns the numbers of the segments in dir, in order; none if
// there is no such directory.
func listSegments(fsys vfs.FS, dir string) ([]SegmentNumber, error) {
	names, err := fsys.List(dir)
	if notExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	var numbers []SegmentNumber
	for _, name := range names {
		digits, found := strings.CutSuffix(name, segmentSuffix)
		if !found || len(digits) != nameDigits {
			continue
		}
		if n, err := strconv.ParseUint(digits, 16, 64); err == nil {
			numbers = append(numbers, SegmentNumber(n))
		}
	}
	return numbers, nil
}

// roll seals the active segment and goes on in the next, which will have room
// for a Write of so many bytes. The order matters: the sealed segment is
// complete and durable before the next one gets its name, and that is durable
// before the next one takes a record. So whatever a crash leaves, every segment
// but the last is complete, and every segment has a header.
func (l *Log) roll(writeBytes int64) error {
	if err := l.flush(); err != nil {
		return err
	}
	if err := l.sync(); err != nil {
		return err
	}
	sealed := l.active
	h := l.following(&l.history)
	h.previousEnd = sealed.written
	if err := l.begin(h, writeBytes, nil); err != nil {
		return err
	}
	if err := sealed.close(); err != nil {
		return err
	}
	l.ahead.wake()
	return nil
}

// close closes the file of a segment that is no longer active.
func (s *segment) close() error {
	if err := s.file.Close(); err != nil {
		return forGood(fmt.Errorf("wal: segment %v: %w", s.header.number, err))
	}
	return nil
}

// reset does a Write with a Snapshot: the log begins in a new segment, in which
// the Write's records are durable before it gets its name. So a crash leaves the
// log as it was or as it is to be; the segments before no longer count.
func (l *Log) reset(w *Write, writeBytes int64) error {
	if err := l.flush(); err != nil {
		return err
	}
	superseded := l.active
	after := l.history
	if err := after.reset(w.Snapshot, superseded.header.number+1); err != nil {
		return refused(err)
	}
	h := l.following(&after)
	if len(h.configuration) > maxConfigurationBytes {
		return refused(fmt.Errorf("a configuration of %d bytes: the limit is %d", len(h.configuration), maxConfigurationBytes))
	}
	if err := after.accept(w); err != nil {
		return refused(err)
	}
	if err := l.begin(h, writeBytes, w); err != nil {
		return err
	}
	l.mu.Lock()
	l.history = after
	l.mu.Unlock()
	l.written = after
	if err := superseded.close(); err != nil {
		return err
	}
	_ = l.sweep() // the next Cut or Open tries again
	l.ahead.wake()
	return nil
}

// following returns the header of the segment after the active one, which begins
// with h.
func (l *Log) following(h *history) header {
	c := h.inForce()
	return header{
		number:             l.active.header.number + 1,
		kept:               h.kept,
		first:              h.last + 1,
		previousTerm:       h.term(h.last),
		hardState:          h.hardState,
		configuration:      raft.AppendConfiguration(nil, c.Configuration),
		configurationIndex: c.Index,
	}
}

// begin makes the segment that h describes the active one, with room for a Write
// of so many bytes; if w is not nil, that Write is in it when it gets its name.
// The buffer is empty. After an error without a name, nothing has changed.
func (l *Log) begin(h header, writeBytes int64, w *Write) error {
	h.identity, h.founding = l.identity, l.founding
	h.bytes = max(l.options.SegmentBytes, roundUp(int64(h.size())+writeBytes+l.reserve, blockBytes))
	if w != nil && writeBytes > 0 {
		h.durable = h.size() + Offset(writeBytes)
	}
	made, err := l.ahead.take()
	if err != nil {
		return fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	before := l.active
	encoded := h.encode()
	l.active = segment{file: made.file, header: h, written: h.headerBytes, synced: h.headerBytes}
	if w != nil {
		l.encode(w)
	}
	if err = l.name(made, encoded); err == nil {
		// Opened again, so that errors call it by its new name.
		var file vfs.File
		if file, err = l.options.FS.Open(segmentPath(l.options.Dir, h.number)); err == nil {
			l.active.file = file
		}
		err = forGood(err)
	}
	if err != nil {
		l.active = before
		l.empty()
		return fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	l.active.written = l.end()
	l.active.synced = l.active.written
	l.mu.Lock()
	if h.beginsLog() {
		l.discard(l.index.begin(&h))
	} else {
		l.index.open(&h)
	}
	l.mu.Unlock()
	l.flushed()
	return nil
}

// name makes the active segment of a file made ahead: it writes header and
// buffer, and gives it its name.
func (l *Log) name(made aheadFile, header []byte) error {
	fsys, dir, a := l.options.FS, l.options.Dir, &l.active
	err := func() error {
		if a.header.bytes > l.options.SegmentBytes {
			if err := made.file.Preallocate(a.header.bytes); err != nil {
				return err
			}
		}
		if _, err := made.file.WriteAt(append(header, l.buffer...), 0); err != nil {
			return err
		}
		if err := made.file.Sync(); err != nil {
			return err
		}
		return fsys.Rename(made.path, segmentPath(dir, a.header.number))
	}()
	if err != nil {
		l.ahead.discard(made)
		l.ahead.wake()
		return err
	}
	if err := made.file.Close(); err != nil {
		return forGood(err)
	}
	return forGood(fsys.SyncDir(dir))
}
