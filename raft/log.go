package raft

import "sort"

// entryOverhead is what an Entry costs beside its data: its size in memory,
// and more than its header's on the wire.
const entryOverhead = 48

func entryBytes(e *Entry) int { return len(e.Data) + entryOverhead }

// raftLog is the log: its newest entries, the terms of all, and how far each
// stage has come.
//
//	1 ........... first .......................... last
//	  (dropped)   | entries, in memory                |
//
//	applied <= delivered <= min(commit, stable)
//	stable <= written <= last,  commit <= last
//	first <= min(applied, stable) + 1
//
// Entries are shared with whoever got them in a Ready, so a position of the
// entries array is written to once and never again: the slice is appended to,
// cut in front, or, on a conflict, cut at the end with its capacity, so that
// the next append moves to a new array.
type raftLog struct {
	entries []Entry   // entries[i] has index first+i
	first   Index     // last+1 when entries is empty
	bytes   int       // of entries
	runs    []TermRun // cover (0, last]; both fields strictly increase

	written   Index // handed to the driver to be written
	stable    Index // durable here
	commit    Index // known to be committed
	delivered Index // handed to the driver to be applied
	applied   Index // applied by the driver

	// writes are the unacknowledged writes with entries, oldest first; last is
	// the end of what is durable after that write and is still in the log.
	// Invariant: seq strictly increases, last does not decrease.
	writes []logWrite
}

type logWrite struct {
	seq  uint64
	last Index
}

func newLog(s State) raftLog {
	l := raftLog{
		entries: s.Entries[:len(s.Entries):len(s.Entries)],
		first:   s.Last + 1 - Index(len(s.Entries)),
		runs:    append([]TermRun(nil), s.Runs...),
		written: s.Last, stable: s.Last,
		commit:    max(s.HardState.Commit, s.Applied),
		delivered: s.Applied, applied: s.Applied,
	}
	for i := range l.entries {
		l.bytes += entryBytes(&l.entries[i])
	}
	return l
}

func (l *raftLog) last() Index { return l.first + Index(len(l.entries)) - 1 }

func (l *raftLog) lastTerm() Term {
	if len(l.runs) == 0 {
		return 0
	}
	return l.runs[len(l.runs)-1].Term
}

// run returns the position in runs of the run that covers i, for 1 <= i <=
// last.
func (l *raftLog) run(i Index) int {
	n := len(l.runs)
	if l.runs[n-1].First <= i { // nearly always
		return n - 1
	}
	return sort.Search(n, func(k int) bool { return l.runs[k].First > i }) - 1
}

// term returns the term of the entry at i. The place before the first entry
// has term 0; past the end there is none.
func (l *raftLog) term(i Index) (Term, bool) {
	if i == 0 {
		return 0, true
	}
	if i > l.last() {
		return 0, false
	}
	return l.runs[l.run(i)].Term, true
}

// matches: the entry at i has term t (the consistency check of §5.3).
func (l *raftLog) matches(i Index, t Term) bool {
	own, ok := l.term(i)
	return ok && own == t
}

// lastAtMost returns the largest index <= i, and <= last, whose term is <= t,
// and its term. It is 0 when there is none.
func (l *raftLog) lastAtMost(i Index, t Term) (Index, Term) {
	i = min(i, l.last())
	if i == 0 {
		return 0, 0
	}
	for k := l.run(i); k >= 0; k-- {
		if l.runs[k].Term <= t {
			return i, l.runs[k].Term
		}
		i = l.runs[k].First - 1
	}
	return 0, 0
}

// upToDate: a log that ends at index i in term t is at least as up-to-date as
// this one (§5.4.1).
func (l *raftLog) upToDate(i Index, t Term) bool {
	own := l.lastTerm()
	return t > own || t == own && i >= l.last()
}

// append adds an entry after the last.
func (l *raftLog) append(e Entry) {
	assert(e.Index == l.last()+1, "an entry is appended that does not follow the last")
	assert(e.Term >= l.lastTerm(), "an entry is appended with a term lower than the last")
	if e.Term != l.lastTerm() {
		l.runs = append(l.runs, TermRun{First: e.Index, Term: e.Term})
	}
	l.entries = append(l.entries, e)
	l.bytes += entryBytes(&e)
}

// truncate removes every entry after k, which is at least the commit index.
func (l *raftLog) truncate(k Index) {
	assert(k >= l.commit, "a committed entry is removed")
	n := int(k + 1 - l.first)
	for i := n; i < len(l.entries); i++ {
		l.bytes -= entryBytes(&l.entries[i])
	}
	l.entries = l.entries[:n:n]
	for len(l.runs) > 0 && l.runs[len(l.runs)-1].First > k {
		l.runs = l.runs[:len(l.runs)-1]
	}
	l.written = min(l.written, k)
	l.stable = min(l.stable, k)
	for i := range l.writes {
		l.writes[i].last = min(l.writes[i].last, k)
	}
}

// slice returns entries from lo on, below hi: at least one, then as many as
// fit in maxEntries and maxBytes. All of them must be in memory.
func (l *raftLog) slice(lo, hi Index, maxEntries, maxBytes int) (entries []Entry, bytes int) {
	from := int(lo - l.first)
	to, end := from, min(int(hi-l.first), from+maxEntries)
	for to < end {
		n := entryBytes(&l.entries[to])
		if to > from && bytes+n > maxBytes {
			break
		}
		bytes += n
		to++
	}
	return l.entries[from:to:to], bytes
}

// unwritten returns the entries for the write numbered seq.
func (l *raftLog) unwritten(seq uint64) []Entry {
	if l.written == l.last() {
		return nil
	}
	entries := l.entries[l.written+1-l.first:]
	l.written = l.last()
	l.writes = append(l.writes, logWrite{seq, l.written})
	return entries[:len(entries):len(entries)]
}

// persisted notes that all writes up to seq are durable.
func (l *raftLog) persisted(seq uint64) {
	n := 0
	for n < len(l.writes) && l.writes[n].seq <= seq {
		l.stable = max(l.stable, l.writes[n].last)
		n++
	}
	l.writes = append(l.writes[:0], l.writes[n:]...)
}

// deliver returns the next entries to apply: committed, durable here, and as
// many as fit in maxBytes.
func (l *raftLog) deliver(maxBytes int) []Entry {
	end := min(l.commit, l.stable)
	if end <= l.delivered {
		return nil
	}
	entries, _ := l.slice(l.delivered+1, end+1, int(end-l.delivered), maxBytes)
	l.delivered += Index(len(entries))
	return entries
}

// appliedTo notes that the driver applied up to i, and drops the oldest
// entries when those in memory exceed maxBytes. What is not applied and
// durable stays.
func (l *raftLog) appliedTo(i Index, maxBytes int) {
	assert(i >= l.applied && i <= l.delivered, "the applied index goes back, or past what was delivered")
	l.applied = i
	n, droppable := 0, int(min(l.applied, l.stable)+1)-int(l.first)
	for n < droppable && l.bytes > maxBytes {
		l.bytes -= entryBytes(&l.entries[n])
		n++
	}
	l.entries = l.entries[n:]
	l.first += Index(n)
}
