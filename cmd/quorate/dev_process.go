package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"quorate/internal/config"
)

// devCluster are the processes of a dev cluster. One goroutine uses it.
type devCluster struct {
	binary  string
	dir     string
	layout  *devLayout
	verbose bool
	stderr  io.Writer
	// lifeline is the end of the pipe that the nodes watch. The other end is
	// in this process alone and never written to: when this process ends, in
	// whatever way, the kernel closes it and the nodes stop.
	lifeline *os.File
	held     *os.File

	running map[string]*devProcess
	ended   chan *devProcess // every process, once, when it has ended
}

// devProcess is one life of one node.
type devProcess struct {
	node    devNode
	cmd     *exec.Cmd
	started time.Time
	err     error // how it ended; nil for exit code 0
}

func newDevCluster(dir string, layout *devLayout, verbose bool, stderr io.Writer) (*devCluster, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, failed(fmt.Errorf("this program cannot find itself: %w", err), "")
	}
	lifeline, held, err := os.Pipe()
	if err != nil {
		return nil, failed(err, "")
	}
	return &devCluster{
		binary: binary, dir: dir, layout: layout, verbose: verbose, stderr: &lockedWriter{w: stderr},
		lifeline: lifeline, held: held,
		running: map[string]*devProcess{}, ended: make(chan *devProcess, len(layout.Nodes)),
	}, nil
}

func (c *devCluster) logPath(node devNode) string { return filepath.Join(c.dir, node.Name+".log") }

// start starts a node.
func (c *devCluster) start(node devNode) error {
	log, err := os.OpenFile(c.logPath(node), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return dataDirError(err, "")
	}
	defer log.Close() // the node has its own
	address := func(port int) string { return "localhost:" + strconv.Itoa(port) }
	cmd := exec.Command(c.binary, "start", "--config=",
		"--name", node.Name, "--data-dir", filepath.Join(c.dir, node.Name),
		"--initial-cluster", c.layout.initialCluster(),
		"--sql-listen", address(node.SQL), "--peer-listen", address(node.Peer), "--admin-listen", address(node.Admin),
		"--log-format", "json", "--"+parentPipeFlag, "3")
	cmd.Env = config.WithoutSettings(os.Environ())
	cmd.ExtraFiles = []*os.File{c.lifeline} // becomes descriptor 3
	cmd.Stderr = log
	if c.verbose {
		if log, err = os.OpenFile(c.logPath(node), os.O_APPEND|os.O_WRONLY, 0); err != nil {
			return dataDirError(err, "")
		}
		cmd.Stderr = io.MultiWriter(log, &prefixWriter{prefix: node.Name + " | ", w: c.stderr})
	}
	// A process group of its own: Ctrl-C in the terminal is for this process,
	// which then stops the nodes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return failed(fmt.Errorf("start node %s: %w", node.Name, err), "")
	}
	p := &devProcess{node: node, cmd: cmd, started: time.Now()}
	c.running[node.Name] = p
	go func() {
		p.err = cmd.Wait()
		if c.verbose {
			log.Close() // all is written
		}
		c.ended <- p
	}()
	return nil
}

// stopGrace is how long nodes may take to stop before they are killed.
const stopGrace = 10 * time.Second

// stop stops all nodes cleanly, and kills those that do not stop in time.
func (c *devCluster) stop() {
	for _, p := range c.running {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	}
	kill := time.NewTimer(stopGrace)
	defer kill.Stop()
	for len(c.running) > 0 {
		select {
		case p := <-c.ended:
			delete(c.running, p.node.Name)
		case <-kill.C:
			for _, p := range c.running {
				fmt.Fprintf(c.stderr, "%s did not stop in %v: killing it\n", p.node.Name, stopGrace)
				_ = p.cmd.Process.Kill()
			}
		}
	}
	c.lifeline.Close()
	c.held.Close()
}

// logTail returns the last lines of a node's log.
func (c *devCluster) logTail(node devNode, lines int) string {
	data, err := os.ReadFile(c.logPath(node))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// lockedWriter lets several goroutines write whole lines.
type lockedWriter struct {
	mu sync.Mutex // guards w
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// prefixWriter writes each complete line with a prefix. The rest of a line
// waits for its end; of a last line without one nothing is shown, but it is
// in the log.
type prefixWriter struct {
	prefix string
	w      io.Writer
	rest   []byte
}

func (p *prefixWriter) Write(data []byte) (int, error) {
	p.rest = append(p.rest, data...)
	for {
		end := bytes.IndexByte(p.rest, '\n')
		if end < 0 {
			return len(data), nil
		}
		if _, err := fmt.Fprintf(p.w, "%s%s\n", p.prefix, p.rest[:end]); err != nil {
			return 0, err
		}
		p.rest = p.rest[end+1:]
	}
}
