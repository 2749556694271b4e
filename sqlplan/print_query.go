package sqlplan

import (
	"strconv"
	"strings"
)

// query writes a query; with aliases, its columns get the names by which a
// query around it knows them.
func (p *printer) query(q *query, aliases bool) {
	p.with(q.with)
	switch {
	case q.core != nil && q.core.on != nil:
		p.distinctOn(q, aliases)
		return
	case q.core != nil:
		p.core(q, aliases)
	case q.set != nil:
		p.setOperand(q.set.left, true, aliases)
		p.w(" ", q.set.op)
		if q.set.all {
			p.w(" ALL")
		}
		p.w(" ")
		p.setOperand(q.set.right, false, false)
	case q.order != nil || q.limit != nil || q.offset != nil:
		p.w("SELECT * FROM (VALUES ") // VALUES takes none of these in SQLite
		p.rows(q.values.rows)
		p.w(")")
	default:
		p.w("VALUES ")
		p.rows(q.values.rows)
	}
	if q.order != nil {
		p.w(" ORDER BY ")
		p.orderItems(q.order)
	}
	p.limits(q)
}

func (p *printer) limits(q *query) {
	if q.limit != nil {
		p.w(" LIMIT ")
		p.limit(q.limit)
	} else if q.offset != nil {
		p.w(" LIMIT -1")
	}
	if q.offset != nil {
		p.w(" OFFSET ")
		p.limit(q.offset)
	}
}

// distinctOn writes SELECT DISTINCT ON, which SQLite does not have: of the rows
// that are equal in its expressions the first in the query's order stays.
//
//	SELECT a, b FROM (SELECT a, b, row_number() OVER (PARTITION BY … ORDER BY …) AS "row",
//	  … AS "order 1" FROM …) WHERE "row" = 1 ORDER BY "order 1" …
func (p *printer) distinctOn(q *query, aliases bool) {
	c := *q.core
	c.on = nil
	inner := &query{pos: q.pos, core: &c, cols: append([]outColumn(nil), q.cols...)}
	c.items = append([]selectItem(nil), c.items...)
	used := names{}
	for _, col := range q.cols {
		used[strings.ToLower(col.emit)] = 1
	}
	add := func(x expr, name string) (emit string) {
		emit = used.unique(name)
		c.items = append(c.items, selectItem{x: x})
		inner.cols = append(inner.cols, outColumn{name: emit, emit: emit})
		return emit
	}
	order := append([]orderItem(nil), q.order...)
	outer := append([]orderItem(nil), q.order...)
	for i, o := range order {
		if o.ordinal > 0 {
			order[i].x, order[i].ordinal = c.items[o.ordinal-1].x, 0
		}
		name := add(order[i].x, "order "+strconv.Itoa(i+1))
		outer[i].x, outer[i].ordinal = &columnRef{node: *order[i].x.base(), column: name}, 0
	}
	row := add(&call{name: "row_number", emit: "row_number", over: &window{partition: q.core.on, order: order}}, "row")
	p.w("SELECT ")
	for i, col := range q.cols {
		if i > 0 {
			p.w(", ")
		}
		p.name(col.emit)
	}
	p.w(" FROM (")
	p.core(inner, true)
	p.w(") WHERE ")
	p.name(row)
	p.w(" = 1")
	if outer != nil {
		p.w(" ORDER BY ")
		p.orderItems(outer)
	}
	p.limits(q)
}

// singleRow writes a query used as a value. SQLite would take the first row of
// several; unless it is known that there is one at most, the rows are counted,
// two being enough:
//
//	SELECT q_single(count(*), max(a)), max(b) FROM (SELECT * FROM (query) LIMIT 2)
func (p *printer) singleRow(q *query, known bool) {
	if known {
		p.query(q, false)
		return
	}
	p.w("SELECT ")
	for i, c := range q.cols {
		if i == 0 {
			p.w("q_single(count(*), max(")
			p.name(c.emit)
			p.w("))")
			continue
		}
		p.w(", max(")
		p.name(c.emit)
		p.w(")")
	}
	p.w(" FROM (SELECT * FROM (")
	p.query(q, true)
	p.w(") LIMIT 2)")
}

// limit writes the operand of LIMIT or OFFSET. NULL is none in PostgreSQL and an
// error in SQLite, where a negative number is none.
func (p *printer) limit(e expr) {
	if notNull(e) {
		p.expr(e)
		return
	}
	p.w("ifnull(")
	p.expr(e)
	p.w(", -1)")
}

// setOperand writes one side of a set operation. SQLite has neither
// parentheses nor precedence there, and groups to the left; what would group
// otherwise becomes a query of its own.
func (p *printer) setOperand(q *query, left, aliases bool) {
	if q.with == nil && q.order == nil && q.limit == nil && q.offset == nil && (q.set == nil || left) && (q.core == nil || q.core.on == nil) {
		p.query(q, aliases)
		return
	}
	p.w("SELECT * FROM (")
	p.query(q, aliases)
	p.w(")")
}

func (p *printer) rows(rows [][]expr) {
	for i, row := range rows {
		if i > 0 {
			p.w(", ")
		}
		p.w("(")
		p.list(row)
		p.w(")")
	}
}

func (p *printer) with(w *with) {
	if w == nil {
		return
	}
	p.w("WITH ")
	if w.recursive {
		p.w("RECURSIVE ")
	}
	for i, c := range w.ctes {
		if i > 0 {
			p.w(", ")
		}
		p.name(c.name)
		p.w("(")
		for j, col := range c.cols {
			if j > 0 {
				p.w(", ")
			}
			p.name(col.emit)
		}
		p.w(") AS ")
		if c.materialized != "" {
			p.w(c.materialized, " ")
		}
		p.w("(")
		p.query(c.query, false)
		p.w(")")
	}
	p.w(" ")
}

func (p *printer) core(q *query, aliases bool) {
	c := q.core
	p.w("SELECT ")
	if c.distinct {
		p.w("DISTINCT ")
	}
	if len(c.items) == 0 {
		p.w("NULL") // a SELECT without columns has rows all the same
	}
	for i, item := range c.items {
		if i > 0 {
			p.w(", ")
		}
		p.expr(item.x)
		if aliases && i < len(q.cols) {
			if ref, ok := item.x.(*columnRef); !ok || ref.col == nil || ref.col.emit != q.cols[i].emit {
				p.w(" AS ")
				p.name(q.cols[i].emit)
			}
		}
	}
	p.from(c.from)
	if c.where != nil {
		p.w(" WHERE ")
		p.expr(c.where)
	}
	if c.group != nil {
		p.w(" GROUP BY ")
		p.groups(c.group)
	}
	if c.having != nil {
		p.w(" HAVING ")
		p.expr(c.having)
	}
	for i, w := range c.windows {
		if i == 0 {
			p.w(" WINDOW ")
		} else {
			p.w(", ")
		}
		p.name(w.name)
		p.w(" AS ")
		p.window(w.def)
	}
}

// groups writes GROUP BY; a constant there would be a column's number to
// SQLite.
func (p *printer) groups(list []expr) {
	for i, e := range list {
		if i > 0 {
			p.w(", ")
		}
		if c, ok := e.(*constant); ok {
			p.w("ifnull(")
			p.value(c.val)
			p.w(", NULL)")
			continue
		}
		p.expr(e)
	}
}

func (p *printer) from(list []fromItem) {
	for i, f := range list {
		if i == 0 {
			p.w(" FROM ")
		} else {
			p.w(", ")
		}
		if j, ok := f.(*join); ok && i > 0 && outerRight(j) {
			p.w("(")
			p.fromItem(f)
			p.w(")")
			continue
		}
		p.fromItem(f)
	}
}

// outerRight: a RIGHT or FULL join, which SQLite would extend over the items
// of FROM before it, because its comma binds like a join.
func outerRight(j *join) bool {
	left, ok := j.left.(*join)
	return j.kind == "RIGHT" || j.kind == "FULL" || ok && outerRight(left)
}

func (p *printer) fromItem(f fromItem) {
	switch x := f.(type) {
	case *tableRef:
		if x.cte != nil {
			p.name(x.cte.name)
			p.alias(x.item.emit, x.cte.name)
			return
		}
		p.name(x.item.relation.Name)
		p.alias(x.item.emit, x.item.relation.Name)
	case *subqueryRef:
		p.w("(")
		p.query(x.sub, true)
		p.w(")")
		p.alias(x.item.emit, "")
	case *arrayRef:
		p.arrays(x.arrays)
	case *join:
		p.fromItem(x.left)
		switch x.kind {
		case "INNER":
			p.w(" JOIN ")
		default:
			p.w(" ", x.kind, " JOIN ")
		}
		if _, nested := x.right.(*join); nested {
			p.w("(")
			p.fromItem(x.right)
			p.w(")")
		} else {
			p.fromItem(x.right)
		}
		if x.on != nil {
			p.w(" ON ")
			p.expr(x.on)
		}
	}
}

func (p *printer) arrays(arrays []expr) {
	p.w("json_each(")
	if len(arrays) == 1 {
		p.expr(arrays[0]) // NULL has no elements
	} else {
		p.w("q_zip(")
		p.list(arrays)
		p.w(")")
	}
	p.w(")")
}

func (p *printer) alias(name, own string) {
	if name != own {
		p.w(" AS ")
		p.name(name)
	}
}

func (p *printer) insert(s *insertStatement) {
	p.with(s.with)
	p.w("INSERT INTO ")
	p.target(s.target)
	if s.source == nil {
		p.w(" DEFAULT VALUES")
	} else {
		p.w(" (")
		for i, c := range s.columns {
			if i > 0 {
				p.w(", ")
			}
			p.name(c.name)
		}
		p.w(") ")
		p.source(s)
	}
	if s.conflict != nil {
		p.conflict(s.conflict)
	}
	p.returning(s.returning)
}

// source writes what is inserted. Before ON CONFLICT a query needs a WHERE,
// or SQLite reads ON as a join's (https://sqlite.org/lang_upsert.html,
// section 2.2).
func (p *printer) source(s *insertStatement) {
	if s.conflict != nil && s.source.values == nil {
		p.w("SELECT * FROM (")
		p.query(s.source, false)
		p.w(") WHERE 1")
		return
	}
	p.query(s.source, false)
}

// target writes the table that is written to, with its alias.
func (p *printer) target(t *tableRef) {
	p.name(t.item.relation.Name)
	if t.alias != "" {
		p.w(" AS ")
		p.name(t.alias)
	} else if t.item.emit != t.item.relation.Name {
		t.item.emit = t.item.relation.Name
	}
}

func (p *printer) conflict(c *onConflict) {
	p.w(" ON CONFLICT")
	if c.target != nil {
		p.w(" (")
		for i, t := range c.target {
			if i > 0 {
				p.w(", ")
			}
			p.expr(t.x)
		}
		p.w(")")
	}
	if c.where != nil {
		p.w(" WHERE ")
		bare := p.bare
		p.bare = true
		p.expr(c.where)
		p.bare = bare
	}
	p.w(" DO ", c.doing)
	if c.doing != "UPDATE" {
		return
	}
	p.sets(c.update)
	if c.filter != nil {
		p.w(" WHERE ")
		p.expr(c.filter)
	}
}

func (p *printer) sets(list []assignment) {
	p.w(" SET ")
	for i, a := range list {
		if i > 0 {
			p.w(", ")
		}
		if a.sub == nil {
			p.name(a.columns[0].name)
			p.w(" = ")
			p.expr(a.x)
			continue
		}
		p.w("(")
		for j, c := range a.columns {
			if j > 0 {
				p.w(", ")
			}
			p.name(c.name)
		}
		p.w(") = (")
		p.singleRow(a.sub, singleRow(a.sub))
		p.w(")")
	}
}

func (p *printer) returning(items []selectItem) {
	for i, item := range items {
		if i == 0 {
			p.w(" RETURNING ")
		} else {
			p.w(", ")
		}
		p.expr(item.x)
	}
}

func (p *printer) update(s *updateStatement) {
	p.with(s.with)
	p.w("UPDATE ")
	p.target(s.target)
	p.sets(s.sets)
	p.from(s.from)
	if s.where != nil {
		p.w(" WHERE ")
		p.expr(s.where)
	}
	p.returning(s.returning)
}

// delete writes DELETE; SQLite has no USING, so the rows are found by a query.
func (p *printer) delete(s *deleteStatement) {
	p.with(s.with)
	p.w("DELETE FROM ")
	p.target(s.target)
	switch {
	case s.using != nil:
		rowid := s.target.item.rowidName()
		p.w(" WHERE ", rowid, " IN (SELECT ")
		p.name(s.target.item.emit)
		p.w(".", rowid, " FROM ")
		p.fromItem(s.target)
		for _, f := range s.using {
			p.w(", ")
			p.fromItem(f)
		}
		if s.where != nil {
			p.w(" WHERE ")
			p.expr(s.where)
		}
		p.w(")")
	case s.where != nil:
		p.w(" WHERE ")
		p.expr(s.where)
	}
	p.returning(s.returning)
}
