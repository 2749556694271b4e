package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// wide is a statement without a loop that has so many values of 200 KB at once, all
// of which SQLite makes before the progress handler is called again.
func wide(values int) string {
	list := make([]string, values)
	for i := range list {
		list[i] = fmt.Sprintf("hex(zeroblob(%d))", 100_000+i)
	}
	return "SELECT " + strings.Join(list, ", ")
}

// TestWatchAllocations: each large value is seen before it is made, also in a program
// without loops, and again when it is freed.
func TestWatchAllocations(t *testing.T) {
	c, _ := openTest(t)
	s, _, err := c.Prepare(wide(50), false)
	if err != nil {
		t.Fatal(err)
	}
	calls, most := 0, int64(0)
	between, longest := 0, 0 // calls since the progress handler's last one, and the most of them
	c.SetProgress(1, func() bool { between = 0; return false })
	c.WatchAllocations(128<<10, func(n int, held int64) bool {
		if n < 200_000 {
			t.Errorf("%d bytes are not a value", n)
		}
		calls, most = calls+1, max(most, held)
		between++
		longest = max(longest, between)
		return true
	})
	if more, err := s.Step(); !more {
		t.Fatal(err)
	}
	// SQLite makes each value once for the whole statement, and copies it into the row.
	if calls < 50 || most < 50*200_000 || most > 101*200_000 {
		t.Errorf("%d allocations, %d bytes at once", calls, most)
	}
	if longest < 50 {
		t.Errorf("the progress handler is called after %d", longest)
	}
	s.Finalize()
	if held := c.WatchedBytes(); held != 0 {
		t.Errorf("%d bytes are left", held)
	}
}

// TestRefuseAllocation: a statement that does not get memory ends with NoMem, and
// the connection goes on.
func TestRefuseAllocation(t *testing.T) {
	c, _ := openTest(t)
	for range 2 {
		c.WatchAllocations(128<<10, func(_ int, held int64) bool { return held < 1<<20 })
		s, _, err := c.Prepare(wide(50), false)
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if more, err := s.Step(); more || !errors.As(err, &e) || e.Code != NoMem {
			t.Errorf("50 values: %v, %v", more, err)
		}
		if held := c.WatchedBytes(); held > 1<<20 {
			t.Errorf("%d bytes were allocated", held)
		}
		s.Finalize()
		s, _, err = c.Prepare(wide(2), false)
		if err != nil {
			t.Fatal(err)
		}
		if more, err := s.Step(); !more {
			t.Errorf("2 values: %v", err)
		}
		// Whoever does not watch any more has what is left forgotten.
		c.UnwatchAllocations()
		if held := c.WatchedBytes(); held != 0 {
			t.Errorf("%d bytes are left", held)
		}
		s.Finalize()
	}
	if n := watchedBlocks.Load(); n != 0 {
		t.Errorf("%d allocations are watched still", n)
	}
}

// TestWatchNotItself: what SQLite allocates for its own keeping is not seen: the hash
// table of a page cache, of 256 KiB when there are 16384 pages, and statements that
// are compiled while another runs.
func TestWatchNotItself(t *testing.T) {
	c, path := openTest(t)
	err := c.Exec(`PRAGMA synchronous=OFF; CREATE TABLE t (v BLOB);
		INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 17000) SELECT zeroblob(3000) FROM n;
		CREATE TABLE u AS SELECT * FROM t LIMIT 1;
		CREATE VIEW listed AS SELECT * FROM t WHERE v NOT IN (` + strings.Repeat("1, ", 20_000) + `1)`)
	if err != nil {
		t.Fatal(err)
	}
	c = openPath(t, path) // whose cache is small still
	if err := c.Exec(`PRAGMA cache_size=-200000`); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`SELECT count(*) FROM t WHERE v = 1`, `ALTER TABLE u RENAME COLUMN v TO w`} {
		s, _, err := c.Prepare(sql, false)
		if err != nil {
			t.Fatal(err)
		}
		c.WatchAllocations(128<<10, func(n int, _ int64) bool {
			t.Errorf("%s: %d bytes", sql, n)
			return true
		})
		if _, err := s.Step(); err != nil {
			t.Error(err)
		}
		c.UnwatchAllocations()
		s.Finalize()
	}
}
