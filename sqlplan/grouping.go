package sqlplan

import "quorate/internal/errcode"

// checkGrouping holds a grouped SELECT to the rule that SQLite does not know
// (PostgreSQL manual, SELECT, GROUP BY): outside of aggregates only grouped
// expressions, and the columns of a table whose primary key is grouped, have
// one value. SQLite would take that of any row.
func (r *resolver) checkGrouping(q *query, sc *scope) {
	g := groups{r: r, sc: sc, seen: map[string]bool{}}
	for _, e := range q.core.group {
		g.seen[sqlOf(e)] = true
	}
	for _, item := range q.core.items {
		g.check(item.x)
	}
	g.check(q.core.having)
	for _, e := range q.core.on {
		g.check(e)
	}
	for _, o := range q.order {
		if o.ordinal == 0 {
			g.check(o.x)
		}
	}
	for _, ref := range sc.core.outer {
		g.column(ref, "subquery uses ungrouped column \"%s\" from outer query")
	}
}

type groups struct {
	r    *resolver
	sc   *scope
	seen map[string]bool // the grouped expressions, as printed
}

func (g *groups) check(e expr) {
	if e == nil || g.r.err != nil {
		return
	}
	if len(g.seen) > 0 && g.seen[sqlOf(e)] {
		return
	}
	switch x := e.(type) {
	case *columnRef:
		g.column(x, `column "%s" must appear in the GROUP BY clause or be used in an aggregate function`)
		return
	case *call:
		if x.agg {
			return
		}
	}
	for _, child := range children(e) {
		g.check(child)
	}
}

func (g *groups) column(x *columnRef, message string) {
	mine := false
	for _, item := range g.sc.items {
		mine = mine || item == x.from
	}
	if !mine || g.seen[sqlOf(x)] || g.keyGrouped(x.from) {
		return
	}
	g.r.fail(x.pos, errcode.GroupingError, message, x.from.name+"."+x.col.name)
}

// keyGrouped: the whole primary key of the column's table is grouped.
func (g *groups) keyGrouped(item *rangeItem) bool {
	if item.relation == nil {
		return false
	}
	found := false
	for i, c := range item.relation.Columns {
		if c.PrimaryKey == 0 {
			continue
		}
		if !g.seen[sqlOf(item.ref(&item.columns[i], 0))] {
			return false
		}
		found = true
	}
	return found
}

// children are the expressions directly inside another; queries are not
// entered.
func children(e expr) []expr {
	switch x := e.(type) {
	case *unary:
		return []expr{x.x}
	case *binary:
		return []expr{x.l, x.r}
	case *logical:
		return x.args
	case *isTest:
		return []expr{x.x}
	case *between:
		return []expr{x.x, x.lo, x.hi}
	case *in:
		return append([]expr{x.x}, x.list...)
	case *like:
		return []expr{x.x, x.pattern}
	case *caseExpr:
		list := []expr{}
		if x.operand != nil {
			list = append(list, x.operand)
		}
		for _, w := range x.whens {
			list = append(list, w.cond, w.then)
		}
		if x.other != nil {
			list = append(list, x.other)
		}
		return list
	case *row:
		return x.items
	case *emitCall:
		return x.args
	case *storageCast:
		return []expr{x.x}
	case *call:
		list := append([]expr(nil), x.args...)
		if x.over != nil {
			list = append(list, x.over.partition...)
			for _, o := range x.over.order {
				list = append(list, o.x)
			}
		}
		return list
	}
	return nil
}
