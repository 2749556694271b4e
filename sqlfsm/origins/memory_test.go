package origins

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A model that forgets nothing stands beside the memory: it knows of every command
// whether it was ever applied. Whatever comes in, in whatever order, a command is
// Fresh once at most, and what the memory recalls is what it was told.

type model struct {
	applied map[Name]Outcome
	ended   map[Name]bool     // lives that were registered, and are not any more
	current map[uint64]uint64 // incarnation by origin
	index   uint64
}

// end ends an origin's life, if it is another one than the next.
func (m *model) end(origin, next uint64) {
	if now := m.current[origin]; now != 0 && now != next {
		m.ended[Name{Origin: origin, Incarnation: now}] = true
	}
}

// command is one that is new, or another copy.
func (m *model) command(t *rapid.T, mem *Memory, n Name) {
	m.index++
	n.Seq = rapid.Uint64Range(1, 8).Draw(t, "seq")
	low := n.Seq - min(n.Seq, rapid.Uint64Range(0, 6).Draw(t, "behind"))
	verdict, outcome := mem.Look(n, low)
	switch verdict {
	case Fresh:
		if _, twice := m.applied[n]; twice {
			t.Fatalf("%v is applied twice", n)
		}
		m.applied[n] = Outcome(fmt.Sprint("did ", n.Seq%3))
		mem.Remember(n, m.applied[n])
	case Seen:
		if outcome != m.applied[n] {
			t.Fatalf("%v is remembered with %q, and did %q", n, outcome, m.applied[n])
		}
	case Unregistered:
		if m.current[n.Origin] == n.Incarnation {
			t.Fatalf("%v is refused, and its incarnation is registered", n)
		}
	case Ahead:
		t.Fatalf("%v is too far ahead", n)
	}
}

func (m *model) retain(t *rapid.T, mem *Memory) {
	m.index++
	gone := rapid.Uint64Range(1, 2).Draw(t, "gone")
	var members []uint64
	for id := range uint64(3) {
		if id != gone {
			members = append(members, id)
		}
	}
	mem.Retain(members, m.index)
	m.end(gone, 0)
	delete(m.current, gone)
}

// rows returns a memory as text.
func rows(mem *Memory) string {
	text := ""
	mem.Rows(func(r Row) { text += fmt.Sprintf("%+v\n", r) })
	return text
}

// disk is what Changes has written.
type disk map[uint64]Row

func (d disk) write(r Row) error {
	r.Window = append([]byte(nil), r.Window...)
	if r.Gone {
		delete(d, r.Origin)
	} else {
		d[r.Origin] = r
	}
	return nil
}

// lives returns an origin's incarnations, each with what its registration has seen
// in place of a number.
func lives(all map[Name]bool, origin uint64) []Name {
	var list []Name
	for n := range all {
		if n.Origin == origin {
			list = append(list, n)
		}
	}
	slices.SortFunc(list, func(a, b Name) int {
		return cmp.Or(cmp.Compare(a.Incarnation, b.Incarnation), cmp.Compare(a.Seq, b.Seq))
	})
	return list
}

func TestAppliedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, mem, d := &model{applied: map[Name]Outcome{}, ended: map[Name]bool{}, current: map[uint64]uint64{}}, &Memory{}, disk{}
		begun := map[Name]bool{} // the lives, with what their registrations have seen
		t.Repeat(map[string]func(*rapid.T){
			"register": func(t *rapid.T) {
				// A new life, or a late copy of the registration of an old one.
				m.index++
				origin := rapid.Uint64Range(1, 2).Draw(t, "origin")
				incarnation, seen := m.index, m.index-1-min(m.index-1, rapid.Uint64Range(0, 6).Draw(t, "unseen"))
				if known := lives(begun, origin); len(known) > 0 && rapid.Bool().Draw(t, "late") {
					old := rapid.SampledFrom(known).Draw(t, "of")
					incarnation, seen = old.Incarnation, old.Seq
				}
				before := m.current[origin]
				err := mem.Register(origin, incarnation, seen, m.index)
				begun[Name{origin, incarnation, seen}] = true
				switch {
				case err == nil:
					life := Name{Origin: origin, Incarnation: incarnation}
					if m.ended[life] {
						t.Fatalf("%v is over, and is registered again", life)
					}
					m.end(origin, incarnation)
					m.current[origin] = incarnation
				case !errors.Is(err, ErrLate):
					t.Fatal(err)
				case before != 0 && !mem.Registered(origin, before):
					t.Fatalf("a registration that comes late ends the life before it")
				}
			},
			"command": func(t *rapid.T) {
				known := lives(begun, rapid.Uint64Range(1, 2).Draw(t, "origin"))
				if len(known) == 0 {
					t.Skip()
				}
				n := rapid.SampledFrom(known).Draw(t, "of")
				m.command(t, mem, n)
			},
			"retain": func(t *rapid.T) { m.retain(t, mem) },
			"write": func(t *rapid.T) {
				if err := mem.Changes(d.write); err != nil {
					t.Fatal(err)
				}
				read := &Memory{}
				for _, r := range d {
					if err := read.Load(r); err != nil {
						t.Fatal(err)
					}
				}
				want := rows(mem)
				if got := rows(read); got != want {
					t.Fatalf("what was written is\n%swant\n%s", got, want)
				}
				mem = read
			},
		})
	})
}

// TestWindow tells how a window moves.
func TestWindow(t *testing.T) {
	var m Memory
	if err := m.Register(1, 10, 0, 1); err != nil {
		t.Fatal(err)
	}
	look := func(seq, low uint64, want Verdict) {
		t.Helper()
		if got, _ := m.Look(Name{1, 10, seq}, low); got != want {
			t.Errorf("number %d, low-water mark %d: verdict %d, want %d", seq, low, got, want)
		}
	}
	do := func(seq, low uint64) {
		t.Helper()
		look(seq, low, Fresh)
		m.Remember(Name{1, 10, seq}, "done")
	}
	do(1, 1)
	do(3, 1)
	look(1, 1, Seen)
	look(2, 1, Fresh) // a gap is new for as long as its origin may send it
	look(Window, 1, Fresh)
	look(Window+1, 1, Ahead)
	do(Window, 1)
	do(Window+1, 2)
	look(1, 1, Forgotten)
	look(2, 1, Fresh)
	do(5*Window, 5*Window)
	look(Window+1, 2, Forgotten)
	look(5*Window, 1, Seen)
	look(5*Window+1, 5*Window+1, Fresh)
	look(5*Window, 1, Forgotten)
	if got := m.Recall(Name{1, 11, 5*Window + 1}); got != "" {
		t.Errorf("another life's command: %q", got)
	}
}

// TestRows shows how large rows are: equal outcomes cost nothing.
func TestRows(t *testing.T) {
	size := func(outcome func(i uint64) Outcome) (n int) {
		var m Memory
		if err := m.Register(1, 10, 0, 1); err != nil {
			t.Fatal(err)
		}
		for i := range uint64(Window) {
			m.Look(Name{1, 10, i + 1}, 1)
			m.Remember(Name{1, 10, i + 1}, outcome(i))
		}
		m.Rows(func(r Row) { n += len(r.Window) })
		return n
	}
	if n := size(func(uint64) Outcome { return "\x00\x01" }); n > 8 {
		t.Errorf("a window of equal outcomes takes %d bytes", n)
	}
	if n := size(func(i uint64) Outcome { return Outcome(fmt.Sprintf("%032d", i)) }); n > Window*(MaxOutcomeBytes+2) {
		t.Errorf("a window of different outcomes takes %d bytes", n)
	}
}

// TestDamagedRows: bytes that are no window are refused, whatever they are.
func TestDamagedRows(t *testing.T) {
	for _, c := range []struct {
		name   string
		window string
	}{
		{"a run of nothing", "\x00\x01x"},
		{"a cut number", "\x80"},
		{"a cut outcome", "\x01\x05abc"},
		{"an outcome that is too long", "\x01\x21" + fmt.Sprintf("%033d", 0)},
		{"a run that is too long", "\x81\x80\x01\x00"},
	} {
		var m Memory
		if err := m.Load(Row{Origin: 1, Incarnation: 1, Low: 5, Window: []byte(c.window)}); !errors.Is(err, errDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestTooMany: origins are bounded, and a change of the members makes room.
func TestTooMany(t *testing.T) {
	var m Memory
	for id := range uint64(MaxOrigins) {
		if err := m.Register(id+1, 1, 0, id+1); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Register(MaxOrigins+1, 1, MaxOrigins, MaxOrigins+1); !errors.Is(err, ErrTooMany) {
		t.Errorf("one origin more: %v", err)
	}
	if err := m.Register(1, 2, MaxOrigins, MaxOrigins+2); err != nil {
		t.Errorf("a new life of one that is known: %v", err)
	}
	m.Retain([]uint64{1, 2}, MaxOrigins+3)
	if err := m.Register(MaxOrigins+1, 1, MaxOrigins+3, MaxOrigins+4); err != nil {
		t.Errorf("after members were removed: %v", err)
	}
}
