package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
)

// startsQuery reports whether a query begins here. "(" may begin one too, but
// only where an expression cannot stand; those places ask for it themselves.
func (p *parser) startsQuery() bool {
	switch {
	case p.is("select"), p.is("values"), p.is("with"), p.is("table"):
		return true
	case p.isOp("("):
		return p.parenthesisedQuery() && p.queryAfterParenthesis()
	}
	return false
}

// parenthesisedQuery looks past opening parentheses for a query's first word.
// ((SELECT 1) UNION …) and ((a + b) * c) begin alike.
func (p *parser) parenthesisedQuery() bool {
	l := lexer{src: p.src, at: p.tok.end}
	for depth := 0; depth < maxDepth; depth++ {
		t, err := l.next()
		if err != nil {
			return false
		}
		if t.isOp("(") {
			continue
		}
		if !t.is("select") && !t.is("values") && !t.is("with") && !t.is("table") {
			return false
		}
		return p.peek().kind == tokWord || p.queryAfterParenthesis()
	}
	return false
}

// queryAfterParenthesis tells ((SELECT 1) UNION SELECT 2) from ((SELECT 1) + 2)
// by what follows the inner parenthesis.
func (p *parser) queryAfterParenthesis() bool {
	l := lexer{src: p.src, at: p.peek().end}
	for depth := 1; depth > 0; {
		t, err := l.next()
		if err != nil || t.kind == tokEnd {
			return true // the parser will say what is wrong
		}
		switch {
		case t.isOp("("):
			depth++
		case t.isOp(")"):
			depth--
		}
	}
	t, err := l.next()
	if err != nil {
		return true
	}
	switch t.text {
	case ")":
		return t.kind == tokOp
	case "union", "intersect", "except", "order", "limit", "offset", "fetch", "for":
		return t.kind == tokWord
	}
	return t.kind == tokEnd
}

// query reads [WITH …] select [set operations] [ORDER BY …] [LIMIT …]
// (PostgreSQL manual, SELECT).
func (p *parser) query() *query {
	p.enter()
	defer p.leave()
	var w *with
	if p.is("with") {
		w = p.with()
		if p.is("insert") || p.is("update") || p.is("delete") {
			p.unsupported(p.tok.pos, "a data-modifying statement inside a query")
		}
	}
	return p.queryAfterWith(w)
}

func (p *parser) queryAfterWith(w *with) *query {
	p.term()
	pos := p.tok.pos
	q := p.setOperand(0)
	if w != nil && q.with != nil {
		q = wrapQuery(q)
	}
	if w != nil {
		if q.order != nil || q.limit != nil || q.offset != nil {
			q = wrapQuery(q)
		}
		q.with = w
	}
	if !p.is("order") && !p.is("limit") && !p.is("offset") && !p.is("fetch") && !p.is("for") {
		return q
	}
	if q.order != nil || q.limit != nil || q.offset != nil {
		q = wrapQuery(q) // (SELECT … LIMIT 3) ORDER BY …
	}
	q.pos = pos
	p.queryTail(q)
	return q
}

// wrapQuery makes SELECT * FROM (q).
func wrapQuery(q *query) *query {
	return &query{pos: q.pos, core: &selectCore{
		pos:   q.pos,
		items: []selectItem{{x: &star{node: node{pos: q.pos}}}},
		from:  []fromItem{&subqueryRef{pos: q.pos, sub: q, alias: "subquery"}},
	}}
}

// queryTail reads ORDER BY, LIMIT, OFFSET, FETCH and FOR in any order that
// PostgreSQL takes.
func (p *parser) queryTail(q *query) {
	if p.accept2("order", "by") {
		q.order = p.orderItems()
	}
	for p.err == nil {
		pos := p.tok.pos
		switch {
		case q.limit == nil && p.accept("limit"):
			if p.accept("all") || p.is("null") {
				p.accept("null")
				continue
			}
			q.limit = p.expr()
			if p.isOp(",") {
				p.stop(p.fail(p.tok.pos, errcode.SyntaxError, "LIMIT #,# syntax is not supported").
					WithHint("Use separate LIMIT and OFFSET clauses."))
			}
		case q.offset == nil && p.accept("offset"):
			q.offset = p.expr()
			if !p.accept("rows") {
				p.accept("row")
			}
		case q.limit == nil && p.accept("fetch"):
			p.fetch(q, pos)
		case p.accept("for"):
			p.locking(q)
		default:
			return
		}
	}
}

// fetch reads FETCH FIRST n ROWS ONLY.
func (p *parser) fetch(q *query, pos int) {
	if !p.accept("first") {
		p.expect("next")
	}
	if p.is("row") || p.is("rows") {
		q.limit = p.numeric(pos, "1")
	} else {
		q.limit = p.prefix()
	}
	if !p.accept("rows") {
		p.expect("row")
	}
	if p.is("with") {
		p.unsupported(p.tok.pos, "FETCH … WITH TIES")
	}
	p.expect("only")
}

// locking reads FOR UPDATE and its like. It is accepted and means nothing: a
// statement is atomic, and a transaction is validated as a whole when it
// commits, so that what was read cannot have changed.
func (p *parser) locking(q *query) {
	q.locking = true
	switch {
	case p.accept("update"), p.accept("share"):
	case p.accept("no"):
		p.expect("key", "update")
	default:
		p.expect("key", "share")
	}
	if p.accept("of") {
		p.name()
		for p.acceptOp(",") {
			p.name()
		}
	}
	if !p.accept("nowait") && p.accept("skip") {
		p.expect("locked") // no row ever is
	}
}

// setOperand reads a chain of set operations; INTERSECT binds tighter than
// UNION and EXCEPT, which are left-associative.
func (p *parser) setOperand(above int) *query {
	left := p.simpleQuery()
	for links := 0; p.err == nil; links++ {
		prec := 1
		switch {
		case p.is("union"), p.is("except"):
		case p.is("intersect"):
			prec = 2
		default:
			return left
		}
		if prec <= above {
			return left
		}
		if links > maxDepth {
			p.stop(p.fail(p.tok.pos, errcode.StatementTooComplex, "too many set operations"))
		}
		s := &setOperation{pos: p.tok.pos, op: strings.ToUpper(p.tok.text), left: left}
		p.advance()
		if p.accept("all") {
			s.all = true
		} else {
			p.accept("distinct")
		}
		s.right = p.setOperand(prec)
		if s.all && s.op != "UNION" {
			p.unsupported(s.pos, "%s ALL", s.op)
		}
		left = &query{pos: left.pos, set: s}
	}
	return left
}

// simpleQuery reads SELECT …, VALUES …, TABLE t or a query in parentheses.
func (p *parser) simpleQuery() *query {
	pos := p.tok.pos
	switch {
	case p.isOp("("):
		p.enter()
		defer p.leave()
		p.advance()
		q := p.query()
		p.expectOp(")")
		return q
	case p.accept("select"):
		return &query{pos: pos, core: p.selectCore(pos)}
	case p.accept("values"):
		return &query{pos: pos, values: &values{p.valueRows()}}
	case p.accept("table"):
		t := p.tableName()
		return &query{pos: pos, core: &selectCore{
			pos: pos, items: []selectItem{{x: &star{node: node{pos: pos}}}}, from: []fromItem{t},
		}}
	}
	p.unexpected()
	return &query{pos: pos, values: &values{}}
}

func (p *parser) valueRows() [][]expr {
	var rows [][]expr
	for {
		p.expectOp("(")
		row := []expr{p.valueOrDefault()}
		for p.acceptOp(",") {
			row = append(row, p.valueOrDefault())
		}
		p.expectOp(")")
		rows = append(rows, row)
		if !p.acceptOp(",") {
			return rows
		}
	}
}

func (p *parser) valueOrDefault() expr {
	if p.is("default") {
		d := &defaultValue{node{pos: p.tok.pos}}
		p.advance()
		return d
	}
	return p.expr()
}

func (p *parser) selectCore(pos int) *selectCore {
	c := &selectCore{pos: pos}
	if p.accept("distinct") {
		if c.distinct = !p.accept("on"); !c.distinct {
			p.expectOp("(")
			c.on = p.exprList()
			p.expectOp(")")
		}
	} else {
		p.accept("all")
	}
	if !p.is("from") && !p.is("where") && p.tok.kind != tokEnd && !p.isOp(")") && !p.isOp(";") {
		c.items = p.selectItems()
	}
	if p.is("into") {
		p.unsupported(p.tok.pos, "SELECT INTO").WithHint("Use CREATE TABLE and INSERT … SELECT.")
	}
	if p.accept("from") {
		c.from = p.fromItems()
	}
	if p.accept("where") {
		c.where = p.expr()
	}
	if p.accept2("group", "by") {
		if p.is("grouping") || p.is("rollup") || p.is("cube") {
			p.unsupported(p.tok.pos, "GROUP BY %s", strings.ToUpper(p.tok.text))
		}
		if p.is("distinct") {
			p.unsupported(p.tok.pos, "GROUP BY DISTINCT")
		}
		p.accept("all")
		c.group = p.exprList()
	}
	if p.accept("having") {
		c.having = p.expr()
	}
	if p.accept("window") {
		c.windows = p.windowClause()
	}
	return c
}

func (p *parser) windowClause() []namedWindow {
	var list []namedWindow
	for {
		w := namedWindow{name: p.name()}
		p.expect("as")
		w.def = p.windowDefinition()
		list = append(list, w)
		if !p.acceptOp(",") {
			return list
		}
	}
}

// maxItems bounds a select list (PostgreSQL's MaxTupleAttributeNumber).
const (
	maxItems     = 1664
	tooManyItems = "target lists can have at most %d entries"
)

func (p *parser) selectItems() []selectItem {
	items := []selectItem{p.selectItem()}
	for p.acceptOp(",") {
		if len(items) == maxItems {
			p.stop(p.fail(p.tok.pos, errcode.TooManyColumns, tooManyItems, maxItems))
			break
		}
		items = append(items, p.selectItem())
	}
	return items
}

func (p *parser) selectItem() selectItem {
	if p.isOp("*") {
		x := &star{node: node{pos: p.tok.pos}}
		p.advance()
		return selectItem{x: x}
	}
	item := selectItem{x: p.expr()}
	switch {
	case p.accept("as"):
		item.alias = p.label()
	case p.tok.kind == tokQuoted,
		p.tok.kind == tokWord && !reserved[p.tok.text] && !reservedOrFunction[p.tok.text] && !needAs[p.tok.text]:
		item.alias = p.label()
	}
	return item
}

func (p *parser) orderItems() []orderItem {
	var items []orderItem
	for {
		item := orderItem{x: p.expr()}
		if p.is("using") {
			p.unsupported(p.tok.pos, "ORDER BY … USING")
		}
		if !p.accept("asc") {
			item.desc = p.accept("desc")
		}
		switch {
		case p.accept2("nulls", "first"):
			item.nulls = "FIRST"
		case p.accept2("nulls", "last"):
			item.nulls = "LAST"
		}
		items = append(items, item)
		if !p.acceptOp(",") {
			return items
		}
	}
}

func (p *parser) fromItems() []fromItem {
	items := []fromItem{p.joins()}
	for p.acceptOp(",") {
		items = append(items, p.joins())
	}
	return items
}

// joins reads one item of FROM with the joins that follow it.
func (p *parser) joins() fromItem {
	left := p.fromItem()
	for links := 0; p.err == nil; links++ {
		if links > maxDepth {
			p.stop(p.fail(p.tok.pos, errcode.StatementTooComplex, "too many joins"))
		}
		j := &join{pos: p.tok.pos, left: left}
		switch {
		case p.accept2("cross", "join"):
			j.kind = "CROSS"
		default:
			j.natural = p.accept("natural")
			switch {
			case p.accept("join"):
				j.kind = "INNER"
			case p.accept2("inner", "join"):
				j.kind = "INNER"
			case p.is("left"), p.is("right"), p.is("full"):
				j.kind = strings.ToUpper(p.tok.text)
				p.advance()
				p.accept("outer")
				p.expect("join")
			default:
				if j.natural {
					p.unexpected()
				}
				return left
			}
		}
		if j.kind == "CROSS" || j.natural {
			j.right = p.fromItem()
		} else {
			j.right = p.joins1()
			p.joinCondition(j)
		}
		left = j
	}
	return left
}

// joins1 reads the right side of a join. a JOIN b JOIN c ON … ON … nests to
// the right: the conditions pair like parentheses.
func (p *parser) joins1() fromItem {
	p.enter()
	defer p.leave()
	right := p.fromItem()
	for p.err == nil && !p.is("on") && !p.is("using") {
		kind := "INNER"
		pos := p.tok.pos
		switch {
		case p.accept("join"), p.accept2("inner", "join"):
		case p.is("left"), p.is("right"), p.is("full"):
			kind = strings.ToUpper(p.tok.text)
			p.advance()
			p.accept("outer")
			p.expect("join")
		default:
			return right
		}
		j := &join{pos: pos, kind: kind, left: right, right: p.joins1()}
		p.joinCondition(j)
		right = j
	}
	return right
}

func (p *parser) joinCondition(j *join) {
	switch {
	case p.accept("on"):
		j.on = p.expr()
	case p.accept("using"):
		j.using = plain(p.names())
		if p.is("as") {
			p.unsupported(p.tok.pos, "JOIN … USING (…) AS alias")
		}
	default:
		p.unexpected()
	}
}

func (p *parser) fromItem() fromItem {
	pos := p.tok.pos
	p.accept("only")
	switch {
	case p.is("lateral"):
		p.unsupported(pos, "LATERAL")
		return &tableRef{}
	case p.is("rows") && p.peek().is("from"):
		p.unsupported(pos, "ROWS FROM")
		return &tableRef{}
	case p.isOp("("):
		return p.parenthesisedFrom()
	}
	if (p.tok.kind == tokWord && (p.isName() || reservedOrFunction[p.tok.text] || p.tok.text == "current_user" ||
		p.tok.text == "session_user")) || p.tok.kind == tokQuoted {
		if f := p.fromFunction(); f != nil {
			return f
		}
	}
	t := p.tableName()
	t.alias, t.columns = p.alias()
	if p.is("tablesample") {
		p.unsupported(p.tok.pos, "TABLESAMPLE")
	}
	return t
}

// parenthesisedFrom reads (query) [AS] alias or (joins).
func (p *parser) parenthesisedFrom() fromItem {
	pos := p.tok.pos
	p.enter()
	defer p.leave()
	if p.parenthesisedQuery() {
		p.advance()
		s := &subqueryRef{pos: pos, sub: p.query()}
		p.expectOp(")")
		s.alias, s.columns = p.alias()
		if s.alias == "" {
			p.stop(p.fail(pos, errcode.SyntaxError, "subquery in FROM must have an alias").
				WithHint("For example, FROM (SELECT ...) [AS] foo."))
		}
		return s
	}
	p.advance()
	item := p.joins()
	p.expectOp(")")
	if p.is("as") || p.isName() && !p.isJoinWord() {
		p.unsupported(p.tok.pos, "an alias for a join in parentheses")
	}
	return item
}

func (p *parser) isJoinWord() bool {
	return p.is("natural") || p.is("cross") || p.is("join") || p.is("inner") || p.is("left") || p.is("right") || p.is("full") ||
		p.is("set")
}

// fromFunction reads f(…) [AS] alias; nil when no function call stands here.
func (p *parser) fromFunction() fromItem {
	pos := p.tok.pos
	prefixed := p.is("pg_catalog") && p.peek().isOp(".")
	if !prefixed && !p.peek().isOp("(") {
		return nil
	}
	if prefixed {
		l := lexer{src: p.src, at: p.peek().end}
		l.next()
		if t, err := l.next(); err != nil || !t.isOp("(") {
			return nil
		}
		p.advance()
		p.advance()
	}
	name := p.label()
	c, ok := p.call(pos, name).(*call)
	if !ok {
		return nil
	}
	if p.is("with") && p.peek().is("ordinality") {
		p.unsupported(p.tok.pos, "WITH ORDINALITY")
	}
	f := &functionRef{pos: pos, call: c}
	f.alias, f.columns = p.alias()
	return f
}

func (p *parser) tableName() *tableRef {
	t := &tableRef{pos: p.tok.pos}
	schema, name := p.relationName()
	t.schema, t.name = schema, name.name
	p.acceptOp("*")
	return t
}

// alias reads [AS] alias [(column, …)].
func (p *parser) alias() (name string, columns []string) {
	if p.accept("as") {
		name = p.name()
	} else if p.isName() && !p.isJoinWord() {
		name = p.name()
	}
	if name != "" && p.isOp("(") {
		columns = plain(p.names())
	}
	return name, columns
}

func (p *parser) with() *with {
	w := &with{}
	p.expect("with")
	w.recursive = p.accept("recursive")
	for {
		at := p.nameAt()
		c := &cte{pos: at.pos, name: at.name}
		if p.isOp("(") {
			c.columns = plain(p.names())
		}
		p.expect("as")
		switch {
		case p.accept("materialized"):
			c.materialized = "MATERIALIZED"
		case p.accept2("not", "materialized"):
			c.materialized = "NOT MATERIALIZED"
		}
		p.expectOp("(")
		if p.is("insert") || p.is("update") || p.is("delete") {
			p.unsupported(p.tok.pos, "a data-modifying statement in WITH").WithHint("Send the statements one after the other; several in one query are one transaction.")
		}
		c.query = p.query()
		p.expectOp(")")
		if p.is("search") || p.is("cycle") {
			p.unsupported(p.tok.pos, "the %s clause", strings.ToUpper(p.tok.text))
		}
		w.ctes = append(w.ctes, c)
		if !p.acceptOp(",") {
			return w
		}
	}
}
