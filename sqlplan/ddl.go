package sqlplan

import (
	"strconv"
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// edit is one change to the schema: relation takes the place of whatever had
// the name; nil drops it.
type edit struct {
	name     string
	relation *Relation
}

// After returns the schema as it will be when p's DDL has been applied, so
// that the statements after it in the same group can be planned. The version
// stays.
func (s *Schema) After(p *Plan) *Schema {
	if len(p.edits) == 0 {
		return s
	}
	next := &Schema{Version: s.Version, Relations: make(map[string]*Relation, len(s.Relations)+1)}
	for name, rel := range s.Relations {
		next.Relations[name] = rel
	}
	for _, e := range p.edits {
		if e.relation == nil {
			next.drop(e.name)
		} else {
			next.Relations[strings.ToLower(e.name)] = e.relation
		}
	}
	return next
}

// drop forgets a relation and, with a table, its indexes.
func (s *Schema) drop(name string) {
	delete(s.Relations, strings.ToLower(name))
	for key, rel := range s.Relations {
		if rel.Kind == Index && sameName(rel.Table, name) {
			delete(s.Relations, key)
		}
	}
}

// planSchema plans DDL.
func (r *resolver) planSchema(s statement) *Plan {
	r.write = true
	switch x := s.(type) {
	case *createTable:
		return r.createTable(x)
	case *createVirtual:
		return r.createVirtual(x)
	case *createIndex:
		return r.createIndex(x)
	case *createView:
		return r.createView(x)
	case *createTrigger:
		return r.createTrigger(x)
	case *drop:
		return r.drop(x)
	case *alterTable:
		return r.alterTable(x)
	case *maintenance:
		return r.maintenance(x)
	}
	panic("sqlplan: a statement without a plan")
}

// schemaPlan prints DDL.
func (r *resolver) schemaPlan(tag string, print func(*printer)) *Plan {
	p := r.finish(Write, tag, print)
	p.Schema = true
	return p
}

// nothingToDo plans DDL that changes nothing, because of IF EXISTS or IF NOT
// EXISTS. It goes through the log all the same, where the schema's version is
// compared: what was looked at here may have changed.
func nothingToDo(tag, kind, name, state string) *Plan {
	return &Plan{Kind: Write, Tag: tag, SQL: "SELECT NULL WHERE 0",
		Warnings: []string{kind + ` "` + name + `" ` + state + ", skipping"}}
}

// storageClass is the SQLite type that a column of a type is declared with.
func storageClass(oid uint32) string {
	switch oid {
	case pgtype.Int2, pgtype.Int4, pgtype.Int8, pgtype.Bool, pgtype.OID:
		return "INTEGER"
	case pgtype.Float4, pgtype.Float8:
		return "REAL"
	case pgtype.Bytea:
		return "BLOB"
	case pgtype.Numeric, 0:
		return "ANY"
	}
	return "TEXT"
}

// newName checks the name of what is to be made. exists is true when there is
// such a thing and the statement says IF NOT EXISTS.
func (r *resolver) newName(t *tableRef, ifNotExists bool) (exists bool) {
	if t.schema != "" && t.schema != "public" {
		r.fail(t.pos, errcode.InvalidSchemaName, "schema \"%s\" does not exist", t.schema).
			WithDetail("There is one schema, public.")
		return false
	}
	if systemName(t.name) {
		r.fail(t.pos, errcode.InsufficientPrivilege, "permission denied to create \"%s\"", t.name).
			WithDetail("Names that begin with sqlite_ and _quorate_ are reserved.")
		return false
	}
	if r.schema.find(t.name) == nil {
		return false
	}
	if !ifNotExists {
		r.fail(t.pos, errcode.DuplicateTable, "relation \"%s\" already exists", t.name)
	}
	return true
}

// createTable plans CREATE TABLE: the columns with SQLite's classes, what
// their types demand as CHECK constraints, and the types for the type table.
func (r *resolver) createTable(s *createTable) *Plan {
	exists := r.newName(s.target, s.ifNotExists)
	if r.err != nil {
		return &Plan{}
	}
	if len(s.columns) == 0 {
		r.unsupported(s.target.pos, "a table without columns")
		return &Plan{}
	}
	r.stored = "a table's definition"
	t := r.newTable(s)
	if r.err != nil {
		return &Plan{}
	}
	if exists {
		return nothingToDo("CREATE TABLE", "relation", s.target.name, "already exists")
	}
	plan := r.schemaPlan("CREATE TABLE", t.print)
	plan.Warnings = s.warnings
	for _, c := range t.relation.Columns {
		if c.Type.OID != 0 {
			plan.Types = append(plan.Types, TypeChange{Op: SetType, Relation: t.relation.Name, Column: c.Name, Type: c.Type})
		}
	}
	t.relation.SQL = plan.SQL
	plan.edits = []edit{{t.relation.Name, t.relation}}
	return plan
}

// newTable is a table that is being defined.
type newTable struct {
	r        *resolver
	def      *createTable
	relation *Relation
	scope    *scope
	key      *constraint // the primary key
}

func (r *resolver) newTable(s *createTable) *newTable {
	t := &newTable{r: r, def: s, relation: &Relation{Name: s.target.name, WithoutRowid: s.withoutRowid}}
	for i := range s.columns {
		d := &s.columns[i]
		for _, c := range t.relation.Columns {
			if sameName(c.Name, d.name) {
				r.fail(d.pos, errcode.DuplicateColumn, "column \"%s\" specified more than once", d.name)
				return t
			}
		}
		t.relation.Columns = append(t.relation.Columns, Column{Name: d.name, Type: d.typ})
	}
	t.primaryKey()
	t.scope = &scope{items: []*rangeItem{relationItem(t.relation, t.relation.Name)}, clause: "check constraints", bare: true}
	for i := range s.columns {
		t.column(i)
	}
	for i := range s.constraints {
		t.constraint(&s.constraints[i], nil)
	}
	return t
}

// primaryKey finds the primary key, and makes a serial column that is one
// SQLite's INTEGER PRIMARY KEY AUTOINCREMENT.
func (t *newTable) primaryKey() {
	r := t.r
	set := func(c *constraint, columns []nameAt) {
		if t.key != nil && r.err == nil {
			r.fail(c.pos, errcode.InvalidTableDefinition, "multiple primary keys for table \"%s\" are not allowed", t.relation.Name)
			return
		}
		t.key = c
		for i, n := range columns {
			k := t.find(n)
			if k == nil {
				return
			}
			if k.PrimaryKey > 0 {
				r.fail(n.pos, errcode.DuplicateColumn, "column \"%s\" appears twice in primary key constraint", n.name)
				return
			}
			k.PrimaryKey, k.NotNull = i+1, true
		}
	}
	for i := range t.def.columns {
		d := &t.def.columns[i]
		for j := range d.constraints {
			c := &d.constraints[j]
			switch c.kind {
			case "PRIMARY KEY":
				set(c, []nameAt{d.nameAt})
				if c.serial && !isInteger(d.typ.OID) {
					r.fail(c.pos, errcode.InvalidParameterValue, "identity column type must be smallint, integer, or bigint")
				}
			case "IDENTITY":
				if !isInteger(d.typ.OID) {
					r.fail(c.pos, errcode.InvalidParameterValue, "identity column type must be smallint, integer, or bigint")
				}
				d.serial = true
			case "NOT NULL":
				t.relation.Columns[i].NotNull = true
			}
		}
	}
	for i := range t.def.constraints {
		if c := &t.def.constraints[i]; c.kind == "PRIMARY KEY" {
			set(c, c.columns)
		}
	}
	t.serials()
	if t.def.withoutRowid && t.key == nil && r.err == nil {
		r.fail(t.def.target.pos, errcode.InvalidTableDefinition, "a table WITHOUT ROWID needs a primary key")
	}
}

func (t *newTable) serials() {
	for i := range t.def.columns {
		d := &t.def.columns[i]
		if !d.serial || t.r.err != nil {
			continue
		}
		alone := t.key != nil && t.relation.Columns[i].PrimaryKey == 1 && (len(t.key.columns) <= 1)
		if !alone || t.def.withoutRowid {
			t.r.unsupported(d.pos, "a serial or identity column that is not the primary key by itself").
				WithHint("Make it the PRIMARY KEY.")
			return
		}
		t.relation.Columns[i].Identity = true
	}
}

func (t *newTable) find(n nameAt) *Column {
	for i := range t.relation.Columns {
		if sameName(t.relation.Columns[i].Name, n.name) {
			return &t.relation.Columns[i]
		}
	}
	t.r.fail(n.pos, errcode.UndefinedColumn, "column \"%s\" named in key does not exist", n.name)
	return nil
}

// column resolves a column's constraints.
func (t *newTable) column(i int) {
	d, col := &t.def.columns[i], &t.relation.Columns[i]
	for j := range d.constraints {
		t.constraint(&d.constraints[j], col)
	}
}

func (t *newTable) constraint(c *constraint, col *Column) {
	r := t.r
	if r.err != nil {
		return
	}
	switch c.kind {
	case "DEFAULT":
		if col.Identity {
			r.fail(c.pos, errcode.SyntaxError, "both default and identity specified for column \"%s\"", col.Name)
			return
		}
		c.x = r.defaultFor(c.x, col)
		if r.err == nil {
			col.Default = bareSQL(c.x)
		}
	case "GENERATED":
		x := r.expr(c.x, t.scope)
		item := t.scope.items[0]
		for k := range t.relation.Columns {
			if &t.relation.Columns[k] == col {
				x = r.assign(x, item, k)
			}
		}
		c.x, col.Generated = x, true
	case "CHECK":
		c.x = r.boolean(r.expr(c.x, t.scope), "CHECK")
		t.nameCheck(c, col)
	case "REFERENCES":
		t.reference(c)
	case "UNIQUE":
		for _, n := range c.columns {
			t.find(n)
		}
	}
}

// nameCheck names a CHECK as PostgreSQL does (ChooseConstraintName), so that
// an error can name it: table_column_check for a column's and for a table's of
// one column, else table_check, with a number where that is taken.
func (t *newTable) nameCheck(c *constraint, col *Column) {
	if c.name != "" || t.r.err != nil {
		return
	}
	name := t.relation.Name
	if used := columnsOf(c.x, nil); col != nil {
		name += "_" + col.Name
	} else if len(used) == 1 {
		name += "_" + used[0]
	}
	name += "_check"
	taken := map[string]bool{}
	each := func(list []constraint) {
		for _, other := range list {
			taken[other.name] = true
		}
	}
	each(t.def.constraints)
	for _, d := range t.def.columns {
		each(d.constraints)
	}
	c.name = name
	for i := 1; taken[c.name]; i++ {
		c.name = name + strconv.Itoa(i)
	}
}

// columnsOf are the names of the columns in an expression, each once.
func columnsOf(e expr, names []string) []string {
	if ref, ok := e.(*columnRef); ok && ref.col != nil {
		for _, n := range names {
			if n == ref.col.name {
				return names
			}
		}
		return append(names, ref.col.name)
	}
	for _, child := range children(e) {
		names = columnsOf(child, names)
	}
	return names
}

// defaultFor resolves a column's default, as an assignment to it.
func (r *resolver) defaultFor(x expr, col *Column) expr {
	sc := &scope{clause: "DEFAULT expressions"}
	r.byDefault = true
	defer func() { r.byDefault = false }()
	x = r.expr(x, sc)
	if r.err != nil {
		return x
	}
	item := &rangeItem{relation: &Relation{Name: "", Kind: View, Columns: []Column{*col}}}
	return r.assign(x, item, 0)
}

func bareSQL(e expr) string {
	p := printer{bare: true}
	p.expr(e)
	return string(p.buf)
}

// reference checks a foreign key against the table it names.
func (t *newTable) reference(c *constraint) {
	r, ref := t.r, c.ref
	for _, n := range c.columns {
		t.find(n)
	}
	if r.err != nil {
		return
	}
	target := t.relation
	if !sameName(ref.table.name, t.relation.Name) {
		if target = r.relation(ref.table); target == nil {
			return
		}
	}
	if target.Kind != Table {
		r.fail(ref.table.pos, errcode.WrongObjectType, "referenced relation \"%s\" is not a table", ref.table.name)
		return
	}
	n := max(len(c.columns), 1)
	if ref.columns == nil {
		key := 0
		for _, col := range target.Columns {
			if col.PrimaryKey > 0 {
				key++
			}
		}
		switch {
		case key == 0:
			r.fail(ref.table.pos, errcode.UndefinedObject, "there is no primary key for referenced table \"%s\"", target.Name)
		case key != n:
			r.fail(ref.table.pos, errcode.InvalidForeignKey, "number of referencing and referenced columns for foreign key disagree")
		}
		return
	}
	if len(ref.columns) != n {
		r.fail(ref.table.pos, errcode.InvalidForeignKey, "number of referencing and referenced columns for foreign key disagree")
		return
	}
	for _, name := range ref.columns {
		found := false
		for _, col := range target.Columns {
			found = found || sameName(col.Name, name.name)
		}
		if !found {
			r.fail(name.pos, errcode.UndefinedColumn, "column \"%s\" referenced in foreign key constraint does not exist", name.name)
			return
		}
	}
}

// createVirtual plans a full text index. Its columns are text.
func (r *resolver) createVirtual(s *createVirtual) *Plan {
	exists := r.newName(s.target, s.ifNotExists)
	if r.err != nil {
		return &Plan{}
	}
	if exists {
		return nothingToDo("CREATE VIRTUAL TABLE", "relation", s.target.name, "already exists")
	}
	rel := &Relation{Name: s.target.name, Kind: VirtualTable}
	for _, c := range s.columns {
		rel.Columns = append(rel.Columns, Column{Name: c.name, Type: pgtype.Of(pgtype.Text)})
	}
	rel.Columns = append(rel.Columns, Column{Name: rel.Name, Hidden: true}, Column{Name: "rank", Hidden: true, Type: pgtype.Of(pgtype.Float8)})
	r.contentTable(s)
	plan := r.schemaPlan("CREATE VIRTUAL TABLE", func(p *printer) {
		p.w("CREATE VIRTUAL TABLE ")
		p.ifNotExists(s.ifNotExists)
		p.name(s.target.name)
		p.w(" USING fts5(", strings.Join(s.arguments, ", "), ")")
	})
	for _, c := range rel.Columns {
		if c.Type.OID != 0 {
			plan.Types = append(plan.Types, TypeChange{Op: SetType, Relation: rel.Name, Column: c.Name, Type: c.Type})
		}
	}
	rel.Columns = append(rel.Columns, RowIDColumn())
	rel.SQL = plan.SQL
	plan.edits = []edit{{rel.Name, rel}}
	return plan
}

// contentTable checks the table that a full text index is told to read its
// texts from: content = 'docs'. SQLite would look for it at the first use only.
func (r *resolver) contentTable(s *createVirtual) {
	for _, argument := range s.arguments {
		l := lexer{src: argument}
		name, err := l.next()
		equals, err2 := l.next()
		table, err3 := l.next()
		if err != nil || err2 != nil || err3 != nil || !name.is("content") || !equals.isOp("=") || table.text == "" {
			continue
		}
		switch {
		case systemName(table.text):
			r.fail(s.target.pos, errcode.InsufficientPrivilege, "permission denied for table %s", table.text)
		case r.schema.find(table.text) == nil:
			r.fail(s.target.pos, errcode.UndefinedTable, "relation \"%s\" does not exist", table.text).
				WithHint("The option content names the table that holds the texts.")
		}
	}
}

func (p *printer) ifNotExists(yes bool) {
	if yes {
		p.w("IF NOT EXISTS ")
	}
}

func (r *resolver) createIndex(s *createIndex) *Plan {
	rel := r.relation(s.table)
	if rel == nil {
		return &Plan{}
	}
	if systemName(rel.Name) {
		r.fail(s.table.pos, errcode.InsufficientPrivilege, "permission denied for table %s", rel.Name)
		return &Plan{}
	}
	if rel.Kind != Table {
		r.fail(s.table.pos, errcode.WrongObjectType, "cannot create index on relation \"%s\"", rel.Name)
		return &Plan{}
	}
	r.stored = "an index"
	item := relationItem(rel, rel.Name)
	sc := &scope{items: []*rangeItem{item}, clause: "index expressions", bare: true}
	for i := range s.columns {
		c := &s.columns[i]
		c.x = r.expr(c.x, sc)
		if r.err == nil {
			r.sortable(c.x)
		}
	}
	if s.where != nil {
		s.where = r.boolean(r.expr(s.where, sc), "WHERE")
	}
	if s.name.name == "" {
		s.name.name = r.indexName(s, rel)
	}
	exists := r.newName(&tableRef{pos: s.name.pos, name: s.name.name}, s.ifNotExists)
	if r.err != nil {
		return &Plan{}
	}
	if exists {
		return nothingToDo("CREATE INDEX", "relation", s.name.name, "already exists")
	}
	plan := r.schemaPlan("CREATE INDEX", func(p *printer) { p.createIndex(s, rel) })
	index := &Relation{Name: s.name.name, Kind: Index, Table: rel.Name, SQL: plan.SQL}
	for _, c := range s.columns {
		column := Column{}
		if ref, ok := c.x.(*columnRef); ok {
			column.Name = ref.col.emit
		}
		index.Columns = append(index.Columns, column)
	}
	plan.edits = []edit{{index.Name, index}}
	return plan
}

// indexName makes the name that PostgreSQL would choose: t_a_b_idx.
func (r *resolver) indexName(s *createIndex, rel *Relation) string {
	name := rel.Name
	for _, c := range s.columns {
		part := "expr"
		if ref, ok := c.x.(*columnRef); ok && ref.col != nil {
			part = ref.col.name
		} else if call, ok := c.x.(*emitCall); ok {
			part = call.name
		}
		name += "_" + part
	}
	name = clipIdentifier(name + "_idx")
	free := name
	for i := 1; r.schema.Relations[strings.ToLower(free)] != nil; i++ {
		free = name + strconv.Itoa(i)
	}
	return free
}

func (p *printer) createIndex(s *createIndex, rel *Relation) {
	p.bare = true
	p.w("CREATE ")
	if s.unique {
		p.w("UNIQUE ")
	}
	p.w("INDEX ")
	p.ifNotExists(s.ifNotExists)
	p.name(s.name.name)
	p.w(" ON ")
	p.name(rel.Name)
	p.w(" (")
	for i, c := range s.columns {
		if i > 0 {
			p.w(", ")
		}
		p.operand(c.x)
		if c.desc {
			p.w(" DESC")
		}
	}
	p.w(")")
	if s.where != nil {
		p.w(" WHERE ")
		p.expr(s.where)
	}
}

func (r *resolver) createView(s *createView) *Plan {
	if s.replace && r.schema.find(s.target.name) != nil {
		r.unsupported(s.target.pos, "CREATE OR REPLACE VIEW of a view that exists").WithHint("Drop the view first.")
		return &Plan{}
	}
	r.newName(s.target, false)
	if r.err != nil {
		return &Plan{}
	}
	r.stored = "a view"
	cols := r.query(s.query, nil)
	if r.err != nil {
		return &Plan{}
	}
	if len(s.columns) > len(cols) {
		r.fail(s.columns[len(cols)].pos, errcode.SyntaxError, "CREATE VIEW specifies more column names than columns")
		return &Plan{}
	}
	rel := &Relation{Name: s.target.name, Kind: View}
	for i, c := range cols {
		if i < len(s.columns) {
			c.name = s.columns[i].name
		}
		for _, other := range rel.Columns {
			if sameName(other.Name, c.name) {
				r.fail(s.target.pos, errcode.DuplicateColumn, "column \"%s\" specified more than once", c.name)
				return &Plan{}
			}
		}
		if c.typ.OID == pgtype.Unknown {
			c.typ = pgtype.Of(pgtype.Text)
		}
		rel.Columns = append(rel.Columns, Column{Name: c.name, Type: c.typ})
	}
	plan := r.schemaPlan("CREATE VIEW", func(p *printer) {
		p.w("CREATE VIEW ")
		p.name(rel.Name)
		p.w(" (")
		for i, c := range rel.Columns {
			if i > 0 {
				p.w(", ")
			}
			p.name(c.Name)
		}
		p.w(") AS ")
		p.query(s.query, false)
	})
	for _, c := range rel.Columns {
		if c.Type.OID != 0 {
			plan.Types = append(plan.Types, TypeChange{Op: SetType, Relation: rel.Name, Column: c.Name, Type: c.Type})
		}
	}
	rel.SQL = plan.SQL
	plan.edits = []edit{{rel.Name, rel}}
	return plan
}
