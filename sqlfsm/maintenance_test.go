package sqlfsm

import (
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

// TestVacuumTwice: a second VACUUM changes nothing that SQL can see, so that a
// node that has stopped before it could commit the first one's index may do it
// again.
func TestVacuumTwice(t *testing.T) {
	fewerChecks(t, 10)
	rapid.Check(t, func(rt *rapid.T) {
		m := drawn
		if rapid.Bool().Draw(rt, "full text") {
			m = drawnFullText
		}
		f := openTest(t)
		defer f.Close()
		f.counter.limit = 20_000
		entries := m.entries(rt)
		if _, err := f.Apply(entries); err != nil {
			rt.Fatal(err)
		}
		l := log{index: uint64(len(entries)), schemaVersion: f.Schema().Version}
		if r := apply(t, f, l.sql(`VACUUM`)...)[0]; r.Err != nil {
			rt.Fatal(r.Err)
		}
		once := everything(t, f)
		if err := f.runVacuum(); err != nil {
			rt.Fatal(err)
		}
		path := f.path
		f.Close()
		f = reopenTest(t, path)
		if twice := everything(t, f); twice != once {
			rt.Fatalf("after two:\n%s\nafter one:\n%s", twice, once)
		}
	})
}

// TestVacuumCrash: a node that stops after VACUUM and before it has committed
// the applied index is at the entry before, and comes to the same as the others.
func TestVacuumCrash(t *testing.T) {
	var l log
	entries := l.sql(`CREATE TABLE heap (a TEXT) STRICT`, `CREATE VIEW v AS SELECT rowid AS number, a FROM heap`,
		`CREATE TABLE later (a TEXT) STRICT`, `INSERT INTO heap VALUES ('a'), ('b'), ('c')`, `DELETE FROM heap WHERE a = 'a'`,
		`VACUUM`, `INSERT INTO heap SELECT number || a FROM v RETURNING rowid, a`)
	f := openTest(t)
	results := apply(t, f, entries...)
	want, answer := everything(t, f), show(results[6])

	path := filepath.Join(t.TempDir(), "db")
	crashed := reopenTest(t, path)
	apply(t, crashed, entries[:5]...)
	if err := crashed.runVacuum(); err != nil {
		t.Fatal(err)
	}
	crashed.Close()
	crashed = reopenTest(t, path)
	if index, _ := crashed.Applied(); index != 5 {
		t.Fatalf("the applied index is %d, want 5", index)
	}
	results = apply(t, crashed, entries[5:]...)
	if got := show(results[1]); got != answer || results[0].Err != nil {
		t.Errorf("the entries answer %v and %s, want %s", results[0].Err, got, answer)
	}
	if got := everything(t, crashed); got != want {
		t.Errorf("the node holds\n%s\nthe others\n%s", got, want)
	}
}

// TestVacuumShrinks: VACUUM does what it is for.
func TestVacuumShrinks(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (a BLOB) STRICT`,
		`INSERT INTO t WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT zeroblob(10000) FROM n`,
		`DELETE FROM t`)...)
	before := f.Size()
	apply(t, f, l.sql(`VACUUM`)...)
	if after := f.Size(); after >= before/10 {
		t.Errorf("the database has %d bytes, before VACUUM %d", after, before)
	}
}
