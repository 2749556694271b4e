package sqlplan

import (
	"math"
	"strconv"
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Operator precedence, from PostgreSQL's grammar (manual, section 4.1.6).
const (
	precOr = iota + 1
	precAnd
	precNot
	precIs
	precCompare
	precIn // BETWEEN IN LIKE
	precOther
	precAdd
	precMul
	precPower
	precZone
	precCollate
	precUnary
	precCast
)

func (p *parser) expr() expr { return p.exprAbove(0) }

// exprAbove reads an expression of operators that bind tighter than above.
func (p *parser) exprAbove(above int) expr {
	p.enter()
	defer p.leave()
	left := p.prefix()
	for links := 0; p.err == nil; links++ {
		if links > maxDepth {
			p.stop(p.fail(p.tok.pos, errcode.StatementTooComplex, "the expression has too many operators").
				WithHint("At most %d are allowed in a chain.", maxDepth))
			break
		}
		prec := p.infixPrecedence()
		if prec <= above {
			break
		}
		if prec == precCompare && above == precCompare {
			break
		}
		left = p.infix(left, prec)
	}
	return left
}

// infixPrecedence says how tight the operator at the current token binds; 0
// when there is none.
func (p *parser) infixPrecedence() int {
	switch p.tok.kind {
	case tokOp:
		switch p.tok.text {
		case "=", "<", ">", "<=", ">=", "<>", "!=":
			return precCompare
		case "+", "-":
			return precAdd
		case "*", "/", "%":
			return precMul
		case "^":
			return precPower
		case "::":
			return precCast
		case "[":
			return precCast
		case "(", ")", "]", ",", ";", ".", ":", ":=":
			return 0
		}
		return precOther
	case tokWord:
		switch p.tok.text {
		case "or":
			return precOr
		case "and":
			return precAnd
		case "is", "isnull", "notnull":
			return precIs
		case "between", "in", "like", "ilike", "similar":
			return precIn
		case "not":
			switch n := p.peek(); {
			case n.is("between"), n.is("in"), n.is("like"), n.is("ilike"), n.is("similar"):
				return precIn
			}
		case "match":
			return precIn // SQLite's full text search
		case "operator":
			if p.peek().isOp("(") {
				return precOther
			}
		case "at":
			return precZone
		case "collate":
			return precCollate
		}
	}
	return 0
}

func (p *parser) infix(left expr, prec int) expr {
	pos := p.tok.pos
	op := p.tok.text
	if p.tok.kind == tokOp {
		switch op {
		case "::":
			if _, ok := left.(*constant); !ok {
				p.term()
			}
			p.advance()
			return &cast{node: node{pos: pos}, x: left, to: p.castType()}
		case "[":
			p.unsupported(pos, "an array subscript")
			return left
		}
		p.term()
		p.advance()
		if p.is("any") || p.is("some") || p.is("all") {
			return p.quantified(left, op, pos)
		}
		right := p.exprAbove(prec)
		if prec == precCompare && p.infixPrecedence() == precCompare {
			p.unexpected() // a < b < c
		}
		if op == "!=" {
			op = "<>"
		}
		return &binary{node: node{pos: pos}, op: op, l: left, r: right}
	}
	if op != "and" && op != "or" { // logical counts its own
		p.term()
	}
	switch op {
	case "and", "or":
		return p.logical(left, op, prec)
	case "is":
		return p.is_(left)
	case "isnull", "notnull":
		p.advance()
		return &isTest{node: node{pos: pos}, x: left, not: op == "notnull", what: "NULL"}
	case "operator":
		return p.namedOperator(left, pos)
	case "match":
		p.advance()
		return &binary{node: node{pos: pos}, op: "MATCH", l: left, r: p.exprAbove(precIn)}
	case "at":
		p.advance()
		p.expect("time", "zone")
		zone := p.exprAbove(precZone)
		return &call{node: node{pos: pos}, name: "timezone", args: []expr{zone, left}}
	case "collate":
		return p.collation(left)
	}
	not := p.accept("not")
	switch word := p.tok.text; word {
	case "between":
		return p.between(left, not, pos)
	case "in":
		return p.in(left, not, pos)
	case "similar":
		p.unsupported(pos, "SIMILAR TO").WithHint("Use LIKE or ~.")
		return left
	default: // like, ilike
		p.advance()
		l := &like{node: node{pos: pos}, x: left, not: not, fold: word == "ilike"}
		if p.is("any") || p.is("all") || p.is("some") {
			p.unsupported(p.tok.pos, "LIKE ANY and LIKE ALL")
		}
		l.pattern = p.exprAbove(precIn)
		if p.accept("escape") {
			l.escape = p.exprAbove(precIn)
		}
		return l
	}
}

// logical reads a chain x AND y AND … as one node, so that long chains, which
// tools generate, are not deep.
func (p *parser) logical(left expr, op string, prec int) expr {
	l := &logical{node: node{pos: p.tok.pos}, op: strings.ToUpper(op), args: []expr{left}}
	for p.accept(op) {
		p.term()
		l.args = append(l.args, p.exprAbove(prec))
	}
	return l
}

func (p *parser) is_(left expr) expr {
	pos := p.tok.pos
	p.advance()
	not := p.accept("not")
	for _, what := range [...]string{"null", "true", "false", "unknown"} {
		if p.accept(what) {
			return &isTest{node: node{pos: pos}, x: left, not: not, what: strings.ToUpper(what)}
		}
	}
	if p.accept2("distinct", "from") {
		op := "IS NOT"
		if not {
			op = "IS"
		}
		return &binary{node: node{pos: pos}, op: op, l: left, r: p.exprAbove(precIs)}
	}
	if p.is("json") || p.is("document") || p.is("normalized") || p.is("of") {
		p.unsupported(p.tok.pos, "IS %s", strings.ToUpper(p.tok.text))
		return left
	}
	p.unexpected()
	return left
}

func (p *parser) between(left expr, not bool, pos int) expr {
	p.advance()
	if p.is("symmetric") {
		p.unsupported(p.tok.pos, "BETWEEN SYMMETRIC").WithHint("Use BETWEEN least(a, b) AND greatest(a, b).")
	}
	p.accept("asymmetric")
	b := &between{node: node{pos: pos}, x: left, not: not}
	b.lo = p.exprAbove(precIn)
	p.expect("and")
	b.hi = p.exprAbove(precIn)
	return b
}

func (p *parser) in(left expr, not bool, pos int) expr {
	p.advance()
	p.expectOp("(")
	n := &in{node: node{pos: pos}, x: left, not: not}
	if p.startsQuery() {
		n.sub = p.query()
	} else {
		n.list = p.exprList()
	}
	p.expectOp(")")
	return n
}

// quantified reads x op ANY (…). With = or <> it is IN.
func (p *parser) quantified(left expr, op string, pos int) expr {
	word := strings.ToUpper(p.tok.text)
	p.advance()
	if !p.isOp("(") {
		p.unexpected()
		return left
	}
	p.advance()
	all := word == "ALL"
	if !(op == "=" && !all || (op == "<>" || op == "!=") && all) {
		p.unsupported(pos, "%s %s (…)", op, word).WithHint("= ANY (…) and <> ALL (…) are known.")
		return left
	}
	n := &in{node: node{pos: pos}, x: left, not: all}
	if p.startsQuery() {
		n.sub = p.query()
	} else {
		n.array = p.expr()
	}
	p.expectOp(")")
	return n
}

// namedOperator reads OPERATOR(pg_catalog.~).
func (p *parser) namedOperator(left expr, pos int) expr {
	p.advance()
	p.advance()
	if p.accept("pg_catalog") {
		p.expectOp(".")
	}
	if p.tok.kind != tokOp {
		p.unexpected()
		return left
	}
	op := p.tok.text
	p.advance()
	p.expectOp(")")
	return &binary{node: node{pos: pos}, op: op, l: left, r: p.exprAbove(precOther)}
}

// collation reads COLLATE "C" and its like, which changes nothing.
func (p *parser) collation(left expr) expr {
	p.advance()
	pos := p.tok.pos
	p.collationName()
	return &collate{node: node{pos: pos}, x: left}
}

func (p *parser) exprList() []expr {
	list := []expr{p.expr()}
	for p.acceptOp(",") {
		list = append(list, p.expr())
	}
	return list
}

// prefix reads an operand with its prefix operators.
func (p *parser) prefix() expr {
	t := p.tok
	at := node{pos: t.pos}
	switch t.kind {
	case tokString:
		p.advance()
		return &constant{node: node{t.pos, pgtype.Of(pgtype.Unknown)}, val: value.String(t.text)}
	case tokInt, tokNumber:
		p.advance()
		return p.numeric(t.pos, t.text)
	case tokParam:
		p.advance()
		n, err := strconv.Atoi(t.text)
		if err != nil || n < 1 || n > maxParams {
			p.stop(p.fail(t.pos, errcode.UndefinedParameter, "there is no parameter $%s", t.text).
				WithHint("Parameters are $1 to $%d.", maxParams))
			n = 1
		}
		return &param{node: node{t.pos, pgtype.Of(pgtype.Unknown)}, n: n}
	case tokOp:
		switch t.text {
		case "(":
			return p.parenthesis()
		case "-":
			p.advance()
			if n := p.tok; n.kind == tokInt || n.kind == tokNumber {
				if next := p.peek(); !next.isOp("^") && !next.isOp("::") {
					p.advance()
					return p.numeric(t.pos, "-"+n.text)
				}
			}
			p.term()
			return &unary{node: at, op: "-", x: p.exprAbove(precUnary)}
		case "+":
			p.advance()
			p.term()
			return &unary{node: at, op: "+", x: p.exprAbove(precUnary)}
		case "~":
			p.term()
			p.advance()
			return &unary{node: at, op: "~", x: p.exprAbove(precOther)}
		}
	case tokQuoted:
		return p.reference()
	case tokWord:
		if e := p.keywordExpr(); e != nil {
			return e
		}
		if !reserved[t.text] && (!reservedOrFunction[t.text] || p.peek().isOp("(")) {
			return p.reference()
		}
	}
	p.unexpected()
	return &constant{node: at}
}

// maxParams leaves room for the session's values among SQLite's 32766
// variables.
const maxParams = 32000

// numeric makes a number's constant: integer, bigint or numeric, whichever
// holds it first (section 4.1.2.6).
func (p *parser) numeric(pos int, text string) expr {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		// The type is that of the number without its sign.
		oid := pgtype.Int4
		switch {
		case i == math.MinInt64:
			oid = pgtype.Numeric
		case max(i, -i) > math.MaxInt32:
			oid = pgtype.Int8
		}
		return &constant{node: node{pos, pgtype.Of(oid)}, val: value.Int(i)}
	}
	v, err := pgtype.ParseText(pgtype.Of(pgtype.Numeric), []byte(text), nil)
	if err != nil {
		p.stop(asError(err).At(position(p.src, pos)))
	}
	t := pgtype.Of(pgtype.Numeric)
	if _, fraction, ok := strings.Cut(text, "."); ok && !strings.ContainsAny(fraction, "eE") {
		t = numericOf(len(fraction))
	}
	return &constant{node: node{pos, t}, val: v}
}

// parenthesis reads (expr), (query) or a row.
func (p *parser) parenthesis() expr {
	pos := p.tok.pos
	p.enter()
	defer p.leave()
	p.advance()
	if p.startsQuery() {
		q := p.query()
		p.expectOp(")")
		return &subquery{node: node{pos: pos}, sub: q}
	}
	list := p.exprList()
	p.expectOp(")")
	if p.isOp(".") {
		p.unsupported(p.tok.pos, "field selection from a composite value")
	}
	if len(list) == 1 {
		return list[0]
	}
	return &row{node: node{pos: pos}, items: list}
}

// keywordExpr reads what begins with a key word; nil when the word is an
// ordinary name here.
func (p *parser) keywordExpr() expr {
	t := p.tok
	at := node{pos: t.pos}
	switch t.text {
	case "true", "false":
		p.advance()
		return &constant{node: node{t.pos, pgtype.Of(pgtype.Bool)}, val: value.Bool(t.text == "true")}
	case "null":
		p.advance()
		return &constant{node: node{t.pos, pgtype.Of(pgtype.Unknown)}}
	case "not":
		p.term()
		p.advance()
		return &unary{node: at, op: "NOT", x: p.exprAbove(precNot - 1)}
	case "case":
		return p.caseExpr()
	case "array":
		switch n := p.peek(); {
		case n.isOp("["):
			return p.arrayList()
		case n.isOp("("):
			p.unsupported(t.pos, "ARRAY (…)")
			return &constant{node: at}
		}
	case "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp":
		return p.currentTime()
	case "current_user", "session_user", "user", "current_role", "current_catalog":
		p.advance()
		return &call{node: at, name: t.text, keyword: true}
	case "current_schema":
		if !p.peek().isOp("(") {
			p.advance()
			return &call{node: at, name: t.text, keyword: true}
		}
	case "interval":
		if p.peek().kind == tokString {
			return p.intervalLiteral()
		}
	}
	if n := p.peek(); n.isOp("(") {
		if e := p.specialCall(); e != nil {
			return e
		}
	}
	return p.typedLiteral()
}

// arrayList reads ARRAY[x, …].
func (p *parser) arrayList() expr {
	p.enter()
	defer p.leave()
	a := &arrayList{node: node{pos: p.tok.pos}}
	p.advance()
	p.expectOp("[")
	if !p.isOp("]") {
		a.items = p.exprList()
	}
	p.expectOp("]")
	return a
}

// currentTime reads CURRENT_TIMESTAMP and its like.
func (p *parser) currentTime() expr {
	c := &call{node: node{pos: p.tok.pos}, name: p.tok.text, keyword: true}
	p.advance()
	if p.isOp("(") {
		p.unsupported(p.tok.pos, "a precision of %s", strings.ToUpper(c.name))
	}
	return c
}

func (p *parser) caseExpr() expr {
	p.enter()
	defer p.leave()
	c := &caseExpr{node: node{pos: p.tok.pos}}
	p.advance()
	if !p.is("when") {
		c.operand = p.expr()
	}
	for p.accept("when") {
		p.term()
		w := when{cond: p.expr()}
		p.expect("then")
		w.then = p.expr()
		c.whens = append(c.whens, w)
	}
	if len(c.whens) == 0 {
		p.unexpected()
	}
	if p.accept("else") {
		c.other = p.expr()
	}
	p.expect("end")
	return c
}

// reference reads a column reference or a function call.
func (p *parser) reference() expr {
	pos := p.tok.pos
	name := p.label()
	if p.isOp("(") {
		return p.call(pos, name)
	}
	if !p.acceptOp(".") {
		return &columnRef{node: node{pos: pos}, column: name}
	}
	if p.acceptOp("*") {
		return &star{node: node{pos: pos}, table: name}
	}
	second := p.label()
	if p.isOp("(") {
		if name != "pg_catalog" && name != "public" {
			p.stop(p.fail(pos, errcode.InvalidSchemaName, "schema \"%s\" does not exist", name))
		}
		return p.call(pos, second)
	}
	if p.acceptOp(".") { // public.t.c
		if name != "public" {
			p.stop(p.fail(pos, errcode.InvalidSchemaName, "schema \"%s\" does not exist", name))
		}
		if p.acceptOp("*") {
			return &star{node: node{pos: pos}, table: second}
		}
		return &columnRef{node: node{pos: pos}, table: second, column: p.label()}
	}
	return &columnRef{node: node{pos: pos}, table: name, column: second}
}
