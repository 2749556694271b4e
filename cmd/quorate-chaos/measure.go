package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"quorate/chaos/measure"
)

// newMeasure is the commands that measure, one a claim.
func newMeasure() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:   "measure",
		Short: "Measure what the design claims",
		Long: `Measure what the design claims, on real processes of this machine. Nothing else
should run on it meanwhile. docs/measured.md has what came of it.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	p.addFlags(cmd)
	// add makes the command of one measure.
	add := func(use, short string, run func(ctx context.Context, s measure.Setup) error) *cobra.Command {
		sub := &cobra.Command{
			Use: use, Short: short, Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				binary, dir, release, err := p.prepare(cmd.Context(), cmd.ErrOrStderr())
				if err != nil {
					return err
				}
				err = run(cmd.Context(), measure.Setup{Binary: binary, Dir: dir, Out: cmd.OutOrStdout()})
				release(err != nil)
				return err
			},
		}
		cmd.AddCommand(sub)
		return sub
	}

	var runs int
	add("failover", "Time from kill -9 of the leader to the next acknowledged write",
		func(ctx context.Context, s measure.Setup) error { return measure.Failover(ctx, s, runs) }).
		Flags().IntVar(&runs, "runs", 20, "how many kills")
	var kills, clients int
	once := add("once", "Kill the leader under the clients of the others: no error, every write once",
		func(ctx context.Context, s measure.Setup) error { return measure.Once(ctx, s, kills, clients) })
	once.Flags().IntVar(&kills, "runs", 20, "how many kills")
	once.Flags().IntVar(&clients, "clients", 64, "how many clients, half of them on each survivor")
	add("restart", "Kill and start members with 100 thousand rows, 1 million, and 1 GB", measure.Restart)
	add("tolerance", "Kill 1 of 3, 2 of 5, 3 of 7 members, and one more", measure.Tolerance)
	var lasts time.Duration
	for _, sub := range []*cobra.Command{
		add("reads", "Linearizable SELECT against the same read through the log",
			func(ctx context.Context, s measure.Setup) error { return measure.Reads(ctx, s, lasts) }),
		add("batching", "Batches against one statement at a time",
			func(ctx context.Context, s measure.Setup) error { return measure.Batching(ctx, s, lasts) }),
	} {
		sub.Flags().DurationVar(&lasts, "duration", 5*time.Second, "how long to measure each")
	}
	var trials int
	disruption := &cobra.Command{
		Use: "disruption", Short: "One late heartbeat, with pre-vote and without, on the core alone", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return measure.Disruption(measure.Setup{Out: cmd.OutOrStdout()}, trials)
		},
	}
	disruption.Flags().IntVar(&trials, "trials", 1000, "how many clusters")
	cmd.AddCommand(disruption)
	return cmd
}
