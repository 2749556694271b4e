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

// Log is an open log. One goroutine appends; Entries, State, Identity and Size
// may be called from others meanwhile.
type Log struct {
	options  Options
	identity Identity
	// configuration is as the segments' headers hold it: encoded is its bytes.
	configuration raft.Configuration
	encoded       []byte
	lock          io.Closer
	ahead         *ahead
	recovered     Recovery

	// The fields from here on belong to the goroutine that appends.

	active segment
	// buffer holds records that follow active.written, and placed says where
	// entries among them will lie.
	buffer []byte
	placed []placedEntry

	mu sync.RWMutex // guards the fields below
	// history includes what is in buffer; index does not.
	history history
	index   index
	failed  error
	bytes   int64
}

// segment is the segment that takes records.
type segment struct {
	file   vfs.File
	header header
	// written is where the next record goes, and synced how much is known to be
	// durable. Invariant: headerBytes <= synced <= written <= header.bytes.
	written, synced Offset
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
// ErrExists. The log is durable when Create returns; a crash before leaves
// either all of it or nothing that Exists would take for a log.
func Create(o Options, id Identity, c raft.Configuration) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	encoded := raft.AppendConfiguration(nil, c)
	if len(encoded) > maxHeaderBytes-headerFixedBytes {
		return nil, fmt.Errorf("wal: a configuration of %d bytes does not fit into a segment's header", len(encoded))
	}
	if err := o.FS.MkdirAll(o.Dir); err != nil {
		return nil, fmt.Errorf("wal: %w", err)
	}
	return lockedLog(o, func(l *Log) error {
		l.identity, l.configuration, l.encoded = id, c, encoded
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
	if err := l.begin(header{number: 1, first: 1}, 0); err != nil {
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
	l := &Log{options: o, lock: lock}
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

// Configuration is the members that the log was made with. State returns it
// too, but reads entries for that.
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
	return l.bytes, len(l.index.segments)
}

// Close closes the log, after making durable what was written. It is not called
// while Append runs.
func (l *Log) Close() error {
	failed := l.fail(ErrClosed)
	if l.active.file == nil {
		return failed
	}
	l.ahead.stop()
	var err error
	if failed == ErrClosed {
		err = l.vouch()
	}
	err = errors.Join(err, l.active.file.Close(), l.lock.Close())
	l.active.file = nil
	if err != nil {
		return fmt.Errorf("wal: %w", err)
	}
	return nil
}

// vouch ends the log with a record that says all before it is durable, so that
// from now on damage to any of it is told from a torn tail. A full segment goes
// without.
func (l *Log) vouch() error {
	if err := l.sync(); err != nil {
		return err
	}
	a := &l.active
	if a.written == a.header.headerBytes || int64(a.written)+recordBytes(voteBytes) > a.header.bytes {
		return nil
	}
	l.buffer = appendHardState(l.buffer, l.place(), a.synced, l.history.hardState)
	if err := l.flush(); err != nil {
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
