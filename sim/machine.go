package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"quorate/raft"
	"quorate/sqlfsm"
)

// opKind is what a client does.
type opKind uint8

const (
	opRead  opKind = iota // the register
	opWrite               // the register
	opSwap                // compare and set: the register, if it is old
	opInsert
)

// op is an operation on a key, which names a register and a set. Values are
// unique, so that a value tells who wrote it.
type op struct {
	kind       opKind
	key        uint8
	old, value uint64
}

// outcome is what an operation saw: the register before it, and whether it
// changed anything.
type outcome struct {
	value   uint64
	changed bool
}

// commandHeader is where the operation begins in a command, after what the
// state machine's commands have in front.
var commandHeader = len(sqlfsm.AppendCommand(nil, &sqlfsm.Header{}, nil))

func encodeCommand(h *sqlfsm.Header, o op) []byte {
	b := append(sqlfsm.AppendCommand(nil, h, nil), byte(o.kind), o.key)
	b = binary.BigEndian.AppendUint64(b, o.old)
	return binary.BigEndian.AppendUint64(b, o.value)
}

func decodeOp(data []byte) op {
	b := data[commandHeader:]
	return op{opKind(b[0]), b[1], binary.BigEndian.Uint64(b[2:]), binary.BigEndian.Uint64(b[10:])}
}

// maxKeys bounds the keys of a run.
const maxKeys = 8

// machineState is what the entries up to index add up to.
type machineState struct {
	index     raft.Index
	term      raft.Term
	registers [maxKeys]uint64
	inserted  [maxKeys]uint64 // how many elements the set has
	sets      [maxKeys]uint64 // hash of them, in the order of their insertion
}

// apply applies the next entry.
func (s *machineState) apply(e *raft.Entry) outcome {
	if e.Index != s.index+1 {
		panic(violation(fmt.Sprintf("entry %d is applied after entry %d", e.Index, s.index)))
	}
	s.index, s.term = e.Index, e.Term
	if e.Type != raft.EntryNormal {
		return outcome{}
	}
	o := decodeOp(e.Data)
	before := outcome{value: s.registers[o.key], changed: true}
	switch o.kind {
	case opWrite:
		s.registers[o.key] = o.value
	case opSwap:
		if before.value != o.old {
			before.changed = false
			break
		}
		s.registers[o.key] = o.value
	case opInsert:
		s.inserted[o.key]++
		s.sets[o.key] = mix(s.sets[o.key], o.value)
	}
	return before
}

// hash is never 0.
func (s *machineState) hash() uint64 {
	h := uint64(s.term)
	for i := range s.registers {
		h = mix(mix(mix(h, s.registers[i]), s.inserted[i]), s.sets[i])
	}
	return h | 1
}

// machine is a node's state machine. Like the real one, it keeps what it did
// in the order in which it did it, but only a checkpoint makes it durable: a
// crash takes it back to any index since.
type machine struct {
	machineState
	durable machineState
	since   []raft.Entry // applied since durable
}

func (m *machine) apply(e *raft.Entry) outcome {
	out := m.machineState.apply(e)
	m.since = append(m.since, *e)
	return out
}

func (m *machine) checkpoint() {
	m.durable = m.machineState
	m.since = m.since[:0:0]
}

// crash loses the newest effects; rand returns a number in [0, n).
func (m *machine) crash(rand func(n int) int) {
	keep := m.since[:rand(len(m.since)+1)]
	m.machineState = m.durable
	for i := range keep {
		m.machineState.apply(&keep[i])
	}
	m.checkpoint()
}

// mix folds a number into a hash (splitmix64's finalizer).
func mix(h, n uint64) uint64 {
	h += n + 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// chain is the hash of an entry and of all before it.
func chain(before uint64, e *raft.Entry) uint64 {
	f := fnv.New64a()
	f.Write(e.Data) // a hash never fails
	return mix(mix(mix(before, uint64(e.Index)), uint64(e.Term)<<8|uint64(e.Type)), f.Sum64())
}
