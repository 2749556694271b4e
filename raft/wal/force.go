package wal

import (
	"fmt"

	"quorate/raft"
)

// ForceConfiguration makes c the cluster's configuration without asking anyone,
// and returns the index of the entry that carries it. It is for a cluster that
// has lost its majority for good, with no process running on this log.
//
// It decides what only a majority may decide: all entries of this log are
// committed by it, also those that the lost majority had not agreed on, and what
// was committed but had not reached this member is lost. So it is used on one
// member only, the one with the longest log of the highest term; the others of c
// come in anew, with empty data directories. Members that were left out and are
// still alive somewhere must never be started again.
func ForceConfiguration(o Options, c raft.Configuration) (raft.Index, error) {
	l, err := Open(o)
	if err != nil {
		return 0, err
	}
	index, err := l.force(c)
	if closeErr := l.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return 0, err
	}
	return index, nil
}

// force appends the configuration in a new term, of which this member is the
// leader that nobody else can be: it has its vote.
func (l *Log) force(c raft.Configuration) (raft.Index, error) {
	own, found := c.Member(l.identity.Node)
	if !found || own.Suffrage != raft.Voter {
		return 0, fmt.Errorf("wal: member %v, whose log this is, is no voter of the configuration to be forced: name it among the voters", l.identity.Node)
	}
	h := &l.history
	index := h.last + 1
	term := h.hardState.Term + 1
	data := raft.AppendConfiguration(nil, c)
	_, err := l.Append([]Write{{
		Entries:   []raft.Entry{{Term: term, Index: index, Type: raft.EntryConfiguration, Data: data}},
		HardState: &raft.HardState{Term: term, Vote: l.identity.Node, Commit: index},
		Sync:      true,
	}})
	return index, err
}
