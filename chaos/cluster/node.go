package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"time"

	"quorate/internal/config"
)

// Node is one member.
type Node struct {
	Name string
	// SQL and Admin are where it listens for clients.
	SQL, Admin string

	cluster      *Cluster
	listen, peer string // where it listens for members, and where they dial
	membership   []string
	data, disk   string // disk "": it has none of its own
	life         atomic.Pointer[life]
	removed      atomic.Bool
}

// life is one process.
type life struct {
	cmd   *exec.Cmd
	told  atomic.Bool   // it was told to end
	ended chan struct{} // closed when it has ended
	err   error         // how; after ended
}

// URL is the member's address for PostgreSQL drivers.
func (n *Node) URL() string { return "postgres://quorate@" + n.SQL + "/quorate" }

// Running reports whether the member's process runs.
func (n *Node) Running() bool {
	l := n.life.Load()
	if l == nil {
		return false
	}
	select {
	case <-l.ended:
		return false
	default:
		return true
	}
}

// logPath is what the member says, over all its lives.
func (n *Node) logPath() string { return filepath.Join(n.cluster.config.Dir, "logs", n.Name+".log") }

// Start starts the member's process, which must not run.
func (n *Node) Start() error {
	if n.Running() {
		panic("cluster: " + n.Name + " runs already")
	}
	log, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	defer log.Close() // the process has its own
	args := append([]string{
		"start", "--config=", "--name", n.Name, "--data-dir", n.data,
		"--sql-listen", n.SQL, "--peer-listen", n.listen, "--admin-listen", n.Admin, "--log-format", "json",
		"--parent-pipe", "3",
	}, n.membership...)
	cmd := exec.Command(n.cluster.config.Binary, append(args, n.cluster.config.Flags...)...)
	cmd.Env = config.WithoutSettings(os.Environ())
	cmd.Stderr = log
	cmd.ExtraFiles = []*os.File{n.cluster.lifeline} // becomes descriptor 3
	if err := n.cluster.spawner.start(cmd); err != nil {
		return fmt.Errorf("cluster: start %s: %w", n.Name, err)
	}
	l := &life{cmd: cmd, ended: make(chan struct{})}
	n.life.Store(l)
	go func() {
		l.err = cmd.Wait()
		close(l.ended)
		if !l.told.Load() {
			n.cluster.fall(fmt.Errorf("%s ended by itself (%s); it said last: %s", n.Name, ending(l.err), n.lastWords()))
		}
	}()
	return nil
}

func ending(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// lastWordsBytes is how much of a log is quoted.
const lastWordsBytes = 2000

func (n *Node) lastWords() string {
	b, err := os.ReadFile(n.logPath())
	if err != nil {
		return err.Error()
	}
	return string(b[max(0, len(b)-lastWordsBytes):])
}

// signal sends a signal to a process that may have ended just now, which then
// shows by itself.
func (n *Node) signal(s syscall.Signal) { _ = n.life.Load().cmd.Process.Signal(s) }

// Kill ends the process as kill -9 does, and returns when it has ended.
func (n *Node) Kill() {
	if !n.Running() {
		return
	}
	l := n.life.Load()
	l.told.Store(true)
	n.signal(syscall.SIGKILL)
	<-l.ended
}

// Pause stops the process from running, until Resume.
func (n *Node) Pause() { n.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() { n.signal(syscall.SIGCONT) }

// Stop asks the process to end, and fails when it does not end well in time.
func (n *Node) Stop(timeout time.Duration) error {
	l := n.life.Load()
	l.told.Store(true)
	n.signal(syscall.SIGTERM)
	select {
	case <-l.ended:
	case <-time.After(timeout):
		n.Kill()
		return fmt.Errorf("%s did not stop within %v of SIGTERM", n.Name, timeout)
	}
	if l.err != nil {
		return fmt.Errorf("%s stopped after SIGTERM with %w; it said last: %s", n.Name, l.err, n.lastWords())
	}
	return nil
}

// FillDisk leaves that many bytes on the member's disk. EmptyDisk gives it
// room again.
func (n *Node) FillDisk(leave int64) error {
	if n.disk == "" {
		return errors.New("cluster: " + n.Name + " has no disk of its own")
	}
	return n.cluster.spawner.shrink(n.disk, leave)
}

// EmptyDisk gives the disk its full size again.
func (n *Node) EmptyDisk() error { return n.cluster.spawner.grow(n.disk) }
