package sqlgen

import (
	"fmt"
	"strings"
)

// rawFullText is a full text index made past the planner, and where the texts are
// that it is of (https://sqlite.org/fts5.html, section 4.4).
type rawFullText struct {
	name    string
	columns []string
	content fullTextContent
	table   string // with external content
	deletes bool   // contentless, and rows can be deleted all the same
	plain   bool   // it keeps no positions, so that phrases are not found
	inStep  bool   // triggers keep it so
}

type fullTextContent int

const (
	ownContent fullTextContent = iota
	externalContent
	contentless
)

// rawFullTextStatement draws what is done with FTS5 past the planner.
func (g *generator) rawFullTextStatement() Statement {
	list := g.m.raw.fullText
	switch {
	case len(list) == 0 || g.c.one(10) && len(list) < 5:
		f := g.newFullText()
		return Statement{Kind: "full text", SQL: g.createFullText(f)}
	case g.c.one(40):
		i := g.c.n(len(list))
		name := list[i].name
		if list[i].inStep { // the triggers of its table would miss it
			break
		}
		g.m.raw.fullText = append(list[:i:i], list[i+1:]...)
		return Statement{Kind: "full text", SQL: "DROP TABLE " + name}
	}
	f := pick(g.c, g.m.raw.fullText)
	switch g.c.n(6) {
	case 0, 1:
		return Statement{Kind: "full text", SQL: g.askFullText(&f)}
	case 2:
		return Statement{Kind: "full text", SQL: g.commandFullText(&f)}
	}
	return Statement{Kind: "full text", SQL: g.writeFullText(&f)}
}

// newFullText draws an index and adds it to the model.
func (g *generator) newFullText() *rawFullText {
	f := rawFullText{name: g.name("f"), columns: []string{"a", "b"}}
	switch g.c.n(3) {
	case 1:
		if t := g.rawIndexable(); t != nil {
			t.pinned, t.indexed = true, true
			f.content, f.table, f.columns = externalContent, t.name, nil
			for _, c := range t.columns[1:] {
				f.columns = append(f.columns, c.name)
			}
		}
	case 2:
		f.content, f.deletes = contentless, g.c.one(2)
	}
	g.m.raw.fullText = append(g.m.raw.fullText, f)
	return &g.m.raw.fullText[len(g.m.raw.fullText)-1]
}

// rawIndexable is a table whose rows a full text index can be of.
func (g *generator) rawIndexable() *rawTable {
	from := g.c.n(len(g.m.raw.tables))
	for i := range g.m.raw.tables {
		if t := &g.m.raw.tables[(from+i)%len(g.m.raw.tables)]; t.columns[0].auto && !t.withoutRowID {
			return t
		}
	}
	return nil
}

// createFullText draws CREATE VIRTUAL TABLE for an index.
func (g *generator) createFullText(f *rawFullText) string {
	parts := append([]string(nil), f.columns...)
	if len(parts) > 1 && g.c.one(4) {
		parts[1] += " UNINDEXED"
	}
	switch f.content {
	case externalContent:
		parts = append(parts, fmt.Sprintf("content='%s'", f.table), "content_rowid='k'")
	case contentless:
		parts = append(parts, "content=''")
		if f.deletes {
			parts = append(parts, "contentless_delete=1")
		}
	}
	if x := g.c.of("", "tokenize='trigram'", "tokenize='porter ascii'", "tokenize='porter'", `tokenize="unicode61 remove_diacritics 2 tokenchars '-_'"`, "tokenize='trigram case_sensitive 1'", "tokenize='ascii'"); x != "" {
		parts = append(parts, x)
	}
	if x := g.c.of("", "prefix='1 2'", "prefix='3'"); x != "" {
		parts = append(parts, x)
	}
	if x := g.c.of("", "", "detail=none", "detail=column"); x != "" {
		parts = append(parts, x)
		f.plain = true
	}
	if g.c.one(4) && !f.deletes {
		parts = append(parts, "columnsize=0")
	}
	return fmt.Sprintf("CREATE VIRTUAL TABLE %s USING fts5(%s)", f.name, strings.Join(parts, ", "))
}

// indexWithTriggers draws a full text index of a table's rows and the triggers that
// keep it in step, as section 4.4.3 of FTS5's manual has them.
func (g *generator) indexWithTriggers() []Statement {
	if len(g.m.raw.tables) < 3 || len(g.m.raw.fullText) > 5 {
		return nil
	}
	t := g.rawIndexable()
	if t == nil {
		return nil
	}
	t.pinned, t.indexed = true, true
	f := rawFullText{name: g.name("f"), content: externalContent, table: t.name, inStep: true}
	for _, c := range t.columns[1:] {
		f.columns = append(f.columns, c.name)
	}
	values := func(row string) string {
		list := []string{row + ".k"}
		for _, c := range f.columns {
			list = append(list, row+"."+c)
		}
		return strings.Join(list, ", ")
	}
	columns := strings.Join(append([]string{"rowid"}, f.columns...), ", ")
	forget := fmt.Sprintf("INSERT INTO %s (%s, %s) VALUES ('delete', %s);", f.name, f.name, columns, values("old"))
	add := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s);", f.name, columns, values("new"))
	list := []string{g.createFullText(&f)}
	for _, tr := range []struct{ event, body string }{{"INSERT", add}, {"DELETE", forget}, {"UPDATE", forget + " " + add}} {
		name := g.name("rt")
		list = append(list, fmt.Sprintf("CREATE TRIGGER %s AFTER %s ON %s BEGIN %s END", name, tr.event, t.name, tr.body))
	}
	list = append(list, fmt.Sprintf("INSERT INTO %s (%s) VALUES ('rebuild')", f.name, f.name))
	g.m.raw.fullText = append(g.m.raw.fullText, f)
	var statements []Statement
	for _, sql := range list {
		statements = append(statements, Statement{Kind: "sqlite: full text with triggers", Raw: true, SQL: sql})
	}
	return statements
}

// words draws a text, of words that queries look for as a rule.
func (g *generator) words() string {
	return g.c.of("'the quick brown fox'", "'x y z'", "'fox and dog'", "'Ärger-im_Haus fox'", "'running dogs ran'", "NULL", "'fox ' || hex(randomblob(2))", g.rawText(2, rawScope{}))
}

// written are the words of the row with a number in an index without content, so
// that they are known when the row is deleted.
func written(n int, columns []string) string {
	var list []string
	for i := range columns {
		list = append(list, fmt.Sprintf("'fox w%d c%d dog'", n%7, i))
	}
	return strings.Join(list, ", ")
}

func (g *generator) writeFullText(f *rawFullText) string {
	columns, n := strings.Join(f.columns, ", "), g.c.in(1, 60)
	someRow := fmt.Sprintf("(SELECT rowid FROM %s ORDER BY random() LIMIT 1)", f.name)
	switch f.content {
	case externalContent:
		if f.inStep && !g.c.one(20) { // the table is written, and the triggers do the rest
			t := fmt.Sprintf("(SELECT k FROM %s ORDER BY random() LIMIT 2)", f.table)
			return g.c.of(
				fmt.Sprintf("UPDATE %s SET k = k + 1000000 WHERE k IN %s", f.table, t),
				fmt.Sprintf("DELETE FROM %s WHERE k IN %s", f.table, t),
				fmt.Sprintf("INSERT OR IGNORE INTO %s (k) SELECT abs(random() %% 5000)", f.table),
				fmt.Sprintf("REPLACE INTO %s (k) SELECT k FROM %s ORDER BY k DESC LIMIT 2", f.table, f.table),
			)
		}
		return g.c.of(
			fmt.Sprintf("INSERT INTO %s (rowid, %s) SELECT k, %s FROM %s ORDER BY k LIMIT 3", f.name, columns, columns, f.table),
			fmt.Sprintf("INSERT INTO %s (%s, rowid, %s) SELECT 'delete', k, %s FROM %s ORDER BY k LIMIT 1", f.name, f.name, columns, columns, f.table),
			fmt.Sprintf("INSERT INTO %s (rowid, %s) VALUES (%d, %s)", f.name, f.columns[0], n, g.words()),
			fmt.Sprintf("DELETE FROM %s WHERE rowid = %s", f.name, someRow),
		)
	case contentless:
		if f.deletes && g.c.one(2) {
			return g.c.of(
				fmt.Sprintf("DELETE FROM %s WHERE rowid = %d", f.name, n),
				fmt.Sprintf("UPDATE %s SET a = %s, b = %s WHERE rowid = %d", f.name, g.words(), g.words(), n),
				fmt.Sprintf("REPLACE INTO %s (rowid, a, b) VALUES (%d, %s, 'fox')", f.name, n, g.words()),
				fmt.Sprintf("DELETE FROM %s WHERE rowid IN (SELECT rowid FROM %s WHERE %s MATCH 'w%d')", f.name, f.name, f.name, n%7),
			)
		}
		if !f.deletes && g.c.one(3) {
			return fmt.Sprintf("INSERT INTO %s (%s, rowid, %s) VALUES ('delete', %d, %s)", f.name, f.name, columns, n, written(n, f.columns))
		}
		if f.deletes {
			return fmt.Sprintf("INSERT OR REPLACE INTO %s (rowid, %s) VALUES (%d, %s)", f.name, columns, n, written(n, f.columns))
		}
		return fmt.Sprintf("INSERT INTO %s (rowid, %s) VALUES (%d, %s)", f.name, columns, n, written(n, f.columns))
	}
	return g.c.of(
		fmt.Sprintf("INSERT INTO %s (a, b) VALUES (%s, 'the quick brown fox'), ('x', %s)", f.name, g.words(), g.words()),
		fmt.Sprintf("INSERT OR REPLACE INTO %s (rowid, a) VALUES (%d, %s)", f.name, n, g.words()),
		fmt.Sprintf("INSERT OR IGNORE INTO %s (rowid, a, b) VALUES (%d, %s, %s)", f.name, n, g.words(), g.words()),
		fmt.Sprintf("INSERT INTO %s (a) SELECT %s FROM %s LIMIT 9", f.name, g.words(), pick(g.c, g.m.raw.tables).name),
		fmt.Sprintf("UPDATE %s SET a = a || ' again' WHERE rowid IN (SELECT rowid FROM %s ORDER BY random() LIMIT 2)", f.name, f.name),
		fmt.Sprintf("UPDATE %s SET rowid = rowid + 100000 WHERE rowid = %s", f.name, someRow),
		fmt.Sprintf("DELETE FROM %s WHERE rowid = (SELECT max(rowid) FROM %s)", f.name, f.name),
		fmt.Sprintf("DELETE FROM %s WHERE %s MATCH 'quick'", f.name, f.name),
	)
}

// commandFullText draws a command to the index, or a setting of it, which a restart
// must not forget.
func (g *generator) commandFullText(f *rawFullText) string {
	commands := []string{"('optimize')", "('flush')"}
	settings := []string{"('merge', 4)", "('merge', -8)", "('automerge', 2)", "('automerge', 0)", "('crisismerge', 3)", "('usermerge', 2)", "('pgsz', 64)", "('pgsz', 1000)",
		"('hashsize', 2000)", "('rank', 'bm25(10.0, 5.0)')", "('secure-delete', 1)", "('secure-delete', 0)", "('deletemerge', 5)"}
	switch f.content {
	case ownContent:
		commands = append(commands, "('rebuild')", "('integrity-check')")
	case externalContent:
		commands = append(commands, "('rebuild')", "('rebuild')")
		if f.inStep {
			settings = append(settings, "('integrity-check', 1)", "('integrity-check', 0)")
		} else {
			commands = append(commands, "('delete-all')")
		}
	case contentless:
		if !f.deletes || g.c.one(4) {
			commands = append(commands, "('delete-all')")
		}
		if f.deletes {
			commands = append(commands, "('integrity-check')")
		}
	}
	if g.c.one(2) {
		return fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", f.name, f.name, pick(g.c, commands))
	}
	return fmt.Sprintf("INSERT INTO %s (%s, rank) VALUES %s", f.name, f.name, pick(g.c, settings))
}

// askFullText draws a query, or a write that depends on one.
func (g *generator) askFullText(f *rawFullText) string {
	query := g.c.of("'fox'", "'qui*'", "'fox OR dog'", "'fox NOT quick'", "'fox AND dog'", "'w3'", "'running'")
	if !f.plain && g.c.one(2) {
		query = g.c.of(`'"quick brown"'`, "'NEAR(quick fox, 3)'", fmt.Sprintf("'%s : fox'", f.columns[0]), fmt.Sprintf("'- %s : dog'", f.columns[0]), "'^the'", "'the + quick'")
	}
	asks := []string{
		// The column that is called as the index is answers with the cursor's number.
		fmt.Sprintf("SELECT rowid, %s FROM %s WHERE %s MATCH %s ORDER BY rank", f.name, f.name, f.name, query),
		fmt.Sprintf("SELECT rowid, rank, %s FROM %s(%s) ORDER BY rowid DESC LIMIT 5", f.name, f.name, query),
		fmt.Sprintf("SELECT rowid, %s FROM %s ORDER BY rowid LIMIT 3", f.name, f.name),
		fmt.Sprintf("SELECT count(*), max(rowid) FROM %s WHERE %s MATCH %s", f.name, f.name, query),
		fmt.Sprintf("SELECT rowid FROM %s WHERE rowid BETWEEN 3 AND 40", f.name),
		fmt.Sprintf("INSERT INTO %s (%s) SELECT count(*) FROM %s WHERE %s MATCH %s", g.m.raw.tables[0].name, g.m.raw.tables[0].writable()[0].name, f.name, f.name, query),
	}
	if f.content != contentless {
		asks = append(asks,
			fmt.Sprintf("SELECT highlight(%s, 0, '<', '>'), bm25(%s, 2.0) FROM %s(%s)", f.name, f.name, f.name, query),
			fmt.Sprintf("SELECT snippet(%s, -1, '[', ']', '…', 2), %s FROM %s WHERE %s MATCH %s", f.name, f.columns[0], f.name, f.name, query),
			fmt.Sprintf("SELECT * FROM %s WHERE %s LIKE '%%fox%%'", f.name, f.columns[0]),
		)
	}
	return pick(g.c, asks)
}
