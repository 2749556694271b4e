package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
)

// insert reads INSERT after its WITH (PostgreSQL manual, INSERT).
func (p *parser) insert(w *with) *insertStatement {
	p.expect("insert")
	p.noResolution("INSERT")
	p.expect("into")
	s := &insertStatement{with: w, target: p.tableName()}
	if p.accept("as") {
		s.target.alias = p.name()
	}
	if p.isOp("(") && !p.parenthesisedQuery() {
		s.columns = p.names()
	}
	if p.is("overriding") {
		p.advance()
		if !p.accept("system") {
			p.expect("user")
		}
		p.expect("value")
	}
	if p.accept2("default", "values") {
		s.source = nil
	} else {
		s.source = p.query()
	}
	if p.accept2("on", "conflict") {
		s.conflict = p.onConflict()
	}
	s.returning = p.returning()
	return s
}

// noResolution refuses SQLite's OR clause. Of its five resolutions, ON CONFLICT
// does what IGNORE and REPLACE do, ABORT is what happens anyway, FAIL would keep
// half a statement, and ROLLBACK would end the transaction that other clients'
// entries are in.
func (p *parser) noResolution(verb string) {
	if p.is("or") {
		p.unsupported(p.tok.pos, "%s OR %s", verb, strings.ToUpper(p.peek().text)).
			WithHint("Use INSERT … ON CONFLICT; a statement that fails undoes all that it did.")
	}
}

func (p *parser) onConflict() *onConflict {
	c := &onConflict{pos: p.last}
	if p.isOp("(") {
		p.advance()
		c.target = []indexColumn{p.conflictColumn()}
		for p.acceptOp(",") {
			c.target = append(c.target, p.conflictColumn())
		}
		p.expectOp(")")
		if p.accept("where") {
			c.where = p.expr()
		}
	} else if p.is("on") {
		p.unsupported(p.tok.pos, "ON CONFLICT ON CONSTRAINT").WithHint("Name the columns: ON CONFLICT (a, b).")
	}
	p.expect("do")
	if p.accept("nothing") {
		c.doing = "NOTHING"
		return c
	}
	pos := p.tok.pos
	p.expect("update", "set")
	c.doing = "UPDATE"
	if c.target == nil && p.err == nil {
		p.stop(p.fail(pos, errcode.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
			WithHint("For example, ON CONFLICT (column_name)."))
	}
	c.update = p.assignments()
	if p.accept("where") {
		c.filter = p.expr()
	}
	return c
}

func (p *parser) conflictColumn() indexColumn {
	return indexColumn{x: p.exprAbove(precCompare)}
}

func (p *parser) returning() []selectItem {
	if !p.accept("returning") {
		return nil
	}
	return p.selectItems()
}

// update reads UPDATE after its WITH (PostgreSQL manual, UPDATE).
func (p *parser) update(w *with) *updateStatement {
	p.expect("update")
	p.noResolution("UPDATE")
	p.accept("only")
	s := &updateStatement{with: w, target: p.tableName()}
	s.target.alias, _ = p.alias()
	p.expect("set")
	s.sets = p.assignments()
	if p.accept("from") {
		s.from = p.fromItems()
	}
	s.where = p.dmlWhere()
	s.returning = p.returning()
	return s
}

func (p *parser) dmlWhere() expr {
	if !p.accept("where") {
		return nil
	}
	if p.accept2("current", "of") {
		p.unsupported(p.last, "WHERE CURRENT OF")
	}
	return p.expr()
}

func (p *parser) assignments() []assignment {
	var list []assignment
	for {
		list = append(list, p.assignment()...)
		if !p.acceptOp(",") {
			return list
		}
	}
}

// assignment reads c = x, or (a, b) = (x, y), which becomes two, or
// (a, b) = (SELECT …).
func (p *parser) assignment() []assignment {
	if !p.isOp("(") {
		a := assignment{columns: []nameAt{p.nameAt()}}
		if p.isOp(".") || p.isOp("[") {
			p.unsupported(p.tok.pos, "assignment to a part of a column")
		}
		p.expectOp("=")
		a.x = p.valueOrDefault()
		return []assignment{a}
	}
	columns := p.names()
	pos := p.tok.pos
	p.expectOp("=")
	p.accept("row")
	if p.isOp("(") && p.parenthesisedQuery() {
		p.advance()
		q := p.query()
		p.expectOp(")")
		return []assignment{{columns: columns, sub: q}}
	}
	p.expectOp("(")
	var list []assignment
	for i := 0; p.err == nil; i++ {
		x := p.valueOrDefault()
		if i < len(columns) {
			list = append(list, assignment{columns: columns[i : i+1], x: x})
		}
		if !p.acceptOp(",") {
			if i+1 != len(columns) && p.err == nil {
				p.stop(p.fail(pos, errcode.SyntaxError, "number of columns does not match number of values"))
			}
			break
		}
	}
	p.expectOp(")")
	return list
}

// delete reads DELETE after its WITH (PostgreSQL manual, DELETE).
func (p *parser) delete(w *with) *deleteStatement {
	p.expect("delete", "from")
	p.accept("only")
	s := &deleteStatement{with: w, target: p.tableName()}
	s.target.alias, _ = p.alias()
	if p.accept("using") {
		s.using = p.fromItems()
	}
	s.where = p.dmlWhere()
	s.returning = p.returning()
	return s
}
