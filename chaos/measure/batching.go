package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// upsert changes a row; the value differs from the last.
func upsert(ctx context.Context, conn *pgx.Conn, random *rand.Rand, number uint64) error {
	_, err := conn.Exec(ctx, "insert into load (k, v) values ($1, $2) on conflict (k) do update set v = excluded.v",
		random.IntN(keys), fmt.Sprintf("%0*d", valueBytes, number))
	return err
}

// Batching compares a cluster with its usual batches with one that takes one
// statement at a time to the log, one after the other.
func Batching(ctx context.Context, s Setup, lasts time.Duration) error {
	clients := []int{1, 16, 64, 256}
	rates := map[string][]float64{}
	for _, entries := range []string{"1024", "1"} {
		c, err := s.start(ctx, "batch-"+entries, 3, "--raft-max-batch-entries", entries)
		if err != nil {
			return err
		}
		err = makeTable(ctx, c.Nodes[0])
		for _, n := range clients {
			var rate float64
			if err == nil {
				rate, err = load(ctx, c, n, lasts, upsert)
			}
			rates[entries] = append(rates[entries], rate)
		}
		c.Close(false)
		if err != nil {
			return err
		}
	}
	s.printf("upserts of one row of %d bytes, 3 nodes, clients spread over all, %v each\n", valueBytes, lasts)
	s.printf("%8s %14s %16s %7s\n", "clients", "batches/s", "one at a time/s", "ratio")
	for i, n := range clients {
		many, one := rates["1024"][i], rates["1"][i]
		s.printf("%8d %14.0f %16.0f %7.1f\n", n, many, one, many/one)
	}
	return nil
}
