package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"quorate/chaos/cluster"
)

const probePause = 20 * time.Millisecond

// awaitService waits until every running member has acknowledged a write and
// answered a linearizable read, and returns how long that took.
func (r *run) awaitService(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, RecoveryMax)
	defer cancel()
	began := time.Now()
	running := r.cluster.Running()
	errs := make([]error, len(running))
	var wait sync.WaitGroup
	for i, n := range running {
		wait.Go(func() { errs[i] = awaitNode(ctx, n) })
	}
	wait.Wait()
	return time.Since(began), errors.Join(errs...)
}

func awaitNode(ctx context.Context, n *cluster.Node) error {
	for {
		err := probe(ctx, n)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			status, statusErr := n.Status(context.Background())
			return fmt.Errorf("%s does not serve: %w (its status: %+v, %v)", n.Name, err, status, statusErr)
		case <-time.After(probePause):
		}
	}
}

// probe writes and reads once. The table is made by whoever comes first.
func probe(ctx context.Context, n *cluster.Node) error {
	conn, err := connect(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	defer conn.Close(ctx)
	for _, sql := range []string{
		"create table if not exists chaos_probes (node text primary key, n bigint not null)",
		"insert into chaos_probes (node, n) values ('" + n.Name + "', 1) on conflict (node) do update set n = chaos_probes.n + 1",
		"select n from chaos_probes where node = '" + n.Name + "'",
	} {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return err
		}
	}
	return nil
}
