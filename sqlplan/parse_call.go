package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// call reads name( … ) with everything that may follow it (PostgreSQL manual,
// section 4.2.7).
func (p *parser) call(pos int, name string) expr {
	p.enter()
	defer p.leave()
	p.term()
	c := &call{node: node{pos: pos}, name: name}
	p.expectOp("(")
	switch {
	case p.acceptOp("*"):
		c.star = true
	case p.isOp(")"):
	default:
		c.distinct = p.accept("distinct")
		if !c.distinct {
			p.accept("all")
		}
		if p.is("variadic") {
			p.unsupported(p.tok.pos, "VARIADIC")
		}
		c.args = p.exprList()
		if p.isOp("=>") || p.isOp(":=") {
			p.unsupported(p.tok.pos, "named notation in a function call")
		}
		if p.accept2("order", "by") {
			c.order = p.orderItems()
		}
	}
	p.expectOp(")")
	if p.is("within") && p.peek().is("group") {
		p.unsupported(p.tok.pos, "WITHIN GROUP")
	}
	if p.is("filter") && p.peek().isOp("(") {
		p.advance()
		p.advance()
		p.expect("where")
		c.filter = p.expr()
		p.expectOp(")")
	}
	if p.is("over") {
		p.advance()
		if p.isOp("(") {
			c.over = p.windowDefinition()
		} else {
			c.over = &window{pos: p.tok.pos, nameOnly: true}
			c.over.ref = p.name()
		}
	}
	return c
}

// windowDefinition reads ( [name] [PARTITION BY …] [ORDER BY …] [frame] ).
func (p *parser) windowDefinition() *window {
	w := &window{pos: p.tok.pos}
	p.expectOp("(")
	if p.isName() && !p.is("partition") && !p.is("rows") && !p.is("range") && !p.is("groups") {
		w.ref = p.name()
	}
	if p.accept2("partition", "by") {
		w.partition = p.exprList()
	}
	if p.accept2("order", "by") {
		w.order = p.orderItems()
	}
	if p.is("rows") || p.is("range") || p.is("groups") {
		w.frame = p.frame()
	}
	p.expectOp(")")
	return w
}

func (p *parser) frame() *frame {
	f := &frame{unit: strings.ToUpper(p.tok.text)}
	p.advance()
	if p.accept("between") {
		f.start = p.frameBound()
		p.expect("and")
		f.end = p.frameBound()
	} else {
		f.start = p.frameBound()
	}
	if p.accept("exclude") {
		switch {
		case p.accept2("current", "row"):
			f.exclude = "CURRENT ROW"
		case p.accept("group"):
			f.exclude = "GROUP"
		case p.accept("ties"):
			f.exclude = "TIES"
		case p.accept2("no", "others"):
			f.exclude = "NO OTHERS"
		default:
			p.unexpected()
		}
	}
	return f
}

func (p *parser) frameBound() frameBound {
	switch {
	case p.accept2("unbounded", "preceding"):
		return frameBound{kind: "UNBOUNDED PRECEDING"}
	case p.accept2("unbounded", "following"):
		return frameBound{kind: "UNBOUNDED FOLLOWING"}
	case p.accept2("current", "row"):
		return frameBound{kind: "CURRENT ROW"}
	}
	b := frameBound{offset: p.exprAbove(precAnd)}
	switch {
	case p.accept("preceding"):
		b.kind = "PRECEDING"
	case p.accept("following"):
		b.kind = "FOLLOWING"
	default:
		p.unexpected()
	}
	return b
}

// specialCall reads the functions with a syntax of their own; the current
// token is followed by "(". nil: not one of them.
func (p *parser) specialCall() expr {
	pos, word := p.tok.pos, p.tok.text
	make := func(name string, args ...expr) expr {
		p.term()
		if name == "greatest" || name == "least" { // each argument is written with all (extreme)
			for i := 0; i < len(args)*len(args) && p.err == nil; i++ {
				p.term()
			}
		}
		p.expectOp(")")
		return &call{node: node{pos: pos}, name: name, args: args, keyword: true}
	}
	switch word {
	case "cast":
		p.open()
		x := p.expr()
		p.expect("as")
		c := &cast{node: node{pos: pos}, x: x, to: p.castType()}
		p.expectOp(")")
		return c
	case "exists":
		p.open()
		if !p.startsQuery() {
			p.unexpected()
			return nil
		}
		e := &exists{node: node{pos: pos}, sub: p.query()}
		p.expectOp(")")
		return e
	case "coalesce", "greatest", "least":
		p.open()
		return make(word, p.exprList()...)
	case "nullif":
		p.open()
		a := p.expr()
		p.expectOp(",")
		return make(word, a, p.expr())
	case "row":
		p.open()
		r := &row{node: node{pos: pos}, items: p.exprList()}
		p.expectOp(")")
		return r
	case "extract":
		p.open()
		field := p.tok
		if field.kind != tokWord && field.kind != tokQuoted && field.kind != tokString {
			p.unexpected()
		}
		p.advance()
		p.expect("from")
		return make("extract", text(field.pos, strings.ToLower(field.text)), p.expr())
	case "position":
		p.open()
		sub := p.exprAbove(precIn)
		p.expect("in")
		return make("position", sub, p.exprAbove(precIn))
	case "substring":
		return p.substring(pos)
	case "overlay":
		p.open()
		args := []expr{p.expr()}
		p.expect("placing")
		args = append(args, p.expr())
		p.expect("from")
		args = append(args, p.expr())
		if p.accept("for") {
			args = append(args, p.expr())
		}
		return make("overlay", args...)
	case "trim":
		return p.trim(pos)
	case "raise":
		if p.trigger {
			return p.raise()
		}
	case "grouping", "xmlelement", "xmlforest", "json_object", "json_array":
		p.unsupported(pos, "%s", strings.ToUpper(word))
		return &constant{node: node{pos: pos}}
	}
	return nil
}

// open takes the word and its parenthesis.
func (p *parser) open() {
	p.advance()
	p.advance()
}

// text makes a text constant.
func text(pos int, s string) expr {
	return &constant{node: node{pos, pgtype.Of(pgtype.Text)}, val: value.String(s)}
}

// substring reads SUBSTRING(x FROM n FOR m) and SUBSTRING(x, n, m).
func (p *parser) substring(pos int) expr {
	p.open()
	c := &call{node: node{pos: pos}, name: "substring", args: []expr{p.expr()}}
	switch {
	case p.accept("from"):
		c.args = append(c.args, p.expr())
		if p.accept("for") {
			c.args = append(c.args, p.expr())
		}
	case p.accept("for"):
		one := &constant{node: node{pos, pgtype.Of(pgtype.Int4)}, val: value.Int(1)}
		c.args = append(c.args, one, p.expr())
		if p.is("from") {
			p.unsupported(p.tok.pos, "SUBSTRING with FOR before FROM")
		}
	case p.is("similar"):
		p.unsupported(p.tok.pos, "SUBSTRING with SIMILAR")
	default:
		for p.acceptOp(",") {
			c.args = append(c.args, p.expr())
		}
	}
	p.expectOp(")")
	return c
}

// trim reads TRIM([BOTH | LEADING | TRAILING] [chars] FROM x) and TRIM(x, chars).
func (p *parser) trim(pos int) expr {
	p.open()
	name := "btrim"
	switch {
	case p.accept("leading"):
		name = "ltrim"
	case p.accept("trailing"):
		name = "rtrim"
	default:
		p.accept("both")
	}
	c := &call{node: node{pos: pos}, name: name}
	if p.accept("from") {
		c.args = p.exprList()
	} else {
		c.args = []expr{p.expr()}
		switch {
		case p.accept("from"):
			c.args = append([]expr{p.expr()}, c.args...)
		case p.acceptOp(","):
			c.args = append(c.args, p.expr())
		}
	}
	p.expectOp(")")
	return c
}

// raise reads SQLite's RAISE(action, message), which a trigger's body may use
// (https://sqlite.org/lang_createtrigger.html). RAISE(ROLLBACK) would end the
// transaction of other statements that are applied with this one.
func (p *parser) raise() expr {
	r := &raise{node: node{pos: p.tok.pos}}
	p.open()
	pos := p.tok.pos
	switch r.action = strings.ToUpper(p.label()); r.action {
	case "IGNORE":
	case "ABORT", "FAIL":
		p.expectOp(",")
		r.message = p.expr()
	case "ROLLBACK":
		p.unsupported(pos, "RAISE(ROLLBACK)").WithHint("Use RAISE(ABORT, …).")
	default:
		p.stop(p.fail(pos, errcode.SyntaxError, "syntax error at or near \"%s\"", r.action))
	}
	p.expectOp(")")
	return r
}
