package sqlgen

import (
	"fmt"
	"strings"
)

func rawNames(columns []rawColumn) string {
	var list []string
	for _, c := range columns {
		list = append(list, c.name)
	}
	return strings.Join(list, ", ")
}

// rawInsertColumns are those that an INSERT names.
func (g *generator) rawInsertColumns(t *rawTable) (list []rawColumn) {
	for _, c := range t.writable() {
		if c.key && !c.auto || g.c.n(3) > 0 {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		list = t.writable()[:1]
	}
	return list
}

func (g *generator) rawValues(t *rawTable, columns []rawColumn, s rawScope) string {
	var list []string
	for _, c := range columns {
		list = append(list, g.rawFor(t, c, s))
	}
	return strings.Join(list, ", ")
}

// rawFor draws a value that a column takes.
func (g *generator) rawFor(t *rawTable, c rawColumn, s rawScope) string {
	switch {
	case c.parent != "":
		return g.c.of("NULL", fmt.Sprintf("(SELECT k FROM %s ORDER BY random() LIMIT 1)", c.parent))
	case c.key && c.declared == "INTEGER":
		switch {
		case c.auto && g.c.one(3):
			return "NULL"
		case g.c.one(40): // behind it, SQLite has random numbers of its own
			return "9223372036854775807"
		}
		return g.c.of("abs(random() % 100000)", fmt.Sprint(g.c.n(5000)))
	case c.key, c.unique && (c.declared == "TEXT" || c.declared == "ANY" || !t.strict):
		return g.c.of("'k' || random()", "hex(randomblob(5))", fmt.Sprintf("'k%d'", g.c.n(3000)))
	}
	depth := g.c.in(0, 3)
	if !t.strict {
		return g.c.of(g.rawNumber(depth, s), g.rawText(depth, s))
	}
	switch c.declared {
	case "INTEGER", "INT":
		if c.unique {
			return "random()"
		}
		return "cast(" + g.rawNumber(depth, s) + " AS INTEGER)"
	case "REAL":
		return "cast(" + g.rawNumber(depth, s) + " AS REAL)"
	case "BLOB":
		return g.c.of("randomblob(7)", "x'00ff'", "NULL", "cast("+g.rawText(depth, s)+" AS BLOB)")
	case "TEXT":
		return "cast(" + g.rawText(depth, s) + " AS TEXT)"
	}
	return g.c.of(g.rawNumber(depth, s), g.rawText(depth, s))
}

func (g *generator) rawReturning() string {
	return g.c.of("", "", " RETURNING *", " RETURNING k, random(), datetime('now', 'subsec')", " RETURNING (SELECT count(*) FROM "+g.m.raw.tables[0].name+"), k AS x")
}

func (g *generator) rawInsert() Statement {
	t := pick(g.c, g.m.raw.tables)
	if s := g.rawViewChange(); s.SQL != "" && g.c.one(6) {
		return s
	}
	columns := g.rawInsertColumns(&t)
	var rows []string
	for range g.c.in(1, 3) {
		rows = append(rows, "("+g.rawValues(&t, columns, rawScope{})+")")
	}
	verb := g.c.of("INSERT", "INSERT", "INSERT OR IGNORE", "INSERT OR REPLACE", "INSERT OR FAIL", "INSERT OR ABORT", "REPLACE")
	return Statement{Kind: "insert", SQL: fmt.Sprintf("%s INTO %s (%s) VALUES %s", verb, t.name, rawNames(columns), strings.Join(rows, ", ")) + g.rawReturning()}
}

// rawInsertSelect draws INSERT … SELECT, often without an order.
func (g *generator) rawInsertSelect() Statement {
	t, from := pick(g.c, g.m.raw.tables), pick(g.c, g.m.raw.tables)
	columns := g.rawInsertColumns(&t)
	s := rawScope{}
	for _, c := range from.columns {
		s.columns = append(s.columns, "f."+c.name)
	}
	return Statement{Kind: "insert select", SQL: fmt.Sprintf("INSERT OR %s INTO %s (%s) SELECT %s FROM %s f %s%s LIMIT %d", g.c.of("IGNORE", "REPLACE"), t.name, rawNames(columns), g.rawValues(&t, columns, s), from.name,
		g.rawWhere(s), g.c.of("", "", " ORDER BY random()", " ORDER BY f.k DESC"), g.c.in(1, 15)) + g.rawReturning()}
}

func (g *generator) rawWhere(s rawScope) string {
	switch g.c.n(4) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("WHERE %s %s %s", pick(g.c, s.columns), g.c.of("<", ">=", "IS NOT", "<>"), g.rawText(1, rawScope{columns: s.columns, bare: s.bare}))
	case 2:
		return "WHERE " + pick(g.c, s.columns) + g.c.of(" IS NOT NULL", " LIKE 'a%'", " COLLATE NOCASE > 'b'", " IN (SELECT k FROM "+pick(g.c, g.m.raw.tables).name+")")
	}
	return "WHERE " + g.rawNumber(2, s)
}

func (g *generator) rawUpsert() Statement {
	t := pick(g.c, g.m.raw.tables)
	changeable := t.changeable()
	if !t.columns[0].key || len(changeable) == 0 {
		return g.rawInsert()
	}
	columns := []rawColumn{t.columns[0], changeable[0]}
	c := pick(g.c, changeable)
	behind := ""
	if g.c.one(3) { // several clauses; the last one takes what is left
		behind = g.c.of(" ON CONFLICT DO NOTHING", fmt.Sprintf(" ON CONFLICT DO UPDATE SET %s = %s", c.name, g.rawFor(&t, c, rawScope{columns: []string{"excluded.k"}})))
	}
	set := fmt.Sprintf("UPDATE SET %s = %s%s", c.name, g.rawFor(&t, c, rawScope{columns: []string{"excluded." + changeable[0].name, t.name + ".k"}}), g.c.of("", "", " WHERE excluded.k IS NOT NULL", " WHERE random() % 2"))
	return Statement{Kind: "upsert", SQL: fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s, %s) ON CONFLICT (k) DO %s%s", t.name, rawNames(columns),
		g.c.of(fmt.Sprintf("coalesce((SELECT k FROM %s ORDER BY random() LIMIT 1), 1)", t.name), g.rawFor(&t, t.columns[0], rawScope{})), g.rawFor(&t, changeable[0], rawScope{}),
		g.c.of("NOTHING", set), behind) + g.rawReturning()}
}

func (g *generator) rawUpdate() Statement {
	t := pick(g.c, g.m.raw.tables)
	changeable := t.changeable()
	if len(changeable) == 0 {
		return g.rawInsert()
	}
	s := rawScope{columns: []string{"k", pick(g.c, t.columns).name}}
	c := pick(g.c, changeable)
	where := g.rawWhere(s)
	if g.c.one(3) {
		where = fmt.Sprintf("WHERE k IN (SELECT k FROM %s ORDER BY random() LIMIT 2)", t.name)
	}
	return Statement{Kind: "update", SQL: fmt.Sprintf("UPDATE %s%s SET %s = %s %s", g.c.of("", "", "OR IGNORE ", "OR REPLACE ", "OR FAIL ", "OR ABORT "), t.name, c.name, g.rawFor(&t, c, s), where) + g.rawReturning()}
}

func (g *generator) rawUpdateFrom() Statement {
	t, from := pick(g.c, g.m.raw.tables), pick(g.c, g.m.raw.tables)
	changeable := t.changeable()
	if len(changeable) == 0 {
		return g.rawInsert()
	}
	c := pick(g.c, changeable)
	s := rawScope{columns: []string{"f.k", t.name + ".k"}}
	return Statement{Kind: "update from", SQL: fmt.Sprintf("UPDATE %s SET %s = %s FROM (SELECT k FROM %s%s) f %s", t.name, c.name, g.rawFor(&t, c, s), from.name, g.c.of("", " ORDER BY random() LIMIT 3"), g.rawWhere(s)) + g.c.of("", " RETURNING *", " RETURNING random()")}
}

func (g *generator) rawDelete() Statement {
	t := pick(g.c, g.m.raw.tables)
	where := fmt.Sprintf("WHERE k IN (SELECT k FROM %s ORDER BY %s LIMIT %d)", t.name, g.c.of("random()", "k", "k DESC"), g.c.in(1, 4))
	switch g.c.n(6) {
	case 0:
		where = fmt.Sprintf("WHERE k > %s AND random() %% 3 = 0", g.rawText(1, rawScope{}))
	case 1: // all rows, which SQLite does in another way
		if g.c.one(4) {
			where = ""
		}
	}
	return Statement{Kind: "delete", SQL: fmt.Sprintf("DELETE FROM %s %s", t.name, where) + g.rawReturning()}
}

// rawSelect draws a query, of tables of either sort.
func (g *generator) rawSelect() Statement {
	t := pick(g.c, g.m.raw.tables)
	s := rawScope{columns: []string{"a.k", "a." + pick(g.c, t.columns).name}}
	from := t.name + " a"
	switch g.c.n(5) {
	case 0:
		from += g.c.of(" LEFT JOIN ", " JOIN ", " FULL JOIN ") + pick(g.c, g.m.raw.tables).name + " b ON a.k = b.k"
	case 1:
		from += ", json_each(" + g.c.of("'[1,2,3]'", "'{\"a\": 1, \"b\": [2]}'") + ") j"
		s.columns = append(s.columns, "j.value")
	case 2: // one of the planner's
		from = pick(g.c, g.m.tables).name + " a"
		s.columns = []string{"a.id"} // the first column of each
	case 3:
		if len(g.m.raw.views) > 0 {
			from, s.columns = pick(g.c, g.m.raw.views)+" a", []string{"a.k", "a.v", "a.w"}
		}
	}
	return Statement{Kind: "select", SQL: fmt.Sprintf("SELECT %s AS x, %s AS y FROM %s %s%s LIMIT 40", g.rawNumber(3, s), g.rawText(3, s), from, g.rawWhere(s), g.c.of("", "", " ORDER BY random()", " ORDER BY 1, 2", " GROUP BY 1 ORDER BY count(*)"))}
}

func (g *generator) rawRecursive() Statement {
	series := fmt.Sprintf("WITH RECURSIVE n(i, r) AS (VALUES (1, random()) UNION ALL SELECT i + 1, (r * 31 + i) %% 1000003 FROM n %s LIMIT %d)", g.c.of("", "ORDER BY 2 "), g.c.in(1, 300))
	t := pick(g.c, g.m.raw.tables)
	changeable := t.changeable()
	if g.c.one(2) || len(changeable) == 0 || t.columns[0].key && !t.columns[0].auto {
		return Statement{Kind: "recursive", SQL: series + " SELECT count(*), sum(i), group_concat(r % 97) FROM n"}
	}
	switch g.c.n(3) {
	case 1:
		return Statement{Kind: "recursive", SQL: fmt.Sprintf("%s UPDATE %s SET %s = %s WHERE k IN (SELECT i FROM n)", series, t.name, changeable[0].name, g.rawFor(&t, changeable[0], rawScope{columns: []string{"k"}})) + g.rawReturning()}
	case 2:
		return Statement{Kind: "recursive", SQL: fmt.Sprintf("%s DELETE FROM %s WHERE k IN (SELECT i * 7 FROM n WHERE r %% 2)", series, t.name) + g.rawReturning()}
	}
	return Statement{Kind: "recursive", SQL: fmt.Sprintf("%s INSERT OR IGNORE INTO %s (%s) SELECT %s FROM n WHERE i %% 9 = 0", series, t.name, changeable[0].name, g.rawFor(&t, changeable[0], rawScope{columns: []string{"i", "r"}}))}
}

func (g *generator) rawWindow() Statement {
	t := pick(g.c, g.m.raw.tables)
	c := pick(g.c, t.columns).name
	call := g.c.of("row_number()", "rank()", "dense_rank()", "ntile(3)", "lag("+c+")", "lead(k, 2, 'end')", "first_value("+c+")", "nth_value(k, 2)", "count(*)", "group_concat("+c+")", "max("+c+")", "count(*) FILTER (WHERE k > 3)")
	frame := g.c.of("", " ROWS 1 PRECEDING", " GROUPS BETWEEN CURRENT ROW AND 1 FOLLOWING", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES", " RANGE UNBOUNDED PRECEDING", " RANGE BETWEEN 5 PRECEDING AND 2.5 FOLLOWING EXCLUDE CURRENT ROW",
		" GROUPS BETWEEN 1 PRECEDING AND UNBOUNDED FOLLOWING EXCLUDE GROUP", " ROWS BETWEEN 1 FOLLOWING AND 3 FOLLOWING EXCLUDE NO OTHERS")
	if g.c.one(4) {
		return Statement{Kind: "window", SQL: fmt.Sprintf("SELECT k, %s OVER v AS x, sum(k) OVER (w GROUPS 1 PRECEDING) AS y FROM %s WINDOW w AS (ORDER BY %s), v AS (PARTITION BY typeof(k) ORDER BY k DESC) ORDER BY random()", call, t.name, c)}
	}
	if changeable := t.changeable(); g.c.one(3) && len(changeable) > 0 {
		to := changeable[0]
		return Statement{Kind: "window", SQL: fmt.Sprintf("UPDATE %s SET %s = %s FROM (SELECT k AS q, row_number() OVER (ORDER BY %s) AS n FROM %s) f WHERE f.q = %s.k AND f.n < 4", t.name, to.name, g.rawFor(&t, to, rawScope{columns: []string{"f.n"}}), c, t.name, t.name) + g.rawReturning()}
	}
	return Statement{Kind: "window", SQL: fmt.Sprintf("SELECT k, %s OVER (%sORDER BY %s%s) AS w FROM %s%s", call, g.c.of("", "PARTITION BY typeof("+c+") "), g.c.of(c, "k DESC", "random()"), frame, t.name, g.c.of("", " ORDER BY w", " LIMIT 9"))}
}

// rawMistake draws what must fail: errors of the engine, and what the guard
// refuses.
func (g *generator) rawMistake() Statement {
	t := pick(g.c, g.m.raw.tables).name
	if g.c.one(5) { // what the connection has counted, or the program says
		return Statement{Kind: "mistake", Fails: true, SQL: "SELECT k, " + g.c.of("total_changes()", "sqlite_version()") + " FROM (SELECT 1 AS k)"}
	}
	return Statement{Kind: "mistake", Fails: true, SQL: g.c.of(
		"INSERT INTO "+t+" (nosuch) VALUES (1)",
		"SELECT abs(-9223372036854775808)",
		"SELECT json('{')",
		"UPDATE "+t+" SET k = (SELECT 1, 2)",
		"SELECT sum(9223372036854775807 + x) FROM (SELECT 0 AS x UNION ALL SELECT 0)",
		"SELECT zeroblob(90000000)",
		"SELECT hex(randomblob(40000000))",
		"CREATE TABLE "+t+" (a)",
		"CREATE INDEX bad ON "+t+" (datetime('now'))",
		"CREATE TABLE bad (a INTEGER AS (random()))",
		"CREATE TEMP TABLE bad (a)",
		"ATTACH ':memory:' AS bad",
		"PRAGMA user_version = 7",
		"INSERT INTO _quorate_types VALUES ('a', 'b', 'c', 1)",
		"DELETE FROM sqlite_sequence",
		"SELECT * FROM _quorate_meta",
		"SELECT * FROM pragma_page_count",
		"INSERT OR ROLLBACK INTO "+t+" (k) VALUES (1)",
		"CREATE TRIGGER bad AFTER INSERT ON "+t+" BEGIN SELECT RAISE(ROLLBACK, 'x'); END",
		"ALTER TABLE "+t+" RENAME TO _quorate_mine",
		"SAVEPOINT bad",
		"COMMIT",
		"SELECT 1; SELECT 2",
		"SELECT "+strings.Repeat("(", 1100)+"1"+strings.Repeat(")", 1100),
		"SELECT 1"+strings.Repeat(" UNION SELECT 1", 600),
		"SELECT 1"+strings.Repeat(" + 1", 1100),
		"CREATE TABLE bad (a"+strings.Repeat(", a", 1600)+")",
		"SELECT max(1"+strings.Repeat(", 1", 130)+")",
		"SELECT '' LIKE '"+strings.Repeat("a%", 26_000)+"'",
		"SELECT ?0",
		"CREATE TABLE bad (a, b AS (c), c AS (b))",
		"CREATE TABLE bad (a REFERENCES "+t+"(nosuch)); ",
		"INSERT INTO "+t+" DEFAULT VALUES RETURNING nosuch",
		"SELECT * FROM "+t+" JOIN nosuch USING (k)",
		"SELECT k FROM "+t+" GROUP BY count(*)",
		"CREATE VIEW bad AS SELECT * FROM bad2; ",
		"DROP INDEX nosuch",
		"SELECT sqlite_compileoption_get(1)",
		"SELECT rowid FROM dbstat",
		"INSERT INTO "+t+" (k) VALUES (1), (1, 2)",
		"SELECT match('a', 'b')",
		"WITH v AS (SELECT 1)"+doubling(20)+" SELECT count(*) FROM v20",
		"SELECT printf('%*d', 100000000, 1)",
		"SELECT value FROM json_each('{bad')",
		"SELECT load_extension('x')",
		"SELECT 'a' LIKE 'b' ESCAPE 'long'",
		"SELECT ntile(0) OVER () FROM (SELECT 1)",
	)}
}

// doubling is a chain of WITH queries of which each names the one before twice.
func doubling(n int) string {
	var b strings.Builder
	last := "v"
	for i := 1; i <= n; i++ {
		next := fmt.Sprintf("v%d", i)
		fmt.Fprintf(&b, ", %s AS (SELECT * FROM %s UNION ALL SELECT * FROM %s)", next, last, last)
		last = next
	}
	return b.String()
}

// rawViewChange draws a change of a view, which an INSTEAD OF trigger takes.
func (g *generator) rawViewChange() Statement {
	m := &g.m.raw
	x := g.rawNumber(1, rawScope{})
	switch {
	case len(m.deletable) > 0 && g.c.one(3):
		return Statement{Kind: "change of a view", SQL: fmt.Sprintf("DELETE FROM %s WHERE k > %s", pick(g.c, m.deletable), x)}
	case len(m.updatable) > 0 && g.c.one(2):
		return Statement{Kind: "change of a view", SQL: fmt.Sprintf("UPDATE %s SET v = %s WHERE k IS NOT %s", pick(g.c, m.updatable), x, x)}
	case len(m.insertable) > 0:
		return Statement{Kind: "change of a view", SQL: fmt.Sprintf("INSERT INTO %s (k, v) VALUES (%s, %s)", pick(g.c, m.insertable), x, g.rawText(1, rawScope{}))}
	}
	return Statement{}
}

// rawRekey draws a change of keys, which those that refer to them follow.
func (g *generator) rawRekey() Statement {
	t := pick(g.c, g.m.raw.tables)
	c := t.columns[0]
	x := g.c.of("k + 200000", "-k", fmt.Sprint(g.c.n(5000)))
	if !c.auto && c.declared == "TEXT" {
		x = g.c.of("k || 'r'", "upper(k)", "hex(randomblob(4))")
	}
	return Statement{Kind: "new keys", SQL: fmt.Sprintf("UPDATE %s%s SET k = %s WHERE k IN (SELECT k FROM %s ORDER BY %s LIMIT %d)", g.c.of("", "OR IGNORE ", "OR REPLACE "), t.name, x, t.name,
		g.c.of("random()", "k DESC"), g.c.in(1, 3)) + g.rawReturning()}
}
