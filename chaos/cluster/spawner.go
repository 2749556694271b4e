package cluster

import (
	"os/exec"
	"runtime"
)

// spawner is one thread of the operating system, from which all processes are
// started. On Linux the kernel kills a process when the thread that started it
// ends, however it ends and also when the process is paused; goroutines come
// and go on threads, so this one keeps its own. The file systems that it
// mounts are seen by itself and by what it starts, and go away with them.
type spawner struct {
	work chan func()
}

func newSpawner() *spawner {
	s := &spawner{work: make(chan func())}
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
		for f := range s.work {
			f()
		}
	}()
	return s
}

// do runs f on the thread.
func (s *spawner) do(f func() error) error {
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}

func (s *spawner) start(cmd *exec.Cmd) error {
	dieWithParent(cmd)
	return s.do(cmd.Start)
}

func (s *spawner) close() { close(s.work) }
