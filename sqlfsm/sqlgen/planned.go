package sqlgen

// plannedStatement draws a statement of PostgreSQL's SQL; a plain one is an INSERT
// that hardly fails.
func (g *generator) plannedStatement(plain bool) Statement {
	switch {
	case len(g.m.tables) < 2:
		return g.createTable()
	case len(g.m.tables) < 5 && g.c.one(4):
		return g.createTable()
	}
	kinds := []kind{
		{30, g.insert},
		{6, g.insertSelect},
		{8, g.upsert},
		{18, g.update},
		{5, g.updateFrom},
		{9, g.delete},
		{8, g.query},
		{5, g.with},
		{4, g.recursive},
		{4, g.window},
		{2, g.createTable},
		{3, g.createIndex},
		{2, g.createView},
		{3, g.createTrigger},
		{4, g.alterTable},
		{2, g.drop},
		{1, g.truncate},
		{4, g.mistake},
		{3, g.fullText},
		{3, g.forms},
		{2, g.largeText},
		{2, g.rekey},
		{2, g.changeView},
		{g.tooMuchWeight(), g.tooMuch},
	}
	if plain {
		kinds = []kind{{1, g.insertOrNot}}
	}
	s := g.draw(kinds)
	s.Params = g.params
	return s
}
