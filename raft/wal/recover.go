package wal

import (
	"bytes"
	"encoding/binary"
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

// replay reads one segment's records into the log.
type replay struct {
	log    *Log
	header *header
	// sealed says that another segment follows, which tells where this one ends.
	sealed bool
	end    Offset

	// entries are those of the Write whose records are being read, at offset
	// writeAt.
	writeAt Offset
	entries []replayedEntry
	// vouched is the highest synced of all records.
	vouched Offset
}

// replayedEntry is an entry of a Write that is not complete yet.
type replayedEntry struct {
	placedEntry
	term          raft.Term
	configuration *raft.Configuration // that it carries, if it does
}

// run reads the segment, through buffer or a larger one, which it returns.
func (s *replay) run(buffer []byte) ([]byte, error) {
	h := s.header
	if err := s.begin(); err != nil {
		return nil, err
	}
	file, err := s.log.options.FS.Open(segmentPath(s.log.options.Dir, h.number))
	if err != nil {
		return nil, fmt.Errorf("wal: segment %v: %w", h.number, err)
	}
	r := &reader{
		file:       file,
		place:      place{segment: h.number, seed: h.seed},
		end:        s.end,
		aheadBytes: readAheadBytes,
		buffer:     buffer[:0],
	}
	if s.sealed {
		err := s.sealedRecords(r)
		if closeErr := file.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("wal: segment %v: %w", h.number, closeErr)
		}
		return r.buffer, err
	}
	s.log.active = segment{file: file, header: *h} // from now on closed by whoever closes the log
	bad, reason, err := s.records(r)
	if err != nil {
		return nil, err
	}
	return r.buffer, s.mendTail(r, bad, reason)
}

// begin checks the header against the segments before.
func (s *replay) begin() error {
	h, history := s.header, &s.log.history
	c := history.inForce()
	switch {
	case h.first != history.last+1:
		return corrupt(h.number, atFirst, "it begins with entry %d, after entry %d", h.first, history.last)
	case h.previousTerm != history.term(history.last):
		return corrupt(h.number, atPreviousTerm, "it follows an entry of term %d, not %d", h.previousTerm, history.term(history.last))
	case h.hardState != history.hardState:
		return corrupt(h.number, atHardTerm, "it begins with another term, vote or commit index than the one before it ends with")
	case h.kept != history.kept:
		return corrupt(h.number, atKept, "it begins when the log began with segment %v, not %v", h.kept, history.kept)
	case !bytes.Equal(h.founding, s.log.founding), h.configurationIndex != c.Index,
		!bytes.Equal(h.configuration, raft.AppendConfiguration(nil, c.Configuration)):
		return corrupt(h.number, headerFixedBytes, "it begins with another configuration than the one before it ends with")
	}
	s.log.index.follow(h)
	s.writeAt, s.vouched = h.headerBytes, h.headerBytes
	return nil
}

// sealedRecords reads a segment that must be whole.
func (s *replay) sealedRecords(r *reader) error {
	bad, reason, err := s.records(r)
	if err != nil {
		return err
	}
	if bad != s.end || s.writeAt != s.end {
		return corrupt(s.header.number, bad, "%s in a sealed segment", reason)
	}
	return nil
}

// records reads records up to end, or up to the first that is none, and says
// where and why.
func (s *replay) records(r *reader) (bad Offset, reason string, err error) {
	at := s.header.headerBytes
	for at < s.end {
		rec, data, reason, err := r.record(at)
		if err != nil || reason != "" {
			return at, reason, err
		}
		if err := s.record(at, &rec, data); err != nil {
			return at, "", corrupt(s.header.number, at, "records that do not follow from each other (%s)", err)
		}
		at += Offset(rec.bytes())
		if !rec.more {
			s.writeAt = at
		}
	}
	return at, "end of the segment", nil
}

// record takes a record in. What it changes counts when its Write is complete.
func (s *replay) record(at Offset, rec *record, data []byte) error {
	if rec.synced < s.vouched {
		return fmt.Errorf("%d bytes durable after %d", rec.synced, s.vouched)
	}
	s.vouched = rec.synced
	if rec.kind == cutRecord {
		return s.cut(rec, data)
	}
	if rec.kind == entryRecord {
		e := rec.entry(data)
		c, err := configurationOf(&e)
		if err != nil {
			return err
		}
		s.entries = append(s.entries, replayedEntry{placedEntry{rec.index, at}, rec.term, c})
	}
	if rec.more {
		return nil
	}
	history := &s.log.history
	for _, e := range s.entries {
		if err := history.entry(e.index, e.term, e.configuration); err != nil {
			return err
		}
		s.log.index.put(e.index, e.offset)
	}
	s.entries = s.entries[:0]
	if rec.kind == hardStateRecord {
		if err := history.setHardState(rec.hardState(data)); err != nil {
			return err
		}
	}
	return history.complete()
}

// cut takes a cutRecord in. The log was opened at the segment that the newest of
// them names, so there is nothing to cut off: an older one is about segments that
// are not looked at, and the newest agrees with what its segment says.
func (s *replay) cut(rec *record, data []byte) error {
	history := &s.log.history
	kept, first := rec.kept(data), s.log.index.segments[0].number
	switch {
	case len(s.entries) > 0:
		return fmt.Errorf("the log is cut in the middle of a write")
	case kept <= history.kept || kept > s.header.number:
		return fmt.Errorf("the log begins with segment %v after %v", kept, history.kept)
	case kept == first && (rec.index != history.base || rec.term != history.baseTerm):
		return fmt.Errorf("the log begins after entry %d of term %d, and segment %v after %d of term %d",
			rec.index, rec.term, first, history.base, history.baseTerm)
	}
	history.kept = kept
	return nil
}

// mendTail decides what the first bad record of the last segment means. If a
// later record says that more than that was durable, acknowledged data is
// damaged. Otherwise the write was never acknowledged: it is cut off, together
// with the rest of its Write.
func (s *replay) mendTail(r *reader, bad Offset, reason string) error {
	dirtyEnd, proof, err := s.searchProof(r, bad)
	if err != nil {
		return err
	}
	if bad < s.header.durable {
		return corrupt(s.header.number, bad, "%s", reason) // the segment got its name after that
	}
	if proof != 0 {
		return &CorruptError{
			Segment: s.header.number,
			Offset:  bad,
			Reason:  reason,
			Hint:    fmt.Sprintf("The record at %d shows that this had been made durable. %s", proof, reseed),
		}
	}
	a := &s.log.active
	end := s.writeAt
	if dirtyEnd > end {
		s.log.recovered = Recovery{Segment: s.header.number, Offset: end, Bytes: int64(dirtyEnd - end)}
		if err := s.zero(end, dirtyEnd); err != nil {
			return err
		}
	}
	if err := s.rewrite(r, s.vouched, end); err != nil {
		return err
	}
	// Also what reads well may not be on the disk yet, and will be relied on.
	if err := a.file.Sync(); err != nil {
		return fmt.Errorf("wal: segment %v: %w", s.header.number, err)
	}
	a.written, a.synced = end, end
	return nil
}

// searchProof looks beyond a bad record for one that says more than that was
// durable. A record's header is enough, whatever its data. dirtyEnd is where
// the zeros begin that reach to the end of the file.
func (s *replay) searchProof(r *reader, bad Offset) (dirtyEnd, proof Offset, err error) {
	dirtyEnd = bad
	for at := bad; at < s.end; {
		n := min(int64(readAheadBytes), int64(s.end-at))
		b, err := r.bytes(at, n)
		if err != nil {
			return 0, 0, err
		}
		limit := n
		if at+Offset(n) < s.end {
			limit = n - recordHeaderBytes // the next round begins there
		}
		for i := int64(0); i < limit; i += recordAlignment {
			if binary.LittleEndian.Uint64(b[i:]) == 0 {
				continue
			}
			here := at + Offset(i)
			dirtyEnd = here + recordAlignment
			if n-i < recordHeaderBytes {
				continue
			}
			rec, reason := decodeRecord(b[i:i+recordHeaderBytes], r.placeAt(here))
			if reason == "" && rec.synced > bad {
				return 0, here, nil
			}
		}
		at += Offset(limit)
	}
	return dirtyEnd, 0, nil
}

// zero clears what a torn write has left, lest it be taken for a record once
// the log has grown up to it.
func (s *replay) zero(from, to Offset) error {
	zeros := make([]byte, min(int64(to-from), readAheadBytes))
	for from < to {
		n := min(int64(to-from), int64(len(zeros)))
		if _, err := s.log.active.file.WriteAt(zeros[:n], int64(from)); err != nil {
			return fmt.Errorf("wal: segment %v: %w", s.header.number, err)
		}
		from += Offset(n)
	}
	return nil
}

// rewrite writes once more, unchanged, what no record says is durable. If the
// last fdatasync before the restart failed, the kernel may still show data that
// it has given up writing, and would report the next fdatasync as a success.
func (s *replay) rewrite(r *reader, from, to Offset) error {
	for from < to {
		n := min(int64(to-from), readAheadBytes)
		b, err := r.bytes(from, n)
		if err != nil {
			return err
		}
		if _, err := s.log.active.file.WriteAt(b, int64(from)); err != nil {
			return fmt.Errorf("wal: segment %v: %w", s.header.number, err)
		}
		from += Offset(n)
	}
	return nil
}
