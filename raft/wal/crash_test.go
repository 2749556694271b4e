package wal

// These tests pull the plug. A short history is run once for each operation
// that changes the disk, and stopped just before it; then the disk is looked at
// as the loss of power may have left it: with nothing of what was not synced,
// all of it, every subset where there are few pieces, and random pieces torn
// between sectors where there are many. Each time the log must open, with all
// that was acknowledged, nothing that was not written, every Write whole; and
// it must go on from there.

import (
	"errors"
	"fmt"
	"math/rand"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

var errPower = errors.New("the power is gone")

// historyStep is one call of Append.
type historyStep []Write

// crashHistory has what a crash could split: writes of several records and
// blocks, writes without sync, a vote, entries that are superseded within a
// segment and across two, three rolls, a write larger than a segment, batches.
func crashHistory() []historyStep {
	return []historyStep{
		{{HardState: hardState(1, 1, 0), Sync: true}},
		{{Entries: entries(1, 1, 4, 100), Sync: true}},
		{{HardState: hardState(1, 1, 2)}}, // the commit index alone is not synced
		{{Entries: entries(1, 4, 6, 3000), Sync: true}, {Entries: entries(1, 6, 7, 10), Sync: true}},
		{{HardState: hardState(3, 0, 2), Entries: entries(3, 4, 8, 600), Sync: true}}, // supersedes 4 to 6, rolls
		{{HardState: hardState(3, 0, 7)}, {Entries: entries(3, 8, 12, 900), Sync: true}},
		{{HardState: hardState(4, 2, 7), Sync: true}},
		{{Entries: entries(4, 10, 11, 4000), Sync: true}, {HardState: hardState(5, 0, 10), Entries: entries(5, 11, 12, 4000), Sync: true}}, // rolls within one Append
		{{Entries: entries(5, 12, 14, 9000), Sync: true}},                                                                                  // larger than a segment
		{{HardState: hardState(5, 0, 12)}},
		{{HardState: hardState(6, 1, 12), Entries: entries(6, 13, 15, 20), Sync: true}},
	}
}

// modelState is what a log should hold.
type modelState struct {
	hardState raft.HardState
	entries   []raft.Entry
}

func (m modelState) after(w Write) modelState {
	if len(w.Entries) > 0 {
		keep := w.Entries[0].Index - 1
		m.entries = append(m.entries[:keep:keep], w.Entries...)
	}
	if w.HardState != nil {
		m.hardState = *w.HardState
	}
	return m
}

func (m modelState) equal(s raft.State) bool {
	return s.HardState == m.hardState && s.Last == raft.Index(len(m.entries)) && equalEntries(s.Entries, m.entries)
}

// progress is how far a history came. states[k] is the model after k Writes.
type progress struct {
	states    []modelState
	created   bool
	submitted int // Writes given to Append
	acked     int // Writes that Append has said are durable
}

// run runs the history until something fails, and returns the log as it is.
func run(o Options, steps []historyStep) (p progress, l *Log, err error) {
	p.states = []modelState{{}}
	if l, err = Create(o, testIdentity, testConfiguration); err != nil {
		return p, nil, err
	}
	p.created = true
	for _, step := range steps {
		sync := false
		for _, w := range step {
			p.states = append(p.states, p.states[p.submitted].after(w))
			p.submitted++
			sync = sync || w.Sync
		}
		if err = l.Append(step); err != nil {
			return p, l, err
		}
		if sync {
			p.acked = p.submitted
		}
	}
	if err = l.Close(); err == nil {
		p.acked = p.submitted
	}
	return p, nil, err
}

// check opens the log on a disk after a crash, compares it with what it may
// hold, goes on writing and opens it once more.
func (p progress) check(disk *vfs.Mem) error {
	o := memOptions(disk)
	if exists, err := Exists(disk, o.Dir); err != nil {
		return err
	} else if !exists {
		if p.created {
			return errors.New("the log is gone")
		}
		l, err := Create(o, testIdentity, testConfiguration)
		if err != nil {
			return fmt.Errorf("creating it again: %w", err)
		}
		return l.Close()
	}
	l, err := Open(o)
	if err != nil {
		return err
	}
	s, err := l.State(0)
	if err != nil {
		return err
	}
	held := p.find(s)
	if held < 0 {
		return fmt.Errorf("holds %+v, last %d: not what was there after any of the writes %d to %d", s.HardState, s.Last, p.acked, p.submitted)
	}
	return goOn(l, o, p.states[held])
}

// find returns after how many writes the log held s, or -1.
func (p progress) find(s raft.State) int {
	for k := p.acked; k <= p.submitted; k++ {
		if p.states[k].equal(s) {
			return k
		}
	}
	return -1
}

// goOn appends to a recovered log that holds m and opens it again.
func goOn(l *Log, o Options, m modelState) error {
	term, next := m.hardState.Term+1, m.hardState.Commit+1
	for _, w := range []Write{
		{HardState: hardState(term, 0, next-1)}, // must not complete a Write that was cut off
		{HardState: hardState(term, 3, next-1), Sync: true},
		{Entries: entries(term, next, next+1, 2500), Sync: true},
		{Entries: entries(term, next+1, next+3, 4000), Sync: true},
	} {
		if err := l.Append([]Write{w}); err != nil {
			return fmt.Errorf("going on: %w", err)
		}
		m = m.after(w)
		if err := l.lock.Close(); err != nil { // as if the process had died
			return err
		}
		var err error
		if l, err = Open(o); err != nil {
			return fmt.Errorf("after going on: %w", err)
		}
		s, err := l.State(0)
		if err != nil {
			return err
		}
		if !m.equal(s) {
			return fmt.Errorf("after going on: %+v, last %d; want %+v, last %d", s.HardState, s.Last, m.hardState, len(m.entries))
		}
	}
	return l.Close()
}

// powerFailsBefore is a disk on which the nth operation that changes it, and
// all later ones, fail. It returns also how many there were.
func powerFailsBefore(mem *vfs.Mem, n int) (vfs.FS, *int) {
	count := new(int)
	return vfs.Inject(mem, func(op vfs.Op) vfs.Fault {
		if op.Kind.Changes() {
			if *count >= n {
				return vfs.Fault{Err: errPower}
			}
			*count++
		}
		return vfs.Fault{}
	}), count
}

// eachCrash calls check with the disks that the loss of power may leave.
func eachCrash(mem *vfs.Mem, seed int64, check func(name string, disk *vfs.Mem)) {
	pieces := 0
	mem.CrashClone(func(vfs.Unsynced) vfs.Kept { pieces++; return vfs.None })
	check("nothing unsynced kept", mem.CrashClone(vfs.DropUnsynced))
	if pieces == 0 {
		return
	}
	check("all kept", mem.CrashClone(vfs.KeepUnsynced))
	const few = 5
	if pieces <= few {
		for subset := 1; subset < 1<<pieces-1; subset++ {
			bits := subset
			check(fmt.Sprintf("subset %b kept", subset), mem.CrashClone(func(vfs.Unsynced) vfs.Kept {
				keep := vfs.None
				if bits&1 != 0 {
					keep = vfs.All
				}
				bits >>= 1
				return keep
			}))
		}
	}
	random := rand.New(rand.NewSource(seed))
	for i := range 6 {
		check(fmt.Sprintf("random pieces %d", i), mem.CrashClone(vfs.RandomCrash(random.Intn)))
	}
}

func TestCrashBeforeEveryOperation(t *testing.T) {
	history := crashHistory()
	crashes := 0
	for n := 0; ; n++ {
		mem := vfs.NewMem()
		disk, _ := powerFailsBefore(mem, n)
		p, _, err := run(memOptions(disk), history)
		eachCrash(mem, int64(n), func(name string, after *vfs.Mem) {
			crashes++
			if err := p.check(after); err != nil {
				t.Errorf("before operation %d, %s: %v", n, name, err)
			}
		})
		if err == nil { // the history ran to its end
			t.Logf("%d operations, %d crashes", n, crashes)
			return
		}
		if !errors.Is(err, errPower) {
			t.Fatal(err)
		}
	}
}

// The power fails again while the log recovers, before each operation of that.
func TestCrashDuringRecovery(t *testing.T) {
	history := crashHistory()
	for n := 0; ; n += 3 {
		mem := vfs.NewMem()
		disk, _ := powerFailsBefore(mem, n)
		p, _, err := run(memOptions(disk), history)
		done := err == nil
		if p.created {
			random := rand.New(rand.NewSource(int64(n)))
			first := mem.CrashClone(vfs.RandomCrash(random.Intn))
			crashWhileOpening(t, n, p, first)
		}
		if done {
			return
		}
	}
}

func crashWhileOpening(t *testing.T, n int, p progress, first *vfs.Mem) {
	for k := 0; ; k++ {
		second := first.CrashClone(vfs.KeepUnsynced) // a copy: all is synced
		disk, _ := powerFailsBefore(second, k)
		// What cannot be made ahead is no error of Open, so that the count tells.
		_, err := Open(memOptions(disk))
		eachCrash(second, int64(k), func(name string, after *vfs.Mem) {
			if err := p.check(after); err != nil {
				t.Fatalf("before operation %d, then before operation %d of recovery, %s: %v", n, k, name, err)
			}
		})
		if err == nil {
			return
		}
		if !errors.Is(err, errPower) {
			t.Fatalf("before operation %d: %v", n, err)
		}
	}
}

// The process dies, the system lives on; the log is opened and promises what it
// found; then the power fails. What was found must still be there, although
// nobody had synced it when the process died.
func TestWhatOpenReturnsIsDurable(t *testing.T) {
	history := crashHistory()
	for _, forget := range []bool{false, true} {
		for n := 0; ; n++ {
			mem := vfs.NewMem()
			p, l, err := run(memOptions(syncFailsBefore(mem, n, forget)), history)
			if !p.created {
				continue
			}
			if l != nil {
				l.lock.Close()
			}
			reopened, openErr := Open(memOptions(mem))
			if openErr != nil {
				t.Fatalf("operation %d: %v", n, openErr)
			}
			s := mustState(t, reopened, 0)
			if p.find(s) < 0 {
				t.Fatalf("operation %d: %+v, last %d", n, s.HardState, s.Last)
			}
			again := mustOpen(t, memOptions(mem.CrashClone(vfs.DropUnsynced)))
			if later := mustState(t, again, 0); later.HardState != s.HardState || !equalEntries(later.Entries, s.Entries) {
				t.Errorf("operation %d: Open returned %+v, last %d; after the loss of power %+v, last %d",
					n, s.HardState, s.Last, later.HardState, later.Last)
			}
			mustClose(t, again)
			if err == nil {
				break
			}
		}
	}
}

// syncFailsBefore is like powerFailsBefore, but if the operation is a sync of a
// file, the system may forget that its pages are dirty.
func syncFailsBefore(mem *vfs.Mem, n int, forget bool) vfs.FS {
	count := 0
	return vfs.Inject(mem, func(op vfs.Op) vfs.Fault {
		if op.Kind.Changes() {
			count++
			if count > n {
				return vfs.Fault{Err: errPower, Forget: forget && count == n+1}
			}
		}
		return vfs.Fault{}
	})
}
