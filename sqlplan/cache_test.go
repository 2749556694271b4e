package sqlplan

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"quorate/sqlplan/pgtype"
)

func mustPlan(t testing.TB, s *Schema, sql string) *Plan {
	t.Helper()
	p, err := s.Plan(sql, Options{})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return p
}

// TestCacheKeys shows that a plan comes back for the same text, options and
// schema version only.
func TestCacheKeys(t *testing.T) {
	c := NewCache(1 << 20)
	schema := emptySchema()
	plan := func(o Options) *Plan {
		p, err := c.Plan(schema, "SELECT $1", o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := plan(Options{})
	if plan(Options{}) != first {
		t.Error("the same statement was planned twice")
	}
	if p := plan(Options{ParamTypes: []uint32{pgtype.Int4}}); p == first || p.Columns[0].Type.OID != pgtype.Int4 {
		t.Error("the types of parameters are not part of the key")
	}
	if plan(Options{TimeZone: "Europe/Berlin"}) == first {
		t.Error("the time zone is not part of the key")
	}
	schema = &Schema{Version: 2, Relations: schema.Relations}
	if plan(Options{}) == first {
		t.Error("a plan outlived its schema")
	}
	if c.Get(1, "SELECT $1", Options{}) != nil {
		t.Error("a plan of an older schema is still there")
	}
}

// TestCacheForgets shows that the cache keeps to its size and forgets what was
// used longest ago.
func TestCacheForgets(t *testing.T) {
	c := NewCache(8 * planBytes)
	schema := emptySchema()
	text := func(i int) string { return fmt.Sprintf("SELECT %d", i) }
	for i := range 20 {
		if _, err := c.Plan(schema, text(i), Options{}); err != nil {
			t.Fatal(err)
		}
		c.Get(1, text(0), Options{})
	}
	if c.bytes > c.max {
		t.Errorf("%d bytes of %d", c.bytes, c.max)
	}
	if c.Get(1, text(0), Options{}) == nil {
		t.Error("the plan in use was forgotten")
	}
	if c.Get(1, text(1), Options{}) != nil {
		t.Error("the oldest plan was kept")
	}
}

// TestCacheConcurrent lets many sessions plan at once, for the race detector.
func TestCacheConcurrent(t *testing.T) {
	c := NewCache(4 * planBytes)
	schema := emptySchema()
	var sessions sync.WaitGroup
	for range 8 {
		sessions.Go(func() {
			for i := range 100 {
				p, err := c.Plan(schema, fmt.Sprintf("SELECT %d", i%10), Options{})
				if err != nil || p.SQL != fmt.Sprintf("SELECT %d", i%10) {
					t.Errorf("%v, %v", p, err)
					return
				}
			}
		})
	}
	sessions.Wait()
}

// TestAfterLeavesTheSchema shows that After changes a copy, and that a plan
// without DDL changes nothing.
func TestAfterLeavesTheSchema(t *testing.T) {
	schema := emptySchema()
	made := schema.After(mustPlan(t, schema, "CREATE TABLE t (a int)"))
	if len(schema.Relations) != 0 {
		t.Error("the old schema has the new table")
	}
	if made.find("t") == nil || made.Version != schema.Version {
		t.Errorf("after CREATE TABLE: %+v", made)
	}
	if made.After(mustPlan(t, made, "SELECT * FROM t")) != made {
		t.Error("a query changed the schema")
	}
	indexed := made.After(mustPlan(t, made, "CREATE INDEX i ON t (a)"))
	if dropped := indexed.After(mustPlan(t, indexed, "DROP TABLE t")); len(dropped.Relations) != 0 {
		t.Errorf("after DROP TABLE: %+v", dropped.Relations)
	}
}

// TestDeepNesting shows that nesting and long chains end in an error or a plan
// that SQLite takes, never in a crash.
func TestDeepNesting(t *testing.T) {
	e := newEngine(t)
	schema := emptySchema()
	repeat := func(n int, first, again, last string) string {
		return first + strings.Repeat(again, n) + last
	}
	for name, sql := range map[string]string{
		"parentheses": repeat(100_000, "SELECT ", "(", "1"),
		"NOT":         repeat(100_000, "SELECT ", "NOT ", "true"),
		"minus":       repeat(100_000, "SELECT ", "- ", "1"),
		"plus":        repeat(100_000, "SELECT 1", " + 1", ""),
		"subqueries":  repeat(10_000, "SELECT ", "(SELECT ", "1"),
		"unions":      repeat(10_000, "SELECT 1", " UNION ALL SELECT 1", ""),
		"casts":       repeat(100_000, "SELECT 1", "::int", ""),
		"CASE":        repeat(10_000, "SELECT ", "CASE WHEN ", "true"),
		"FROM":        repeat(10_000, "SELECT 1 FROM ", "(SELECT 1 FROM ", "t"),
	} {
		if _, err := schema.Plan(sql, Options{}); err == nil {
			t.Errorf("%s: planned", name)
		} else {
			checkError(t, sql, err)
		}
	}
	for name, sql := range map[string]string{
		"OR":   repeat(5_000, "SELECT 1 = 1", " OR 2 = 3", ""),
		"IN":   repeat(20_000, "SELECT 1 IN (1", ", 2", ")"),
		"rows": repeat(5_000, "VALUES (1, 'a')", ", (2, 'b')", ""),
		"plus": repeat(300, "SELECT 1", " + 1", ""),
	} {
		p := mustPlan(t, schema, sql)
		if err := e.db.Exec(p.SQL); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var benchStatements = []struct{ name, sql string }{
	{"select", "SELECT v FROM kv WHERE k = $1"},
	{"upsert", "INSERT INTO kv (k, v) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = excluded.v"},
	{"update", "UPDATE kv SET v = v + 1 WHERE k = $1 RETURNING v"},
	{"join", "SELECT e.name, d.name, count(*) FROM emp e JOIN dept d ON d.id = e.dept WHERE e.pay > $1 AND e.name LIKE 'a%' GROUP BY e.name, d.name ORDER BY 3 DESC LIMIT 10"},
}

// BenchmarkPlan is planning without the cache.
func BenchmarkPlan(b *testing.B) {
	schema := fuzzSchema(b, newEngine(b))
	for _, s := range benchStatements {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustPlan(b, schema, s.sql)
			}
		})
	}
}

// BenchmarkCache is what a statement costs that was planned before.
func BenchmarkCache(b *testing.B) {
	schema := fuzzSchema(b, newEngine(b))
	c := NewCache(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Plan(schema, benchStatements[0].sql, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
