package measure

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/cluster"
)

// Setup is where and with what to measure.
type Setup struct {
	Binary string // of quorate
	Dir    string
	Out    io.Writer // gets the tables
}

// readyMax is how long a cluster may take to serve.
const readyMax = 30 * time.Second

// quorumTimeout is how long statements wait without a quorum here.
const quorumTimeout = 2 * time.Second

// start starts a cluster of n members and waits until all serve. The caller
// closes it.
func (s *Setup) start(ctx context.Context, name string, n int, flags ...string) (*cluster.Cluster, error) {
	c, err := cluster.New(cluster.Config{
		Binary: s.Binary, Dir: filepath.Join(s.Dir, name), Nodes: n,
		Flags: append([]string{"--quorum-timeout", quorumTimeout.String()}, flags...),
	})
	if err != nil {
		return nil, err
	}
	for _, node := range c.Nodes {
		if err := node.Start(); err != nil {
			c.Close(false)
			return nil, err
		}
	}
	if _, err := cluster.AwaitService(ctx, readyMax, c.Running()); err != nil {
		c.Close(false)
		return nil, fmt.Errorf("measure: the cluster does not start: %w", err)
	}
	return c, nil
}

func (s *Setup) printf(format string, args ...any) { fmt.Fprintf(s.Out, format, args...) }

// leader waits for a leader.
func leader(ctx context.Context, c *cluster.Cluster) (*cluster.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, readyMax)
	defer cancel()
	for {
		if n := c.Leader(ctx); n != nil {
			return n, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("measure: no leader: %w", ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// execute runs statements on a member.
func execute(ctx context.Context, n *cluster.Node, statements ...string) error {
	conn, err := n.Connect()
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return fmt.Errorf("measure: %s: %w", n.Name, err)
		}
	}
	return nil
}

func closeAll(conns []*pgx.Conn) {
	for _, conn := range conns {
		conn.Close(context.Background())
	}
}

// median returns the middle of the durations, and the longest.
func median(durations []time.Duration) (middle, worst time.Duration) {
	sorted := slices.Sorted(slices.Values(durations))
	return sorted[len(sorted)/2], sorted[len(sorted)-1]
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
}
