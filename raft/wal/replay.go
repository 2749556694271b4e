package wal

import (
	"bytes"
	"fmt"

	"quorate/raft"
)

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
