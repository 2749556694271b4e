package wal

// The simplest thing that could be a log: what the tests compare logs with.

import (
	"reflect"
	"slices"

	"quorate/raft"
)

// modelState is what a log should hold: the entries after base.
type modelState struct {
	hardState     raft.HardState
	base          raft.Index
	baseTerm      raft.Term
	configuration raft.ConfigurationAt // at base
	entries       []raft.Entry
	// A log may have been cut up to mayCut, and has been up to cut.
	cut, mayCut raft.Index
}

// emptyLog is what a log holds that was just made.
func emptyLog() modelState {
	return modelState{configuration: raft.ConfigurationAt{Configuration: testConfiguration}}
}

func (m modelState) last() raft.Index { return m.base + raft.Index(len(m.entries)) }

func (m modelState) after(w Write) modelState {
	if s := w.Snapshot; s != nil {
		hs := m.hardState
		hs.Commit = s.Index
		m = modelState{hardState: hs, base: s.Index, baseTerm: s.Term, configuration: s.Configuration, cut: s.Index, mayCut: s.Index}
	}
	if len(w.Entries) > 0 {
		keep := w.Entries[0].Index - 1 - m.base
		m.entries = append(m.entries[:keep:keep], w.Entries...)
	}
	if w.HardState != nil {
		m.hardState = *w.HardState
	}
	return m
}

// above returns the entries after base, which the log may have cut off to.
func (m modelState) above(base raft.Index) []raft.Entry { return m.entries[base-m.base:] }

// termAt returns the term of an entry, or of base.
func (m modelState) termAt(i raft.Index) raft.Term {
	if i == m.base {
		return m.baseTerm
	}
	return m.entries[i-m.base-1].Term
}

// configurations returns those in the log when it begins after base.
func (m modelState) configurations(base raft.Index) []raft.ConfigurationAt {
	all := []raft.ConfigurationAt{m.configuration}
	for i := range m.entries {
		e := &m.entries[i]
		if e.Type != raft.EntryConfiguration {
			continue
		}
		c, err := raft.DecodeConfiguration(e.Data)
		if err != nil {
			panic(err) // the test has made it
		}
		if e.Index <= base {
			all = all[:0]
		}
		all = append(all, raft.ConfigurationAt{Index: e.Index, Configuration: c})
	}
	return all
}

// runs returns the terms of the entries after base.
func (m modelState) runs(base raft.Index) (runs []raft.TermRun) {
	for _, e := range m.above(base) {
		if len(runs) == 0 || runs[len(runs)-1].Term != e.Term {
			runs = append(runs, raft.TermRun{First: e.Index, Term: e.Term})
		}
	}
	return runs
}

func (m modelState) equal(s raft.State) bool {
	return s.HardState == m.hardState && s.Last == m.last() &&
		s.Base >= m.cut && s.Base <= max(m.base, m.mayCut) && s.BaseTerm == m.termAt(s.Base) &&
		slices.Equal(s.Runs, m.runs(s.Base)) && equalEntries(s.Entries, m.above(s.Base)) &&
		reflect.DeepEqual(s.Configurations, m.configurations(s.Base))
}

// modelOf is the model of a log that holds s.
func modelOf(s raft.State) modelState {
	return modelState{
		hardState: s.HardState, base: s.Base, baseTerm: s.BaseTerm, configuration: s.Configurations[0],
		entries: s.Entries, cut: s.Base,
	}
}

// wholeState is all that a log holds.
func wholeState(l *Log) (raft.State, error) {
	base, _ := l.Base()
	return l.State(base)
}
