package sqlite

import (
	"fmt"
	"strings"
	"unsafe"

	"quorate/internal/value"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Override is code that runs at each call of a built-in function of SQLite,
// scalar or aggregate.
type Override struct {
	Name string
	Args int // as the function was registered; -1: any number; -3: one at least; -4: two
	// Instead computes the result in the function's place, or leaves it to the
	// function when ok is false; nil: it is always left. Not for aggregates.
	Instead func(args []value.Value) (v value.Value, ok bool, err error)
	// Before is called before the function; nil: nothing is. An error ends the
	// statement, as one of a Function does.
	Before func(a Arguments) error
	// Inverse is called before an aggregate takes a row out of a window that
	// moves; gathered is how many bytes group_concat() and JSON's aggregates have
	// then.
	Inverse func(gathered int) error
}

// Arguments are those of a call; they are valid during it.
type Arguments struct {
	tls  *libc.TLS
	argv uintptr
	n    int
}

// Len is how many there are.
func (a Arguments) Len() int { return a.n }

func (a Arguments) at(i int) uintptr {
	return *(*uintptr)(unsafe.Pointer(a.argv + uintptr(i)*unsafe.Sizeof(a.argv)))
}

// Size is how long a TEXT or BLOB is, 0 for others. It converts nothing.
func (a Arguments) Size(i int) int {
	m := (*lib.TMem)(unsafe.Pointer(a.at(i)))
	if m.Fflags&(lib.MEM_Str|lib.MEM_Blob) == 0 {
		return 0
	}
	n := int(m.Fn)
	if m.Fflags&lib.MEM_Zero != 0 {
		n += int(*(*int32)(unsafe.Pointer(&m.Fu))) // u.nZero
	}
	return n
}

// Value is an argument.
func (a Arguments) Value(i int) value.Value { return argument(a.tls, a.at(i)) }

// override is an Override with the functions that it is in front of.
type override struct {
	Override
	conn              *Conn
	original, inverse uintptr
	args              []value.Value
}

// Override puts code in front of a built-in function. The function keeps its
// flags, and so plans stay as they are. Where one of a name takes any number of
// arguments, the others come first: SQLite looks for its own when none of ours fits.
func (c *Conn) Override(o Override) error {
	old, err := c.functionOf(o.Name, o.Args, o.Args)
	if err != nil {
		return err
	}
	register := max(o.Args, -1) // for SQLite gives the other numbers to its own functions only
	name := cString(c.tls, o.Name)
	defer free(c.tls, name)
	var rc int32
	if old.FxFinalize != 0 {
		rc = lib.Xsqlite3_create_window_function(c.tls, c.db, name, int32(register), lib.SQLITE_UTF8, old.FpUserData,
			funcPtr(onOverride), old.FxFinalize, old.FxValue, funcPtr(onInverse), 0)
	} else {
		rc = lib.Xsqlite3_create_function_v2(c.tls, c.db, name, int32(register), lib.SQLITE_UTF8, old.FpUserData, funcPtr(onOverride), 0, 0, 0)
	}
	if rc != lib.SQLITE_OK {
		return fmt.Errorf("sqlite: function %s: %w", o.Name, c.errorFor(rc))
	}
	made, err := c.functionOf(o.Name, o.Args, register)
	if err != nil {
		return err
	}
	if made == old {
		panic("sqlite: the function " + o.Name + " was not replaced")
	}
	made.FnArg, made.FfuncFlags = old.FnArg, old.FfuncFlags&^lib.SQLITE_FUNC_BUILTIN
	if c.overrides == nil {
		c.overrides = make(map[uintptr]*override)
	}
	c.overrides[uintptr(unsafe.Pointer(made))] = &override{Override: o, conn: c, original: old.FxSFunc, inverse: old.FxInverse}
	return nil
}

// functionOf finds a function as the compiler does: it is in the program of a
// statement that calls it. registered is the number of arguments that it is to
// have been registered with.
func (c *Conn) functionOf(name string, args, registered int) (*lib.TFuncDef, error) {
	n := args
	if n < 0 {
		n = 2
	}
	s, _, err := c.Prepare(fmt.Sprintf(`SELECT "%s"(%s)`, name, strings.Repeat(",?", n)[1:]), false)
	if err != nil {
		return nil, err
	}
	defer s.Finalize()
	v := (*lib.TVdbe)(unsafe.Pointer(s.ptr))
	for i := range uintptr(v.FnOp) {
		op := (*lib.TVdbeOp)(unsafe.Pointer(v.FaOp + i*unsafe.Sizeof(lib.TVdbeOp{})))
		at := *(*uintptr)(unsafe.Pointer(&op.Fp4))
		switch op.Fp4type {
		case lib.P4_FUNCCTX:
			at = (*lib.Tsqlite3_context)(unsafe.Pointer(at)).FpFunc
		case lib.P4_FUNCDEF:
		default:
			continue
		}
		f := (*lib.TFuncDef)(unsafe.Pointer(at))
		if goString(f.FzName) == name && int(f.FnArg) == registered {
			return f, nil
		}
	}
	return nil, fmt.Errorf("sqlite: there is no function %s with %d arguments", name, args)
}

// nativeFunction is a C function with the signature of SQL functions.
func nativeFunction(p uintptr) func(tls *libc.TLS, ctx uintptr, n int32, argv uintptr) {
	return *(*func(*libc.TLS, uintptr, int32, uintptr))(unsafe.Pointer(&struct{ uintptr }{p}))
}

func overrideOf(tls *libc.TLS, ctx uintptr) *override {
	return threads.lookup(tls).overrides[(*lib.Tsqlite3_context)(unsafe.Pointer(ctx)).FpFunc]
}

func onOverride(tls *libc.TLS, ctx uintptr, n int32, argv uintptr) {
	o := overrideOf(tls, ctx)
	o.conn.noteCall(ctx)
	a := Arguments{tls, argv, int(n)}
	if o.Instead != nil {
		o.args = o.args[:0]
		for i := range a.n {
			o.args = append(o.args, a.Value(i))
		}
		v, ok, err := o.Instead(o.args)
		if err != nil {
			o.conn.fail(ctx, err)
			return
		}
		if ok {
			setResult(tls, ctx, v)
			return
		}
	}
	if o.Before != nil {
		if err := o.Before(a); err != nil {
			o.conn.fail(ctx, err)
			return
		}
	}
	nativeFunction(o.original)(tls, ctx, n, argv)
}

func onInverse(tls *libc.TLS, ctx uintptr, n int32, argv uintptr) {
	o := overrideOf(tls, ctx)
	o.conn.noteCall(ctx)
	if o.Inverse != nil {
		m := (*lib.TMem)(unsafe.Pointer((*lib.Tsqlite3_context)(unsafe.Pointer(ctx)).FpMem))
		if err := o.Inverse(int(gatheredBytes(m))); err != nil {
			o.conn.fail(ctx, err)
			return
		}
	}
	nativeFunction(o.inverse)(tls, ctx, n, argv)
}

// fail makes err the result of the call, and of the statement.
func (c *Conn) fail(ctx uintptr, err error) {
	c.failure = err
	message := cString(c.tls, err.Error())
	lib.Xsqlite3_result_error(c.tls, ctx, message, -1)
	free(c.tls, message)
}

// gatheredBytes is how much an aggregate has gathered (func.c, json.c).
func gatheredBytes(m *lib.TMem) int64 {
	f := *(*uintptr)(unsafe.Pointer(&m.Fu)) // u.pDef
	if f == 0 || m.Fz == 0 {
		return 0
	}
	switch goString((*lib.TFuncDef)(unsafe.Pointer(f)).FzName) {
	case "group_concat", "string_agg":
		return int64((*lib.TGroupConcatCtx)(unsafe.Pointer(m.Fz)).Fstr.FnChar)
	case "json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object":
		return int64((*lib.TJsonString)(unsafe.Pointer(m.Fz)).FnUsed)
	}
	return 0
}
