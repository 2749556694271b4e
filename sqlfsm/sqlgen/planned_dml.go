package sqlgen

import (
	"fmt"
	"strings"
)

// insert draws INSERT … VALUES.
func (g *generator) insert() Statement {
	t := pick(g.c, g.m.tables)
	columns := g.insertColumns(t)
	if len(columns) == 0 {
		return Statement{Kind: "insert", SQL: "INSERT INTO " + t.name + " DEFAULT VALUES" + g.returning(t)}
	}
	var rows []string
	for range g.c.in(1, 3) {
		rows = append(rows, "("+g.values(columns)+")")
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", t.name, names(columns), strings.Join(rows, ", "))
	if g.c.one(5) {
		sql += " ON CONFLICT DO NOTHING"
	}
	return Statement{Kind: "insert", SQL: sql + g.returning(t)}
}

// insertOrNot draws an INSERT that keys are not in the way of.
func (g *generator) insertOrNot() Statement {
	s := g.insert()
	if before, behind, found := strings.Cut(s.SQL, " RETURNING"); found {
		s.SQL = strings.TrimSuffix(before, " ON CONFLICT DO NOTHING") + " ON CONFLICT DO NOTHING RETURNING" + behind
	} else if !strings.HasSuffix(s.SQL, "NOTHING") {
		s.SQL += " ON CONFLICT DO NOTHING"
	}
	return s
}

// insertColumns are those that an INSERT must name, and some others.
func (g *generator) insertColumns(t *table) (list []*column) {
	for _, c := range t.writable() {
		needed := c.notNull || c.key && !c.serial
		if needed || !c.serial && g.c.n(3) > 0 || c.serial && g.c.one(12) {
			list = append(list, c)
		}
	}
	return list
}

func names(columns []*column) string {
	var list []string
	for _, c := range columns {
		list = append(list, c.name)
	}
	return strings.Join(list, ", ")
}

func (g *generator) values(columns []*column) string {
	var list []string
	for _, c := range columns {
		list = append(list, g.value(c, nil))
	}
	return strings.Join(list, ", ")
}

// value draws a value for a column, one that its constraints like as a rule.
func (g *generator) value(c *column, s scope) string {
	switch {
	case c.parent != "" && !g.c.one(20):
		if p := g.m.table(c.parent); p != nil && g.c.n(4) > 0 {
			return fmt.Sprintf("(SELECT %s FROM %s ORDER BY random() LIMIT 1)", p.columns[0].name, p.name)
		}
		return "NULL::" + c.base()
	case c.pair:
		return "NULL::" + c.base()
	case c.key || c.unique:
		return g.distinct(c)
	case c.check:
		return fmt.Sprint(g.c.in(0, 999))
	}
	switch c.typ { // those with a modifier that much does not fit into
	case "varchar(12)", "char(4)":
		return g.c.of("'a'", "'bc'", "'Öl'", "''", "left(md5(random()::text), 4)")
	case "numeric(8,2)":
		return g.c.of("1.25", "-0.005", "99999.999", "round(random()::numeric, 2)", "12")
	case "smallint":
		return g.c.of("1", "-3", "32767", "random(1, 99)::smallint")
	}
	x := g.expr(c.base(), g.c.in(0, 3), s)
	if c.notNull {
		x = fmt.Sprintf("coalesce(%s, %s)", x, g.sure(c.base()))
	}
	return x
}

// sure is a literal that is not NULL.
func (g *generator) sure(typ string) string {
	return "'" + strings.ReplaceAll(g.text(typ), "'", "''") + "'::" + typ
}

// distinct is a value that is hardly in the table already.
func (g *generator) distinct(c *column) string {
	n := g.c.in(1, 3000)
	if c.typ == "bigint" && g.c.one(50) {
		return "9223372036854775807"
	}
	if g.c.one(8) {
		n = g.c.in(1, 9)
	}
	switch c.base() {
	case "int4", "int8":
		if !g.inert && g.c.one(4) {
			return g.param("", Param{Text: fmt.Sprint(n)})
		}
		return fmt.Sprint(n)
	case "uuid":
		return "gen_random_uuid()"
	case "text":
		return g.c.of(fmt.Sprintf("'k%d'", n), fmt.Sprintf("'k' || random(1, 100000)::text || '-%d'", n))
	case "timestamptz":
		return fmt.Sprintf("now() + %d * '1 second'::interval", n)
	}
	return g.expr(c.base(), 1, nil)
}

// returning is a RETURNING clause, or none.
func (g *generator) returning(t *table) string {
	switch g.c.n(4) {
	case 0:
		return " RETURNING *"
	case 1:
		return fmt.Sprintf(" RETURNING %s, %s AS x", t.columns[0].name, g.expr(pick(g.c, types), 2, columnsOf(t.columns, "")))
	}
	return ""
}

// insertSelect draws INSERT … SELECT, from the table itself or another.
func (g *generator) insertSelect() Statement {
	t, from := pick(g.c, g.m.tables), pick(g.c, g.m.tables)
	columns := g.insertColumns(t)
	if len(columns) == 0 {
		columns = t.writable()
	}
	s := columnsOf(from.columns, "s")
	var list []string
	for _, c := range columns {
		list = append(list, g.selected(c, s))
	}
	sql := fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s s%s%s LIMIT %d ON CONFLICT DO NOTHING", t.name, names(columns), strings.Join(list, ", "), from.name,
		g.where(s), g.c.of("", " ORDER BY random()", " ORDER BY s."+from.columns[0].name+" DESC"), g.c.in(1, 20))
	if g.c.one(2) {
		sql = strings.Replace(sql, " ON CONFLICT DO NOTHING", "", 1)
	}
	return Statement{Kind: "insert select", SQL: sql + g.returning(t)}
}

// selected is a value for each row of a query.
func (g *generator) selected(c *column, s scope) string {
	if c.key || c.unique {
		switch c.base() {
		case "int4", "int8":
			return fmt.Sprintf("random(%d, 2000000)", 3001+g.c.n(1000))
		case "text":
			return "'s' || random(1, 1000000000)::text"
		}
	}
	return g.value(c, s)
}

// upsert draws INSERT … ON CONFLICT (key) DO UPDATE.
func (g *generator) upsert() Statement {
	t := pick(g.c, g.m.tables)
	var key []*column
	for _, c := range t.writable() {
		if c.key {
			key = append(key, c)
		}
	}
	changeable := t.changeable()
	if len(key) == 0 || len(changeable) == 0 {
		return g.insert()
	}
	columns := g.insertColumns(t)
	for _, k := range key {
		if !strings.Contains(","+names(columns)+",", k.name) {
			columns = append(columns, k)
		}
	}
	var list []string
	for _, c := range columns {
		if c.key && c.base() != "uuid" && c.parent == "" && g.c.n(3) > 0 { // one that is there already, maybe
			list = append(list, g.existing(t, c))
			continue
		}
		list = append(list, g.value(c, nil))
	}
	s := append(columnsOf(t.columns, t.name), columnsOf(t.columns, "excluded")...)
	sql := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s", t.name, names(columns), strings.Join(list, ", "), names(key), g.assignments(changeable, s))
	if g.c.one(3) {
		sql += " WHERE " + g.predicate(s)
	}
	return Statement{Kind: "upsert", SQL: sql + g.returning(t)}
}

// existing is a key that is in the table, or one that is not when it is empty.
func (g *generator) existing(t *table, c *column) string {
	return fmt.Sprintf("coalesce((SELECT %s FROM %s ORDER BY random() LIMIT 1), %s)", c.name, t.name, g.distinct(c))
}

func (g *generator) assignments(columns []*column, s scope) string {
	var list []string
	seen := map[string]bool{}
	for range g.c.in(1, 3) {
		c := pick(g.c, columns)
		if seen[c.name] {
			continue
		}
		seen[c.name] = true
		list = append(list, c.name+" = "+g.value(c, s))
	}
	return strings.Join(list, ", ")
}

// update draws UPDATE.
func (g *generator) update() Statement {
	t := pick(g.c, g.m.tables)
	columns := t.changeable()
	if len(columns) == 0 {
		return g.insert()
	}
	s := columnsOf(t.columns, "")
	sql := fmt.Sprintf("UPDATE %s SET %s%s", t.name, g.assignments(columns, s), g.where(s))
	return Statement{Kind: "update", SQL: sql + g.returning(t)}
}

// updateFrom draws UPDATE … FROM.
func (g *generator) updateFrom() Statement {
	t, from := pick(g.c, g.m.tables), pick(g.c, g.m.tables)
	columns := t.changeable()
	if len(columns) == 0 {
		return g.insert()
	}
	s := append(columnsOf(t.columns, "t"), columnsOf(from.columns, "f")...)
	source := fmt.Sprintf("(SELECT * FROM %s ORDER BY %s LIMIT %d) f", from.name, g.c.of("random()", from.columns[0].name), g.c.in(1, 5))
	sql := fmt.Sprintf("UPDATE %s AS t SET %s FROM %s WHERE %s", t.name, g.assignments(columns, s), source, g.predicate(s))
	if g.c.one(2) {
		sql += " RETURNING t.*"
	}
	return Statement{Kind: "update from", SQL: sql}
}

// delete draws DELETE, of a few rows as a rule.
func (g *generator) delete() Statement {
	t := pick(g.c, g.m.tables)
	s := columnsOf(t.columns, "")
	key := t.columns[0].name
	switch g.c.n(4) {
	case 0:
		from := pick(g.c, g.m.tables)
		s := append(columnsOf(t.columns, t.name), columnsOf(from.columns, "u")...)
		if t.withoutRowID { // which the planner refuses
			break
		}
		return Statement{Kind: "delete", SQL: fmt.Sprintf("DELETE FROM %s USING %s u WHERE %s AND %s", t.name, from.name, g.predicate(s), g.predicate(s))}
	case 1:
		return Statement{Kind: "delete", SQL: fmt.Sprintf("DELETE FROM %s WHERE %s AND %s", t.name, g.predicate(s), g.predicate(s)) + g.returning(t)}
	}
	return Statement{Kind: "delete", SQL: fmt.Sprintf("DELETE FROM %s WHERE %s IN (SELECT %s FROM %s ORDER BY %s LIMIT %d)", t.name, key, key, t.name,
		g.c.of("random()", key, key+" DESC"), g.c.in(1, 4)) + g.returning(t)}
}

func (g *generator) truncate() Statement {
	t := pick(g.c, g.m.tables)
	return Statement{Kind: "truncate", SQL: "TRUNCATE " + t.name}
}

// mistake draws a statement that must fail, each in its own way, so that errors
// are compared too.
func (g *generator) mistake() Statement {
	t := pick(g.c, g.m.tables)
	key := t.columns[0].name
	sql := g.c.of(
		"INSERT INTO "+t.name+" SELECT 1 / (random() * 0)::int",
		"UPDATE "+t.name+" SET nosuch = 1",
		"DELETE FROM nosuch",
		"SELECT 1 / (SELECT count(*) - count(*) FROM "+t.name+")",
		"SELECT ('a' || random()::text)::int",
		"SELECT nosuch(1)",
		"SELECT sqrt((SELECT -1 - count(*) FROM "+t.name+")::numeric)",
		"SELECT chr(0), repeat('x', 5)",
		"SELECT 2147483647 + (SELECT 1 + count(*) FROM "+t.name+")::int * 9000000000000000000",
		"SELECT (SELECT i FROM (VALUES (1), (2)) v (i))",
		"SELECT json_extract('{', '$.a')",
		"SELECT '2019-02-30'::date",
		"SELECT regexp_replace('a', '(', '')",
		"CREATE TABLE "+t.name+" (a int)",
		"DROP TABLE nosuch",
		"ALTER TABLE "+t.name+" RENAME COLUMN nosuch TO other",
		"CREATE INDEX ON "+t.name+" (nosuch)",
		"CREATE UNIQUE INDEX ON "+t.name+" ("+key+", nosuch)",
		"WITH RECURSIVE r (i) AS (SELECT 1::bigint UNION ALL SELECT i * 1000000 FROM r WHERE i > 0) SELECT max(i) FROM r",
	)
	return Statement{Kind: "mistake", SQL: sql, Fails: true}
}
