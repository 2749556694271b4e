package sqlgen

import (
	"fmt"

	"quorate/internal/value"
)

// generator draws commands.
type generator struct {
	c      *chance
	m      model // as it is when the command succeeds
	before model // as it is when it fails
	names  int   // used so far
	time   int64 // of the last command
	params []Param
	args   []value.Value // of a statement that is not planned
	inert  bool          // no parameters and no session's values: the text stays, in a trigger, a view …
}

func newGenerator(c *chance) *generator { return &generator{c: c, time: start} }

// zones are sessions' time zones.
var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"}

// command draws one command.
func (g *generator) command() Command {
	c := Command{Time: g.clock(), Seed: uint64(g.c.n(1 << 30)), Zone: pick(g.c, zones), Stale: g.c.one(60)}
	g.before = g.m.clone()
	switch g.c.n(80) {
	case 79:
		return c // an entry without a command
	case 78:
		c.Mark = true
		return c
	case 77, 76:
		c.Again = g.c.in(1, 30)
		return c
	}
	if c.Origin = uint64(g.c.n(4)); c.Origin != 0 {
		c.Reborn = g.c.one(60)
	}
	n := 1
	if g.c.one(3) {
		n = g.c.in(2, 4)
	}
	raw := len(g.m.tables) > 1 && g.c.one(3)
	c.Load = raw && g.c.one(30)
	if len(g.m.tables) > 1 && g.c.one(25) {
		c.Statements = []Statement{g.maintenance(raw)}
		return c
	}
	for range n {
		g.params = nil
		s := g.statement(raw)
		s.Raw = raw
		c.Statements = append(c.Statements, s)
	}
	return c
}

// clock is the time of the next command: mostly later, now and then earlier, as
// when another node with a slow clock proposes.
func (g *generator) clock() int64 {
	switch g.c.n(12) {
	case 11:
		g.time -= int64(g.c.n(3_000_000))
	case 10:
		g.time += int64(g.c.n(40)) * 3_600_000_000
	default:
		g.time += int64(g.c.n(2_000_003))
	}
	return g.time
}

// learn is told whether the last command succeeded.
func (g *generator) learn(succeeded bool) {
	if !succeeded {
		g.m = g.before
	}
}

// maintenance draws what changes plans and the file, not the data. It is alone
// in its command.
func (g *generator) maintenance(raw bool) Statement {
	s := Statement{Kind: "maintenance", Raw: raw, SQL: g.c.of("ANALYZE", "VACUUM", "ANALYZE "+pick(g.c, g.m.tables).name)}
	if raw && len(g.m.raw.tables) > 0 {
		t := pick(g.c, g.m.raw.tables).name
		s.Kind, s.SQL = "sqlite: maintenance", g.c.of("ANALYZE", "ANALYZE "+t, "VACUUM", "REINDEX", "REINDEX "+t)
	}
	return s
}

func (g *generator) statement(raw bool) Statement {
	if raw {
		return g.rawStatement()
	}
	return g.plannedStatement()
}

// name makes a name that is not used yet.
func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// param adds a parameter and returns its place in the text.
func (g *generator) param(p Param) string {
	g.params = append(g.params, p)
	return fmt.Sprintf("$%d", len(g.params))
}
