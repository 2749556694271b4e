package sqlplan

import (
	"sort"
	"strings"

	"quorate/internal/errcode"
)

// createTrigger plans a trigger; the statements of its body are planned like
// any others, with NEW and OLD as tables in sight.
func (r *resolver) createTrigger(s *createTrigger) *Plan {
	rel := r.relation(s.table)
	if rel == nil {
		return &Plan{}
	}
	if systemName(rel.Name) || systemName(s.name.name) {
		r.fail(s.table.pos, errcode.InsufficientPrivilege, "permission denied for table %s", rel.Name)
		return &Plan{}
	}
	if (s.timing == "INSTEAD OF") != (rel.Kind == View) {
		r.fail(s.table.pos, errcode.WrongObjectType, "\"%s\" cannot have %s triggers", rel.Name, s.timing).
			WithHint("Views have INSTEAD OF triggers, tables have BEFORE and AFTER triggers.")
		return &Plan{}
	}
	r.stored = "a trigger"
	sc := &scope{clause: "trigger WHEN conditions"}
	add := func(name string) {
		item := relationItem(rel, name)
		item.emit = strings.ToUpper(name)
		sc.items = append(sc.items, item)
	}
	if s.event != "DELETE" {
		add("new")
	}
	if s.event != "INSERT" {
		add("old")
	}
	for i, n := range s.columns {
		k := r.targetColumn(relationItem(rel, rel.Name), n)
		if r.err != nil {
			return &Plan{}
		}
		s.columns[i].name = rel.Columns[k].Name
	}
	if s.when != nil {
		s.when = r.boolean(r.expr(s.when, sc), "WHEN")
	}
	for _, b := range s.body {
		r.triggerStatement(b, sc)
	}
	if r.err != nil {
		return &Plan{}
	}
	return r.schemaPlan("CREATE TRIGGER", func(p *printer) { p.trigger(s, rel) })
}

// triggerStatement resolves a statement of a trigger's body and refuses what
// SQLite does not take there.
func (r *resolver) triggerStatement(s statement, sc *scope) {
	r.outer = sc
	defer func() { r.outer = nil }()
	var returning []selectItem
	pos := 0
	switch x := s.(type) {
	case *insertStatement:
		if x.source == nil {
			r.unsupported(x.target.pos, "DEFAULT VALUES in a trigger")
		}
		r.insert(x)
		returning, pos = x.returning, x.target.pos
	case *updateStatement:
		r.update(x)
		returning, pos = x.returning, x.target.pos
		if x.target.alias != "" {
			r.unsupported(pos, "an alias for the table that a trigger changes")
		}
	case *deleteStatement:
		r.delete(x)
		returning, pos = x.returning, x.target.pos
		if x.target.alias != "" {
			r.unsupported(pos, "an alias for the table that a trigger changes")
		}
	case *selectStatement:
		r.query(x.query, sc)
		if x.query.with != nil {
			r.unsupported(x.query.pos, "WITH in a trigger")
		}
	}
	if returning != nil {
		r.unsupported(pos, "RETURNING in a trigger")
	}
}

func (p *printer) trigger(s *createTrigger, rel *Relation) {
	p.w("CREATE TRIGGER ")
	p.ifNotExists(s.ifNotExists)
	p.name(s.name.name)
	p.w(" ", s.timing, " ", s.event)
	for i, c := range s.columns {
		if i == 0 {
			p.w(" OF ")
		} else {
			p.w(", ")
		}
		p.name(c.name)
	}
	p.w(" ON ")
	p.name(rel.Name)
	p.w(" FOR EACH ROW")
	if s.when != nil {
		p.w(" WHEN ")
		p.expr(s.when)
	}
	p.w(" BEGIN ")
	for _, b := range s.body {
		p.change(b)
		p.w("; ")
	}
	p.w("END")
}

// drop plans DROP.
func (r *resolver) drop(s *drop) *Plan {
	if len(s.names) > 1 {
		r.unsupported(s.names[1].pos, "dropping several relations in one statement").
			WithHint("Drop them one by one; several statements in one query are one transaction.")
		return &Plan{}
	}
	t := s.names[0]
	plan := r.schemaPlan("DROP "+s.kind, func(p *printer) {
		p.w("DROP ", s.kind, " ")
		if s.ifExists {
			p.w("IF EXISTS ")
		}
		p.name(t.name)
	})
	if systemName(t.name) {
		r.fail(t.pos, errcode.InsufficientPrivilege, "permission denied for table %s", t.name)
	}
	if t.schema != "" && t.schema != "public" {
		r.fail(t.pos, errcode.InvalidSchemaName, "schema \"%s\" does not exist", t.schema)
	}
	if s.kind == "TRIGGER" || r.err != nil {
		return plan // the planner does not know triggers; SQLite does
	}
	rel := r.schema.find(t.name)
	word := strings.ToLower(s.kind)
	switch {
	case rel == nil && s.ifExists:
		return nothingToDo(plan.Tag, word, t.name, "does not exist")
	case rel == nil:
		code := errcode.UndefinedTable
		if s.kind == "INDEX" {
			code = errcode.UndefinedObject
		}
		r.fail(t.pos, code, "%s \"%s\" does not exist", word, t.name)
		return plan
	case kindWord(rel.Kind) != s.kind:
		right := kindWord(rel.Kind)
		article := "a"
		if s.kind == "INDEX" {
			article = "an"
		}
		r.fail(t.pos, errcode.WrongObjectType, "\"%s\" is not %s %s", t.name, article, word).
			WithHint("Use DROP %s to remove it.", right)
		return plan
	case strings.HasPrefix(strings.ToLower(rel.Name), "sqlite_autoindex_"):
		r.fail(t.pos, errcode.DependentObjectsStillExist, "cannot drop index %s because a constraint requires it", rel.Name)
		return plan
	}
	if s.kind != "INDEX" {
		r.dependents(s, rel)
		plan.Types = []TypeChange{{Op: DropRelation, Relation: rel.Name}}
	}
	plan.edits = []edit{{name: rel.Name}}
	return plan
}

func kindWord(k RelationKind) string {
	switch k {
	case View:
		return "VIEW"
	case Index:
		return "INDEX"
	}
	return "TABLE"
}

// dependents refuses to drop what views select from and foreign keys
// reference. SQLite would leave the views broken, and would delete a
// referenced table's rows with all that their ON DELETE actions do.
func (r *resolver) dependents(s *drop, rel *Relation) {
	names := make([]string, 0, len(r.schema.Relations))
	for name := range r.schema.Relations {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		other := r.schema.Relations[name]
		if other == rel || other.Kind == Index || !mentions(other, rel.Name) {
			continue
		}
		if s.cascade {
			r.unsupported(s.names[0].pos, "DROP … CASCADE with dependent relations").
				WithDetail("%s depends on %s.", other.Name, rel.Name).
				WithHint("Drop %s first.", other.Name)
			return
		}
		word := strings.ToLower(s.kind)
		r.fail(s.names[0].pos, errcode.DependentObjectsStillExist, "cannot drop %s %s because other objects depend on it", word, rel.Name).
			WithDetail("%s %s depends on %s %s", strings.ToLower(kindWord(other.Kind)), other.Name, word, rel.Name).
			WithHint("Drop %s first.", other.Name)
		return
	}
}

// mentions reports whether a view's query names a relation, a table's foreign
// key references it, or a full text index reads its texts from it, by the words
// of their declarations.
func mentions(other *Relation, name string) bool {
	l := lexer{src: other.SQL}
	var before, first token
	for {
		t, err := l.next()
		if err != nil || t.kind == tokEnd {
			return false
		}
		isName := t.kind == tokWord || t.kind == tokQuoted
		switch {
		case !sameName(t.text, name):
		case isName && before.is("references"):
			return true
		case isName && other.Kind == View && (before.is("from") || before.is("join") || before.isOp(",") || before.isOp("(")):
			return true
		case other.Kind == VirtualTable && before.isOp("=") && first.is("content"): // as a name or as a string
			return true
		}
		first, before = before, t
	}
}

// indexOf is the full text index, the first by name, that reads its texts from a
// table; nil when there is none.
func (r *resolver) indexOf(rel *Relation) (found *Relation) {
	for _, other := range r.schema.Relations {
		if other.Kind == VirtualTable && mentions(other, rel.Name) && (found == nil || other.Name < found.Name) {
			found = other
		}
	}
	return found
}

// alterTable plans ALTER TABLE with one action.
func (r *resolver) alterTable(s *alterTable) *Plan {
	if len(s.actions) > 1 {
		r.unsupported(s.actions[1].pos, "ALTER TABLE with several actions").
			WithHint("Send them one by one; several statements in one query are one transaction.")
		return &Plan{}
	}
	if s.ifExists && r.schema.find(s.target.name) == nil && s.target.schema == "" {
		return nothingToDo("ALTER TABLE", "relation", s.target.name, "does not exist")
	}
	rel := r.relation(s.target)
	if rel == nil {
		return &Plan{}
	}
	if systemName(rel.Name) {
		r.fail(s.target.pos, errcode.InsufficientPrivilege, "permission denied for table %s", rel.Name)
		return &Plan{}
	}
	a := &s.actions[0]
	if rel.Kind != Table && (rel.Kind != VirtualTable || a.kind != "RENAME TABLE") {
		r.fail(s.target.pos, errcode.WrongObjectType, "\"%s\" is not a table", rel.Name)
		return &Plan{}
	}
	r.stored = "a table's definition"
	switch a.kind {
	case "ADD":
		return r.addColumn(rel, a)
	case "DROP":
		return r.dropColumn(rel, a)
	case "RENAME COLUMN":
		return r.renameColumn(rel, a)
	}
	return r.renameTable(rel, a)
}

// copyOf is a relation that may be changed.
func copyOf(rel *Relation) *Relation {
	next := *rel
	next.Columns = append([]Column(nil), rel.Columns...)
	return &next
}

func (rel *Relation) column(name string) int {
	for i := range rel.Columns {
		if sameName(rel.Columns[i].Name, name) {
			return i
		}
	}
	return -1
}

// addColumn plans ADD COLUMN. SQLite adds a column without touching the rows,
// which is why it cannot be unique, nor have a default that must be computed
// (https://sqlite.org/lang_altertable.html).
func (r *resolver) addColumn(rel *Relation, a *alterAction) *Plan {
	d := &a.column
	if rel.column(d.name) >= 0 {
		if a.conditional {
			return nothingToDo("ALTER TABLE", "column", d.name, `of relation "`+rel.Name+`" already exists`)
		}
		r.fail(d.pos, errcode.DuplicateColumn, "column \"%s\" of relation \"%s\" already exists", d.name, rel.Name)
		return &Plan{}
	}
	if d.serial {
		r.unsupported(d.pos, "adding a serial column")
		return &Plan{}
	}
	next := copyOf(rel)
	next.Columns = append(next.Columns, Column{Name: d.name, Type: d.typ})
	t := &newTable{r: r, def: &createTable{}, relation: next}
	t.scope = &scope{items: []*rangeItem{relationItem(next, rel.Name)}, clause: "check constraints", bare: true}
	col := &next.Columns[len(next.Columns)-1]
	for i := range d.constraints {
		c := &d.constraints[i]
		switch c.kind {
		case "PRIMARY KEY", "UNIQUE", "IDENTITY", "GENERATED":
			r.unsupported(c.pos, "ADD COLUMN with %s", c.kind).WithHint("A unique constraint can be made with CREATE UNIQUE INDEX.")
			return &Plan{}
		case "NOT NULL":
			col.NotNull = true
		}
		t.constraint(c, col)
		if c.kind == "DEFAULT" && r.err == nil {
			if _, ok := c.x.(*constant); !ok {
				r.unsupported(c.pos, "ADD COLUMN with a default that is not a constant").
					WithHint("Add the column with a constant default, then UPDATE.")
			}
		}
	}
	if col.NotNull && col.Default == "" || col.NotNull && col.Default == "NULL" {
		r.unsupported(d.pos, "ADD COLUMN … NOT NULL without a default").WithHint("Give the column a DEFAULT.")
	}
	if r.err != nil {
		return &Plan{}
	}
	plan := r.schemaPlan("ALTER TABLE", func(p *printer) {
		p.bare = true
		p.w("ALTER TABLE ")
		p.name(rel.Name)
		p.w(" ADD COLUMN ")
		p.column(d, col, nil)
	})
	if d.typ.OID != 0 {
		plan.Types = []TypeChange{{Op: SetType, Relation: rel.Name, Column: d.name, Type: d.typ}}
	}
	plan.edits = []edit{{rel.Name, next}}
	return plan
}

func (r *resolver) dropColumn(rel *Relation, a *alterAction) *Plan {
	i := rel.column(a.name.name)
	if i < 0 {
		if a.conditional {
			return nothingToDo("ALTER TABLE", "column", a.name.name, `of relation "`+rel.Name+`" does not exist`)
		}
		r.fail(a.name.pos, errcode.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", a.name.name, rel.Name)
		return &Plan{}
	}
	if rel.Columns[i].PrimaryKey > 0 {
		r.unsupported(a.name.pos, "dropping a column of the primary key")
		return &Plan{}
	}
	next := copyOf(rel)
	name := rel.Columns[i].Name
	next.Columns = append(next.Columns[:i:i], next.Columns[i+1:]...)
	plan := r.schemaPlan("ALTER TABLE", func(p *printer) {
		p.w("ALTER TABLE ")
		p.name(rel.Name)
		p.w(" DROP COLUMN ")
		p.name(name)
	})
	plan.Types = []TypeChange{{Op: DropColumn, Relation: rel.Name, Column: name}}
	plan.edits = []edit{{rel.Name, next}}
	return plan
}

func (r *resolver) renameColumn(rel *Relation, a *alterAction) *Plan {
	i := rel.column(a.name.name)
	if i < 0 {
		r.fail(a.name.pos, errcode.UndefinedColumn, "column \"%s\" does not exist", a.name.name)
		return &Plan{}
	}
	if k := rel.column(a.to.name); k >= 0 && k != i {
		r.fail(a.to.pos, errcode.DuplicateColumn, "column \"%s\" of relation \"%s\" already exists", a.to.name, rel.Name)
		return &Plan{}
	}
	next := copyOf(rel)
	name := rel.Columns[i].Name
	next.Columns[i].Name = a.to.name
	plan := r.schemaPlan("ALTER TABLE", func(p *printer) {
		p.w("ALTER TABLE ")
		p.name(rel.Name)
		p.w(" RENAME COLUMN ")
		p.name(name)
		p.w(" TO ")
		p.name(a.to.name)
	})
	plan.Types = []TypeChange{{Op: RenameColumn, Relation: rel.Name, Column: name, NewName: a.to.name}}
	plan.edits = []edit{{rel.Name, next}}
	return plan
}

func (r *resolver) renameTable(rel *Relation, a *alterAction) *Plan {
	r.newName(&tableRef{pos: a.to.pos, name: a.to.name}, false)
	if r.err != nil {
		return &Plan{}
	}
	if index := r.indexOf(rel); index != nil {
		r.fail(a.pos, errcode.DependentObjectsStillExist, "cannot rename table %s because other objects depend on it", rel.Name).
			WithDetail("The full text index %s reads its texts from it by its name.", index.Name).
			WithHint("Drop the index first, and make it again.")
		return &Plan{}
	}
	next := copyOf(rel)
	next.Name = a.to.name
	for i := range next.Columns { // a full text index's column of its own name
		if c := &next.Columns[i]; c.Hidden && c.Name == rel.Name {
			c.Name = next.Name
		}
	}
	plan := r.schemaPlan("ALTER TABLE", func(p *printer) {
		p.w("ALTER TABLE ")
		p.name(rel.Name)
		p.w(" RENAME TO ")
		p.name(a.to.name)
	})
	plan.Types = []TypeChange{{Op: RenameRelation, Relation: rel.Name, NewName: a.to.name}}
	plan.edits = []edit{{name: rel.Name}, {a.to.name, next}}
	for _, other := range r.schema.Relations {
		if other.Kind == Index && sameName(other.Table, rel.Name) {
			index := copyOf(other)
			index.Table = a.to.name
			plan.edits = append(plan.edits, edit{index.Name, index})
		}
	}
	sort.SliceStable(plan.edits[2:], func(i, j int) bool { return plan.edits[2+i].name < plan.edits[2+j].name })
	return plan
}
