package sqlplan

import (
	"strconv"
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// query resolves a query whose outer scope is outer and returns its columns.
func (r *resolver) query(q *query, outer *scope) []outColumn {
	if r.err != nil {
		return nil
	}
	saved := r.ctes
	defer func() { r.ctes = saved }()
	r.with(q.with, outer)
	switch {
	case q.core != nil:
		q.cols = r.core(q, outer)
	case q.set != nil:
		q.cols = r.setOperation(q.set, outer)
		r.orderSet(q)
	default:
		q.cols = r.values(q.values, outer)
		r.orderSet(q)
	}
	if q.locking && (q.set != nil || q.values != nil) {
		r.fail(q.pos, errcode.FeatureNotSupported, "FOR UPDATE is not allowed with UNION/INTERSECT/EXCEPT")
	}
	q.limit = r.limit(q.limit, "LIMIT", outer)
	q.offset = r.limit(q.offset, "OFFSET", outer)
	if r.write {
		r.cutsUnordered(q)
	}
	return q.cols
}

// limit types LIMIT and OFFSET: bigint, and not negative.
func (r *resolver) limit(e expr, clause string, outer *scope) expr {
	if e == nil || r.err != nil {
		return e
	}
	var sc *scope
	if outer != nil {
		sc = &scope{parent: outer, clause: clause}
	}
	e = r.expr(e, sc)
	t := e.base().typ
	if r.err == nil && t.OID != pgtype.Unknown && numberRank(t.OID) == 0 {
		r.fail(e.base().pos, errcode.DatatypeMismatch, "argument of %s must be type bigint, not type %s", clause, operandName(t))
		return e
	}
	e = r.coerce(e, pgtype.Of(pgtype.Int8), assignment_)
	if c, ok := e.(*constant); ok && c.val.Int() < 0 {
		r.fail(e.base().pos, errcode.Code("2201W"), "%s must not be negative", clause)
	}
	return e
}

func (r *resolver) with(w *with, outer *scope) {
	if w == nil {
		return
	}
	for i, c := range w.ctes {
		for _, other := range w.ctes[:i] {
			if sameName(other.name, c.name) {
				r.fail(c.pos, errcode.DuplicateAlias, "WITH query name \"%s\" specified more than once", c.name)
				return
			}
		}
		if w.recursive && c.query.set != nil {
			r.recursive(c, outer)
		} else {
			r.cteColumns(c, r.query(c.query, outer))
		}
		r.ctes = &cteScope{r.ctes, c}
	}
}

// recursive resolves a WITH RECURSIVE query: its first part gives the columns
// their types, then the second may name the query itself.
func (r *resolver) recursive(c *cte, outer *scope) {
	set := c.query.set
	first := r.query(set.left, outer)
	for i := range first {
		if first[i].typ.OID == pgtype.Unknown {
			first[i].typ = pgtype.Of(pgtype.Text)
		}
		first[i].typ.Mod = -1 // the second part may have another
	}
	r.cteColumns(c, first)
	for i := range c.cols {
		c.cols[i].notNull = false
	}
	saved := r.ctes
	r.ctes = &cteScope{r.ctes, c}
	r.query(c.query, outer)
	r.ctes = saved
	if r.err != nil {
		return
	}
	for i, col := range c.query.cols {
		if c.cols[i].typ.OID != 0 && col.typ.OID != c.cols[i].typ.OID {
			r.fail(c.pos, errcode.DatatypeMismatch, "recursive query \"%s\" column %d has type %s in non-recursive term but type %s overall",
				c.name, i+1, formatType(c.cols[i].typ), formatType(col.typ)).
				WithHint("Cast the output of the non-recursive term to the correct type.")
			return
		}
	}
}

func (r *resolver) cteColumns(c *cte, cols []outColumn) {
	if r.err != nil {
		return
	}
	if len(c.columns) > len(cols) {
		r.fail(c.pos, errcode.InvalidColumnReference, "WITH query \"%s\" has %d columns available but %d columns specified", c.name, len(cols), len(c.columns))
		return
	}
	c.cols = rangeColumns(cols)
	if c.cols == nil {
		c.cols = []rangeColumn{}
	}
	used := names{}
	for i := range c.cols {
		if i < len(c.columns) {
			c.cols[i].name = c.columns[i]
		}
		c.cols[i].emit = used.unique(c.cols[i].name)
	}
}

// names are those in use, in lower case, with the number that follows the last
// one given to a name that came again: searching from 1 each time would take
// quadratic time for SELECT 1, 1, 1 ….
type names map[string]int

// unique gives columns of the same name different ones for SQLite, which would
// take the first for all.
func (used names) unique(name string) string {
	key := strings.ToLower(name)
	next, taken := used[key]
	if !taken {
		used[key] = 1
		return name
	}
	for {
		suffix := ":" + strconv.Itoa(next)
		next++
		if _, taken := used[key+suffix]; !taken {
			used[key], used[key+suffix] = next, 1
			return name + suffix
		}
	}
}

// core resolves SELECT … FROM … with its ORDER BY.
func (r *resolver) core(q *query, outer *scope) []outColumn {
	c := q.core
	sc := &scope{parent: outer, core: &grouping{}}
	r.from(c.from, sc)
	if c.where != nil {
		sc.clause = "WHERE"
		c.where = r.boolean(r.expr(c.where, sc), "WHERE")
		sc.clause = ""
	}
	r.windows(c, sc)
	cols := r.items(&c.items, sc)
	r.groupBy(c, cols, sc)
	if c.having != nil {
		c.having = r.boolean(r.expr(c.having, sc), "HAVING")
	}
	r.orderCore(q, cols, sc)
	r.distinctOn(q, cols, sc)
	c.aggregated = sc.core.aggregates > 0
	if r.err == nil && (sc.core.aggregates > 0 || c.group != nil || c.having != nil) {
		r.checkGrouping(q, sc)
	}
	if q.locking && (c.distinct || c.on != nil || c.group != nil || sc.core.aggregates > 0) {
		r.fail(q.pos, errcode.FeatureNotSupported, "FOR UPDATE is not allowed with DISTINCT, GROUP BY or aggregate functions")
	}
	return cols
}

func (r *resolver) windows(c *selectCore, sc *scope) {
	if len(c.windows) > 0 {
		sc.core.windows = map[string]*window{}
	}
	for _, w := range c.windows {
		if sc.core.windows[w.name] != nil {
			r.fail(w.def.pos, errcode.WindowingError, "window \"%s\" is already defined", w.name)
		}
		if w.def.ref != "" && sc.core.windows[w.def.ref] == nil {
			r.fail(w.def.pos, errcode.UndefinedObject, "window \"%s\" does not exist", w.def.ref)
		}
		r.window(w.def, sc)
		sc.core.windows[w.name] = w.def
	}
}

// items resolves a select list and expands its stars.
func (r *resolver) items(list *[]selectItem, sc *scope) []outColumn {
	var items []selectItem
	for _, item := range *list {
		if s, ok := item.x.(*star); ok {
			if item.alias != "" {
				r.fail(s.pos, errcode.SyntaxError, `syntax error at or near "%s"`, item.alias)
			}
			items = append(items, r.expandStar(s, sc)...)
			continue
		}
		items = append(items, item)
	}
	if len(items) > maxItems { // by stars: the parser has counted the others
		r.fail((*list)[0].x.base().pos, errcode.TooManyColumns, tooManyItems, maxItems)
		return nil
	}
	cols := make([]outColumn, 0, len(items))
	for i := range items {
		item := &items[i]
		name := item.alias
		if name == "" {
			name, _ = figureName(item.x)
		}
		_, isColumn := item.x.(*columnRef)
		item.x = r.expr(item.x, sc)
		if r.err != nil {
			return nil
		}
		cols = append(cols, r.outColumn(item, name, isColumn))
	}
	used := names{}
	for i := range cols {
		cols[i].emit = used.unique(cols[i].name)
	}
	*list = items
	return cols
}

// outColumn describes a result column; isColumn: it was written as a column,
// without a cast.
func (r *resolver) outColumn(item *selectItem, name string, isColumn bool) outColumn {
	if _, isRow := item.x.(*row); isRow {
		r.unsupported(item.x.base().pos, "a row as a result column")
	}
	col := outColumn{name: name, typ: item.x.base().typ, notNull: notNull(item.x)}
	if x, ok := item.x.(*columnRef); ok && isColumn && x.from != nil && x.from.relation != nil && x.col.attribute > 0 {
		col.relation, col.attribute = x.from.relation.OID, x.col.attribute
	}
	return col
}

// figureName is the name that PostgreSQL gives a result column without AS
// (FigureColname in its parser). strength 2 is a name of its own, 1 a type's.
func figureName(e expr) (name string, strength int) {
	switch x := e.(type) {
	case *columnRef:
		return x.column, 2
	case *collate:
		return figureName(x.x)
	case *call:
		return x.name, 2
	case *cast:
		if !x.literal {
			if name, strength := figureName(x.x); strength == 2 {
				return name, 2
			}
		}
		return pgtype.InternalName(x.to.OID), 1
	case *caseExpr:
		if x.other != nil {
			if name, strength := figureName(x.other); strength == 2 {
				return name, 2
			}
		}
		return "case", 1
	case *exists:
		return "exists", 2
	case *subquery:
		q := x.sub
		for q.set != nil {
			q = q.set.left
		}
		if q.core != nil && len(q.core.items) > 0 {
			if a := q.core.items[0].alias; a != "" {
				return a, 2
			}
			return figureName(q.core.items[0].x)
		}
		return "column1", 2
	case *row:
		return "row", 2
	}
	return "?column?", 0
}

// groupBy resolves GROUP BY: an input column, else a result column's name or
// number (PostgreSQL manual, SELECT).
func (r *resolver) groupBy(c *selectCore, cols []outColumn, sc *scope) {
	sc.clause = "GROUP BY"
	defer func() { sc.clause = "" }()
	for i, e := range c.group {
		if r.err != nil {
			return
		}
		if n, ok := ordinal(e); ok {
			if n < 1 || n > len(cols) {
				r.fail(e.base().pos, errcode.InvalidColumnReference, "GROUP BY position %d is not in select list", n)
				return
			}
			c.group[i] = c.items[n-1].x
			continue
		}
		if x, ok := e.(*columnRef); ok && x.table == "" && !sc.has(x.column) {
			if j := byName(cols, x.column); j >= 0 {
				c.group[i] = c.items[j].x
				continue
			}
		}
		c.group[i] = r.expr(e, sc)
	}
}

// ordinal reads an integer constant in ORDER BY or GROUP BY.
func ordinal(e expr) (int, bool) {
	c, ok := e.(*constant)
	if !ok || c.typ.OID != pgtype.Int4 {
		return 0, false
	}
	return int(c.val.Int()), true
}

func (sc *scope) has(column string) bool {
	for _, m := range sc.merged {
		if sameName(m.name, column) {
			return true
		}
	}
	for _, item := range sc.items {
		if item.find(column) != nil {
			return true
		}
	}
	return false
}

func byName(cols []outColumn, name string) int {
	for i, c := range cols {
		if sameName(c.name, name) {
			return i
		}
	}
	return -1
}

// orderCore resolves ORDER BY of a SELECT: a result column's name or number,
// else an expression over the input columns.
func (r *resolver) orderCore(q *query, cols []outColumn, sc *scope) {
	for i := range q.order {
		o := &q.order[i]
		if r.err != nil {
			return
		}
		if r.orderOutput(o, cols) {
			if o.ordinal == 0 {
				continue
			}
			x := q.core.items[o.ordinal-1].x
			if r.sortable(x); x.base().typ.OID != pgtype.Interval {
				continue
			}
			if q.core.distinct {
				r.unsupported(o.x.base().pos, "SELECT DISTINCT sorted by an interval")
			}
			o.x, o.ordinal = sortKey(x), 0
			continue
		}
		o.x = r.expr(o.x, sc)
		if r.err != nil {
			return
		}
		if c, ok := o.x.(*constant); ok {
			r.fail(c.pos, errcode.SyntaxError, "non-integer constant in ORDER BY")
			return
		}
		r.sortable(o.x)
		o.keepNulls = keepNulls(*o)
		if q.core.distinct && !inList(o.x, q.core.items) {
			r.fail(o.x.base().pos, errcode.InvalidColumnReference, "for SELECT DISTINCT, ORDER BY expressions must appear in select list")
		}
		if q.core.distinct && o.x.base().typ.OID == pgtype.Interval {
			r.unsupported(o.x.base().pos, "SELECT DISTINCT sorted by an interval")
		}
		o.x = sortKey(o.x)
	}
}

// distinctOn resolves DISTINCT ON, whose expressions are read like ORDER BY's
// and have to be the first of those.
func (r *resolver) distinctOn(q *query, cols []outColumn, sc *scope) {
	c := q.core
	seen := map[string]bool{}
	for i, e := range c.on {
		if r.err != nil {
			return
		}
		o := orderItem{x: e}
		if r.orderOutput(&o, cols) && r.err == nil {
			c.on[i] = c.items[o.ordinal-1].x
		} else {
			c.on[i] = r.expr(e, sc)
		}
		if r.err == nil {
			seen[sqlOf(c.on[i])] = true
		}
	}
	matched := map[string]bool{}
	for _, o := range q.order {
		if r.err != nil || len(matched) == len(seen) {
			return
		}
		x := o.x
		if o.ordinal > 0 {
			x = c.items[o.ordinal-1].x
		}
		if !seen[sqlOf(x)] {
			r.fail(c.on[0].base().pos, errcode.InvalidColumnReference, "SELECT DISTINCT ON expressions must match initial ORDER BY expressions")
			return
		}
		matched[sqlOf(x)] = true
	}
}

// orderOutput handles names and numbers of result columns.
func (r *resolver) orderOutput(o *orderItem, cols []outColumn) bool {
	if n, ok := ordinal(o.x); ok {
		if n < 1 || n > len(cols) {
			r.fail(o.x.base().pos, errcode.InvalidColumnReference, "ORDER BY position %d is not in select list", n)
			return true
		}
		o.ordinal = n
	} else if x, ok := o.x.(*columnRef); ok && x.table == "" && x.col == nil {
		o.ordinal = byName(cols, x.column) + 1
	}
	if o.ordinal == 0 {
		return false
	}
	o.keepNulls = nullsMatch(*o) || cols[o.ordinal-1].notNull && o.nulls == ""
	return true
}

// nullsMatch says whether SQLite, where NULL is the smallest value, puts NULLs
// where the item wants them. PostgreSQL's default is as if NULL were largest.
func nullsMatch(o orderItem) bool {
	return o.nulls == "FIRST" && !o.desc || o.nulls == "LAST" && o.desc
}

// keepNulls: nothing has to be said about NULLs, so that an index can serve
// the order.
func keepNulls(o orderItem) bool { return nullsMatch(o) || notNull(o.x) }

func inList(e expr, items []selectItem) bool {
	text := sqlOf(e)
	for _, item := range items {
		if sqlOf(item.x) == text {
			return true
		}
	}
	return false
}

// setOperation resolves both sides and gives their columns common types.
func (r *resolver) setOperation(s *setOperation, outer *scope) []outColumn {
	left := s.left.cols
	if left == nil {
		left = r.query(s.left, outer)
	}
	right := r.query(s.right, outer)
	if r.err != nil {
		return nil
	}
	name := s.op
	if len(left) != len(right) {
		r.fail(s.right.pos, errcode.SyntaxError, "each %s query must have the same number of columns", name)
		return nil
	}
	cols := append([]outColumn(nil), left...)
	want := make([]pgtype.Type, len(cols))
	for i := range cols {
		t, ok := commonType([]pgtype.Type{left[i].typ, right[i].typ})
		if !ok {
			r.fail(s.right.pos, errcode.DatatypeMismatch, "%s types %s and %s cannot be matched", name, formatType(left[i].typ), formatType(right[i].typ))
			return nil
		}
		want[i] = t
		cols[i].typ, cols[i].relation, cols[i].attribute = t, 0, 0
		cols[i].notNull = left[i].notNull && right[i].notNull
	}
	s.left = r.coerceQuery(s.left, want, implicit)
	s.right = r.coerceQuery(s.right, want, implicit)
	return cols
}

// orderSet resolves ORDER BY of a set operation or VALUES: result columns only.
func (r *resolver) orderSet(q *query) {
	for i := range q.order {
		o := &q.order[i]
		if r.err != nil {
			return
		}
		if !r.orderOutput(o, q.cols) {
			r.fail(o.x.base().pos, errcode.FeatureNotSupported, "invalid UNION/INTERSECT/EXCEPT ORDER BY clause").
				WithDetail("Only result column names can be used, not expressions or functions.").
				WithHint("Add the expression/function to every SELECT, or move the UNION into a FROM clause.")
			return
		}
		if r.err == nil && q.cols[o.ordinal-1].typ.OID == pgtype.Interval {
			r.unsupported(o.x.base().pos, "UNION/INTERSECT/EXCEPT sorted by an interval")
		}
	}
}

// values resolves VALUES as a query.
func (r *resolver) values(v *values, outer *scope) []outColumn {
	var sc *scope
	if outer != nil {
		sc = &scope{parent: outer, clause: "VALUES"}
	}
	for _, row := range v.rows {
		if len(row) != len(v.rows[0]) {
			r.fail(row[0].base().pos, errcode.SyntaxError, "VALUES lists must all be the same length")
			return nil
		}
		for i, e := range row {
			row[i] = r.expr(e, sc)
		}
	}
	if r.err != nil || len(v.rows) == 0 {
		return nil
	}
	cols := make([]outColumn, len(v.rows[0]))
	for i := range cols {
		list := make([]expr, len(v.rows))
		for j, row := range v.rows {
			list[j] = row[i]
		}
		typ := r.unifyValues(list)
		for j, row := range v.rows {
			row[i] = list[j]
		}
		name := "column" + strconv.Itoa(i+1)
		cols[i] = outColumn{name: name, emit: name, typ: typ}
	}
	return cols
}

// unifyValues is unify, but leaves a column of undecided literals undecided.
func (r *resolver) unifyValues(list []expr) pgtype.Type {
	for _, e := range list {
		if e.base().typ.OID != pgtype.Unknown {
			return r.unify(list, "VALUES")
		}
	}
	return pgtype.Of(pgtype.Unknown)
}

// coerceQuery gives a query's columns the wanted types: in its select list
// where that is the same, else in a query around it.
func (r *resolver) coerceQuery(q *query, want []pgtype.Type, c context) *query {
	if r.err != nil {
		return q
	}
	same := true
	for i, t := range want {
		have := q.cols[i].typ
		same = same && (have == t || t.OID == 0 || t.Mod < 0 && have.OID == t.OID)
	}
	if same {
		return q
	}
	switch {
	case q.core != nil && (!q.core.distinct && len(q.order) == 0 || literals(q, want)):
		for i := range want {
			q.core.items[i].x = r.coerce(q.core.items[i].x, want[i], c)
			q.cols[i].typ = q.core.items[i].x.base().typ
		}
		return q
	case q.values != nil && len(q.order) == 0:
		for _, row := range q.values.rows {
			for i := range want {
				row[i] = r.coerce(row[i], want[i], c)
			}
		}
		for i := range want {
			q.cols[i].typ = want[i]
		}
		return q
	}
	item := &rangeItem{name: "subquery", emit: "subquery", columns: rangeColumns(q.cols)}
	outer := &query{pos: q.pos, core: &selectCore{pos: q.pos, from: []fromItem{&subqueryRef{pos: q.pos, sub: q, alias: "subquery", item: item}}}}
	outer.cols = append([]outColumn(nil), q.cols...)
	for i := range want {
		x := r.coerce(item.ref(&item.columns[i], q.pos), want[i], c)
		outer.core.items = append(outer.core.items, selectItem{x: x})
		outer.cols[i].typ = x.base().typ
	}
	return outer
}

// literals: only undecided literals and parameters change, whose conversion
// cannot change an order or what is distinct.
func literals(q *query, want []pgtype.Type) bool {
	for i, t := range want {
		if q.cols[i].typ.OID == t.OID || q.cols[i].typ.OID == pgtype.Unknown {
			continue
		}
		return false
	}
	return true
}
