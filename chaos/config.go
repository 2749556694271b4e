package chaos

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Config says what to run.
type Config struct {
	Binary string // of quorate
	// Dir is where everything is kept while it runs.
	Dir       string
	Nodes     int // 3 or more
	Duration  time.Duration
	Faults    []string // names; see FaultNames
	Workloads []string // names; see WorkloadNames
	// Clients is the number of each workload's clients on each node.
	Clients int
	// Pause is how long a client waits between two operations, on average: the
	// processes share this machine with the clients and with each other.
	Pause time.Duration
	Seed  uint64
	// Reads is the clients' quorate.read_consistency. With "stale" the checkers
	// must find stale reads: that checks the checkers.
	Reads string
	// Flags are added to those of quorate start.
	Flags []string
	// Out gets a line for each fault.
	Out io.Writer
}

const (
	// RecoveryMax is how long members may take to serve again after all is
	// healed.
	RecoveryMax = 30 * time.Second
	// quorumTimeout is how long a statement waits on a member without a quorum.
	quorumTimeout = 3 * time.Second
	// operationTimeout is how long a client waits for a member that says
	// nothing; longer than quorumTimeout, so that members that live can answer.
	operationTimeout = 5 * time.Second
	reconnectPause   = 50 * time.Millisecond
	stopTimeout      = 20 * time.Second
	// replaceTimeout is how long a change of members may take, in a cluster that
	// is being hurt.
	replaceTimeout = 60 * time.Second
)

func (c *Config) validate() error {
	if c.Nodes < 3 || c.Nodes > 7 {
		return fmt.Errorf("chaos: %d nodes: expected 3 to 7; fewer survive no fault", c.Nodes)
	}
	if c.Duration <= 0 || c.Clients < 1 || c.Pause < 0 {
		return errors.New("chaos: the duration and the number of clients must be positive")
	}
	if err := known("fault", c.Faults, FaultNames()); err != nil {
		return err
	}
	if err := known("read consistency", []string{c.Reads}, []string{"linearizable", "leader", "stale"}); err != nil {
		return err
	}
	return known("workload", c.Workloads, WorkloadNames())
}

func known(what string, names, all []string) error {
	if len(names) == 0 {
		return fmt.Errorf("chaos: no %s: there are %s", what, strings.Join(all, ", "))
	}
	for _, name := range names {
		if !slices.Contains(all, name) {
			return fmt.Errorf("chaos: there is no %s %q; there are %s", what, name, strings.Join(all, ", "))
		}
	}
	return nil
}
