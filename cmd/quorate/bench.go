package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quorate/bench"
)

// benchOptions are the flags of quorate bench.
type benchOptions struct {
	urls             []string
	clients          []int
	workloads        []string
	duration, warmup time.Duration
	keys, valueBytes int
	seed             uint64
	output           outputFormat
}

func newBench() *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure writes and reads a second, and their latencies",
		Long: `Measure a database that speaks PostgreSQL: Quorate, or PostgreSQL itself. It makes
the table bench_kv and lets each number of clients run each workload in a closed
loop: every client sends its next operation when the last was answered.

  write    upserts of one row by key; every value differs from the last
  read     reads of one row by key; linearizable on Quorate
  mixed    90 reads to 10 writes
  txn100   transactions of 100 upserts each, sent as one pipeline

Clients are spread over all URLs. Compare only runs on one machine, as ratios.`,
		Example: `  quorate bench
  quorate bench --url postgres://quorate@localhost:4432/quorate,postgres://quorate@localhost:4433/quorate \
    --workload write,read,txn100 --clients 64 --duration 10s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runBench(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&o.urls, "url", []string{"postgres://quorate@localhost:4432/quorate"}, "`URL` of the database; several are separated by commas")
	flags.IntSliceVar(&o.clients, "clients", []int{1, 64, 256}, "numbers of clients to run one after the other")
	flags.StringSliceVar(&o.workloads, "workload", []string{"write", "read"}, "workloads: write, read, mixed, txn100")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "how long to measure each")
	flags.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "how long to run before measuring")
	flags.IntVar(&o.keys, "keys", 10_000, "number of different keys")
	flags.IntVar(&o.valueBytes, "value-bytes", 100, "size of each value, at least 16")
	flags.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "seed of the keys and values")
	flags.Lookup("seed").DefValue = "from the clock"
	o.output.addFlag(cmd)
	return cmd
}

func runBench(ctx context.Context, o benchOptions, stdout, stderr io.Writer) error {
	workloads, err := o.validate()
	if err != nil {
		return err
	}
	urls := bench.SplitURLs(strings.Join(o.urls, ","))
	if err := bench.Prepare(ctx, urls[0], o.keys, o.valueBytes); err != nil {
		return benchFailed(ctx, err)
	}
	var results []*bench.Result
	for _, workload := range workloads {
		for _, clients := range o.clients {
			fmt.Fprintf(stderr, "%s with %d clients for %v\n", workload.Name, clients, o.duration)
			result, err := bench.Run(ctx, bench.Config{
				Dial: bench.DialPostgres, URLs: urls, Workload: workload, Clients: clients,
				Duration: o.duration, Warmup: o.warmup, Keys: o.keys, ValueBytes: o.valueBytes, Seed: o.seed,
			})
			if err != nil {
				return benchFailed(ctx, err)
			}
			if result.Errors > 0 {
				fmt.Fprintf(stderr, "%d operations failed, the first with: %s\n", result.Errors, result.FirstError)
			}
			results = append(results, result)
		}
	}
	if o.output == outputJSON {
		return writeJSON(stdout, results)
	}
	return benchTable(results).write(stdout, o.output)
}

func (o *benchOptions) validate() ([]bench.Workload, error) {
	if o.keys < 1 || o.duration <= 0 || o.warmup < 0 || o.valueBytes < 16 {
		return nil, usage(fmt.Errorf("--keys, --duration and --value-bytes must be positive, --value-bytes at least 16"), "")
	}
	for _, n := range o.clients {
		if n < 1 {
			return nil, usage(fmt.Errorf("--clients %d: expected at least 1", n), "")
		}
	}
	workloads := make([]bench.Workload, len(o.workloads))
	for i, name := range o.workloads {
		var err error
		if workloads[i], err = bench.Lookup(name); err != nil {
			return nil, usage(err, "")
		}
	}
	return workloads, nil
}

func benchFailed(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed(err, "Is the database running? --url says where.")
}

func benchTable(results []*bench.Result) *table {
	t := &table{}
	t.row("WORKLOAD", "CLIENTS", "PER SECOND", "P50", "P99", "MAX", "ERRORS")
	for _, r := range results {
		t.row(r.Workload, strconv.Itoa(r.Clients), fmt.Sprintf("%.0f %s", r.PerSecond, r.Unit),
			latencyText(r.P50), latencyText(r.P99), latencyText(r.Max), strconv.FormatInt(r.Errors, 10))
	}
	return t
}

// latencyText writes milliseconds with three digits after the point: one unit
// down the column, so that it can be read at a glance.
func latencyText(d time.Duration) string {
	return fmt.Sprintf("%.3f ms", float64(d)/float64(time.Millisecond))
}
