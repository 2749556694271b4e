package wal

import (
	"slices"
	"sort"

	"quorate/raft"
)

// index knows where each entry of the log lies: four bytes an entry.
type index struct {
	last raft.Index
	// segments are in order. Invariant: what they cover, one after the other, is
	// all from the first one's first to last, and their first do not decrease. A
	// segment whose entries have all been superseded covers nothing.
	segments []coverage
}

// coverage is which entries are to be read from one segment: [first,
// first+len(offsets)). A segment is never as long as 4 GiB.
type coverage struct {
	number  SegmentNumber
	first   raft.Index
	offsets []uint32
	// begins is the header's first. If it is not first, this segment or a later
	// one supersedes entries of the segments before.
	begins raft.Index
	bytes  int64
	// end is where the records end; known once the segment is sealed.
	end Offset
}

// location is where an entry's record lies.
type location struct {
	segment SegmentNumber
	offset  Offset
}

// open adds the segment that the entries from now on are in, which follows the
// last entry. The segment before it is sealed.
func (x *index) open(h *header) {
	if n := len(x.segments); n > 0 {
		sealed := &x.segments[n-1]
		sealed.end = h.previousEnd
		sealed.offsets = slices.Clone(sealed.offsets) // gives back the spare capacity
	}
	x.segments = append(x.segments, coverage{number: h.number, first: h.first, begins: h.first, bytes: h.bytes})
}

// follow opens h's segment, or begins with it if it is the first one.
func (x *index) follow(h *header) {
	if len(x.segments) == 0 {
		x.begin(h)
		return
	}
	x.open(h)
}

// begin makes h's segment the first one, and returns those that were there.
func (x *index) begin(h *header) []coverage {
	were := x.segments
	x.segments, x.last = nil, h.first-1
	x.open(h)
	return were
}

// cuttable returns how many segments may go, if the entries up to through may.
// The log cannot begin with a segment whose header speaks of entries that were
// superseded later: it would contradict the records.
func (x *index) cuttable(through raft.Index) int {
	n := len(x.segments) - 1
	for n > 0 && (x.segments[n].first > through+1 || x.segments[n].first != x.segments[n].begins) {
		n--
	}
	return n
}

// cut removes the first n segments and returns them.
func (x *index) cut(n int) []coverage {
	were := x.segments[:n:n]
	x.segments = slices.Clone(x.segments[n:])
	return were
}

// first returns the index of the first entry; last+1 if there is none.
func (x *index) first() raft.Index { return x.segments[0].first }

// size returns how much room the segments take.
func (x *index) size() (bytes int64) {
	for n := range x.segments {
		bytes += x.segments[n].bytes
	}
	return bytes
}

// put notes that the entry at i lies at offset of the newest segment, and that
// those from i on are superseded. i is at most last+1.
func (x *index) put(i raft.Index, offset Offset) {
	if i <= x.last {
		x.truncate(i)
	}
	newest := &x.segments[len(x.segments)-1]
	newest.offsets = append(newest.offsets, uint32(offset))
	x.last = i
}

// truncate forgets the entries from i on.
func (x *index) truncate(i raft.Index) {
	for n := len(x.segments) - 1; n >= 0; n-- {
		s := &x.segments[n]
		if s.first < i {
			s.offsets = s.offsets[:min(len(s.offsets), int(i-s.first))]
			return
		}
		s.first, s.offsets = i, s.offsets[:0]
	}
}

// locations returns where the entries [lo, hi) lie; all of them are there.
func (x *index) locations(lo, hi raft.Index) []location {
	found := make([]location, 0, hi-lo)
	after := sort.Search(len(x.segments), func(n int) bool { return x.segments[n].first > lo })
	for n := after - 1; lo < hi; n++ {
		s := &x.segments[n]
		for ; lo < hi && int(lo-s.first) < len(s.offsets); lo++ {
			found = append(found, location{s.number, Offset(s.offsets[lo-s.first])})
		}
	}
	return found
}

// newest returns from which index on the entries take at least so many bytes on
// disk, or the first one's if all of them take less. The newest segment ends at
// end.
func (x *index) newest(bytes int64, end Offset) raft.Index {
	lo := x.last + 1
	for n := len(x.segments) - 1; n >= 0; n-- {
		s := &x.segments[n]
		if s.end != 0 {
			end = s.end
		}
		for k := len(s.offsets) - 1; k >= 0 && bytes > 0; k-- {
			offset := Offset(s.offsets[k])
			bytes -= int64(end - offset)
			end = offset
			lo--
		}
	}
	return lo
}
