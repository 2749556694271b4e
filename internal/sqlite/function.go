package sqlite

import (
	"fmt"
	"unsafe"

	"quorate/internal/value"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Function is an SQL function written in Go.
type Function struct {
	Name string
	Args int // how many; -1: any number
	// Deterministic functions answer the same arguments with the same result
	// within one statement; only they may be used in indexes and generated
	// columns.
	Deterministic bool
	// Scalar computes the function. The arguments are valid during the call,
	// the result may alias them. An error ends the statement and comes out of
	// Step as it is.
	Scalar func(args []value.Value) (value.Value, error)
}

// function is a Function with the buffer for its arguments. A function cannot
// be called again before it returns: it runs no SQL.
type function struct {
	Function
	args []value.Value
}

// handleShift is where the connection's handle begins in a function's user data;
// the function's index is below it.
const handleShift = 16

// CreateFunction makes a function known to the connection; it takes the place
// of SQLite's own function of that name and number of arguments. The function
// may be used in views, triggers and defaults (SQLITE_INNOCUOUS).
func (c *Conn) CreateFunction(f Function) error {
	if len(c.functions) == 1<<handleShift {
		panic("sqlite: too many functions")
	}
	flags := int32(lib.SQLITE_UTF8 | lib.SQLITE_INNOCUOUS)
	if f.Deterministic {
		flags |= lib.SQLITE_DETERMINISTIC
	}
	index := uintptr(len(c.functions))
	c.functions = append(c.functions, &function{Function: f, args: make([]value.Value, max(f.Args, 0))})
	name := cString(c.tls, f.Name)
	defer free(c.tls, name)
	rc := lib.Xsqlite3_create_function_v2(c.tls, c.db, name, int32(f.Args), flags, c.handle<<handleShift|index, funcPtr(onScalar), 0, 0, 0)
	if rc != lib.SQLITE_OK {
		return fmt.Errorf("sqlite: function %s: %w", f.Name, c.errorFor(rc))
	}
	return nil
}

func onScalar(tls *libc.TLS, ctx uintptr, n int32, argv uintptr) {
	data := lib.Xsqlite3_user_data(tls, ctx)
	c := connections.lookup(data >> handleShift)
	c.noteCall(ctx)
	f := c.functions[data&(1<<handleShift-1)]
	if int(n) > len(f.args) {
		f.args = make([]value.Value, n)
	}
	args := f.args[:n]
	for i := range args {
		args[i] = argument(tls, *(*uintptr)(unsafe.Pointer(argv + uintptr(i)*unsafe.Sizeof(argv))))
	}
	result, err := f.Scalar(args)
	if err != nil {
		c.fail(ctx, err)
		return
	}
	setResult(tls, ctx, result)
}

// noteCall remembers what a call is for.
func (c *Conn) noteCall(ctx uintptr) {
	c.compiling = (*lib.Tsqlite3_context)(unsafe.Pointer(ctx)).FpVdbe == 0
}

// Compiling says of the call of a function that runs that no program makes it, but
// the compiler, to look up in the statistics (STAT4) what it gives (valueFromFunction
// in vdbemem.c). A statement that is compiled already does without.
func (c *Conn) Compiling() bool { return c.compiling }

// argument reads an sqlite3_value; TEXT and BLOB alias it.
func argument(tls *libc.TLS, v uintptr) value.Value {
	switch lib.Xsqlite3_value_type(tls, v) {
	case lib.SQLITE_INTEGER:
		return value.Int(lib.Xsqlite3_value_int64(tls, v))
	case lib.SQLITE_FLOAT:
		return value.Float(lib.Xsqlite3_value_double(tls, v))
	case lib.SQLITE_TEXT:
		p := lib.Xsqlite3_value_text(tls, v)
		return value.TextBytes(bytesAt(p, lib.Xsqlite3_value_bytes(tls, v)))
	case lib.SQLITE_BLOB:
		p := lib.Xsqlite3_value_blob(tls, v)
		return value.BlobBytes(bytesAt(p, lib.Xsqlite3_value_bytes(tls, v)))
	}
	return value.Value{}
}

// setResult gives a function's result to SQLite, which gets its own copy.
func setResult(tls *libc.TLS, ctx uintptr, v value.Value) {
	switch v.Kind() {
	case value.Null:
		lib.Xsqlite3_result_null(tls, ctx)
	case value.Integer:
		lib.Xsqlite3_result_int64(tls, ctx, v.Int())
	case value.Real:
		lib.Xsqlite3_result_double(tls, ctx, v.Float())
	case value.Text, value.Blob:
		b := v.Bytes()
		p := resultBytes(tls, b)
		if p == 0 {
			lib.Xsqlite3_result_error_nomem(tls, ctx)
			return
		}
		if v.Kind() == value.Text {
			lib.Xsqlite3_result_text64(tls, ctx, p, uint64(len(b)), destructor, lib.SQLITE_UTF8)
		} else {
			lib.Xsqlite3_result_blob64(tls, ctx, p, uint64(len(b)), destructor)
		}
	}
}
