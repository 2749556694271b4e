package wal

// These tests let operations fail, each one of a history in turn. After an error
// the log has failed for good, and touches the disk no more; what it had
// acknowledged before is there when it is opened again. Only when the disk is full
// it goes on as soon as there is room, as if nothing had been.

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"quorate/internal/vfs"
	"quorate/raft"
)

// failing is a disk on which the nth operation that changes it fails, and only
// that one. It returns the operation and how many there have been.
func failing(mem *vfs.Mem, n int, fault vfs.Fault) (disk vfs.FS, failed *vfs.Op, count *int) {
	failed, count = new(vfs.Op), new(int)
	return vfs.Inject(mem, func(op vfs.Op) vfs.Fault {
		if !op.Kind.Changes() {
			return vfs.Fault{}
		}
		*count++
		if *count != n+1 {
			return vfs.Fault{}
		}
		*failed = op
		return fault
	}), failed, count
}

func TestAnErrorIsForGood(t *testing.T) {
	history := crashHistory()
	for name, fault := range map[string]vfs.Fault{
		"EIO":                     {Err: syscall.EIO},
		"EIO, pages forgotten":    {Err: syscall.EIO, Forget: true},
		"EIO, part of it written": {Err: syscall.EIO, Partial: 700},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				mem := vfs.NewMem()
				disk, op, count := failing(mem, n, fault)
				p, l, err := run(memOptions(disk), history, 0)
				if op.Kind == "" {
					return // the history has fewer operations than that
				}
				switch {
				case err == nil && !spare(op):
					t.Errorf("operation %d, %s %s, failed and nobody was told", n, op.Kind, op.Path)
				case err != nil && !errors.Is(err, fault.Err):
					t.Errorf("operation %d, %s %s: the error is %v", n, op.Kind, op.Path, err)
				case err != nil && op.Kind != vfs.OpRemove:
					checkFailed(t, l, err, count)
				}
				someCrashes(mem, int64(n), func(crash string, after *vfs.Mem) {
					if err := p.check(after); err != nil {
						t.Errorf("operation %d, %s %s, then %s: %v", n, op.Kind, op.Path, crash, err)
					}
				})
			}
		})
	}
}

// spare reports whether the log can do without an operation: what is done ahead,
// or to tidy up.
func spare(op *vfs.Op) bool {
	return strings.HasSuffix(op.Path, aheadSuffix) || op.Kind == vfs.OpRemove
}

// There is no room for one operation. If it was a flush, the log has failed for
// good; otherwise what was not taken is given again, and in the end the log holds
// everything, with nothing of what was tried in between.
func TestNoRoomForOneOperation(t *testing.T) {
	history := crashHistory()
	for n := 0; ; n++ {
		mem := vfs.NewMem()
		disk, op, count := failing(mem, n, vfs.Fault{Err: syscall.ENOSPC, Partial: 4096})
		p, l, err := run(memOptions(disk), history, 1)
		if op.Kind == "" {
			return
		}
		flush := op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncDir || op.Kind == vfs.OpMkdir
		switch {
		case err != nil && (!flush || IsNoSpace(err) && op.Kind != vfs.OpMkdir):
			t.Errorf("operation %d, %s %s: given up with %v", n, op.Kind, op.Path, err)
		case err != nil:
			checkFailed(t, l, err, count)
		default:
			if whole := mustOpen(t, memOptions(mem.CrashClone(vfs.KeepUnsynced))); !p.states[p.submitted].equal(mustWholeState(t, whole)) {
				t.Errorf("operation %d, %s %s: in the end the log holds something else", n, op.Kind, op.Path)
			}
		}
		someCrashes(mem, int64(n), func(crash string, after *vfs.Mem) {
			if err := p.check(after); err != nil {
				t.Errorf("operation %d, %s %s, then %s: %v", n, op.Kind, op.Path, crash, err)
			}
		})
	}
}

// checkFailed checks that a failed log answers every call with its error and
// leaves the disk alone.
func checkFailed(t *testing.T, l *Log, failure error, operations *int) {
	t.Helper()
	if l == nil {
		return // Create failed, or Close
	}
	before := *operations
	for i := range 2 {
		if _, err := l.Append([]Write{{Sync: true}}); err != failure {
			t.Errorf("Append %d after %q: %v", i, failure, err)
		}
	}
	if _, err := l.Entries(1, 2, 1); err != failure {
		t.Errorf("Entries after %q: %v", failure, err)
	}
	if _, err := l.State(0); err != failure {
		t.Errorf("State after %q: %v", failure, err)
	}
	if *operations != before {
		t.Errorf("%d operations after %q", *operations-before, failure)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close after %q: %v", failure, err)
	}
}

// fullDisk is one that can be full: no file grows then.
func fullDisk(full *bool) vfs.FS {
	return vfs.Inject(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if *full && op.Kind == vfs.OpPreallocate {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		return vfs.Fault{}
	})
}

// The disk fills up: the log says so when it has no segment ahead any more, takes
// entries until the current one is full, and then still votes. When there is room
// again it goes on.
func TestDiskFull(t *testing.T) {
	full := false
	var told []bool
	o := memOptions(fullDisk(&full))
	o.OnLowSpace = func(err error) { told = append(told, IsNoSpace(err)) }
	l := mustCreate(t, o)
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Sync: true})
	next := raft.Index(1)
	write := func() error {
		taken, err := l.Append([]Write{{Entries: entries(1, next, next+1, 1000), Sync: true}})
		next += raft.Index(taken)
		return err
	}
	fillSegment := func() error {
		for _, before := l.Size(); ; {
			if err := write(); err != nil {
				return err
			}
			if _, now := l.Size(); now != before {
				return nil
			}
		}
	}
	expect := func(when string, want ...bool) {
		t.Helper()
		if !slices.Equal(told, want) {
			t.Fatalf("%s: told %v, want %v", when, told, want)
		}
	}

	full = true
	if err := fillSegment(); err != nil {
		t.Fatal(err)
	}
	expect("with one segment ahead")
	if err := fillSegment(); err != nil {
		t.Fatal(err)
	}
	expect("with none ahead", true)
	full = false
	l.Refill()
	expect("with room again", true, false)

	full = true
	segments := 0
	var err error
	for err == nil {
		segments++
		err = fillSegment()
	}
	if !IsNoSpace(err) || segments != 3 {
		t.Errorf("%d segments until %v; want two made ahead, then ENOSPC", segments, err)
	}
	expect("full", true, false, true)
	taken, err := l.Append([]Write{
		{HardState: hardState(2, 3, 0), Sync: true},
		{HardState: hardState(3, 0, next-1), Entries: entries(3, next, next+1, 1000)},
		{HardState: hardState(4, 0, next-1)},
	})
	if taken != 1 || !IsNoSpace(err) {
		t.Errorf("a vote, an entry, a vote: %d taken, %v; want the first vote only", taken, err)
	}
	votes := raft.Term(3)
	for ; err != nil && votes < 1000; votes++ {
		if _, err := l.Append([]Write{{HardState: hardState(votes, 1, 0), Sync: true}}); err != nil {
			break
		}
	}
	if least := raft.Term(l.reserve/recordBytes(voteBytes)) - 1; votes < least || votes == 1000 {
		t.Errorf("there was room for %d votes, want at least %d, and an end", votes, least)
	}
	if s := mustState(t, l, 0); s.Last != next-1 || s.HardState != *hardState(votes-1, 1, 0) {
		t.Errorf("%+v, last %d", s.HardState, s.Last)
	}

	full = false
	mustAppend(t, l, Write{HardState: hardState(votes, 1, next-1), Entries: entries(votes, next, next+1, 1000), Sync: true})
	expect("with room again", true, false, true, false)
	mustClose(t, l)
	l = mustOpen(t, o)
	defer l.Close()
	if s := mustState(t, l, 0); s.Last != next || s.HardState != *hardState(votes, 1, next-1) {
		t.Errorf("%+v, last %d", s.HardState, s.Last)
	}
}

// On a full disk, Cut makes the room that the log needs.
func TestCutMakesRoom(t *testing.T) {
	disk := vfs.NewMem()
	disk.SetCapacity(5 * minSegmentBytes)
	low := false
	o := memOptions(disk)
	o.OnLowSpace = func(err error) { low = err != nil }
	l := mustCreate(t, o)
	defer l.Close()
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Sync: true})
	next := raft.Index(1)
	for range 4 {
		for {
			taken, err := l.Append([]Write{{Entries: entries(1, next, next+1, 1000), Sync: true}, {HardState: hardState(1, 0, next)}})
			if taken > 0 {
				next++
			}
			if err != nil {
				if !IsNoSpace(err) || !low {
					t.Fatalf("low: %v; %v", low, err)
				}
				break
			}
		}
		for {
			if _, err := l.Append([]Write{{HardState: hardState(1, 0, next-1)}}); err != nil {
				break // no room for anything
			}
		}
		before, _ := l.Base()
		base, err := l.Cut(next - 1)
		if err != nil || base <= before || low {
			t.Fatalf("Cut(%d) = %d, %v; low: %v", next-1, base, err, low)
		}
	}
}

// A write found no room half-way, and a shorter one came in its place; then the
// process dies. Nothing of the first is found behind the second, although its
// records lie where they would be valid.
func TestNothingIsLeftOfAWriteThatFoundNoRoom(t *testing.T) {
	disk := vfs.NewMem()
	full := false
	o := memOptions(vfs.Inject(disk, func(op vfs.Op) vfs.Fault {
		if full && op.Kind == vfs.OpWrite {
			return vfs.Fault{Err: syscall.ENOSPC, Partial: op.Bytes}
		}
		return vfs.Fault{}
	}))
	l := mustCreate(t, o)
	mustAppend(t, l, Write{HardState: hardState(1, 1, 0), Sync: true})
	two := []Write{{Entries: entries(1, 1, 2, 100)}, {Entries: entries(1, 2, 3, 100), Sync: true}}
	full = true
	for range 2 {
		if taken, err := l.Append(two); taken != 0 || !IsNoSpace(err) {
			t.Fatalf("%d taken, %v", taken, err)
		}
	}
	full = false
	mustAppend(t, l, two[0])
	if err := l.lock.Close(); err != nil {
		t.Fatal(err)
	}
	l = mustOpen(t, o)
	defer l.Close()
	if s := mustState(t, l, 0); s.Last != 1 || l.Recovered().Bytes != 0 {
		t.Errorf("last %d, %d bytes cut off", s.Last, l.Recovered().Bytes)
	}
}

// A refused write would have superseded entries, among them a configuration. The
// log is what it was before, not only where it ends.
func TestARefusedWriteLeavesNoTrace(t *testing.T) {
	full := false
	o := memOptions(vfs.Inject(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if full && op.Kind == vfs.OpWrite {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		return vfs.Fault{}
	}))
	l := mustCreate(t, o)
	defer l.Close()
	mustAppend(t, l,
		Write{HardState: hardState(1, 0, 0), Entries: entries(1, 1, 4, 10)},
		Write{HardState: hardState(2, 0, 1), Entries: change(2, 4, 4)},
		Write{HardState: hardState(3, 0, 1), Entries: change(3, 5, 5), Sync: true})
	before := modelOf(mustState(t, l, 0))
	full = true
	for range 2 { // the second would begin where the first has been
		taken, err := l.Append([]Write{
			{HardState: hardState(4, 2, 1), Entries: append(change(4, 3, 6), entries(4, 4, 6, 10)...)},
			{HardState: hardState(5, 0, 1), Entries: change(5, 5, 6)},
		})
		if taken != 0 || !IsNoSpace(err) {
			t.Fatalf("%d taken, %v", taken, err)
		}
		if s := mustState(t, l, 0); !before.equal(s) {
			t.Fatalf("now it holds %+v", s)
		}
	}
}

// What Append has taken before it ran out of room is durable, if that was asked.
func TestWhatWasTakenIsDurable(t *testing.T) {
	disk := vfs.NewMem()
	o := memOptions(disk)
	o.SegmentsAhead = -1
	l := mustCreate(t, o)
	disk.SetCapacity(1)
	taken, err := l.Append([]Write{
		{HardState: hardState(2, 3, 0), Sync: true},
		{HardState: hardState(2, 3, 20), Snapshot: snapshotAt(20, 1, 4)}, // needs a segment
	})
	if taken != 1 || !IsNoSpace(err) {
		t.Fatalf("%d taken, %v", taken, err)
	}
	l = mustOpen(t, memOptions(disk.CrashClone(vfs.DropUnsynced)))
	defer l.Close()
	if s := mustState(t, l, 0); s.HardState != *hardState(2, 3, 0) {
		t.Errorf("%+v", s.HardState)
	}
}
