package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

type (
	createTable struct {
		target       *tableRef
		ifNotExists  bool
		columns      []columnDef
		constraints  []constraint
		withoutRowid bool
		warnings     []string
	}
	createVirtual struct {
		target      *tableRef
		ifNotExists bool
		columns     []nameAt
		arguments   []string // as written
	}
	createIndex struct {
		pos         int
		name        nameAt
		unique      bool
		ifNotExists bool
		table       *tableRef
		columns     []indexColumn
		where       expr
	}
	createView struct {
		target  *tableRef
		replace bool
		columns []nameAt
		query   *query
	}
	createTrigger struct {
		pos         int
		name        nameAt
		ifNotExists bool
		timing      string // BEFORE, AFTER, INSTEAD OF
		event       string // INSERT, UPDATE, DELETE
		columns     []nameAt
		table       *tableRef
		when        expr
		body        []statement
	}
	drop struct {
		kind     string // TABLE, VIEW, INDEX, TRIGGER
		ifExists bool
		names    []*tableRef
		cascade  bool
	}
	truncate struct{ names []*tableRef }

	alterTable struct {
		target   *tableRef
		ifExists bool
		actions  []alterAction
	}
	alterAction struct {
		pos         int
		kind        string // ADD, DROP, RENAME COLUMN, RENAME TABLE
		column      columnDef
		name, to    nameAt
		conditional bool // IF EXISTS, IF NOT EXISTS
		cascade     bool
	}

	columnDef struct {
		nameAt
		typ         pgtype.Type // OID 0: none
		serial      bool
		constraints []constraint
	}
	constraint struct {
		pos     int
		name    string
		virtual bool   // GENERATED … VIRTUAL
		serial  bool   // PRIMARY KEY AUTOINCREMENT
		kind    string // NOT NULL, NULL, DEFAULT, GENERATED, IDENTITY, PRIMARY KEY, UNIQUE, CHECK, REFERENCES
		columns []nameAt
		x       expr
		ref     *reference
	}
	reference struct {
		table              *tableRef
		columns            []nameAt
		onDelete, onUpdate string
		deferrable         string
	}
)

func (*createTable) statement()   {}
func (*createVirtual) statement() {}
func (*createIndex) statement()   {}
func (*createView) statement()    {}
func (*createTrigger) statement() {}
func (*drop) statement()          {}
func (*truncate) statement()      {}
func (*alterTable) statement()    {}

// create reads CREATE … of the kinds that Quorate has.
func (p *parser) create() statement {
	pos := p.tok.pos
	p.expect("create")
	replace := p.accept2("or", "replace")
	switch {
	case p.is("temp"), p.is("temporary"), p.is("local"), p.is("global"):
		p.unsupported(p.tok.pos, "a temporary table or view").WithHint("Nothing of a connection's state is kept between statements.")
	case p.is("view"):
		return p.createView(replace)
	case p.is("recursive"):
		p.unsupported(p.tok.pos, "CREATE RECURSIVE VIEW").WithHint("Use WITH RECURSIVE in the view's query.")
	}
	if replace && p.err == nil {
		p.unsupported(pos, "CREATE OR REPLACE %s", strings.ToUpper(p.tok.text))
	}
	switch {
	case p.is("unlogged"):
		p.advance()
		s := p.createTable()
		s.warnings = append(s.warnings, "UNLOGGED has no effect: every table is replicated")
		return s
	case p.is("table"):
		return p.createTable()
	case p.is("virtual"):
		return p.createVirtual()
	case p.is("unique"), p.is("index"):
		return p.createIndex()
	case p.is("trigger"):
		return p.createTrigger()
	case p.is("constraint") && p.peek().is("trigger"):
		p.unsupported(pos, "CREATE CONSTRAINT TRIGGER")
	case p.is("materialized"):
		p.unsupported(pos, "CREATE MATERIALIZED VIEW")
	case p.tok.kind == tokWord:
		p.unsupported(pos, "CREATE %s", strings.ToUpper(p.tok.text))
	default:
		p.unexpected()
	}
	return &createTable{}
}

func (p *parser) ifNotExists() bool {
	if !p.is("if") || !p.peek().is("not") {
		return false
	}
	p.advance()
	p.expect("not", "exists")
	return true
}

func (p *parser) ifExists() bool { return p.accept2("if", "exists") }

func (p *parser) createTable() *createTable {
	p.expect("table")
	s := &createTable{ifNotExists: p.ifNotExists(), target: p.tableName()}
	switch {
	case p.is("as"):
		p.unsupported(p.tok.pos, "CREATE TABLE AS").WithHint("Use CREATE TABLE and INSERT … SELECT.")
	case p.is("partition"), p.is("of"):
		p.unsupported(p.tok.pos, "CREATE TABLE … %s", strings.ToUpper(p.tok.text))
	}
	p.expectOp("(")
	for !p.isOp(")") && p.err == nil {
		p.tableElement(s)
		if !p.acceptOp(",") {
			break
		}
		if p.isOp(")") {
			p.unexpected()
		}
	}
	p.expectOp(")")
	p.tableOptions(s)
	return s
}

func (p *parser) tableElement(s *createTable) {
	switch {
	case p.is("like") || p.is("exclude"):
		p.unsupported(p.tok.pos, "%s in CREATE TABLE", strings.ToUpper(p.tok.text))
	case p.is("constraint"), p.is("primary"), p.is("unique"), p.is("check"), p.is("foreign"):
		s.constraints = append(s.constraints, p.tableConstraint())
	default:
		s.columns = append(s.columns, p.columnDef())
	}
}

// tableOptions reads what may follow the columns. WITH (fillfactor=…) and
// TABLESPACE are about files that PostgreSQL has and Quorate does not.
func (p *parser) tableOptions(s *createTable) {
	for p.err == nil && p.tok.kind != tokEnd {
		pos := p.tok.pos
		switch {
		case p.accept2("without", "oids"):
		case p.accept2("without", "rowid"):
			s.withoutRowid = true
		case p.accept("strict"): // every table is
		case p.is("with") && p.peek().isOp("("):
			p.advance()
			p.skipParenthesis()
			s.warnings = append(s.warnings, "storage parameters have no effect")
		case p.is("as"):
			p.unsupported(pos, "CREATE TABLE AS").WithHint("Use CREATE TABLE and INSERT … SELECT.")
		case p.is("inherits"), p.is("partition"), p.is("tablespace"), p.is("on"), p.is("using"):
			p.unsupported(pos, "CREATE TABLE … %s", strings.ToUpper(p.tok.text))
		default:
			if !p.acceptOp(",") {
				p.unexpected()
			}
		}
	}
}

func (p *parser) skipParenthesis() {
	depth := 0
	for p.tok.kind != tokEnd {
		switch {
		case p.isOp("("):
			depth++
		case p.isOp(")"):
			depth--
		}
		p.advance()
		if depth == 0 {
			return
		}
	}
	p.unexpected()
}

func (p *parser) columnDef() columnDef {
	d := columnDef{nameAt: p.nameAt(), typ: pgtype.Type{Mod: -1}}
	if oid := serialTypes[p.tok.text]; oid != 0 && p.tok.kind == tokWord {
		p.advance()
		d.typ, d.serial = pgtype.Of(oid), true
	} else if !p.isOp(",") && !p.isOp(")") && p.tok.kind != tokEnd && !p.startsColumnConstraint() {
		d.typ = p.typeName()
	}
	for p.err == nil && !p.isOp(",") && !p.isOp(")") && p.tok.kind != tokEnd {
		if c, ok := p.columnConstraint(); ok {
			d.constraints = append(d.constraints, c)
			d.serial = d.serial || c.serial
		}
	}
	return d
}

func (p *parser) startsColumnConstraint() bool {
	switch p.tok.text {
	case "constraint", "not", "null", "default", "primary", "unique", "check", "references", "generated", "as", "collate":
		return p.tok.kind == tokWord
	}
	return false
}

// columnConstraint reads one constraint of a column; ok is false for what
// changes nothing.
func (p *parser) columnConstraint() (c constraint, ok bool) {
	c.pos = p.tok.pos
	if p.accept("constraint") {
		c.name = p.name()
	}
	switch {
	case p.accept2("not", "null"):
		c.kind = "NOT NULL"
	case p.accept("null"):
		return c, false
	case p.accept("default"):
		c.kind, c.x = "DEFAULT", p.exprAbove(precNot)
	case p.accept2("primary", "key"):
		c.kind = "PRIMARY KEY"
		c.serial = p.accept("autoincrement") // SQLite's word for IDENTITY
		p.indexOptions()
	case p.accept("unique"):
		c.kind = "UNIQUE"
		p.indexOptions()
	case p.accept("check"):
		c.kind, c.x = "CHECK", p.checked()
	case p.accept("references"):
		c.kind, c.ref = "REFERENCES", p.foreignKey()
	case p.accept("generated"):
		p.generated(&c)
	case p.accept("as"): // SQLite's short form
		p.computed(&c)
	case p.accept("collate"):
		p.collationName()
		return c, false
	default:
		p.unexpected()
	}
	return c, true
}

// collationName reads a collation's name; all that exist compare alike.
func (p *parser) collationName() {
	pos := p.tok.pos
	name := p.label()
	if p.acceptOp(".") {
		name = p.label()
	}
	switch name {
	case "C", "POSIX", "default", "ucs_basic", "binary":
	default:
		p.stop(p.fail(pos, errcode.UndefinedObject, "collation \"%s\" for encoding \"UTF8\" does not exist", name).
			WithHint(`Text is compared by code point, as with "C".`))
	}
}

func (p *parser) checked() expr {
	p.expectOp("(")
	x := p.expr()
	p.expectOp(")")
	if p.is("no") && p.peek().is("inherit") {
		p.advance()
		p.advance()
	}
	return x
}

// generated reads GENERATED ALWAYS AS (x) and GENERATED … AS IDENTITY.
func (p *parser) generated(c *constraint) {
	always := p.accept("always")
	if !always {
		p.expect("by", "default")
	}
	p.expect("as")
	if p.accept("identity") {
		c.kind = "IDENTITY"
		if p.isOp("(") {
			p.unsupported(p.tok.pos, "sequence options of an identity column")
		}
		return
	}
	if !always {
		p.unexpected()
	}
	p.computed(c)
}

// computed reads (x) [STORED | VIRTUAL]. As in PostgreSQL 18 and in SQLite a
// column that says neither is virtual.
func (p *parser) computed(c *constraint) {
	c.kind = "GENERATED"
	p.expectOp("(")
	c.x = p.expr()
	p.expectOp(")")
	if c.virtual = !p.accept("stored"); c.virtual {
		p.accept("virtual")
	}
}

// indexOptions skips what says how a constraint's index is kept.
func (p *parser) indexOptions() {
	if p.is("with") && p.peek().isOp("(") {
		p.advance()
		p.skipParenthesis()
	}
	if p.is("include") || p.is("nulls") {
		p.unsupported(p.tok.pos, "%s in a constraint", strings.ToUpper(p.tok.text))
	}
	p.notDeferrable()
}

// notDeferrable: SQLite defers foreign keys only.
func (p *parser) notDeferrable() {
	switch {
	case p.is("not") && p.peek().is("deferrable"):
		p.advance()
		p.advance()
	case p.is("deferrable"), p.is("initially"):
		p.unsupported(p.tok.pos, "a deferrable constraint other than a foreign key")
	}
}

func (p *parser) tableConstraint() constraint {
	c := constraint{pos: p.tok.pos}
	if p.accept("constraint") {
		c.name = p.name()
	}
	switch {
	case p.accept2("primary", "key"):
		c.kind, c.columns = "PRIMARY KEY", p.names()
		p.indexOptions()
	case p.accept("unique"):
		c.kind = "UNIQUE"
		if p.is("nulls") {
			p.unsupported(p.tok.pos, "NULLS NOT DISTINCT")
		}
		c.columns = p.names()
		p.indexOptions()
	case p.accept("check"):
		c.kind, c.x = "CHECK", p.checked()
	case p.accept2("foreign", "key"):
		c.kind, c.columns = "REFERENCES", p.names()
		p.expect("references")
		c.ref = p.foreignKey()
	case p.is("exclude"):
		p.unsupported(p.tok.pos, "an exclusion constraint")
	default:
		p.unexpected()
	}
	return c
}

// foreignKey reads what follows REFERENCES.
func (p *parser) foreignKey() *reference {
	ref := &reference{table: p.tableName()}
	if p.isOp("(") {
		ref.columns = p.names()
	}
	for p.err == nil {
		switch {
		case p.accept2("on", "delete"):
			ref.onDelete = p.referentialAction()
		case p.accept2("on", "update"):
			ref.onUpdate = p.referentialAction()
		case p.accept2("match", "simple"):
		case p.is("match"):
			p.unsupported(p.tok.pos, "MATCH FULL and MATCH PARTIAL")
		case p.is("not") && p.peek().is("deferrable"):
			p.advance()
			p.advance()
		case p.accept("deferrable"):
			if ref.deferrable == "" {
				ref.deferrable = "DEFERRABLE"
			}
		case p.accept2("initially", "deferred"):
			ref.deferrable = "DEFERRABLE INITIALLY DEFERRED"
		case p.accept2("initially", "immediate"):
		case p.is("not") && p.peek().is("valid"):
			p.unsupported(p.tok.pos, "NOT VALID")
		default:
			return ref
		}
	}
	return ref
}

func (p *parser) referentialAction() string {
	switch {
	case p.accept2("no", "action"):
		return "NO ACTION"
	case p.accept("restrict"):
		return "RESTRICT"
	case p.accept("cascade"):
		return "CASCADE"
	case p.accept2("set", "null"):
		return "SET NULL"
	case p.accept2("set", "default"):
		return "SET DEFAULT"
	}
	p.unexpected()
	return ""
}

// createVirtual reads SQLite's CREATE VIRTUAL TABLE … USING fts5(…), the one
// module there is (https://sqlite.org/fts5.html).
func (p *parser) createVirtual() statement {
	p.expect("virtual", "table")
	s := &createVirtual{ifNotExists: p.ifNotExists(), target: p.tableName()}
	p.expect("using")
	pos := p.tok.pos
	if module := p.name(); module != "fts5" && p.err == nil {
		p.unsupported(pos, "the module %s", module).WithHint("Full text search is USING fts5.")
	}
	p.expectOp("(")
	for p.err == nil {
		start := p.tok.pos
		first := p.tok
		option := p.peek().isOp("=")
		for depth := 0; p.err == nil && p.tok.kind != tokEnd; p.advance() {
			if depth == 0 && (p.isOp(",") || p.isOp(")")) {
				break
			}
			switch {
			case p.isOp("("):
				depth++
			case p.isOp(")"):
				depth--
			}
		}
		if p.text(start) == "" {
			p.unexpected()
			break
		}
		s.arguments = append(s.arguments, p.text(start))
		if !option {
			s.columns = append(s.columns, nameAt{first.pos, first.text})
		}
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")")
	return s
}

func (p *parser) createIndex() statement {
	s := &createIndex{pos: p.tok.pos, unique: p.accept("unique")}
	p.expect("index")
	p.accept("concurrently")
	s.ifNotExists = p.ifNotExists()
	if !p.is("on") {
		_, s.name = p.relationName()
	} else if s.ifNotExists {
		p.unexpected()
	}
	p.expect("on")
	p.accept("only")
	s.table = p.tableName()
	if p.accept("using") {
		pos := p.tok.pos
		if method := p.name(); method != "btree" && p.err == nil {
			p.unsupported(pos, "the index method %s", method).WithHint("Use btree, the default.")
		}
	}
	p.expectOp("(")
	for {
		s.columns = append(s.columns, p.indexColumn())
		if !p.acceptOp(",") {
			break
		}
	}
	p.expectOp(")")
	if p.is("include") || p.is("tablespace") || p.is("nulls") {
		p.unsupported(p.tok.pos, "CREATE INDEX … %s", strings.ToUpper(p.tok.text))
	}
	if p.is("with") && p.peek().isOp("(") {
		p.advance()
		p.skipParenthesis()
	}
	if p.accept("where") {
		s.where = p.expr()
	}
	return s
}

// indexColumn reads a column or (expression) with its direction. Where NULLs
// are in an index changes no result and is not kept; nor are the operator
// classes that only choose a comparison which is the one we have.
func (p *parser) indexColumn() indexColumn {
	var c indexColumn
	if p.isOp("(") {
		p.advance()
		c.x = p.expr()
		p.expectOp(")")
	} else {
		c.x = p.exprAbove(precCollate) // a column or a function call
	}
	if p.accept("collate") {
		p.collationName()
	}
	switch p.tok.text {
	case "text_ops", "varchar_ops", "bpchar_ops", "int4_ops", "int8_ops", "text_pattern_ops", "varchar_pattern_ops", "bpchar_pattern_ops":
		p.advance()
	}
	if !p.accept("asc") {
		c.desc = p.accept("desc")
	}
	if !p.accept2("nulls", "first") {
		p.accept2("nulls", "last")
	}
	return c
}

func (p *parser) createView(replace bool) statement {
	p.expect("view")
	s := &createView{replace: replace, target: p.tableName()}
	if p.isOp("(") {
		s.columns = p.names()
	}
	if p.is("with") {
		p.unsupported(p.tok.pos, "CREATE VIEW … WITH")
	}
	p.expect("as")
	s.query = p.query()
	if p.is("with") {
		p.unsupported(p.tok.pos, "WITH CHECK OPTION")
	}
	return s
}

// drop reads DROP TABLE, VIEW, INDEX and TRIGGER.
func (p *parser) drop() statement {
	pos := p.tok.pos
	p.expect("drop")
	s := &drop{kind: strings.ToUpper(p.tok.text)}
	switch s.kind {
	case "TABLE", "VIEW", "INDEX", "TRIGGER":
		p.advance()
	default:
		if p.tok.kind != tokWord {
			p.unexpected()
			return s
		}
		p.unsupported(pos, "DROP %s", s.kind)
		return s
	}
	if s.kind == "INDEX" {
		p.accept("concurrently")
	}
	s.ifExists = p.ifExists()
	s.names = []*tableRef{p.tableName()}
	for p.acceptOp(",") {
		s.names = append(s.names, p.tableName())
	}
	if s.kind == "TRIGGER" && p.accept("on") {
		p.tableName()
	}
	if s.cascade = p.accept("cascade"); !s.cascade {
		p.accept("restrict")
	}
	return s
}

func (p *parser) truncate() statement {
	p.expect("truncate")
	p.accept("table")
	p.accept("only")
	s := &truncate{names: []*tableRef{p.tableName()}}
	for p.acceptOp(",") {
		s.names = append(s.names, p.tableName())
	}
	if p.is("restart") {
		p.unsupported(p.tok.pos, "TRUNCATE … RESTART IDENTITY")
	}
	if p.accept("continue") {
		p.expect("identity")
	}
	if p.is("cascade") {
		p.unsupported(p.tok.pos, "TRUNCATE … CASCADE").WithHint("Truncate the referencing tables too.")
	}
	p.accept("restrict")
	return s
}

// alter reads ALTER TABLE.
func (p *parser) alter() statement {
	pos := p.tok.pos
	p.expect("alter")
	if !p.is("table") {
		if p.tok.kind == tokWord {
			p.unsupported(pos, "ALTER %s", strings.ToUpper(p.tok.text))
		} else {
			p.unexpected()
		}
		return &alterTable{}
	}
	p.advance()
	s := &alterTable{ifExists: p.ifExists()}
	p.accept("only")
	s.target = p.tableName()
	for {
		s.actions = append(s.actions, p.alterAction())
		if !p.acceptOp(",") {
			return s
		}
	}
}

func (p *parser) alterAction() alterAction {
	a := alterAction{pos: p.tok.pos}
	switch {
	case p.accept("add"):
		if p.is("constraint") || p.is("primary") || p.is("unique") || p.is("check") || p.is("foreign") {
			p.unsupported(a.pos, "ALTER TABLE … ADD CONSTRAINT").WithHint("A unique constraint can be made with CREATE UNIQUE INDEX.")
			return a
		}
		a.kind = "ADD"
		p.accept("column")
		a.conditional = p.ifNotExists()
		a.column = p.columnDef()
	case p.accept("drop"):
		if p.is("constraint") {
			p.unsupported(a.pos, "ALTER TABLE … DROP CONSTRAINT")
			return a
		}
		a.kind = "DROP"
		p.accept("column")
		a.conditional = p.ifExists()
		a.name = p.nameAt()
		if a.cascade = p.accept("cascade"); !a.cascade {
			p.accept("restrict")
		}
	case p.accept2("rename", "to"):
		a.kind, a.to = "RENAME TABLE", p.nameAt()
	case p.is("rename") && p.peek().is("constraint"):
		p.unsupported(a.pos, "ALTER TABLE … RENAME CONSTRAINT")
	case p.accept("rename"):
		a.kind = "RENAME COLUMN"
		p.accept("column")
		a.name = p.nameAt()
		p.expect("to")
		a.to = p.nameAt()
	case p.tok.kind == tokWord:
		word := strings.ToUpper(p.tok.text)
		p.unsupported(a.pos, "ALTER TABLE … %s", word)
	default:
		p.unexpected()
	}
	return a
}
