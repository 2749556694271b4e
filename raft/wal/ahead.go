package wal

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"quorate/internal/vfs"
)

// ahead keeps allocated files ready to become segments.
type ahead struct {
	options Options
	// awake tells the goroutine to look; nil when there is none.
	awake chan struct{}
	ended sync.WaitGroup
	// lowSpace is set while files cannot be made.
	lowSpace atomic.Bool

	mu sync.Mutex // guards the fields below; held while a file is made
	// ready are the files for the segments next, next+1, …
	ready []vfs.File
	next  SegmentNumber
	// retryAt is how far the active segment will be written when it is tried
	// again to make a file.
	retryAt Offset
	stopped bool
}

func newAhead(o Options) *ahead { return &ahead{options: o} }

// start begins to keep files ready, from this segment on.
func (a *ahead) start(next SegmentNumber) {
	a.next = next
	if !a.options.InlineAhead && a.options.SegmentsAhead > 0 {
		a.awake = make(chan struct{}, 1)
		a.ended.Add(1)
		go func() {
			defer a.ended.Done()
			for range a.awake {
				a.fill()
			}
		}()
	}
	a.wake()
}

// stop ends that and removes the files.
func (a *ahead) stop() {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	if a.awake != nil {
		close(a.awake)
		a.ended.Wait()
	}
	for i, file := range a.ready {
		// What cannot be removed now, the next Open removes.
		_ = file.Close()
		_ = a.options.FS.Remove(aheadPath(a.options.Dir, a.next+SegmentNumber(i)))
	}
	a.ready = nil
}

// wake has files made if some are missing.
func (a *ahead) wake() {
	if a.awake == nil {
		a.fill()
		return
	}
	select {
	case a.awake <- struct{}{}:
	default: // it will look anyway
	}
}

// retryAfter wakes it, after files could not be made, whenever another sixteenth
// of a segment has been written.
func (a *ahead) retryAfter(written Offset) {
	if !a.lowSpace.Load() {
		return
	}
	a.mu.Lock()
	retry := written >= a.retryAt
	if retry {
		a.retryAt = written + Offset(a.options.SegmentBytes/16)
	}
	a.mu.Unlock()
	if retry {
		a.wake()
	}
}

// fill makes the files that are missing, one at a time, so that take never
// waits for more than one.
func (a *ahead) fill() {
	for {
		again, report := a.fillOne()
		if report != nil && a.options.OnLowSpace != nil {
			a.options.OnLowSpace(report.err)
		}
		if !again {
			return
		}
	}
}

// spaceReport is what OnLowSpace is to be told.
type spaceReport struct{ err error }

func (a *ahead) fillOne() (again bool, report *spaceReport) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped || len(a.ready) >= a.options.SegmentsAhead {
		return false, nil
	}
	file, err := a.allocate(a.next + SegmentNumber(len(a.ready)))
	if err != nil {
		if a.lowSpace.Swap(true) {
			return false, nil
		}
		return false, &spaceReport{err}
	}
	a.ready = append(a.ready, file)
	if a.lowSpace.Swap(false) {
		report = &spaceReport{}
	}
	return true, report
}

// take returns the file for a segment, made now if none is ready.
func (a *ahead) take(number SegmentNumber) (vfs.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = number + 1
	a.retryAt = 0
	if len(a.ready) == 0 {
		return a.allocate(number)
	}
	file := a.ready[0]
	a.ready = a.ready[1:]
	return file, nil
}

// allocate makes a file of zeros under the name of a segment to come.
func (a *ahead) allocate(number SegmentNumber) (vfs.File, error) {
	path := aheadPath(a.options.Dir, number)
	file, err := a.options.FS.Create(path)
	if err != nil {
		return nil, err
	}
	if err = file.Preallocate(a.options.SegmentBytes); err == nil {
		err = file.Sync()
	}
	if err != nil {
		_ = file.Close()
		_ = a.options.FS.Remove(path) // gives back what space it got
		return nil, err
	}
	return file, nil
}

// removeAhead removes the files that an earlier run has left: a crash may have
// written part of a header into one.
func removeAhead(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, aheadSuffix) {
			if err := fsys.Remove(filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("wal: %w", err)
			}
		}
	}
	return nil
}
