package wal

import (
	"encoding/binary"
	"fmt"
)

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
