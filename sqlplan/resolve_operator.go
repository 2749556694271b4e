package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// binary types an operator whose operands are resolved, and chooses what
// SQLite runs for it.
func (r *resolver) binary(x *binary) expr {
	if r.err != nil {
		return x
	}
	switch x.op {
	case "=", "<>", "<", ">", "<=", ">=", "IS", "IS NOT":
		return r.compare(x)
	case "+", "-", "*", "/", "%", "^":
		return r.arithmetic(x)
	case "||":
		return r.concat(x)
	case "->", "->>":
		return r.jsonField(x)
	case "~", "~*", "!~", "!~*":
		return r.regexp(x)
	case "~~", "~~*", "!~~", "!~~*":
		return r.like(&like{node: node{pos: x.pos}, x: x.l, pattern: x.r, not: x.op[0] == '!', fold: strings.HasSuffix(x.op, "*")}, nil)
	case "&", "|", "<<", ">>":
		return r.bits(x)
	case "MATCH":
		x.r = r.textOperand(x.r, x.l, "MATCH", x.pos, false)
		x.typ = boolType()
		return x
	}
	switch x.op {
	case "#>", "#>>", "@>", "<@", "?", "?|", "?&", "@?", "@@", "#", "#-", "&&", "||/", "|/", "^@", "@", "!!", "->>>", "-|-":
		r.unsupported(x.pos, "the operator %s", x.op)
		return x
	}
	r.noOperator(x.pos, x.op, x.l.base().typ, x.r.base().typ)
	return x
}

func (r *resolver) compare(x *binary) expr {
	x.typ = boolType()
	left, lrow := x.l.(*row)
	right, rrow := x.r.(*row)
	if lrow && rrow {
		if len(left.items) != len(right.items) {
			r.fail(x.pos, errcode.SyntaxError, "unequal number of entries in row expressions")
			return x
		}
		for i := range left.items {
			pair := []expr{left.items[i], right.items[i]}
			r.comparable(pair, x.pos, x.op)
			left.items[i], right.items[i] = pair[0], pair[1]
		}
		return x
	}
	if lrow || rrow {
		r.unsupported(x.pos, "comparing a row with what is not a row")
		return x
	}
	pair := []expr{x.l, x.r}
	r.comparable(pair, x.pos, x.op)
	x.l, x.r = pair[0], pair[1]
	return x
}

// arithmetic types + - * / % ^.
//
// SQLite's integer arithmetic goes over to doubles when it overflows, and
// dividing by zero is NULL there; both are errors in PostgreSQL. The checked
// functions of pgfunc are used where the operands' types do not exclude it.
func (r *resolver) arithmetic(x *binary) expr {
	l, rt := x.l.base().typ.OID, x.r.base().typ.OID
	if timeRank(l) > 0 || timeRank(rt) > 0 || l == pgtype.Interval || rt == pgtype.Interval || l == pgtype.Time || rt == pgtype.Time {
		return r.timeArithmetic(x)
	}
	if l == 0 || rt == 0 {
		r.untypedNumber(x)
		return x
	}
	switch {
	case l == pgtype.Unknown && rt == pgtype.Unknown:
		if undecidedParams([]expr{x.l, x.r}) || isNullConstant(x.l) || isNullConstant(x.r) {
			x.l, x.r = r.coerce(x.l, pgtype.Of(pgtype.Int8), implicit), r.coerce(x.r, pgtype.Of(pgtype.Int8), implicit)
			break
		}
		r.fail(x.pos, errcode.AmbiguousFunction, "operator is not unique: unknown %s unknown", x.op).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")
		return x
	case l == pgtype.Unknown:
		x.l = r.coerce(x.l, pgtype.Of(rt), implicit)
	case rt == pgtype.Unknown:
		x.r = r.coerce(x.r, pgtype.Of(l), implicit)
	}
	if r.err != nil {
		return x
	}
	l, rt = x.l.base().typ.OID, x.r.base().typ.OID
	result := arithmeticType(l, rt, x.op)
	if result == 0 {
		r.noOperator(x.pos, x.op, x.l.base().typ, x.r.base().typ)
		return x
	}
	x.typ = pgtype.Of(result)
	return r.chooseArithmetic(x)
}

// untypedNumber leaves arithmetic on a column without a type to SQLite.
func (r *resolver) untypedNumber(x *binary) {
	for _, e := range []expr{x.l, x.r} {
		if t := e.base().typ.OID; t != 0 && t != pgtype.Unknown && numberRank(t) == 0 {
			r.noOperator(x.pos, x.op, x.l.base().typ, x.r.base().typ)
			return
		}
	}
	if x.op == "^" {
		r.unsupported(x.pos, "^ on a column without a type")
		return
	}
	r.untyped([]expr{x.l, x.r})
	x.typ = pgtype.Type{Mod: -1}
}

func isNullConstant(e expr) bool {
	c, ok := e.(*constant)
	return ok && c.val.IsNull()
}

// arithmeticType is the result of an operator on two numbers; 0: none.
func arithmeticType(l, rt uint32, op string) uint32 {
	a, b := numberRank(l), numberRank(rt)
	switch {
	case a == 0 || b == 0:
		return 0
	case op == "^":
		if l == pgtype.Numeric && b <= 4 || rt == pgtype.Numeric && a <= 4 {
			return pgtype.Numeric
		}
		return pgtype.Float8
	case op == "%" && (isFloat(l) || isFloat(rt)):
		return 0
	case l == pgtype.Float4 && rt == pgtype.Float4:
		return pgtype.Float4
	case isFloat(l) || isFloat(rt):
		return pgtype.Float8
	case a >= b:
		return l
	}
	return rt
}

// operatorNames are the ends of pgfunc's names for the operators.
var operatorNames = map[string]string{"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}

func (r *resolver) chooseArithmetic(x *binary) expr {
	t := x.typ.OID
	emit := func(name string) expr {
		return &emitCall{node: node{x.pos, x.typ}, name: name, args: []expr{x.l, x.r}}
	}
	switch {
	case x.op == "^":
		return emit("q_power")
	case t == pgtype.Numeric:
		x.typ = scaledNumeric(x.op, x.l, x.r)
		return emit("q_numeric_" + operatorNames[x.op])
	case isFloat(t):
		x.l, x.r = r.toFloat(x.l), r.toFloat(x.r)
		if x.op == "/" {
			return emit("q_div")
		}
		return x
	case x.op == "/" || x.op == "%":
		if safeDivisor(x.r) {
			return x
		}
	case bits(x) <= 63:
		return x
	}
	return emit("q_" + operatorNames[x.op])
}

// toFloat makes sure that SQLite calculates with doubles.
func (r *resolver) toFloat(e expr) expr {
	if isFloat(e.base().typ.OID) {
		return e
	}
	return r.coerce(e, pgtype.Of(pgtype.Float8), implicit)
}

// safeDivisor: a constant that is neither 0 (an error) nor -1 (which
// overflows for the smallest bigint).
func safeDivisor(e expr) bool {
	c, ok := e.(*constant)
	return ok && c.val.Kind() == value.Integer && c.val.Int() != 0 && c.val.Int() != -1
}

// bits bounds the size of an integer expression: its magnitude is below 2^bits,
// but for the smallest number of its type.
func bits(e expr) int {
	switch x := e.(type) {
	case *constant:
		n, v := 0, x.val.Int()
		for ; v != 0 && v != -1; v >>= 1 {
			n++
		}
		return n
	case *binary:
		switch x.op {
		case "+", "-":
			return max(bits(x.l), bits(x.r)) + 1
		case "*":
			return bits(x.l) + bits(x.r) + 1
		case "/", "%":
			return bits(x.l)
		}
	}
	switch e.base().typ.OID {
	case pgtype.Int2:
		return 15
	case pgtype.Int4:
		return 31
	}
	return 63
}

// timeArithmetic types + and - on dates, timestamps and intervals.
func (r *resolver) timeArithmetic(x *binary) expr {
	l, rt := x.l.base().typ.OID, x.r.base().typ.OID
	if l == pgtype.Unknown && x.op == "-" {
		x.l = r.coerce(x.l, pgtype.Of(rt), implicit)
	} else if l == pgtype.Unknown {
		x.l = r.coerce(x.l, pgtype.Of(partner(rt)), implicit)
	}
	if rt == pgtype.Unknown {
		to := l
		if x.op == "+" {
			to = partner(l)
		}
		x.r = r.coerce(x.r, pgtype.Of(to), implicit)
	}
	if r.err != nil {
		return x
	}
	l, rt = x.l.base().typ.OID, x.r.base().typ.OID
	if x.op == "+" && ((timeRank(rt) > 0 || rt == pgtype.Time) && (l == pgtype.Interval || isInteger(l))) {
		x.l, x.r, l, rt = x.r, x.l, rt, l
	}
	emit := func(name string, t uint32, args ...expr) expr {
		return &emitCall{node: node{x.pos, pgtype.Of(t)}, name: name, args: args}
	}
	if x.op == "+" || x.op == "-" {
		switch {
		case l == pgtype.Date && isInteger(rt):
			days := x.r
			if x.op == "-" {
				days = emit("q_neg", rt, days)
			}
			return emit("q_date_add", pgtype.Date, x.l, days)
		case l == pgtype.Date && rt == pgtype.Date && x.op == "-":
			return emit("q_date_sub", pgtype.Int4, x.l, x.r)
		case rt == pgtype.Interval:
			return r.addInterval(x)
		case timeRank(l) > 0 && timeRank(rt) > 0 && x.op == "-":
			pair := []expr{x.l, x.r}
			r.comparable(pair, x.pos, "-")
			return emit("q_timestamp_sub", pgtype.Interval, pair[0], pair[1])
		}
	}
	if (x.op == "*" || x.op == "/") && l == pgtype.Interval && numberRank(rt) > 0 {
		return emit("q_interval_"+operatorNames[x.op], pgtype.Interval, x.l, r.toFloat(x.r))
	}
	if x.op == "*" && rt == pgtype.Interval && numberRank(l) > 0 {
		return emit("q_interval_mul", pgtype.Interval, x.r, r.toFloat(x.l))
	}
	if l == pgtype.Interval || rt == pgtype.Interval || l == pgtype.Time || rt == pgtype.Time {
		r.unsupported(x.pos, "%s %s %s", operandName(x.l.base().typ), x.op, operandName(x.r.base().typ))
		return x
	}
	r.noOperator(x.pos, x.op, x.l.base().typ, x.r.base().typ)
	return x
}

// partner is what an undecided literal is beside a time in an addition.
func partner(oid uint32) uint32 {
	if oid == pgtype.Date {
		return pgtype.Int4
	}
	return pgtype.Interval
}

// addInterval emits a time or an interval plus or minus an interval.
func (r *resolver) addInterval(x *binary) expr {
	interval := x.r
	if x.op == "-" {
		interval = &emitCall{node: node{x.pos, pgtype.Of(pgtype.Interval)}, name: "q_interval_neg", args: []expr{interval}}
	}
	l := x.l.base().typ.OID
	out := &emitCall{node: node{x.pos, pgtype.Of(l)}, args: []expr{x.l, interval}}
	switch l {
	case pgtype.Timestamptz:
		out.name = "q_timestamptz_add"
		out.args = append(out.args, r.session(x.pos, TimeZone))
	case pgtype.Timestamp:
		out.name = "q_timestamp_add"
	case pgtype.Date:
		out.name, out.typ = "q_date_add_interval", pgtype.Of(pgtype.Timestamp)
	case pgtype.Time:
		out.name = "q_time_add"
	case pgtype.Interval:
		out.name = "q_interval_add"
	default:
		r.noOperator(x.pos, x.op, x.l.base().typ, x.r.base().typ)
	}
	return out
}

// concat types ||: text with anything, as long as one side is text.
func (r *resolver) concat(x *binary) expr {
	l, rt := x.l.base().typ, x.r.base().typ
	if l.OID == 0 || rt.OID == 0 {
		r.untyped([]expr{x.l, x.r})
		x.typ = pgtype.Of(pgtype.Text)
		return x
	}
	if isJSON(l.OID) && !isText(rt.OID) || isJSON(rt.OID) && !isText(l.OID) || l.OID == pgtype.Bytea || rt.OID == pgtype.Bytea {
		r.unsupported(x.pos, "%s || %s", formatType(l), formatType(rt))
		return x
	}
	if !pgtype.IsString(l.OID) && !pgtype.IsString(rt.OID) {
		r.noOperator(x.pos, "||", l, rt)
		return x
	}
	x.l, x.r = r.toText(x.l), r.toText(x.r)
	x.typ = pgtype.Of(pgtype.Text)
	return x
}

// toText converts an operand that PostgreSQL takes as anynonarray.
func (r *resolver) toText(e expr) expr {
	if t := e.base().typ.OID; isText(t) {
		return e
	}
	return r.coerce(e, pgtype.Of(pgtype.Text), explicit)
}

// jsonField types j -> key and j ->> key (manual, section 9.16).
//
// SQLite prints what it extracts in its own way, and ->> gives numbers and
// booleans as such; so the result goes through the cast to its type, which
// restores the stored form, and ->> takes a string's text and else the JSON.
func (r *resolver) jsonField(x *binary) expr {
	l := x.l.base().typ
	if !isJSON(l.OID) {
		if l.OID != pgtype.Unknown {
			r.noOperator(x.pos, x.op, l, x.r.base().typ)
		} else {
			r.fail(x.pos, errcode.AmbiguousFunction, "operator is not unique: unknown %s unknown", x.op).
				WithHint("Cast the left side to json or jsonb.")
		}
		return x
	}
	if t := x.r.base().typ.OID; t == pgtype.Unknown || isText(t) {
		x.r = jsonPath(r.coerce(x.r, pgtype.Of(pgtype.Text), implicit))
	} else if t != pgtype.Int4 && t != pgtype.Int2 {
		r.noOperator(x.pos, x.op, l, x.r.base().typ)
		return x
	}
	if r.err != nil {
		return x
	}
	if !repeatable(x.l) || !repeatable(x.r) {
		r.unsupported(x.pos, "%s on the result of a volatile function or a query", x.op)
		return x
	}
	field := &binary{node: node{x.pos, l}, op: "->", l: x.l, r: x.r}
	stored := &emitCall{node: node{x.pos, l}, name: "q_cast_" + pgtype.InternalName(l.OID), args: []expr{field, integer(x.pos, int64(pgtype.JSON))}}
	if x.op == "->" {
		return stored
	}
	kind := &emitCall{node: node{x.pos, pgtype.Of(pgtype.Text)}, name: "json_type", args: []expr{field}}
	plain := &binary{node: node{x.pos, pgtype.Of(pgtype.Text)}, op: "->>", l: x.l, r: x.r}
	return &caseExpr{node: node{x.pos, pgtype.Of(pgtype.Text)}, operand: kind,
		whens: []when{{text(x.pos, "text"), plain}, {text(x.pos, "null"), &constant{node: node{x.pos, pgtype.Of(pgtype.Text)}}}}, other: stored}
}

// jsonPath keeps SQLite from reading a key as a path, or as the end of one: it
// becomes a member of $, in quotes.
func jsonPath(e expr) expr {
	if c, ok := e.(*constant); ok && !c.val.IsNull() {
		key := c.val.Text()
		if key != "" && !strings.ContainsAny(key[:1], "$[") && !strings.ContainsAny(key, "\"\\") {
			return e
		}
	}
	at := node{e.base().pos, pgtype.Of(pgtype.Text)}
	quoted := &emitCall{node: at, name: "json_quote", args: []expr{e}}
	return &binary{node: at, op: "||", l: text(at.pos, "$."), r: quoted}
}

// repeatable: an expression that may be written several times.
func repeatable(e expr) bool {
	switch x := e.(type) {
	case *constant, *param, *columnRef, *sessionRef:
		return true
	case *binary:
		return repeatable(x.l) && repeatable(x.r)
	case *emitCall:
		for _, a := range x.args {
			if !repeatable(a) {
				return false
			}
		}
		return strings.HasPrefix(x.name, "q_cast_") || x.name == "json_type" || x.name == "json_quote"
	}
	return false
}

func (r *resolver) regexp(x *binary) expr {
	x.l = r.textOperand(x.l, x.r, x.op, x.pos, true)
	x.r = r.textOperand(x.r, x.l, x.op, x.pos, false)
	name := "regexp"
	if strings.HasSuffix(x.op, "*") {
		name = "q_iregexp"
	}
	var e expr = &emitCall{node: node{x.pos, boolType()}, name: name, args: []expr{x.r, x.l}}
	if x.op[0] == '!' {
		e = &unary{node: node{x.pos, boolType()}, op: "NOT", x: e}
	}
	return e
}

func (r *resolver) bits(x *binary) expr {
	for _, e := range []*expr{&x.l, &x.r} {
		if (*e).base().typ.OID == pgtype.Unknown {
			*e = r.coerce(*e, pgtype.Of(pgtype.Int4), implicit)
		}
	}
	l, rt := x.l.base().typ, x.r.base().typ
	if r.err == nil && (!isInteger(l.OID) || !isInteger(rt.OID)) {
		r.noOperator(x.pos, x.op, l, rt)
		return x
	}
	x.typ = pgtype.Of(l.OID)
	if numberRank(rt.OID) > numberRank(l.OID) && (x.op == "&" || x.op == "|") {
		x.typ = pgtype.Of(rt.OID)
	}
	return x
}
