package wal

// This property drives a log and the simplest thing that could be one, a slice
// of entries and a HardState, with the same random calls: appends, entries of a
// new leader that supersede others, groups, snapshots, cuts, reads, reopenings after Close, after
// the death of the process and after the loss of power. They never differ.

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/vfs"
	"quorate/raft"
)

func TestLogBehavesLikeASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &machine{disk: vfs.NewMem(), states: []modelState{emptyLog()}}
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
			"cut":    m.cut,
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
	if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
		model = m.snapshot(t, &w)
	}
	hs := model.hardState
	last := model.last()
	if rapid.Bool().Draw(t, "new term") {
		hs.Term++
		hs.Vote = raft.NodeID(rapid.IntRange(0, 3).Draw(t, "vote"))
	}
	if hs.Term > 0 && rapid.Bool().Draw(t, "entries") {
		first := last + 1
		if last > model.base && model.termAt(last) < hs.Term {
			first = raft.Index(rapid.Uint64Range(uint64(hs.Commit)+1, uint64(last)+1).Draw(t, "first"))
		}
		count := rapid.IntRange(1, 6).Draw(t, "count")
		dataBytes := rapid.SampledFrom([]int{0, 1, 7, 8, 100, 1000, 5000}).Draw(t, "bytes")
		w.Entries = entries(hs.Term, first, first+raft.Index(count), dataBytes)
		if rapid.IntRange(0, 3).Draw(t, "change") == 0 {
			w.Entries[0] = change(hs.Term, first, raft.NodeID(rapid.IntRange(3, 6).Draw(t, "mark")))[0]
		}
		last = first + raft.Index(count) - 1
	}
	hs.Commit = raft.Index(rapid.Uint64Range(uint64(hs.Commit), uint64(last)).Draw(t, "commit"))
	if hs != model.hardState {
		w.HardState = &hs
	}
	w.Sync = rapid.Bool().Draw(t, "sync")
	return w
}

// snapshot draws one, and returns what the log holds then.
func (m *machine) snapshot(t *rapid.T, w *Write) modelState {
	model := m.model()
	index := model.hardState.Commit + raft.Index(rapid.IntRange(1, 20).Draw(t, "beyond the commit index"))
	term := model.hardState.Term
	if term == 0 || index <= model.last() && term == model.termAt(index) {
		return model // nothing is committed, or the log has the entry
	}
	w.Snapshot = snapshotAt(index, term, raft.NodeID(rapid.IntRange(3, 6).Draw(t, "mark")))
	return model.after(*w)
}

func (m *machine) append(t *rapid.T) {
	var writes []Write
	durable := 0
	for range rapid.IntRange(1, 4).Draw(t, "writes") {
		w := m.write(t)
		writes = append(writes, w)
		m.states = append(m.states, m.model().after(w))
		if w.Sync {
			durable = len(m.states) - 1
		} else if w.Snapshot != nil {
			durable = max(durable, len(m.states)-1)
		}
	}
	if _, err := m.log.Append(writes); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(writes, func(w Write) bool { return w.Sync }) {
		durable = len(m.states) - 1
	}
	m.states = m.states[durable:]
}

// cut cuts up to some committed entry, or tries more.
func (m *machine) cut(t *rapid.T) {
	model := m.model()
	through := raft.Index(rapid.Uint64Range(0, uint64(model.hardState.Commit)+3).Draw(t, "through"))
	base, err := m.log.Cut(through)
	if err != nil {
		t.Fatal(err)
	}
	if base < model.cut || base > max(model.cut, min(through, model.hardState.Commit)) {
		t.Fatalf("Cut(%d) = %d, which was at %d; commit index %d", through, base, model.cut, model.hardState.Commit)
	}
	if base > model.cut {
		model.mayCut, model.cut = base, base
		m.states = []modelState{model} // it flushes
		return
	}
	// Segments without live entries may have gone: then, too, all is durable.
}

func (m *machine) read(t *rapid.T) {
	model := m.model()
	first := model.cut + 1
	all := model.above(model.cut)
	if first > 1 {
		if _, err := m.log.Entries(first-1, first+1, 1); !errors.Is(err, ErrCut) {
			t.Fatalf("entry %d was cut off: %v", first-1, err)
		}
	}
	if len(all) == 0 {
		t.Skip("nothing to read")
	}
	lo := rapid.IntRange(0, len(all)-1).Draw(t, "lo")
	hi := rapid.IntRange(lo+1, len(all)).Draw(t, "hi")
	maxBytes := rapid.IntRange(0, 10000).Draw(t, "max bytes")
	got, err := m.log.Entries(first+raft.Index(lo), first+raft.Index(hi), maxBytes)
	if err != nil {
		t.Fatal(err)
	}
	var bytes int64
	fit := 0
	for fit < hi-lo && (fit == 0 || bytes+recordBytes(len(all[lo+fit].Data)) <= int64(maxBytes)) {
		bytes += recordBytes(len(all[lo+fit].Data))
		fit++
	}
	if !equalEntries(got, all[lo:lo+fit]) {
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
	s, err := wholeState(l)
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
	s, err := wholeState(m.log)
	if err != nil {
		t.Fatal(err)
	}
	if model := m.model(); !model.equal(s) {
		t.Fatalf("%+v, base %d, last %d; want %+v, base %d, last %d", s.HardState, s.Base, s.Last, model.hardState, model.cut, model.last())
	}
}
