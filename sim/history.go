package sim

import (
	"fmt"

	"github.com/anishathalye/porcupine"
)

// history is what the clients did and saw. Its clock counts beginnings and
// ends, so that no two are at the same time.
type history struct {
	operations []*operation
	clock      int64
	values     uint64
}

// operation is one of a client's.
type operation struct {
	op       op
	command  command // of a write
	from, to int64   // to 0: no answer
	out      outcome
}

func (h *history) stamp() int64 {
	h.clock++
	return h.clock
}

// value returns one that was never used.
func (h *history) value() uint64 {
	h.values++
	return h.values
}

func (h *history) begin(o op) *operation {
	x := &operation{op: o, from: h.stamp()}
	h.operations = append(h.operations, x)
	return x
}

func (h *history) end(x *operation, out outcome) { x.to, x.out = h.stamp(), out }

// register is what an operation does to one register: it begins as 0.
var register = porcupine.Model{
	Init: func() any { return uint64(0) },
	Step: func(state, input, output any) (bool, any) {
		value, o, out := state.(uint64), input.(op), output.(outcome)
		switch o.kind {
		case opRead:
			return out.value == value, state
		case opWrite:
			return out.value == value, o.value
		}
		if value != o.old {
			return !out.changed && out.value == value, state
		}
		return out.changed && out.value == value, o.value
	},
	Equal: func(a, b any) bool { return a.(uint64) == b.(uint64) },
	DescribeOperation: func(input, output any) string {
		o, out := input.(op), output.(outcome)
		switch o.kind {
		case opRead:
			return fmt.Sprintf("read %d", out.value)
		case opWrite:
			return fmt.Sprintf("write %d over %d", o.value, out.value)
		}
		return fmt.Sprintf("swap %d by %d at %d", o.old, o.value, out.value)
	},
}

// checkHistory: the clients' history is linearizable. Every write is taken to
// happen at the moment when the first node applies it, which must lie between
// its beginning and its answer; a read may happen at any moment of its own. So
// the checker has no choice to make and is quick, and what it finds is more than
// the clients could see for themselves: a read that began after that moment
// must see the write, whether or not its client has been told.
//
// Of a write that got no answer the committed entries say whether it was
// carried out, and what it did.
func (w *World) checkHistory() {
	byKey := make([][]porcupine.Operation, maxKeys)
	for _, x := range w.history.operations {
		o := porcupine.Operation{Input: x.op, Output: x.out, Call: x.from, Return: x.to}
		switch {
		case x.op.kind == opRead && x.to == 0:
			continue
		case x.op.kind != opRead:
			index := w.oracle.commands[x.command]
			if index == 0 {
				continue // the confirmed ones were looked for before
			}
			c := &w.oracle.committed[index-1]
			if c.stamp < x.from || x.to != 0 && (c.stamp > x.to || c.outcome != x.out) {
				w.fail("command %v happened at %d with outcome %v, and for its client from %d to %d with outcome %v", x.command, c.stamp, c.outcome, x.from, x.to, x.out)
			}
			o.Output, o.Call, o.Return = c.outcome, c.stamp, c.stamp
		}
		if x.op.kind != opInsert {
			byKey[x.op.key] = append(byKey[x.op.key], o)
		}
	}
	for key, operations := range byKey {
		if !porcupine.CheckOperations(register, operations) {
			w.fail("the history of register %d, %d operations, is not linearizable", key, len(operations))
		}
	}
}
