package sqlfsm

import (
	"fmt"
	"strings"
	"testing"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// TestCache: the least recently used statement falls out, long texts never
// come in, and clear leaves nothing.
func TestCache(t *testing.T) {
	c, err := openConnection(t.TempDir()+"/db", sqlite.Create, 1<<20, 3)
	if err != nil {
		t.Fatal(err)
	}
	use := func(sql string) {
		t.Helper()
		p := c.cache.get(sql)
		if p == nil {
			if p, err = c.prepare(sql, reading); err != nil {
				t.Fatal(err)
			}
		}
		c.cache.release(p)
	}
	check := func(want string) {
		t.Helper()
		var got []string
		for e := c.cache.order.Front(); e != nil; e = e.Next() {
			got = append(got, strings.TrimPrefix(e.Value.(*prepared).text, "SELECT "))
		}
		if s := strings.Join(got, " "); s != want || len(c.cache.byText) != len(got) {
			t.Errorf("cached: %s (%d by text), want %s", s, len(c.cache.byText), want)
		}
	}
	for i := range 4 {
		use(fmt.Sprintf("SELECT %d", i))
	}
	check("3 2 1")
	use("SELECT 1")
	use("SELECT 4")
	check("4 1 3")
	use("SELECT '" + strings.Repeat("x", cacheTextBytes) + "'")
	check("4 1 3")
	c.cache.clear()
	check("")
	if err := c.close(); err != nil { // which finds statements that were forgotten
		t.Error(err)
	}
}

// TestEngine: the engine's name tells version and processor.
func TestEngine(t *testing.T) {
	if name := Engine(); !strings.HasPrefix(name, "sqlite-"+sqlite.Version()+"-") || name != Engine() {
		t.Error(name)
	}
}

// TestFunctionPanics: a function that panics fails like one that returns an
// error, and the connection can be used on.
func TestFunctionPanics(t *testing.T) {
	c, err := openConnection(t.TempDir()+"/db", sqlite.Create, 1<<20, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	broken := pgfunc.Implementation{Name: "broken", Impl: func(_ pgfunc.Context, args []value.Value) (value.Value, error) { return args[1], nil }}
	err = c.db.CreateFunction(sqlite.Function{Name: "broken", Args: 1,
		Scalar: func(args []value.Value) (value.Value, error) { return c.call(&broken, args) }})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		_, err = c.queryText(`SELECT broken(1)`)
		if got := showError(err); got != "error XX000: the function broken failed: runtime error: index out of range [1] with length 1" {
			t.Error(got)
		}
	}
	if got, err := c.queryText(`SELECT 'fine'`); got != "fine" || err != nil {
		t.Error(got, err)
	}
}
