package wal

// This property drives a log and the simplest thing that could be one, a slice
// of entries and a HardState, with the same random calls: appends, entries of a
// new leader that supersede others, groups, reads, reopenings after Close, after
// the death of the process and after the loss of power. They never differ.

import (
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/vfs"
	"quorate/raft"
)

func TestLogBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{disk: vfs.NewMem(), states: []modelState{{}}}
		m.options = func() Options {
			o := memOptions(m.disk)
			o.SegmentBytes = m.segmentBytes
			return o
		}
		m.segmentBytes = rapid.Int64Range(3, 8).Draw(t, "blocks") * blockBytes
		l, err := Create(m.options(), testIdentity, testConfiguration)
		if err != nil {
			t.Fatal(err)
		}
		m.log = l
		t.Repeat(map[string]func(*rapid.T){
			"append": m.append,
			"read":   m.read,
			"close":  m.close,
			"kill":   m.kill,
			"power":  m.power,
			"":       m.check,
		})
	})
}

// machine is a log and its model.
type machine struct {
	disk         *vfs.Mem
	segmentBytes int64
	options      func() Options
	log          *Log
	// states are the model after each Write since the last one that is known to
	// be durable, which is the first.
	states []modelState
}

func (m *machine) model() modelState { return m.states[len(m.states)-1] }

// write draws a Write that the core could make.
func (m *machine) write(t *rapid.T) (w Write) {
	model := m.model()
	hs := model.hardState
	last := raft.Index(len(model.entries))
	if rapid.Bool().Draw(t, "new term") {
		hs.Term++
		hs.Vote = raft.NodeID(rapid.IntRange(0, 3).Draw(t, "vote"))
	}
	if hs.Term > 0 && rapid.Bool().Draw(t, "entries") {
		first := last + 1
		if last > 0 && model.entries[last-1].Term < hs.Term {
			first = raft.Index(rapid.Uint64Range(uint64(hs.Commit)+1, uint64(last)+1).Draw(t, "first"))
		}
		count := rapid.IntRange(1, 6).Draw(t, "count")
		dataBytes := rapid.SampledFrom([]int{0, 1, 7, 8, 100, 1000, 5000}).Draw(t, "bytes")
		w.Entries = entries(hs.Term, first, first+raft.Index(count), dataBytes)
		last = first + raft.Index(count) - 1
	}
	hs.Commit = raft.Index(rapid.Uint64Range(uint64(hs.Commit), uint64(last)).Draw(t, "commit"))
	if hs != model.hardState {
		w.HardState = &hs
	}
	w.Sync = rapid.Bool().Draw(t, "sync")
	return w
}

func (m *machine) append(t *rapid.T) {
	var writes []Write
	sync := false
	for range rapid.IntRange(1, 4).Draw(t, "writes") {
		w := m.write(t)
		sync = sync || w.Sync
		writes = append(writes, w)
		m.states = append(m.states, m.model().after(w))
	}
	if err := m.log.Append(writes); err != nil {
		t.Fatal(err)
	}
	if sync {
		m.states = m.states[len(m.states)-1:]
	}
}

func (m *machine) read(t *rapid.T) {
	all := m.model().entries
	if len(all) == 0 {
		t.Skip("nothing to read")
	}
	lo := rapid.IntRange(1, len(all)).Draw(t, "lo")
	hi := rapid.IntRange(lo+1, len(all)+1).Draw(t, "hi")
	maxBytes := rapid.IntRange(0, 10000).Draw(t, "max bytes")
	got, err := m.log.Entries(raft.Index(lo), raft.Index(hi), maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	fit := 0
	for fit < hi-lo && (fit == 0 || bytes+recordBytes(len(all[lo-1+fit].Data)) <= int64(maxBytes)) {
		bytes += recordBytes(len(all[lo-1+fit].Data))
		fit++
	}
	if !equalEntries(got, all[lo-1:lo-1+fit]) {
		t.Fatalf("Entries(%d, %d, %d): %d entries, want %d, or they differ", lo, hi, maxBytes, len(got), fit)
	}
}

func (m *machine) close(t *rapid.T) {
	if err := m.log.Close(); err != nil {
		t.Fatal(err)
	}
	m.reopen(t)
}

func (m *machine) kill(t *rapid.T) {
	if err := m.log.lock.Close(); err != nil {
		t.Fatal(err)
	}
	m.reopen(t)
}

// power loses what was not synced, or some of it; the log then holds what it
// held after one of the writes since.
func (m *machine) power(t *rapid.T) {
	m.disk = m.disk.CrashClone(vfs.RandomCrash(func(n int) int {
		return rapid.IntRange(0, n-1).Draw(t, "crash")
	}))
	l, err := Open(m.options())
	if err != nil {
		t.Fatal(err)
	}
	m.log = l
	s, err := l.State(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range m.states {
		if state.equal(s) {
			m.states = []modelState{state}
			return
		}
	}
	t.Fatalf("%+v, last %d: not what was there after any of the last %d writes", s.HardState, s.Last, len(m.states)-1)
}

func (m *machine) reopen(t *rapid.T) {
	l, err := Open(m.options())
	if err != nil {
		t.Fatal(err)
	}
	m.log = l
	m.states = m.states[len(m.states)-1:] // Open makes durable what it finds
}

func (m *machine) check(t *rapid.T) {
	s, err := m.log.State(0)
	if err != nil {
		t.Fatal(err)
	}
	if !m.model().equal(s) {
		t.Fatalf("%+v, last %d; want %+v, last %d", s.HardState, s.Last, m.model().hardState, len(m.model().entries))
	}
	for _, e := range s.Entries {
		term := raft.Term(0)
		for _, run := range s.Runs {
			if run.First <= e.Index {
				term = run.Term
			}
		}
		if term != e.Term {
			t.Fatalf("runs %v give entry %d term %d, not %d", s.Runs, e.Index, term, e.Term)
		}
	}
}
