package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"quorate/internal/buildinfo"
	"quorate/internal/config"
	"quorate/node"
)

func newStart() *cobra.Command {
	var parentPipe uint
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Run a node",
		Long: `Run a node until SIGTERM or SIGINT, which stop it cleanly; a second one stops it at
once. Without flags it is a cluster of one on loopback, with its data in
./quorate-data; --initial-cluster begins a cluster of several, --join enters a
running one. Every flag is also an environment variable and a key of the
configuration file: see docs/reference/config.md and quorate config print.`,
		Example: `  quorate start --name n1 --data-dir /var/lib/quorate \
    --initial-cluster n1=10.0.0.1:7432,n2=10.0.0.2:7432,n3=10.0.0.3:7432 \
    --peer-listen 10.0.0.1:7432 --sql-listen 10.0.0.1:4432 --insecure
  quorate start --name n4 --data-dir /var/lib/quorate --join 10.0.0.1:7432,10.0.0.2:7432 \
    --peer-listen 10.0.0.4:7432 --sql-listen 10.0.0.4:4432 --insecure`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if cmd.Flags().Changed(parentPipeFlag) {
				ctx = untilParentEnds(ctx, os.NewFile(uintptr(parentPipe), "parent pipe"))
			}
			return runNode(ctx, loaded, os.Stderr)
		},
	}
	addConfigFlags(cmd)
	cmd.Flags().UintVar(&parentPipe, parentPipeFlag, 0, "end when this file descriptor is closed at its other end")
	if err := cmd.Flags().MarkHidden(parentPipeFlag); err != nil {
		panic(err)
	}
	return cmd
}

// runNode runs a node until the context ends.
func runNode(ctx context.Context, loaded *config.Loaded, stderr *os.File) error {
	logger := newLogger(loaded, stderr)
	for _, warning := range loaded.Warnings {
		logger.Warn().Str("component", "config").Msg(warning)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	start := logger.With().Str("component", "start").Logger()
	server, err := node.Open(ctx, nodeConfig(loaded, logger, registry))
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		start.Info().Msg("stopped before the node could join")
		return nil
	}
	if err != nil {
		return err
	}
	start.Info().Str("version", buildinfo.Get().Version).Str("data_dir", loaded.DataDir).
		Str("sql", string(loaded.SQLListen)).Str("peer", string(loaded.PeerListen)).Str("admin", string(loaded.AdminListen)).
		Msg("node runs")
	if err := server.Run(ctx); err != nil {
		return err
	}
	start.Info().Msg("node has stopped")
	return nil
}

func nodeConfig(c *config.Loaded, logger zerolog.Logger, registry *prometheus.Registry) node.Config {
	return node.Config{
		Name: c.Name, DataDir: c.DataDir, WALDir: c.WALDir,
		InitialCluster: membersOf(c), ClusterToken: c.ClusterToken,
		SQLListen: string(c.SQLListen), SQLAdvertise: string(c.SQLAdvertise),
		PeerListen: string(c.PeerListen), PeerAdvertise: string(c.PeerAdvertise),
		AdminListen: string(c.AdminListen), AdminAdvertise: string(c.AdminAdvertise()),
		Join: c.Join.String(), JoinLearner: c.Learner,
		ElectionMin: c.Election.Min, ElectionMax: c.Election.Max, Heartbeat: c.Heartbeat,
		MaxBatchEntries: int(c.BatchEntries), MaxBatchBytes: int(c.BatchBytes), MaxBatchDelay: time.Duration(c.BatchDelay),
		SnapshotEntries: int(c.SnapshotEntries), SnapshotBytes: int64(c.SnapshotBytes), SnapshotRate: int64(c.SnapshotRate),
		SegmentBytes: int64(c.SegmentBytes), MinFreeBytes: int64(c.MinFreeBytes), ReaderAgeBytes: int64(c.ReaderAgeBytes),
		QuorumTimeout: c.QuorumTimeout,
		Version:       buildinfo.Get().Version,
		Logger:        logger,
		Metrics:       registry, Gatherer: registry,
	}
}

// newLogger logs to standard error: lines for people on a terminal, JSON for
// machines elsewhere.
func newLogger(c *config.Loaded, stderr *os.File) zerolog.Logger {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	var w io.Writer = stderr
	if c.LogFormat == "console" || c.LogFormat == "auto" && term.IsTerminal(int(stderr.Fd())) {
		_, noColor := os.LookupEnv("NO_COLOR")
		w = zerolog.ConsoleWriter{Out: stderr, TimeFormat: "15:04:05.000", NoColor: noColor || !term.IsTerminal(int(stderr.Fd()))}
	}
	level, err := zerolog.ParseLevel(string(c.LogLevel))
	if err != nil {
		panic(err) // config accepts only levels that zerolog knows
	}
	return zerolog.New(w).Level(level).With().Timestamp().Str("node", c.Name).Logger()
}

// parentPipeFlag is how quorate dev hands its nodes the pipe on which they
// notice that it has died, however it died.
const parentPipeFlag = "parent-pipe"

// orphanGrace is how long a node whose parent has died may take to stop.
const orphanGrace = 5 * time.Second

// untilParentEnds returns a context that also ends when the pipe's other end
// is closed. Nothing is ever written to it.
func untilParentEnds(ctx context.Context, pipe *os.File) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = pipe.Read(make([]byte, 1))
		cancel()
		time.Sleep(orphanGrace)
		os.Exit(1)
	}()
	return ctx
}
