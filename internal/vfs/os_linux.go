package vfs

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync leaves the file's times out, which fsync would write for nothing.
func (f osFile) Sync() error {
	return f.control("fdatasync", unix.Fdatasync)
}

// Preallocate reserves the blocks. The file system marks them unwritten, so
// that they read as zeros without having been written.
func (f osFile) Preallocate(size int64) error {
	at, err := f.Size()
	if err != nil || at >= size {
		return err
	}
	err = f.control("fallocate", func(fd int) error {
		return unix.Fallocate(fd, 0, at, size-at)
	})
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOSYS) {
		return f.writeZeros(size)
	}
	return err
}

// control runs a system call on the descriptor, again if a signal cut it short
// before it did anything.
func (f osFile) control(name string, call func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var callErr error
	err = raw.Control(func(fd uintptr) {
		for {
			if callErr = call(int(fd)); callErr != unix.EINTR {
				return
			}
		}
	})
	if err != nil {
		return err
	}
	if callErr != nil {
		return &os.PathError{Op: name, Path: f.Name(), Err: callErr}
	}
	return nil
}
