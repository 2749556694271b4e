package wal

import (
	"fmt"
	"slices"

	"quorate/raft"
)

// State is what the core starts from: it is called before the first Append.
// Applied is the state machine's: the log must begin before it and reach as far,
// and its entries above that are all returned, with older ones as
// Options.CacheBytes says. The commit index is at least applied.
func (l *Log) State(applied raft.Index) (raft.State, error) {
	l.writing.Lock()
	err := l.failure()
	h, first, last := l.history, l.index.segments[0].number, l.active.header.number
	lo := min(applied+1, l.index.newest(int64(l.options.CacheBytes), l.active.written))
	l.writing.Unlock()
	switch {
	case err != nil:
		return raft.State{}, err
	case applied > h.last:
		return raft.State{}, corrupt(last, nowhere,
			"the log has lost its end: the state machine has applied %d, the last entry is %d", applied, h.last)
	case applied < h.base:
		return raft.State{}, corrupt(first, nowhere,
			"the log begins after entry %d, and the state machine has applied %d only", h.base, applied)
	}
	entries, err := l.read(lo, h.last+1, 0)
	if err != nil {
		return raft.State{}, err
	}
	h.hardState.Commit = max(h.hardState.Commit, applied)
	return raft.State{
		HardState:      h.hardState,
		Base:           h.base,
		BaseTerm:       h.baseTerm,
		Configurations: slices.Clone(h.configurations),
		Applied:        applied,
		Last:           h.last,
		Runs:           slices.Clone(h.runs),
		Entries:        entries,
	}, nil
}

// Entries reads the entries [lo, hi), or the first of them that take no more
// than maxBytes on disk (40 bytes an entry besides its data), but one at least.
// Entries that have been superseded or that Append is still writing are not
// there: fewer are returned, or an error when lo itself is beyond the end. When
// lo was cut off, the error is ErrCut.
func (l *Log) Entries(lo, hi raft.Index, maxBytes int) ([]raft.Entry, error) {
	maxBytes = max(maxBytes, 1)
	l.mu.RLock()
	err, first, last, kept := l.failed, l.index.first(), l.index.last, l.history.kept
	l.mu.RUnlock()
	switch {
	case err != nil:
		return nil, err
	case lo == 0 || lo >= hi || lo > last:
		return nil, fmt.Errorf("wal: there are no entries [%d, %d): the log holds [%d, %d]", lo, hi, first, last)
	case lo < first:
		return nil, fmt.Errorf("wal: entry %d: %w, it holds [%d, %d]", lo, ErrCut, first, last)
	}
	hi = min(hi, lo+raft.Index(maxBytes/recordHeaderBytes)+1)
	entries, err := l.read(lo, hi, int64(maxBytes))
	if notExist(err) && kept != l.kept() {
		return nil, fmt.Errorf("wal: entry %d: %w meanwhile", lo, ErrCut)
	}
	return entries, err
}

// kept returns the segment with which the log begins. When it is another one than
// before, segments were removed: by Cut, or by a Snapshot, which may give up
// entries that the log would still have room for.
func (l *Log) kept() SegmentNumber {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.history.kept
}

// read reads the entries [lo, hi) as far as they are there. maxBytes 0 means no
// limit.
func (l *Log) read(lo, hi raft.Index, maxBytes int64) ([]raft.Entry, error) {
	l.mu.RLock()
	hi = min(hi, l.index.last+1)
	if lo < l.index.first() {
		l.mu.RUnlock()
		return nil, fmt.Errorf("wal: entry %d: %w meanwhile", lo, ErrCut)
	}
	if lo >= hi {
		l.mu.RUnlock()
		return nil, nil
	}
	locations := l.index.locations(lo, hi)
	l.mu.RUnlock()

	aheadBytes := int64(readAheadBytes)
	if maxBytes > 0 {
		aheadBytes = min(aheadBytes, maxBytes)
	}
	entries := make([]raft.Entry, 0, len(locations))
	var bytes int64
	for len(locations) > 0 {
		n := 1
		for n < len(locations) && locations[n].segment == locations[0].segment {
			n++
		}
		run, more, err := l.readSegment(locations[:n], lo+raft.Index(len(entries)), aheadBytes, func(r *record) bool {
			bytes += r.bytes()
			first := bytes == r.bytes()
			return maxBytes == 0 || bytes <= maxBytes || first
		})
		if err != nil {
			return nil, err
		}
		entries = append(entries, run...)
		if !more {
			break
		}
		locations = locations[n:]
	}
	return entries, nil
}

// readSegment reads entries from one segment, from lo on, until wanted says no.
// It opens the file for itself: what has been written there does not change any
// more, whatever Append does meanwhile.
func (l *Log) readSegment(locations []location, lo raft.Index, aheadBytes int64, wanted func(*record) bool) (entries []raft.Entry, more bool, err error) {
	number := locations[0].segment
	file, err := l.options.FS.Open(segmentPath(l.options.Dir, number))
	if err != nil {
		return nil, false, fmt.Errorf("wal: segment %v: %w", number, err)
	}
	defer file.Close()
	h, err := readHeader(file, number)
	if err != nil {
		return nil, false, err
	}
	r := reader{
		file:       file,
		place:      place{segment: number, seed: h.seed},
		end:        Offset(h.bytes),
		aheadBytes: aheadBytes,
		keep:       true,
	}
	entries = make([]raft.Entry, 0, len(locations))
	for i, at := range locations {
		rec, data, reason, err := r.record(at.offset)
		if err != nil {
			return nil, false, err
		}
		if reason == "" && (rec.kind != entryRecord || rec.index != lo+raft.Index(i)) {
			reason = "another record than was written"
		}
		if reason != "" {
			return nil, false, corrupt(number, at.offset, "%s in entry %d", reason, lo+raft.Index(i))
		}
		if !wanted(&rec) {
			return entries, false, nil
		}
		entries = append(entries, rec.entry(data))
	}
	return entries, true, nil
}
