package sqlplan

import (
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// A stored numeric has no zeros at its end; how many digits after the point
// are shown is a matter of its type. PostgreSQL carries that with each value.
// Here it is known of columns with a scale and of literals, and of what
// follows from them: sums, differences, products, sum(), min(), max(), round().
// Where it is not known, numerics are shown without zeros at the end.

// scaleOf is the number of digits after the point of every value of e.
func scaleOf(e expr) (scale int, known bool) {
	t := e.base().typ
	if isInteger(t.OID) {
		return 0, true
	}
	if t.OID != pgtype.Numeric {
		return 0, false
	}
	_, scale, known = t.Precision()
	return scale, known && scale >= 0
}

// numericOf is numeric with a scale, and without any other limit.
func numericOf(scale int) pgtype.Type {
	const precisionMost, scaleMost = 1000, 1000
	if scale < 0 || scale > scaleMost {
		return pgtype.Of(pgtype.Numeric)
	}
	return pgtype.Type{OID: pgtype.Numeric, Mod: pgtype.PrecisionMod(precisionMost, scale)}
}

// scaledNumeric is the type of an operator's result.
func scaledNumeric(op string, l, r expr) pgtype.Type {
	a, ok1 := scaleOf(l)
	b, ok2 := scaleOf(r)
	switch {
	case !ok1 || !ok2:
	case op == "+" || op == "-" || op == "%":
		return numericOf(max(a, b))
	case op == "*":
		return numericOf(a + b)
	}
	return pgtype.Of(pgtype.Numeric)
}

// scaledCall is the type of a function's numeric result.
func scaledCall(x *call) pgtype.Type {
	if x.typ.OID != pgtype.Numeric || len(x.args) == 0 {
		return x.typ
	}
	scale, known := scaleOf(x.args[0])
	switch x.name {
	case "sum", "min", "max", "abs":
		if known && x.args[0].base().typ.OID == pgtype.Numeric {
			return numericOf(scale)
		}
	case "round", "trunc":
		if len(x.args) == 1 {
			return numericOf(0)
		}
		if c, ok := x.args[1].(*constant); ok && c.val.Kind() == value.Integer {
			return numericOf(int(max(min(c.val.Int(), 2000), 0)))
		}
	}
	return x.typ
}
