package sqlgen

import (
	"fmt"
	"slices"
	"strings"
)

// query draws a SELECT, as it is in a transaction that is replayed: what it
// answers is compared.
func (g *generator) query() Statement {
	return Statement{Kind: "select", SQL: g.selects(3)}
}

func (g *generator) selects(width int) string {
	a := pick(g.c, g.m.tables)
	switch g.c.n(6) {
	case 0:
		b := pick(g.c, g.m.tables)
		s := append(columnsOf(a.columns, "a"), columnsOf(b.columns, "b")...)
		join := g.c.of("JOIN", "LEFT JOIN", "CROSS JOIN")
		on := ""
		if join != "CROSS JOIN" {
			on = " ON " + g.predicate(s)
		}
		return fmt.Sprintf("SELECT %s FROM %s a %s %s b%s%s%s LIMIT 30", g.list(width, s), a.name, join, b.name, on, g.where(s), g.order(s))
	case 1:
		s := columnsOf(a.columns, "")
		k := pick(g.c, s)
		return fmt.Sprintf("SELECT %s, count(*), max(%s) FROM %s%s GROUP BY %s%s", k.text, g.c.of("1", "'x'", a.columns[0].name+"::text"), a.name, g.where(s), k.text, g.c.of("", " HAVING count(*) > 1", " ORDER BY 2, 1"))
	case 2:
		s := columnsOf(a.columns, "")
		k := s[0].text
		return fmt.Sprintf("SELECT %s FROM %s %s SELECT %s FROM %s%s", k, a.name, g.c.of("UNION", "UNION ALL", "EXCEPT", "INTERSECT"), k, a.name, g.where(s))
	case 3:
		if len(g.m.views) > 0 {
			v := pick(g.c, g.m.views)
			s := columnsOf(v.columns, "")
			return fmt.Sprintf("SELECT %s FROM %s%s%s LIMIT 20", g.list(width, s), v.name, g.where(s), g.order(s))
		}
	case 4:
		return "SELECT " + g.list(width, nil)
	}
	s := columnsOf(a.columns, "")
	return fmt.Sprintf("SELECT %s%s FROM %s%s%s%s", g.c.of("", "", "DISTINCT "), g.list(width, s), a.name, g.where(s), "", g.c.of("", " LIMIT 10", " LIMIT 5 OFFSET 2"))
}

func (g *generator) list(width int, s scope) string {
	var list []string
	for i := range g.c.in(1, width) {
		list = append(list, fmt.Sprintf("%s AS c%d", g.expr(pick(g.c, types), 3, s), i))
	}
	return strings.Join(list, ", ")
}

func (g *generator) order(s scope) string {
	switch g.c.n(4) {
	case 0:
		return " ORDER BY random()"
	case 1:
		if r := pick(g.c, s); comparable(r.typ) {
			return " ORDER BY " + r.text + g.c.of("", " DESC", " NULLS FIRST")
		}
	}
	return ""
}

// with draws statements with WITH.
func (g *generator) with() Statement {
	t, from := pick(g.c, g.m.tables), pick(g.c, g.m.tables)
	s := columnsOf(from.columns, "")
	cte := fmt.Sprintf("WITH w AS (SELECT %s, %s AS m, random() AS r FROM %s%s)", from.columns[0].name, g.c.of("now()", "CURRENT_DATE", "gen_random_uuid()", "clock_timestamp()"), from.name, g.where(s))
	key := t.columns[0].name
	changeable := t.changeable()
	switch {
	case g.c.one(3) && len(changeable) > 0:
		c := pick(g.c, changeable)
		return Statement{Kind: "with", SQL: fmt.Sprintf("%s UPDATE %s SET %s = %s WHERE (SELECT count(*) FROM w WHERE r < 0.5) > %d", cte, t.name, c.name, g.value(c, columnsOf(t.columns, "")), g.c.n(3)) + g.returning(t)}
	case g.c.one(3):
		return Statement{Kind: "with", SQL: fmt.Sprintf("%s DELETE FROM %s WHERE %s IN (SELECT x.%s FROM %s x, w WHERE w.r < 0.1 LIMIT 2)", cte, t.name, key, key, t.name) + g.returning(t)}
	case g.c.one(2):
		columns := g.insertColumns(t)
		if len(columns) > 0 {
			var list []string
			for _, c := range columns {
				list = append(list, g.selected(c, nil))
			}
			return Statement{Kind: "with", SQL: fmt.Sprintf("%s INSERT INTO %s (%s) SELECT %s FROM w ORDER BY r LIMIT 4 ON CONFLICT DO NOTHING", cte, t.name, names(columns), strings.Join(list, ", ")) + g.returning(t)}
		}
	}
	return Statement{Kind: "with", SQL: fmt.Sprintf("%s SELECT w.*, count(*) OVER () FROM w ORDER BY r LIMIT 5", cte)}
}

// recursive draws WITH RECURSIVE.
func (g *generator) recursive() Statement {
	limit := g.c.in(1, 200)
	series := fmt.Sprintf("WITH RECURSIVE n (i, h) AS (SELECT 1, md5(random()::text) UNION ALL SELECT i + 1, md5(h || i::text) FROM n WHERE i < %d)", limit)
	t := pick(g.c, g.m.tables)
	columns := g.insertColumns(t)
	if g.c.one(2) || len(columns) == 0 {
		return Statement{Kind: "recursive", SQL: series + " SELECT count(*), min(h), max(h), sum(i) FROM n"}
	}
	var list []string
	for _, c := range columns {
		x := g.selected(c, nil)
		if c.base() == "text" && c.typ == "text" {
			x = "h || i::text"
		}
		list = append(list, x)
	}
	return Statement{Kind: "recursive", SQL: fmt.Sprintf("%s INSERT INTO %s (%s) SELECT %s FROM n%s LIMIT %d ON CONFLICT DO NOTHING", series, t.name, names(columns), strings.Join(list, ", "),
		g.c.of("", " ORDER BY h", " ORDER BY random()"), g.c.in(1, 25)) + g.returning(t)}
}

// window draws window functions, over orders that are not always total.
func (g *generator) window() Statement {
	t := pick(g.c, g.m.tables)
	s := columnsOf(t.columns, "")
	s = slices.DeleteFunc(s, func(r ref) bool { return !comparable(r.typ) })
	a, b, key := pick(g.c, s), pick(g.c, s), t.columns[0].name
	call := g.fill(g.c.of("row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile({small})", "lag({column})", "lag({column}, {small})", "lead({column}, {small}, {column})", "lead({column})",
		"first_value({column})", "last_value({column})", "nth_value({column}, {small})", "count(*)", "sum({int4})", "avg({float8})", "min({column})", "string_agg({text}, ',')"), 1, s)
	frame := g.c.of("", "", " ROWS BETWEEN 1 PRECEDING AND CURRENT ROW", " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW")
	over := fmt.Sprintf("OVER (%sORDER BY %s%s%s)", g.c.of("", "PARTITION BY "+a.text+" "), b.text, g.c.of("", " DESC", ", random()"), frame)
	sql := fmt.Sprintf("SELECT %s, %s %s AS w FROM %s%s", key, call, over, t.name, g.c.of("", " ORDER BY w", " ORDER BY random() LIMIT 7"))
	if changeable := t.changeable(); g.c.one(3) && len(changeable) > 0 {
		c := pick(g.c, changeable)
		sql = fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s IN (SELECT q.k FROM (SELECT %s AS k, row_number() %s AS n FROM %s) q WHERE q.n <= %d)", t.name, c.name, g.value(c, s), key,
			key, over, t.name, g.c.in(1, 4)) + g.returning(t)
	}
	return Statement{Kind: "window", SQL: sql}
}
