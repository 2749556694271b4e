package chaos

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"quorate/chaos/check"
)

// workload is what the clients of one kind do, and how it is checked.
type workload struct {
	name string
	// tables makes the tables, for that many keys.
	tables func(keys int64) []string
	// next decides what a client does next.
	next func(c *client) check.Op
	// perform does it and fills in what was answered.
	perform func(ctx context.Context, conn *pgx.Conn, op *check.Op) error
	// dump is a query for all that is in the tables, in one order.
	dump string
	// check compares the history with the rows that dump gave at the end.
	check func(history []check.Op, rows [][]string, pictures string) ([]string, error)

	begun atomic.Int64 // operations; they move on through the keys
}

// workloads makes all there are, in the order of the manual.
func workloads() []*workload {
	return []*workload{registers(), set(), bank(), lists()}
}

// WorkloadNames are the names of all workloads.
func WorkloadNames() []string {
	var names []string
	for _, w := range workloads() {
		names = append(names, w.name)
	}
	return names
}

// Short histories are quick to check: after some operations on a key the
// clients move on to the next. Some keys are in use at a time.
const (
	operationsPerKey = 300
	keysAtOnce       = 3
)

// key returns a key to use now.
func (w *workload) key(c *client) int64 {
	n := w.begun.Add(1)
	return 1 + (n/(operationsPerKey*keysAtOnce)*keysAtOnce+c.random.Int64N(keysAtOnce))%c.run.keys
}

// rowsPerInsert bounds one statement that fills a table.
const rowsPerInsert = 500

// fill makes inserts of one row for each key.
func fill(insert string, keys int64, row func(key int64) string) []string {
	var statements []string
	for first := int64(1); first <= keys; first += rowsPerInsert {
		var rows []string
		for k := first; k <= min(keys, first+rowsPerInsert-1); k++ {
			rows = append(rows, row(k))
		}
		statements = append(statements, insert+" values "+strings.Join(rows, ", "))
	}
	return statements
}

// number parses a number of a table.
func number(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }

// numbers parses a list of numbers, each followed by a comma.
func numbers(text string) ([]int64, error) {
	var list []int64
	for part := range strings.SplitSeq(text, ",") {
		if part == "" {
			continue
		}
		n, err := number(part)
		if err != nil {
			return nil, fmt.Errorf("%q is no list of numbers: %w", text, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// keyedLists reads rows of a key and a list.
func keyedLists(rows [][]string) (map[int64][]int64, error) {
	lists := map[int64][]int64{}
	for _, row := range rows {
		key, err := number(row[0])
		if err != nil {
			return nil, err
		}
		if lists[key], err = numbers(row[1]); err != nil {
			return nil, err
		}
	}
	return lists, nil
}
