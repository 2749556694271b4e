package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
)

// maintenance is VACUUM or ANALYZE. They go through the log like DDL, since they
// change what later statements do: the numbers of rows without a key, and the
// order of rows that no ORDER BY gives.
type maintenance struct {
	verb   string
	target *tableRef // ANALYZE of one table; nil: the whole database
}

func (*maintenance) statement() {}

// vacuum reads VACUUM (PostgreSQL manual, VACUUM). SQLite's writes the whole
// database anew, which is what FULL asks for; there is none of one table, and
// none that analyzes too.
func (p *parser) vacuum() statement {
	p.expect("vacuum")
	for _, option := range p.maintenanceOptions() {
		switch option.name {
		case "full", "verbose":
		default:
			p.unsupported(option.pos, "VACUUM with %s", strings.ToUpper(option.name)).WithHint("VACUUM writes the whole database anew. ANALYZE is a statement of its own.")
		}
	}
	if p.is("into") {
		p.unsupported(p.tok.pos, "VACUUM INTO").WithHint("quorate snapshot save FILE saves the database to a file, which sqlite3 opens, from any member and while it is written to.")
	}
	if p.err == nil && p.tok.kind != tokEnd && !p.isOp(";") {
		p.unsupported(p.tok.pos, "VACUUM of one table").WithHint("VACUUM without a name writes the whole database anew.")
	}
	return &maintenance{verb: "VACUUM"}
}

// analyze reads ANALYZE [table].
func (p *parser) analyze() statement {
	p.advance()
	for _, option := range p.maintenanceOptions() {
		if option.name != "verbose" {
			p.unsupported(option.pos, "ANALYZE with %s", strings.ToUpper(option.name))
		}
	}
	s := &maintenance{verb: "ANALYZE"}
	if p.isName() {
		s.target = p.tableName()
	}
	if p.isOp("(") || p.isOp(",") {
		p.unsupported(p.tok.pos, "ANALYZE of columns or of several tables").WithHint("Analyze the tables one by one, or all with ANALYZE.")
	}
	return s
}

// maintenanceOptions reads FULL VERBOSE or (FULL, VERBOSE).
func (p *parser) maintenanceOptions() (options []nameAt) {
	if p.acceptOp("(") {
		options = append(options, nameAt{p.tok.pos, p.label()})
		for p.acceptOp(",") {
			options = append(options, nameAt{p.tok.pos, p.label()})
		}
		p.expectOp(")")
		return options
	}
	for p.is("full") || p.is("freeze") || p.is("verbose") || p.is("analyze") || p.is("analyse") {
		options = append(options, nameAt{p.tok.pos, p.tok.text})
		p.advance()
	}
	return options
}

func (r *resolver) maintenance(s *maintenance) *Plan {
	var table string
	if s.target != nil {
		rel := r.relation(s.target)
		switch {
		case rel == nil:
			return &Plan{}
		case rel.Kind != Table || systemName(rel.Name):
			r.fail(s.target.pos, errcode.WrongObjectType, "\"%s\" is not a table that can be analyzed", rel.Name)
			return &Plan{}
		}
		table = rel.Name
	}
	return r.schemaPlan(s.verb, func(p *printer) {
		p.w(s.verb)
		if table != "" {
			p.w(" main.")
			p.name(table)
		}
	})
}
