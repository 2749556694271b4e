package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/check"
)

// lists appends to lists and reads them.
func lists() *workload {
	w := &workload{
		name: "append",
		tables: func(keys int64) []string {
			return append([]string{"create table chaos_lists (k bigint primary key, items text not null)"},
				fill("insert into chaos_lists (k, items)", keys, func(k int64) string { return fmt.Sprintf("(%d, '')", k) })...)
		},
		perform: performLists,
		dump:    "select k, items from chaos_lists order by k",
		check: func(history []check.Op, rows [][]string, _ string) ([]string, error) {
			final, err := keyedLists(rows)
			if err != nil {
				return nil, err
			}
			return check.Lists(history, final), nil
		},
	}
	w.next = func(c *client) check.Op {
		if c.random.IntN(2) == 0 {
			return check.Op{Kind: check.Read, Key: w.key(c)}
		}
		return check.Op{Kind: check.Append, Key: w.key(c), Value: c.run.recorder.unique()}
	}
	return w
}

func performLists(ctx context.Context, conn *pgx.Conn, op *check.Op) error {
	if op.Kind == check.Append {
		_, err := conn.Exec(ctx, "update chaos_lists set items = items || $2::bigint || ',' where k = $1", op.Key, op.Value)
		return err
	}
	var items string
	err := conn.QueryRow(ctx, "select items from chaos_lists where k = $1", op.Key).Scan(&items)
	if err == nil {
		op.Result, err = numbers(items)
	}
	return err
}
