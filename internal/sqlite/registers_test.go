package sqlite

import (
	"fmt"
	"testing"

	"quorate/internal/value"
)

// TestRegisterBytes: a value counts as held as long as it is there, in registers
// when it is small and as an allocation when it is large, and as fresh once for each
// time that it is made; and what statements answer does not change by it.
func TestRegisterBytes(t *testing.T) {
	c, _ := openTest(t)
	const rows = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
	for _, test := range []struct {
		sql, want             string
		freshLeast, freshMost int64
		heldLeast, heldMost   int64
	}{
		{rows + "SELECT sum(i) FROM n", "5050", 0, 0, 0, 0},
		{rows + "SELECT sum(i) FROM n WHERE 'x' <> ?1", "5050", 0, 0, 0, 0},
		{rows + "SELECT count(*) FROM n WHERE hex(zeroblob(50000)) < i || 'a'", "100", 100_000, 200_000, 100_000, 200_000},
		{rows + "SELECT sum(length(hex(zeroblob(50000 + i)))) FROM n", "10010100", 9_000_000, 50_000_000, 100_000, 500_000},
		{"WITH RECURSIVE n(x) AS (VALUES ('a') UNION ALL SELECT x || x FROM n WHERE length(x) < 100000) SELECT max(length(x)) FROM n", "131072", 200_000, 2_000_000, 100_000, 1_000_000},
		{rows + "SELECT length(group_concat(i || hex(zeroblob(5000)), '')) FROM n", "1000192", 900_000, 5_000_000, 900_000, 3_000_000},
		{rows + "SELECT length(json_group_array(i || hex(zeroblob(5000)))) FROM n", "1000493", 900_000, 5_000_000, 900_000, 3_000_000},
	} {
		s, _, err := c.Prepare(test.sql, false)
		if err != nil {
			t.Fatal(err)
		}
		if s.Parameters() > 0 {
			if err := s.Bind([]value.Value{value.BlobBytes(make([]byte, 1<<20))}); err != nil {
				t.Fatal(err)
			}
		}
		var all, most int64
		c.WatchAllocations(leastWatched, func(int, int64) bool { return true })
		c.SetProgress(1, func() bool {
			fresh, held := s.RegisterBytes()
			all, most = all+fresh, max(most, held+c.WatchedBytes())
			return false
		})
		if more, err := s.Step(); !more {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Row()[0].Int()); got != test.want {
			t.Errorf("%s\nanswers %s, want %s", test.sql, got, test.want)
		}
		c.SetProgress(1, func() bool { return false })
		s.Finalize()
		if left := c.WatchedBytes(); left != 0 {
			t.Errorf("%s\nleaves %d bytes", test.sql, left)
		}
		c.UnwatchAllocations()
		if all < test.freshLeast || all > test.freshMost || most < test.heldLeast || most > test.heldMost {
			t.Errorf("%s\n%d bytes are fresh, %d held", test.sql, all, most)
		}
	}
}
