package sqlplan

import "quorate/internal/value"

// singleRow: the query, which is resolved, has one row at most, whatever the
// tables hold: it has no FROM, aggregates without GROUP BY, a LIMIT of 1, or
// asks one table for its whole primary key.
func singleRow(q *query) bool {
	if c, ok := q.limit.(*constant); ok && c.val.Kind() == value.Integer && c.val.Int() <= 1 {
		return true
	}
	switch {
	case q.values != nil:
		return len(q.values.rows) == 1
	case q.core == nil:
		return false
	case len(q.core.from) == 0, q.core.aggregated && q.core.group == nil:
		return true
	case len(q.core.from) > 1:
		return false
	}
	t, ok := q.core.from[0].(*tableRef)
	return ok && t.item != nil && t.item.relation != nil && keyGiven(q.core.where, t.item)
}

// keyGiven: the condition gives every column of the table's primary key a
// value from outside of the table.
func keyGiven(where expr, item *rangeItem) bool {
	given := map[*rangeColumn]bool{}
	conditions := []expr{where}
	if and, ok := where.(*logical); ok && and.op == "AND" {
		conditions = and.args
	}
	for _, e := range conditions {
		b, ok := e.(*binary)
		if !ok || b.op != "=" {
			continue
		}
		for _, pair := range [][2]expr{{b.l, b.r}, {b.r, b.l}} {
			if ref, ok := pair[0].(*columnRef); ok && ref.from == item && !usesItem(pair[1], item) {
				given[ref.col] = true
			}
		}
	}
	found := false
	for i, c := range item.relation.Columns {
		if c.PrimaryKey == 0 {
			continue
		}
		if found = true; !given[&item.columns[i]] {
			return false
		}
	}
	return found
}

// usesItem: the expression may use a column of the table; a query inside may.
func usesItem(e expr, item *rangeItem) bool {
	switch x := e.(type) {
	case *columnRef:
		return x.from == item
	case *subquery, *exists, *in, *collate:
		return true
	}
	for _, child := range children(e) {
		if usesItem(child, item) {
			return true
		}
	}
	return false
}
