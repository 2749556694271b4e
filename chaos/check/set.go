package check

import "time"

// Set checks unique inserts, and reads that look for one value. final is all
// values that are there at the end, in any order.
func Set(history []Op, final []int64) []string {
	var r report
	copies := map[int64]int{}
	for _, v := range final {
		copies[v]++
	}
	acknowledged := map[int64]time.Duration{}
	called := map[int64]bool{}
	for i := range history {
		op := &history[i]
		if op.Kind != Insert {
			continue
		}
		r.presence("the value", op, copies[op.Value])
		called[op.Value] = true
		if op.Outcome == Done {
			acknowledged[op.Value] = op.Return
		}
	}
	for v := range copies {
		if !called[v] {
			r.addf("the value %d is there, and nobody inserted it", v)
		}
	}
	for i := range history {
		op := &history[i]
		if op.Kind != Find || op.Outcome != Done {
			continue
		}
		if at, ok := acknowledged[op.Value]; ok && at < op.Call && !op.Applied {
			r.addf("a read did not find %d, acknowledged at %.3f s, before it was called (%v)", op.Value, at.Seconds(), op)
		}
		if op.Applied && copies[op.Value] == 0 {
			r.addf("a read found %d, which is not there at the end (%v)", op.Value, op)
		}
	}
	return r.result()
}
