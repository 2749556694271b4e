package bench

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// The table that all workloads use.
const (
	createTable = "create table if not exists bench_kv (k bigint primary key, v text)"
	writeSQL    = "insert into bench_kv (k, v) values ($1, $2) on conflict (k) do update set v = excluded.v"
	readSQL     = "select v from bench_kv where k = $1"
)

// Op is one operation: a statement, or several that are one transaction.
type Op struct {
	SQL  string
	Args [][][]byte // for each execution of SQL its arguments, as text
}

// Workload says what each client does.
type Workload struct {
	Name string
	// Unit is what an operation is counted as: writes, reads, rows.
	Unit string
	// PerOp is how many units one operation is.
	PerOp int
	next  func(*Generator) Op
}

const (
	transactionRows = 100
	mixedReads      = 90 // of 100
)

// Workloads are all there are, by name in the order of the manual.
var Workloads = []Workload{
	{Name: "write", Unit: "writes", PerOp: 1, next: (*Generator).write},
	{Name: "read", Unit: "reads", PerOp: 1, next: (*Generator).read},
	{Name: "mixed", Unit: "operations", PerOp: 1, next: (*Generator).mixed},
	{Name: "txn100", Unit: "rows", PerOp: transactionRows, next: (*Generator).transaction},
}

// Lookup returns the workload of that name.
func Lookup(name string) (Workload, error) {
	names := make([]string, len(Workloads))
	for i, w := range Workloads {
		if w.Name == name {
			return w, nil
		}
		names[i] = w.Name
	}
	return Workload{}, fmt.Errorf("bench: there is no workload %q; there are %s", name, strings.Join(names, ", "))
}

// Generator makes the operations of one client. It reuses its memory: an Op
// is valid until the next.
type Generator struct {
	random *rand.Rand
	keys   int
	value  []byte
	count  uint64
	op     Op
	args   [transactionRows]struct {
		key  []byte
		args [2][]byte
	}
	values [transactionRows][]byte
}

// NewGenerator makes the generator of one client. The same seed gives the
// same operations; keys is the number of different keys, value the bytes of
// each value.
func NewGenerator(seed uint64, keys, valueBytes int) *Generator {
	g := &Generator{random: rand.New(rand.NewPCG(seed, 0)), keys: keys}
	g.value = make([]byte, max(valueBytes, stampBytes))
	for i := range g.value {
		g.value[i] = 'a' + byte(g.random.IntN(26))
	}
	g.count = g.random.Uint64() // so that two runs do not write the same
	for i := range g.values {
		g.values[i] = append([]byte(nil), g.value...)
	}
	return g
}

// Next returns the workload's next operation.
func (g *Generator) Next(w *Workload) Op { return w.next(g) }

func (g *Generator) write() Op {
	return g.rows(writeSQL, 1, g.random.IntN(g.keys))
}

func (g *Generator) read() Op {
	a := &g.args[0]
	a.key = strconv.AppendInt(a.key[:0], int64(g.random.IntN(g.keys)), 10)
	a.args[0] = a.key
	g.op.SQL, g.op.Args = readSQL, append(g.op.Args[:0], a.args[:1])
	return g.op
}

func (g *Generator) mixed() Op {
	if g.random.IntN(100) < mixedReads {
		return g.read()
	}
	return g.write()
}

// transaction writes a run of neighbouring keys in ascending order: two
// clients that meet wait for each other and do not deadlock, in a database
// that locks rows.
func (g *Generator) transaction() Op {
	return g.rows(writeSQL, transactionRows, g.random.IntN(max(g.keys-transactionRows, 0)+1))
}

func (g *Generator) rows(sql string, n, first int) Op {
	g.op.SQL, g.op.Args = sql, g.op.Args[:0]
	for i := range n {
		a := &g.args[i]
		a.key = strconv.AppendInt(a.key[:0], int64(first+i), 10)
		g.stamp(g.values[i])
		a.args = [2][]byte{a.key, g.values[i]}
		g.op.Args = append(g.op.Args, a.args[:])
	}
	return g.op
}

const stampBytes = 16

// stamp makes the value different from all before. A row that does not change
// costs less: SQLite leaves out the write when the bytes are the same, and a
// benchmark that repeats its values measures nothing.
func (g *Generator) stamp(value []byte) {
	g.count++
	var raw [stampBytes / 2]byte
	binary.BigEndian.PutUint64(raw[:], g.count)
	const digits = "0123456789abcdef"
	for i, b := range raw {
		value[2*i], value[2*i+1] = digits[b>>4], digits[b&15]
	}
}
