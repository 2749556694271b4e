package sqlfsm

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// hardCalls are statements with one call of a function each, for which the
// function takes very long or once did.
var hardCalls = []string{
	`INSERT INTO o (v) SELECT hex(zeroblob(100000)) LIKE '%' || hex(zeroblob(20000)) || '_1%'`,
	`INSERT INTO o (v) SELECT q_ilike('%' || hex(zeroblob(20000)) || '_A%', hex(zeroblob(100000)))`,
	`INSERT INTO o (v) SELECT hex(zeroblob(100000)) GLOB '*' || hex(zeroblob(20000)) || '1*'`,
	`INSERT INTO o (v) SELECT hex(zeroblob(100000)) GLOB '*[' || hex(zeroblob(20000)) || '1]1'`,
	`INSERT INTO o (v) SELECT trim(hex(zeroblob(100000)), replace(hex(zeroblob(1000)), '0', '1') || '0')`,
	`INSERT INTO o (v) SELECT ltrim(hex(zeroblob(100000)), replace(hex(zeroblob(1000)), '0', '1') || '0')`,
	`INSERT INTO o (v) SELECT rtrim(hex(zeroblob(100000)), replace(hex(zeroblob(1000)), '0', '1') || '0')`,
	`INSERT INTO o (v) SELECT unhex(replace(hex(zeroblob(50000)), '0', '-'), replace(hex(zeroblob(500)), '0', '1') || '-')`,
	`INSERT INTO o (v) SELECT json_patch('{' || trim(replace(hex(zeroblob(5000)), '0', '"b":1,'), ',') || '}', '{' || trim(replace(hex(zeroblob(5000)), '0', '"b":1,'), ',') || '}')`,
	`INSERT INTO o (v) SELECT printf('%.*f', 50000000, 1.5)`,
	`INSERT INTO o (v) SELECT length(printf('%.50000000g', 1.5))`,
	`INSERT INTO o (v) SELECT hex(zeroblob(100000)) REGEXP '(0|00|000|0000|00000|000000|0000000){40}1'`,
	`INSERT INTO o (v) SELECT q_regexp_count(hex(zeroblob(10000)), '0*1|0')`,
	`INSERT INTO o (v) SELECT q_regexp_replace(hex(zeroblob(10000)), '0*1|0', 'x', 'g')`,
	`INSERT INTO o (v) SELECT length(group_concat(x) OVER (ORDER BY i ROWS 5000 PRECEDING)) FROM
		(WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000) SELECT i, hex(zeroblob(50)) AS x FROM n)`,
}

// TestHardCalls: a call of a function is one instruction, but what it takes
// counts before it is done, or while it is.
func TestHardCalls(t *testing.T) {
	tooMuch(t, hardCalls, func(f *FSM) { f.counter.limit = 1_000_000 })
}

// easyCalls look for long things, and once were as hard.
var easyCalls = []struct{ sql, answer string }{
	{`SELECT instr(hex(zeroblob(4000)), hex(zeroblob(2000)) || '1')`, "0"},
	{`SELECT instr(hex(zeroblob(4000)) || '1', hex(zeroblob(2000)) || '1')`, "4001"},
	{`SELECT length(replace(hex(zeroblob(4000)), hex(zeroblob(2000)) || '1', 'x'))`, "8000"},
	{`SELECT hex(zeroblob(4000)) LIKE '%' || hex(zeroblob(2000)) || '1%'`, "0"},
	{`SELECT (hex(zeroblob(4000)) || '1') LIKE '%' || hex(zeroblob(2000)) || '1%'`, "1"},
	{`SELECT q_ilike('%' || hex(zeroblob(2000)) || 'a%', hex(zeroblob(4000)) || 'A')`, "1"},
	{`SELECT q_position(hex(zeroblob(2000)) || '1', hex(zeroblob(4000)))`, "0"},
	{`SELECT q_split_part(hex(zeroblob(4000)) || '1a', hex(zeroblob(2000)) || '1', 2)`, "'a'"},
}

// TestEasyCalls: they take time in proportion to their arguments' length now.
func TestEasyCalls(t *testing.T) {
	f := openTest(t)
	f.counter.limit = 10_000
	var l log
	for _, c := range easyCalls {
		if got := show(apply(t, f, l.entry(bound(c.sql)))[0]); got != "0 ("+c.answer+")" {
			t.Errorf("%s\nanswers %s, want %s", c.sql, got, c.answer)
		}
	}
}

// growing are calls whose argument has about %d bytes.
var growing = []struct {
	call string
	most float64 // how many times the steps for twice the bytes
}{
	{"length(hex(zeroblob(%d)))", 2.1},
	{"quote(hex(zeroblob(%d)))", 2.1},
	{"substr(hex(zeroblob(%d)), 3)", 2.1},
	{"nullif(hex(zeroblob(%[1]d)), hex(zeroblob(%[1]d)))", 2.1},
	{"max(hex(zeroblob(%[1]d)), hex(zeroblob(%[1]d)))", 2.1},
	{"max(hex(zeroblob(%[1]d)))", 2.1},
	{"sum(hex(zeroblob(%[1]d)))", 2.1},
	{"instr(hex(zeroblob(%[1]d)), hex(zeroblob(%[1]d / 2)) || '1')", 2.1},
	{"replace(hex(zeroblob(%[1]d)), hex(zeroblob(%[1]d / 2)) || '1', '')", 2.1},
	{"hex(zeroblob(%[1]d)) LIKE '%%' || hex(zeroblob(%[1]d / 2)) || '1%%'", 2.1},
	{"printf('%%.*f', %d, 1.5)", 2.1},
	{"strftime(replace(hex(zeroblob(%d)), '00', '%%s'), '2020-01-01')", 2.1},
	{"json('[' || trim(replace(hex(zeroblob(%d)), '00', '1,'), ',') || ']')", 2.1},
	{"json_extract('[' || trim(replace(hex(zeroblob(%d)), '00', '1,'), ',') || ']', '$[7]')", 2.1},
	{"json_set('[' || trim(replace(hex(zeroblob(%d)), '00', '1,'), ',') || ']', '$[7]', 1)", 2.1},
	// Products.
	{"trim(hex(zeroblob(%[1]d)), replace(hex(zeroblob(%[1]d)), '0', '1') || '0')", 4.2},
	{"hex(zeroblob(%[1]d)) GLOB '*' || hex(zeroblob(%[1]d / 2)) || '1*'", 4.2},
	{"unhex(hex(zeroblob(%[1]d)), hex(zeroblob(%[1]d)))", 4.2},
	{"json_patch('{' || trim(replace(hex(zeroblob(%[1]d)), '00', '\"b\":1,'), ',') || '}', '{' || trim(replace(hex(zeroblob(%[1]d)), '00', '\"a\":1,'), ',') || '}')", 4.2},
}

// TestStepsGrow: with twice as much to look at, a call is counted as no more than
// twice as many steps; as four times, where the function compares each with each.
func TestStepsGrow(t *testing.T) {
	f := openTest(t)
	var l log
	taken := func(call string, n int) int {
		sql := fmt.Sprintf("SELECT length("+call+")", n)
		if r := apply(t, f, l.entry(bound(sql)))[0]; r.Err != nil {
			t.Fatalf("%s: %v", sql, r.Err)
		}
		return f.counter.taken()
	}
	for _, g := range growing {
		one, two := taken(g.call, 4000), taken(g.call, 8000)
		if one < 4000/64 || float64(two) > g.most*float64(one) {
			t.Errorf("%s: %d steps, and %d for twice the bytes", g.call, one, two)
		}
	}
}

// freeFunctions take the same time whatever they are given, or are part of the
// program (iif). The rest are the full text index's: what snippet() and highlight()
// take is not counted (docs/internals/determinism.md, Limits).
var freeFunctions = strings.Fields(`changes/0 last_insert_rowid/0 coalesce/-4 if/-4 iif/-4 ifnull/2 likely/1 unlikely/1 likelihood/2
	count/0 count/1 cume_dist/0 dense_rank/0 rank/0 row_number/0 percent_rank/0 ntile/1 nth_value/2 first_value/1 last_value/1
	lag/1 lag/2 lag/3 lead/1 lead/2 lead/3 current_date/0 current_time/0 current_timestamp/0 octet_length/1 pi/0 subtype/1 typeof/1
	unicode/1 zeroblob/1 match/2 bm25/-1 highlight/-1 snippet/-1 fts5/1 fts5_get_locale/-1 fts5_insttoken/1 fts5_locale/2`)

// TestNoFunctionIsForgotten: each function that SQLite has is ours, refused,
// paid for, or known to take no time.
func TestNoFunctionIsForgotten(t *testing.T) {
	known := slices.Clone(freeFunctions)
	note := func(name string, args int) { known = append(known, fmt.Sprintf("%s/%d", name, args)) }
	for _, f := range pgfunc.Implementations() {
		note(f.Name, f.Args)
	}
	for _, f := range refusedFunctions {
		note(f.name, f.args)
	}
	for _, f := range aggregateCosts {
		note(f.name, f.args)
	}
	for _, f := range builtinCosts {
		for _, args := range f.args {
			note(f.name, args)
		}
	}
	err := openTest(t).writer.query(`SELECT DISTINCT name || '/' || narg FROM pragma_function_list`, func(row []value.Value) {
		if !slices.Contains(known, row[0].Text()) {
			t.Errorf("nobody knows what %s takes: see builtinCosts", row[0].Text())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// plainConnection has SQLite's functions and ours, but none that is paid for.
func plainConnection(t *testing.T) *connection {
	t.Helper()
	c, err := openConnection(filepath.Join(t.TempDir(), "plain"), sqlite.Create, 1<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close() })
	return c
}

// anyArgument draws values that functions may confuse: texts of a few characters,
// some of which are no UTF-8 or have a NUL, BLOBs of the same bytes, numbers.
var anyArgument = rapid.Custom(func(t *rapid.T) value.Value {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "A", "é", "€", "😀", "\xff", "\x80", "\xc3", "\xed\xa0\x80", "\xf8\x80", "\x00",
		"0", "1", ".", "*", "?", "[", "]", "^", "-", "%", "$", "{", "}", ":", `"`, ",", `\`, "d", " "}), 0, 8)
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return value.Value{}
	case 1:
		return value.Int(rapid.SampledFrom([]int64{0, 1, -1, 10, 1 << 62}).Draw(t, "integer"))
	case 2:
		return value.Float(rapid.SampledFrom([]float64{0, 1.5, -1e300, 11}).Draw(t, "real"))
	case 3, 4:
		return value.BlobBytes([]byte(strings.Join(parts.Draw(t, "blob"), "")))
	case 5:
		return value.String(rapid.SampledFrom([]string{`{"a":1,"b":[1,2]}`, `[1,{"a":"b"}]`, `{"a":{"b":null}}`, "$.a", "$[0]", "$.b[#-1]", "2020-01-01", "+1 day"}).Draw(t, "JSON or time"))
	}
	return value.String(strings.Join(parts.Draw(t, "text"), ""))
})

// TestFunctionsAnswerAlike: those that are paid for, and those that ours stand in
// for, answer as SQLite's own.
func TestFunctionsAnswerAlike(t *testing.T) {
	metered, plain := openTest(t).writer, plainConnection(t)
	var calls []string
	for _, f := range builtinCosts {
		for _, args := range f.args {
			if args < 0 {
				calls = append(calls, fmt.Sprintf(`"%s"(?1, ?2, ?3)`, f.name), fmt.Sprintf(`"%s"(?1, ?2, ?3, ?2, ?1)`, f.name))
				continue
			}
			calls = append(calls, fmt.Sprintf(`"%s"(%s)`, f.name, "?1, ?2, ?3"[:max(4*args-2, 0)]))
		}
	}
	for _, f := range aggregateCosts {
		call := fmt.Sprintf(`"%s"(%s)`, f.name, "x, y"[:3*f.args-2])
		calls = append(calls, call, `max(`+call+`) OVER (ROWS 1 PRECEDING)`)
	}
	for _, often := range []string{"instr(?1, ?2)", "replace(?1, ?2, ?3)", "glob(?1, ?2)"} {
		calls = append(calls, slices.Repeat([]string{often}, 20)...)
	}
	ask := func(c *connection, call string, args []value.Value) string {
		var all []string
		from := ""
		if strings.Contains(call, "x") && !strings.Contains(call, "?") {
			from = " FROM (VALUES (?1, ?2), (?2, ?3), (?3, ?1)) AS v, (SELECT 1) WHERE ?1 IS NOT 0.25"
			call = strings.NewReplacer("x", "column1", "y", "column2").Replace(call)
		} else {
			call += ", ?1 IS ?2 IS ?3" // so that all are there
		}
		err := c.query("SELECT "+call+from, func(row []value.Value) { all = append(all, showRow(row)) }, args...)
		return fmt.Sprint(all, err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		args := rapid.SliceOfN(anyArgument, 3, 3).Draw(rt, "arguments")
		for range 10 {
			call := rapid.SampledFrom(calls).Draw(rt, "call")
			if got, want := ask(metered, call, args), ask(plain, call, args); got != want {
				rt.Fatalf("%s: %s\nSQLite's own: %s", call, got, want)
			}
		}
	})
}

// TestFunctionsKeepPlans: functions in front of SQLite's own keep their marks, from
// which it knows what it may leave out.
func TestFunctionsKeepPlans(t *testing.T) {
	metered, plain := openTest(t).writer, plainConnection(t)
	for _, c := range []*connection{metered, plain} {
		for _, sql := range []string{`CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (instr(v, 'x') = 0), g TEXT AS (replace(v, 'a', 'b')) STORED)`,
			`CREATE INDEX ti ON t (v)`, `CREATE INDEX tj ON t (substr(v, 2))`} {
			if err := c.script(sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, sql := range []string{
		`SELECT max(v) FROM t`, `SELECT min(id) FROM t WHERE v = 'a'`, `SELECT max(id, 3), max(id), count(*) FROM t`,
		`SELECT id FROM t WHERE v GLOB 'a*'`, `SELECT id FROM t WHERE substr(v, 2) = 'x'`, `SELECT length(v), typeof(v) FROM t`,
		`SELECT id FROM t WHERE v = replace('abc', 'b', 'x')`, `SELECT group_concat(v) OVER (ORDER BY id ROWS 2 PRECEDING), sum(id) OVER () FROM t`,
		`SELECT v -> '$.a', json_group_array(json(v)) FROM t GROUP BY g`,
	} {
		var plans [2][]string
		for i, c := range []*connection{metered, plain} {
			err := c.query("EXPLAIN "+sql, func(row []value.Value) { // the addresses of functions and the like are left out
				plans[i] = append(plans[i], fmt.Sprint(row[1].Text(), row[2].Int(), row[3].Int(), row[4].Int(), row[6].Int()))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		// The database of the metered one has tables of ours, so that the roots of
		// tables differ.
		if got, want := len(plans[0]), len(plans[1]); got != want {
			t.Errorf("%s: %d instructions, want %d", sql, got, want)
			continue
		}
		for i := range plans[0] {
			if got, want := strings.Fields(plans[0][i])[0], strings.Fields(plans[1][i])[0]; got != want {
				t.Errorf("%s: instruction %d: %s, want %s", sql, i, got, want)
			}
		}
	}
}
