package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
)

// createTrigger reads SQLite's CREATE TRIGGER, whose body is statements
// between BEGIN and END (https://sqlite.org/lang_createtrigger.html).
func (p *parser) createTrigger() statement {
	s := &createTrigger{pos: p.tok.pos}
	p.expect("trigger")
	s.ifNotExists = p.ifNotExists()
	_, s.name = p.relationName()
	switch {
	case p.accept("before"):
		s.timing = "BEFORE"
	case p.accept2("instead", "of"):
		s.timing = "INSTEAD OF"
	default:
		p.accept("after")
		s.timing = "AFTER"
	}
	switch s.event = strings.ToUpper(p.tok.text); s.event {
	case "INSERT", "DELETE":
		p.advance()
	case "UPDATE":
		p.advance()
		if p.accept("of") {
			s.columns = []nameAt{p.nameAt()}
			for p.acceptOp(",") {
				s.columns = append(s.columns, p.nameAt())
			}
		}
	default:
		p.unexpected()
	}
	if p.is("or") {
		p.unsupported(p.tok.pos, "a trigger for several events").WithHint("Make one trigger for each.")
	}
	p.expect("on")
	s.table = p.tableName()
	if p.is("for") {
		p.advance()
		p.accept("each")
		if p.is("statement") {
			p.unsupported(p.tok.pos, "a trigger FOR EACH STATEMENT")
		}
		p.expect("row")
	}
	p.trigger = true
	if p.accept("when") {
		s.when = p.expr()
	}
	if p.is("execute") {
		p.unsupported(p.tok.pos, "a trigger that calls a function").
			WithHint("Write the trigger's statements between BEGIN and END.")
	}
	p.expect("begin")
	p.triggerBody(s)
	return s
}

func (p *parser) triggerBody(s *createTrigger) {
	for p.err == nil && !p.is("end") {
		if p.tok.kind == tokEnd {
			p.stop(p.fail(len(p.src), errcode.SyntaxError, "syntax error at end of input").
				WithHint(`The trigger's body has no END. psql cuts statements at semicolons: give the statement with -c, or write \; inside the body.`))
			return
		}
		s.body = append(s.body, p.triggerStatement())
		if p.tok.kind != tokEnd {
			p.expectOp(";")
		}
	}
	if len(s.body) == 0 {
		p.unexpected()
	}
	p.expect("end")
}

func (p *parser) triggerStatement() statement {
	switch {
	case p.is("insert"):
		return p.insert(nil)
	case p.is("update"):
		return p.update(nil)
	case p.is("delete"):
		return p.delete(nil)
	case p.is("select"):
		return &selectStatement{p.query()}
	}
	p.unexpected()
	return &selectStatement{}
}
