package raft

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// logModel is the log as anybody would write it first: a slice, and a disk
// that gets whole writes in order.
type logModel struct {
	log     raftLog
	entries []Entry  // entries[i] has index base.Index+1+i
	base    Snapshot // what the log begins after
	disk    testDisk
	seq     uint64
	writes  []pendingWrite
	handed  []handedOut
	term    Term
}

// handedOut remembers what a slice held when it left the log.
type handedOut struct{ shared, copied []Entry }

// TestLogAgainstModel lets a raftLog and the model live through random
// appends, conflicts, writes, acknowledgements (some for several writes),
// commits, applications, cuts and resets. After each step the log must answer for every
// index as the model does, call stable only what the model's disk holds, and
// never have changed a slice that it handed out.
func TestLogAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &logModel{log: newLog(State{}), term: 1}
		t.Repeat(map[string]func(*rapid.T){
			"append":   m.append,
			"conflict": m.conflict,
			"write":    m.write,
			"persist":  m.persist,
			"commit":   m.commit,
			"apply":    m.apply,
			"cut":      m.cut,
			"reset":    m.reset,
			"":         m.check,
		})
	})
}

// TestLogBeginsAfterBase appends to a log that is empty because everything was
// cut off it, an entry of the term that the last one had.
func TestLogBeginsAfterBase(t *testing.T) {
	l := newLog(State{Base: 10, BaseTerm: 3, Last: 10, Applied: 10})
	l.append(Entry{Index: 11, Term: 3})
	if term, ok := l.term(11); !ok || term != 3 {
		t.Errorf("the entry after the base has term %d, %t; want 3", term, ok)
	}
}

func (m *logModel) append(t *rapid.T) {
	for range rapid.IntRange(1, 4).Draw(t, "entries") {
		m.term += Term(rapid.IntRange(0, 3).Draw(t, "term") / 3)
		e := Entry{Term: m.term, Index: m.log.last() + 1, Data: make([]byte, rapid.IntRange(0, 100).Draw(t, "bytes"))}
		m.log.append(e)
		m.entries = append(m.entries, e)
	}
}

// conflict replaces everything after some index by an entry of a new term, as
// a follower does for a new leader.
func (m *logModel) conflict(t *rapid.T) {
	if m.log.commit == m.log.last() {
		return
	}
	k := Index(rapid.IntRange(int(m.log.commit), int(m.log.last())-1).Draw(t, "keep"))
	m.log.truncate(k)
	m.entries = slices.Clip(m.entries[:k-m.base.Index])
	m.term++
	m.append(t)
}

func (m *logModel) write(*rapid.T) {
	reset, entries := m.log.unwritten(m.seq + 1)
	if reset == nil && len(entries) == 0 {
		return
	}
	m.seq++
	m.hand(entries)
	m.writes = append(m.writes, pendingWrite{seq: m.seq, snapshot: reset, entries: slices.Clone(entries)})
}

func (m *logModel) persist(t *rapid.T) {
	n := rapid.IntRange(0, len(m.writes)).Draw(t, "writes")
	if n == 0 {
		return
	}
	for _, w := range m.writes[:n] {
		m.disk.write(w)
	}
	m.log.persisted(m.writes[n-1].seq)
	m.writes = m.writes[n:]
}

func (m *logModel) commit(t *rapid.T) {
	m.log.commit = Index(rapid.IntRange(int(m.log.commit), int(m.log.last())).Draw(t, "commit"))
}

// cut cuts the log somewhere before what is applied.
func (m *logModel) cut(t *rapid.T) {
	l := &m.log
	if l.applied <= l.base {
		return
	}
	base := Index(rapid.IntRange(int(l.base), int(l.applied)).Draw(t, "base"))
	term, _ := l.term(base)
	m.disk.entries = slices.Clone(m.disk.slice(base+1, m.disk.last()+1))
	m.entries = m.entries[base-m.base.Index:]
	m.base = Snapshot{Index: base, Term: term}
	m.disk.base = m.base
	l.cut(base)
}

// reset replaces the log by a snapshot that has more, or other entries.
func (m *logModel) reset(t *rapid.T) {
	m.term++
	s := Snapshot{Index: m.log.commit + Index(rapid.IntRange(1, 5).Draw(t, "ahead")), Term: m.term}
	m.log.reset(s)
	m.entries, m.base = nil, s
}

func (m *logModel) apply(t *rapid.T) {
	if s := m.log.install(); s != nil && m.disk.base.Index != s.Index {
		t.Fatalf("the image of %d is installed, the log on disk begins after %d", s.Index, m.disk.base.Index)
	}
	before := m.log.delivered
	entries := m.log.deliver(rapid.IntRange(0, 300).Draw(t, "bytes"))
	for i, e := range entries {
		if e.Index != before+1+Index(i) {
			t.Fatalf("delivers %d as number %d after %d", e.Index, i+1, before)
		}
	}
	m.hand(entries)
	applied := rapid.IntRange(int(m.log.applied), int(m.log.delivered)).Draw(t, "applied")
	m.log.appliedTo(Index(applied), rapid.IntRange(0, 500).Draw(t, "cache"))
}

func (m *logModel) hand(entries []Entry) {
	m.handed = append(m.handed, handedOut{entries, slices.Clone(entries)})
}

func same(a, b Entry) bool {
	return a.Index == b.Index && a.Term == b.Term && len(a.Data) == len(b.Data)
}

func (m *logModel) check(t *rapid.T) {
	l := &m.log
	if want := m.base.Index + Index(len(m.entries)); l.last() != want {
		t.Fatalf("last %d, want %d", l.last(), want)
	}
	if term, ok := l.term(m.base.Index); !ok || term != m.base.Term {
		t.Fatalf("term of the base, %d, is %d, want %d", m.base.Index, term, m.base.Term)
	}
	bytes, unapplied := 0, 0
	for i, want := range m.entries {
		index := m.base.Index + 1 + Index(i)
		if term, ok := l.term(index); !ok || term != want.Term {
			t.Fatalf("term of %d is %d (%v), want %d", index, term, ok, want.Term)
		}
		if index >= l.first {
			if !same(l.entries[index-l.first], want) {
				t.Fatalf("entry %d is %v, want %v", index, l.entries[index-l.first], want)
			}
			bytes += entryBytes(&want)
		}
		if index > l.applied {
			unapplied += entryBytes(&want)
		}
		if index <= l.stable && (m.disk.base.Index != m.base.Index || index > m.disk.last() || !same(m.disk.slice(index, index+1)[0], want)) {
			t.Fatalf("%d is called stable, the disk has %v", index, m.disk)
		}
	}
	if _, ok := l.term(l.last() + 1); ok {
		t.Fatal("there is a term past the end")
	}
	if bytes != l.bytes || unapplied != l.unapplied {
		t.Fatalf("bytes %d, unapplied %d, want %d and %d", l.bytes, l.unapplied, bytes, unapplied)
	}
	for i := 1; i < len(l.runs); i++ {
		if l.runs[i].First <= l.runs[i-1].First || l.runs[i].Term <= l.runs[i-1].Term {
			t.Fatalf("runs out of order: %v", l.runs)
		}
	}
	if len(m.writes) == 0 && !l.mustWrite() && l.stable != l.last() {
		t.Fatalf("everything is durable, stable is %d of %d", l.stable, l.last())
	}
	for _, h := range m.handed {
		if !slices.EqualFunc(h.shared, h.copied, same) {
			t.Fatalf("%v was handed out and has become %v", h.copied, h.shared)
		}
	}
	m.checkLastAtMost(t)
}

// checkLastAtMost compares the search through runs with one through entries.
func (m *logModel) checkLastAtMost(t *rapid.T) {
	i := Index(rapid.IntRange(0, int(m.log.last())+2).Draw(t, "index"))
	term := Term(rapid.IntRange(0, int(m.term)+1).Draw(t, "term"))
	want := min(i, m.log.last())
	for want > m.base.Index && m.entries[want-m.base.Index-1].Term > term {
		want--
	}
	if want < m.base.Index || want == m.base.Index && m.base.Term > term {
		want = 0
	}
	if got, _ := m.log.lastAtMost(i, term); got != want {
		t.Fatalf("the last index <= %d with a term <= %d is %d, want %d", i, term, got, want)
	}
}
