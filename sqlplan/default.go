package sqlplan

import "strings"

// A DEFAULT may depend on the time zone of the session that inserts: CURRENT_DATE
// does, and now() for a timestamp without a time zone. SQLite knows no session;
// so such a default is stored with a call of q_zone(), which is UTC, and where
// the planner sees the INSERT it puts the default's expression in place of the
// column that is left out, with the session's time zone. A trigger's INSERT has
// no session, and uses UTC.
const zoneOfInsert = "q_zone"

// zonedParts is a default without its calls of q_zone(), which do not stand in
// quotes; one part when there are none.
func zonedParts(def string) []string {
	var parts []string
	quotes, start := 0, 0
	for i := 0; i < len(def); i++ {
		if def[i] == '\'' {
			quotes++
		}
		if call := zoneOfInsert + "()"; quotes%2 == 0 && strings.HasPrefix(def[i:], call) {
			parts = append(parts, def[start:i])
			start = i + len(call)
		}
	}
	return append(parts, def[start:])
}

// zonedDefaults adds the columns that are left out and whose default depends on
// the session's time zone.
func (r *resolver) zonedDefaults(s *insertStatement, item *rangeItem, columns []int) []int {
	if r.err != nil || r.stored != "" {
		return columns
	}
	for i, c := range item.relation.Columns {
		if len(zonedParts(c.Default)) == 1 || contains(columns, i) {
			continue
		}
		columns = append(columns[:len(columns):len(columns)], i)
		switch x := r.defaultOf(s.target.pos, item, i); {
		case s.source == nil:
			s.source = &query{pos: s.target.pos, values: &values{rows: [][]expr{{x}}}}
		case s.source.values != nil && s.source.order == nil && s.source.limit == nil && s.source.offset == nil:
			for k := range s.source.values.rows {
				s.source.values.rows[k] = append(s.source.values.rows[k], x)
			}
		default:
			if s.source.core == nil || s.source.core.on != nil {
				s.source = starOf(s.source)
			}
			s.source.core.items = append(s.source.core.items, selectItem{x: x})
		}
	}
	return columns
}

// starOf makes SELECT every column FROM (q), of a resolved query.
func starOf(q *query) *query {
	from := &rangeItem{name: "subquery", emit: "subquery", columns: rangeColumns(q.cols)}
	outer := &selectCore{pos: q.pos, from: []fromItem{&subqueryRef{pos: q.pos, sub: q, alias: "subquery", item: from}}}
	for i := range from.columns {
		outer.items = append(outer.items, selectItem{x: from.ref(&from.columns[i], q.pos)})
	}
	return &query{pos: q.pos, core: outer}
}
