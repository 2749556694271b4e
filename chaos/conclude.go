package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"quorate/chaos/check"
	"quorate/chaos/cluster"
)

// conclude stops all members and starts them again, so that nothing is under
// way any more, compares their tables and checks the histories.
func (r *run) conclude(ctx context.Context) error {
	if err := r.restart(); err != nil {
		return err
	}
	took, err := r.awaitService(ctx)
	if err != nil {
		r.violation(fmt.Errorf("after a stop and a start of all members: %w", err))
		return nil
	}
	r.report.note("stop and start of all: they served again after %.2f s", took.Seconds())
	for _, w := range r.workloads {
		rows, err := r.compare(ctx, w)
		if err != nil {
			return err
		}
		r.checkWorkload(w, rows)
	}
	return r.verify(ctx)
}

// restart stops all members cleanly and starts them again.
func (r *run) restart() error {
	var wait sync.WaitGroup
	for _, n := range r.cluster.Running() {
		wait.Go(func() {
			if err := n.Stop(stopTimeout); err != nil {
				r.violation(err)
			}
		})
	}
	wait.Wait()
	r.network.Break() // of connections of former lives, nothing arrives any more
	for _, n := range r.cluster.Nodes {
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// compare returns the rows of a workload, which must be the same in every
// member's own copy.
func (r *run) compare(ctx context.Context, w *workload) (rows [][]string, err error) {
	for i, n := range r.cluster.Nodes {
		own, err := dump(ctx, n, w.dump)
		if err != nil {
			return nil, fmt.Errorf("chaos: the tables of %s on %s: %w", w.name, n.Name, err)
		}
		if i == 0 {
			rows = own
		} else if at, differ := firstDifference(rows, own); differ {
			r.violation(fmt.Errorf("the tables of %s differ: %s has %s, %s has %s",
				w.name, r.cluster.Nodes[0].Name, row(rows, at), n.Name, row(own, at)))
		}
	}
	return rows, nil
}

func firstDifference(a, b [][]string) (at int, differ bool) {
	for at = range min(len(a), len(b)) {
		if !slices.Equal(a[at], b[at]) {
			return at, true
		}
	}
	return min(len(a), len(b)), len(a) != len(b)
}

func row(rows [][]string, at int) string {
	if at >= len(rows) {
		return fmt.Sprintf("%d rows and no more", len(rows))
	}
	return fmt.Sprintf("in row %d %q", at+1, rows[at])
}

const dumpTimeout = 30 * time.Second

// dump reads all rows from a member's own copy. A linearizable read goes
// before, which waits until the copy has all that was acknowledged.
func dump(ctx context.Context, n *cluster.Node, query string) ([][]string, error) {
	ctx, cancel := context.WithTimeout(ctx, dumpTimeout)
	defer cancel()
	conn, err := n.Connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{"select count(*) from chaos_probes", "set quorate.read_consistency = 'stale'"} {
		if _, err := conn.PgConn().Exec(ctx, sql).ReadAll(); err != nil {
			return nil, err
		}
	}
	results, err := conn.PgConn().Exec(ctx, query).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(results) != 1 {
		return nil, errors.New("one query, and not one result")
	}
	rows := make([][]string, len(results[0].Rows))
	for i, values := range results[0].Rows {
		for _, value := range values {
			rows[i] = append(rows[i], string(value))
		}
	}
	return rows, nil
}

// checkWorkload checks one history.
func (r *run) checkWorkload(w *workload, rows [][]string) {
	r.recorder.mu.Lock()
	history := slices.Clone(r.recorder.history[w.name])
	r.recorder.mu.Unlock()
	slices.SortFunc(history, func(a, b check.Op) int { return int(a.Call - b.Call) })
	violations, err := w.check(history, rows, filepath.Clean(r.config.Dir))
	if err != nil {
		violations = append(violations, err.Error())
	}
	for _, v := range violations {
		r.violation(fmt.Errorf("%s: %s", w.name, v))
	}
}
