package sqlgen

import (
	"fmt"
	"slices"
	"strings"

	"quorate/internal/value"
	"quorate/sqlfsm/internal/limit"
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
	// limits, when not nil, are small enough to be met.
	limits *limit.Statement
	large  int           // values over a mebibyte so far
	recent [][]Statement // of commands that succeeded, without DDL: see repeat
	drawn  []Statement   // of the last command, if it can be repeated
	loved  int           // the number of a kind of statement that this seed has many of
}

func newGenerator(c *chance, limits *limit.Statement) *generator {
	return &generator{c: c, time: start, limits: limits, loved: c.n(60)}
}

// zones are sessions' time zones.
var zones = []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Apia"}

// command draws one command.
func (g *generator) command() Command {
	c := Command{Time: g.clock(), Seed: uint64(g.c.n(1 << 30)), Zone: pick(g.c, zones), Stale: g.c.one(60)}
	g.before, g.drawn = g.m.clone(), nil
	switch g.c.n(80) {
	case 79:
		return c // an entry without a command
	case 78:
		c.Mark = true
		return c
	case 77, 76:
		c.Again = g.c.in(1, 30)
		return c
	case 75: // a member leaves, or they are all there again
		c.Members = [][]uint64{{1, 2, 3}, {1, 2, 3}, {1, 2}, {1, 3}, {2, 3}}[g.c.n(5)]
	}
	if c.Origin = uint64(g.c.n(4)); c.Origin != 0 {
		c.Reborn = g.c.one(60)
	}
	c.Statements = g.statements(&c)
	return c
}

// statements draws those of a command.
func (g *generator) statements(c *Command) (list []Statement) {
	raw := len(g.m.tables) > 1 && g.c.n(5) < 2
	switch {
	case len(g.m.tables) < 2:
	case g.c.one(25):
		return []Statement{g.maintenance(raw)}
	case len(g.recent) > 0 && g.c.one(12):
		return g.repeat()
	case raw && len(g.m.raw.tables) > 2 && g.c.one(12):
		c.Load = true
		return g.load()
	case raw && g.c.one(25):
		if list := g.indexWithTriggers(); list != nil {
			return list
		}
	case !raw && g.c.one(60):
		if list := g.indexText(); list != nil {
			return list
		}
	}
	n := 1
	if g.c.one(3) {
		n = g.c.in(2, 4)
	}
	draw := g.plannedStatement
	if raw {
		draw = g.rawStatement
	}
	plain := g.c.one(80)
	if plain {
		n = g.c.in(5, 20)
	}
	repeatable := true
	for range n {
		g.params = nil
		s := draw(plain)
		s.Raw = raw
		repeatable = repeatable && !s.Fails && !isDefinition(s.SQL)
		list = append(list, s)
	}
	if repeatable {
		g.drawn = list
	}
	return list
}

// isDefinition reports that a statement changes the schema.
func isDefinition(sql string) bool {
	switch word, _, _ := strings.Cut(sql, " "); word {
	case "CREATE", "DROP", "ALTER", "ANALYZE", "REINDEX", "VACUUM":
		return true
	}
	return false
}

// repeat draws the statements of an earlier command with other parameters, as a
// session does with those that it has prepared: they are compiled already, maybe
// with another schema.
func (g *generator) repeat() []Statement {
	g.drawn = slices.Clone(pick(g.c, g.recent))
	for i := range g.drawn {
		s := &g.drawn[i]
		s.Kind = "repeated"
		if s.Raw {
			s.Kind = "sqlite: repeated"
		}
		s.Params = slices.Clone(s.Params)
		for k := range s.Params {
			if p := &s.Params[k]; p.typ != "" {
				p.Text, p.Null = g.text(p.typ), g.c.one(10)
			}
		}
		s.Args = slices.Clone(s.Args)
		for k := range s.Args {
			s.Args[k] = g.rawValue()
		}
	}
	return g.drawn
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
		return
	}
	if g.drawn != nil {
		g.recent = append(g.recent, g.drawn)
		g.recent = g.recent[max(0, len(g.recent)-12):]
	}
}

// draw draws a statement of one of the kinds, each as often as its weight says.
func (g *generator) draw(kinds []kind) Statement {
	weights := make([]int, len(kinds))
	for i := range kinds {
		weights[i] = kinds[i].weight
		if i == g.loved && weights[i] > 0 && len(g.m.tables) > 1 {
			weights[i] += 15
		}
	}
	return kinds[g.c.weighted(weights)].draw()
}

type kind struct {
	weight int
	draw   func() Statement
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

// name makes a name that is not used yet.
func (g *generator) name(prefix string) string {
	g.names++
	return fmt.Sprintf("%s%d", prefix, g.names)
}

// param adds a parameter and returns its place in the text.
func (g *generator) param(typ string, p Param) string {
	p.typ = typ
	g.params = append(g.params, p)
	return fmt.Sprintf("$%d", len(g.params))
}
