package check

import "slices"

// Account is an account's row at the end: what is in it, and the ids of all
// transfers that touched it.
type Account struct {
	Bank, Number, Balance int64
	Moves                 []int64
}

// Opening is what is in each account before any transfer, Accounts how many
// accounts a bank has.
const (
	Opening  = 100
	Accounts = 5
)

// Bank checks transfers between the accounts of banks: every read shows all
// money and no debt, every transfer took place in both accounts or in none,
// and each account has what its transfers left in it.
func Bank(history []Op, final []Account) []string {
	var r report
	copies := map[int64]int{}
	touched := map[[3]int64]bool{} // transfer, bank, account
	for _, a := range final {
		for _, id := range a.Moves {
			copies[id]++
			touched[[3]int64{id, a.Bank, a.Number}] = true
		}
	}
	expected := map[[2]int64]int64{} // bank, account
	for i := range history {
		op := &history[i]
		switch {
		case op.Kind == Transfer:
			r.transfer(op, copies[op.Value], touched)
			if copies[op.Value] > 0 {
				expected[[2]int64{op.Key, op.From}] -= op.Amount
				expected[[2]int64{op.Key, op.To}] += op.Amount
			}
			delete(copies, op.Value)
		case op.Kind == Read && op.Outcome == Done:
			r.balances(op)
		}
	}
	for id := range copies {
		r.addf("the transfer %d took place, and nobody asked for it", id)
	}
	for _, a := range final {
		if want := Opening + expected[[2]int64{a.Bank, a.Number}]; a.Balance != want {
			r.addf("account %d of bank %d has %d at the end; its transfers leave %d", a.Number, a.Bank, a.Balance, want)
		}
	}
	return r.result()
}

// transfer compares one transfer with the accounts that name it.
func (r *report) transfer(op *Op, copies int, touched map[[3]int64]bool) {
	switch {
	case copies == 0 && op.Outcome == Done && op.Applied:
		r.addf("the transfer %d was acknowledged and is lost (%v)", op.Value, op)
	case copies > 0 && op.Outcome == Done && !op.Applied:
		r.addf("the transfer %d took place, and its client was told that there was not enough (%v)", op.Value, op)
	case copies > 0 && op.Outcome == Failed:
		r.addf("the transfer %d took place although it was refused with: %s (%v)", op.Value, op.Error, op)
	case copies > 2:
		r.addf("the transfer %d took place more than once (%v)", op.Value, op)
	case copies > 0 && !(touched[[3]int64{op.Value, op.Key, op.From}] && touched[[3]int64{op.Value, op.Key, op.To}]):
		r.addf("half of the transfer %d took place (%v)", op.Value, op)
	}
}

// balances checks one read of a whole bank.
func (r *report) balances(op *Op) {
	var sum int64
	for _, balance := range op.Result {
		sum += balance
	}
	if sum != Opening*Accounts || len(op.Result) != Accounts {
		r.addf("a read of bank %d shows %d in %d accounts, not %d in %d (%v)", op.Key, sum, len(op.Result), Opening*Accounts, Accounts, op)
	}
	if slices.ContainsFunc(op.Result, func(b int64) bool { return b < 0 }) {
		r.addf("a read of bank %d shows a debt: %v (%v)", op.Key, op.Result, op)
	}
}
