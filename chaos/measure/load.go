package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/cluster"
)

// keys is how many rows the loads read and write.
const keys = 10_000

// valueBytes is the size of each row's value.
const valueBytes = 100

// makeTable makes the table that the loads use.
func makeTable(ctx context.Context, n *cluster.Node) error {
	statements := []string{"create table load (k bigint primary key, v text not null)"}
	const rowsPerInsert = 500
	for first := 0; first < keys; first += rowsPerInsert {
		rows := make([]string, rowsPerInsert)
		for i := range rows {
			rows[i] = fmt.Sprintf("(%d, '%s')", first+i, strings.Repeat("v", valueBytes))
		}
		statements = append(statements, "insert into load (k, v) values "+strings.Join(rows, ", "))
	}
	return execute(ctx, n, statements...)
}

// operation is one statement of one client. The number is never the same.
type operation func(ctx context.Context, conn *pgx.Conn, random *rand.Rand, number uint64) error

// warmup runs before each measurement and is not counted.
const warmup = 500 * time.Millisecond

// load lets clients, spread over all members, do one operation after another,
// each when its last was answered, and returns operations a second.
func load(ctx context.Context, c *cluster.Cluster, clients int, lasts time.Duration, do operation) (float64, error) {
	var conns []*pgx.Conn
	defer func() { closeAll(conns) }()
	for i := range clients {
		conn, err := c.Nodes[i%len(c.Nodes)].Connect()
		if err != nil {
			return 0, err
		}
		conns = append(conns, conn)
	}
	var number, done atomic.Uint64
	round := func(lasts time.Duration) (float64, error) {
		number0, began := done.Load(), time.Now()
		errs := make(chan error, clients)
		var wait sync.WaitGroup
		for i, conn := range conns {
			wait.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), number.Load()))
				for time.Since(began) < lasts {
					if err := do(ctx, conn, random, number.Add(1)); err != nil {
						errs <- err
						return
					}
					done.Add(1)
				}
			})
		}
		wait.Wait()
		select {
		case err := <-errs:
			return 0, err
		default:
			return float64(done.Load()-number0) / time.Since(began).Seconds(), nil
		}
	}
	if _, err := round(warmup); err != nil {
		return 0, err
	}
	return round(lasts)
}
