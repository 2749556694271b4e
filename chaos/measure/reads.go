package measure

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
)

// readSQL is a linearizable read: the member asks the leader for the commit
// index, which a round of heartbeats confirms for all reads that wait.
func readSQL(ctx context.Context, conn *pgx.Conn, random *rand.Rand, _ uint64) error {
	var v string
	return conn.QueryRow(ctx, "select v from load where k = $1", random.IntN(keys)).Scan(&v)
}

// readThroughLog gives the same answer by an entry of the log: written to the
// disks of a majority and applied by every member.
func readThroughLog(ctx context.Context, conn *pgx.Conn, random *rand.Rand, _ uint64) error {
	var v string
	return conn.QueryRow(ctx, "update load set v = v where k = $1 returning v", random.IntN(keys)).Scan(&v)
}

// Reads compares linearizable reads by ReadIndex with the same reads through
// the log, in turns, for several numbers of clients on three members.
func Reads(ctx context.Context, s Setup, lasts time.Duration) error {
	c, err := s.start(ctx, "reads", 3)
	if err != nil {
		return err
	}
	defer c.Close(false)
	if err := makeTable(ctx, c.Nodes[0]); err != nil {
		return err
	}
	s.printf("one row by key, 3 nodes, clients spread over all, %v each\n", lasts)
	s.printf("  ReadIndex:       select v from load where k = $1\n")
	s.printf("  through the log: update load set v = v where k = $1 returning v\n")
	s.printf("%8s %14s %18s %7s\n", "clients", "ReadIndex/s", "through the log/s", "ratio")
	for _, clients := range []int{1, 16, 64} {
		index, err := load(ctx, c, clients, lasts, readSQL)
		if err != nil {
			return err
		}
		log, err := load(ctx, c, clients, lasts, readThroughLog)
		if err != nil {
			return err
		}
		s.printf("%8d %14.0f %18.0f %7.1f\n", clients, index, log, index/log)
	}
	return nil
}
