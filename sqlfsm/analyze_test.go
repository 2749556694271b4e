package sqlfsm

import "testing"

// TestAnalyzeLeavesOurTablesOut: rows of ours are written at the end of a batch.
// When ANALYZE counts them, what it finds depends on where the batch began:
// here, whether the registration is in the table already.
func TestAnalyzeLeavesOurTablesOut(t *testing.T) {
	var l log
	o := life{log: &l, origin: 1, incarnation: 1}
	entries := append([]Entry{o.register(0)}, l.sql(`CREATE TABLE t (a INTEGER) STRICT`, `INSERT INTO t VALUES (1)`, `ANALYZE`)...)
	together, alone := openTest(t), openTest(t)
	apply(t, together, entries...)
	for _, e := range entries {
		apply(t, alone, e)
	}
	if a, b := dump(t, together), dump(t, alone); a != b {
		t.Errorf("in one batch\n%s\none by one\n%s", a, b)
	}
	if got := query(t, alone, `SELECT tbl FROM sqlite_stat1`); len(got) != 1 || got[0] != "('t')" {
		t.Errorf("statistics of %v, not of t alone", got)
	}
}
