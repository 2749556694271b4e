package wal

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"quorate/internal/vfs"
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
	err := l.begin(header{
		number:       sealed.header.number + 1,
		first:        l.history.last + 1,
		previousTerm: l.history.term(l.history.last),
		previousEnd:  sealed.written,
		hardState:    l.history.hardState,
	}, writeBytes)
	if err != nil {
		return err
	}
	if err := sealed.file.Close(); err != nil {
		return fmt.Errorf("wal: segment %v: %w", sealed.header.number, err)
	}
	l.ahead.wake()
	return nil
}

// begin makes the segment that h describes the active one.
func (l *Log) begin(h header, writeBytes int64) error {
	h.identity, h.configuration = l.identity, l.encoded
	file, err := l.ahead.take(h.number)
	if err != nil {
		return fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	err = l.writeHeader(file, &h, writeBytes)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		// Opened again, so that errors call it by its new name.
		file, err = l.options.FS.Open(segmentPath(l.options.Dir, h.number))
	}
	if err != nil {
		return fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	at := h.headerBytes
	l.active = segment{file: file, header: h, written: at, synced: at}
	l.mu.Lock()
	l.index.open(h.number, h.previousEnd)
	l.bytes += h.bytes
	l.mu.Unlock()
	return nil
}

// writeHeader makes a segment of a file made ahead.
func (l *Log) writeHeader(file vfs.File, h *header, writeBytes int64) error {
	fsys, dir := l.options.FS, l.options.Dir
	h.encode() // for headerBytes, which bytes depends on
	h.bytes = max(l.options.SegmentBytes, roundUp(int64(h.headerBytes)+writeBytes, blockBytes))
	if h.bytes > l.options.SegmentBytes {
		if err := file.Preallocate(h.bytes); err != nil {
			return err
		}
	}
	if _, err := file.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := fsys.Rename(aheadPath(dir, h.number), segmentPath(dir, h.number)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
