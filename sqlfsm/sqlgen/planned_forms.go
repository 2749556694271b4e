package sqlgen

import "fmt"

// forms draws what PostgreSQL has ways of its own to say.
func (g *generator) forms() Statement {
	t := pick(g.c, g.m.tables)
	s := columnsOf(t.columns, "")
	key := t.columns[0].name
	c := pick(g.c, s).text
	n := fmt.Sprint(g.c.in(1, 12))
	switch g.c.n(3) {
	case 0:
		if sql := g.formOfChange(t); sql != "" {
			return Statement{Kind: "forms of changes", SQL: sql}
		}
	case 1:
		return Statement{Kind: "forms of values", SQL: "SELECT " + g.c.of(
			"E'a\\tb\\u00e4\\x41\\101' || $tag$quoted 'text'$tag$", "DATE '2019-03-10' + 1", "INTERVAL '3 days' + INTERVAL '1 hour'", "TIMESTAMP '2019-03-10 01:02:03' AT TIME ZONE 'Europe/Berlin'",
			n+" = ANY (ARRAY[1, 2, 3])", n+" <> ALL ('{4,5}'::int[])", "CAST("+n+" AS text) COLLATE \"C\"", "("+n+", 2) = (1, 2)", n+" IS DISTINCT FROM NULL",
			"current_setting('TimeZone')", "trim(LEADING 'a' FROM 'aab')", "substring('abcdef' FROM 2 FOR 3)", "'a_c' LIKE 'a#_c' ESCAPE '#'",
			"extract(epoch FROM INTERVAL '1 day')", "format('%I %L %s', 'a b', 'it''s', "+n+")", "overlay('abcdef' PLACING 'xy' FROM 2)",
			"greatest(1, "+n+", 2.5)", "2 ^ 3", "~ 5", "'a' || NULL", "bool 'yes'", "'12:30'::time + INTERVAL '1 hour'", "decode('616263', 'hex')", "encode('abc'::bytea, 'escape')",
			"date_trunc('week', DATE '2019-03-10')", "1 IN (VALUES (1), ("+n+"))", "round(2.345, 2)::text", "'infinity'::float8 > 1", "quote_literal(42)",
			"nullif("+n+", 3)")}
	}
	return Statement{Kind: "forms of queries", SQL: g.c.of(
		"SELECT i, i * random(1, 9) FROM generate_series(1, "+n+") g (i)",
		"SELECT u FROM unnest(ARRAY[3, 1, 2]) u ORDER BY u",
		"SELECT * FROM unnest('{a,b}'::text[])",
		fmt.Sprintf("SELECT DISTINCT ON (%s) %s, %s FROM %s ORDER BY %s, %s DESC", key, key, c, t.name, key, c),
		fmt.Sprintf("SELECT %s, rank() OVER w, sum(1) OVER (w ROWS 1 PRECEDING) FROM %s WINDOW w AS (ORDER BY %s)", key, t.name, key),
		fmt.Sprintf("SELECT count(*) FILTER (WHERE %s IS NOT NULL), string_agg(%s::text, ',' ORDER BY %s DESC) FROM %s", key, key, key, t.name),
		fmt.Sprintf("SELECT %s FROM %s ORDER BY %s DESC NULLS LAST FETCH FIRST %s ROWS ONLY", key, t.name, key, n),
		fmt.Sprintf("SELECT a.%s FROM %s a JOIN %s b USING (%s)", key, t.name, t.name, key),
		fmt.Sprintf("SELECT * FROM %s a NATURAL JOIN (SELECT %s FROM %s) b", t.name, key, t.name),
		fmt.Sprintf("SELECT a.%s FROM %s a FULL JOIN %s b ON a.%s = b.%s", key, t.name, t.name, key, key),
		fmt.Sprintf("TABLE %s", t.name),
		"VALUES (1, 'a'), ("+n+", 'b') ORDER BY 1 DESC",
		fmt.Sprintf("SELECT %s FROM %s GROUP BY 1 ORDER BY 1 LIMIT ALL OFFSET 1", key, t.name),
		fmt.Sprintf("SELECT %s FROM %s WHERE EXISTS (SELECT FROM %s) /* a comment */ FOR UPDATE -- another", key, t.name, t.name),
		fmt.Sprintf("SELECT (SELECT max(i) FROM generate_series(1, 3) g (i)), %s FROM ONLY %s AS t", key, t.name),
		fmt.Sprintf("SELECT %s, sum(1) OVER (ORDER BY %s GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE TIES) FROM %s", key, key, t.name),
		fmt.Sprintf("(SELECT %s FROM %s LIMIT 2) UNION ALL (SELECT %s FROM %s ORDER BY 1 LIMIT 1)", key, t.name, key, t.name),
		fmt.Sprintf("WITH a AS MATERIALIZED (SELECT %s AS k, random() AS r FROM %s), b (x) AS (SELECT k FROM a) SELECT * FROM a, b WHERE a.k = b.x", key, t.name),
		fmt.Sprintf("SELECT \"%s\", public.%s.%s FROM public.%s", key, t.name, key, t.name),
	)}
}

// formOfChange draws a write that is said in one of PostgreSQL's ways.
func (g *generator) formOfChange(t *table) string {
	columns := t.changeable()
	if len(columns) == 0 {
		return ""
	}
	c, key := pick(g.c, columns), t.columns[0].name
	x := g.value(c, nil)
	some := fmt.Sprintf("WHERE %s IN (SELECT %s FROM %s ORDER BY random() LIMIT 2)", key, key, t.name)
	list := []string{
		fmt.Sprintf("UPDATE %s SET (%s) = ROW (%s) %s", t.name, c.name, x, some),
		fmt.Sprintf("UPDATE %s SET %s = DEFAULT %s RETURNING *", t.name, c.name, some),
		fmt.Sprintf("UPDATE ONLY %s AS t SET %s = %s WHERE t.%s IN (SELECT u.%s FROM %s u LIMIT 1) RETURNING t.*", t.name, c.name, x, key, key, t.name),
		fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s WHERE false", t.name, key, key, t.name),
	}
	if !t.withoutRowID {
		list = append(list, fmt.Sprintf("WITH x AS (SELECT %s AS k FROM %s ORDER BY random() LIMIT 3) DELETE FROM %s USING x WHERE %s.%s = x.k", key, t.name, t.name, t.name, key))
	}
	if c.notNull {
		list = append(list[:1], list[2:]...)
	}
	if len(columns) > 1 && columns[0] != columns[1] {
		list = append(list, fmt.Sprintf("UPDATE %s SET (%s, %s) = (%s, %s) %s", t.name, columns[0].name, columns[1].name, g.value(columns[0], nil), g.value(columns[1], nil), some))
	}
	return pick(g.c, list)
}

// rekey draws a change of keys, which those that refer to them follow.
func (g *generator) rekey() Statement {
	t := pick(g.c, g.m.tables)
	c := &t.columns[0]
	if !c.key {
		return g.update()
	}
	x := c.name + " + 10000"
	switch c.base() {
	case "uuid":
		x = "gen_random_uuid()"
	case "text":
		x = c.name + " || " + g.c.of("'r'", "random(1, 1000)::text")
	}
	return Statement{Kind: "new keys", SQL: fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s IN (SELECT %s FROM %s ORDER BY random() LIMIT %d)", t.name, c.name, x, c.name, c.name, t.name, g.c.in(1, 3)) + g.returning(t)}
}
