package raft

import "fmt"

// validateMessage refuses what a correct member of this cluster would not
// send, as far as the message itself shows it, and returns its sender.
func (r *Raft) validateMessage(m *Message) (*peer, error) {
	if m.To != r.id {
		return nil, refuse(m, "it is for member %s, this is %s", m.To, r.id)
	}
	p := r.peer(m.From)
	if p == nil {
		return nil, refuse(m, "the sender is not another member of the cluster")
	}
	if m.Type < PreVote || m.Type > ReadIndexResponse {
		return nil, refuse(m, "the type is unknown")
	}
	if m.Term == 0 && !(m.Type == PreVoteResponse && m.Reject) {
		return nil, refuse(m, "term 0 is before the first term")
	}
	if m.Term > termMax {
		return nil, refuse(m, "no cluster lives to see term %d", m.Term)
	}
	switch m.Type {
	case PreVote, RequestVote, AppendEntries:
		if (m.Index == 0) != (m.LogTerm == 0) || m.LogTerm > m.Term || m.Index > indexMax {
			return nil, refuse(m, "no log of term %d has index %d with term %d", m.Term, m.Index, m.LogTerm)
		}
	}
	if m.Type == AppendEntries {
		return p, validateEntries(m)
	}
	return p, nil
}

// indexMax and termMax keep the sum of a message's index and its number of
// entries, and the next term, from overflowing.
const (
	indexMax = Index(1) << 62
	termMax  = Term(1) << 62
)

func validateEntries(m *Message) error {
	term := m.LogTerm
	for i := range m.Entries {
		e := &m.Entries[i]
		if e.Index != m.Index+1+Index(i) {
			return refuse(m, "entry %d after index %d has index %d", i+1, m.Index, e.Index)
		}
		if e.Term < max(term, 1) || e.Term > m.Term {
			return refuse(m, "entry %d has term %d, after term %d and in term %d", e.Index, e.Term, term, m.Term)
		}
		if e.Type > EntryNoop {
			return refuse(m, "entry %d has the unknown type %d; is the sender a newer version?", e.Index, e.Type)
		}
		term = e.Term
	}
	return nil
}

// validate says in a sentence what is wrong with what a log remembered.
func (s State) validate(self NodeID) error {
	if err := s.configuration().validate(self); err != nil {
		return err
	}
	if (s.Last == 0) != (len(s.Runs) == 0) || len(s.Runs) > 0 && s.Runs[0].First != 1 || s.Last > indexMax {
		return fmt.Errorf("raft: the term runs do not cover the log, which ends at %d", s.Last)
	}
	for i, run := range s.Runs {
		if run.Term == 0 || run.First > s.Last ||
			i > 0 && (run.First <= s.Runs[i-1].First || run.Term <= s.Runs[i-1].Term) {
			return fmt.Errorf("raft: term run %d (term %d from index %d) is out of order", i, run.Term, run.First)
		}
	}
	if s.HardState.Term > termMax {
		return fmt.Errorf("raft: no cluster lives to see term %d: the hard state is damaged", s.HardState.Term)
	}
	if n := len(s.Runs); n > 0 && s.Runs[n-1].Term > s.HardState.Term {
		return fmt.Errorf("raft: the log ends in term %d, but the hard state knows only term %d", s.Runs[n-1].Term, s.HardState.Term)
	}
	if s.HardState.Commit > s.Last {
		return fmt.Errorf("raft: index %d was committed, but the log ends at %d: it has lost entries; re-seed this member", s.HardState.Commit, s.Last)
	}
	if s.Applied > s.Last {
		return fmt.Errorf("raft: index %d was applied, but the log ends at %d: it has lost entries; re-seed this member", s.Applied, s.Last)
	}
	n := Index(len(s.Entries))
	if n > s.Last || s.Last-n > s.Applied {
		return fmt.Errorf("raft: %d entries do not reach from the log's end, %d, back to what is not applied, %d", n, s.Last, s.Applied+1)
	}
	l := newLog(s)
	for i := range s.Entries {
		e := &s.Entries[i]
		if want := s.Last - n + 1 + Index(i); e.Index != want || !l.matches(e.Index, e.Term) {
			return fmt.Errorf("raft: entry %d with term %d is where the log has entry %d", e.Index, e.Term, want)
		}
	}
	return nil
}
