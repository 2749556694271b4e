package chaos

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/check"
)

// transferMax is the largest amount of one transfer: large enough for some
// accounts to run dry.
const transferMax = 30

// bank moves money between the accounts of a bank, half of the time in one
// statement, half in two that are one transaction. Accounts keep the ids of
// their transfers.
func bank() *workload {
	w := &workload{
		name: "bank",
		tables: func(keys int64) []string {
			rows := fill("insert into chaos_accounts (bank, account, balance, moves)", keys*check.Accounts, func(k int64) string {
				return fmt.Sprintf("(%d, %d, %d, ',')", 1+(k-1)/check.Accounts, 1+(k-1)%check.Accounts, check.Opening)
			})
			return append([]string{"create table chaos_accounts (bank bigint, account bigint, balance bigint not null, moves text not null, primary key (bank, account))"}, rows...)
		},
		perform: performBank,
		dump:    "select bank, account, balance, moves from chaos_accounts order by bank, account",
		check:   checkBank,
	}
	w.next = func(c *client) check.Op {
		if c.random.IntN(2) == 0 {
			return check.Op{Kind: check.Read, Key: w.key(c)}
		}
		from := c.random.Int64N(check.Accounts)
		to := (from + 1 + c.random.Int64N(check.Accounts-1)) % check.Accounts
		return check.Op{Kind: check.Transfer, Key: w.key(c), Value: c.run.recorder.unique(), From: from + 1, To: to + 1, Amount: 1 + c.random.Int64N(transferMax)}
	}
	return w
}

const transferSQL = `update chaos_accounts
set balance = balance + case account when $3::bigint then -$5::bigint else $5::bigint end, moves = moves || $1::bigint || ','
where bank = $2 and account in ($3, $4)
  and (select a.balance from chaos_accounts a where a.bank = $2 and a.account = $3) >= $5`

func performBank(ctx context.Context, conn *pgx.Conn, op *check.Op) error {
	switch {
	case op.Kind == check.Read:
		rows, err := conn.Query(ctx, "select balance from chaos_accounts where bank = $1 order by account", op.Key)
		if err != nil {
			return err
		}
		op.Result, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	case op.Value%2 == 0:
		tag, err := conn.Exec(ctx, transferSQL, op.Value, op.Key, op.From, op.To, op.Amount)
		op.Applied = tag.RowsAffected() > 0
		return err
	}
	// Two statements in one query string are one transaction. The second acts
	// if the first did.
	results, err := conn.PgConn().Exec(ctx, fmt.Sprintf(
		`update chaos_accounts set balance = balance - %[5]d, moves = moves || '%[1]d,' where bank = %[2]d and account = %[3]d and balance >= %[5]d;
		update chaos_accounts set balance = balance + %[5]d, moves = moves || '%[1]d,' where bank = %[2]d and account = %[4]d
		  and exists (select 1 from chaos_accounts a where a.bank = %[2]d and a.account = %[3]d and a.moves like '%%,%[1]d,%%')`,
		op.Value, op.Key, op.From, op.To, op.Amount)).ReadAll()
	op.Applied = err == nil && len(results) > 0 && results[0].CommandTag.RowsAffected() > 0
	return err
}

func checkBank(history []check.Op, rows [][]string, _ string) ([]string, error) {
	var final []check.Account
	for _, row := range rows {
		var values [3]int64
		for i := range values {
			n, err := number(row[i])
			if err != nil {
				return nil, err
			}
			values[i] = n
		}
		moves, err := numbers(row[3])
		if err != nil {
			return nil, err
		}
		final = append(final, check.Account{Bank: values[0], Number: values[1], Balance: values[2], Moves: moves})
	}
	return check.Bank(history, final), nil
}
