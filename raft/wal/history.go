package wal

import (
	"fmt"

	"quorate/raft"
)

// history is what the records so far add up to, apart from the entries
// themselves. It knows which records may follow: the same rules are asserted
// before a record is written and after it was read.
type history struct {
	hardState raft.HardState
	last      raft.Index
	// runs covers (0, last].
	runs []raft.TermRun
}

// term returns the term of the entry at i; 0 before the first.
func (h *history) term(i raft.Index) raft.Term {
	for n := len(h.runs) - 1; n >= 0; n-- {
		if h.runs[n].First <= i {
			return h.runs[n].Term
		}
	}
	return 0
}

// entry adds an entry. It supersedes those with the same or a higher index.
func (h *history) entry(index raft.Index, term raft.Term) error {
	switch {
	case index == 0 || index > h.last+1:
		return fmt.Errorf("entry %d after %d", index, h.last)
	case index <= h.hardState.Commit:
		return fmt.Errorf("entry %d supersedes a committed one (commit index %d)", index, h.hardState.Commit)
	case term == 0 || term < h.term(index-1):
		return fmt.Errorf("entry %d of term %d after one of term %d", index, term, h.term(index-1))
	}
	for len(h.runs) > 0 && h.runs[len(h.runs)-1].First >= index {
		h.runs = h.runs[:len(h.runs)-1]
	}
	if len(h.runs) == 0 || h.runs[len(h.runs)-1].Term != term {
		h.runs = append(h.runs, raft.TermRun{First: index, Term: term})
	}
	h.last = index
	return nil
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

// accept adds a Write.
func (h *history) accept(w *Write) error {
	for i := range w.Entries {
		if err := h.entry(w.Entries[i].Index, w.Entries[i].Term); err != nil {
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
