package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/cluster"
)

// Once kills the leader of three members with SIGKILL, many times, each under so
// many clients of the two others. Half of the clients insert rows whose keys nobody
// else inserts, into a table that would take them twice, half count in one row. No
// client may be told of an error, and what was acknowledged must be there exactly
// once, counted on each member.
func Once(ctx context.Context, s Setup, runs, clients int) error {
	c, err := s.start(ctx, "once", 3, "--quorum-timeout", "20s") // a busy machine is no lost quorum
	if err != nil {
		return err
	}
	defer c.Close(false)
	err = execute(ctx, c.Nodes[0], "create table once_rows (k bigint)", "create table once_count (id int primary key, n bigint)",
		"insert into once_count (id, n) values (1, 0)")
	if err != nil {
		return err
	}
	o := &once{cluster: c}
	for run := range runs {
		before := o.rows.Load() + o.counted.Load()
		if err := o.round(ctx, clients); err != nil {
			return fmt.Errorf("measure: kill %d: %w", run+1, err)
		}
		s.printf("run %2d: %d writes, the longest took %s\n", run+1, o.rows.Load()+o.counted.Load()-before, milliseconds(o.longest[run]))
	}
	middle, worst := median(o.longest)
	s.printf("kill -9 of the leader under %d clients of the two others, %d runs: %d rows inserted and %d counted, each once on each member; errors 0\n",
		clients, runs, o.rows.Load(), o.counted.Load())
	s.printf("  longest time that a client waited: median %s, worst %s\n", milliseconds(middle), milliseconds(worst))
	return nil
}

// once is what the clients know.
type once struct {
	cluster       *cluster.Cluster
	key           atomic.Int64    // the last row's
	rows, counted atomic.Int64    // acknowledged
	longest       []time.Duration // that a client waited, by run
}

// underLoad is how long clients write before the leader is killed.
const underLoad = 300 * time.Millisecond

// round kills the leader once, and looks at the tables when it is back.
func (o *once) round(ctx context.Context, clients int) error {
	victim, err := leader(ctx, o.cluster)
	if err != nil {
		return err
	}
	survivors := slices.DeleteFunc(slices.Clone(o.cluster.Nodes), func(n *cluster.Node) bool { return n == victim })
	var conns []*pgx.Conn
	defer func() { closeAll(conns) }()
	for i := range clients {
		conn, err := survivors[i%len(survivors)].Connect()
		if err != nil {
			return err
		}
		conns = append(conns, conn)
	}
	var killed atomic.Bool
	var mu sync.Mutex // guards longest and failures
	var longest time.Duration
	var failures []error
	var working sync.WaitGroup
	for i, conn := range conns {
		working.Go(func() {
			took, err := o.client(ctx, conn, i/len(survivors)%2 == 0, &killed)
			mu.Lock()
			defer mu.Unlock()
			longest = max(longest, took)
			if err != nil {
				failures = append(failures, fmt.Errorf("client %d: %w", i+1, err))
			}
		})
	}
	time.Sleep(underLoad)
	victim.Kill()
	killed.Store(true)
	working.Wait()
	o.longest = append(o.longest, longest)
	if len(failures) > 0 {
		return fmt.Errorf("%d of %d clients were told of an error: %w", len(failures), clients, errors.Join(failures...))
	}
	if err := victim.Start(); err != nil {
		return err
	}
	if _, err := cluster.AwaitService(ctx, readyMax, o.cluster.Running()); err != nil {
		return err
	}
	for _, n := range o.cluster.Nodes {
		if err := o.look(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// afterKill is how many writes of a client are acknowledged that began after the
// kill, before it ends.
const afterKill = 3

// client writes until the leader was killed and some more, and returns the longest
// time that it waited.
func (o *once) client(ctx context.Context, conn *pgx.Conn, inserts bool, killed *atomic.Bool) (longest time.Duration, err error) {
	for after := 0; after < afterKill; {
		if killed.Load() {
			after++
		}
		began := time.Now()
		done := &o.counted
		if inserts {
			done = &o.rows
			_, err = conn.Exec(ctx, "insert into once_rows (k) values ($1)", o.key.Add(1))
		} else {
			_, err = conn.Exec(ctx, "update once_count set n = n + 1 where id = 1")
		}
		longest = max(longest, time.Since(began))
		if err != nil {
			return longest, err
		}
		done.Add(1)
	}
	return longest, nil
}

// look compares a member's own tables with what was acknowledged.
func (o *once) look(ctx context.Context, n *cluster.Node) error {
	conn, err := n.Connect()
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var rows, different, counted int64
	if err := conn.QueryRow(ctx, "select count(*), count(distinct k) from once_rows").Scan(&rows, &different); err != nil {
		return err
	}
	if err := conn.QueryRow(ctx, "select n from once_count where id = 1").Scan(&counted); err != nil {
		return err
	}
	if want := o.rows.Load(); rows != want || different != want {
		return fmt.Errorf("%s: %d rows, %d of them different, and %d inserts were acknowledged", n.Name, rows, different, want)
	}
	if want := o.counted.Load(); counted != want {
		return fmt.Errorf("%s: the row counts %d, and %d updates were acknowledged", n.Name, counted, want)
	}
	return nil
}
