package sqlplan

// What depends on the order in which SQLite reads a table is equal on all nodes as
// long as they run the same engine on equal files. While they do not, the node
// refuses it (Plan.ScanOrder). Only what commonly goes wrong is looked for: an
// aggregate that gathers its rows in order, a trigger's body and UPDATE FROM with
// several matches are left to the effects digest.

// cutsUnordered notes a query of which LIMIT, OFFSET or DISTINCT ON keeps some rows,
// and no ORDER BY says which.
func (r *resolver) cutsUnordered(q *query) {
	if q.order != nil {
		return
	}
	whole := *q
	whole.limit, whole.offset = nil, nil
	switch {
	case q.core != nil && q.core.on != nil:
		r.scanOrder = "DISTINCT ON without ORDER BY"
	case q.limit == nil && q.offset == nil, singleRow(&whole):
	case q.limit != nil:
		r.scanOrder = "LIMIT without ORDER BY"
	default:
		r.scanOrder = "OFFSET without ORDER BY"
	}
}

// numbersUnordered notes rows of a query that are given their rowids in the order in
// which they come. columns are those that the query gives values for. A table
// without rowids has none to give, and one whose rowid is among the columns gets
// them from the query.
func (r *resolver) numbersUnordered(source *query, target *Relation, columns []int) {
	if source.order != nil || singleRow(source) || target.WithoutRowid {
		return
	}
	if key := target.rowidAlias(); key < 0 || !contains(columns, key) {
		r.scanOrder = "INSERT … SELECT without ORDER BY into a table that numbers its rows"
	}
}
