package sqlfsm

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"quorate/internal/sqlite"
)

// checkpointer moves the WAL into the database file when it has grown.
//
// A passive checkpoint on a connection of its own moves most of the pages
// beside the applying of entries. But SQLite starts the WAL from its beginning
// only when a writer finds all of it moved, which a checkpoint beside a busy
// writer never quite reaches. So when the large part is done, Apply moves the
// small rest between two batches.
type checkpointer struct {
	connection *connection
	mu         sync.Mutex // one checkpoint at a time

	frames  atomic.Int64 // in the WAL after the last commit
	next    int64        // start a checkpoint at so many frames; Apply's own
	tail    atomic.Bool  // the large part is moved: Apply is to move the rest
	durable atomic.Uint64

	wake chan struct{}
	done chan struct{}
}

func (c *checkpointer) open(path string) (err error) {
	c.connection, err = openConnection(path, sqlite.Existing, 1<<20, 1)
	return err
}

// start begins to follow the WAL; stop ends that.
func (c *checkpointer) start(f *FSM) {
	c.wake, c.done = make(chan struct{}, 1), make(chan struct{})
	c.next = f.checkpointFrames()
	go func() {
		defer close(c.done)
		for range c.wake {
			if err := f.Checkpoint(); err != nil {
				f.fail(err)
				return
			}
			c.tail.Store(true)
		}
	}()
}

func (c *checkpointer) stop() {
	if c.wake != nil {
		close(c.wake)
		<-c.done
		c.wake = nil
	}
}

func (c *checkpointer) close() {
	if c.connection != nil {
		c.connection.close()
		c.connection = nil
	}
}

// grown is the WAL hook.
func (c *checkpointer) grown(frames int) { c.frames.Store(int64(frames)) }

// afterCommit starts a checkpoint, or ends one, between two batches.
func (c *checkpointer) afterCommit(f *FSM) error {
	frames := c.frames.Load()
	step := f.checkpointFrames()
	switch {
	case frames < step:
		c.next = step // the WAL has started from its beginning
	case c.tail.Swap(false):
		return c.moveRest(f)
	case frames >= c.next:
		c.next = frames + step
		if frames >= lateFactor*step {
			return c.moveRest(f) // the goroutine does not keep up, or a reader keeps it back
		}
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// lateFactor is how many times larger than wanted the WAL may grow before Apply
// itself moves it.
const lateFactor = 4

// moveRest checkpoints on the writer, unless Checkpoint is just doing the same.
func (c *checkpointer) moveRest(f *FSM) error {
	if !c.mu.TryLock() {
		return nil
	}
	defer c.mu.Unlock()
	return f.checkpoint(f.writer, f.meta.index)
}

// checkpointFrames is CheckpointBytes in frames of the WAL.
func (f *FSM) checkpointFrames() int64 { return int64(max(f.options.CheckpointBytes/pageBytes, 1)) }

// Checkpoint moves what it can of the WAL into the database file and makes it
// durable. It waits for nobody: a snapshot that is open keeps back what came
// after it.
func (f *FSM) Checkpoint() error {
	f.checkpointer.mu.Lock()
	defer f.checkpointer.mu.Unlock()
	return f.checkpoint(f.checkpointer.connection, f.applied.Load().index)
}

// checkpoint runs a passive checkpoint; index has been applied before.
func (f *FSM) checkpoint(c *connection, index uint64) error {
	began := time.Now()
	frames, moved, err := c.db.Checkpoint()
	if f.options.OnCheckpoint != nil {
		f.options.OnCheckpoint(time.Since(began))
	}
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code.Primary() == sqlite.Busy {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: checkpoint %s: %w", f.path, err)
	}
	// A checkpoint that moves frames has synced the WAL and then the file. One
	// that found everything moved already has synced nothing, and need not.
	if moved == frames && index > f.durable.Load() {
		f.durable.Store(index)
	}
	return nil
}

// Durable returns an index up to which everything applied would survive a
// power loss. It moves with checkpoints.
func (f *FSM) Durable() uint64 { return f.durable.Load() }
