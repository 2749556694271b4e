package sqlplan

import (
	"fmt"
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// from resolves FROM into the scope.
func (r *resolver) from(list []fromItem, sc *scope) {
	for i, f := range list {
		list[i] = r.fromItem(f, sc)
	}
}

func (r *resolver) fromItem(f fromItem, sc *scope) fromItem {
	if r.err != nil {
		return f
	}
	switch x := f.(type) {
	case *tableRef:
		return r.tableRef(x, sc)
	case *subqueryRef:
		cols := r.query(x.sub, sc.parent)
		x.item = &rangeItem{name: x.alias, emit: x.alias, columns: rangeColumns(cols)}
		r.renameColumns(x.item, x.columns, x.pos)
		r.addItem(x.item, x.pos, sc)
	case *functionRef:
		return r.functionRef(x, sc)
	case *join:
		r.join(x, sc)
	}
	return f
}

func (r *resolver) addItem(item *rangeItem, pos int, sc *scope) {
	for _, other := range sc.items {
		if item.name != "" && sameName(other.name, item.name) {
			r.fail(pos, errcode.DuplicateAlias, "table name \"%s\" specified more than once", item.name)
			return
		}
	}
	sc.items = append(sc.items, item)
}

// rangeColumns makes a subquery's result the columns of a range.
func rangeColumns(cols []outColumn) []rangeColumn {
	out := make([]rangeColumn, len(cols))
	for i, c := range cols {
		out[i] = rangeColumn{name: c.name, emit: c.emit, typ: c.typ, notNull: c.notNull}
	}
	return out
}

func (r *resolver) renameColumns(item *rangeItem, names []string, pos int) {
	visible := 0
	for i := range item.columns {
		if item.columns[i].hidden {
			continue
		}
		if visible < len(names) {
			item.columns[i].name = names[visible]
		}
		visible++
	}
	if len(names) > visible {
		r.fail(pos, errcode.InvalidColumnReference, "table \"%s\" has %d columns available but %d columns specified", item.name, visible, len(names))
	}
}

// tableRef resolves a name in FROM: a WITH query or a relation.
func (r *resolver) tableRef(x *tableRef, sc *scope) fromItem {
	name := x.alias
	if name == "" {
		name = x.name
	}
	if x.schema == "" {
		for s := r.ctes; s != nil; s = s.parent {
			if sameName(s.cte.name, x.name) {
				x.cte = s.cte
				if s.cte.cols == nil {
					r.fail(x.pos, errcode.UndefinedTable, "relation \"%s\" does not exist", x.name).
						WithDetail("There is a WITH item named \"%s\", but it cannot be referenced from this part of the query.", x.name)
					return x
				}
				x.item = &rangeItem{name: name, emit: name, columns: append([]rangeColumn(nil), s.cte.cols...)}
				r.renameColumns(x.item, x.columns, x.pos)
				r.addItem(x.item, x.pos, sc)
				return x
			}
		}
	}
	rel := r.relation(x)
	if rel == nil {
		return x
	}
	x.item = relationItem(rel, name)
	r.renameColumns(x.item, x.columns, x.pos)
	r.addItem(x.item, x.pos, sc)
	return x
}

// relation finds a table or view by name.
func (r *resolver) relation(x *tableRef) *Relation {
	r.tables = true
	switch x.schema {
	case "", "public":
	case "pg_catalog", "information_schema":
		r.fail(x.pos, errcode.UndefinedTable, "relation \"%s\" does not exist", x.schema+"."+x.name)
		return nil
	default:
		r.fail(x.pos, errcode.UndefinedTable, "relation \"%s\" does not exist", x.schema+"."+x.name).
			WithDetail("There is one schema, public.")
		return nil
	}
	if rel := r.schema.find(x.name); rel != nil {
		if rel.Kind == Index {
			r.fail(x.pos, errcode.WrongObjectType, "cannot open relation \"%s\"", x.name).WithDetail("This operation is not supported for indexes.")
			return nil
		}
		return rel
	}
	if sameName(x.name, "sqlite_schema") || sameName(x.name, "sqlite_master") {
		return sqliteSchema
	}
	r.fail(x.pos, errcode.UndefinedTable, "relation \"%s\" does not exist", x.name)
	return nil
}

// sqliteSchema is SQLite's own table of what there is
// (https://sqlite.org/schematab.html), which may be read.
var sqliteSchema = &Relation{
	Name: "sqlite_schema", Kind: View,
	Columns: []Column{
		{Name: "type", Type: pgtype.Of(pgtype.Text)},
		{Name: "name", Type: pgtype.Of(pgtype.Text)},
		{Name: "tbl_name", Type: pgtype.Of(pgtype.Text)},
		{Name: "rootpage", Type: pgtype.Of(pgtype.Int8)},
		{Name: "sql", Type: pgtype.Of(pgtype.Text)},
	},
}

func (s *Schema) find(name string) *Relation { return s.Relations[strings.ToLower(name)] }

// relationItem makes a range of a relation.
func relationItem(rel *Relation, name string) *rangeItem {
	item := &rangeItem{name: name, emit: name, relation: rel, columns: make([]rangeColumn, len(rel.Columns))}
	for i, c := range rel.Columns {
		typ := c.Type
		if typ.OID == 0 {
			typ.Mod = -1
		}
		item.columns[i] = rangeColumn{
			name: c.Name, emit: c.Name, typ: typ, hidden: c.Hidden,
			notNull: c.NotNull || rel.rowidAlias() == i, attribute: int16(i + 1),
		}
	}
	return item
}

// rowidAlias is the column that is the table's rowid
// (https://sqlite.org/lang_createtable.html#rowid), -1 when there is none.
// Every integer type is declared INTEGER, so a primary key of one such column
// is one.
func (rel *Relation) rowidAlias() int {
	if rel.Kind != Table || rel.WithoutRowid {
		return -1
	}
	key := -1
	for i := range rel.Columns {
		switch c := &rel.Columns[i]; {
		case c.PrimaryKey > 1:
			return -1
		case c.PrimaryKey == 1 && storageClass(c.Type.OID) == "INTEGER":
			key = i
		}
	}
	return key
}

func (r *resolver) join(j *join, sc *scope) {
	inner := &scope{parent: sc.parent, core: sc.core, clause: "JOIN conditions"}
	j.left = r.fromItem(j.left, inner)
	split := len(inner.items)
	mergedLeft := len(inner.merged)
	right := &scope{parent: sc.parent, core: sc.core}
	j.right = r.fromItem(j.right, right)
	if r.err != nil {
		return
	}
	for _, item := range right.items {
		r.addItem(item, j.pos, inner)
	}
	inner.merged = append(inner.merged, right.merged...)
	if j.natural {
		j.using = commonNames(inner, split)
	}
	if j.on != nil {
		j.on = r.boolean(r.expr(j.on, inner), "JOIN/ON")
	}
	for _, name := range j.using {
		r.using(j, name, inner, split, mergedLeft)
	}
	if j.kind == "LEFT" || j.kind == "FULL" {
		setOptional(inner.items[split:])
	}
	if j.kind == "RIGHT" || j.kind == "FULL" {
		setOptional(inner.items[:split])
	}
	for _, item := range inner.items {
		r.addItem(item, j.pos, sc)
	}
	sc.merged = append(sc.merged, inner.merged...)
}

func setOptional(items []*rangeItem) {
	for _, item := range items {
		item.optional = true
	}
}

// commonNames are the columns that a NATURAL JOIN compares.
func commonNames(sc *scope, split int) []string {
	var names []string
	for _, item := range sc.items[:split] {
		for i, c := range item.columns {
			if c.hidden {
				continue
			}
			for _, other := range sc.items[split:] {
				if o := other.find(c.name); o != nil && !o.hidden && !sc.isTwin(&item.columns[i]) {
					names = append(names, c.name)
				}
			}
		}
	}
	return names
}

// using turns one column of USING into a condition and a merged column.
func (r *resolver) using(j *join, name string, sc *scope, split, mergedLeft int) {
	find := func(items []*rangeItem, side string) (*rangeItem, *rangeColumn) {
		var from *rangeItem
		var col *rangeColumn
		for _, item := range items {
			if c := item.find(name); c != nil && !c.hidden && !sc.isTwin(c) {
				if col != nil {
					r.fail(j.pos, errcode.AmbiguousColumn, "common column name \"%s\" appears more than once in %s table", name, side)
				}
				from, col = item, c
			}
		}
		if col == nil {
			r.fail(j.pos, errcode.UndefinedColumn, "column \"%s\" specified in USING clause does not exist in %s table", name, side)
		}
		return from, col
	}
	li, lc := find(sc.items[:split], "left")
	ri, rc := find(sc.items[split:], "right")
	if r.err != nil {
		return
	}
	for i := range sc.merged[:mergedLeft] {
		if sameName(sc.merged[i].name, name) && j.kind != "INNER" && j.kind != "LEFT" {
			r.unsupported(j.pos, "a %s JOIN with USING over a column that is merged already", j.kind)
			return
		}
	}
	equal := r.compare(&binary{node: node{pos: j.pos}, op: "=", l: li.ref(lc, j.pos), r: ri.ref(rc, j.pos)})
	if j.on == nil {
		j.on = equal
	} else {
		j.on = &logical{node: node{j.pos, pgtype.Of(pgtype.Bool)}, op: "AND", args: []expr{j.on, equal}}
	}
	m := mergedColumn{name: lc.name, col: lc, twin: rc}
	switch j.kind {
	case "RIGHT":
		m.make = func(pos int) expr { return ri.ref(rc, pos) }
	case "FULL":
		m.make = func(pos int) expr {
			c := &call{node: node{pos: pos}, name: "coalesce", keyword: true, args: []expr{li.ref(lc, pos), ri.ref(rc, pos)}}
			return r.unifyCall(c)
		}
	default:
		m.make = func(pos int) expr { return li.ref(lc, pos) }
	}
	// A chain a JOIN b USING (x) JOIN c USING (x) keeps one merged x.
	for i := range sc.merged {
		if sameName(sc.merged[i].name, name) {
			sc.merged = append(sc.merged, mergedColumn{name: "", col: rc, twin: rc})
			return
		}
	}
	sc.merged = append(sc.merged, m)
}

// isTwin says whether a column is hidden behind a merged one.
func (sc *scope) isTwin(c *rangeColumn) bool {
	for _, m := range sc.merged {
		if m.twin == c {
			return true
		}
	}
	return false
}

// functionRef resolves f(…) in FROM: a function of one row becomes a query,
// generate_series a recursive one.
func (r *resolver) functionRef(x *functionRef, sc *scope) fromItem {
	alias := x.alias
	if alias == "" {
		alias = x.call.name
	}
	column := alias
	if len(x.columns) > 0 {
		column = x.columns[0]
	}
	if x.call.name == "unnest" {
		return r.unnest(x, alias, sc)
	}
	if len(x.columns) > 1 {
		r.fail(x.pos, errcode.InvalidColumnReference, "table \"%s\" has 1 columns available but %d columns specified", alias, len(x.columns))
		return x
	}
	sub := &subqueryRef{pos: x.pos, alias: alias}
	if x.call.name == "generate_series" {
		sub.sub = r.generateSeries(x.call, sc.parent)
	} else {
		sub.sub = &query{pos: x.pos, core: &selectCore{pos: x.pos, items: []selectItem{{x: x.call, alias: column}}}}
	}
	if r.err != nil {
		return x
	}
	sub.columns = []string{column}
	return r.fromItem(sub, sc)
}

// generateSeries makes generate_series(start, stop [, step]) of integers
//
//	WITH RECURSIVE s(n) AS (SELECT start WHERE start <= stop
//	  UNION ALL SELECT n + step FROM s WHERE n + step <= stop) SELECT n FROM s
func (r *resolver) generateSeries(c *call, sc *scope) *query {
	if len(c.args) != 2 && len(c.args) != 3 {
		r.fail(c.pos, errcode.UndefinedFunction, "function generate_series with %d arguments does not exist", len(c.args))
		return nil
	}
	for i := range c.args {
		c.args[i] = r.expr(c.args[i], sc)
		if t := c.args[i].base().typ.OID; t != pgtype.Unknown && !isInteger(t) {
			r.unsupported(c.args[i].base().pos, "generate_series of %s", formatType(c.args[i].base().typ))
			return nil
		}
	}
	typ := pgtype.Of(pgtype.Int4)
	for _, a := range c.args {
		if t := a.base().typ.OID; t == pgtype.Int8 {
			typ = pgtype.Of(t)
		}
	}
	for i := range c.args {
		c.args[i] = r.coerce(c.args[i], pgtype.Of(pgtype.Int8), implicit)
	}
	step := expr(integer(c.pos, 1))
	op := "<="
	if len(c.args) == 3 {
		k, ok := c.args[2].(*constant)
		if !ok || k.val.Int() == 0 {
			r.unsupported(c.args[2].base().pos, "a step of generate_series that is not a constant other than 0")
			return nil
		}
		if step = k; k.val.Int() < 0 {
			op = ">="
		}
	}
	name := fmt.Sprintf("series %d", c.pos)
	n := &columnRef{node: node{pos: c.pos}, column: "n"}
	from := func() []fromItem { return []fromItem{&tableRef{pos: c.pos, name: name}} }
	next := func() expr {
		return &binary{node: node{pos: c.pos}, op: "+", l: &columnRef{node: node{pos: c.pos}, column: "n"}, r: step}
	}
	compare := func(l expr) expr { return &binary{node: node{pos: c.pos}, op: op, l: l, r: c.args[1]} }
	first := &query{pos: c.pos, core: &selectCore{pos: c.pos, items: []selectItem{{x: c.args[0]}}, where: compare(c.args[0])}}
	more := &query{pos: c.pos, core: &selectCore{pos: c.pos, items: []selectItem{{x: next()}}, from: from(), where: compare(next())}}
	return &query{
		pos: c.pos,
		with: &with{recursive: true, ctes: []*cte{{pos: c.pos, name: name, columns: []string{"n"},
			query: &query{pos: c.pos, set: &setOperation{pos: c.pos, op: "UNION", all: true, left: first, right: more}}}}},
		core: &selectCore{pos: c.pos, items: []selectItem{{x: &cast{node: node{pos: c.pos}, x: n, to: typ}}}, from: from()},
	}
}
