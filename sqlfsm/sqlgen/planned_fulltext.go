package sqlgen

import (
	"fmt"
	"strings"
)

// fullText draws what is done with full text indexes: docs has texts of its own,
// words has none, and each of the others is of a table's rows, and triggers keep it
// in step.
func (g *generator) fullText() Statement {
	words := func() string {
		return g.c.of("'quick brown fox'", "'lazy dogs jump'", "'Ärger im Haus'", "'running runs ran'", "''", g.expr("text", 2, nil))
	}
	switch {
	case !g.m.fullText:
		g.m.fullText = true
		return Statement{Kind: "full text", SQL: "CREATE VIRTUAL TABLE docs USING fts5(title, body" + g.c.of("", ", tokenize = 'porter'", ", prefix = '2 3'", ", detail = column") + ")"}
	case !g.m.wordsOnly:
		g.m.wordsOnly = true
		return Statement{Kind: "full text", SQL: "CREATE VIRTUAL TABLE words USING fts5(body, content = '', contentless_delete = 1" + g.c.of("", ", tokenize = 'trigram'", ", prefix = '1'") + ")"}
	case len(g.m.indexed) > 0 && g.c.one(3):
		return g.indexedText()
	}
	n := g.c.in(1, 40)
	return Statement{Kind: "full text", SQL: g.c.of(
		fmt.Sprintf("INSERT INTO docs (title, body) VALUES (%s, %s), (%s, %s)", words(), words(), words(), words()),
		fmt.Sprintf("UPDATE docs SET body = body || ' ' || %s WHERE title = %s", words(), words()),
		fmt.Sprintf("DELETE FROM docs WHERE body = %s", words()),
		"SELECT title FROM docs WHERE docs MATCH 'quick OR lazy' ORDER BY rank",
		"SELECT title, body FROM docs WHERE body MATCH 'run*'",
		fmt.Sprintf("INSERT INTO docs (title, body) SELECT %s::text, %s FROM %s LIMIT 5", g.c.of("random()", "now()", "gen_random_uuid()"), words(), pick(g.c, g.m.tables).name),
		fmt.Sprintf("INSERT INTO words (rowid, body) SELECT max(rowid) + 1, %s FROM words", words()),
		fmt.Sprintf("UPDATE words SET body = %s WHERE rowid = %d", words(), n),
		fmt.Sprintf("DELETE FROM words WHERE rowid = %d", n),
		"SELECT rowid FROM words WHERE words MATCH 'quick OR runs' ORDER BY rank",
		fmt.Sprintf("INSERT INTO %s VALUES (%s)", g.c.of("docs (docs)", "words (words)"), g.c.of("'optimize'", "'integrity-check'")),
		fmt.Sprintf("INSERT INTO %s VALUES (%s)", g.c.of("docs (docs, rank)", "words (words, rank)"), g.c.of("'merge', 4", "'automerge', 2", "'pgsz', 100", "'crisismerge', 4")),
	)}
}

// indexText draws an index of a table's texts, with its triggers, as one command.
// nil: no table is fit for it.
func (g *generator) indexText() (list []Statement) {
	var t *table
	var text string
	for _, candidate := range g.m.tables {
		key := candidate.columns[0]
		if !key.key || key.base() != "int4" && key.base() != "int8" || candidate.columns[1].key || candidate.withoutRowID {
			continue
		}
		for _, c := range candidate.columns[1:] {
			if c.typ == "text" && !g.m.isIndexed(candidate.name) {
				t, text = candidate, c.name
			}
		}
	}
	if t == nil || len(g.m.indexed) > 2 {
		return nil
	}
	t.pinned = true
	name := g.name("x")
	g.m.indexed = append(g.m.indexed, textIndex{name, t, text})
	forget := fmt.Sprintf("INSERT INTO %s (%s, rowid, %s) VALUES ('delete', OLD.id, OLD.%s);", name, name, text, text)
	add := fmt.Sprintf("INSERT INTO %s (rowid, %s) VALUES (NEW.id, NEW.%s);", name, text, text)
	sql := []string{fmt.Sprintf("CREATE VIRTUAL TABLE %s USING fts5(%s, content = '%s', content_rowid = 'id'%s)", name, text, t.name, g.c.of("", ", columnsize = 0", ", prefix = '2'"))}
	for _, tr := range []struct{ event, body string }{{"INSERT", add}, {"DELETE", forget}, {"UPDATE", forget + " " + add}} {
		sql = append(sql, fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s BEGIN %s END", g.name("tr"), tr.event, t.name, tr.body))
	}
	sql = append(sql, fmt.Sprintf("INSERT INTO %s (%s) VALUES ('rebuild')", name, name))
	for i := range sql {
		list = append(list, Statement{Kind: "full text with triggers", SQL: strings.TrimSpace(sql[i])})
	}
	return list
}

// textIndex is a full text index of one column of a table. Its triggers stay as long
// as the table.
type textIndex struct {
	name   string
	table  *table
	column string
}

// indexedText draws what is done with such an index, or a change that it has to
// follow.
func (g *generator) indexedText() Statement {
	x := pick(g.c, g.m.indexed)
	some := fmt.Sprintf("id IN (SELECT id FROM %s ORDER BY random() LIMIT 2)", x.table.name)
	return Statement{Kind: "full text", SQL: g.c.of(
		fmt.Sprintf("SELECT rowid FROM %s WHERE %s MATCH 'a OR abc OR k*' ORDER BY rank", x.name, x.name),
		fmt.Sprintf("SELECT count(*) FROM %s WHERE id IN (SELECT rowid FROM %s WHERE %s MATCH 'x')", x.table.name, x.name, x.name),
		fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", x.name, x.name, g.c.of("'integrity-check'", "'rebuild'", "'optimize'")),
		fmt.Sprintf("UPDATE %s SET id = id + 5000 WHERE %s", x.table.name, some),
		fmt.Sprintf("DELETE FROM %s WHERE %s", x.table.name, some),
	)}
}
