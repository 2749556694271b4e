package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// diskBytes is the size of a member's own disk when it has room. Only what is
// used takes memory.
const diskBytes = 4 << 30

// dieWithParent makes the kernel kill the process when the starting thread
// ends. A process group of its own keeps Ctrl-C, which is for us, from it.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// separate gives the thread its own view of what is mounted, so that nobody
// else sees the disks and none is left behind.
func (s *spawner) separate() error {
	return s.do(func() error {
		if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
			return fmt.Errorf("a mount namespace, which needs root: %w", err)
		}
		if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("a private mount namespace: %w", err)
		}
		return nil
	})
}

func size(bytes int64) string { return "size=" + strconv.FormatInt(bytes, 10) }

// mount makes a disk at dir.
func (s *spawner) mount(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	return s.do(func() error {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, size(diskBytes)); err != nil {
			return fmt.Errorf("cluster: mount a file system in memory: %w", err)
		}
		return nil
	})
}

// shrink makes the disk so small that only leave bytes are free.
func (s *spawner) shrink(dir string, leave int64) error {
	return s.do(func() error {
		// What is used grows while we look, and a size below it is refused.
		const tries = 10
		var err error
		for range tries {
			var stat syscall.Statfs_t
			if err = syscall.Statfs(dir, &stat); err != nil {
				return fmt.Errorf("cluster: statfs: %w", err)
			}
			used := int64(stat.Blocks-stat.Bfree) * stat.Bsize
			if err = syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size(used+leave)); err == nil {
				return nil
			}
		}
		return fmt.Errorf("cluster: shrink a disk: %w", err)
	})
}

// grow gives the disk its size back.
func (s *spawner) grow(dir string) error {
	return s.do(func() error {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, size(diskBytes)); err != nil {
			return fmt.Errorf("cluster: grow a disk: %w", err)
		}
		return nil
	})
}

// copy copies a directory that only the thread sees.
func (s *spawner) copy(from, to string) error {
	return s.do(func() error {
		if err := os.RemoveAll(to); err != nil {
			return err
		}
		return os.CopyFS(filepath.Clean(to), os.DirFS(from))
	})
}
