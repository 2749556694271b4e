package sqlfsm

import (
	"path/filepath"
	"testing"
)

// effectsSchema has something of everything that changes rows.
var effectsSchema = []string{
	`CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER CHECK (a < 100), b TEXT UNIQUE) STRICT`,
	`CREATE TABLE c (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t (id) ON DELETE CASCADE) STRICT`,
	`CREATE TABLE w (k TEXT, v ANY, PRIMARY KEY (k)) STRICT, WITHOUT ROWID`,
	`CREATE TABLE plain (v ANY) STRICT`,
	`CREATE TABLE g (a INTEGER, double INTEGER AS (a * 2) VIRTUAL, square INTEGER AS (a * a) STORED)`,
	`INSERT INTO t VALUES (1, 10, 'one'), (2, 20, 'two'), (3, 30, 'three')`,
	`INSERT INTO c VALUES (1, 1), (2, 1), (3, 2)`,
	`INSERT INTO w VALUES ('x', 1), ('y', 2.5)`,
	`INSERT INTO plain VALUES (1), ('1'), (x'31'), (NULL)`,
	`INSERT INTO g VALUES (2), (3)`,
}

// effectsAfter returns the digest after the schema and more statements.
func effectsAfter(t *testing.T, statements ...string) EffectsDigest {
	t.Helper()
	f := openTest(t)
	var l log
	apply(t, f, l.sql(effectsSchema...)...)
	for _, s := range statements {
		l.schemaVersion = f.Schema().Version
		apply(t, f, l.sql(s)...)
	}
	_, d := f.EffectsDigest()
	f.Close()
	return d
}

// TestEffectsDiffer: whatever happens otherwise makes another digest. Each group
// holds statements that differ in one thing; all digests of a group must differ,
// and each must come again.
func TestEffectsDiffer(t *testing.T) {
	for _, group := range []struct {
		about      string
		statements []string
	}{
		{"a value", []string{`UPDATE t SET a = 1 WHERE id = 1`, `UPDATE t SET a = 2 WHERE id = 1`, `UPDATE t SET a = NULL WHERE id = 1`}},
		{"the kind of a value", []string{`UPDATE w SET v = 1 WHERE k = 'y'`, `UPDATE w SET v = 1.0 WHERE k = 'y'`, `UPDATE w SET v = '1' WHERE k = 'y'`, `UPDATE w SET v = x'31' WHERE k = 'y'`}},
		{"a row", []string{`UPDATE t SET a = 1 WHERE id = 1`, `UPDATE t SET a = 1 WHERE id = 2`}},
		{"a column", []string{`UPDATE t SET id = 9 WHERE id = 3`, `UPDATE t SET a = 9 WHERE id = 3`}},
		{"a rowid", []string{`INSERT INTO plain (rowid, v) VALUES (10, 0)`, `INSERT INTO plain (rowid, v) VALUES (11, 0)`}},
		{"the table", []string{`INSERT INTO c VALUES (7, NULL)`, `INSERT INTO plain (rowid, v) VALUES (7, NULL)`}},
		{"the order of rows", []string{`INSERT INTO w VALUES ('a', 0), ('b', 0)`, `INSERT INTO w VALUES ('b', 0), ('a', 0)`}},
		{"where a text ends", []string{`INSERT INTO w VALUES ('ab', 'c')`, `INSERT INTO w VALUES ('a', 'bc')`}},
		{"the operation", []string{`DELETE FROM plain WHERE v IS NULL`, `UPDATE plain SET v = v WHERE v IS NULL`, `UPDATE plain SET v = v WHERE 0`}},
		{"what was deleted", []string{`DELETE FROM t WHERE id = 2`, `DELETE FROM t WHERE id = 1`}},
		{"how many rows were thrown away", []string{`DELETE FROM plain`, `DELETE FROM w`, `DELETE FROM plain WHERE 0`}},
		{"a returned value", []string{`UPDATE t SET a = 1 WHERE id = 1 RETURNING a`, `UPDATE t SET a = 1 WHERE id = 1 RETURNING b`, `UPDATE t SET a = 1 WHERE id = 1`}},
		{"the order of returned rows", []string{`SELECT a FROM t ORDER BY a`, `SELECT a FROM t ORDER BY a DESC`}},
		{"an error", []string{`INSERT INTO t VALUES (4, 100, 'four')`, `INSERT INTO t VALUES (4, 99, 'one')`, `INSERT INTO c VALUES (9, 99)`, `SELECT abs(-9223372036854775808)`, `SELECT 1`}},
		{"a column default", []string{`CREATE TABLE n (a INTEGER DEFAULT 1)`, `CREATE TABLE n (a INTEGER DEFAULT 2)`}},
		{"a trigger", []string{`CREATE TRIGGER n AFTER INSERT ON t BEGIN DELETE FROM w; END`, `CREATE TRIGGER n AFTER INSERT ON t BEGIN DELETE FROM c; END`}},
		{"REPLACE", []string{`INSERT OR REPLACE INTO t VALUES (4, 40, 'one')`, `INSERT OR REPLACE INTO t VALUES (4, 40, 'two')`, `INSERT INTO t VALUES (4, 40, 'four')`}},
		{"a stored column", []string{`UPDATE g SET a = 4 WHERE a = 2`, `UPDATE g SET a = -4 WHERE a = 2`}},
	} {
		seen := make(map[EffectsDigest]string)
		for _, s := range group.statements {
			d := effectsAfter(t, s)
			if other, ok := seen[d]; ok {
				t.Errorf("%s: %s and %s have the same digest", group.about, other, s)
			}
			seen[d] = s
			if again := effectsAfter(t, s); again != d {
				t.Errorf("%s: %s has the digests %v and %v", group.about, s, d, again)
			}
		}
	}
}

// TestEffectsOfFailure: an entry that fails folds its code; what it did until
// then, and how its message reads, makes no difference.
func TestEffectsOfFailure(t *testing.T) {
	first := effectsAfter(t, `INSERT INTO t VALUES (4, 40, 'four'), (5, 50, 'one')`)
	second := effectsAfter(t, `INSERT INTO t VALUES (1, 10, 'once more')`)
	if first != second {
		t.Errorf("the same error has the digests %v and %v", first, second)
	}
}

// TestEffectsKept: the digest is in the file, and goes on from there; those of
// the last entries are remembered while the machine runs.
func TestEffectsKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	f := reopenTest(t, path)
	if index, d := f.EffectsDigest(); index != 0 || d != (EffectsDigest{}) {
		t.Errorf("a new database: %v at %d", d, index)
	}
	var l log
	l.index = effectsKept - 5 // so that the ring comes round
	apply(t, f, l.sql(effectsSchema...)...)
	apply(t, f, Entry{Index: l.index + 1, Term: 1})
	_, last := f.EffectsDigest()
	before, ok := f.EffectsDigestAt(l.index)
	if !ok || before != last {
		t.Errorf("an entry without a command: %v %t, want %v", before, ok, last)
	}
	first, ok := f.EffectsDigestAt(effectsKept - 4)
	if !ok || first == last || first == (EffectsDigest{}) {
		t.Errorf("the first entry: %v %t", first, ok)
	}
	for _, index := range []uint64{0, l.index + 2, effectsKept - 4 + effectsKept} {
		if _, ok := f.EffectsDigestAt(index); ok {
			t.Errorf("the digest at %d is known", index)
		}
	}
	f.Close()
	f = reopenTest(t, path)
	index, d := f.EffectsDigest()
	if at, ok := f.EffectsDigestAt(index); index != l.index+1 || d != last || !ok || at != last {
		t.Errorf("after a restart: %v at %d, %v %t; want %v", d, index, at, ok, last)
	}
	if _, ok := f.EffectsDigestAt(index - 1); ok {
		t.Error("a digest from before the restart is known")
	}
}
