//go:build linux || darwin || dragonfly || freebsd

package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Free implements FS. What the system keeps back for root does not count.
func (OS) Free(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
