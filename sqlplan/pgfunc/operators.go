package pgfunc

import (
	"math"
	"math/bits"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Arithmetic as PostgreSQL's: overflow and division by zero are errors.
//
// The q_ functions of integers and doubles go by the storage class: two
// INTEGERs are integers. Numeric has its own, because there an INTEGER is
// only a number that happens to be whole: 7::numeric / 2 is 3.5.
var operatorFunctions = []internalFunction{
	{name: "q_add", args: 2, strict: true, code: arithmetic(addInt, func(x, y float64) float64 { return x + y })},
	{name: "q_sub", args: 2, strict: true, code: arithmetic(subInt, func(x, y float64) float64 { return x - y })},
	{name: "q_mul", args: 2, strict: true, code: arithmetic(mulInt, func(x, y float64) float64 { return x * y })},
	{name: "q_div", args: 2, strict: true, code: divide},
	{name: "q_mod", args: 2, strict: true, code: remainder},
	{name: "q_neg", args: 1, strict: true, code: negate},
	{name: "q_numeric_add", args: 2, strict: true, code: numeric(pgtype.NumericAdd)},
	{name: "q_numeric_sub", args: 2, strict: true, code: numeric(pgtype.NumericSub)},
	{name: "q_numeric_mul", args: 2, strict: true, code: numeric(pgtype.NumericMul)},
	{name: "q_numeric_div", args: 2, strict: true, code: numeric(pgtype.NumericDiv)},
	{name: "q_numeric_mod", args: 2, strict: true, code: numeric(pgtype.NumericMod)},
	{name: "q_power", args: 2, strict: true, code: power},
	{name: "q_numeric_text", args: 2, strict: true, code: numericText},
	{name: "q_zone", args: 0, code: zoneOfDefault},
	{name: "q_zip", args: -1, code: zipArrays},
	{name: "q_single", args: 2, code: single},
	{name: "q_numeric_sum", args: 1, strict: true, code: numericTotal(pgtype.NumericSum)},
	{name: "q_numeric_avg", args: 1, strict: true, code: numericTotal(pgtype.NumericAvg)},
}

func numeric(op func(a, b value.Value) (value.Value, error)) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		a, err := numberOf(args[0])
		if err != nil {
			return a, err
		}
		b, err := numberOf(args[1])
		if err != nil {
			return b, err
		}
		return op(a, b)
	}
}

// single is the value of a query that may have one row, given the number of
// its rows and the value of one.
func single(_ Context, args []value.Value) (value.Value, error) {
	if args[0].Int() > 1 {
		return fail(errcode.CardinalityViolation, "more than one row returned by a subquery used as an expression")
	}
	return args[1], nil
}

// numericText writes a numeric with so many digits after the point.
func numericText(_ Context, args []value.Value) (value.Value, error) {
	t := pgtype.Type{OID: pgtype.Numeric, Mod: pgtype.PrecisionMod(1000, intOf(args[1]))}
	text, err := pgtype.AppendText(nil, t, args[0], nil)
	return value.TextBytes(text), err
}

// numericTotal is an aggregate of numerics that were gathered in a JSON array.
func numericTotal(total func(array []byte) (value.Value, error)) impl {
	return func(_ Context, args []value.Value) (value.Value, error) { return total(args[0].Bytes()) }
}

// numberOf reads an argument that is to be a number.
func numberOf(v value.Value) (value.Value, error) {
	if v.Kind() == value.Text {
		return pgtype.ParseText(pgtype.Of(pgtype.Numeric), v.Bytes(), nil)
	}
	return v, nil
}

func errOutOfRange() (value.Value, error) {
	return fail(errcode.NumericValueOutOfRange, "bigint out of range")
}

func errDivision() (value.Value, error) { return fail(errcode.DivisionByZero, "division by zero") }

// floatResult refuses what overflowed, or what is not a number.
func floatResult(f float64, args ...float64) (value.Value, error) {
	if math.IsNaN(f) {
		return fail(errcode.NumericValueOutOfRange, "the result is not a number, which cannot be stored")
	}
	if math.IsInf(f, 0) {
		for _, a := range args {
			if math.IsInf(a, 0) {
				return value.Float(f), nil
			}
		}
		return fail(errcode.NumericValueOutOfRange, "value out of range: overflow")
	}
	return value.Float(f), nil
}

func arithmetic(ints func(x, y int64) (int64, bool), floats func(x, y float64) float64) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		a, b, err := twoNumbers(args)
		if err != nil {
			return a, err
		}
		if a.Kind() == value.Integer && b.Kind() == value.Integer {
			n, ok := ints(a.Int(), b.Int())
			if !ok {
				return errOutOfRange()
			}
			return value.Int(n), nil
		}
		return floatResult(floats(a.Float(), b.Float()), a.Float(), b.Float())
	}
}

func twoNumbers(args []value.Value) (a, b value.Value, err error) {
	if a, err = numberOf(args[0]); err != nil {
		return a, b, err
	}
	b, err = numberOf(args[1])
	return a, b, err
}

func addInt(x, y int64) (int64, bool) {
	s := x + y
	return s, (s > x) == (y > 0)
}

func subInt(x, y int64) (int64, bool) {
	s := x - y
	return s, (s < x) == (y > 0)
}

func mulInt(x, y int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(x), magnitude(y))
	if high != 0 {
		return 0, false
	}
	if (x < 0) != (y < 0) {
		return -int64(low), low <= 1<<63
	}
	return int64(low), low < 1<<63
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

func divide(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoNumbers(args)
	if err != nil {
		return a, err
	}
	if b.Float() == 0 {
		return errDivision()
	}
	if a.Kind() == value.Integer && b.Kind() == value.Integer {
		if a.Int() == math.MinInt64 && b.Int() == -1 {
			return errOutOfRange()
		}
		return value.Int(a.Int() / b.Int()), nil
	}
	return floatResult(a.Float()/b.Float(), a.Float())
}

func remainder(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoNumbers(args)
	if err != nil {
		return a, err
	}
	if b.Float() == 0 {
		return errDivision()
	}
	if a.Kind() == value.Integer && b.Kind() == value.Integer {
		if b.Int() == -1 {
			return value.Int(0), nil // MinInt64 % -1 overflows on some machines
		}
		return value.Int(a.Int() % b.Int()), nil
	}
	return pgtype.NumericMod(a, b)
}

func negate(_ Context, args []value.Value) (value.Value, error) {
	v, err := numberOf(args[0])
	if err != nil {
		return v, err
	}
	if v.Kind() == value.Real {
		return value.Float(-v.Float()), nil
	}
	if v.Int() == math.MinInt64 {
		return errOutOfRange()
	}
	return value.Int(-v.Int()), nil
}
