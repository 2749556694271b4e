package sqlplan

import (
	"strconv"
	"strings"

	"quorate/internal/value"
)

// printer writes resolved trees as SQLite's SQL.
type printer struct {
	buf  []byte
	args int  // the user's parameters; the session's come after them
	bare bool // columns without their tables: index expressions, CHECK, RETURNING

	sessions []SessionValue
}

func (p *printer) w(parts ...string) {
	for _, s := range parts {
		p.buf = append(p.buf, s...)
	}
}

func (p *printer) name(s string) { p.w(quoteName(s)) }

// quoteName writes an identifier, in quotes unless it is plain.
func quoteName(s string) string {
	plain := s != "" && !isDigit(s[0])
	for i := 0; i < len(s) && plain; i++ {
		plain = 'a' <= s[i] && s[i] <= 'z' || s[i] == '_' || isDigit(s[i])
	}
	if plain && !sqliteKeywords[s] {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// sqlOf is an expression as text, to compare expressions by.
func sqlOf(e expr) string {
	p := printer{}
	p.expr(e)
	return string(p.buf)
}

func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func (p *printer) value(v value.Value) {
	switch v.Kind() {
	case value.Null:
		p.w("NULL")
	case value.Integer:
		p.w(strconv.FormatInt(v.Int(), 10))
	case value.Real:
		p.real(v.Float())
	case value.Text:
		p.w(quoteText(v.Text()))
	default:
		p.w(v.GoString())
	}
}

// real writes a double so that SQLite reads the same one, and as a double.
func (p *printer) real(f float64) {
	s := strconv.FormatFloat(f, 'g', -1, 64)
	switch {
	case s == "+Inf":
		s = "9e999"
	case s == "-Inf":
		s = "-9e999"
	case !strings.ContainsAny(s, ".e"):
		s += ".0"
	}
	p.w(s)
}

func (p *printer) list(list []expr) {
	for i, e := range list {
		if i > 0 {
			p.w(", ")
		}
		p.expr(e)
	}
}

// operand writes an expression that is part of an operator's, in parentheses
// unless it is of one piece.
func (p *printer) operand(e expr) {
	switch x := e.(type) {
	case *constant:
		if x.val.Kind() == value.Integer && x.val.Int() < 0 || x.val.Kind() == value.Real && x.val.Float() < 0 {
			p.w("(")
			p.value(x.val)
			p.w(")")
			return
		}
	case *param, *columnRef, *call, *emitCall, *storageCast, *subquery, *row, *sessionRef, *caseExpr, *rawSQL, *exists:
	default:
		p.w("(")
		p.expr(e)
		p.w(")")
		return
	}
	p.expr(e)
}

func (p *printer) expr(e expr) {
	switch x := e.(type) {
	case *constant:
		p.value(x.val)
	case *param:
		p.w("?", strconv.Itoa(x.n))
	case *sessionRef:
		for i, s := range p.sessions {
			if s == x.which {
				p.w("?", strconv.Itoa(p.args+i+1))
			}
		}
	case *rawSQL:
		p.w(x.sql)
	case *zonedDefault:
		p.w("(")
		for i, part := range x.parts {
			if i > 0 {
				p.expr(x.zone)
			}
			p.w(part)
		}
		p.w(")")
	case *columnRef:
		if x.from != nil && x.from.emit != "" && !p.bare {
			p.name(x.from.emit)
			p.w(".")
		}
		if x.col != nil {
			p.name(x.col.emit)
		} else {
			p.name(x.column)
		}
	case *unary:
		p.w(x.op)
		if x.op == "NOT" {
			p.w(" ")
		}
		p.operand(x.x)
	case *binary:
		p.operand(x.l)
		p.w(" ", x.op, " ")
		p.operand(x.r)
	case *logical:
		p.logical(x.op, x.args)
	case *isTest:
		p.isTest(x)
	case *between:
		p.operand(x.x)
		p.w(not(x.not), " BETWEEN ")
		p.operand(x.lo)
		p.w(" AND ")
		p.operand(x.hi)
	case *in:
		p.in(x)
	case *like:
		p.like(x)
	case *caseExpr:
		p.caseExpr(x)
	case *call:
		p.call(x)
	case *emitCall:
		p.name(x.name)
		p.w("(")
		p.list(x.args)
		p.w(")")
	case *storageCast:
		p.w("CAST(")
		p.expr(x.x)
		p.w(" AS ", x.class, ")")
	case *exists:
		p.w("EXISTS (")
		p.query(x.sub, false)
		p.w(")")
	case *subquery:
		p.w("(")
		p.singleRow(x.sub, x.single)
		p.w(")")
	case *row:
		p.w("(")
		p.list(x.items)
		p.w(")")
	case *raise:
		p.w("RAISE(", x.action)
		if x.message != nil {
			p.w(", ")
			p.expr(x.message)
		}
		p.w(")")
	}
}

func not(yes bool) string {
	if yes {
		return " NOT"
	}
	return ""
}

// logical writes a chain; long ones as a balanced tree, because SQLite counts
// a flat chain as one level a link.
func (p *printer) logical(op string, args []expr) {
	const flat = 64
	if len(args) > flat {
		half := len(args) / 2
		p.w("(")
		p.logical(op, args[:half])
		p.w(") ", op, " (")
		p.logical(op, args[half:])
		p.w(")")
		return
	}
	for i, a := range args {
		if i > 0 {
			p.w(" ", op, " ")
		}
		p.operand(a)
	}
}

func (p *printer) isTest(x *isTest) {
	p.operand(x.x)
	p.w(" IS")
	p.w(not(x.not))
	switch x.what {
	case "TRUE":
		p.w(" 1")
	case "FALSE":
		p.w(" 0")
	default:
		p.w(" NULL")
	}
}

func (p *printer) in(x *in) {
	p.operand(x.x)
	p.w(not(x.not), " IN (")
	switch {
	case x.sub != nil:
		p.query(x.sub, false)
	case x.array != nil: // NULL is an array whose elements are not known
		p.w("SELECT value FROM json_each(ifnull(")
		p.expr(x.array)
		p.w(", '[null]'))")
	default:
		if _, ok := x.x.(*row); ok {
			p.w("VALUES ") // SQLite has no lists of rows
		}
		p.list(x.list)
	}
	p.w(")")
}

func (p *printer) like(x *like) {
	if x.fold {
		if x.not {
			p.w("NOT ")
		}
		p.w("q_ilike(")
		p.expr(x.pattern)
		p.w(", ")
		p.expr(x.x)
		if x.escape != nil {
			p.w(", ")
			p.expr(x.escape)
		}
		p.w(")")
		return
	}
	p.operand(x.x)
	p.w(not(x.not), " LIKE ")
	p.operand(x.pattern)
	if x.escape != nil {
		p.w(" ESCAPE ")
		p.operand(x.escape)
	}
}

func (p *printer) caseExpr(x *caseExpr) {
	p.w("CASE")
	if x.operand != nil {
		p.w(" ")
		p.expr(x.operand)
	}
	for _, w := range x.whens {
		p.w(" WHEN ")
		p.expr(w.cond)
		p.w(" THEN ")
		p.expr(w.then)
	}
	if x.other != nil {
		p.w(" ELSE ")
		p.expr(x.other)
	}
	p.w(" END")
}

func (p *printer) call(x *call) {
	p.name(x.emit)
	p.w("(")
	switch {
	case x.star:
		p.w("*")
	case x.distinct:
		p.w("DISTINCT ")
	}
	p.list(x.args)
	if x.order != nil {
		p.w(" ORDER BY ")
		p.orderItems(x.order)
	}
	p.w(")")
	if x.filter != nil {
		p.w(" FILTER (WHERE ")
		p.expr(x.filter)
		p.w(")")
	}
	if x.over != nil {
		p.w(" OVER ")
		p.window(x.over)
	}
}

func (p *printer) window(w *window) {
	if w.nameOnly {
		p.name(w.ref)
		return
	}
	p.w("(")
	sep := ""
	if w.ref != "" {
		p.name(w.ref)
		sep = " "
	}
	if w.partition != nil {
		p.w(sep, "PARTITION BY ")
		p.list(w.partition)
		sep = " "
	}
	if w.order != nil {
		p.w(sep, "ORDER BY ")
		p.orderItems(w.order)
		sep = " "
	}
	if f := w.frame; f != nil {
		p.w(sep, f.unit, " ")
		if f.end.kind != "" {
			p.w("BETWEEN ")
		}
		p.frameBound(f.start)
		if f.end.kind != "" {
			p.w(" AND ")
			p.frameBound(f.end)
		}
		if f.exclude != "" {
			p.w(" EXCLUDE ", f.exclude)
		}
	}
	p.w(")")
}

func (p *printer) frameBound(b frameBound) {
	if b.offset != nil {
		p.expr(b.offset)
		p.w(" ")
	}
	p.w(b.kind)
}

func (p *printer) orderItems(items []orderItem) {
	for i, o := range items {
		if i > 0 {
			p.w(", ")
		}
		if o.ordinal > 0 {
			p.w(strconv.Itoa(o.ordinal))
		} else {
			p.expr(o.x)
		}
		if o.desc {
			p.w(" DESC")
		}
		if o.keepNulls {
			continue
		}
		switch {
		case o.nulls != "":
			p.w(" NULLS ", o.nulls)
		case o.desc:
			p.w(" NULLS FIRST")
		default:
			p.w(" NULLS LAST")
		}
	}
}
