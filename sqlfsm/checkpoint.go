package sqlfsm

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/vfs"
)

// checkpointer moves the WAL into the database file when it has grown.
//
// A passive checkpoint on a connection of its own moves most of the pages
// beside the applying of entries. But SQLite starts the WAL from its beginning
// only when a writer finds all of it moved, which a checkpoint beside a busy
// writer never quite reaches. So when the large part is done, Apply moves the
// small rest between two batches.
type checkpointer struct {
	mu         sync.Mutex // one checkpoint at a time; guards connection
	connection *connection
	walMu      sync.Mutex // one sync at a time; guards wal
	wal        vfs.File   // SQLite's WAL, to sync it; never the database file, whose locks end when any descriptor closes

	frames  atomic.Int64 // in the WAL after the last commit
	written atomic.Int64 // frames, since the FSM was opened
	horizon atomic.Int64 // views that began when fewer were written are too old
	next    int64        // start a checkpoint at so many frames; Apply's own
	tail    atomic.Bool  // the large part is moved: Apply is to move the rest
	durable atomic.Uint64

	wake chan struct{}
	done chan struct{}
}

// open turns to the database that is now at the path.
func (c *checkpointer) open(f *FSM) error {
	connection, err := openConnection(f.path, sqlite.Existing, 1<<20, 1)
	if err != nil {
		return err
	}
	wal, err := f.options.FS.Open(f.path + "-wal")
	if err != nil {
		connection.close()
		return fmt.Errorf("sqlfsm: open: %w", err)
	}
	c.swap(connection, wal)
	c.frames.Store(0)
	c.tail.Store(false)
	c.next = f.checkpointFrames()
	return nil
}

// start begins to follow the WAL; stop ends that.
func (c *checkpointer) start(f *FSM) {
	c.wake, c.done = make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(c.done)
		for range c.wake {
			f.endOldViews()
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

func (c *checkpointer) close() { c.swap(nil, nil) }

// swap closes what is open and goes on with other files. Checkpoint and
// MakeDurable, which wait meanwhile, find the ones or the others.
func (c *checkpointer) swap(connection *connection, wal vfs.File) {
	c.mu.Lock()
	if c.connection != nil {
		c.connection.close()
	}
	c.connection = connection
	c.mu.Unlock()
	c.walMu.Lock()
	if c.wal != nil {
		c.wal.Close() // nothing was written through it
	}
	c.wal = wal
	c.walMu.Unlock()
}

// grown is the WAL hook.
func (c *checkpointer) grown(frames int) {
	more := int64(frames)
	if before := c.frames.Swap(more); before <= more { // else it has started from its beginning
		more -= before
	}
	c.written.Add(more)
}

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
		select {
		case c.wake <- struct{}{}:
		default:
		}
		if frames >= lateFactor*step {
			return c.moveRest(f) // the goroutine does not keep up, or a reader keeps it back
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
	if err := f.failed(); err != nil {
		return err
	}
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
	if errors.As(err, &e) && e.Code.Primary() == sqlite.Busy || IsFull(err) {
		return nil // another time; what is in the WAL stays there
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: checkpoint %s: %w", f.path, err)
	}
	// A checkpoint that moves frames has synced the WAL and then the file. One
	// that found everything moved already has synced nothing, and need not.
	if moved == frames {
		f.checkpointer.raise(index)
	}
	return nil
}

// raise notes that everything up to index is durable.
func (c *checkpointer) raise(index uint64) {
	for was := c.durable.Load(); index > was && !c.durable.CompareAndSwap(was, index); {
		was = c.durable.Load()
	}
}

// Durable returns an index up to which everything applied would survive a
// power loss. It moves with checkpoints, MakeDurable and Install.
func (f *FSM) Durable() uint64 { return f.durable.Load() }

// MakeDurable makes everything applied so far survive a power loss and returns
// the index up to which it does. It syncs SQLite's WAL, which Apply does not wait
// for, and needs no checkpoint: what is not in the WAL any more was synced into
// the database file before SQLite wrote over it. So an open snapshot, however
// old, does not keep the log from being cut.
func (f *FSM) MakeDurable() (index uint64, err error) {
	f.walMu.Lock()
	defer f.walMu.Unlock()
	if err := f.failed(); err != nil {
		return 0, err
	}
	index = f.applied.Load().index
	if index <= f.durable.Load() {
		return index, nil
	}
	if err := f.wal.Sync(); err != nil {
		return 0, f.fail(fmt.Errorf("sqlfsm: make durable: %w", err))
	}
	f.checkpointer.raise(index)
	return index, nil
}

// rewriteWAL writes SQLite's WAL once more, unchanged, and syncs it, before
// anything relies on it. If a sync failed before the restart, the kernel may show
// what it has given up writing, and would say of the next sync that it succeeded
// (wiki.postgresql.org/wiki/Fsync_Errors).
func rewriteWAL(disk vfs.FS, path string) error {
	file, err := disk.Open(path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: open: %w", err)
	}
	err = rewrite(file)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("sqlfsm: open %s-wal: %w", path, err)
	}
	return nil
}

func rewrite(file vfs.File) error {
	size, err := file.Size()
	if err != nil || size == 0 {
		return err
	}
	buffer := make([]byte, min(size, 1<<20))
	for at := int64(0); at < size; at += int64(len(buffer)) {
		buffer = buffer[:min(size-at, int64(len(buffer)))]
		if n, err := file.ReadAt(buffer, at); n < len(buffer) {
			return err
		}
		if _, err := file.WriteAt(buffer, at); err != nil {
			return err
		}
	}
	return file.Sync()
}
