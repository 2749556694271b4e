package raft

import (
	"errors"
	"fmt"
)

// validateMessage refuses what a correct member of this cluster would not
// send, as far as the message itself shows it, and returns its sender, nil when
// that is not in the configuration. It may still be a member: this one's
// configuration may be behind. That it is of this cluster is for the transport
// to know.
func (r *Raft) validateMessage(m *Message) (*peer, error) {
	if m.To != r.id {
		return nil, refuse(m, "it is for member %s, this is %s", m.To, r.id)
	}
	if m.From == 0 || m.From == r.id {
		return nil, refuse(m, "the sender is not another member of the cluster")
	}
	p := r.peer(m.From)
	if m.Type < PreVote || m.Type > InstallSnapshot {
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
	switch m.Type {
	case AppendEntries:
		return p, validateEntries(m)
	case InstallSnapshot:
		return p, validateSnapshot(m)
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
		switch e.Type {
		case EntryNormal, EntryNoop:
		case EntryConfiguration:
			if err := validateConfigurationEntry(e); err != nil {
				return refuse(m, "entry %d: %v", e.Index, err)
			}
		default:
			return refuse(m, "entry %d has the unknown type %d; is the sender a newer version?", e.Index, e.Type)
		}
		term = e.Term
	}
	return nil
}

func validateConfigurationEntry(e *Entry) error {
	c, err := DecodeConfiguration(e.Data)
	if err != nil {
		return err
	}
	if len(c.Members) == 0 {
		return errors.New("raft: the configuration has no members")
	}
	return c.validate()
}

func validateSnapshot(m *Message) error {
	s := m.Snapshot
	if s == nil || s.Index == 0 || s.Index > indexMax || s.Term == 0 || s.Term > m.Term ||
		s.Configuration.Index > s.Index || len(s.Configuration.Configuration.Members) == 0 {
		return refuse(m, "it names no image")
	}
	if err := s.Configuration.Configuration.validate(); err != nil {
		return refuse(m, "%v", err)
	}
	return nil
}

// validate says in a sentence what is wrong with what a log remembered.
func (s State) validate() error {
	if err := s.validateRuns(); err != nil {
		return err
	}
	if s.HardState.Term > termMax {
		return fmt.Errorf("raft: no cluster lives to see term %d: the hard state is damaged", s.HardState.Term)
	}
	l := newLog(s)
	if last := l.lastTerm(); last > s.HardState.Term {
		return fmt.Errorf("raft: the log ends in term %d, but the hard state knows only term %d", last, s.HardState.Term)
	}
	if s.HardState.Commit > s.Last {
		return fmt.Errorf("raft: index %d was committed, but the log ends at %d: it has lost entries; re-seed this member", s.HardState.Commit, s.Last)
	}
	if s.Applied > s.Last {
		return fmt.Errorf("raft: index %d was applied, but the log ends at %d: it has lost entries; re-seed this member", s.Applied, s.Last)
	}
	if s.Applied < s.Base {
		return fmt.Errorf("raft: index %d was applied, but the log begins after %d: the state machine has lost entries; re-seed this member", s.Applied, s.Base)
	}
	n := Index(len(s.Entries))
	if n > s.Last-s.Base || s.Last-n > s.Applied {
		return fmt.Errorf("raft: %d entries do not reach from the log's end, %d, back to what is not applied, %d", n, s.Last, s.Applied+1)
	}
	for i := range s.Entries {
		e := &s.Entries[i]
		if want := s.Last - n + 1 + Index(i); e.Index != want || !l.matches(e.Index, e.Term) {
			return fmt.Errorf("raft: entry %d with term %d is where the log has entry %d", e.Index, e.Term, want)
		}
	}
	return s.validateConfigurations()
}

func (s *State) validateRuns() error {
	if s.Last > indexMax || s.Base > s.Last || (s.Base == 0) != (s.BaseTerm == 0) {
		return fmt.Errorf("raft: there is no log from after %d, term %d, to %d", s.Base, s.BaseTerm, s.Last)
	}
	if (s.Last == s.Base) != (len(s.Runs) == 0) || len(s.Runs) > 0 && s.Runs[0].First != s.Base+1 {
		return fmt.Errorf("raft: the term runs do not cover the log, which goes from after %d to %d", s.Base, s.Last)
	}
	for i, run := range s.Runs {
		if run.Term == 0 || run.Term < s.BaseTerm || run.First > s.Last ||
			i > 0 && (run.First <= s.Runs[i-1].First || run.Term <= s.Runs[i-1].Term) {
			return fmt.Errorf("raft: term run %d (term %d from index %d) is out of order", i, run.Term, run.First)
		}
	}
	return nil
}

func (s *State) validateConfigurations() error {
	if len(s.Configurations) == 0 {
		return errors.New("raft: the log has no configuration")
	}
	for i := range s.Configurations {
		c := &s.Configurations[i]
		if i == 0 && c.Index > s.Base || i > 0 && (c.Index <= s.Base || c.Index > s.Last || c.Index <= s.Configurations[i-1].Index) {
			return fmt.Errorf("raft: configuration %d, of index %d, is out of order in a log from after %d to %d", i, c.Index, s.Base, s.Last)
		}
		if err := c.Configuration.validate(); err != nil {
			return err
		}
	}
	return nil
}
