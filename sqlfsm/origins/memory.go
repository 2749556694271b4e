package origins

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Name names a command for ever.
type Name struct{ Origin, Incarnation, Seq uint64 }

// MaxOrigins bounds the origins that are known: a few times as many as a cluster
// has members. Those that were removed go with the entry that removes them.
const MaxOrigins = 256

// Why a registration does not count.
var (
	// ErrLate: the node had not applied everything that concerns its origin. It
	// registers again.
	ErrLate = errors.New("origins: the registration comes after another one that it did not know of")
	// ErrTooMany: there are as many origins as can be. The next change of the
	// members makes room.
	ErrTooMany = errors.New("origins: too many origins are registered")
)

// Verdict is what is to be done with a command.
type Verdict uint8

const (
	// Fresh: it was never seen; apply it and Remember.
	Fresh Verdict = iota
	// Seen: it was applied before.
	Seen
	// Unregistered: its incarnation is not known, not yet or not any more.
	Unregistered
	// Forgotten: its number is below the window.
	Forgotten
	// Ahead: its number is so far above the window that its origin cannot have
	// meant it.
	Ahead
)

// Row is what the memory keeps of an origin.
type Row struct {
	Origin, Incarnation uint64
	Registered          uint64 // index of the registration's entry
	Low                 uint64
	Window              []byte // valid until the next row
	Gone                bool   // the origin is forgotten: there is to be no row
}

// origin is what is known of one.
type origin struct {
	id, incarnation, registered uint64
	window                      window
	gone                        bool
	changed                     bool // since the rows were written
}

// Memory is the memory of commands. The zero Memory knows nothing.
type Memory struct {
	origins map[uint64]*origin
	changed []*origin // that changed since the rows were written
	// horizon is the index of the last entry that made an origin be forgotten.
	horizon        uint64
	horizonChanged bool

	row []byte // scratch
}

// Register makes an incarnation its origin's present one. The entry has the
// index; its node had applied the log up to seen.
func (m *Memory) Register(id, incarnation, seen, index uint64) error {
	o := m.origins[id]
	switch {
	case id == 0 || incarnation == 0:
		panic("origins: 0 is no origin and no incarnation")
	case o != nil && o.incarnation == incarnation:
		return nil // another copy
	case o != nil && seen < o.registered, o == nil && seen < m.horizon:
		return ErrLate
	case o == nil && len(m.origins) >= MaxOrigins:
		return ErrTooMany
	}
	if o == nil {
		o = &origin{id: id}
		m.add(o)
	}
	o.incarnation, o.registered, o.window = incarnation, index, window{}
	m.touch(o)
	return nil
}

func (m *Memory) add(o *origin) {
	if m.origins == nil {
		m.origins = map[uint64]*origin{}
	}
	m.origins[o.id] = o
}

func (m *Memory) touch(o *origin) {
	if !o.changed {
		o.changed = true
		m.changed = append(m.changed, o)
	}
}

// Registered reports whether an incarnation is its origin's present one.
func (m *Memory) Registered(id, incarnation uint64) bool {
	o := m.origins[id]
	return o != nil && o.incarnation == incarnation
}

// Retain forgets every origin that is no member any more, by the entry at index.
func (m *Memory) Retain(members []uint64, index uint64) {
	for id, o := range m.origins {
		if !slices.Contains(members, id) {
			delete(m.origins, id)
			o.gone = true
			m.touch(o)
			m.horizon, m.horizonChanged = index, true
		}
	}
}

// Look says what is to be done with a command that carries the low-water mark,
// and what came of it if it was seen.
func (m *Memory) Look(n Name, low uint64) (Verdict, Outcome) {
	o := m.origins[n.Origin]
	if o == nil || o.incarnation != n.Incarnation {
		return Unregistered, ""
	}
	if low > o.window.low {
		o.window.raise(low)
		m.touch(o)
	}
	switch {
	case n.Seq < o.window.low:
		return Forgotten, ""
	case n.Seq-o.window.low >= Window:
		return Ahead, ""
	}
	if outcome := o.window.get(n.Seq); outcome != "" {
		return Seen, outcome
	}
	return Fresh, ""
}

// Remember keeps what came of a command that was fresh.
func (m *Memory) Remember(n Name, outcome Outcome) {
	if outcome == "" || len(outcome) > MaxOutcomeBytes {
		panic(fmt.Sprintf("origins: an outcome of %d bytes", len(outcome)))
	}
	o := m.origins[n.Origin]
	o.window.put(n.Seq, outcome)
	m.touch(o)
}

// Recall returns what came of a command; "": it was not seen, or is forgotten.
func (m *Memory) Recall(n Name) Outcome {
	if !m.Registered(n.Origin, n.Incarnation) {
		return ""
	}
	return m.origins[n.Origin].window.get(n.Seq)
}

// Changes hands out the rows that changed since it was called last.
func (m *Memory) Changes(write func(Row) error) error {
	for _, o := range m.changed {
		// One that was forgotten may be back.
		if now := m.origins[o.id]; !o.gone || now == nil {
			if err := write(m.rowOf(o)); err != nil {
				return err
			}
		}
		o.changed = false
	}
	clear(m.changed)
	m.changed = m.changed[:0]
	if m.horizonChanged {
		m.horizonChanged = false
		return write(Row{Registered: m.horizon})
	}
	return nil
}

func (m *Memory) rowOf(o *origin) Row {
	m.row = o.window.append(m.row[:0])
	return Row{Origin: o.id, Incarnation: o.incarnation, Registered: o.registered, Low: o.window.low, Window: m.row, Gone: o.gone}
}

// Load takes a row that was written before.
func (m *Memory) Load(r Row) error {
	if r.Origin == 0 {
		m.horizon = r.Registered
		return nil
	}
	w, err := readWindow(r.Low, r.Window)
	if err != nil {
		return fmt.Errorf("origin %x: %w", r.Origin, err)
	}
	m.add(&origin{id: r.Origin, incarnation: r.Incarnation, registered: r.Registered, window: w})
	return nil
}

// Rows hands out all rows, by origin.
func (m *Memory) Rows(each func(Row)) {
	if m.horizon > 0 {
		each(Row{Registered: m.horizon})
	}
	for _, id := range slices.Sorted(maps.Keys(m.origins)) {
		each(m.rowOf(m.origins[id]))
	}
}
