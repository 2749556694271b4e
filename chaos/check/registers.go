package check

import (
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// registersTimeout bounds porcupine's search. With unknown outcomes resolved
// it takes milliseconds a register.
const registersTimeout = time.Minute

// Registers checks reads, writes and compare-and-set of registers, which begin
// at 0. final is, for each register, the values that were written to it, in
// order. A picture of each register whose history is not linearizable is
// written into the directory pictures.
func Registers(history []Op, final map[int64][]int64, pictures string) []string {
	var r report
	byKey := map[int64][]*Op{}
	for i := range history {
		byKey[history[i].Key] = append(byKey[history[i].Key], &history[i])
	}
	for key, values := range final {
		if len(byKey[key]) == 0 && len(values) > 0 {
			r.addf("register %d was written to, and nobody did", key)
		}
	}
	deadline := time.Now().Add(registersTimeout)
	for key, ops := range byKey {
		values := final[key]
		r.register(key, ops, values)
		r.linearizable(key, resolve(ops, values), values, time.Until(deadline), pictures)
	}
	return r.result()
}

// register compares the operations with the values that were written.
func (r *report) register(key int64, ops []*Op, values []int64) {
	copies := map[int64]int{}
	for _, v := range values {
		copies[v]++
	}
	for _, op := range ops {
		switch {
		case op.Kind == CAS && op.Outcome == Done && !op.Applied:
			if copies[op.Value] > 0 {
				r.addf("the value %d was written, and its client was told that the old one did not match (%v)", op.Value, op)
			}
		case op.Kind != Read:
			r.presence("the value", op, copies[op.Value])
		}
		if op.Kind != Read {
			delete(copies, op.Value)
		}
	}
	for v := range copies {
		r.addf("register %d had the value %d, which nobody wrote", key, v)
	}
}

// written is an operation and the place of its value among all that were
// written to the register, counted from 1; 0: it wrote nothing.
type written struct {
	*Op
	at int
}

// resolve drops what had no effect and was not answered: operations that
// failed, and unknown ones whose value was never written.
func resolve(ops []*Op, values []int64) []porcupine.Operation {
	var end time.Duration
	for _, op := range ops {
		end = max(end, op.Return)
	}
	var history []porcupine.Operation
	for _, op := range ops {
		at := 0
		if op.Kind != Read {
			at = slices.Index(values, op.Value) + 1
		}
		if op.Outcome == Failed || op.Outcome == Unknown && at == 0 {
			continue
		}
		until := op.Return
		if op.Outcome == Unknown {
			until = end + 1 // any time; not infinity, for the picture's sake
		}
		history = append(history, porcupine.Operation{
			ClientId: op.Client, Input: written{op, at}, Output: op.Outcome, Call: int64(op.Call), Return: int64(until),
		})
	}
	return history
}

// linearizable looks for an order of the operations that explains all answers.
// The state is how many values were written: which one comes next is known.
func (r *report) linearizable(key int64, history []porcupine.Operation, values []int64, timeout time.Duration, pictures string) {
	value := func(state any) int64 {
		if n := state.(int); n > 0 {
			return values[n-1]
		}
		return 0
	}
	model := porcupine.Model{
		Init: func() any { return 0 },
		Step: func(state, input, _ any) (bool, any) {
			op := input.(written)
			switch {
			case op.Kind == Read:
				return len(op.Result) == 1 && op.Result[0] == value(state), state
			case op.Kind == CAS && op.at == 0:
				return value(state) != op.Old, state
			case op.Kind == CAS && value(state) != op.Old:
				return false, state
			}
			return op.at == state.(int)+1, op.at
		},
		DescribeState:     func(state any) string { return fmt.Sprint(value(state)) },
		DescribeOperation: func(input, outcome any) string { return describe(input.(written), outcome.(Outcome)) },
	}
	verdict, info := porcupine.CheckOperationsVerbose(model, history, max(timeout, time.Millisecond))
	if verdict == porcupine.Ok {
		return
	}
	picture := filepath.Join(pictures, fmt.Sprintf("register-%d.html", key))
	if err := porcupine.VisualizePath(model, info, picture); err != nil {
		picture = err.Error()
	}
	if verdict == porcupine.Unknown {
		r.addf("register %d: it was not decided in time whether its history is linearizable: %s", key, picture)
		return
	}
	r.addf("register %d: its history is not linearizable: %s", key, picture)
}

func describe(op written, outcome Outcome) string {
	switch {
	case op.Kind == Read:
		return fmt.Sprintf("read → %v", op.Result)
	case op.Kind == Write:
		return fmt.Sprintf("write %d (%v)", op.Value, outcome)
	case op.at == 0:
		return fmt.Sprintf("%d → %d: no match", op.Old, op.Value)
	}
	return fmt.Sprintf("%d → %d (%v)", op.Old, op.Value, outcome)
}
