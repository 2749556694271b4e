package wal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"sync"

	"quorate/internal/vfs"
	"quorate/raft"
)

// Log is an open log. Its methods may be called at the same time; Close waits
// for Append and Cut.
type Log struct {
	options  Options
	identity Identity
	// configuration is the one that the log was made with: founding is its bytes.
	configuration raft.Configuration
	founding      []byte
	// reserve is how much room Writes with entries leave in a segment.
	reserve   int64
	lock      io.Closer
	ahead     *ahead
	recovered Recovery

	writing sync.Mutex // guards the fields below; taken before the others
	active  segment
	// buffer holds records that follow active.written, placed says where entries
	// among them will lie, and buffered how many Writes they are.
	buffer   []byte
	placed   []placedEntry
	buffered int
	// written is the history without what is in the buffer.
	written history

	sweeping sync.Mutex // held while segments are removed; taken before mu

	mu sync.RWMutex // guards the fields below; they change only with writing held
	// history includes what is in buffer; index does not.
	history history
	index   index
	failed  error
	// garbage are segments whose files are to be removed (held or not).
	garbage []SegmentNumber
}

// segment is the segment that takes records.
type segment struct {
	file   vfs.File
	header header
	// written is where the next record goes, and synced how much is known to be
	// durable. Invariant: headerBytes <= synced <= written <= header.bytes.
	written, synced Offset
	// stale is how far a write that found no room may have left bytes.
	stale Offset
}

// placedEntry is an entry that the index does not know yet.
type placedEntry struct {
	index  raft.Index
	offset Offset
}

// Exists reports whether there is a log in dir.
func Exists(fsys vfs.FS, dir string) (bool, error) {
	numbers, err := listSegments(fsys, dir)
	return len(numbers) > 0, err
}

// Create makes an empty log in a directory that holds none, else the error is
// ErrExists. A member that is to join a cluster begins with a configuration
// without members. The log is durable when Create returns; a crash before leaves
// either all of it or nothing that Exists would take for a log.
func Create(o Options, id Identity, c raft.Configuration) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	founding := raft.AppendConfiguration(nil, c)
	if len(founding) > maxConfigurationBytes {
		return nil, fmt.Errorf("wal: a configuration of %d bytes: the limit is %d", len(founding), maxConfigurationBytes)
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	return lockedLog(o, func(l *Log) error {
		l.identity, l.configuration, l.founding = id, c, founding
		return l.create()
	})
}

func (l *Log) create() error {
	fsys, dir := l.options.FS, l.options.Dir
	if exists, err := Exists(fsys, dir); err != nil {
		return err
	} else if exists {
		return fmt.Errorf("wal: %s: %w", dir, ErrExists)
	}
	if err := removeAhead(fsys, dir); err != nil {
		return err
	}
	l.history = history{kept: 1, configurations: []raft.ConfigurationAt{{Configuration: l.configuration}}}
	if err := l.begin(l.following(&l.history), 0, nil); err != nil {
		return err
	}
	if err := fsys.SyncDir(filepath.Dir(dir)); err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	return nil
}

// Open opens the log and recovers what a crash has left of it: doc.go says how.
// Errors that a person must act on are *CorruptError, *FormatError,
// *ForeignError, and vfs.ErrLocked when another process has the log open. When
// there is no log the error is ErrNotExist.
func Open(o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if exists, err := Exists(o.FS, o.Dir); err != nil {
		return nil, err
	} else if !exists {
		return nil, fmt.Errorf("wal: %s: %w", o.Dir, ErrNotExist)
	}
	return lockedLog(o, func(l *Log) error {
		if err := removeAhead(o.FS, o.Dir); err != nil {
			return err
		}
		return l.recover()
	})
}

// lockedLog takes the directory's lock, lets fill make a Log of what is there
// and starts it.
func lockedLog(o Options, fill func(*Log) error) (*Log, error) {
	lock, err := o.FS.Lock(filepath.Join(o.Dir, "LOCK"))
	if err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	l := &Log{options: o, lock: lock, reserve: o.reserve()}
	l.ahead = newAhead(o)
	if err := fill(l); err != nil {
		if l.active.file != nil {
			l.active.file.Close()
		}
		lock.Close()
		return nil, err
	}
	l.ahead.start(l.active.header.number + 1)
	return l, nil
}

// Identity says whose log this is.
func (l *Log) Identity() Identity { return l.identity }

// Configuration is the one that the log was made with, and stays that; State has
// those in force.
func (l *Log) Configuration() raft.Configuration { return l.configuration }

// Recovery is what Open had to mend.
type Recovery struct {
	// Segment and Offset are where the torn tail began; Bytes is how far it
	// reached, 0 if there was none.
	Segment SegmentNumber
	Offset  Offset
	Bytes   int64
}

// Recovered says what Open had to mend.
func (l *Log) Recovered() Recovery { return l.recovered }

// Size returns how much room the segments take on disk, and how many there are.
// Those made ahead do not count.
func (l *Log) Size() (bytes int64, segments int) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.size(), len(l.index.segments)
}

// Base returns after which entry the log begins, and its term; 0 and 0 if it was
// never cut and never reset. A node whose state machine has not applied as much
// needs the image for a Snapshot at this index before it asks for State.
func (l *Log) Base() (raft.Index, raft.Term) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.history.base, l.history.baseTerm
}

// Close closes the log, after making durable what was written.
func (l *Log) Close() error {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.sweeping.Lock()
	defer l.sweeping.Unlock()
	failed := l.fail(ErrClosed)
	if l.active.file == nil {
		return failed
	}
	l.ahead.stop()
	var err error
	if failed == ErrClosed {
		err = l.vouch()
	}
	if closeErr := errors.Join(l.active.file.Close(), l.lock.Close()); err == nil && closeErr != nil {
		err = fmt.Errorf("wal: %w", closeErr)
	}
	l.active.file = nil
	return err
}

// vouch ends the log with a record that says all before it is durable, so that
// from now on damage to any of it is told from a torn tail. A full segment, or
// disk, goes without.
func (l *Log) vouch() error {
	if err := l.sync(); err != nil {
		return err
	}
	a := &l.active
	if a.written == a.header.headerBytes || !l.fits(recordBytes(voteBytes)+recordBytes(keptBytes)) {
		return nil
	}
	l.buffer = appendHardState(l.buffer, l.place(), a.synced, l.history.hardState)
	if err := l.flush(); IsNoSpace(err) {
		return nil
	} else if err != nil {
		return err
	}
	return l.sync()
}

// fail makes every later call return err, if none failed before, and returns
// the error that they return.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = err
	}
	return l.failed
}

func (l *Log) failure() error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.failed
}

// notExist reports whether err says that a file or directory is not there.
func notExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }
