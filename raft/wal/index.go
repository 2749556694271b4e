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
	// (0, last], and their first do not decrease. A segment whose entries have
	// all been superseded covers nothing.
	segments []coverage
}

// coverage is which entries are to be read from one segment: [first,
// first+len(offsets)). A segment is never as long as 4 GiB.
type coverage struct {
	number  SegmentNumber
	first   raft.Index
	offsets []uint32
	// end is where the records end; known once the segment is sealed.
	end Offset
}

// location is where an entry's record lies.
type location struct {
	segment SegmentNumber
	offset  Offset
}

// open adds the segment that the entries from now on are in. The one before it
// is sealed and ends at previousEnd.
func (x *index) open(number SegmentNumber, previousEnd Offset) {
	if n := len(x.segments); n > 0 {
		sealed := &x.segments[n-1]
		sealed.end = previousEnd
		sealed.offsets = slices.Clone(sealed.offsets) // gives back the spare capacity
	}
	x.segments = append(x.segments, coverage{number: number, first: x.last + 1})
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

// locations returns where the entries [lo, hi) lie; they are in (0, last].
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
// disk, or 1 if all of them take less. The newest segment ends at end.
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
	return max(lo, 1)
}
