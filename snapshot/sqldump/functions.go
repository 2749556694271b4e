package sqldump

import (
	"fmt"
	"strings"
)

// exactFunctions are those of SQLite whose result is the same in all versions and
// which have no other meaning here.
var exactFunctions = set(`abs coalesce hex ifnull instr length ltrim max min nullif replace
	rtrim substr trim typeof unicode iif json_valid likely unlikely likelihood zeroblob`)

// shellFunctions are the other functions of the sqlite3 shell, version 3.40. Those
// that Quorate has replaced (lower, like, exp …) are near enough to what it means.
var shellFunctions = set(`acos acosh asin asinh atan atan2 atanh avg bm25 ceil ceiling changes char cos cosh count
	cume_dist date datetime degrees dense_rank exp first_value floor format glob group_concat highlight
	json json_array json_array_length json_extract json_group_array json_group_object json_insert json_object json_patch
	json_quote json_remove json_replace json_set json_type julianday lag last_insert_rowid last_value lead like ln log log10 log2
	lower match mod nth_value ntile percent_rank pi pow power printf quote radians random randomblob rank round row_number
	sign sin sinh snippet sqlite_version sqrt strftime substring subtype sum tan tanh time total total_changes trunc unixepoch upper`)

// argumentsMax is SQLITE_MAX_FUNCTION_ARG, which has grown since.
const argumentsMax = 127

// timeFunctions are ours whose result is the time, or made of it; dateFunctions
// are SQLite's, when they are asked for 'now'.
var (
	timeFunctions = set("q_now q_localtimestamp q_current_date q_localtime")
	dateFunctions = set("date datetime julianday strftime time unixepoch")
)

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// translator writes a call in sqlite3's words. ok is false when it has none.
type translator func(c *functionCall) (text string, f fidelity, ok bool)

// Forms that several functions need. Timestamps are kept with six digits, of which
// strftime gives three.
const (
	stampFormat = `'%Y-%m-%d %H:%M:%f000'`
	clockFormat = `'%H:%M:%f000'`
)

// translations are the functions that sqlite3 does not have, or has with another
// meaning, and what it has instead (package pgfunc says what they do). In a
// template $1 may stand beside an operator, #1 only between commas or parentheses.
// What is not here has no honest equivalent.
var translations = map[string]translator{
	"q_add":              same(2, "($1 + $2)"),
	"q_sub":              same(2, "($1 - $2)"),
	"q_mul":              same(2, "($1 * $2)"),
	"q_div":              same(2, "($1 / $2)"),
	"q_neg":              same(1, "(- $1)"),
	"q_mod":              about(2, "($1 % $2)"),
	"q_numeric_add":      about(2, "($1 + $2)"),
	"q_numeric_sub":      about(2, "($1 - $2)"),
	"q_numeric_mul":      about(2, "($1 * $2)"),
	"q_numeric_div":      about(2, "($1 * 1.0 / $2)"),
	"q_numeric_mod":      about(2, "mod(#1, #2)"),
	"q_numeric_quotient": about(2, "CAST($1 / $2 AS INTEGER)"),
	"q_numeric_sum":      total("sum"),
	"q_numeric_avg":      total("avg"),
	"q_numeric_text":     about(2, "printf('%.' || $2 || 'f', #1)"),
	"q_power":            about(2, "pow(#1, #2)"),
	"q_round":            byCount(1, "round(#1)", 2, "round(#1, #2)"),
	"q_round_float8":     about(1, "round(#1)"),
	"q_trunc":            about(1, "CAST(#1 AS INTEGER)"),
	"q_trunc_float8":     about(1, "trunc(#1)"),
	"q_greatest":         extreme("max"),
	"q_least":            extreme("min"),
	"q_single":           about(2, "$2"),

	"q_bit_length":  same(1, "(8 * length(CAST(#1 AS BLOB)))"),
	"octet_length":  same(1, "length(CAST(#1 AS BLOB))"),
	"q_substr":      substring,
	"q_left":        about(2, "substr(#1, 1, #2)"),
	"q_right":       about(2, "substr(#1, - $2)"),
	"q_position":    same(2, "instr(#2, #1)"),
	"q_starts_with": same(2, "(substr(#1, 1, length(#2)) = $2)"),
	"q_repeat":      about(2, "replace(hex(zeroblob(#2)), '00', #1)"),
	"q_rpad":        about(2, "substr($1 || replace(hex(zeroblob(#2)), '00', ' '), 1, #2)"),
	"q_ascii":       about(1, "unicode(#1)"),
	"q_chr":         about(1, "char(#1)"),
	"q_to_hex4":     about(1, "printf('%x', #1)"),
	"q_to_hex8":     about(1, "printf('%x', #1)"),
	"q_concat":      concatenation,
	"q_encode":      encoding,
	"string_agg":    about(2, "group_concat(#1, #2)"),
	"if":            conditional,
	"iif":           conditional,

	"q_like":    byCount(2, `($1 LIKE $2 ESCAPE '\')`, 3, "($1 LIKE $2 ESCAPE $3)"),
	"q_notlike": byCount(2, `($1 NOT LIKE $2 ESCAPE '\')`, 3, "($1 NOT LIKE $2 ESCAPE $3)"),
	"q_ilike":   byCount(2, `($2 LIKE $1 ESCAPE '\')`, 3, "($2 LIKE $1 ESCAPE $3)"),

	"q_now":               about(-1, "strftime("+stampFormat+", 'now')"),
	"q_localtimestamp":    about(-1, "strftime("+stampFormat+", 'now')"),
	"q_current_date":      about(-1, "date('now')"),
	"q_localtime":         about(-1, "strftime("+clockFormat+", 'now')"),
	"q_zone":              about(0, "'UTC'"),
	"q_part":              datePart,
	"q_part_zone":         datePart,
	"q_part_time":         datePart,
	"q_date_trunc":        dateTrunc,
	"q_date_trunc_zone":   dateTrunc,
	"q_timestamp_add":     plusInterval(stampFormat),
	"q_timestamptz_add":   plusInterval(stampFormat),
	"q_date_add_interval": plusInterval(stampFormat),
	"q_time_add":          plusInterval(clockFormat),
	"q_date_add":          about(2, "date(#1, $2 || ' days')"),
	"q_date_sub":          about(2, "CAST(julianday(#1) - julianday(#2) AS INTEGER)"),
	"q_to_timestamp":      about(1, "strftime("+stampFormat+", #1, 'unixepoch')"),
	"q_make_date":         about(3, "printf('%04d-%02d-%02d', #1, #2, #3)"),

	"q_json_typeof":       about(1, "CASE json_type(#1) WHEN 'text' THEN 'string' WHEN 'integer' THEN 'number' WHEN 'real' THEN 'number' WHEN 'true' THEN 'boolean' WHEN 'false' THEN 'boolean' ELSE json_type(#1) END"),
	"q_json_array_length": about(1, "json_array_length(#1)"),

	"q_random":          about(0, "((random() & 9007199254740991) / 9007199254740992.0)"),
	"q_random_between":  about(2, "($1 + abs(random() % ($2 - $1 + 1)))"),
	"q_gen_random_uuid": about(0, uuid),
}

// uuid is RFC 9562's version 4.
const uuid = `lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' || ` +
	`substr('89AB', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))`

func init() {
	for to := range kindsByName {
		translations["q_cast_"+to] = cast(to)
		translations["q_assign_"+to] = cast(to)
	}
}

// same is a template that gives the same value; n is the number of arguments, -1
// for any.
func same(n int, template string) translator { return templateOf(n, template, exact) }

// about is a template that gives about the same value.
func about(n int, template string) translator { return templateOf(n, template, near) }

func templateOf(n int, template string, f fidelity) translator {
	return func(c *functionCall) (string, fidelity, bool) {
		return c.fill(template), f, n < 0 || n == len(c.args)
	}
}

func byCount(n int, template string, m int, other string) translator {
	return func(c *functionCall) (string, fidelity, bool) {
		if len(c.args) == m {
			return c.fill(other), near, true
		}
		return c.fill(template), near, len(c.args) == n
	}
}

// total is an aggregate of numerics: of what the planner has gathered in an array.
func total(aggregate string) translator {
	return func(c *functionCall) (string, fidelity, bool) {
		const gather = "json_group_array("
		if len(c.args) != 1 || !strings.HasPrefix(c.args[0].plain, gather) {
			return "", near, false
		}
		return aggregate + "(" + strings.TrimPrefix(c.args[0].plain, gather), near, true
	}
}

// extreme is GREATEST or LEAST, which passes over NULLs, where SQLite's max() does
// not.
func extreme(function string) translator {
	return func(c *functionCall) (string, fidelity, bool) {
		n := len(c.args)
		if n < 2 {
			return c.fill("$1"), near, n == 1
		}
		if n > argumentsMax {
			return "", near, false
		}
		var rotated []string
		for i := range n {
			var list []string
			for j := range n {
				list = append(list, c.args[(i+j)%n].plain)
			}
			rotated = append(rotated, "coalesce("+strings.Join(list, ", ")+")")
		}
		return function + "(" + strings.Join(rotated, ", ") + ")", near, true
	}
}

// conditional is iif(), which had three arguments before SQLite 3.48.
func conditional(c *functionCall) (string, fidelity, bool) {
	n := len(c.args)
	if n == 3 {
		return c.fill("iif(#1, #2, #3)"), exact, true
	}
	text := "CASE"
	for i := 0; i+1 < n; i += 2 {
		text += " WHEN " + c.args[i].plain + " THEN " + c.args[i+1].plain
	}
	if n%2 == 1 {
		text += " ELSE " + c.args[n-1].plain
	}
	return text + " END", exact, n > 1
}

// substring counts from 1 as SQLite does; what is before the text differs.
func substring(c *functionCall) (string, fidelity, bool) {
	f := near
	if n := len(c.args); n > 1 && c.args[1].literal > "0" && c.args[1].literal[0] <= '9' && (n == 2 || c.args[2].literal != "") {
		f = exact
	}
	switch len(c.args) {
	case 2:
		return c.fill("substr(#1, #2)"), f, true
	case 3:
		return c.fill("substr(#1, #2, #3)"), f, true
	}
	return "", near, false
}

// concatenation is concat(): behind the arguments are the OIDs of their types and
// the time zone.
func concatenation(c *functionCall) (string, fidelity, bool) {
	n := (len(c.args) - 1) / 2
	if n == 0 {
		return "''", near, true
	}
	var parts []string
	for _, a := range c.args[:n] {
		parts = append(parts, "coalesce("+a.plain+", '')")
	}
	return "(" + strings.Join(parts, " || ") + ")", near, true
}

func encoding(c *functionCall) (string, fidelity, bool) {
	return c.fill("lower(hex(#1))"), near, len(c.args) == 2 && strings.EqualFold(c.args[1].literal, "'hex'")
}

// partFormats are the fields of EXTRACT that strftime has.
var partFormats = map[string]string{
	"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "doy": "%j", "dow": "%w", "epoch": "%s",
}

func datePart(c *functionCall) (string, fidelity, bool) {
	if len(c.args) < 2 {
		return "", near, false
	}
	field := unquoted(c.args[0].literal)
	if field == "second" {
		return c.fill("CAST(strftime('%f', #2) AS REAL)"), near, true
	}
	format, ok := partFormats[field]
	return c.fill("CAST(strftime('" + format + "', #2) AS INTEGER)"), near, ok
}

// truncFormats are the fields of date_trunc() that strftime can cut at.
var truncFormats = map[string]string{
	"year": "%Y-01-01 00:00:00.000000", "month": "%Y-%m-01 00:00:00.000000", "day": "%Y-%m-%d 00:00:00.000000",
	"hour": "%Y-%m-%d %H:00:00.000000", "minute": "%Y-%m-%d %H:%M:00.000000", "second": "%Y-%m-%d %H:%M:%S.000000",
}

func dateTrunc(c *functionCall) (string, fidelity, bool) {
	if len(c.args) < 2 {
		return "", near, false
	}
	format, ok := truncFormats[unquoted(c.args[0].literal)]
	return c.fill("strftime('" + format + "', #2)"), near, ok
}

func unquoted(literal string) string { return strings.ToLower(nameOf(literal)) }

// plusInterval adds an interval that is a literal.
func plusInterval(format string) translator {
	return func(c *functionCall) (string, fidelity, bool) {
		if len(c.args) < 2 {
			return "", near, false
		}
		modifiers, ok := intervalModifiers(c.args[1].literal)
		return c.fill("strftime(" + format + ", #1" + modifiers + ")"), near, ok
	}
}

// intervalModifiers writes an interval (1 year 2 mons 3 days 04:05:06) as
// strftime's modifiers.
func intervalModifiers(literal string) (modifiers string, ok bool) {
	if literal == "" || literal[0] != '\'' {
		return "", false
	}
	words := strings.Fields(nameOf(literal))
	for i := 0; i < len(words); i++ {
		if strings.Contains(words[i], ":") {
			if c := words[i][0]; c != '-' && c != '+' {
				words[i] = "+" + words[i]
			}
			modifiers += ", '" + words[i] + "'"
			continue
		}
		if i+1 == len(words) {
			return "", false
		}
		unit := map[string]string{"year": "years", "years": "years", "mon": "months", "mons": "months", "day": "days", "days": "days"}[words[i+1]]
		if unit == "" {
			return "", false
		}
		modifiers += fmt.Sprintf(", '%s %s'", words[i], unit)
		i++
	}
	return modifiers, true
}
