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
	return s.F_bavail * int64(s.F_bsize), nil
}
