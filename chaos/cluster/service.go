package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	probePause     = 20 * time.Millisecond
	probeTimeout   = 5 * time.Second
	connectTimeout = time.Second
)

// Connect opens a connection to the member, if it answers soon.
func (n *Node) Connect() (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	return pgx.Connect(ctx, n.URL())
}

// AwaitService waits until each of the members has acknowledged a write and
// answered a linearizable read, and returns how long that took.
func AwaitService(ctx context.Context, most time.Duration, nodes []*Node) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	began := time.Now()
	errs := make([]error, len(nodes))
	var wait sync.WaitGroup
	for i, n := range nodes {
		wait.Go(func() { errs[i] = n.awaitService(ctx) })
	}
	wait.Wait()
	return time.Since(began), errors.Join(errs...)
}

// Reads reports whether the member answers a linearizable read.
func (n *Node) Reads(ctx context.Context) error {
	conn, err := n.Connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	defer conn.Close(ctx)
	if _, err = conn.PgConn().Exec(ctx, "select count(*) from chaos_probes").ReadAll(); err != nil {
		return fmt.Errorf("%s does not read: %w", n.Name, err)
	}
	return nil
}

func (n *Node) awaitService(ctx context.Context) error {
	for {
		err := n.probe(ctx)
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
func (n *Node) probe(ctx context.Context) error {
	conn, err := n.Connect()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
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
