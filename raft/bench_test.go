package raft

import (
	"fmt"
	"testing"
)

// memory is the fastest world three cores can live in: every write is durable
// and every message delivered by the time the next Ready is handled. It shows
// what the core itself costs.
type memory struct {
	cores   []*Raft
	applied Index // by member 1
	reads   int   // answered at member 1
}

func newMemory(b *testing.B) *memory {
	m := &memory{}
	var members []Member
	for id := NodeID(1); id <= 3; id++ {
		members = append(members, Member{ID: id})
	}
	for id := NodeID(1); id <= 3; id++ {
		core, err := New(Config{ID: id, Rand: func(n int) int { return int(id) % n }, MaxCachedBytes: 1 << 20},
			State{Configurations: []ConfigurationAt{{Configuration: Configuration{Members: members}}}})
		if err != nil {
			b.Fatal(err)
		}
		m.cores = append(m.cores, core)
	}
	for m.cores[0].Role() != Leader {
		m.cores[0].Tick()
		m.run(b)
	}
	return m
}

// run handles every Ready of every core until there is none.
func (m *memory) run(b *testing.B) {
	for busy := true; busy; {
		busy = false
		for i, core := range m.cores {
			rd, ok := core.Ready()
			if !ok {
				continue
			}
			busy = true
			if rd.Seq != 0 {
				core.Persisted(rd.Seq)
			}
			for _, msg := range rd.Messages {
				if err := m.cores[msg.To-1].Step(msg); err != nil {
					b.Fatal(err)
				}
			}
			if n := len(rd.Committed); n > 0 {
				core.Applied(rd.Committed[n-1].Index)
				if i == 0 {
					m.applied = rd.Committed[n-1].Index
				}
			}
			if i == 0 {
				m.reads += len(rd.Reads)
			}
		}
	}
}

// BenchmarkCommit proposes batches of 100-byte commands until all three
// members have applied them. One operation is one command.
func BenchmarkCommit(b *testing.B) {
	for _, batch := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			m := newMemory(b)
			cmds := make([][]byte, batch)
			for i := range cmds {
				cmds[i] = make([]byte, 100)
			}
			b.ReportAllocs()
			for done := 0; b.Loop(); done = (done + 1) % batch {
				if done != 0 {
					continue
				}
				first, _, err := m.cores[0].Propose(cmds)
				if err != nil {
					b.Fatal(err)
				}
				m.run(b)
				if want := first + Index(batch) - 1; m.applied != want {
					b.Fatalf("applied %d, want %d", m.applied, want)
				}
			}
		})
	}
}

// BenchmarkReadIndex asks for batches of reads on the leader.
func BenchmarkReadIndex(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			m := newMemory(b)
			b.ReportAllocs()
			request := uint64(0)
			for b.Loop() {
				request++
				if err := m.cores[0].ReadIndex(request); err != nil {
					b.Fatal(err)
				}
				if request%uint64(batch) == 0 {
					m.run(b)
				}
			}
			m.run(b)
			if m.reads != int(request) {
				b.Fatalf("%d of %d reads answered", m.reads, request)
			}
		})
	}
}
