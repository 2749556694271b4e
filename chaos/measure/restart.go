package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"quorate/chaos/cluster"
)

// restartSizes are the databases that Restart measures, each grown from the one
// before it.
var restartSizes = []struct{ rows, valueBytes int64 }{
	{100_000, 100},
	{1_000_000, 100},
	{1_850_000, 1_000}, // together more than 1 GB
}

const (
	restartClients = 192
	restartRuns    = 5
)

// Restart grows a database on three members by statements of one row each. At each
// size it kills a member with SIGKILL and starts it again, and then all three at
// once, some times. The time is from the start of the process, or of the first
// one, until each has acknowledged a write and answered a linearizable read.
func Restart(ctx context.Context, s Setup) error {
	c, err := s.start(ctx, "restart", 3, "--quorum-timeout", "30s") // a busy machine is no lost quorum
	if err != nil {
		return err
	}
	defer c.Close(false)
	if err := execute(ctx, c.Nodes[0], "create table load (k bigint primary key, v text not null)"); err != nil {
		return err
	}
	s.printf("SIGKILL and start to the first write and linearizable read, 3 nodes, %d runs, filled by statements of one row\n", restartRuns)
	s.printf("%10s %10s %24s %24s\n", "rows", "database", "one member: median worst", "all three: median worst")
	var rows int64
	for _, size := range restartSizes {
		if err := fillRows(ctx, c, rows, size.rows, size.valueBytes); err != nil {
			return fmt.Errorf("measure: %d rows: %w", size.rows, err)
		}
		rows = size.rows
		var one, all []time.Duration
		for run := range restartRuns {
			for _, m := range []struct {
				nodes []*cluster.Node
				took  *[]time.Duration
			}{{c.Nodes[run%3 : run%3+1], &one}, {c.Nodes, &all}} {
				took, err := restartKilled(ctx, m.nodes)
				if err != nil {
					return fmt.Errorf("measure: %d rows: %w", size.rows, err)
				}
				*m.took = append(*m.took, took)
			}
		}
		bytes, err := databaseBytes(filepath.Join(s.Dir, "restart"))
		if err != nil {
			return err
		}
		oneMedian, oneWorst := median(one)
		allMedian, allWorst := median(all)
		s.printf("%10d %7d MB %12s %11s %12s %11s\n", rows, bytes>>20, milliseconds(oneMedian), milliseconds(oneWorst), milliseconds(allMedian), milliseconds(allWorst))
	}
	return nil
}

// fillRows inserts the rows from first up to last, one a statement.
func fillRows(ctx context.Context, c *cluster.Cluster, first, last, valueBytes int64) error {
	var next atomic.Int64
	next.Store(first)
	value := strings.Repeat("v", int(valueBytes))
	errs := make([]error, restartClients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			conn, err := c.Nodes[i%len(c.Nodes)].Connect()
			if err != nil {
				errs[i] = err
				return
			}
			defer conn.Close(context.Background())
			for k := next.Add(1); k <= last && errs[i] == nil; k = next.Add(1) {
				_, errs[i] = conn.Exec(ctx, "insert into load (k, v) values ($1, $2)", k, value)
			}
		})
	}
	clients.Wait()
	return errors.Join(errs...)
}

// restartKilled kills members, starts them again and returns how long that took.
// A write just before it, so that there is something to recover.
func restartKilled(ctx context.Context, nodes []*cluster.Node) (time.Duration, error) {
	if _, err := cluster.AwaitService(ctx, readyMax, nodes); err != nil {
		return 0, err
	}
	for _, n := range nodes {
		n.Kill()
	}
	began := time.Now()
	for _, n := range nodes {
		if err := n.Start(); err != nil {
			return 0, err
		}
	}
	_, err := cluster.AwaitService(ctx, readyMax, nodes)
	return time.Since(began), err
}

// databaseBytes returns the size of the largest database below dir.
func databaseBytes(dir string) (largest int64, err error) {
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Name() != "quorate.db" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			largest = max(largest, info.Size())
		}
		return err
	})
	return largest, err
}
