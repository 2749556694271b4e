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
	"slices"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

var errPower = errors.New("the power is gone")

// historyStep is one call of Append or, with through, one of Cut.
type historyStep struct {
	writes  []Write
	through raft.Index
}

// crashHistory has what a crash could split: writes of several records and
// blocks, writes without sync, a vote, entries that are superseded within a
// segment and across two, a configuration that is, rolls, a write larger than a
// segment, batches, cuts, snapshots.
func crashHistory() []historyStep {
	write := func(writes ...Write) historyStep { return historyStep{writes: writes} }
	cut := func(through raft.Index) historyStep { return historyStep{through: through} }
	return []historyStep{
		write(Write{HardState: hardState(1, 1, 0), Sync: true}),
		write(Write{Entries: entries(1, 1, 4, 100), Sync: true}),
		write(Write{HardState: hardState(1, 1, 2)}), // the commit index alone is not synced
		write(Write{Entries: entries(1, 4, 6, 3000), Sync: true}, Write{Entries: change(1, 6, 3), Sync: true}),
		write(Write{HardState: hardState(3, 0, 2), Entries: entries(3, 4, 8, 600), Sync: true}), // supersedes 4 to 6, rolls
		write(Write{HardState: hardState(3, 0, 7)}, Write{Entries: entries(3, 8, 12, 900), Sync: true}),
		write(Write{HardState: hardState(4, 2, 7), Sync: true}),
		cut(7),
		write(Write{Entries: entries(4, 10, 11, 4000), Sync: true}, Write{HardState: hardState(5, 0, 10), Entries: entries(5, 11, 12, 4000), Sync: true}), // rolls within one Append
		write(Write{Entries: entries(5, 12, 14, 9000), Sync: true}),                                                                                       // larger than a segment
		write(Write{HardState: hardState(5, 0, 12)}),
		cut(12), // the commit index is not durable yet
		write(Write{HardState: hardState(6, 1, 12), Entries: append(change(6, 13, 4), entries(6, 14, 15, 20)...), Sync: true}),
		write(
			Write{HardState: hardState(7, 0, 12)},
			Write{HardState: hardState(8, 3, 31), Snapshot: snapshotAt(30, 8, 5), Entries: entries(8, 31, 33, 700), Sync: true},
			Write{Entries: entries(8, 33, 34, 10), Sync: true}),
		write(Write{Entries: entries(8, 34, 36, 3000), Sync: true}, Write{HardState: hardState(8, 3, 35)}),
		cut(35),
		write(Write{Snapshot: snapshotAt(40, 8, 6)}),
		write(Write{HardState: hardState(9, 2, 40), Sync: true}, Write{Entries: entries(9, 41, 42, 10), Sync: true}),
	}
}

// change is an entry that carries a configuration with a mark of its own.
func change(term raft.Term, index raft.Index, mark raft.NodeID) []raft.Entry {
	return []raft.Entry{{
		Term: term, Index: index, Type: raft.EntryConfiguration,
		Data: raft.AppendConfiguration(nil, markedConfiguration(mark)),
	}}
}

func markedConfiguration(mark raft.NodeID) raft.Configuration {
	c := testConfiguration
	c.Members = append(slices.Clip(c.Members), raft.Member{ID: mark, Name: fmt.Sprintf("n%d", uint64(mark)), Suffrage: raft.Learner})
	return c
}

// snapshotAt is one whose configuration is that of the entry before.
func snapshotAt(index raft.Index, term raft.Term, mark raft.NodeID) *raft.Snapshot {
	return &raft.Snapshot{Index: index, Term: term, Configuration: raft.ConfigurationAt{Index: index - 1, Configuration: markedConfiguration(mark)}}
}

// progress is how far a history came. states[k] is the model after k Writes and
// Cuts.
type progress struct {
	states    []modelState
	created   bool
	submitted int // Writes and Cuts begun
	acked     int // those that are known to be durable
}

// run runs the history until something fails, and returns the log as it is. When
// there is no room, it gives up only after so many times.
func run(o Options, steps []historyStep, patience int) (p progress, l *Log, err error) {
	p.states = []modelState{emptyLog()}
	for {
		if l, err = Create(o, testIdentity, testConfiguration); err == nil {
			break
		}
		if patience--; !IsNoSpace(err) || patience < 0 {
			return p, nil, err
		}
	}
	p.created = true
	for _, step := range steps {
		begin := len(p.states) - 1
		for _, w := range step.writes {
			p.states = append(p.states, p.states[len(p.states)-1].after(w))
		}
		if step.through > 0 {
			m := p.states[begin]
			m.mayCut = step.through
			p.states = append(p.states, m)
		}
		p.submitted = len(p.states) - 1
		for done := false; !done; {
			if done, err = p.step(l, &step); err != nil {
				if patience--; !IsNoSpace(err) || patience < 0 {
					return p, l, err
				}
			}
		}
	}
	if err = l.Close(); err == nil {
		p.acked = p.submitted
	}
	return p, nil, err
}

// step does what is left of a step, and takes off it what was done.
func (p *progress) step(l *Log, step *historyStep) (done bool, err error) {
	if step.through > 0 {
		base, err := l.Cut(step.through)
		if m := &p.states[p.submitted]; base > m.cut {
			m.cut, p.acked = base, p.submitted
		}
		return err == nil, err
	}
	taken, err := l.Append(step.writes)
	before := p.submitted - len(step.writes)
	for i, w := range step.writes[:taken] {
		switch {
		case w.Sync:
			p.acked = before + taken
		case w.Snapshot != nil:
			p.acked = max(p.acked, before+i+1)
		}
	}
	step.writes = step.writes[taken:]
	return err == nil, err
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
	s, err := wholeState(l)
	if err != nil {
		return err
	}
	if p.find(s) < 0 {
		return fmt.Errorf("holds %+v, base %d, last %d: not what was there after any of the writes %d to %d", s.HardState, s.Base, s.Last, p.acked, p.submitted)
	}
	return goOn(l, o, modelOf(s))
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

// goOn appends to a recovered log that holds m, cuts it, and opens it again each
// time.
func goOn(l *Log, o Options, m modelState) error {
	term, next := m.hardState.Term+1, m.hardState.Commit+1
	for _, step := range []historyStep{
		{writes: []Write{{HardState: hardState(term, 0, next-1)}}}, // must not complete a Write that was cut off
		{writes: []Write{{HardState: hardState(term, 3, next-1), Sync: true}}},
		{writes: []Write{{Entries: entries(term, next, next+1, 2500), Sync: true}}},
		{through: next - 1},
		{writes: []Write{{HardState: hardState(term, 3, next+2), Entries: entries(term, next+1, next+3, 4000), Sync: true}}},
		{through: next + 1},
	} {
		var err error
		if len(step.writes) == 0 {
			m.cut, err = l.Cut(step.through)
			m.mayCut = max(m.cut, step.through)
		} else {
			_, err = l.Append(step.writes)
			m = m.after(step.writes[0])
		}
		if err != nil {
			return fmt.Errorf("going on: %w", err)
		}
		if err := l.lock.Close(); err != nil { // as if the process had died
			return err
		}
		if l, err = Open(o); err != nil {
			return fmt.Errorf("after going on: %w", err)
		}
		s, err := wholeState(l)
		if err != nil {
			return err
		}
		if !m.equal(s) {
			return fmt.Errorf("after going on: %+v, base %d, last %d; want %+v, %d to %d, last %d", s.HardState, s.Base, s.Last, m.hardState, m.cut, m.mayCut, m.last())
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

// keepNames is the crash that keeps what was made, renamed and removed, but no
// bytes: the worst for who relies on the order.
func keepNames(u vfs.Unsynced) vfs.Kept {
	if u.Kind == vfs.Name {
		return vfs.All
	}
	return vfs.None
}

// someCrashes calls check with four of the disks that the loss of power may
// leave, where eachCrash would take too long.
func someCrashes(mem *vfs.Mem, seed int64, check func(name string, disk *vfs.Mem)) {
	check("nothing unsynced kept", mem.CrashClone(vfs.DropUnsynced))
	check("all kept", mem.CrashClone(vfs.KeepUnsynced))
	check("names kept", mem.CrashClone(keepNames))
	check("random pieces", mem.CrashClone(vfs.RandomCrash(rand.New(rand.NewSource(seed)).Intn)))
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
	check("names kept", mem.CrashClone(keepNames))
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
		p, _, err := run(memOptions(disk), history, 0)
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
		p, _, err := run(memOptions(disk), history, 0)
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

// The process dies, and the power fails while the log is opened again: nothing of
// what the process had written need be on the disk yet. What Open removes must be
// garbage then, too.
func TestCrashDuringRecoveryAfterAKill(t *testing.T) {
	history := crashHistory()
	for n := 0; ; n++ {
		done := false
		for k, opened := 0, false; !opened; k++ {
			mem := vfs.NewMem()
			disk, _ := powerFailsBefore(mem, n)
			p, l, err := run(memOptions(disk), history, 0)
			done = err == nil
			if !p.created {
				break
			}
			if l != nil {
				l.lock.Close()
			}
			disk, _ = powerFailsBefore(mem, k)
			_, err = Open(memOptions(disk))
			opened = err == nil
			for name, decide := range map[string]func(vfs.Unsynced) vfs.Kept{"nothing": vfs.DropUnsynced, "names": keepNames} {
				if err := p.check(mem.CrashClone(decide)); err != nil {
					t.Errorf("before operation %d, then before operation %d of recovery, %s kept: %v", n, k, name, err)
				}
			}
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
			p, l, err := run(memOptions(syncFailsBefore(mem, n, forget)), history, 0)
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
			s := mustWholeState(t, reopened)
			if p.find(s) < 0 {
				t.Fatalf("operation %d: %+v, last %d", n, s.HardState, s.Last)
			}
			again := mustOpen(t, memOptions(mem.CrashClone(vfs.DropUnsynced)))
			if later := mustWholeState(t, again); later.HardState != s.HardState || !equalEntries(later.Entries, s.Entries) {
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
