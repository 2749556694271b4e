package pgfunc

// meter counts the units of work of a call whose length only the work itself
// shows, and says when to end it.
type meter struct {
	ctx   Context
	units int // not yet spent
	err   error
}

// unitsAStep is how many units take as long as a step: one looks at a character
// of the text, or of the pattern.
const unitsAStep = 2

// meterUnits is how many units are spent together: some tens of microseconds.
const meterUnits = 4096

// work counts n units and reports whether the call may go on.
func (m *meter) work(n int) bool {
	m.units += n
	if m.units >= meterUnits {
		m.spend()
	}
	return m.err == nil
}

// spend hands what was counted to the context.
func (m *meter) spend() {
	if m.err == nil {
		m.err = m.ctx.Spend(m.units / unitsAStep)
	}
	m.units %= unitsAStep
}

// end is the error of a call that is over.
func (m *meter) end() error {
	m.spend()
	return m.err
}
