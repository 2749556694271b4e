package sim

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"

	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlfsm/origins"
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

func headerOf(e *raft.Entry) sqlfsm.Header {
	h, err := sqlfsm.DecodeHeader(e.Data)
	if err != nil {
		panic(err) // our own encoding
	}
	return h
}

func nameOf(h *sqlfsm.Header) origins.Name {
	return origins.Name{Origin: h.Origin, Incarnation: h.Incarnation, Seq: h.Seq}
}

func memberIDs(data []byte) []uint64 {
	c, err := raft.DecodeConfiguration(data)
	if err != nil {
		panic(err) // the core has read it
	}
	var ids []uint64
	for _, m := range c.Members {
		ids = append(ids, uint64(m.ID))
	}
	return ids
}

// registrationSeen is what a registration ends with.
func registrationSeen(data []byte) uint64 { return binary.BigEndian.Uint64(data[len(data)-8:]) }

// encode makes of an outcome what is remembered of it.
func (o outcome) encode() origins.Outcome {
	b := binary.BigEndian.AppendUint64([]byte{'n'}, o.value)
	if o.changed {
		b[0] = 'y'
	}
	return origins.Outcome(b)
}

func decodeOutcome(o origins.Outcome) outcome {
	return outcome{value: binary.BigEndian.Uint64([]byte(o[1:])), changed: o[0] == 'y'}
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
	seen      origins.Memory  // the product's own
}

// applied is what came of an entry.
type applied struct {
	header  sqlfsm.Header
	verdict origins.Verdict // of a command
	late    bool            // a registration was refused
	outcome
}

// refused: a command was not applied, and is none that was before.
func (a *applied) refused() bool { return a.verdict > origins.Seen }

// apply applies the next entry.
func (s *machineState) apply(e *raft.Entry) (a applied) {
	if e.Index != s.index+1 {
		panic(violation(fmt.Sprintf("entry %d is applied after entry %d", e.Index, s.index)))
	}
	s.index, s.term = e.Index, e.Term
	switch e.Type {
	case raft.EntryConfiguration:
		s.seen.Retain(memberIDs(e.Data), uint64(e.Index))
		return a
	case raft.EntryNormal:
	default:
		return a
	}
	a.header = headerOf(e)
	name := nameOf(&a.header)
	if a.header.Kind == sqlfsm.KindRegister {
		a.late = s.seen.Register(name.Origin, name.Incarnation, registrationSeen(e.Data), uint64(e.Index)) != nil
		return a
	}
	var known origins.Outcome
	a.verdict, known = s.seen.Look(name, a.header.LowWater)
	switch a.verdict {
	case origins.Fresh:
		a.outcome = s.carryOut(decodeOp(e.Data))
		s.seen.Remember(name, a.outcome.encode())
	case origins.Seen:
		a.outcome = decodeOutcome(known)
	}
	return a
}

// recall returns what came of a command, or whether a registration counts.
func (s *machineState) recall(data []byte) (a applied, ok bool) {
	var err error
	if a.header, err = sqlfsm.DecodeHeader(data); err != nil {
		panic(err) // our own encoding
	}
	name := nameOf(&a.header)
	if a.header.Kind == sqlfsm.KindRegister {
		a.late = !s.seen.Registered(name.Origin, name.Incarnation)
		return a, true
	}
	known := s.seen.Recall(name)
	if known == "" {
		return a, false
	}
	a.outcome = decodeOutcome(known)
	return a, true
}

// carryOut carries out a command that is new.
func (s *machineState) carryOut(o op) outcome {
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
	s.seen.Rows(func(r origins.Row) {
		f := fnv.New64a()
		f.Write(r.Window) // a hash never fails
		h = mix(mix(mix(mix(h, r.Origin), r.Incarnation), r.Registered<<32^r.Low), f.Sum64())
	})
	return h | 1
}

// copy returns a state that has nothing in common with s. The memory of what was
// seen goes through its rows, as it does on disk and in images.
func (s *machineState) copy() machineState {
	c := *s
	c.seen = origins.Memory{}
	s.seen.Rows(func(r origins.Row) {
		if err := c.seen.Load(r); err != nil {
			panic(violation(err.Error()))
		}
	})
	return c
}

// machine is a node's state machine. Like the real one, it keeps what it did
// in the order in which it did it, but only a checkpoint makes it durable: a
// crash takes it back to any index since.
type machine struct {
	machineState
	durable machineState
	since   []raft.Entry // applied since durable
}

func (m *machine) apply(e *raft.Entry) applied {
	out := m.machineState.apply(e)
	m.since = append(m.since, *e)
	return out
}

func (m *machine) checkpoint() {
	m.durable = m.machineState.copy()
	m.since = m.since[:0:0]
}

// crash loses the newest effects; rand returns a number in [0, n).
func (m *machine) crash(rand func(n int) int) {
	keep := m.since[:rand(len(m.since)+1)]
	m.machineState = m.durable.copy()
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
