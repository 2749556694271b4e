package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// sameName compares identifiers as SQLite does: without regard to ASCII case.
func sameName(a, b string) bool { return a == b || strings.EqualFold(a, b) }

// column resolves c or t.c from the innermost scope outwards.
func (r *resolver) column(x *columnRef, sc *scope) expr {
	if r.err != nil {
		return x
	}
	asked := r.asked
	r.asked = false
	for s := sc; s != nil; s = s.parent {
		found, e := r.columnIn(x, s)
		if r.err != nil {
			return x
		}
		if found {
			r.indexColumn(e, asked)
			// WHERE, ON and GROUP BY, whose scopes name their clause, see rows that
			// are not grouped yet.
			if s != sc && s.core != nil && s.clause == "" && s.core.inside == 0 && (sc.core == nil || sc.core != s.core) {
				if ref, ok := e.(*columnRef); ok {
					s.core.outer = append(s.core.outer, ref)
				}
			}
			return e
		}
	}
	r.noColumn(x, sc)
	return x
}

// indexOr resolves an expression which, when so, may be a full text index.
func (r *resolver) indexOr(so bool, e expr, sc *scope) expr {
	_, isColumn := e.(*columnRef)
	r.asked = so && isColumn
	defer func() { r.asked = false }()
	return r.expr(e, sc)
}

// indexColumn refuses a full text index's column of its own name, but where it
// stands for the index: before MATCH, and first among the arguments of bm25 and
// the like. Its value is the number of a cursor of the connection.
func (r *resolver) indexColumn(e expr, asked bool) {
	ref, ok := e.(*columnRef)
	if !ok || asked || !ref.col.hidden || ref.from.relation == nil {
		return
	}
	if rel := ref.from.relation; rel.Kind == VirtualTable && sameName(ref.col.name, rel.Name) {
		r.unsupported(ref.pos, "the full text index \"%s\" as a value", rel.Name).
			WithHint("Ask it with %s MATCH 'words', and name its columns for their values.", rel.Name)
	}
}

// columnIn looks in one scope.
func (r *resolver) columnIn(x *columnRef, s *scope) (found bool, e expr) {
	if x.table == "" {
		for _, m := range s.merged {
			if sameName(m.name, x.column) {
				return true, m.make(x.pos)
			}
		}
	}
	var hits int
	for _, item := range s.items {
		if x.table != "" && !sameName(x.table, item.name) {
			continue
		}
		if c := item.find(x.column); c != nil && (!c.hidden || x.table != "" || hits == 0) {
			x.from, x.col = item, c
			hits++
			if item.twice(c) {
				hits++
			}
		}
	}
	switch hits {
	case 0:
		return false, nil
	case 1:
		x.typ = x.col.typ
		return true, x
	}
	r.fail(x.pos, errcode.AmbiguousColumn, "column reference \"%s\" is ambiguous", x.column)
	return true, x
}

func (item *rangeItem) find(name string) *rangeColumn {
	for i := range item.columns {
		if sameName(item.columns[i].name, name) {
			return &item.columns[i]
		}
	}
	if r := item.relation; r != nil && r.Kind == Table && !r.WithoutRowid && (sameName(name, "rowid") || sameName(name, "_rowid_")) {
		return &rangeColumn{name: name, emit: name, typ: pgtype.Of(pgtype.Int8), notNull: true, hidden: true}
	}
	return nil
}

// twice: another column of the item has the same name, as in (SELECT 1 AS x, 2 AS x).
func (item *rangeItem) twice(c *rangeColumn) bool {
	if item.relation != nil {
		return false
	}
	for i := range item.columns {
		if other := &item.columns[i]; other != c && sameName(other.name, c.name) {
			return true
		}
	}
	return false
}

func (r *resolver) noColumn(x *columnRef, sc *scope) {
	if x.table == "" {
		r.fail(x.pos, errcode.UndefinedColumn, "column \"%s\" does not exist", x.column)
		return
	}
	for s := sc; s != nil; s = s.parent {
		for _, item := range s.items {
			if sameName(item.name, x.table) {
				r.fail(x.pos, errcode.UndefinedColumn, "column %s.%s does not exist", x.table, x.column)
				return
			}
		}
	}
	r.fail(x.pos, errcode.UndefinedTable, "missing FROM-clause entry for table \"%s\"", x.table)
}

// ref makes a resolved reference to a column.
func (item *rangeItem) ref(c *rangeColumn, pos int) *columnRef {
	return &columnRef{node: node{pos, c.typ}, table: item.name, column: c.name, from: item, col: c}
}

// expandStar makes the references that * or t.* stands for.
func (r *resolver) expandStar(x *star, sc *scope) []selectItem {
	var items []selectItem
	if x.table == "" {
		if len(sc.items) == 0 {
			r.fail(x.pos, errcode.SyntaxError, "SELECT * with no tables specified is not valid")
		}
		for _, m := range sc.merged {
			if m.make == nil {
				continue // one more table's share of a column that is there already
			}
			items = append(items, selectItem{x: m.make(x.pos), alias: m.name})
		}
	}
	found := false
	for _, item := range sc.items {
		if x.table != "" && !sameName(x.table, item.name) {
			continue
		}
		found = true
		for i := range item.columns {
			c := &item.columns[i]
			if c.hidden || x.table == "" && sc.isMerged(c) {
				continue
			}
			items = append(items, selectItem{x: item.ref(c, x.pos), alias: c.name})
		}
	}
	if !found && x.table != "" {
		r.fail(x.pos, errcode.UndefinedTable, "missing FROM-clause entry for table \"%s\"", x.table)
	}
	return items
}

func (sc *scope) isMerged(c *rangeColumn) bool {
	for _, m := range sc.merged {
		if m.col == c || m.twin == c {
			return true
		}
	}
	return false
}

// notNull says whether an expression is known never to be NULL.
func notNull(e expr) bool {
	switch x := e.(type) {
	case *constant:
		return !x.val.IsNull()
	case *columnRef:
		return x.col != nil && x.col.notNull && !x.from.optional
	case *isTest, *exists:
		return true
	case *call:
		return x.name == "count" || x.name == "row_number" || x.name == "rank" || x.name == "dense_rank"
	}
	return false
}
