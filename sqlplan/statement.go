package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// Options are what a plan depends on besides the text and the schema.
type Options struct {
	// ParamTypes are the types that the client gave for $1 …, 0 for those that
	// it left open.
	ParamTypes []uint32
	// TimeZone is the session's, an IANA name; "" is UTC. Literals are read in
	// it (Plan.UsesTimeZone).
	TimeZone string
}

// Plan understands one statement. The error, when there is one, is an
// *errcode.Error whose position is in the statement's text.
func (s *Schema) Plan(text string, o Options) (*Plan, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	p := newParser(text)
	statement := p.statement()
	source := strings.TrimSpace(text)
	if p.acceptOp(";") {
		source = p.text(0)
		source = strings.TrimSpace(strings.TrimRight(source, "; \t\r\n\f\v"))
	}
	p.end()
	if p.err != nil {
		return nil, p.err
	}
	r := &resolver{schema: s, src: text, zone: o.TimeZone}
	for _, oid := range o.ParamTypes {
		if oid == pgtype.Unknown {
			oid = 0
		}
		r.params = append(r.params, pgtype.Of(oid))
	}
	plan := r.plan(statement)
	if r.err != nil {
		return nil, r.err
	}
	plan.Source = source
	plan.SchemaVersion = s.Version
	plan.UsesTimeZone = r.inUse
	return plan, nil
}

// statement reads one statement of any kind; nil for an empty text.
func (p *parser) statement() statement {
	if p.tok.kind == tokEnd || p.isOp(";") {
		return nil
	}
	if p.isOp("(") {
		return &selectStatement{p.query()}
	}
	if p.tok.kind == tokWord {
		switch word := p.tok.text; word {
		case "select", "values", "table":
			return &selectStatement{p.query()}
		case "with":
			return p.withStatement()
		case "insert":
			return p.insert(nil)
		case "update":
			return p.update(nil)
		case "delete":
			return p.delete(nil)
		case "create":
			return p.create()
		case "drop":
			return p.drop()
		case "alter":
			return p.alter()
		case "truncate":
			return p.truncate()
		case "vacuum":
			return p.vacuum()
		case "analyze", "analyse":
			return p.analyze()
		case "set":
			return p.set()
		case "reset":
			return p.reset()
		case "show":
			return p.show()
		case "begin", "start", "commit", "end", "rollback", "abort", "savepoint", "release":
			return p.transaction()
		case "deallocate":
			return p.deallocate()
		case "discard":
			return p.discard()
		default:
			if _, known := refusals[word]; known {
				p.refuse()
				return nil
			}
		}
	}
	p.unexpected()
	return nil
}

// withStatement reads what begins with WITH: a query or a change.
func (p *parser) withStatement() statement {
	w := p.with()
	switch {
	case p.is("insert"):
		return p.insert(w)
	case p.is("update"):
		return p.update(w)
	case p.is("delete"):
		return p.delete(w)
	}
	return &selectStatement{p.queryAfterWith(w)}
}

// plan resolves a statement and prints it.
func (r *resolver) plan(s statement) *Plan {
	switch x := s.(type) {
	case nil:
		return &Plan{Kind: Empty}
	case *sessionStatement:
		return &Plan{Kind: x.kind, Tag: x.tag, Setting: x.setting}
	case *selectStatement:
		cols := r.query(x.query, nil)
		plan := r.finish(Read, "SELECT", func(p *printer) { p.query(x.query, false) })
		plan.Columns = r.resultColumns(cols)
		plan.Tableless = !r.tables
		return plan
	case *insertStatement, *updateStatement, *deleteStatement:
		return r.planChange(s)
	case *truncate:
		return r.planTruncate(x)
	}
	return r.planSchema(s)
}

// planChange plans INSERT, UPDATE and DELETE.
func (r *resolver) planChange(s statement) *Plan {
	r.write = true
	var cols []outColumn
	var tag string
	var returning []selectItem
	switch x := s.(type) {
	case *insertStatement:
		cols, tag, returning = r.insert(x), "INSERT", x.returning
	case *updateStatement:
		cols, tag, returning = r.update(x), "UPDATE", x.returning
	case *deleteStatement:
		cols, tag, returning = r.delete(x), "DELETE", x.returning
	}
	plan := r.finish(Write, tag, func(p *printer) { p.change(s) })
	plan.ScanOrder = r.scanOrder
	if returning != nil {
		plan.Columns = r.resultColumns(cols)
	}
	return plan
}

func (p *printer) change(s statement) {
	switch x := s.(type) {
	case *insertStatement:
		p.insert(x)
	case *updateStatement:
		p.update(x)
	case *deleteStatement:
		p.delete(x)
	case *selectStatement:
		p.query(x.query, false)
	}
}

func (r *resolver) planTruncate(s *truncate) *Plan {
	r.write = true
	if len(s.names) > 1 {
		r.unsupported(s.names[1].pos, "truncating several tables in one statement").WithHint("Truncate them one by one; several statements in one query are one transaction.")
		return &Plan{}
	}
	item := r.target(s.names[0])
	if r.err != nil {
		return &Plan{}
	}
	if item.relation.Kind == View {
		r.fail(s.names[0].pos, errcode.WrongObjectType, "\"%s\" is not a table", item.relation.Name)
	}
	return r.finish(Write, "TRUNCATE TABLE", func(p *printer) {
		p.w("DELETE FROM ")
		p.name(item.relation.Name)
	})
}

// finish prints a statement once everything is known of it.
func (r *resolver) finish(kind Kind, tag string, print func(*printer)) *Plan {
	plan := &Plan{Kind: kind, Tag: tag}
	if r.err != nil {
		return plan
	}
	p := &printer{buf: make([]byte, 0, len(r.src)+64), args: len(r.params), sessions: r.sessions}
	print(p)
	plan.SQL = string(p.buf)
	plan.Session = r.sessions
	plan.Params = r.params
	return plan
}

func (r *resolver) resultColumns(cols []outColumn) []ResultColumn {
	out := make([]ResultColumn, len(cols))
	for i, c := range cols {
		t := c.typ
		if t.OID == pgtype.Unknown {
			t = pgtype.Of(pgtype.Text)
		}
		out[i] = ResultColumn{Name: c.name, Type: t, Relation: c.relation, Attribute: c.attribute}
	}
	return out
}
