package sqlgen

import (
	"fmt"
	"slices"
	"strings"
)

// rawStatement draws a statement of SQLite's SQL, as a planner of another
// version could have made it.
func (g *generator) rawStatement() Statement {
	g.args = nil
	kinds := []struct {
		weight int
		draw   func() Statement
	}{
		{30, g.rawInsert},
		{8, g.rawInsertSelect},
		{8, g.rawUpsert},
		{16, g.rawUpdate},
		{5, g.rawUpdateFrom},
		{8, g.rawDelete},
		{8, g.rawSelect},
		{4, g.rawRecursive},
		{4, g.rawWindow},
		{2, g.rawCreateTable},
		{3, g.rawCreateIndex},
		{2, g.rawCreateView},
		{3, g.rawCreateTrigger},
		{3, g.rawAlter},
		{2, g.rawDrop},
		{4, g.rawMistake},
		{3, g.rawFullText},
	}
	weights := make([]int, len(kinds))
	for i := range kinds {
		weights[i] = kinds[i].weight
	}
	draw := kinds[g.c.weighted(weights)].draw
	if len(g.m.raw.tables) < 3 {
		draw = g.rawCreateTable
	}
	s := draw()
	s.Kind = "sqlite: " + s.Kind
	s.SQL, s.Args = usedArgs(s.SQL, g.args)
	return s
}

// rawCreateTable draws a table that is STRICT or not, with or without a rowid.
func (g *generator) rawCreateTable() Statement {
	t := rawTable{name: g.name("r"), strict: g.c.one(2)}
	types := []string{"INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "", "VARCHAR(10)", "DATETIME"}
	if t.strict {
		types = []string{"INTEGER", "TEXT", "REAL", "BLOB", "ANY", "INT"}
	}
	var parts []string
	add := func(c rawColumn, definition string) {
		t.columns = append(t.columns, c)
		parts = append(parts, strings.Join(strings.Fields(c.name+" "+c.declared+" "+definition), " "))
	}
	options := g.rawKey(&t, add)
	bare := rawScope{bare: true}
	for i := range g.c.in(2, 5) {
		c := rawColumn{name: fmt.Sprintf("c%d", i), declared: pick(g.c, types)}
		switch g.c.n(9) {
		case 0:
			c.declared = g.c.of("TEXT", "ANY", "")
			if t.strict && c.declared == "" {
				c.declared = "ANY"
			} else if !t.strict && c.declared == "ANY" {
				c.declared = ""
			}
			add(c, "DEFAULT ("+g.rawText(2, bare)+")")
		case 1:
			c.declared = "INTEGER"
			add(c, "DEFAULT ("+g.c.of("random()", "abs(random() % 100)", "unixepoch()", "cast(julianday() AS INTEGER)")+")")
		case 2:
			c.declared = "TEXT"
			add(c, "DEFAULT "+g.c.of("CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "(datetime('now', 'localtime'))", "(hex(randomblob(4)))"))
		case 3:
			c.declared, c.generated = "", true
			if t.strict {
				c.declared = "ANY"
			}
			add(c, fmt.Sprintf("AS (%s) %s", g.c.of("k || 'g'", "length(k)", "typeof(k)", "date(k)", "upper(k)", "k COLLATE NOCASE"), g.c.of("STORED", "VIRTUAL")))
		case 4:
			c.unique = true
			add(c, "UNIQUE"+g.c.of("", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE"))
		case 5:
			add(c, "COLLATE "+g.c.of("NOCASE", "RTRIM", "BINARY"))
		case 6:
			if parents := g.rawParents(); len(parents) > 0 {
				c.parent, c.declared = pick(g.c, parents), "INTEGER"
				add(c, fmt.Sprintf("REFERENCES %s(k)%s%s%s", c.parent, g.c.of("", " ON DELETE CASCADE", " ON DELETE SET NULL", " ON DELETE RESTRICT", " ON DELETE SET DEFAULT"),
					g.c.of("", " ON UPDATE CASCADE", " ON UPDATE SET NULL"), g.c.of("", " DEFERRABLE INITIALLY DEFERRED")))
				continue
			}
			add(c, "")
		case 7:
			add(c, fmt.Sprintf("CHECK (c%d IS NULL OR length(c%d) < 60)", i, i))
		default:
			add(c, "")
		}
	}
	if t.strict {
		options = append(options, "STRICT")
	}
	g.m.raw.tables = append(g.m.raw.tables, t)
	return Statement{Kind: "create table", SQL: fmt.Sprintf("CREATE TABLE %s (%s) %s", t.name, strings.Join(parts, ", "), strings.Join(options, ", "))}
}

func (g *generator) rawKey(t *rawTable, add func(rawColumn, string)) (options []string) {
	c := rawColumn{name: "k", key: true}
	switch g.c.n(6) {
	case 0:
		c.declared, c.auto = "INTEGER", true
		add(c, "PRIMARY KEY")
	case 1:
		c.declared, c.auto = "INTEGER", true
		add(c, "PRIMARY KEY AUTOINCREMENT")
	case 2:
		c.declared = "TEXT"
		add(c, "PRIMARY KEY COLLATE NOCASE")
		t.withoutRowID = true
	case 3:
		c.declared = "INTEGER"
		add(c, "PRIMARY KEY")
		t.withoutRowID = true
	case 4: // the rowid alone
		add(rawColumn{name: "k", declared: "TEXT"}, "")
	default:
		c.declared = "TEXT"
		add(c, "PRIMARY KEY")
	}
	if t.withoutRowID {
		return []string{"WITHOUT ROWID"}
	}
	return nil
}

// rawParents are tables whose key is SQLite's rowid.
func (g *generator) rawParents() (list []string) {
	for i := range g.m.raw.tables {
		if t := &g.m.raw.tables[i]; t.columns[0].auto {
			t.pinned = true
			list = append(list, t.name)
		}
	}
	return list
}

// rawPinned is a table that something will name, so that it stays.
func (g *generator) rawPinned() rawTable {
	t := &g.m.raw.tables[g.c.n(len(g.m.raw.tables))]
	t.pinned = true
	return *t
}

func (g *generator) rawCreateIndex() Statement {
	t := pick(g.c, g.m.raw.tables)
	name := g.name("ri")
	on := pick(g.c, t.columns).name
	switch g.c.n(4) {
	case 0:
		on = g.c.of("lower(k)", "length(k)", "k || 'i'", "abs(random())", "k COLLATE NOCASE", "json_extract('[1]', '$[0]')", "typeof("+on+")")
	case 1:
		on += g.c.of(" DESC", " COLLATE RTRIM", ", k")
	}
	where := ""
	if g.c.one(3) {
		where = " WHERE " + pick(g.c, t.columns).name + g.c.of(" IS NOT NULL", " > 5", " LIKE 'a%'")
	}
	g.m.raw.indexes = append(g.m.raw.indexes, name)
	return Statement{Kind: "create index", SQL: fmt.Sprintf("CREATE INDEX %s ON %s (%s)%s", name, t.name, on, where)}
}

func (g *generator) rawCreateView() Statement {
	t := g.rawPinned()
	name := g.name("rv")
	s := rawScope{bare: true, columns: []string{"k"}}
	g.m.raw.views = append(g.m.raw.views, name)
	return Statement{Kind: "create view", SQL: fmt.Sprintf("CREATE VIEW %s (k, v, w) AS SELECT k, %s, %s FROM %s%s", name, g.rawNumber(2, s), g.rawText(2, s), t.name, g.c.of("", " ORDER BY random() LIMIT 5", " WHERE k IS NOT NULL"))}
}

func (g *generator) rawCreateTrigger() Statement {
	name := g.name("rt")
	g.m.raw.triggers = append(g.m.raw.triggers, name)
	target := pick(g.c, g.m.raw.tables)
	if len(g.m.raw.views) > 0 && g.c.one(3) {
		into := g.m.raw.tables[0]
		if into.columns[0].auto && into.changeable() != nil {
			g.m.raw.tables[0].pinned = true
			view, event := pick(g.c, g.m.raw.views), g.c.of("INSERT", "DELETE", "UPDATE OF v")
			if event == "INSERT" {
				g.m.raw.insertable = append(g.m.raw.insertable, view)
			}
			return Statement{Kind: "create trigger", SQL: fmt.Sprintf("CREATE TRIGGER %s INSTEAD OF %s ON %s BEGIN INSERT OR IGNORE INTO %s (%s) VALUES (%s); END", name, event,
				view, into.name, into.changeable()[0].name, g.rawFor(&into, into.changeable()[0], rawScope{bare: true}))}
		}
	}
	event, scope := g.c.of("INSERT", "UPDATE", "DELETE"), rawScope{bare: true, columns: []string{"NEW.k"}}
	if event == "DELETE" {
		scope.columns = []string{"OLD.k"}
	}
	t := g.rawPinned()
	body := fmt.Sprintf("DELETE FROM %s WHERE k IN (SELECT k FROM %s ORDER BY random() LIMIT 1)", t.name, t.name)
	switch columns := t.changeable(); {
	case g.c.one(9):
		body = "SELECT RAISE(" + g.c.of("IGNORE", "ABORT, 'raised'", "FAIL, 'raised'") + ") WHERE random() % 9 = 0"
	case len(columns) > 0 && g.c.n(3) > 0:
		body = fmt.Sprintf("UPDATE OR IGNORE %s SET %s = %s WHERE k = (SELECT k FROM %s ORDER BY random() LIMIT 1)", t.name, columns[0].name, g.rawFor(&t, columns[0], scope), t.name)
	case t.columns[0].auto:
		body = fmt.Sprintf("INSERT OR IGNORE INTO %s (k) SELECT abs(random() %% 5000) WHERE (SELECT count(*) FROM %s) < 50", t.name, t.name)
	}
	return Statement{Kind: "create trigger", SQL: fmt.Sprintf("CREATE TRIGGER %s %s %s ON %s%s BEGIN %s; END", name, g.c.of("AFTER", "BEFORE"), event, target.name,
		g.c.of("", " WHEN random() % 2", " WHEN "+scope.columns[0]+" > 3"), body)}
}

func (g *generator) rawAlter() Statement {
	i := g.c.n(len(g.m.raw.tables))
	t := &g.m.raw.tables[i]
	last := &t.columns[len(t.columns)-1]
	sql := "ALTER TABLE " + t.name
	switch g.c.n(4) {
	case 0:
		c := rawColumn{name: g.name("a"), declared: "TEXT"}
		sql += " ADD COLUMN " + c.name + " TEXT" + g.c.of("", " DEFAULT 'd'", " NOT NULL DEFAULT ''", " COLLATE NOCASE")
		t.columns = append(t.columns, c)
	case 1:
		next := g.name("n")
		sql += " RENAME COLUMN " + last.name + " TO " + next
		last.name = next
	case 2:
		if t.pinned || last.key || last.unique || last.parent != "" || len(t.columns) < 3 {
			return g.rawCreateIndex()
		}
		sql += " DROP COLUMN " + last.name
		t.columns = t.columns[:len(t.columns)-1]
	default:
		next := g.name("r")
		sql += " RENAME TO " + next
		for j := range g.m.raw.tables {
			for k := range g.m.raw.tables[j].columns {
				if c := &g.m.raw.tables[j].columns[k]; c.parent == t.name {
					c.parent = next
				}
			}
		}
		t.name = next
	}
	return Statement{Kind: "alter table", SQL: sql}
}

func (g *generator) rawDrop() Statement {
	m := &g.m.raw
	for _, d := range []struct {
		what string
		list *[]string
	}{{"VIEW", &m.views}, {"INDEX", &m.indexes}, {"TRIGGER", &m.triggers}} {
		if len(*d.list) > 0 && g.c.one(3) {
			i := g.c.n(len(*d.list))
			name := (*d.list)[i]
			*d.list = slices.Delete(*d.list, i, i+1)
			m.insertable = slices.DeleteFunc(m.insertable, func(v string) bool { return v == name || d.what == "TRIGGER" })
			return Statement{Kind: "drop", SQL: fmt.Sprintf("DROP %s IF EXISTS %s", d.what, name)}
		}
	}
	if len(m.tables) < 5 {
		return g.rawCreateTable()
	}
	i := g.c.n(len(m.tables))
	if m.tables[i].pinned {
		return g.rawCreateIndex()
	}
	name := m.tables[i].name
	m.tables = slices.Delete(m.tables, i, i+1)
	return Statement{Kind: "drop", SQL: "DROP TABLE " + name}
}
