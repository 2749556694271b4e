package wal

import (
	"fmt"

	"quorate/raft"
)

// history is what the records so far add up to, apart from the entries
// themselves. It knows which records may follow: the same rules are asserted
// before a record is written and after it was read.
//
// A copy of a history stays what it is when the original goes on: what its
// slices hold is never written over.
type history struct {
	hardState raft.HardState
	// kept is the first segment that belongs to the log. It begins after base,
	// whose term is baseTerm; what is before is in the state machine alone.
	// Invariant, when a Write is complete: base <= hardState.Commit <= last.
	kept     SegmentNumber
	base     raft.Index
	baseTerm raft.Term
	last     raft.Index
	// runs covers (base, last].
	runs []raft.TermRun
	// configurations are those in (base, last], oldest first, and before them the
	// one in force at base.
	configurations []raft.ConfigurationAt
}

// term returns the term of the entry at i, which is in [base, last].
func (h *history) term(i raft.Index) raft.Term {
	for n := len(h.runs) - 1; n >= 0; n-- {
		if h.runs[n].First <= i {
			return h.runs[n].Term
		}
	}
	return h.baseTerm
}

// inForce returns the newest configuration.
func (h *history) inForce() raft.ConfigurationAt {
	return h.configurations[len(h.configurations)-1]
}

// entry adds an entry. It supersedes those with the same or a higher index. c is
// the configuration that it carries, if it does.
func (h *history) entry(index raft.Index, term raft.Term, c *raft.Configuration) error {
	switch {
	case index > h.last+1:
		return fmt.Errorf("entry %d after %d", index, h.last)
	case index <= h.base:
		return fmt.Errorf("entry %d, and the log begins after %d", index, h.base)
	case index <= h.hardState.Commit:
		return fmt.Errorf("entry %d supersedes a committed one (commit index %d)", index, h.hardState.Commit)
	case term == 0 || term < h.term(index-1):
		return fmt.Errorf("entry %d of term %d after one of term %d", index, term, h.term(index-1))
	}
	if index <= h.last {
		h.truncate(index)
	}
	if n := len(h.runs); n == 0 || h.runs[n-1].Term != term {
		h.runs = append(h.runs, raft.TermRun{First: index, Term: term})
	}
	if c != nil {
		h.configurations = append(h.configurations, raft.ConfigurationAt{Index: index, Configuration: *c})
	}
	h.last = index
	return nil
}

// truncate forgets the entries from index on, which is above base, and the
// configurations that they carry (thesis §4.1: a server goes back to the
// configuration before).
func (h *history) truncate(index raft.Index) {
	n := len(h.runs)
	for n > 0 && h.runs[n-1].First >= index {
		n--
	}
	h.runs = h.runs[:n:n] // so that append moves to new memory
	n = len(h.configurations)
	for n > 1 && h.configurations[n-1].Index >= index {
		n--
	}
	h.configurations = h.configurations[:n:n]
	h.last = index - 1
}

// setHardState replaces the HardState. Within a Write it comes after the
// entries, which may supersede what it then calls committed.
func (h *history) setHardState(hs raft.HardState) error {
	was := h.hardState
	switch {
	case hs.Term < was.Term:
		return fmt.Errorf("term %d after %d", hs.Term, was.Term)
	case hs.Term == was.Term && was.Vote != 0 && hs.Vote != was.Vote:
		return fmt.Errorf("a second vote in term %d, for %v after %v", hs.Term, hs.Vote, was.Vote)
	case hs.Commit < was.Commit:
		return fmt.Errorf("commit index %d after %d", hs.Commit, was.Commit)
	}
	h.hardState = hs
	return nil
}

// complete checks what must hold between Writes, though not within one.
func (h *history) complete() error {
	switch {
	case h.hardState.Commit > h.last:
		return fmt.Errorf("commit index %d beyond the last entry, %d", h.hardState.Commit, h.last)
	case h.term(h.last) > h.hardState.Term:
		return fmt.Errorf("an entry of term %d in term %d", h.term(h.last), h.hardState.Term)
	}
	return nil
}

// accept adds a Write, but for its Snapshot.
func (h *history) accept(w *Write) error {
	for i := range w.Entries {
		e := &w.Entries[i]
		c, err := configurationOf(e)
		if err == nil {
			err = h.entry(e.Index, e.Term, c)
		}
		if err != nil {
			return err
		}
	}
	if w.HardState != nil {
		if err := h.setHardState(*w.HardState); err != nil {
			return err
		}
	}
	return h.complete()
}

// reset forgets every entry: the log begins after the snapshot's, with segment
// kept. What the snapshot contains is committed.
func (h *history) reset(s *raft.Snapshot, kept SegmentNumber) error {
	switch {
	case s.Index == 0 || s.Term == 0:
		return fmt.Errorf("a snapshot at entry %d of term %d", s.Index, s.Term)
	case s.Index <= h.hardState.Commit:
		return fmt.Errorf("a snapshot at entry %d would undo committed ones (commit index %d)", s.Index, h.hardState.Commit)
	case s.Index <= h.last && s.Term == h.term(s.Index):
		// §7: what follows it must stay, for it may have been acknowledged.
		return fmt.Errorf("a snapshot at entry %d of term %d, which the log has", s.Index, s.Term)
	case s.Configuration.Index > s.Index:
		return fmt.Errorf("a snapshot at entry %d with a configuration of entry %d", s.Index, s.Configuration.Index)
	}
	hs := h.hardState
	hs.Commit = s.Index
	*h = history{
		hardState:      hs,
		kept:           kept,
		base:           s.Index,
		baseTerm:       s.Term,
		last:           s.Index,
		configurations: []raft.ConfigurationAt{s.Configuration},
	}
	return nil
}

// cut makes the log begin after base, which is in [base, commit index], with
// segment kept.
func (h *history) cut(base raft.Index, kept SegmentNumber) {
	h.baseTerm = h.term(base)
	n := 0
	for n < len(h.runs) && h.runs[n].First <= base {
		n++
	}
	runs := append([]raft.TermRun(nil), h.runs[n:]...)
	if base < h.last && (len(runs) == 0 || runs[0].First > base+1) {
		runs = append([]raft.TermRun{{First: base + 1, Term: h.baseTerm}}, runs...)
	}
	n = 0
	for n+1 < len(h.configurations) && h.configurations[n+1].Index <= base {
		n++
	}
	h.configurations = append([]raft.ConfigurationAt(nil), h.configurations[n:]...)
	h.runs, h.base, h.kept = runs, base, kept
}

// configurationOf returns the configuration that an entry carries, if it does.
func configurationOf(e *raft.Entry) (*raft.Configuration, error) {
	if e.Type != raft.EntryConfiguration {
		return nil, nil
	}
	if len(e.Data) > maxConfigurationBytes {
		return nil, fmt.Errorf("a configuration of %d bytes: the limit is %d", len(e.Data), maxConfigurationBytes)
	}
	c, err := raft.DecodeConfiguration(e.Data)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Index, err)
	}
	return &c, nil
}
