package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/exitcode"
)

// devOptions are the flags of quorate dev.
type devOptions struct {
	nodes   int
	dataDir string
	ports   devPorts
	restart bool
	verbose bool
	given   func(flag string) bool
}

func newDev() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a cluster on this machine, to try things",
		Long: `Run a cluster on this machine: each node a process of its own, on loopback. It
prints where to connect, and runs until Ctrl-C, which stops all nodes.

The data is temporary unless --data-dir names a directory; then the cluster is
kept there with its ports, and goes on from it the next time. A node that is
killed stays down, so that one can see how the others go on; --restart brings it
back. The nodes' logs are beside their data.`,
		Example: `  quorate dev
  quorate dev --nodes 5 --data-dir ./try --restart`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.given = cmd.Flags().Changed
			return runDev(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.nodes, "nodes", 3, "number of nodes: 1, 3, 5 or 7")
	flags.StringVar(&o.dataDir, "data-dir", "", "keep the cluster in this `DIR`, and start again from it")
	flags.IntVar(&o.ports.sql, "sql-port", 4432, "`PORT` for PostgreSQL clients of the first node; the others count up")
	flags.IntVar(&o.ports.peer, "peer-port", 7432, "`PORT` for the other members, likewise")
	flags.IntVar(&o.ports.admin, "admin-port", 8432, "`PORT` for health, metrics and status, likewise")
	flags.BoolVar(&o.restart, "restart", false, "start a node again that has ended")
	flags.BoolVar(&o.verbose, "verbose", false, "show the nodes' logs here too")
	return cmd
}

func runDev(ctx context.Context, o devOptions, stdout, stderr io.Writer) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	layout, dir, err := o.prepare(stderr)
	if err != nil {
		return err
	}
	if o.dataDir == "" {
		defer os.RemoveAll(dir) // temporary; what cannot be removed is left to the system
	}
	cluster, err := newDevCluster(dir, layout, o.verbose, stderr)
	if err != nil {
		return err
	}
	defer func() {
		if len(cluster.running) > 0 {
			fmt.Fprintln(stderr, "stopping")
		}
		cluster.stop()
	}()
	for _, node := range layout.Nodes {
		if err := cluster.start(node); err != nil {
			return err
		}
	}
	statuses, err := cluster.waitReady(ctx)
	if errors.Is(err, context.Canceled) {
		return nil // Ctrl-C is how it ends
	}
	if err != nil {
		return err
	}
	if err := cluster.printWelcome(stdout, statuses); err != nil {
		return err
	}
	if o.dataDir == "" {
		fmt.Fprintf(stderr, "\nData and logs are in %s and are removed at the end. Ctrl-C stops the cluster.\n", dir)
	} else {
		fmt.Fprintf(stderr, "\nData and logs are in %s. Ctrl-C stops the cluster.\n", dir)
	}
	return cluster.watch(ctx, o.restart)
}

func (o *devOptions) validate() error {
	if !slices.Contains([]int{1, 3, 5, 7}, o.nodes) {
		return usage(fmt.Errorf("--nodes %d: expected 1, 3, 5 or 7", o.nodes), "A cluster has at most 7 members, and an even number survives no more losses than one less.")
	}
	for flag, port := range map[string]int{"sql-port": o.ports.sql, "peer-port": o.ports.peer, "admin-port": o.ports.admin} {
		if port < 1 || port > 65535 {
			return usage(fmt.Errorf("--%s %d: expected a port from 1 to 65535", flag, port), "")
		}
	}
	return nil
}

// prepare finds or makes the directory and the layout of the cluster.
func (o *devOptions) prepare(stderr io.Writer) (layout *devLayout, dir string, err error) {
	report := func(line string) { fmt.Fprintln(stderr, line) }
	if o.dataDir == "" {
		if layout, err = newLayout(o.nodes, o.ports, portFree, report); err != nil {
			return nil, "", err
		}
		if dir, err = os.MkdirTemp("", "quorate-dev-"); err != nil {
			return nil, "", failed(err, "")
		}
		return layout, dir, nil
	}
	if dir, err = filepath.Abs(o.dataDir); err != nil {
		return nil, "", dataDirError(err, "")
	}
	if layout, err = readLayout(dir); err != nil {
		return nil, "", err
	}
	if layout != nil {
		return layout, dir, o.checkKept(layout, dir)
	}
	if layout, err = newLayout(o.nodes, o.ports, portFree, report); err != nil {
		return nil, "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, "", dataDirError(err, "")
	}
	return layout, dir, layout.write(dir)
}

// checkKept compares a kept cluster with what the flags ask for.
func (o *devOptions) checkKept(layout *devLayout, dir string) error {
	first := layout.Nodes[0]
	for _, f := range []struct {
		flag       string
		asked, has int
	}{
		{"nodes", o.nodes, len(layout.Nodes)}, {"sql-port", o.ports.sql, first.SQL},
		{"peer-port", o.ports.peer, first.Peer}, {"admin-port", o.ports.admin, first.Admin},
	} {
		if o.given(f.flag) && f.asked != f.has {
			return usage(fmt.Errorf("--%s %d: the cluster in %s has %d", f.flag, f.asked, dir, f.has),
				"A kept cluster keeps its nodes and ports: leave the flag out, or choose another --data-dir.")
		}
	}
	return layout.checkFree(portFree, filepath.Join(dir, layoutFile))
}

const (
	readyTimeout    = 30 * time.Second
	readyPollFirst  = 20 * time.Millisecond
	readyPollMax    = 250 * time.Millisecond
	statusTimeout   = time.Second
	restartDelayMin = 200 * time.Millisecond
	restartDelayMax = 5 * time.Second
	logTailLines    = 5
)

// waitReady waits until every node answers and knows the leader.
func (c *devCluster) waitReady(ctx context.Context) ([]admin.Status, error) {
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	deadline := time.NewTimer(readyTimeout)
	defer deadline.Stop()
	for pause := readyPollFirst; ; pause = min(2*pause, readyPollMax) {
		statuses, err := c.askAll(ctx, client)
		if err == nil {
			return statuses, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case p := <-c.ended:
			delete(c.running, p.node.Name)
			return nil, c.startFailed(p)
		case <-deadline.C:
			return nil, failed(fmt.Errorf("the cluster was not ready in %v: %w", readyTimeout, err), "The nodes' logs may say why; --verbose shows them.")
		case <-time.After(pause):
		}
	}
}

// askAll returns the status of every node, once all name the same leader.
func (c *devCluster) askAll(ctx context.Context, client *adminClient) ([]admin.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	statuses := make([]admin.Status, len(c.layout.Nodes))
	for i, node := range c.layout.Nodes {
		var err error
		if statuses[i], err = client.status(ctx, node.adminURL()); err != nil {
			return nil, err
		}
		if statuses[i].Leader == "" || statuses[i].Leader != statuses[0].Leader {
			return nil, fmt.Errorf("%s does not know the leader yet", node.Name)
		}
	}
	return statuses, nil
}

// startFailed makes the error for a node that ended before the cluster was
// ready, with what it said.
func (c *devCluster) startFailed(p *devProcess) error {
	code := exitcode.Failed
	var exit *exec.ExitError
	if errors.As(p.err, &exit) && exit.ExitCode() > 0 {
		code = exit.ExitCode()
	}
	return &exitcode.Error{Code: code, Err: fmt.Errorf("node %s did not start; it said:\n%s", p.node.Name, c.logTail(p.node, logTailLines))}
}

func (c *devCluster) printWelcome(w io.Writer, statuses []admin.Status) error {
	t := &table{}
	t.row("NAME", "PID", "ROLE", "SQL", "ADMIN")
	for i, node := range c.layout.Nodes {
		t.row(node.Name, strconv.Itoa(statuses[i].PID), statuses[i].Role, node.sqlURL(), node.adminURL())
	}
	if err := t.write(w, outputTable); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\npsql %q\n", c.layout.Nodes[0].sqlURL())
	if err == nil && len(c.layout.Nodes) > 1 {
		_, err = fmt.Fprintf(w, "psql %q   # whichever node lives\n", c.layout.clusterURL())
	}
	return err
}

// watch tells of nodes that end and, with restart, starts them again, until
// the context ends or no node is left.
func (c *devCluster) watch(ctx context.Context, restart bool) error {
	due := make(chan devNode, len(c.layout.Nodes))
	delays := map[string]time.Duration{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-c.ended:
			delete(c.running, p.node.Name)
			if !restart {
				fmt.Fprintf(c.stderr, "%s (process %d) has ended: %s; it stays down (--restart would bring it back)\n", p.node.Name, p.cmd.Process.Pid, ending(p.err))
				if len(c.running) == 0 {
					return failed(errors.New("no node is left"), "Their logs, beside the data, say why.")
				}
				continue
			}
			delay := delays[p.node.Name]
			if time.Since(p.started) > 2*restartDelayMax {
				delay = 0 // it has run well in between
			}
			delay = min(max(2*delay, restartDelayMin), restartDelayMax)
			delays[p.node.Name] = delay
			fmt.Fprintf(c.stderr, "%s (process %d) has ended: %s; starting it again\n", p.node.Name, p.cmd.Process.Pid, ending(p.err))
			time.AfterFunc(delay, func() { due <- p.node })
		case node := <-due:
			if err := c.start(node); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%s is process %d\n", node.Name, c.running[node.Name].cmd.Process.Pid)
		}
	}
}

func ending(err error) string {
	if err == nil {
		return "it stopped"
	}
	return err.Error()
}
