package sqlgen

import (
	"fmt"
	"strings"
)

// scope is what an expression may name.
type scope []ref

type ref struct{ text, typ string }

// columnsOf are the columns of a table under a name ("" for none).
func columnsOf(columns []column, as string) (s scope) {
	for i := range columns {
		text := columns[i].name
		if as != "" {
			text = as + "." + text
		}
		s = append(s, ref{text, columns[i].base()})
	}
	return s
}

// types are those of columns and expressions.
var types = []string{"int4", "text", "int8", "numeric", "float8", "bool", "timestamptz", "date", "jsonb", "uuid", "bytea", "interval", "timestamp", "time", "json", "int2"}

// expr draws an expression of a type.
func (g *generator) expr(typ string, depth int, s scope) string {
	if depth <= 0 || g.c.one(4) {
		return g.leaf(typ, s)
	}
	switch g.c.n(12) {
	case 0:
		return fmt.Sprintf("CASE WHEN %s THEN %s ELSE %s END", g.expr("bool", depth-1, s), g.expr(typ, depth-1, s), g.expr(typ, depth-1, s))
	case 1:
		return fmt.Sprintf("coalesce(%s, %s)", g.expr(typ, depth-1, s), g.expr(typ, depth-1, s))
	case 2:
		return g.scalar(typ)
	case 3:
		if comparable(typ) && typ != "bytea" && typ != "interval" {
			return fmt.Sprintf("%s(%s, %s)", g.c.of("greatest", "least", "nullif"), g.expr(typ, depth-1, s), g.expr(typ, depth-1, s))
		}
	}
	return g.template(typ, depth, s)
}

// template draws one of the type's templates and fills it in.
func (g *generator) template(typ string, depth int, s scope) string {
	list := templates[typ]
	if !g.inert {
		list = append(list[:len(list):len(list)], sessionTemplates[typ]...)
	}
	return g.fill(pick(g.c, list), depth-1, s)
}

// fill replaces what is in braces: a type by an expression, other words by a
// small thing of that sort.
func (g *generator) fill(template string, depth int, s scope) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		if rest[0] == '{' { // doubled: itself
			b.WriteByte('{')
			template = rest[1:]
			continue
		}
		word, behind, _ := strings.Cut(rest, "}")
		b.WriteString(g.thing(word, depth, s))
		template = behind
	}
}

func (g *generator) thing(word string, depth int, s scope) string {
	switch word {
	case "small":
		return fmt.Sprint(g.c.in(1, 9))
	case "angle": // from -1 to 1
		return g.c.of("0.5", "-0.25", "1.0", "0.0")
	case "positive":
		return g.c.of("1.5", "20.0", "0.125", "1000.0")
	case "field":
		return g.c.of("'year'", "'month'", "'day'", "'hour'", "'minute'", "'second'", "'week'", "'quarter'")
	case "timefield":
		return g.c.of("'hour'", "'minute'", "'second'")
	case "zone":
		return g.c.of("'UTC'", "'Europe/Berlin'", "'America/New_York'", "'Asia/Kolkata'")
	case "pattern":
		return g.c.of("'a'", "'[a-z]+'", "'x|y'", "'^.'", "'(b)(c)?'")
	case "like":
		return g.c.of("'%a%'", "'_b%'", "'x'", "'%'")
	case "strftime":
		return g.c.of("'%Y-%m-%d'", "'%H:%M:%f'", "'%s'", "'%J'", "'%w %j'")
	case "moment":
		return g.c.of("'now'", "'now', 'localtime'", "'now', 'utc'", "'now', '+1 month'", "'now', 'start of day'", "'now', 'weekday 2'", "'2019-03-31', '-1 day'", "'now', 'subsec'")
	case "object":
		return g.leaf("jsonb", nil)
	case "any":
		return g.expr(pick(g.c, types), depth, s)
	case "column":
		return pick(g.c, s).text
	case "table":
		return g.source().name
	}
	return g.expr(word, depth, s)
}

// leaf is a column, a parameter or a literal.
func (g *generator) leaf(typ string, s scope) string {
	if len(s) > 0 && g.c.n(3) > 0 {
		from := g.c.n(len(s))
		for i := range s {
			if r := s[(from+i)%len(s)]; r.typ == typ {
				return r.text
			}
		}
	}
	text := g.text(typ)
	switch {
	case !g.inert && g.c.one(6):
		return g.param(typ, Param{Text: text, Null: g.c.one(10)}) + "::" + typ
	case g.c.one(25):
		return "NULL::" + typ
	case g.c.one(2) && (typ == "int4" || typ == "numeric" || typ == "bool"):
		return strings.Replace(text, "-", "0 - ", 1)
	}
	return "'" + strings.ReplaceAll(text, "'", "''") + "'::" + typ
}

// text is a value of a type in PostgreSQL's form.
func (g *generator) text(typ string) string {
	switch typ {
	case "int4", "int8":
		return g.c.of("0", "1", "2", "3", "7", "10", "42", "100", "-1", "-5", "1000")
	case "int2":
		return g.c.of("0", "1", "2", "-7", "300")
	case "numeric":
		return g.c.of("0", "1.5", "2.25", "-3.75", "10", "99.99", "0.01", "123.4")
	case "float8":
		return g.c.of("0", "1.5", "-2.25", "1e10", "3.141592653589793", "0.1", "1e-7")
	case "bool":
		return g.c.of("true", "false")
	case "date":
		return g.c.of("2019-03-10", "2000-02-29", "1999-12-31", "2020-07-04")
	case "time":
		return g.c.of("00:00:00", "12:34:56", "23:59:59.999999", "07:08:09.5")
	case "timestamp":
		return g.c.of("2019-03-31 02:30:00", "2000-02-29 12:00:00.123456", "1969-12-31 23:59:59")
	case "timestamptz":
		return g.c.of("2019-03-31 01:00:00+00", "2000-02-29 12:00:00.123456+05:30", "2020-11-01 01:30:00-04")
	case "interval":
		return g.c.of("1 day", "2 hours 30 minutes", "1 month -3 days", "-00:00:01.5", "10 years")
	case "uuid":
		return g.c.of("00000000-0000-0000-0000-000000000001", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "ffffffff-ffff-4fff-8fff-ffffffffffff")
	case "json", "jsonb":
		return g.c.of(`{"a": 1, "b": [1, 2, {"c": "x"}]}`, `[]`, `{"k": null, "t": true}`, `[3, 1, 2]`, `"word"`, `{"a": 2.50}`)
	case "bytea":
		return g.c.of(`\x`, `\x00ff10`, `\x6162`)
	}
	return g.c.of("a", "b", "abc", "", "Ärger", "x y", "it's", "%_", "Zebra", "null", "10")
}

// source is a table to ask. One that a view or a trigger asks stays.
func (g *generator) source() *table {
	t := pick(g.c, g.m.tables)
	t.pinned = t.pinned || g.inert
	return t
}

// scalar is a query for one value.
func (g *generator) scalar(typ string) string {
	t := g.source()
	var fitting []string
	for i := range t.columns {
		if c := &t.columns[i]; c.base() == typ {
			fitting = append(fitting, c.name)
		}
	}
	if len(fitting) == 0 {
		switch typ {
		case "int8":
			return fmt.Sprintf("(SELECT count(*) FROM %s)", t.name)
		case "bool":
			return fmt.Sprintf("EXISTS (SELECT 1 FROM %s)", t.name)
		}
		return g.leaf(typ, nil)
	}
	name := pick(g.c, fitting)
	if g.c.n(2) == 0 && comparable(typ) && typ != "bool" && typ != "uuid" {
		return fmt.Sprintf("(SELECT %s(%s) FROM %s)", g.c.of("min", "max"), name, t.name)
	}
	return fmt.Sprintf("(SELECT %s FROM %s ORDER BY %s LIMIT 1)", name, t.name, g.c.of("random()", t.columns[0].name))
}

// comparable types have an order.
func comparable(typ string) bool { return typ != "json" && typ != "jsonb" }

// predicate is a condition about what is in scope.
func (g *generator) predicate(s scope) string {
	if len(s) == 0 || g.c.one(5) {
		return g.expr("bool", 2, s)
	}
	r := pick(g.c, s)
	switch {
	case !comparable(r.typ) || g.c.one(8):
		return r.text + g.c.of(" IS NOT NULL", " IS NULL")
	case g.c.one(6):
		return fmt.Sprintf("%s IN (%s, %s)", r.text, g.leaf(r.typ, nil), g.leaf(r.typ, nil))
	case g.c.one(6):
		return fmt.Sprintf("%s BETWEEN %s AND %s", r.text, g.leaf(r.typ, nil), g.leaf(r.typ, nil))
	}
	return fmt.Sprintf("%s %s %s", r.text, g.c.of("=", "<", ">", "<=", ">=", "<>"), g.expr(r.typ, 1, s))
}

// where is a WHERE clause, or none.
func (g *generator) where(s scope) string {
	switch g.c.n(6) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" WHERE %s %s %s", g.predicate(s), g.c.of("AND", "OR"), g.predicate(s))
	case 2:
		return " WHERE NOT (" + g.predicate(s) + ")"
	}
	return " WHERE " + g.predicate(s)
}

// immutable draws an expression for an index, a CHECK or a generated column.
func (g *generator) immutable(typ string, s scope) string {
	for _, r := range s {
		if r.typ != typ || g.c.one(3) {
			continue
		}
		switch typ {
		case "text":
			return g.c.of("lower(", "upper(", "md5(", "reverse(", "initcap(") + r.text + ")"
		case "int4", "int8":
			return fmt.Sprintf("%s %s %d", r.text, g.c.of("+", "-", "*"), g.c.in(1, 5))
		case "numeric":
			return r.text + " * 2"
		case "float8":
			return "abs(" + r.text + ")"
		}
		return r.text
	}
	for _, r := range s {
		switch {
		case typ == "int4" && r.typ == "text":
			return "length(" + r.text + ")"
		case typ == "text" && (r.typ == "int4" || r.typ == "int8"):
			return r.text + "::text"
		}
	}
	return ""
}
