package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quorate/chaos"
)

// errViolations ends the command when the database did what it must not.
var errViolations = errors.New("the verdict is that something is wrong")

// all stands for every name in a list.
const all = "all"

func newChaos() *cobra.Command {
	var c chaos.Config
	var p place
	var minutes float64
	cmd := &cobra.Command{
		Use:   "quorate-chaos",
		Short: "Hurt a cluster of real processes, and check what its clients saw",
		Long: fmt.Sprintf(`Run a cluster of real processes on this machine, each behind a proxy of its own, hurt
it while clients use it, and check what they saw. A line for each fault, one line
of summary; exit code 0 when all was well.

Faults:     %s
Workloads:  %s

The fault full fills the members' disks, small file systems in memory, for which
it needs Linux and root; elsewhere it is left out with a sentence.`,
			strings.Join(chaos.FaultNames(), ", "), strings.Join(chaos.WorkloadNames(), ", ")),
		Example: `  go run ./cmd/quorate-chaos --nodes 5 --minutes 10
  go run ./cmd/quorate-chaos --faults kill,pause --workload register --seed 7 --keep ./chaos-7`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if slices.Contains(c.Faults, all) {
				c.Faults = chaos.FaultNames()
			}
			if slices.Contains(c.Workloads, all) {
				c.Workloads = chaos.WorkloadNames()
			}
			c.Duration = time.Duration(minutes * float64(time.Minute))
			c.Out = cmd.OutOrStdout()
			binary, dir, release, err := p.prepare(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			c.Binary, c.Dir = binary, dir
			report, err := chaos.Run(cmd.Context(), c)
			release(err != nil || !report.OK())
			if err != nil {
				return err
			}
			for _, violation := range report.Violations {
				fmt.Fprintln(c.Out, "VIOLATION", violation)
			}
			fmt.Fprintln(c.Out, report.Summary())
			if !report.OK() {
				return errViolations
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&c.Nodes, "nodes", 3, "number of members, 3 to 7")
	flags.Float64Var(&minutes, "minutes", 3, "how long to hurt it")
	flags.StringSliceVar(&c.Faults, "faults", []string{all}, "faults, by name")
	flags.StringSliceVar(&c.Workloads, "workload", []string{all}, "workloads, by name")
	flags.IntVar(&c.Clients, "clients", 2, "clients of each workload on each member")
	flags.DurationVar(&c.Pause, "pause", 20*time.Millisecond, "how long a client waits between two operations, on average")
	flags.Uint64Var(&c.Seed, "seed", uint64(time.Now().UnixNano()), "what faults, victims and clients' choices are drawn from")
	flags.Lookup("seed").DefValue = "from the clock"
	flags.StringVar(&c.Reads, "reads", "linearizable", "the clients' quorate.read_consistency; with stale, stale reads must be found")
	flags.StringArrayVar(&c.Flags, "flag", nil, "a `FLAG` more for quorate start, such as --flag=--raft-heartbeat=20ms")
	p.addFlags(cmd)
	return cmd
}
