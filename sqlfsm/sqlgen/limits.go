package sqlgen

import (
	"fmt"
	"strings"

	"quorate/internal/value"
	"quorate/sqlfsm/internal/limit"
)

// limitsOf are what the statements of a seed may use: of every other one so little
// that some meet it, in the middle of their batch. nil: the real limits, which take
// seconds to reach.
func limitsOf(seed uint64) *limit.Statement {
	c := newChance(seed, "limits")
	if c.one(2) {
		return nil
	}
	return &limit.Statement{Steps: c.in(20_000, 200_000), Bytes: int64(c.in(200, 2000)) << 10, HeldBytes: int64(c.in(200, 1000)) << 10, LengthBytes: c.in(300, 1000) << 10}
}

// tooMuchWeight is how often statements are drawn that reach a limit: none when that
// would take seconds.
func (g *generator) tooMuchWeight() int {
	if g.limits == nil {
		return 0
	}
	return 3
}

// endless is a query without an end.
const endless = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) "

// rawTooMuch draws a statement that reaches one of the limits: of steps, of bytes
// written, sorted or returned, of bytes in memory, or of a value's length.
func (g *generator) rawTooMuch() Statement {
	t := pick(g.c, g.m.raw.tables)
	c := pick(g.c, t.writable()).name
	into := fmt.Sprintf("INSERT OR REPLACE INTO %s (%s) ", t.name, c)
	list := []string{
		endless + "SELECT count(*) FROM n",
		endless + "SELECT i FROM n",
		endless + "SELECT hex(randomblob(300)) FROM n ORDER BY random()",
		"WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i + 1 FROM n) SELECT count(DISTINCT hex(randomblob(99))) FROM n",
		endless + "SELECT count(*) OVER (PARTITION BY i % 3 ORDER BY randomblob(30)) FROM n",
		endless + "SELECT length(group_concat(hex(randomblob(500)))) FROM n",
		endless + "SELECT json_group_array(hex(randomblob(300))) FROM n",
		endless + "SELECT i % 100, group_concat(hex(randomblob(200))) FROM n GROUP BY 1",
		"WITH RECURSIVE n(x) AS (VALUES ('a') UNION ALL SELECT x || x FROM n) SELECT count(*) FROM n",
		endless + "SELECT sum(length(hex(zeroblob(10000 + i)))) FROM n",
		endless + "SELECT count(*) FROM n WHERE hex(zeroblob(20000)) LIKE '%' || i",
		fmt.Sprintf("SELECT length(zeroblob(%d))", g.limits.LengthBytes+g.c.in(1, 9)),
		fmt.Sprintf("SELECT hex(randomblob(%d))", g.limits.LengthBytes/2+1),
		fmt.Sprintf("DELETE FROM %s WHERE k IN (%s SELECT -i FROM n)", t.name, endless),
		fmt.Sprintf("UPDATE %s SET %s = (%s SELECT count(*) FROM n)", t.name, c, endless),
		into + endless + "SELECT i FROM n",
		into + endless + "SELECT i FROM n WHERE i < 0",
		into + endless + "SELECT hex(randomblob(i)) FROM n ORDER BY 1",
	}
	if len(g.m.raw.fullText) > 0 {
		f := pick(g.c, g.m.raw.fullText)
		list = append(list, fmt.Sprintf("INSERT INTO %s (rowid, %s) %sSELECT i + 1000, 'fox ' || hex(randomblob(20)) FROM n", f.name, f.columns[0], endless))
	}
	return Statement{Kind: "too much", Fails: true, SQL: pick(g.c, list)}
}

// tooMuch is rawTooMuch in PostgreSQL's SQL.
func (g *generator) tooMuch() Statement {
	t := pick(g.c, g.m.tables)
	list := []string{
		"WITH RECURSIVE r (i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
		"WITH RECURSIVE r (i) AS (SELECT 1::bigint UNION ALL SELECT i + 1 FROM r) SELECT md5(random()::text) FROM r ORDER BY 1",
		"SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 1000000)",
		"SELECT count(*) FROM generate_series(1, 100000) g (i) WHERE repeat('ab', 2000) ~ ('(a|b)*c' || i::text)",
		"SELECT json_agg(md5(i::text)) FROM generate_series(1, 1000000) g (i)",
		fmt.Sprintf("SELECT repeat('x', %d)", g.limits.LengthBytes+g.c.in(1, 9)),
		fmt.Sprintf("DELETE FROM %s WHERE (SELECT count(*) FROM generate_series(1, 10000000)) > 5", t.name),
	}
	if columns := t.changeable(); len(columns) > 0 {
		c := pick(g.c, columns)
		if c.typ == "text" {
			list = append(list, fmt.Sprintf("UPDATE %s SET %s = repeat('ab', %d)", t.name, c.name, g.limits.LengthBytes))
		}
		list = append(list, fmt.Sprintf("UPDATE %s SET %s = %s WHERE (SELECT max(i) FROM generate_series(1, 10000000) g (i)) > 5", t.name, c.name, g.value(c, nil)))
	}
	return Statement{Kind: "too much", Fails: true, SQL: pick(g.c, list)}
}

// largeBytes is how large a value is that is large: more than a mebibyte, or about
// as much as a value may be when that is less.
func (g *generator) largeBytes() int {
	if g.limits != nil {
		return g.limits.LengthBytes - g.c.in(0, 300)
	}
	g.large++
	return 1<<20 + g.c.n(1<<19)
}

// rawLarge draws a statement that writes a large value, or makes one small again.
func (g *generator) rawLarge() Statement {
	t := pick(g.c, g.m.raw.tables)
	for _, c := range t.changeable() {
		if t.strict && c.declared != "TEXT" && c.declared != "ANY" && c.declared != "BLOB" {
			continue
		}
		if g.large >= 3 || g.c.one(2) {
			return Statement{Kind: "large", SQL: fmt.Sprintf("UPDATE %s SET %s = substr(%s, 1, 9) WHERE length(%s) > 1000", t.name, c.name, c.name, c.name)}
		}
		n := g.largeBytes()
		x := g.c.of(fmt.Sprintf("zeroblob(%d)", n), fmt.Sprintf("printf('%%.*c', %d, 'z')", n), fmt.Sprintf("hex(randomblob(%d))", n/2), fmt.Sprintf("replace(hex(zeroblob(%d)), '00', 'ab')", n/2))
		if g.c.one(4) {
			x = g.rawArg(value.String(strings.Repeat("r", n)))
		}
		if t.strict && c.declared == "BLOB" || t.strict && c.declared == "TEXT" {
			x = "cast(" + x + " AS " + c.declared + ")"
		}
		return Statement{Kind: "large", SQL: fmt.Sprintf("UPDATE %s SET %s = %s WHERE k IN (SELECT k FROM %s LIMIT 1)", t.name, c.name, x, t.name)}
	}
	return g.rawInsert()
}

// largeText is rawLarge in PostgreSQL's SQL.
func (g *generator) largeText() Statement {
	t := pick(g.c, g.m.tables)
	for _, c := range t.changeable() {
		if c.typ != "text" && c.typ != "bytea" {
			continue
		}
		key := t.columns[0].name
		if g.large >= 3 || g.c.one(2) {
			return Statement{Kind: "large", SQL: fmt.Sprintf("UPDATE %s SET %s = substr(%s, 1, 9) WHERE length(%s) > 1000", t.name, c.name, c.name, c.name)}
		}
		n := g.largeBytes()
		x := fmt.Sprintf("repeat('x', %d)", n)
		switch {
		case c.typ == "bytea":
			x = fmt.Sprintf("zeroblob(%d)", n)
		case g.c.one(3):
			x = g.param("", Param{Text: strings.Repeat("p", n)}) + "::text"
		}
		return Statement{Kind: "large", SQL: fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s IN (SELECT %s FROM %s LIMIT 1)", t.name, c.name, x, key, key, t.name)}
	}
	return g.insert()
}
