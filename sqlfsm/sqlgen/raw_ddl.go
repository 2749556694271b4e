package sqlgen

import (
	"fmt"
	"slices"
	"strings"
)

// rawStatement draws a statement of SQLite's SQL, as a planner of another
// version could have made it.
func (g *generator) rawStatement(plain bool) Statement {
	g.args = nil
	kinds := []kind{
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
		{9, g.rawFullTextStatement},
		{2, g.rawRekey},
		{2, g.rawLarge},
		{g.tooMuchWeight(), g.rawTooMuch},
	}
	switch {
	case len(g.m.raw.tables) < 3:
		kinds = []kind{{1, g.rawCreateTable}}
	case plain:
		kinds = []kind{{1, g.rawInsertSelect}}
	}
	s := g.draw(kinds)
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
			of := pick(g.c, t.columns).name // maybe a generated one itself
			add(c, fmt.Sprintf("AS (%s) %s", g.c.of(of+" || 'g'", "length("+of+")", "typeof("+of+")", "date("+of+")", "upper("+of+")", of+" COLLATE NOCASE", "coalesce("+of+", k)"), g.c.of("STORED", "VIRTUAL")))
		case 4:
			c.unique = true
			add(c, "UNIQUE"+g.c.of("", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE", " ON CONFLICT FAIL", " ON CONFLICT ABORT"))
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
			if g.c.one(3) { // a tree
				c.parent, c.declared = t.name, t.columns[0].declared
				if t.columns[0].key {
					add(c, fmt.Sprintf("REFERENCES %s(k) ON DELETE %s ON UPDATE CASCADE%s", t.name, g.c.of("CASCADE", "SET NULL"), g.c.of("", " DEFERRABLE INITIALLY DEFERRED")))
					continue
				}
				c.parent = ""
			}
			add(c, fmt.Sprintf("CHECK (c%d IS NULL OR length(c%d) < 60)", i, i))
		default:
			add(c, "")
		}
	}
	if t.strict {
		options = append(options, "STRICT")
	}
	if g.c.one(5) && !t.columns[1].generated {
		parts = append(parts, fmt.Sprintf("UNIQUE (%s, k)%s", t.columns[1].name, g.c.of("", " ON CONFLICT REPLACE", " ON CONFLICT IGNORE")))
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
		c.declared, c.auto, t.sequence = "INTEGER", true, true
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
	unique := ""
	if t.columns[0].key && g.c.one(4) { // of what is unique anyway
		unique, on = "UNIQUE ", g.c.of("k, "+pick(g.c, t.columns).name+" COLLATE NOCASE", "quote(k), typeof(k)", pick(g.c, t.columns).name+" COLLATE RTRIM DESC, k")
	}
	g.m.raw.indexes = append(g.m.raw.indexes, name)
	return Statement{Kind: "create index", SQL: fmt.Sprintf("CREATE %sINDEX %s ON %s (%s)%s", unique, name, t.name, on, where)}
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
	if len(g.m.raw.views) > 0 && g.c.one(2) {
		into := g.m.raw.tables[0]
		if into.columns[0].auto && into.changeable() != nil {
			g.m.raw.tables[0].pinned = true
			view, event := pick(g.c, g.m.raw.views), g.c.of("INSERT", "DELETE", "UPDATE OF v")
			switch event {
			case "INSERT":
				g.m.raw.insertable = append(g.m.raw.insertable, view)
			case "DELETE":
				g.m.raw.deletable = append(g.m.raw.deletable, view)
			default:
				g.m.raw.updatable = append(g.m.raw.updatable, view)
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
		body = "SELECT RAISE(" + g.c.of("IGNORE", "ABORT, 'raised'", "FAIL, 'raised'", "ABORT, 'raised ' || abs(random() % 9)") + ") WHERE random() % 9 = 0"
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
	if t.indexed && !g.c.one(10) {
		return g.rawCreateIndex()
	}
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
			for _, views := range []*[]string{&m.insertable, &m.deletable, &m.updatable} {
				*views = slices.DeleteFunc(*views, func(v string) bool { return v == name || d.what == "TRIGGER" })
			}
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
