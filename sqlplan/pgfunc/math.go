package pgfunc

import (
	"math"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Mathematical functions (manual, section 9.3). Those that a processor or a C
// library computes in its own way are here computed with whole numbers
// (exact.go), for the last bit must be the same on every node; they replace
// SQLite's of the same names.
var mathFunctions = []entry{
	{"abs(int2) int2", nil},
	{"abs(int4) int4", nil},
	{"abs(int8) int8", nil},
	{"abs(numeric) numeric", nil},
	{"abs(float8) float8", nil},
	{"ceil(numeric) numeric", nil},
	{"ceil(float8) float8", nil},
	{"ceiling(numeric) numeric = ceil", nil},
	{"ceiling(float8) float8 = ceil", nil},
	{"floor(numeric) numeric", nil},
	{"floor(float8) float8", nil},
	{"round(numeric) numeric = q_round", roundNumeric(pgtype.NumericRound)},
	{"round(float8) float8 = q_round_float8", float1(math.RoundToEven)},
	{"round(numeric, int4) numeric = q_round", roundNumeric(pgtype.NumericRound)},
	{"trunc(numeric) numeric = q_trunc", roundNumeric(pgtype.NumericTrunc)},
	{"trunc(float8) float8 = q_trunc_float8", float1(math.Trunc)},
	{"trunc(numeric, int4) numeric = q_trunc", roundNumeric(pgtype.NumericTrunc)},
	{"mod(int2, int2) int2 = q_mod", nil},
	{"mod(int4, int4) int4 = q_mod", nil},
	{"mod(int8, int8) int8 = q_mod", nil},
	{"mod(numeric, numeric) numeric = q_numeric_mod", nil},
	{"div(numeric, numeric) numeric = q_numeric_quotient", numeric(pgtype.NumericQuotient)},
	{"sign(numeric) numeric", nil},
	{"sign(float8) float8", nil},
	{"gcd(int4, int4) int4 = q_gcd", gcd},
	{"gcd(int8, int8) int8 = q_gcd", nil},
	{"sqrt(float8) float8", squareRoot},
	{"sqrt(numeric) numeric", nil},
	{"cbrt(float8) float8 = q_cbrt", float1(exactCbrt)},
	{"exp(float8) float8", exponential},
	{"exp(numeric) numeric", nil},
	{"ln(float8) float8", logarithm(exactLn)},
	{"ln(numeric) numeric", nil},
	{"log(float8) float8", logarithm(exactLog10)},
	{"log(numeric) numeric", nil},
	{"log10(float8) float8", logarithm(exactLog10)},
	{"log10(numeric) numeric", nil},
	{"log(numeric, numeric) numeric", logBase},
	{"power(float8, float8) float8", power},
	{"power(numeric, numeric) numeric", nil},
	{"pow(float8, float8) float8", power},
	{"pow(numeric, numeric) numeric", nil},
	{"pi() float8", nil},
	{"degrees(float8) float8", float1(func(x float64) float64 { return x / (math.Pi / 180) })},
	{"radians(float8) float8", float1(func(x float64) float64 { return x * (math.Pi / 180) })},
	{"sin(float8) float8", trigonometric(exactSin)},
	{"cos(float8) float8", trigonometric(exactCos)},
	{"tan(float8) float8", trigonometric(exactTan)},
	{"cot(float8) float8", trigonometric(func(x float64) float64 { return 1 / exactTan(x) })},
	{"asin(float8) float8", inverse(exactAsin)},
	{"acos(float8) float8", inverse(exactAcos)},
	{"atan(float8) float8", float1(exactAtan)},
	{"atan2(float8, float8) float8", arcTangent2},
	{"greatest(any…) any = q_greatest; null", extreme(1)},
	{"least(any…) any = q_least; null", extreme(-1)},
}

func float1(f func(float64) float64) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		v, err := numberOf(args[0])
		if err != nil {
			return v, err
		}
		return floatResult(f(v.Float()), v.Float())
	}
}

// roundNumeric is round() and trunc() of numeric, with or without digits.
func roundNumeric(f func(v value.Value, digits int) value.Value) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		v, err := numberOf(args[0])
		if err != nil {
			return v, err
		}
		digits := 0
		if len(args) > 1 {
			digits = intOf(args[1])
		}
		return f(v, digits), nil
	}
}

func gcd(_ Context, args []value.Value) (value.Value, error) {
	a, b := magnitude(args[0].Int()), magnitude(args[1].Int())
	for b != 0 {
		a, b = b, a%b
	}
	if a > math.MaxInt64 {
		return errOutOfRange()
	}
	return value.Int(int64(a)), nil
}

// squareRoot needs nothing exact: IEEE 754 demands its last bit.
func squareRoot(_ Context, args []value.Value) (value.Value, error) {
	v, err := numberOf(args[0])
	if err != nil {
		return v, err
	}
	if v.Float() < 0 {
		return fail(errcode.InvalidArgumentForPower, "cannot take square root of a negative number")
	}
	return value.Float(math.Sqrt(v.Float())), nil
}

func exponential(_ Context, args []value.Value) (value.Value, error) {
	v, err := numberOf(args[0])
	if err != nil {
		return v, err
	}
	f := exactExp(v.Float())
	if f == 0 && !math.IsInf(v.Float(), -1) {
		return fail(errcode.NumericValueOutOfRange, "value out of range: underflow")
	}
	return floatResult(f, v.Float())
}

func errLogarithm(x float64) error {
	if x == 0 {
		return errcode.Newf(errcode.InvalidArgumentForLogarithm, "cannot take logarithm of zero")
	}
	return errcode.Newf(errcode.InvalidArgumentForLogarithm, "cannot take logarithm of a negative number")
}

func logarithm(f func(float64) float64) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		v, err := numberOf(args[0])
		if err != nil {
			return v, err
		}
		if v.Float() <= 0 {
			return value.Value{}, errLogarithm(v.Float())
		}
		return value.Float(f(v.Float())), nil
	}
}

// logBase is log(base, x).
func logBase(_ Context, args []value.Value) (value.Value, error) {
	b, x, err := twoNumbers(args)
	if err != nil {
		return b, err
	}
	for _, f := range []float64{b.Float(), x.Float()} {
		if f <= 0 {
			return value.Value{}, errLogarithm(f)
		}
	}
	if b.Float() == 1 {
		return errDivision()
	}
	return floatResult(exactLogBase(b.Float(), x.Float()), x.Float())
}

func power(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoNumbers(args)
	if err != nil {
		return a, err
	}
	x, y := a.Float(), b.Float()
	switch {
	case x == 0 && y < 0:
		return fail(errcode.InvalidArgumentForPower, "zero raised to a negative power is undefined")
	case x < 0 && y != math.Trunc(y):
		return fail(errcode.InvalidArgumentForPower, "a negative number raised to a non-integer power yields a complex result")
	}
	f := exactPow(x, y)
	if f == 0 && x != 0 && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		return fail(errcode.NumericValueOutOfRange, "value out of range: underflow")
	}
	return floatResult(f, x, y)
}

func trigonometric(f func(float64) float64) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		v, err := numberOf(args[0])
		if err != nil {
			return v, err
		}
		if math.IsInf(v.Float(), 0) {
			return fail(errcode.NumericValueOutOfRange, "input is out of range")
		}
		return floatResult(f(v.Float()))
	}
}

func inverse(f func(float64) float64) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		v, err := numberOf(args[0])
		if err != nil {
			return v, err
		}
		if math.Abs(v.Float()) > 1 {
			return fail(errcode.NumericValueOutOfRange, "input is out of range")
		}
		return value.Float(f(v.Float())), nil
	}
}

func arcTangent2(_ Context, args []value.Value) (value.Value, error) {
	y, x, err := twoNumbers(args)
	if err != nil {
		return y, err
	}
	return value.Float(exactAtan2(y.Float(), x.Float())), nil
}

// extreme is GREATEST and LEAST: NULLs do not count.
func extreme(sign int) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		var best value.Value
		for _, a := range args {
			if !a.IsNull() && (best.IsNull() || compare(a, best)*sign > 0) {
				best = a
			}
		}
		return best, nil
	}
}
