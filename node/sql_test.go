package node

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// connect opens a session with a node, through the front door.
func connect(t testing.TB, n *Node) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(context.Background(), fmt.Sprintf("postgres://quorate@%s/quorate", n.listeners.sql.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// BenchmarkSQL measures the whole way of a statement, from a driver through
// the front door of all three nodes and back. Everything is in this process,
// the clients too: compare its figures with each other only.
func BenchmarkSQL(b *testing.B) {
	c := startCluster(b, 3)
	ctx := context.Background()
	if _, err := connect(b, c.nodes[0]).Exec(ctx, "CREATE TABLE kv(k bigint PRIMARY KEY, v text)"); err != nil {
		b.Fatal(err)
	}
	write := func(conn *pgx.Conn, i int) error {
		_, err := conn.Exec(ctx, "INSERT INTO kv VALUES($1, $2) ON CONFLICT(k) DO UPDATE SET v = excluded.v", i%10_000, fmt.Sprintf("%0100d", i))
		return err
	}
	read := func(conn *pgx.Conn, i int) error {
		rows, err := conn.Query(ctx, "SELECT v FROM kv WHERE k = $1", i%10_000)
		if err != nil {
			return err
		}
		rows.Close()
		return rows.Err()
	}
	for _, w := range []struct {
		name string
		do   func(*pgx.Conn, int) error
	}{{"write", write}, {"read", read}} {
		for _, clients := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/clients=%d", w.name, clients), func(b *testing.B) {
				var conns []*pgx.Conn
				for i := range clients {
					conns = append(conns, connect(b, c.nodes[i%3]))
				}
				var next atomic.Int64
				var wg sync.WaitGroup
				b.ResetTimer()
				for _, conn := range conns {
					wg.Go(func() {
						for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
							if err := w.do(conn, int(i)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "statements/s")
			})
		}
	}
}
