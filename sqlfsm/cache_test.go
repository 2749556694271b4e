package sqlfsm

import (
	"fmt"
	"strings"
	"testing"

	"quorate/internal/sqlite"
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
