package wal

// These tests let operations fail: each one of a history in turn, and the disk
// being full. A log that could not write has failed for good, and touches the
// disk no more; what it had acknowledged before is there when it is opened
// again.

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"quorate/internal/vfs"
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
		"ENOSPC":                  {Err: syscall.ENOSPC, Partial: 4096},
	} {
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				mem := vfs.NewMem()
				disk, op, count := failing(mem, n, fault)
				lowSpace := false
				o := memOptions(disk)
				o.OnLowSpace = func(err error) { lowSpace = lowSpace || err != nil }
				p, l, err := run(o, history)
				if op.Kind == "" {
					return // the history has fewer operations than that
				}
				if err == nil {
					// Only what is done ahead, or to tidy up, may fail unnoticed.
					if !lowSpace && op.Kind != vfs.OpRemove {
						t.Errorf("operation %d, %s %s, failed and nobody was told", n, op.Kind, op.Path)
					}
				} else {
					if !errors.Is(err, fault.Err) || IsNoSpace(err) != (fault.Err == syscall.ENOSPC) {
						t.Errorf("operation %d, %s %s: the error is %v", n, op.Kind, op.Path, err)
					}
					checkFailed(t, l, err, count)
				}
				eachCrash(mem, int64(n), func(crash string, after *vfs.Mem) {
					if err := p.check(after); err != nil {
						t.Errorf("operation %d, %s %s, then %s: %v", n, op.Kind, op.Path, crash, err)
					}
				})
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
		if err := l.Append([]Write{{Sync: true}}); err != failure {
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

// The disk fills up: the log says so while it still has two segments in hand,
// takes writes until they are full, and fails only then. When there is space
// again before that, it says that too and goes on as if nothing had been.
func TestDiskFull(t *testing.T) {
	full := false
	disk := vfs.Inject(vfs.NewMem(), func(op vfs.Op) vfs.Fault {
		if full && op.Kind == vfs.OpPreallocate {
			return vfs.Fault{Err: syscall.ENOSPC}
		}
		return vfs.Fault{}
	})
	var told []string
	o := memOptions(disk)
	o.OnLowSpace = func(err error) { told = append(told, fmt.Sprint(IsNoSpace(err))) }
	l := mustCreate(t, o)
	mustAppend(t, l, Write{HardState: hardState(1, 0, 0), Sync: true})
	write := func() error {
		last := mustState(t, l, 0).Last
		return l.Append([]Write{{Entries: entries(1, last+1, last+2, 1000), Sync: true}})
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

	full = true
	if err := fillSegment(); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(told) != "[true]" {
		t.Fatalf("after the first segment: told %v, want the warning", told)
	}
	full = false
	if err := fillSegment(); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(told) != "[true false]" {
		t.Fatalf("with space again: told %v", told)
	}

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
	if again := l.Append(nil); again != err {
		t.Errorf("then %v", again)
	}
	mustClose(t, l)

	// Space is freed; nothing needs repair.
	full = false
	l = mustOpen(t, o)
	defer l.Close()
	if err := write(); err != nil {
		t.Error(err)
	}
}
