package sqlgen

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
)

// farZone is where the machine in the other process lives: it was never at UTC,
// and is half an hour off.
const farZone = "Asia/Kolkata"

// Child is a process in another time zone in which the third machines of all
// runs live, one after the other.
type Child struct {
	mu      sync.Mutex // one log at a time; guards the fields below
	command *exec.Cmd
	stdin   io.WriteCloser
	encoder *gob.Encoder
	decoder *gob.Decoder
}

// assignment is a log on its way to the child.
type assignment struct {
	Seed    uint64
	Entries [][]byte
	Members [][]uint64
	Dir     string
}

// StartChild starts a program that calls Serve.
func StartChild(program string, args ...string) (*Child, error) {
	c := &Child{command: exec.Command(program, args...)}
	c.command.Env = append(os.Environ(), "TZ="+farZone)
	c.command.Stderr = os.Stderr
	stdin, err := c.command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := c.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.command.Start(); err != nil {
		return nil, fmt.Errorf("sqlgen: the process of the third machine: %w", err)
	}
	c.stdin, c.encoder, c.decoder = stdin, gob.NewEncoder(stdin), gob.NewDecoder(stdout)
	return c, nil
}

// Close ends the process.
func (c *Child) Close() error {
	return errors.Join(c.stdin.Close(), c.command.Wait())
}

// replay lets a machine in the child live through a log.
func (c *Child) replay(a assignment) (*answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.encoder.Encode(a); err != nil {
		return nil, fmt.Errorf("sqlgen: the process of the third machine: %w", err)
	}
	var got answer
	if err := c.decoder.Decode(&got); err != nil {
		return nil, fmt.Errorf("sqlgen: the process of the third machine has ended: %w", err)
	}
	return &got, nil
}

// Serve is the child's: it reads logs from in until that ends, and answers each
// on out.
func Serve(in io.Reader, out io.Writer) error {
	decoder, encoder := gob.NewDecoder(in), gob.NewEncoder(out)
	for {
		var a assignment
		err := decoder.Decode(&a)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := encoder.Encode(a.replay()); err != nil {
			return err
		}
	}
}

func (a *assignment) replay() *answer {
	c := newChance(a.Seed, "far away")
	return replay(a.Dir, c, farWay(c, a.Seed), entriesOf(a.Entries, a.Members))
}
