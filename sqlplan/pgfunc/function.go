package pgfunc

import (
	"strings"

	"quorate/internal/value"
)

// Context is what a call may know of the command that it runs in. There is one
// per connection; it is used by one goroutine at a time.
type Context interface {
	NowMicros() int64 // the command's clock, in µs since 1970-01-01 UTC
	Uint64() uint64   // the next number of the command's random stream
}

// Function is one signature of a function as users call it.
type Function struct {
	Name string // PostgreSQL's, lower case
	// Args are the types of the arguments; pgtype.Any takes every type.
	Args []uint32
	// Variadic: the last of Args may be given once or more often.
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
func Lookup(name string) []*Function {
	if f, ok := byName[name]; ok {
		return f
	}
	return byName[strings.ToLower(name)]
}

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
)
