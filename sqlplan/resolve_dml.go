package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// target resolves the table that a statement writes to. It may be a view with
// an INSTEAD OF trigger; SQLite knows triggers, and refuses when there is none.
func (r *resolver) target(t *tableRef) *rangeItem {
	rel := r.relation(t)
	if rel == nil {
		return nil
	}
	if systemName(rel.Name) {
		r.fail(t.pos, errcode.InsufficientPrivilege, "permission denied for table %s", t.name).
			WithDetail("Quorate keeps its own state there.")
		return nil
	}
	name := t.alias
	if name == "" {
		name = t.name
	}
	t.item = relationItem(rel, name)
	return t.item
}

// systemName: relations that only Quorate writes.
func systemName(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "_quorate_") || strings.HasPrefix(name, "sqlite_")
}

// targetColumn finds a column that a statement assigns to.
func (r *resolver) targetColumn(item *rangeItem, n nameAt) (index int) {
	for i := range item.columns {
		if sameName(item.columns[i].name, n.name) {
			return i
		}
	}
	r.fail(n.pos, errcode.UndefinedColumn, "column \"%s\" of relation \"%s\" does not exist", n.name, item.relation.Name)
	return -1
}

// assign makes e a value for a column (PostgreSQL manual, section 10.4).
func (r *resolver) assign(e expr, item *rangeItem, column int) expr {
	if r.err != nil {
		return e
	}
	rel, c := item.relation, &item.relation.Columns[column]
	if c.Generated {
		r.fail(e.base().pos, errcode.GeneratedAlways, "cannot insert a non-DEFAULT value into column \"%s\"", c.Name).
			WithDetail("Column \"%s\" is a generated column.", c.Name)
		return e
	}
	to := c.Type
	// A command to a full text index may have its operand, of any type, in rank.
	if to.OID == 0 || rel.Kind == VirtualTable && c.Hidden && c.Name == "rank" {
		r.untyped([]expr{e})
		return e
	}
	if _, isRow := e.(*row); isRow {
		r.fail(e.base().pos, errcode.DatatypeMismatch, "column \"%s\" is of type %s but expression is of type record", c.Name, formatType(to))
		return e
	}
	if from := e.base().typ; !convertible(from.OID, to.OID, assignment_) {
		r.fail(e.base().pos, errcode.DatatypeMismatch, "column \"%s\" is of type %s but expression is of type %s", c.Name, formatType(to), formatType(from)).
			WithHint("You will need to rewrite or cast the expression.")
		return e
	}
	if e.base().typ.OID == 0 { // a column without a type: convert what it holds
		e = r.castCall(e, e.base().typ, to, assignment_)
	} else {
		e = r.coerce(e, to, assignment_)
	}
	if rel.rowidAlias() == column {
		return r.notNullKey(e, rel, c)
	}
	return e
}

// notNullKey keeps a NULL out of an integer primary key. For SQLite a NULL
// there asks for a new id; in PostgreSQL it is an error. An empty string
// cannot be an integer key, so SQLite refuses it (SQLITE_MISMATCH, which the
// state machine reports as 23502).
func (r *resolver) notNullKey(e expr, rel *Relation, c *Column) expr {
	if isNullConstant(e) {
		r.nullKey(e.base().pos, rel, c)
		return e
	}
	if notNull(e) {
		return e
	}
	empty := text(e.base().pos, "")
	return &emitCall{node: *e.base(), name: "ifnull", args: []expr{e, empty}}
}

func (r *resolver) nullKey(pos int, rel *Relation, c *Column) {
	err := r.fail(pos, errcode.NotNullViolation, "null value in column \"%s\" of relation \"%s\" violates not-null constraint", c.Name, rel.Name)
	err.Table, err.Column = rel.Name, c.Name
}

// defaultOf is what DEFAULT stands for.
func (r *resolver) defaultOf(pos int, item *rangeItem, column int) expr {
	c := &item.relation.Columns[column]
	if c.Default == "" {
		if !c.Identity && item.relation.rowidAlias() == column {
			r.nullKey(pos, item.relation, c)
		}
		return &constant{node: node{pos, c.Type}}
	}
	if parts := zonedParts(c.Default); r.stored == "" && len(parts) > 1 {
		return &zonedDefault{node: node{pos, c.Type}, parts: parts, zone: r.session(pos, TimeZone)}
	}
	return &rawSQL{node: node{pos, c.Type}, sql: "(" + c.Default + ")"}
}

func (r *resolver) insert(s *insertStatement) []outColumn {
	saved := r.ctes
	defer func() { r.ctes = saved }()
	r.with(s.with, nil)
	item := r.target(s.target)
	if r.err != nil {
		return nil
	}
	columns := r.insertColumns(s, item)
	if r.err != nil {
		return nil
	}
	switch {
	case s.source == nil:
		columns = nil
	case s.source.values != nil && s.source.with == nil && s.source.order == nil && s.source.limit == nil && s.source.offset == nil:
		columns = r.insertValues(s, item, columns)
	default:
		columns = r.insertQuery(s, item, columns)
	}
	r.missingKey(s, item, columns)
	columns = r.zonedDefaults(s, item, columns)
	s.columns = s.columns[:0]
	for _, c := range columns {
		s.columns = append(s.columns, nameAt{name: item.columns[c].emit})
	}
	if s.conflict != nil {
		r.conflict(s.conflict, item)
	}
	return r.returning(&s.returning, item, nil)
}

// insertColumns are the columns that values go to: those named, else all that
// can be, in order.
func (r *resolver) insertColumns(s *insertStatement, item *rangeItem) []int {
	var columns []int
	if s.columns == nil {
		for i, c := range item.relation.Columns {
			if !c.Hidden && !c.Generated {
				columns = append(columns, i)
			}
		}
		return columns
	}
	for _, n := range s.columns {
		i := r.targetColumn(item, n)
		for _, other := range columns {
			if other == i && r.err == nil {
				r.fail(n.pos, errcode.DuplicateColumn, "column \"%s\" specified more than once", n.name)
			}
		}
		columns = append(columns, i)
	}
	return columns
}

func (r *resolver) tooMany(pos int, s *insertStatement, values, columns int) bool {
	if values > columns {
		r.fail(pos, errcode.SyntaxError, "INSERT has more expressions than target columns")
		return true
	}
	if values < columns && s.columns != nil {
		r.fail(s.columns[values].pos, errcode.SyntaxError, "INSERT has more target columns than expressions")
		return true
	}
	return false
}

// insertValues resolves VALUES row by row. SQLite has no DEFAULT there: a
// column that is DEFAULT in every row is left out, in others the default's
// expression is put.
func (r *resolver) insertValues(s *insertStatement, item *rangeItem, columns []int) []int {
	rows := s.source.values.rows
	for _, row := range rows {
		if len(row) != len(rows[0]) {
			r.fail(row[0].base().pos, errcode.SyntaxError, "VALUES lists must all be the same length")
			return nil
		}
		if r.tooMany(row[min(len(columns), len(row)-1)].base().pos, s, len(row), len(columns)) {
			return nil
		}
	}
	columns = columns[:len(rows[0])]
	columns = dropDefaults(rows, columns)
	for _, row := range rows {
		for i, c := range columns {
			if d, ok := row[i].(*defaultValue); ok {
				row[i] = r.defaultOf(d.pos, item, c)
				continue
			}
			row[i] = r.assign(r.expr(row[i], r.outer), item, c)
		}
	}
	if len(columns) == 0 {
		s.source = nil
		if len(rows) > 1 {
			r.unsupported(s.target.pos, "several rows of nothing but DEFAULT").WithHint("Insert them one by one.")
		}
		return nil
	}
	for i := range rows {
		rows[i] = rows[i][:len(columns)]
	}
	return columns
}

// dropDefaults moves the columns that are DEFAULT in all rows out of them.
func dropDefaults(rows [][]expr, columns []int) []int {
	kept := columns[:0:0]
	for i, c := range columns {
		all := true
		for _, row := range rows {
			_, isDefault := row[i].(*defaultValue)
			all = all && isDefault
		}
		if all {
			continue
		}
		for _, row := range rows {
			row[len(kept)] = row[i]
		}
		kept = append(kept, c)
	}
	return kept
}

// insertQuery resolves a query whose rows are inserted. It may have fewer
// columns than the table when none are named: the first ones get its values.
func (r *resolver) insertQuery(s *insertStatement, item *rangeItem, columns []int) []int {
	cols := r.query(s.source, r.outer)
	if r.err != nil || r.tooMany(s.source.pos, s, len(cols), len(columns)) {
		return nil
	}
	columns = columns[:len(cols)]
	r.numbersUnordered(s.source, item.relation, columns)
	if s.source.core != nil && !s.source.core.distinct && len(s.source.order) == 0 {
		for i, c := range columns {
			x := &s.source.core.items[i].x
			*x = r.assign(*x, item, c)
		}
		return columns
	}
	r.assignQuery(s, item, columns, cols)
	return columns
}

// assignQuery wraps a query whose columns need conversion.
func (r *resolver) assignQuery(s *insertStatement, item *rangeItem, columns []int, cols []outColumn) {
	from := &rangeItem{name: "subquery", emit: "subquery", columns: rangeColumns(cols)}
	outer := &selectCore{pos: s.source.pos, from: []fromItem{&subqueryRef{pos: s.source.pos, sub: s.source, alias: "subquery", item: from}}}
	changed := false
	for i, c := range columns {
		ref := from.ref(&from.columns[i], s.source.pos)
		if ref.typ.OID == pgtype.Unknown {
			ref.typ = pgtype.Of(pgtype.Text)
			if !isText(item.relation.Columns[c].Type.OID) && item.relation.Columns[c].Type.OID != 0 {
				r.unsupported(s.source.pos, "an undecided literal for column \"%s\" in this query", item.relation.Columns[c].Name).
					WithHint("Cast the literal.")
				return
			}
		}
		x := r.assign(ref, item, c)
		changed = changed || x != expr(ref)
		outer.items = append(outer.items, selectItem{x: x})
	}
	if changed {
		s.source = &query{pos: s.source.pos, core: outer}
	}
}

// missingKey: an integer primary key that gets no value is NULL to
// PostgreSQL, and a new id to SQLite.
func (r *resolver) missingKey(s *insertStatement, item *rangeItem, columns []int) {
	key := item.relation.rowidAlias()
	if r.err != nil || key < 0 {
		return
	}
	c := &item.relation.Columns[key]
	if c.Identity || c.Default != "" {
		if c.Default != "" && !c.Identity && !contains(columns, key) {
			r.unsupported(s.target.pos, "leaving out the integer primary key \"%s\", which has a default", c.Name)
		}
		return
	}
	if !contains(columns, key) {
		r.nullKey(s.target.pos, item.relation, c)
	}
}

func contains(list []int, n int) bool {
	for _, i := range list {
		if i == n {
			return true
		}
	}
	return false
}

func (r *resolver) conflict(c *onConflict, item *rangeItem) {
	if item.relation.Kind == VirtualTable {
		r.unsupported(c.pos, "ON CONFLICT of a full text index")
		return
	}
	bare := &scope{items: []*rangeItem{item}, clause: "ON CONFLICT", bare: true}
	for i := range c.target {
		c.target[i].x = r.expr(c.target[i].x, bare)
		if ref, ok := c.target[i].x.(*columnRef); ok && ref.col != nil {
			c.target[i].x = bareColumn(ref)
		}
	}
	if c.where != nil {
		c.where = r.boolean(r.expr(c.where, bare), "WHERE")
	}
	if c.doing != "UPDATE" {
		return
	}
	excluded := relationItem(item.relation, "excluded")
	// An unqualified name is the target's: excluded is a scope further out.
	outer := &scope{parent: r.outer, items: []*rangeItem{excluded}}
	sc := &scope{parent: outer, items: []*rangeItem{item}, clause: "UPDATE"}
	c.update = r.sets(c.update, item, sc)
	if c.filter != nil {
		c.filter = r.boolean(r.expr(c.filter, sc), "WHERE")
	}
}

func bareColumn(ref *columnRef) expr {
	return &rawSQL{node: ref.node, sql: quoteName(ref.col.emit)}
}

// sets resolves the assignments of UPDATE and DO UPDATE.
func (r *resolver) sets(list []assignment, item *rangeItem, sc *scope) []assignment {
	seen := map[int]bool{}
	for k := range list {
		a := &list[k]
		columns := make([]int, len(a.columns))
		for i, n := range a.columns {
			columns[i] = r.targetColumn(item, n)
			if r.err != nil {
				return list
			}
			if seen[columns[i]] {
				r.fail(n.pos, errcode.SyntaxError, "multiple assignments to same column \"%s\"", n.name)
				return list
			}
			seen[columns[i]] = true
			a.columns[i].name = item.columns[columns[i]].emit
		}
		if a.sub != nil {
			r.setQuery(a, item, columns, sc)
			continue
		}
		if d, ok := a.x.(*defaultValue); ok {
			if item.relation.Columns[columns[0]].Identity {
				r.unsupported(d.pos, "DEFAULT for an identity column in UPDATE")
			}
			a.x = r.defaultOf(d.pos, item, columns[0])
			continue
		}
		a.x = r.assign(r.expr(a.x, sc), item, columns[0])
	}
	return list
}

// setQuery resolves (a, b) = (SELECT …).
func (r *resolver) setQuery(a *assignment, item *rangeItem, columns []int, sc *scope) {
	cols := r.query(a.sub, sc)
	if r.err != nil {
		return
	}
	if len(cols) != len(columns) {
		r.fail(a.columns[0].pos, errcode.SyntaxError, "number of columns does not match number of values")
		return
	}
	if a.sub.core == nil || a.sub.core.distinct || a.sub.order != nil {
		r.unsupported(a.sub.pos, "this query in an assignment to several columns")
		return
	}
	for i, c := range columns {
		x := &a.sub.core.items[i].x
		*x = r.assign(*x, item, c)
	}
}

// returning resolves RETURNING. SQLite knows only the target's columns there;
// those of others, the tables of FROM or USING, are refused.
func (r *resolver) returning(list *[]selectItem, item *rangeItem, others []*rangeItem) []outColumn {
	if *list == nil || r.err != nil {
		return nil
	}
	if item.relation.Kind == VirtualTable {
		r.unsupported((*list)[0].x.base().pos, "RETURNING of a full text index").WithHint("SELECT the rows in the same transaction.")
		return nil
	}
	// SQLite does not know the alias there, only the table's own name.
	named := relationItem(item.relation, item.name)
	named.emit = item.relation.Name
	sc := &scope{parent: r.outer, items: append([]*rangeItem{named}, others...), clause: "RETURNING"}
	cols := r.items(list, sc)
	for _, selected := range *list {
		for _, other := range others {
			if r.err == nil && usesItem(selected.x, other) {
				r.unsupported(selected.x.base().pos, "RETURNING a column of \"%s\", which is not what is changed,", other.name)
			}
		}
	}
	return cols
}

func (r *resolver) update(s *updateStatement) []outColumn {
	saved := r.ctes
	defer func() { r.ctes = saved }()
	r.with(s.with, nil)
	item := r.target(s.target)
	if r.err != nil {
		return nil
	}
	sc := &scope{parent: r.outer, items: []*rangeItem{item}, clause: "UPDATE"}
	r.from(s.from, sc)
	s.sets = r.sets(s.sets, item, sc)
	if s.where != nil {
		sc.clause = "WHERE"
		s.where = r.boolean(r.expr(s.where, sc), "WHERE")
	}
	return r.returning(&s.returning, item, sc.items[1:])
}

func (r *resolver) delete(s *deleteStatement) []outColumn {
	saved := r.ctes
	defer func() { r.ctes = saved }()
	r.with(s.with, nil)
	item := r.target(s.target)
	if r.err != nil {
		return nil
	}
	sc := &scope{parent: r.outer, items: []*rangeItem{item}, clause: "WHERE"}
	r.from(s.using, sc)
	if s.where != nil {
		s.where = r.boolean(r.expr(s.where, sc), "WHERE")
	}
	if s.using != nil && (item.relation.Kind != Table || item.relation.WithoutRowid || item.rowidName() == "") {
		r.unsupported(s.target.pos, "DELETE USING on a table without row ids").WithHint("Use WHERE … IN (SELECT …).")
	}
	return r.returning(&s.returning, item, sc.items[1:])
}

// rowidName is a name of the row id that no column hides.
func (item *rangeItem) rowidName() string {
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		hidden := false
		for _, c := range item.columns {
			hidden = hidden || sameName(c.name, name)
		}
		if !hidden {
			return name
		}
	}
	return ""
}
