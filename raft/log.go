package raft

import "sort"

// entryOverhead is what an Entry costs beside its data: its size in memory,
// and more than its header's on the wire.
const entryOverhead = 48

func entryBytes(e *Entry) int { return len(e.Data) + entryOverhead }

// raftLog is the log: its newest entries, the terms of all, and how far each
// stage has come.
//
//	1 ......... base ............ first .......................... last
//	  (cut off)  |   (on disk)      | entries, in memory               |
//
//	base < first,  base <= commit <= last
//	applied <= delivered <= min(commit, stable)
//	stable <= written <= last
//	first <= max(base, min(applied, stable)) + 1
//
// Only while a snapshot is being installed are stable, delivered and applied
// below base: the entries that they speak of are gone, and the image stands for
// them (see reset).
//
// Entries are shared with whoever got them in a Ready, so a position of the
// entries array is written to once and never again: the slice is appended to,
// cut in front, or, on a conflict, cut at the end with its capacity, so that
// the next append moves to a new array.
type raftLog struct {
	entries []Entry   // entries[i] has index first+i
	first   Index     // last+1 when entries is empty
	bytes   int       // of entries
	runs    []TermRun // cover (base, last]; both fields strictly increase

	// base is the index after which the log begins, baseTerm the term there.
	base     Index
	baseTerm Term

	written   Index // handed to the driver to be written
	stable    Index // durable here
	commit    Index // known to be committed
	delivered Index // handed to the driver to be applied
	applied   Index // applied by the driver
	unapplied int   // bytes of the entries in (applied, last]

	// unwrittenReset is a reset that was not handed out to be written yet,
	// uninstalled one whose image was not handed out to be installed yet.
	unwrittenReset, uninstalled *Snapshot

	// writes are the unacknowledged writes with entries or a reset, oldest
	// first; last is the end of what is durable after that write and is still in
	// the log.
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
		base:    s.Base, baseTerm: s.BaseTerm,
		written: s.Last, stable: s.Last,
		commit:    max(s.HardState.Commit, s.Applied),
		delivered: s.Applied, applied: s.Applied,
	}
	for i := range l.entries {
		n := entryBytes(&l.entries[i])
		l.bytes += n
		if l.entries[i].Index > l.applied {
			l.unapplied += n
		}
	}
	return l
}

func (l *raftLog) last() Index { return l.first + Index(len(l.entries)) - 1 }

func (l *raftLog) lastTerm() Term {
	if len(l.runs) == 0 {
		return l.baseTerm
	}
	return l.runs[len(l.runs)-1].Term
}

// run returns the position in runs of the run that covers i, for base < i <=
// last.
func (l *raftLog) run(i Index) int {
	n := len(l.runs)
	if l.runs[n-1].First <= i { // nearly always
		return n - 1
	}
	return sort.Search(n, func(k int) bool { return l.runs[k].First > i }) - 1
}

// term returns the term of the entry at i. At base it is baseTerm (0 before the
// first entry ever); before base and past the end it is not known.
func (l *raftLog) term(i Index) (Term, bool) {
	if i == l.base {
		return l.baseTerm, true
	}
	if i < l.base || i > l.last() {
		return 0, false
	}
	return l.runs[l.run(i)].Term, true
}

// matches: the entry at i has term t (the consistency check of §5.3).
func (l *raftLog) matches(i Index, t Term) bool {
	own, ok := l.term(i)
	return ok && own == t
}

// lastAtMost returns the largest index <= i, and in [base, last], whose term is
// <= t, and its term. It is 0 when there is none.
func (l *raftLog) lastAtMost(i Index, t Term) (Index, Term) {
	i = min(i, l.last())
	if i > l.base {
		for k := l.run(i); k >= 0; k-- {
			if l.runs[k].Term <= t {
				return i, l.runs[k].Term
			}
			i = l.runs[k].First - 1
		}
	}
	if i == l.base && l.baseTerm <= t {
		return i, l.baseTerm
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
	if len(l.runs) == 0 || e.Term != l.lastTerm() { // a log that begins after base has no run yet
		l.runs = append(l.runs, TermRun{First: e.Index, Term: e.Term})
	}
	l.entries = append(l.entries, e)
	n := entryBytes(&e)
	l.bytes += n
	l.unapplied += n
}

// truncate removes every entry after k, which is at least the commit index.
func (l *raftLog) truncate(k Index) {
	assert(k >= l.commit, "a committed entry is removed")
	n := int(k + 1 - l.first)
	for i := n; i < len(l.entries); i++ {
		size := entryBytes(&l.entries[i])
		l.bytes -= size
		l.unapplied -= size
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

// cut forgets everything up to base, which is applied.
func (l *raftLog) cut(base Index) {
	assert(base >= l.base && base <= l.applied, "the log is cut where its entries are still needed")
	term, _ := l.term(base)
	if base == l.last() {
		l.runs = nil
	} else {
		l.runs = l.runs[l.run(base+1):]
		l.runs = append([]TermRun{{First: base + 1, Term: l.runs[0].Term}}, l.runs[1:]...)
	}
	l.base, l.baseTerm = base, term
	if base >= l.first {
		l.drop(int(base + 1 - l.first))
	}
}

// drop removes the n oldest entries from memory.
func (l *raftLog) drop(n int) {
	for i := range n {
		l.bytes -= entryBytes(&l.entries[i])
	}
	l.entries = l.entries[n:]
	l.first += Index(n)
}

// reset replaces the whole log by a snapshot, which has entries that are
// committed and not in this log. The snapshot is written like an entry: until
// that write is durable, stable stays below base, and until the image is
// installed, delivered and applied do.
func (l *raftLog) reset(s Snapshot) {
	assert(s.Index > l.commit && !l.matches(s.Index, s.Term), "a snapshot replaces a log that has its entries")
	l.base, l.baseTerm = s.Index, s.Term
	l.entries, l.first, l.runs = nil, s.Index+1, nil
	l.bytes, l.unapplied = 0, 0
	l.commit, l.written = s.Index, s.Index
	l.stable = min(l.stable, s.Index-1)
	l.writes = nil
	l.unwrittenReset, l.uninstalled = &s, &s
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

// isNoop: the entry at i is in memory and a no-op.
func (l *raftLog) isNoop(i Index) bool {
	return i >= l.first && i <= l.last() && l.entries[i-l.first].Type == EntryNoop
}

// unwritten returns the reset and the entries for the write numbered seq.
func (l *raftLog) unwritten(seq uint64) (*Snapshot, []Entry) {
	if !l.mustWrite() {
		return nil, nil
	}
	reset, entries := l.unwrittenReset, l.entries[l.written+1-l.first:]
	l.unwrittenReset = nil
	l.written = l.last()
	l.writes = append(l.writes, logWrite{seq, l.written})
	return reset, entries[:len(entries):len(entries)]
}

// mustWrite: there are entries, or a reset, that were not handed out to be
// written.
func (l *raftLog) mustWrite() bool { return l.written < l.last() || l.unwrittenReset != nil }

// persisted notes that all writes up to seq are durable.
func (l *raftLog) persisted(seq uint64) {
	n := 0
	for n < len(l.writes) && l.writes[n].seq <= seq {
		l.stable = max(l.stable, l.writes[n].last)
		n++
	}
	l.writes = append(l.writes[:0], l.writes[n:]...)
}

// install returns the snapshot whose image is to be installed now: the log
// begins after it durably.
func (l *raftLog) install() *Snapshot {
	if l.uninstalled == nil || l.stable < l.base {
		return nil
	}
	s := l.uninstalled
	l.uninstalled, l.delivered = nil, s.Index
	return s
}

// deliver returns the next entries to apply: committed, durable here, and as
// many as fit in maxBytes.
func (l *raftLog) deliver(maxBytes int) []Entry {
	end := min(l.commit, l.stable)
	if end <= l.delivered || l.uninstalled != nil {
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
	for k := max(l.applied+1, l.first); k <= i; k++ {
		l.unapplied -= entryBytes(&l.entries[k-l.first])
	}
	l.applied = i
	n, droppable, over := 0, int(min(l.applied, l.stable)+1)-int(l.first), l.bytes-maxBytes
	for n < droppable && over > 0 {
		over -= entryBytes(&l.entries[n])
		n++
	}
	l.drop(n)
}
