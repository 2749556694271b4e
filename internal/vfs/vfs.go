package vfs

import (
	"errors"
	"io"
	"syscall"
)

// FS is a file system. Its methods may be called concurrently.
type FS interface {
	// Create makes an empty file, or empties the one that is there.
	Create(path string) (File, error)
	// Open opens a file for reading and writing; fs.ErrNotExist if there is none.
	Open(path string) (File, error)
	// Rename gives a file another name, in the same directory, in one step: a
	// crash leaves the old name or the new one, never none and never both.
	Rename(oldPath, newPath string) error
	Remove(path string) error
	// MkdirAll makes a directory and its parents where they are missing. Those
	// that it makes are durable.
	MkdirAll(path string) error
	// List returns the names in a directory, sorted; fs.ErrNotExist if there is
	// no such directory.
	List(dir string) ([]string, error)
	// Size returns how long a file is, in bytes.
	Size(path string) (int64, error)
	// SyncDir makes durable which names a directory holds.
	SyncDir(dir string) error
	// Free returns how many bytes can still be written to the file system that a
	// directory is on. Others may write there too: it is no promise.
	Free(dir string) (bytes int64, err error)
	// Lock takes the lock that the file at path stands for, making the file if
	// need be, and holds it until it is closed or the process ends. While it is
	// held, elsewhere or here, Lock returns an error that is ErrLocked.
	Lock(path string) (io.Closer, error)
}

// File is an open file. ReadAt and WriteAt may be called concurrently.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync makes durable what was written, and the size as far as it is needed
	// to read it back (fdatasync(2)). After an error nothing is known about the
	// bytes in question, and a second Sync that returns no error proves nothing:
	// the kernel may have dropped them.
	Sync() error
	Truncate(size int64) error
	// Preallocate makes the file at least size bytes long and reserves the
	// space. The new bytes read as zeros.
	Preallocate(size int64) error
	Size() (int64, error)
}

// ErrLocked says that another process, or another part of this one, holds the
// lock.
var ErrLocked = errors.New("in use by another process")

// IsNoSpace reports whether err says that the disk, or the quota on it, is full.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
