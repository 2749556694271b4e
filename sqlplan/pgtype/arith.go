package pgtype

import (
	"math"
	"math/big"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Arithmetic on numeric. A stored numeric stands for its shortest decimal form,
// so that 0.1 + 0.2 is 0.3. Results are exact when a double can hold them, and
// the nearest double when not (1/3; a product with too many digits).

// numericMost bounds the digits that an exact intermediate result may have.
const numericMost = 700

// NumericAdd, NumericSub and NumericMul compute exactly, then round once.
func NumericAdd(a, b value.Value) (value.Value, error) {
	if a.Kind() == value.Integer && b.Kind() == value.Integer {
		x, y := a.Int(), b.Int()
		if s := x + y; (s > x) == (y > 0) {
			return value.Int(s), nil
		}
	}
	return numericOp(a, b, func(z, x, y *big.Rat) { z.Add(x, y) })
}

func NumericSub(a, b value.Value) (value.Value, error) {
	if a.Kind() == value.Integer && b.Kind() == value.Integer {
		x, y := a.Int(), b.Int()
		if s := x - y; (s < x) == (y > 0) {
			return value.Int(s), nil
		}
	}
	return numericOp(a, b, func(z, x, y *big.Rat) { z.Sub(x, y) })
}

func NumericMul(a, b value.Value) (value.Value, error) {
	return numericOp(a, b, func(z, x, y *big.Rat) { z.Mul(x, y) })
}

// NumericDiv divides; PostgreSQL would keep 16 digits or more of the quotient,
// here they are those of a double.
func NumericDiv(a, b value.Value) (value.Value, error) {
	if b.Float() == 0 {
		return value.Value{}, errDivision()
	}
	return numericOp(a, b, func(z, x, y *big.Rat) { z.Quo(x, y) })
}

// NumericQuotient is div(): the quotient without its fraction.
func NumericQuotient(a, b value.Value) (value.Value, error) {
	if b.Float() == 0 {
		return value.Value{}, errDivision()
	}
	return numericOp(a, b, func(z, x, y *big.Rat) {
		z.Quo(x, y)
		z.SetInt(new(big.Int).Quo(z.Num(), z.Denom()))
	})
}

// NumericMod is the remainder, with the sign of a.
func NumericMod(a, b value.Value) (value.Value, error) {
	if b.Float() == 0 {
		return value.Value{}, errDivision()
	}
	return numericOp(a, b, func(z, x, y *big.Rat) {
		q := new(big.Rat).Quo(x, y)
		q.SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
		z.Sub(x, q.Mul(q, y))
	})
}

func errDivision() error { return errcode.Newf(errcode.DivisionByZero, "division by zero") }

func numericOp(a, b value.Value, op func(z, x, y *big.Rat)) (value.Value, error) {
	x, ok1 := numericRat(a)
	y, ok2 := numericRat(b)
	if !ok1 || !ok2 {
		return value.Value{}, errcode.Newf(errcode.NumericValueOutOfRange, "value overflows numeric format")
	}
	var z big.Rat
	op(&z, x, y)
	return ratNumeric(&z)
}

// ratNumeric is the stored form, rounded to a double when it has to be.
func ratNumeric(z *big.Rat) (value.Value, error) {
	if z.IsInt() && z.Num().IsInt64() {
		return value.Int(z.Num().Int64()), nil
	}
	f, _ := z.Float64()
	if math.IsInf(f, 0) {
		return value.Value{}, errcode.Newf(errcode.NumericValueOutOfRange, "value overflows numeric format")
	}
	return value.Float(f), nil
}

// numericRat is the number that a stored numeric stands for.
func numericRat(v value.Value) (*big.Rat, bool) {
	if v.Kind() == value.Integer {
		return new(big.Rat).SetInt64(v.Int()), true
	}
	f := v.Float()
	if math.IsInf(f, 0) {
		return nil, false
	}
	return new(big.Rat).SetString(strconv.FormatFloat(f, 'e', -1, 64))
}

// NumericRound rounds to digits after the point (before it, when negative),
// halves away from zero.
func NumericRound(v value.Value, digits int) value.Value {
	return numericShorten(v, digits, false)
}

// NumericTrunc cuts the digits after that many.
func NumericTrunc(v value.Value, digits int) value.Value {
	return numericShorten(v, digits, true)
}

func numericShorten(v value.Value, digits int, cut bool) value.Value {
	digits = max(min(digits, numericMost), -numericMost)
	var d decimal
	switch {
	case v.Kind() == value.Integer && digits >= 0, math.IsInf(v.Float(), 0):
		return v
	case v.Kind() == value.Integer:
		d = intDecimal(v.Int())
	default:
		d = floatDecimal(v.Float())
	}
	if keep := d.point + digits; cut && keep < len(d.digits) {
		d.digits = d.digits[:max(keep, 0)]
		d = d.trim()
	} else if !cut {
		d = d.round(digits)
	}
	if i, ok := d.int64(); ok {
		return value.Int(i)
	}
	// Fewer digits than a double's shortest form are again one.
	f, _ := strconv.ParseFloat(string(d.append(nil, 0)), 64)
	return value.Float(f)
}
