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
	// awake tells the goroutine to look, and quit to end; nil when there is none.
	awake, quit chan struct{}
	ended       sync.WaitGroup
	// short is set while files are missing that could not be made.
	short atomic.Bool

	mu sync.Mutex // guards the fields below; held while a file is made
	// ready are files for the next segments, and next is what the next file made
	// is called: by the segment that it will be, unless one could not be used.
	ready []aheadFile
	next  SegmentNumber
	// retryAt is how far the active segment will be written when it is tried
	// again to make a file.
	retryAt Offset
	// low says that OnLowSpace was told so.
	low     bool
	stopped bool
}

// aheadFile is a file of zeros, reserved and durable but for its name.
type aheadFile struct {
	file vfs.File
	path string
}

func newAhead(o Options) *ahead { return &ahead{options: o, next: 1} }

// start begins to keep files ready; next is the segment that they begin with.
func (a *ahead) start(next SegmentNumber) {
	a.next = next
	if !a.options.InlineAhead && a.options.SegmentsAhead > 0 {
		a.awake, a.quit = make(chan struct{}, 1), make(chan struct{})
		a.ended.Add(1)
		go a.run()
	}
	a.wake()
}

func (a *ahead) run() {
	defer a.ended.Done()
	for {
		select {
		case <-a.quit:
			return
		case <-a.awake:
			a.fill()
		}
	}
}

// stop ends that and removes the files.
func (a *ahead) stop() {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	if a.quit != nil {
		close(a.quit)
		a.ended.Wait()
	}
	for _, f := range a.ready {
		a.discard(f)
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
	if !a.short.Load() {
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
	for a.fillOne() {
	}
}

// fillOne makes one file, and reports whether more may be missing.
func (a *ahead) fillOne() bool {
	a.mu.Lock()
	if a.stopped || len(a.ready) >= a.options.SegmentsAhead {
		a.mu.Unlock()
		return false
	}
	f, err := a.allocate()
	if err == nil {
		a.ready = append(a.ready, f)
	}
	a.short.Store(err != nil)
	tell := a.judge(err)
	a.mu.Unlock()
	tell()
	return err == nil
}

// judge decides, after a file was made or not, what OnLowSpace is told. The
// caller holds mu, and calls what it returns when it no longer does.
func (a *ahead) judge(err error) (tell func()) {
	report := a.options.OnLowSpace
	low := err != nil && len(a.ready) == 0
	if low == a.low || err != nil && !low || report == nil {
		return func() {}
	}
	a.low = low
	return func() { report(err) }
}

// take returns the file for the next segment, made now if none is ready.
func (a *ahead) take() (aheadFile, error) {
	a.mu.Lock()
	a.retryAt = 0
	if len(a.ready) > 0 {
		defer a.mu.Unlock()
		f := a.ready[0]
		a.ready = a.ready[1:]
		return f, nil
	}
	f, err := a.allocate()
	tell := func() {}
	if err != nil || a.options.SegmentsAhead == 0 {
		tell = a.judge(err)
	}
	a.mu.Unlock()
	tell()
	return f, err
}

// allocate makes a file under the name of a segment to come.
func (a *ahead) allocate() (aheadFile, error) {
	path := aheadPath(a.options.Dir, a.next)
	file, err := a.options.FS.Create(path)
	if err != nil {
		return aheadFile{}, err
	}
	f := aheadFile{file, path}
	if err = file.Preallocate(a.options.SegmentBytes); err == nil {
		err = file.Sync()
	}
	if err != nil {
		a.discard(f) // gives back what space it got
		return aheadFile{}, err
	}
	a.next++
	return f, nil
}

// discard removes a file. What cannot be removed now, the next Open removes.
func (a *ahead) discard(f aheadFile) {
	_ = f.file.Close()
	_ = a.options.FS.Remove(f.path)
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
