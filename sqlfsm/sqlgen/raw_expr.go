package sqlgen

import (
	"fmt"
	"regexp"
	"strings"

	"quorate/internal/value"
)

// rawArg adds an argument of a statement that is not planned and returns its
// place in the text.
func (g *generator) rawArg(v value.Value) string {
	g.args = append(g.args, v)
	return fmt.Sprintf("?%d", len(g.args))
}

var argPlace = regexp.MustCompile(`\?[1-9][0-9]*`)

// usedArgs leaves out the arguments of expressions that were drawn and not
// taken.
func usedArgs(sql string, args []value.Value) (string, []value.Value) {
	var used []value.Value
	sql = argPlace.ReplaceAllStringFunc(sql, func(place string) string {
		var n int
		fmt.Sscanf(place, "?%d", &n)
		used = append(used, args[n-1])
		return fmt.Sprintf("?%d", len(used))
	})
	return sql, used
}

// rawNumbers and rawTexts are expressions of SQLite's own; {n} is a number, {t}
// a text, {m} a moment, {c} a column of the table at hand.
var (
	rawNumbers = []string{
		"7", "-1", "0", "2.5", "1e300", "9007199254740993", "random()", "abs(random() % 1000)", "({n} + {n})", "({n} * 3)", "({n} / 7)", "({n} % 5)", "({n} & 255)", "({n} << 2)", "-({n})",
		"length({t})", "unicode({t})", "instr({t}, 'a')", "round({n}, 1)", "sign({n})", "max({n}, {n})", "min({n}, 4)", "unixepoch()", "unixepoch({m})", "unixepoch({m}, 'subsec')", "julianday()", "julianday({m})",
		"cast({t} AS INTEGER)", "cast({t} AS REAL)", "coalesce({n}, 1)", "ifnull({n}, 2)", "iif({n} > 3, {n}, 0)", "nullif({n}, 7)", "CASE {n} WHEN 7 THEN 1 ELSE {n} END",
		"json_array_length('[1,2,3]')", "json_extract('{\"a\":[1,{\"b\":5}]}', '$.a[1].b')", "('{\"x\": 12}' ->> 'x')", "(SELECT count(*) FROM {T})", "(SELECT max(rowid) FROM {T})", "last_insert_rowid()", "changes()",
		"exp({u})", "ln(2.5)", "log(10, 1000.0)", "log2(8)", "pow(2.1, {u})", "sqrt(2)", "sin({u})", "acos({u})", "atan2({u}, 1)", "sinh({u})", "pi()", "mod(7.5, 2)", "ceil(1.2)", "floor(-1.2)", "trunc(2.9)", "degrees({u})", "octet_length({t})",
		"({n} IS NOT {t})", "({t} LIKE '%a%')", "({t} GLOB 'a*')", "({t} < {t} COLLATE NOCASE)", "({n} BETWEEN 1 AND 9)", "({n} IN (1, 2, {n}))", "EXISTS (SELECT 1 FROM {T} WHERE {c2} > {n})", "likelihood({n}, 0.5)", "unlikely({n})",
		"{c}", "{c}", "{c}", "{a}", "{a}",
	}
	rawTexts = []string{
		"'a'", "'Ä'", "''", "'ab cd'", "({t} || {t})", "({n} || 'x')", "upper({t})", "lower({t})", "trim({t})", "substr({t}, 2)", "replace({t}, 'a', {t})", "hex({t})", "hex(randomblob(3))", "quote({n})", "typeof({n})", "char(65, 66)", "format('%d-%s', {n}, {t})", "printf('%.3f', {u})", "printf('%x', 255)",
		"date()", "time()", "datetime()", "CURRENT_TIMESTAMP", "CURRENT_DATE", "CURRENT_TIME", "date({m})", "time({m})", "datetime({m})", "datetime({m}, 'localtime')", "datetime({m}, 'utc')", "datetime({m}, 'subsec')", "strftime('%Y-%m-%d %H:%M:%f', {m})", "strftime('%s %J %j %w %W')", "timediff('now', '2000-01-01')",
		"json_object('k', {n}, 't', {t})", "json_array({n}, {t}, NULL)", "json_set('{}', '$.a', {n})", "json_insert('{\"a\":1}', '$.b', {t})", "json_remove('[1,2,3]', '$[1]')", "json_patch('{\"a\":1}', '{\"b\":2}')", "json_quote({t})", "json('[1, 2]')", "json_type('{\"a\": 1.5}', '$.a')", "json(jsonb('{\"a\": [1]}'))", "hex(jsonb_array({n}))",
		"(SELECT group_concat({t}) FROM {T})", "(SELECT group_concat({c2}, ';') FROM {T})", "(SELECT json_group_array({c2}) FROM {T})", "(SELECT value FROM json_each('[5,6,7]') ORDER BY random() LIMIT 1)", "(SELECT atom FROM json_tree('{\"a\":{\"b\":1}}') WHERE atom IS NOT NULL)", "concat({t}, {n})", "concat_ws('-', {t}, {n})", "unhex('4142')", "soundex({t})", "coalesce({t}, 'none')", "iif({n}, {t}, 'no')", "{a}", "{c}",
	}
	rawMoments = []string{"'now'", "'now', '+1 day'", "'now', 'start of month'", "'now', '-7 hours', 'localtime'", "'now', 'weekday 0'", "'2019-03-31 01:59:59'", "'now', '+1.5 seconds'", "2458000.5", "1552262300, 'unixepoch'", "'now', 'auto'", "'12:34'"}
)

// rawScope is what a raw expression may name.
type rawScope struct {
	columns []string
	bare    bool // no columns, arguments or queries: a default, a trigger, a view
}

// rawNumber and rawText draw an expression that is a number or a text, as a
// rule: SQLite's columns may hold anything.
func (g *generator) rawNumber(depth int, s rawScope) string { return g.rawExpr(rawNumbers, depth, s) }
func (g *generator) rawText(depth int, s rawScope) string   { return g.rawExpr(rawTexts, depth, s) }

func (g *generator) rawExpr(list []string, depth int, s rawScope) string {
	if depth <= 0 {
		if len(s.columns) > 0 && g.c.one(2) {
			return pick(g.c, s.columns)
		}
		return list[g.c.n(4)]
	}
	x := pick(g.c, list)
	if s.bare && (strings.Contains(x, "{a}") || strings.Contains(x, "SELECT")) {
		x = list[g.c.n(4)]
	}
	var b strings.Builder
	for {
		i := strings.IndexByte(x, '{')
		if i < 0 || i+1 >= len(x) {
			return b.String() + x
		}
		b.WriteString(x[:i])
		thing, length := g.rawThing(x[i:], depth-1, s)
		b.WriteString(thing)
		x = x[i+length:]
	}
}

// rawThing replaces what begins with a brace and returns how much of it; a brace
// that is JSON's stays.
func (g *generator) rawThing(x string, depth int, s rawScope) (thing string, length int) {
	word, _, found := strings.Cut(x[1:], "}")
	if !found {
		return "{", 1
	}
	switch word {
	case "n":
		thing = g.rawNumber(depth, s)
	case "t":
		thing = g.rawText(depth, s)
	case "m":
		thing = pick(g.c, rawMoments)
	case "u": // from 0 to 1
		thing = g.c.of("0.5", "0.1", "1.0", "0")
	case "c":
		thing = "3"
		if len(s.columns) > 0 {
			thing = pick(g.c, s.columns)
		}
	case "T":
		thing = g.anyTable()
	case "c2": // a column of whatever table {T} is: every one has it
		thing = g.c.of("1", "rowid")
	case "a":
		thing = g.rawArg(g.rawValue())
	default:
		return "{", 1
	}
	return thing, len(word) + 2
}

// rawValue is an argument of any storage class.
func (g *generator) rawValue() value.Value {
	switch g.c.n(8) {
	case 0:
		return value.Value{}
	case 1:
		return value.Float([]float64{0, 1.5, -2e300, 1e-9, 9007199254740993}[g.c.n(5)])
	case 2:
		return value.BlobBytes([]byte("\x00\x01\xff")[:g.c.n(4)])
	case 3, 4:
		return value.String(g.c.of("a", "", "arg", "Ünïcode", "10", "now"))
	}
	return value.Int(int64([]int{0, 1, 5, -3, 1000, 1 << 40}[g.c.n(6)]))
}

// anyTable is a table with a rowid, of either sort.
func (g *generator) anyTable() string {
	var list []string
	for i := range g.m.raw.tables {
		if t := &g.m.raw.tables[i]; !t.withoutRowID {
			list = append(list, t.name)
		}
	}
	if len(list) == 0 {
		return "(SELECT 1 AS rowid)"
	}
	return pick(g.c, list)
}
