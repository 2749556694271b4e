package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/check"
)

// registers reads, writes, and writes if nobody else did. A row keeps all
// values that it had, by which unknown outcomes are resolved at the end.
func registers() *workload {
	w := &workload{
		name: "register",
		tables: func(keys int64) []string {
			return append([]string{"create table chaos_registers (k bigint primary key, v bigint not null, had text not null)"},
				fill("insert into chaos_registers (k, v, had)", keys, func(k int64) string { return fmt.Sprintf("(%d, 0, '')", k) })...)
		},
		perform: performRegister,
		dump:    "select k, had, v from chaos_registers order by k",
		check:   checkRegisters,
	}
	w.next = func(c *client) check.Op {
		op := check.Op{Kind: check.Read, Key: w.key(c)}
		switch c.random.IntN(4) {
		case 0:
			op.Kind, op.Value = check.Write, c.run.recorder.unique()
		case 1, 2:
			op.Kind, op.Value, op.Old = check.CAS, c.run.recorder.unique(), c.lastSeen(op.Key)
		}
		return op
	}
	return w
}

func performRegister(ctx context.Context, conn *pgx.Conn, op *check.Op) error {
	switch op.Kind {
	case check.Read:
		var v int64
		err := conn.QueryRow(ctx, "select v from chaos_registers where k = $1", op.Key).Scan(&v)
		op.Result = []int64{v}
		return err
	case check.Write:
		_, err := conn.Exec(ctx, "update chaos_registers set v = $2::bigint, had = had || $2::bigint || ',' where k = $1", op.Key, op.Value)
		return err
	}
	tag, err := conn.Exec(ctx, "update chaos_registers set v = $2::bigint, had = had || $2::bigint || ',' where k = $1 and v = $3", op.Key, op.Value, op.Old)
	op.Applied = tag.RowsAffected() == 1
	return err
}

// lastSeen guesses a register's value: the newest that any client read or
// wrote on it. So a good part of the compare-and-sets match.
func (c *client) lastSeen(key int64) int64 {
	c.run.recorder.mu.Lock()
	defer c.run.recorder.mu.Unlock()
	history := c.run.recorder.history[c.workload.name]
	const back = 200
	for i := len(history) - 1; i >= max(0, len(history)-back); i-- {
		op := &history[i]
		switch {
		case op.Key != key || op.Outcome != check.Done:
		case op.Kind == check.Read:
			return op.Result[0]
		case op.Kind == check.Write || op.Applied:
			return op.Value
		}
	}
	return 0
}

func checkRegisters(history []check.Op, rows [][]string, pictures string) ([]string, error) {
	final, err := keyedLists(rows)
	if err != nil {
		return nil, err
	}
	violations := check.Registers(history, final, pictures)
	for _, row := range rows { // the value must be the last that was written
		last := "0"
		if key, err := number(row[0]); err == nil && len(final[key]) > 0 {
			last = fmt.Sprint(final[key][len(final[key])-1])
		}
		if row[2] != last {
			violations = append(violations, fmt.Sprintf("register %s has the value %s at the end; the last one written was %s", row[0], row[2], last))
		}
	}
	return violations, nil
}
