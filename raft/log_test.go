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
	entries []Entry // entries[i] has index i+1
	disk    []Entry
	seq     uint64
	writes  []pendingWrite
	handed  []handedOut
	term    Term
}

// handedOut remembers what a slice held when it left the log.
type handedOut struct{ shared, copied []Entry }

// TestLogAgainstModel lets a raftLog and the model live through random
// appends, conflicts, writes, acknowledgements (some for several writes),
// commits and applications. After each step the log must answer for every
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
	m.entries = slices.Clip(m.entries[:k])
	m.term++
	m.append(t)
}

func (m *logModel) write(*rapid.T) {
	_, entries := m.log.unwritten(m.seq + 1)
	if len(entries) == 0 {
		return
	}
	m.seq++
	m.hand(entries)
	m.writes = append(m.writes, pendingWrite{seq: m.seq, entries: slices.Clone(entries)})
}

func (m *logModel) persist(t *rapid.T) {
	n := rapid.IntRange(0, len(m.writes)).Draw(t, "writes")
	if n == 0 {
		return
	}
	disk := testDisk{entries: m.disk}
	for _, w := range m.writes[:n] {
		disk.write(w)
	}
	m.disk = disk.entries
	m.log.persisted(m.writes[n-1].seq)
	m.writes = m.writes[n:]
}

func (m *logModel) commit(t *rapid.T) {
	m.log.commit = Index(rapid.IntRange(int(m.log.commit), int(m.log.last())).Draw(t, "commit"))
}

func (m *logModel) apply(t *rapid.T) {
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
	if int(l.last()) != len(m.entries) {
		t.Fatalf("last %d, want %d", l.last(), len(m.entries))
	}
	bytes := 0
	for i, want := range m.entries {
		index := Index(i + 1)
		if term, ok := l.term(index); !ok || term != want.Term {
			t.Fatalf("term of %d is %d (%v), want %d", index, term, ok, want.Term)
		}
		if index >= l.first {
			if !same(l.entries[index-l.first], want) {
				t.Fatalf("entry %d is %v, want %v", index, l.entries[index-l.first], want)
			}
			bytes += entryBytes(&want)
		}
		if index <= l.stable && (i >= len(m.disk) || !same(m.disk[i], want)) {
			t.Fatalf("%d is called stable, the disk has %v", index, m.disk)
		}
	}
	if _, ok := l.term(l.last() + 1); ok {
		t.Fatal("there is a term past the end")
	}
	if bytes != l.bytes {
		t.Fatalf("bytes %d, want %d", l.bytes, bytes)
	}
	for i := 1; i < len(l.runs); i++ {
		if l.runs[i].First <= l.runs[i-1].First || l.runs[i].Term <= l.runs[i-1].Term {
			t.Fatalf("runs out of order: %v", l.runs)
		}
	}
	if len(m.writes) == 0 && l.written == l.last() && l.stable != l.last() {
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
	i := rapid.IntRange(0, len(m.entries)+2).Draw(t, "index")
	term := Term(rapid.IntRange(0, int(m.term)+1).Draw(t, "term"))
	want := min(i, len(m.entries))
	for want > 0 && m.entries[want-1].Term > term {
		want--
	}
	if got, _ := m.log.lastAtMost(Index(i), term); got != Index(want) {
		t.Fatalf("the last index <= %d with a term <= %d is %d, want %d", i, term, got, want)
	}
}
