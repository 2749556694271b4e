package sqlfsm

import (
	"bytes"
	"math"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// A call of a function is one instruction, whatever it works on, and nothing can
// interrupt it. So on the writer each function of SQLite's that looks at all of a
// text, or more than once, is paid for before it runs; a few that take time in
// proportion to the product of two lengths are replaced (pgfunc.Builtins).

// functionCostsVersion is part of the engine's name. It grows when the costs here
// change, or those that functions of ours count (pgfunc.Context.Spend).
const functionCostsVersion = 1

// cost says what a call takes at most, in steps.
type cost func(a sqlite.Arguments) int

// builtinCosts are those functions, by name and number of arguments. Those that
// are missing look at numbers or a few bytes; make what they make from literals
// and columns, which the budget finds in registers; or are refused.
var builtinCosts = []struct {
	name string
	args []int
	cost cost
}{
	{"length", []int{1}, perByte(32)},
	{"hex", []int{1}, perByte(8)},
	{"unhex", []int{1}, perByte(4)},
	{"unhex", []int{2}, product(0, 1, 16)},
	{"quote", []int{1}, perByte(8)},
	{"unistr", []int{1}, perByte(4)},
	{"unistr_quote", []int{1}, perByte(4)},
	{"soundex", []int{1}, perByte(16)},
	{"substr", []int{2, 3}, perByte(32)},
	{"substring", []int{2, 3}, perByte(32)},
	{"nullif", []int{2}, perByte(32)},
	{"trim", []int{1}, perByte(16)},
	{"ltrim", []int{1}, perByte(16)},
	{"rtrim", []int{1}, perByte(16)},
	{"trim", []int{2}, product(0, 1, 4)},
	{"ltrim", []int{2}, product(0, 1, 4)},
	{"rtrim", []int{2}, product(0, 1, 4)},
	{"instr", []int{2}, product(0, 1, 256)},
	{"replace", []int{3}, product(0, 1, 256)},
	{"glob", []int{2}, perByte(8)},
	{"concat", []int{-3}, perByte(32)},
	{"concat_ws", []int{-4}, perByte(32)},
	{"max", []int{-3}, perByte(32)},
	{"min", []int{-3}, perByte(32)},
	// These read numbers in texts.
	{"char", []int{-1}, perByte(8)},
	{"abs", []int{1}, perByte(8)},
	{"round", []int{1, 2}, perByte(8)},
	{"sign", []int{1}, perByte(8)},
	{"ceil", []int{1}, perByte(8)},
	{"ceiling", []int{1}, perByte(8)},
	{"floor", []int{1}, perByte(8)},
	{"trunc", []int{1}, perByte(8)},
	{"mod", []int{2}, perByte(8)},
	{"log2", []int{1}, perByte(8)},
	{"sinh", []int{1}, perByte(8)},
	{"cosh", []int{1}, perByte(8)},
	{"tanh", []int{1}, perByte(8)},
	{"asinh", []int{1}, perByte(8)},
	{"acosh", []int{1}, perByte(8)},
	{"atanh", []int{1}, perByte(8)},
	{"printf", []int{-1}, formatted},
	{"format", []int{-1}, formatted},
	{"strftime", []int{-1}, perByte(1)},
	{"date", []int{-1}, perByte(4)},
	{"time", []int{-1}, perByte(4)},
	{"datetime", []int{-1}, perByte(4)},
	{"julianday", []int{-1}, perByte(4)},
	{"unixepoch", []int{-1}, perByte(4)},
	{"timediff", []int{2}, perByte(4)},
	{"json", []int{1}, perByte(2)},
	{"jsonb", []int{1}, perByte(2)},
	{"json_valid", []int{1, 2}, perByte(2)},
	{"json_error_position", []int{1}, perByte(2)},
	{"json_quote", []int{1}, perByte(8)},
	{"json_array", []int{-1}, perByte(4)},
	{"jsonb_array", []int{-1}, perByte(4)},
	{"json_object", []int{-1}, perByte(4)},
	{"jsonb_object", []int{-1}, perByte(4)},
	{"json_pretty", []int{1, 2}, perByte(2)},
	{"json_type", []int{1, 2}, jsonPaths},
	{"json_array_length", []int{1, 2}, jsonPaths},
	{"json_extract", []int{-1}, jsonPaths},
	{"jsonb_extract", []int{-1}, jsonPaths},
	{"->", []int{2}, jsonPaths},
	{"->>", []int{2}, jsonPaths},
	{"json_remove", []int{-1}, jsonPaths},
	{"jsonb_remove", []int{-1}, jsonPaths},
	{"json_set", []int{-1}, jsonPaths},
	{"jsonb_set", []int{-1}, jsonPaths},
	{"json_insert", []int{-1}, jsonPaths},
	{"jsonb_insert", []int{-1}, jsonPaths},
	{"json_replace", []int{-1}, jsonPaths},
	{"jsonb_replace", []int{-1}, jsonPaths},
	{"json_array_insert", []int{-1}, jsonPaths},
	{"jsonb_array_insert", []int{-1}, jsonPaths},
	{"json_patch", []int{2}, jsonPatch},
	{"jsonb_patch", []int{2}, jsonPatch},
}

// aggregateCosts are the aggregates that look at all of a text, by name and number
// of arguments. Most move what they have gathered when a window moves on.
var aggregateCosts = []struct {
	name string
	args int
}{
	{"group_concat", 1}, {"group_concat", 2}, {"string_agg", 2},
	{"json_group_array", 1}, {"json_group_object", 2}, {"jsonb_group_array", 1}, {"jsonb_group_object", 2},
	{"sum", 1}, {"total", 1}, {"avg", 1}, // they read numbers in texts
	{"max", 1}, {"min", 1},
}

// moveStepBytes is how many bytes move in memory in the time of a step.
const moveStepBytes = 256

// perByte is the cost of functions that look once at each byte of their
// arguments, so many of them a step.
func perByte(stepBytes int) cost {
	return func(a sqlite.Arguments) int { return allBytes(a) / stepBytes }
}

func allBytes(a sqlite.Arguments) (n int) {
	for i := range a.Len() {
		n += a.Size(i)
	}
	return n
}

// product is the cost of functions that compare each byte of an argument with
// each of another one, so many pairs a step.
func product(i, j, pairs int) cost {
	return func(a sqlite.Arguments) int { return allBytes(a)/16 + a.Size(i)*a.Size(j)/pairs }
}

// jsonPaths is the cost of functions that look for each of their paths in the
// whole of a document, and may move what is behind it.
func jsonPaths(a sqlite.Arguments) int {
	return allBytes(a)/2 + a.Size(0)/8*a.Len()
}

// jsonPatch is the cost of json_patch(), which looks for each of the patch's
// keys among all of the document's, and moves what is behind it.
func jsonPatch(a sqlite.Arguments) int {
	document, patch := keys(a, 0), keys(a, 1)
	return allBytes(a)/2 + document*patch + patch*patch + patch*(allBytes(a)/moveStepBytes)
}

// keys are the keys that a JSON text may have, at most: each is followed by a
// colon. In the binary form, a key and its value take two bytes at least.
func keys(a sqlite.Arguments, i int) int {
	v := a.Value(i)
	if v.Kind() == value.Blob {
		return len(v.Bytes()) / 2
	}
	return bytes.Count(v.Bytes(), []byte{':'})
}

// formatted is the cost of printf(): it makes as many digits as the format
// says, though it may drop those that are zeros.
func formatted(a sqlite.Arguments) int {
	if a.Len() == 0 {
		return 0
	}
	const most = 100_000_000 // SQLITE_FP_PRECISION_LIMIT
	widest := 0              // of the arguments, one of which a * stands for
	for i := 1; i < a.Len(); i++ {
		widest = max(widest, int(min(magnitude(a.Value(i)), most)))
	}
	format := a.Value(0).Bytes()
	digits, number := 0, 0
	for _, c := range format {
		switch {
		case c >= '0' && c <= '9':
			number = min(number*10+int(c-'0'), most)
			continue
		case c == '*':
			digits += widest
		}
		digits += number
		number = 0
	}
	return allBytes(a)/2 + digits/8
}

// magnitude is the number that printf() reads in an argument, without its sign.
func magnitude(v value.Value) (n float64) {
	if v.Kind() == value.Integer || v.Kind() == value.Real {
		return math.Abs(v.Float())
	}
	for _, c := range bytes.TrimLeft(v.Bytes(), " \t\n\v\f\r+-") {
		if c < '0' || c > '9' || n > math.MaxInt64 {
			break
		}
		n = n*10 + float64(c-'0')
	}
	return n
}

// meterFunctions has SQLite's functions paid for. It is for the writer.
func (c *connection) meterFunctions() error {
	for _, f := range aggregateCosts {
		o := sqlite.Override{Name: f.name, Args: f.args, Before: func(a sqlite.Arguments) error { return c.Spend(allBytes(a) / 8) },
			Inverse: func(gathered int) error { return c.Spend(gathered / moveStepBytes) }}
		if err := c.db.Override(o); err != nil {
			return err
		}
	}
	instead := map[string]pgfunc.Builtin{}
	for _, b := range pgfunc.Builtins() {
		instead[b.Name] = b
	}
	for _, f := range builtinCosts {
		for _, args := range f.args {
			o := sqlite.Override{Name: f.name, Args: args, Before: func(a sqlite.Arguments) error { return c.Spend(f.cost(a)) }}
			if b, ok := instead[f.name]; ok {
				o.Instead = func(args []value.Value) (value.Value, bool, error) { return c.callInstead(b, args) }
			}
			if err := c.db.Override(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// callInstead calls a function in the place of one of SQLite's. As with call, one
// that panics fails its statement only.
func (c *connection) callInstead(b pgfunc.Builtin, args []value.Value) (v value.Value, ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errFunctionFailed(b.Name, r)
		}
	}()
	return b.Impl(c, args)
}
