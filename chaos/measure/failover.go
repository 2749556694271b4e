package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/cluster"
)

// settle is how long a cluster rests between two kills, at least; up to as much
// again is added, so that kills meet every moment between two heartbeats.
const settle = 500 * time.Millisecond

// Failover kills the leader of three members with SIGKILL, many times, each
// followed by one write on each survivor, over connections that are open. The
// time is from just before the kill until the first of these writes is
// acknowledged. They are sent after the leader is dead, so none was under way
// before.
func Failover(ctx context.Context, s Setup, runs int) error {
	c, err := s.start(ctx, "failover", 3)
	if err != nil {
		return err
	}
	defer c.Close(false)
	if err := execute(ctx, c.Nodes[0], "create table failover (run bigint, node text)"); err != nil {
		return err
	}
	var first, all []time.Duration
	for run := range runs {
		took, err := failOnce(ctx, c, run)
		if err != nil {
			return fmt.Errorf("measure: failover %d: %w", run+1, err)
		}
		slices.Sort(took)
		first, all = append(first, took[0]), append(all, took[len(took)-1])
		s.printf("run %2d: first survivor %s, last %s\n", run+1, milliseconds(took[0]), milliseconds(took[len(took)-1]))
	}
	firstMedian, firstWorst := median(first)
	allMedian, allWorst := median(all)
	s.printf("kill -9 of the leader to the next acknowledged write, 3 nodes, %d runs, election 150-300 ms, heartbeat 50 ms\n", runs)
	s.printf("  on the first survivor: median %s, worst %s\n", milliseconds(firstMedian), milliseconds(firstWorst))
	s.printf("  on both survivors:     median %s, worst %s\n", milliseconds(allMedian), milliseconds(allWorst))
	return nil
}

// failOnce kills the leader, returns how long the write on each survivor took,
// and brings the killed one back.
func failOnce(ctx context.Context, c *cluster.Cluster, run int) ([]time.Duration, error) {
	victim, err := leader(ctx, c)
	if err != nil {
		return nil, err
	}
	conns := map[*cluster.Node]*pgx.Conn{}
	for _, n := range c.Nodes {
		if n == victim {
			continue
		}
		conn, err := n.Connect()
		if err != nil {
			return nil, err
		}
		defer conn.Close(context.Background())
		if err := writeRun(ctx, conn, n, -run); err != nil { // prepares the statement
			return nil, err
		}
		conns[n] = conn
	}
	type result struct {
		at  time.Time
		err error
	}
	results := make(chan result, len(conns))
	began := time.Now()
	victim.Kill()
	for n, conn := range conns {
		go func() {
			err := writeRun(ctx, conn, n, run)
			results <- result{time.Now(), err}
		}()
	}
	var took []time.Duration
	for range conns {
		r := <-results
		if r.err != nil {
			return nil, r.err
		}
		took = append(took, r.at.Sub(began))
	}
	if err := victim.Start(); err != nil {
		return nil, err
	}
	if _, err := cluster.AwaitService(ctx, readyMax, c.Running()); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(settle + rand.N(settle)):
		return took, nil
	}
}

func writeRun(ctx context.Context, conn *pgx.Conn, n *cluster.Node, run int) error {
	_, err := conn.Exec(ctx, "insert into failover (run, node) values ($1, $2)", run, n.Name)
	return err
}
