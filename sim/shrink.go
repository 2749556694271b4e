package sim

// Shrink looks for a smaller run that still fails: it turns off one kind of
// fault after the other, then halves the part with faults as long as that
// helps, then tries fewer nodes. tried is told of every attempt. ok is false
// when the run does not fail at all.
func Shrink(o Options, tried func(Options, *Result)) (smallest Options, result Result, ok bool) {
	attempt := func(o Options) (Result, bool) {
		r := Run(o)
		tried(o, &r)
		return r, r.Violation != ""
	}
	o.Trace = nil
	if result, ok = attempt(o); !ok {
		return o, result, false
	}
	o.Faults, o.Nodes, o.Duration = result.Faults, result.Nodes, result.Duration
	try := func(smaller Options) bool {
		r, fails := attempt(smaller)
		if fails {
			o, result = smaller, r
		}
		return fails
	}
	halve := func() {
		for o.Duration > 100*Millisecond {
			smaller := o
			smaller.Duration = o.Duration / 2
			if !try(smaller) {
				return
			}
		}
	}
	halve()
	for again := true; again; {
		again = false
		o.Faults.each(func(kind Faults) {
			smaller := o
			smaller.Faults &^= kind
			again = try(smaller) || again
		})
	}
	for o.Nodes > 1 {
		smaller := o
		smaller.Nodes--
		if !try(smaller) {
			break
		}
	}
	halve()
	return o, result, true
}
