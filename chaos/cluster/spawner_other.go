//go:build !linux

package cluster

import (
	"errors"
	"os/exec"
	"syscall"
)

var errNotLinux = errors.New("they need Linux")

// dieWithParent can only keep Ctrl-C from the process here: one that we cannot
// kill ourselves, because we were killed, goes on.
func dieWithParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func (s *spawner) separate() error            { return errNotLinux }
func (s *spawner) mount(string) error         { return errNotLinux }
func (s *spawner) shrink(string, int64) error { return errNotLinux }
func (s *spawner) grow(string) error          { return errNotLinux }
func (s *spawner) copy(string, string) error  { return errNotLinux }
