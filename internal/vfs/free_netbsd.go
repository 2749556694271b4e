package vfs

import (
	"os"

	"golang.org/x/sys/unix"
)

// Free implements FS. What the system keeps back for root does not count.
func (OS) Free(dir string) (int64, error) {
	var s unix.Statvfs_t
	if err := unix.Statvfs(dir, &s); err != nil {
		return 0, &os.PathError{Op: "statvfs", Path: dir, Err: err}
	}
	return int64(s.Bavail) * int64(s.Frsize), nil
}
