package sqlgen

// plannedStatement draws a statement of PostgreSQL's SQL.
func (g *generator) plannedStatement() Statement {
	switch {
	case len(g.m.tables) < 2:
		return g.createTable()
	case len(g.m.tables) < 5 && g.c.one(4):
		return g.createTable()
	}
	kinds := []struct {
		weight int
		draw   func() Statement
	}{
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
	}
	weights := make([]int, len(kinds))
	for i := range kinds {
		weights[i] = kinds[i].weight
	}
	s := kinds[g.c.weighted(weights)].draw()
	s.Params = g.params
	return s
}
