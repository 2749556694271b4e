package wal

import (
	"fmt"
	"path/filepath"

	"quorate/internal/vfs"
	"quorate/raft"
)

// recover reads the whole log and fills in l: doc.go gives the rules.
func (l *Log) recover() error {
	headers, err := l.readHeaders()
	if err != nil {
		return err
	}
	if err := l.beginWith(&headers[0]); err != nil {
		return err
	}
	var buffer []byte
	for i := range headers {
		s := replay{log: l, header: &headers[i], sealed: i < len(headers)-1}
		if s.sealed {
			s.end = headers[i+1].previousEnd
		} else {
			s.end = Offset(headers[i].bytes)
		}
		if buffer, err = s.run(buffer); err != nil {
			return err
		}
	}
	if h := &l.history; h.hardState.Commit < h.base {
		return corrupt(headers[0].number, atFirst, "the log begins after entry %d, and only %d were committed", h.base, h.hardState.Commit)
	}
	l.written = l.history
	// The last segment's name may not be durable yet.
	if err := l.options.FS.SyncDir(l.options.Dir); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	if err := l.options.FS.SyncDir(filepath.Dir(l.options.Dir)); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	return l.sweep()
}

// beginWith fills in what the first segment says of what was before it.
func (l *Log) beginWith(h *header) (err error) {
	l.identity, l.founding = h.identity, h.founding
	if l.configuration, err = raft.DecodeConfiguration(h.founding); err != nil {
		return corrupt(h.number, headerFixedBytes, "%s", err)
	}
	c, err := raft.DecodeConfiguration(h.configuration)
	if err != nil {
		return corrupt(h.number, headerFixedBytes, "%s", err)
	}
	l.history = history{
		hardState:      h.hardState,
		kept:           h.kept,
		base:           h.first - 1,
		baseTerm:       h.previousTerm,
		last:           h.first - 1,
		configurations: []raft.ConfigurationAt{{Index: h.configurationIndex, Configuration: c}},
	}
	return nil
}

// readHeaders reads the headers of the log's segments and checks that they
// follow each other. What lies before them is garbage, which a crash has kept
// from being removed; but a file of another log is noticed there too, lest that
// log's last segment make garbage of this one.
func (l *Log) readHeaders() ([]header, error) {
	numbers, err := listSegments(l.options.FS, l.options.Dir)
	if err != nil {
		return nil, err
	}
	headers, errs := make([]header, len(numbers)), make([]error, len(numbers))
	var identity *Identity
	for i, number := range numbers {
		if headers[i], errs[i] = l.openHeader(number); errs[i] != nil {
			continue
		}
		if identity == nil {
			identity = &headers[i].identity
		}
		if headers[i].identity != *identity {
			return nil, &ForeignError{
				Segment: number,
				Have:    headers[i].identity,
				Log:     *identity,
				Hint:    "A file of another log was copied into this one's directory. " + reseed,
			}
		}
	}
	last := len(numbers) - 1
	if errs[last] != nil {
		return nil, errs[last]
	}
	kept, err := l.newestKept(&headers[last])
	if err != nil {
		return nil, err
	}
	first := 0
	for first < len(numbers) && numbers[first] < kept {
		first++
	}
	l.garbage = numbers[:first]
	for i := first; i <= last || i == first; i++ {
		if want := kept + SegmentNumber(i-first); i > last || numbers[i] != want {
			return nil, corrupt(want, nowhere, "the file %s is missing", segmentPath("", want))
		}
		if errs[i] != nil {
			return nil, errs[i]
		}
		if i > first && !headers[i].follows(&headers[i-1]) {
			return nil, corrupt(numbers[i], atPreviousEnd, "the segment before it cannot end at %d", headers[i].previousEnd)
		}
	}
	return headers[first:], nil
}

// newestKept returns the segment with which the log begins. The last segment
// knows: its header says what held when it began, and cutRecords in it what came
// later. If the one that counts is not read because of damage before it, the
// segments that are expected instead are gone, and the log does not open.
func (l *Log) newestKept(h *header) (SegmentNumber, error) {
	file, err := l.options.FS.Open(segmentPath(l.options.Dir, h.number))
	if err != nil {
		return 0, fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	defer file.Close()
	r := &reader{file: file, place: place{segment: h.number, seed: h.seed}, end: Offset(h.bytes), aheadBytes: readAheadBytes}
	kept := h.kept
	for at := h.headerBytes; ; {
		rec, data, reason, err := r.record(at)
		if err != nil || reason != "" {
			return kept, err
		}
		if rec.kind == cutRecord {
			kept = rec.kept(data)
		}
		at += Offset(rec.bytes())
	}
}

// follows reports whether the segment before may end where h says.
func (h *header) follows(previous *header) bool {
	return h.previousEnd >= previous.headerBytes && int64(h.previousEnd) <= previous.bytes
}

// openHeader reads a segment's header and checks it against the file's name and
// length.
func (l *Log) openHeader(number SegmentNumber) (header, error) {
	file, err := l.options.FS.Open(segmentPath(l.options.Dir, number))
	if err != nil {
		return header{}, fmt.Errorf("wal: segment %v: %w", number, err)
	}
	defer file.Close()
	h, err := readHeader(file, number)
	if err != nil {
		return header{}, err
	}
	bytes, err := file.Size()
	switch {
	case err != nil:
		return header{}, fmt.Errorf("wal: segment %v: %w", number, err)
	case h.number != number:
		return header{}, corrupt(number, atNumber, "the header is that of segment %v", h.number)
	case h.bytes < int64(h.headerBytes) || h.bytes > 1<<32:
		return header{}, corrupt(number, atSegmentBytes, "an impossible length of %d bytes", h.bytes)
	case h.durable != 0 && (h.durable < h.headerBytes || int64(h.durable) > h.bytes):
		return header{}, corrupt(number, atDurable, "records that cannot end at %d", h.durable)
	case bytes < h.bytes:
		return header{}, corrupt(number, Offset(bytes), "the file was cut short, from %d bytes,", h.bytes)
	}
	return h, nil
}

// readHeader reads the header of a segment.
func readHeader(file vfs.File, number SegmentNumber) (header, error) {
	bytes, err := file.Size()
	if err != nil {
		return header{}, fmt.Errorf("wal: segment %v: %w", number, err)
	}
	b := make([]byte, min(bytes, blockBytes))
	if err := readFull(file, b, number); err != nil {
		return header{}, err
	}
	size, reason := headerSize(b)
	if reason == "" && size > bytes {
		reason = "header cut short"
	}
	if reason != "" {
		return header{}, corrupt(number, 0, "%s", reason)
	}
	if size > int64(len(b)) {
		b = make([]byte, size)
		if err := readFull(file, b, number); err != nil {
			return header{}, err
		}
	}
	h, version, reason := decodeHeader(b)
	switch {
	case reason != "":
		return header{}, corrupt(number, 0, "%s", reason)
	case version != formatVersion:
		return header{}, formatError(number, version)
	}
	return h, nil
}

func readFull(file vfs.File, b []byte, number SegmentNumber) error {
	if n, err := file.ReadAt(b, 0); n < len(b) {
		return fmt.Errorf("wal: segment %v: %w", number, err)
	}
	return nil
}
