package chaos

import (
	"context"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/check"
)

// set inserts values, each once, into a table without a key, so that doubled
// ones would show, and looks for values that somebody inserted.
func set() *workload {
	w := &workload{
		name: "set",
		tables: func(int64) []string {
			return []string{"create table chaos_set (v bigint not null)", "create index chaos_set_v on chaos_set (v)"}
		},
		perform: performSet,
		dump:    "select v from chaos_set order by v",
		check: func(history []check.Op, rows [][]string, _ string) ([]string, error) {
			var final []int64
			for _, row := range rows {
				v, err := number(row[0])
				if err != nil {
					return nil, err
				}
				final = append(final, v)
			}
			return check.Set(history, final), nil
		},
	}
	w.next = func(c *client) check.Op {
		if value, ok := c.inserted(); ok && c.random.IntN(3) == 0 {
			return check.Op{Kind: check.Find, Value: value}
		}
		return check.Op{Kind: check.Insert, Value: c.run.recorder.unique()}
	}
	return w
}

func performSet(ctx context.Context, conn *pgx.Conn, op *check.Op) error {
	if op.Kind == check.Insert {
		_, err := conn.Exec(ctx, "insert into chaos_set (v) values ($1)", op.Value)
		return err
	}
	var n int64
	err := conn.QueryRow(ctx, "select count(*) from chaos_set where v = $1", op.Value).Scan(&n)
	op.Applied = n > 0
	return err
}

// inserted returns the value that was acknowledged last, by whichever client:
// the one that a stale read would miss.
func (c *client) inserted() (value int64, ok bool) {
	c.run.recorder.mu.Lock()
	defer c.run.recorder.mu.Unlock()
	history := c.run.recorder.history[c.workload.name]
	for i := len(history) - 1; i >= 0; i-- {
		if history[i].Kind == check.Insert && history[i].Outcome == check.Done {
			return history[i].Value, true
		}
	}
	return 0, false
}
