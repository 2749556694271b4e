package sqlgen

import (
	"fmt"
	"slices"
	"strings"
)

// load draws the statements of a command that loads a dump: rows with their keys,
// some before the rows that they refer to, and what AUTOINCREMENT goes on from.
func (g *generator) load() (list []Statement) {
	for range g.c.in(1, 3) {
		g.args = nil
		t := pick(g.c, g.m.raw.tables)
		columns := t.writable()
		var rows []string
		for range g.c.in(1, 6) {
			rows = append(rows, "("+g.loadedRow(&t, columns)+")")
		}
		sql := fmt.Sprintf("INSERT OR IGNORE INTO %s (%s) VALUES %s", t.name, rawNames(columns), strings.Join(rows, ", "))
		s := Statement{Kind: "sqlite: load", Raw: true}
		s.SQL, s.Args = usedArgs(sql, g.args)
		list = append(list, s)
	}
	if i := slices.IndexFunc(g.m.raw.tables, func(t rawTable) bool { return t.sequence }); i >= 0 && g.c.one(2) {
		name := g.m.raw.tables[i].name
		list = append(list, Statement{Kind: "sqlite: load", Raw: true, SQL: g.c.of(
			fmt.Sprintf("UPDATE sqlite_sequence SET seq = max(seq, %d) WHERE name = '%s'", g.c.n(200_000), name),
			fmt.Sprintf("DELETE FROM sqlite_sequence WHERE name = '%s'", name),
			fmt.Sprintf("INSERT INTO sqlite_sequence (name, seq) SELECT '%s', %d WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = '%s')", name, g.c.n(1000), name),
		)})
	}
	return list
}

// loadedRow is a row of a dump; what it refers to may come later, or never.
func (g *generator) loadedRow(t *rawTable, columns []rawColumn) string {
	var list []string
	for _, c := range columns {
		x := g.rawFor(t, c, rawScope{})
		if c.parent != "" {
			x = fmt.Sprint(g.c.in(1, 9000))
		}
		list = append(list, x)
	}
	return strings.Join(list, ", ")
}
