package sqlplan

import (
	"strings"
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

func boolType() pgtype.Type { return pgtype.Of(pgtype.Bool) }

// expr resolves an expression in a scope and returns what stands for it now.
func (r *resolver) expr(e expr, sc *scope) expr {
	if r.err != nil {
		return e
	}
	if t := e.base().typ.OID; t != 0 && t != pgtype.Unknown {
		return e // a constant, or resolved before
	}
	switch x := e.(type) {
	case *param:
		return r.param(x)
	case *columnRef:
		if x.col != nil {
			return x
		}
		return r.column(x, sc)
	case *unary:
		return r.unary(x, sc)
	case *binary:
		x.l = r.indexOr(x.op == "MATCH", x.l, sc)
		x.r = r.expr(x.r, sc)
		return r.binary(x)
	case *logical:
		for i, a := range x.args {
			x.args[i] = r.boolean(r.expr(a, sc), x.op)
		}
		x.typ = boolType()
	case *isTest:
		x.x = r.expr(x.x, sc)
		if x.what != "NULL" {
			x.x = r.boolean(x.x, "IS "+x.what)
		}
		x.typ = boolType()
	case *between:
		return r.between(x, sc)
	case *in:
		return r.in(x, sc)
	case *like:
		return r.like(x, sc)
	case *caseExpr:
		return r.caseExpr(x, sc)
	case *cast:
		return r.cast(x, sc)
	case *call:
		return r.call(x, sc)
	case *exists:
		r.query(x.sub, sc)
		x.typ = boolType()
	case *subquery:
		cols := r.query(x.sub, sc)
		if r.err == nil && len(cols) != 1 {
			r.fail(x.pos, errcode.SyntaxError, "subquery must return only one column")
			return x
		}
		if r.err == nil {
			x.typ = cols[0].typ
			x.single = singleRow(x.sub)
		}
	case *row:
		for i, item := range x.items {
			x.items[i] = r.expr(item, sc)
		}
		x.typ = pgtype.Of(pgtype.Record)
	case *collate:
		inner := r.expr(x.x, sc)
		if t := inner.base().typ.OID; r.err == nil && t != 0 && !pgtype.IsString(t) {
			r.fail(x.pos, errcode.DatatypeMismatch, "collations are not supported by type %s", formatType(inner.base().typ))
		}
		return inner
	case *arrayList:
		r.unsupported(x.pos, "an array here").WithHint("%s", arrayHint)
	case *defaultValue:
		r.fail(x.pos, errcode.SyntaxError, "DEFAULT is not allowed in this context")
	case *star:
		r.fail(x.pos, errcode.SyntaxError, `syntax error at or near "*"`)
	case *raise:
		if x.message != nil {
			x.message = r.coerce(r.expr(x.message, sc), pgtype.Of(pgtype.Text), implicit)
		}
		x.typ = pgtype.Of(pgtype.Text)
	}
	return e
}

// arrayHint says what arrays are for.
const arrayHint = "Arrays are known in = ANY (…), <> ALL (…) and unnest(…) in FROM."

func (r *resolver) param(x *param) expr {
	e := r.declare(x)
	if pgtype.ElementOf(x.typ.OID) != 0 {
		r.unsupported(x.pos, "an array here").WithHint("%s", arrayHint)
	}
	return e
}

// declare gives a parameter the type that is known of it by now.
func (r *resolver) declare(x *param) expr {
	if r.stored != "" {
		r.fail(x.pos, errcode.UndefinedParameter, "there is no parameter $%d", x.n).
			WithDetail("Parameters have no place in %s.", r.stored)
		return x
	}
	for len(r.params) < x.n {
		r.params = append(r.params, pgtype.Type{Mod: -1})
	}
	if t := r.params[x.n-1]; t.OID != 0 {
		x.typ = t
	} else {
		x.typ = pgtype.Of(pgtype.Unknown)
	}
	return x
}

// boolean asserts that e is a condition.
func (r *resolver) boolean(e expr, where string) expr {
	t := e.base().typ
	if r.err != nil || t.OID == pgtype.Bool || t.OID == 0 {
		return e
	}
	if t.OID != pgtype.Unknown {
		r.fail(e.base().pos, errcode.DatatypeMismatch, "argument of %s must be type boolean, not type %s", where, formatType(t))
		return e
	}
	return r.coerce(e, boolType(), implicit)
}

func (r *resolver) unary(x *unary, sc *scope) expr {
	x.x = r.expr(x.x, sc)
	if r.err != nil {
		return x
	}
	if x.op == "NOT" {
		x.x = r.boolean(x.x, "NOT")
		x.typ = boolType()
		return x
	}
	t := x.x.base().typ
	if t.OID == pgtype.Unknown {
		x.x = r.coerce(x.x, pgtype.Of(pgtype.Float8), implicit)
		t = x.x.base().typ
	}
	switch {
	case t.OID == 0, numberRank(t.OID) > 0 && (x.op != "~" || isInteger(t.OID)):
	case t.OID == pgtype.Interval && x.op == "-":
		return &emitCall{node: node{x.pos, t}, name: "q_interval_neg", args: []expr{x.x}}
	default:
		r.fail(x.pos, errcode.UndefinedFunction, "operator does not exist: %s %s", x.op, formatType(t)).
			WithHint("No operator matches the given name and argument type. You might need to add an explicit type cast.")
	}
	x.typ = pgtype.Type{OID: t.OID, Mod: -1}
	if x.op == "-" && isInteger(t.OID) {
		return &emitCall{node: node{x.pos, x.typ}, name: "q_neg", args: []expr{x.x}}
	}
	if x.op == "+" {
		return x.x
	}
	return x
}

func (r *resolver) between(x *between, sc *scope) expr {
	x.x, x.lo, x.hi = r.expr(x.x, sc), r.expr(x.lo, sc), r.expr(x.hi, sc)
	if r.err != nil {
		return x
	}
	list := []expr{x.x, x.lo, x.hi}
	r.comparable(list, x.pos, ">=")
	x.x, x.lo, x.hi = list[0], list[1], list[2]
	x.typ = boolType()
	return x
}

func (r *resolver) in(x *in, sc *scope) expr {
	x.x = r.expr(x.x, sc)
	x.typ = boolType()
	if x.sub != nil {
		return r.inQuery(x, sc)
	}
	if x.array != nil && !r.inArray(x) {
		return x
	}
	for i, e := range x.list {
		x.list[i] = r.expr(e, sc)
	}
	if r.err != nil {
		return x
	}
	left, ok := x.x.(*row)
	if !ok {
		list := append([]expr{x.x}, x.list...)
		r.comparable(list, x.pos, "=")
		x.x, x.list = list[0], list[1:]
		return x
	}
	for i := range left.items {
		list := []expr{left.items[i]}
		for _, e := range x.list {
			right, ok := e.(*row)
			if !ok || len(right.items) != len(left.items) {
				r.fail(e.base().pos, errcode.SyntaxError, "unequal number of entries in row expressions")
				return x
			}
			list = append(list, right.items[i])
		}
		r.comparable(list, x.pos, "=")
		left.items[i] = list[0]
		for j, e := range x.list {
			e.(*row).items[i] = list[j+1]
		}
	}
	return x
}

func (r *resolver) inQuery(x *in, sc *scope) expr {
	cols := r.query(x.sub, sc)
	if r.err != nil {
		return x
	}
	left := []expr{x.x}
	tuple, isRow := x.x.(*row)
	if isRow {
		left = tuple.items
	}
	if len(cols) != len(left) {
		word := "many"
		if len(cols) < len(left) {
			word = "few"
		}
		r.fail(x.pos, errcode.SyntaxError, "subquery has too %s columns", word)
		return x
	}
	want := make([]pgtype.Type, len(cols))
	for i := range cols {
		pair := []expr{left[i], &columnRef{node: node{left[i].base().pos, cols[i].typ}}}
		if want[i] = r.comparable(pair, x.pos, "="); want[i].OID == pgtype.Interval {
			r.unsupported(x.pos, "IN (SELECT …) of %s", formatType(want[i]))
		}
		left[i] = pair[0]
	}
	if !isRow {
		x.x = left[0]
	}
	x.sub = r.coerceQuery(x.sub, want, implicit)
	return x
}

func (r *resolver) like(x *like, sc *scope) expr {
	x.x, x.pattern = r.expr(x.x, sc), r.expr(x.pattern, sc)
	if x.escape != nil {
		x.escape = r.coerce(r.expr(x.escape, sc), pgtype.Of(pgtype.Text), implicit)
	}
	if r.err != nil {
		return x
	}
	op := "~~"
	if x.fold {
		op = "~~*"
	}
	x.x = r.textOperand(x.x, x.pattern, op, x.pos, true)
	x.pattern = r.textOperand(x.pattern, x.x, op, x.pos, false)
	x.typ = boolType()
	if r.err != nil {
		return x
	}
	return x.ranged()
}

// ranged adds to column LIKE 'prefix%' the range that the prefix is, so that an
// index serves. (SQLite does so for its own LIKE only.)
func (x *like) ranged() expr {
	column, ok1 := x.x.(*columnRef)
	pattern, ok2 := x.pattern.(*constant)
	if !ok1 || !ok2 || x.not || x.fold || x.escape != nil || pattern.val.IsNull() || !isText(column.typ.OID) {
		return x
	}
	prefix, _, _ := strings.Cut(pattern.val.Text(), "%")
	prefix, _, _ = strings.Cut(prefix, "_")
	prefix, _, _ = strings.Cut(prefix, `\`)
	last, size := utf8.DecodeLastRuneInString(prefix)
	if size == 0 || last == utf8.MaxRune || last == utf8.RuneError {
		return x
	}
	next := last + 1
	if next == 0xD800 { // the surrogates are no characters
		next = 0xE000
	}
	bound := func(op, s string) expr {
		return &binary{node: node{x.pos, boolType()}, op: op, l: column, r: text(pattern.pos, s)}
	}
	end := prefix[:len(prefix)-size] + string(next)
	return &logical{node: x.node, op: "AND", args: []expr{bound(">=", prefix), bound("<", end), x}}
}

// textOperand asserts that one side of a text operator is text.
func (r *resolver) textOperand(e, other expr, op string, pos int, left bool) expr {
	t := e.base().typ
	if t.OID == pgtype.Unknown {
		return r.coerce(e, pgtype.Of(pgtype.Text), implicit)
	}
	if t.OID != 0 && !isText(t.OID) {
		l, rt := t, other.base().typ
		if !left {
			l, rt = rt, l
		}
		r.noOperator(pos, op, l, rt)
	}
	if n, ok := t.Length(); ok && t.OID == pgtype.BPChar { // its blanks count here
		return &emitCall{node: node{e.base().pos, pgtype.Of(pgtype.Text)}, name: "q_rpad", args: []expr{e, integer(pos, int64(n))}}
	}
	return e
}

func (r *resolver) noOperator(pos int, op string, l, rt pgtype.Type) {
	r.fail(pos, errcode.UndefinedFunction, "operator does not exist: %s %s %s", operandName(l), op, operandName(rt)).
		WithHint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

func operandName(t pgtype.Type) string {
	if t.OID == 0 {
		return "unknown"
	}
	return formatType(t)
}

// comparable gives the operands of a comparison one type (manual, section
// 10.2) and returns it.
func (r *resolver) comparable(list []expr, pos int, op string) pgtype.Type {
	types := make([]pgtype.Type, len(list))
	for i, e := range list {
		types[i] = e.base().typ
	}
	t, ok := commonType(types)
	if !ok {
		for _, u := range types[1:] {
			if _, ok := commonType([]pgtype.Type{types[0], u}); !ok {
				r.noOperator(pos, op, types[0], u)
				return t
			}
		}
		r.noOperator(pos, op, types[0], types[len(types)-1])
		return t
	}
	if t.OID == pgtype.JSON {
		r.noOperator(pos, op, t, t)
		return t
	}
	if t.OID == 0 {
		r.untyped(list)
		return t
	}
	for i, e := range list {
		if u := e.base().typ; numberRank(u.OID) > 0 && numberRank(t.OID) > 0 {
			continue // SQLite compares numbers of both classes by value
		}
		list[i] = sortKey(r.coerce(e, pgtype.Of(t.OID), implicit))
	}
	return t
}

// sortKey is what an expression is compared and sorted by: an interval's
// length, which its stored form does not show.
func sortKey(e expr) expr {
	if e.base().typ.OID != pgtype.Interval {
		return e
	}
	return &emitCall{node: *e.base(), name: "q_interval_order", args: []expr{e}}
}

// untyped leaves operands of columns without a type to SQLite: literals that
// are not decided are text, parameters what the client sends.
func (r *resolver) untyped(list []expr) {
	for _, e := range list {
		if c, ok := e.(*constant); ok && c.typ.OID == pgtype.Unknown {
			c.typ = pgtype.Of(pgtype.Text)
		}
	}
}

func (r *resolver) caseExpr(x *caseExpr, sc *scope) expr {
	var conds []expr
	if x.operand != nil {
		x.operand = r.expr(x.operand, sc)
		conds = append(conds, x.operand)
	}
	var results []expr
	for _, w := range x.whens {
		cond := r.expr(w.cond, sc)
		if x.operand == nil {
			cond = r.boolean(cond, "CASE/WHEN")
		}
		conds = append(conds, cond)
		results = append(results, r.expr(w.then, sc))
	}
	if x.other != nil {
		results = append(results, r.expr(x.other, sc))
	}
	if r.err != nil {
		return x
	}
	if x.operand != nil {
		r.comparable(conds, x.pos, "=")
		x.operand, conds = conds[0], conds[1:]
	}
	x.typ = r.unify(results, "CASE")
	for i := range x.whens {
		x.whens[i] = when{conds[i], results[i]}
	}
	if x.other != nil {
		x.other = results[len(results)-1]
	}
	return x
}

// unify gives expressions of which one is chosen their common type.
func (r *resolver) unify(list []expr, what string) pgtype.Type {
	types := make([]pgtype.Type, len(list))
	for i, e := range list {
		types[i] = e.base().typ
	}
	t, ok := commonType(types)
	if !ok {
		for i, u := range types[1:] {
			if _, ok := commonType([]pgtype.Type{types[0], u}); !ok {
				r.fail(list[i+1].base().pos, errcode.DatatypeMismatch, "%s types %s and %s cannot be matched", what, formatType(types[0]), formatType(u))
				return t
			}
		}
		r.fail(list[0].base().pos, errcode.DatatypeMismatch, "%s types cannot be matched", what)
		return t
	}
	if t.OID == 0 {
		r.untyped(list)
		return t
	}
	if undecidedParams(list) {
		return pgtype.Of(pgtype.Unknown)
	}
	for i, e := range list {
		list[i] = r.coerce(e, t, implicit)
	}
	return t
}

// undecidedParams: only parameters without a type, so that what is around may
// still decide.
func undecidedParams(list []expr) bool {
	for _, e := range list {
		if _, ok := e.(*param); !ok || e.base().typ.OID != pgtype.Unknown {
			return false
		}
	}
	return true
}

func (r *resolver) cast(x *cast, sc *scope) expr {
	if pgtype.ElementOf(x.to.OID) != 0 {
		r.unsupported(x.pos, "an array here").WithHint("%s", arrayHint)
		return x
	}
	inner := r.expr(x.x, sc)
	if r.err != nil {
		return x
	}
	if x.to.OID == pgtype.RegClass || x.to.OID == pgtype.RegType {
		r.unsupported(x.pos, "a cast to %s", formatType(x.to))
		return x
	}
	if p, ok := inner.(*param); ok {
		if p.typ.OID == pgtype.Unknown {
			r.typeParam(p, x.to.OID)
		}
		if x.to.Mod < 0 && inner.base().typ.OID == x.to.OID {
			return inner
		}
	}
	if c, ok := inner.(*constant); ok {
		return r.convertConstant(c, x.to, explicit)
	}
	if t := inner.base().typ; t.OID == 0 {
		return r.castCall(inner, t, x.to, explicit)
	}
	if _, isRow := inner.(*row); isRow {
		r.cannotConvert(x.pos, pgtype.Of(pgtype.Record), x.to)
		return x
	}
	return r.coerce(inner, x.to, explicit)
}
