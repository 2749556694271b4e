package pgfunc

import (
	"strings"

	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Context is what a call may know of the command that it runs in. There is one
// per connection; it is used by one goroutine at a time.
type Context interface {
	NowMicros() int64 // the command's clock, in µs since 1970-01-01 UTC
	Uint64() uint64   // the next number of the command's random stream
	// Spend counts what a call takes, in steps: an instruction of SQLite's
	// machine, some 25 ns, is one. It is called before the work is done, and
	// counts the same on every node. An error says that the statement has used
	// up its limit, and is the call's.
	Spend(steps int) error
	// Limited is false where a statement may take as long as it likes: in
	// queries. Results do not depend on it.
	Limited() bool
	// Expressions are the regular expressions of the statement that runs: the
	// one of the last call. A statement begins with none.
	Expressions() *Expressions
}

// Function is one signature of a function as users call it.
type Function struct {
	Name string // PostgreSQL's, lower case
	// Args are the types of the arguments; pgtype.Any takes every type.
	Args []uint32
	// Variadic: the last of Args may be given any number of times, also none.
	Variadic bool
	// Result is the type of the result; pgtype.Any: that of the first argument
	// whose type is Any.
	Result uint32
	// Aggregate functions take DISTINCT, ORDER BY and FILTER, and may have OVER.
	Aggregate bool
	// Window functions need OVER.
	Window bool
	// SQLite is the name to emit.
	SQLite string
	// TypeArgs: after all the arguments follow, as integers, the OIDs of their
	// types, one each: stored forms do not say that 1 is a boolean, and concat()
	// and to_json() show it differently from an integer. (The time zone, if
	// there is one as well, comes last.)
	TypeArgs bool
	// TimeZone: the session's time zone is a hidden last argument.
	TimeZone bool
	// Volatile: every call may give another result (random()), or the result
	// depends on the command (now()): not for indexes and generated columns.
	Volatile bool
	// Strict: NULL when an argument is NULL.
	Strict bool
}

// Lookup returns the functions of a name (lower case) for overload resolution,
// nil when there are none. The caller must not change them.
func Lookup(name string) []*Function { return byName[name] }

// Implementation is a function that is registered with SQLite.
type Implementation struct {
	Name          string
	Args          int // -1: any number
	Deterministic bool
	// Impl computes a result. args are valid during the call only, and so is
	// the result, which may alias them. Errors are *errcode.Error.
	Impl func(ctx Context, args []value.Value) (value.Value, error)
}

// Implementations returns what is to be registered on every connection, as
// UTF-8 and INNOCUOUS functions. The caller must not change it.
func Implementations() []Implementation { return implementations }

var (
	byName          = map[string][]*Function{}
	implementations []Implementation
	implemented     = map[[2]any]bool{} // name and number of arguments
)

// impl is the code of a function.
type impl func(ctx Context, args []value.Value) (value.Value, error)

// entry is a row of the function tables. The signature reads
//
//	name(type, type…) result [= name to emit] [; flag …]
//
// where a type followed by … is variadic, and the flags are aggregate, window,
// types (TypeArgs), zone (TimeZone), volatile, and null: the
// function is called with NULLs (functions with code, and SQLite's that return
// something else than NULL, are strict otherwise). Code is nil when SQLite has
// the function, or when a row before gave it.
type entry struct {
	signature string
	code      impl
}

func init() {
	for _, table := range [][]entry{textFunctions, patternFunctions, mathFunctions, timeFunctions, jsonFunctions,
		aggregateFunctions, sessionFunctions, sqliteFunctions} {
		for _, e := range table {
			f := parseSignature(e.signature)
			byName[f.Name] = append(byName[f.Name], f)
			if e.code != nil {
				implement(f.SQLite, f.arity(), f.Strict, !f.Volatile, e.code)
			}
		}
	}
	for _, table := range [][]internalFunction{operatorFunctions, patternOperators, castFunctions(), spanFunctions,
		sqliteRandom} {
		for _, f := range table {
			implement(f.name, f.args, f.strict, !f.volatile, f.code)
		}
	}
}

// internalFunction is one that only the planner calls.
type internalFunction struct {
	name     string
	args     int
	strict   bool
	volatile bool
	code     impl
}

// arity is the number of arguments that SQLite sees.
func (f *Function) arity() int {
	if f.Variadic {
		return -1
	}
	n := len(f.Args)
	if f.TypeArgs {
		n *= 2
	}
	if f.TimeZone {
		n++
	}
	return n
}

func implement(name string, args int, strict, deterministic bool, code impl) {
	if key := [2]any{name, args}; implemented[key] {
		panic("pgfunc: two implementations of " + name)
	} else {
		implemented[key] = true
	}
	if strict {
		code = nullWhenNull(code)
	}
	implementations = append(implementations, Implementation{Name: name, Args: args, Deterministic: deterministic, Impl: code})
}

func nullWhenNull(code impl) impl {
	return func(ctx Context, args []value.Value) (value.Value, error) {
		for _, a := range args {
			if a.IsNull() {
				return value.Value{}, nil
			}
		}
		return code(ctx, args)
	}
}

// parseSignature panics on what our own tables cannot contain.
func parseSignature(s string) *Function {
	bad := func() { panic("pgfunc: bad signature " + s) }
	head, flags, _ := strings.Cut(s, ";")
	head, emitted, renamed := strings.Cut(head, "=")
	name, rest, ok := strings.Cut(head, "(")
	args, result, ok2 := strings.Cut(rest, ")")
	if !ok || !ok2 {
		bad()
	}
	f := &Function{Name: name, SQLite: name, Result: typeNamed(strings.TrimSpace(result)), Strict: true}
	if renamed {
		f.SQLite = strings.TrimSpace(emitted)
	}
	for arg := range strings.SplitSeq(args, ",") {
		arg = strings.TrimSpace(arg)
		if arg == "" {
			continue
		}
		if bare, ok := strings.CutSuffix(arg, "…"); ok {
			f.Variadic = true
			arg = bare
		}
		f.Args = append(f.Args, typeNamed(arg))
	}
	for _, flag := range strings.Fields(flags) {
		switch flag {
		case "aggregate":
			f.Aggregate, f.Strict = true, false
		case "window":
			f.Window, f.Strict = true, false
		case "types":
			f.TypeArgs = true
		case "zone":
			f.TimeZone = true
		case "volatile":
			f.Volatile = true
		case "null":
			f.Strict = false
		default:
			bad()
		}
	}
	return f
}

// typeNamed finds a type by its internal name.
func typeNamed(name string) uint32 {
	if name == "any" {
		return pgtype.Any
	}
	oid, ok := pgtype.ByName(name)
	if !ok {
		panic("pgfunc: no type " + name)
	}
	return oid
}
