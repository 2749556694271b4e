package check

import (
	"cmp"
	"slices"
)

// Lists checks appends to lists. final is each list at the end. As every
// value is unique, the list's end gives all appends one order, and a read
// that saw n values stands after the n-th append and before the next. That is
// the only order there can be; it is linearizable if it does not contradict
// real time.
func Lists(history []Op, final map[int64][]int64) []string {
	var r report
	position := map[int64]map[int64]int{} // of each value in its list, counted from 1
	copies := map[int64]int{}
	for key, values := range final {
		position[key] = map[int64]int{}
		for i, v := range values {
			copies[v]++
			position[key][v] = i + 1
		}
	}
	called := map[int64]bool{}
	ranked := map[int64][]rankedOp{}
	for i := range history {
		op := &history[i]
		switch {
		case op.Kind == Append:
			called[op.Value] = true
			r.presence("the element", op, copies[op.Value])
			if at := position[op.Key][op.Value]; at > 0 {
				ranked[op.Key] = append(ranked[op.Key], rankedOp{2*at - 1, op})
			} else if copies[op.Value] > 0 {
				r.addf("the element %d is in another list than it was appended to (%v)", op.Value, op)
			}
		case op.Kind == Read && op.Outcome == Done:
			list := final[op.Key]
			if len(op.Result) > len(list) || !slices.Equal(op.Result, list[:len(op.Result)]) {
				r.addf("a read is no prefix of the list at the end: it saw %v, the list is %v (%v)", op.Result, list, op)
				continue
			}
			ranked[op.Key] = append(ranked[op.Key], rankedOp{2 * len(op.Result), op})
		}
	}
	for v := range copies {
		if !called[v] {
			r.addf("the element %d is there, and nobody appended it", v)
		}
	}
	for _, ops := range ranked {
		r.realTime(ops)
	}
	return r.result()
}

// rankedOp is an operation and its place in the only possible order. Equal
// ranks are reads of the same state, in any order.
type rankedOp struct {
	rank int
	op   *Op
}

// realTime looks for an operation that had returned before another was called
// that stands before it.
func (r *report) realTime(ops []rankedOp) {
	slices.SortFunc(ops, func(a, b rankedOp) int { return cmp.Compare(b.rank, a.rank) })
	var first, pending *Op // of those with a higher rank, and with this one: who returned first
	rank := 0
	for _, o := range ops {
		if o.rank != rank {
			if pending != nil && (first == nil || pending.returned() < first.returned()) {
				first = pending
			}
			pending, rank = nil, o.rank
		}
		if pending == nil || o.op.returned() < pending.returned() {
			pending = o.op
		}
		if first != nil && first.returned() < o.op.Call {
			r.addf("list %d: an operation comes before another that had returned before it was called: (%v) before (%v)", o.op.Key, o.op, first)
		}
	}
}
