package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"quorate/chaos/cluster"
)

// Tolerance kills, in clusters of 3, 5 and 7, as many members as Raft says that
// a cluster survives, the leader first, and writes after each; then one more,
// after which a write must be refused; then it starts one again, then all, and
// looks for every acknowledged write on every member.
func Tolerance(ctx context.Context, s Setup) error {
	for _, nodes := range []int{3, 5, 7} {
		if err := tolerate(ctx, s, nodes); err != nil {
			return fmt.Errorf("measure: tolerance of %d: %w", nodes, err)
		}
	}
	return nil
}

func tolerate(ctx context.Context, s Setup, nodes int) error {
	c, err := s.start(ctx, fmt.Sprintf("tolerance-%d", nodes), nodes)
	if err != nil {
		return err
	}
	defer c.Close(false)
	if err := execute(ctx, c.Nodes[0], "create table tolerance (n integer primary key)"); err != nil {
		return err
	}
	var acknowledged []int
	write := func() error {
		n := len(acknowledged) + 1
		if err := execute(ctx, c.Running()[0], fmt.Sprintf("insert into tolerance (n) values (%d)", n)); err != nil {
			return err
		}
		acknowledged = append(acknowledged, n)
		return nil
	}
	survives := (nodes - 1) / 2
	for killed := 1; killed <= survives; killed++ {
		victim, err := leader(ctx, c)
		if err != nil {
			return err
		}
		began := time.Now()
		victim.Kill()
		if err := write(); err != nil {
			return fmt.Errorf("with %d killed: %w", killed, err)
		}
		s.printf("%d nodes, %d killed: a write is acknowledged %s after the kill of the leader\n", nodes, killed, milliseconds(time.Since(began)))
	}
	last, err := leader(ctx, c)
	if err != nil {
		return err
	}
	last.Kill()
	err = write()
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return fmt.Errorf("with %d of %d killed, a write was not refused: %v", survives+1, nodes, err)
	}
	s.printf("%d nodes, %d killed: a write is refused with %s\n", nodes, survives+1, told.Code)
	began := time.Now()
	if err := last.Start(); err != nil {
		return err
	}
	if _, err := cluster.AwaitService(ctx, readyMax, c.Running()); err != nil {
		return err
	}
	s.printf("%d nodes, one started again: all that run serve %s after\n", nodes, milliseconds(time.Since(began)))
	return everywhere(ctx, s, c, acknowledged)
}

// everywhere starts all members and looks for the writes in each one's own
// copy.
func everywhere(ctx context.Context, s Setup, c *cluster.Cluster, acknowledged []int) error {
	for _, n := range c.Nodes {
		if !n.Running() {
			if err := n.Start(); err != nil {
				return err
			}
		}
	}
	if _, err := cluster.AwaitService(ctx, readyMax, c.Running()); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		conn, err := n.Connect()
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		if _, err := conn.PgConn().Exec(ctx, "select count(*) from tolerance; set quorate.read_consistency = 'stale'").ReadAll(); err != nil {
			return err
		}
		var count int
		if err := conn.QueryRow(ctx, "select count(*) from tolerance where n between 1 and $1", len(acknowledged)).Scan(&count); err != nil {
			return err
		}
		if count != len(acknowledged) {
			return fmt.Errorf("%s has %d of %d acknowledged writes", n.Name, count, len(acknowledged))
		}
	}
	s.printf("%d nodes, all started again: each has all %d acknowledged writes\n", len(c.Nodes), len(acknowledged))
	return nil
}
