package sqlfsm

import (
	"bytes"
	"math/bits"
	"path/filepath"
	"testing"

	"quorate/internal/sqlite"
	"quorate/sqlplan"

	"pgregory.net/rapid"
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

// TestEffectsAtEachIndex: however the entries are cut into batches, with restarts
// and lost batches between, the digest after each is the same, with statements
// that end their transaction, throw whole tables away, or fail.
func TestEffectsAtEachIndex(t *testing.T) {
	fewerChecks(t, 15)
	var l log
	entries := l.sql(append(effectsSchema[:len(effectsSchema):len(effectsSchema)],
		`INSERT OR ROLLBACK INTO t VALUES (1, 1, 'taken')`,
		`DELETE FROM plain`,
		`UPDATE t SET a = a + 1 RETURNING *`,
		`INSERT OR REPLACE INTO t VALUES (4, 4, 'one')`,
		`DELETE FROM t WHERE b = 'two'`,
		`ALTER TABLE t ADD COLUMN d TEXT DEFAULT 'd'`,
	)...)
	for _, sql := range []string{
		`UPDATE t SET a = 0`, `ANALYZE`, `DELETE FROM w`, `INSERT INTO w VALUES ('z', random())`, `DELETE FROM c`, `DROP TABLE t`, `DROP TABLE c`, `DELETE FROM plain WHERE 1`,
		`INSERT INTO plain SELECT k FROM w RETURNING rowid, *`, `INSERT INTO plain VALUES (nothing)`,
	} {
		entries = append(entries, l.entry(bound(sql)))
	}
	one := openTest(t)
	want := make([]EffectsDigest, len(entries)+1)
	for _, e := range entries {
		apply(t, one, e)
		_, want[e.Index] = one.EffectsDigest()
	}
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "db")
		f := reopenTest(t, path)
		defer func() { f.Close() }()
		for from := 0; from < len(entries); {
			to := min(len(entries), from+rapid.IntRange(1, 12).Draw(rt, "batch"))
			switch rapid.IntRange(0, 5).Draw(rt, "fate") {
			case 1:
				f.Close()
				f = reopenTest(t, path)
			case 2:
				lose(rt, f, entries[from:to])
				f.Close()
				f = reopenTest(t, path)
			}
			apply(t, f, entries[from:to]...)
			for _, e := range entries[from:to] {
				if got, ok := f.EffectsDigestAt(e.Index); !ok || got != want[e.Index] {
					rt.Fatalf("after entry %d the digest is %v %t, applied one by one %v", e.Index, got, ok, want[e.Index])
				}
			}
			from = to
		}
	})
}

// TestEffectsOnFollowers: the rows that a statement returns count where nobody
// wants them too.
func TestEffectsOnFollowers(t *testing.T) {
	var l log
	entries := append(l.sql(effectsSchema...), l.sql(`UPDATE t SET a = a + 1 RETURNING a`, `SELECT * FROM c`)...)
	origin, follower := openTest(t), openTest(t)
	apply(t, origin, entries...)
	for i := range entries {
		entries[i].Collect = false
	}
	apply(t, follower, entries...)
	_, first := origin.EffectsDigest()
	if _, second := follower.EffectsDigest(); second != first {
		t.Errorf("the follower has %v, the origin %v", second, first)
	}
}

// TestEffectsShowDamage damages one of two equal databases behind the machine's
// back. The first entry that meets the damage tells them apart; until then nothing
// does.
func TestEffectsShowDamage(t *testing.T) {
	for _, damage := range []struct{ sql, elsewhere, meets string }{
		{`UPDATE t SET a = 21 WHERE id = 2`, `UPDATE t SET a = 11 WHERE id = 1`, `UPDATE t SET b = 'zwei' WHERE id = 2`},
		{`UPDATE t SET a = 21 WHERE id = 2`, `SELECT a FROM t WHERE id = 1`, `SELECT a FROM t WHERE id = 2`},
		{`UPDATE t SET a = 21 WHERE id = 2`, `INSERT INTO plain VALUES (5)`, `DELETE FROM t WHERE id = 2`},
		{`DELETE FROM t WHERE id = 3`, `DELETE FROM t WHERE id = 1`, `UPDATE t SET a = 1 WHERE id = 3`},
		{`INSERT INTO t VALUES (4, 40, 'four')`, `UPDATE t SET a = 1 WHERE id = 3`, `INSERT INTO t (a) VALUES (5)`},
		{`UPDATE w SET v = 2 WHERE k = 'y'`, `UPDATE w SET v = 3 WHERE k = 'x'`, `INSERT OR REPLACE INTO w VALUES ('y', 1)`},
		{`DELETE FROM c WHERE id = 2`, `DELETE FROM t WHERE id = 2`, `DELETE FROM t WHERE id = 1`}, // cascades
		{`INSERT INTO plain VALUES (9)`, `DELETE FROM w`, `DELETE FROM plain`},
		{`UPDATE sqlite_schema SET sql = replace(sql, '100', '101') WHERE name = 't'`, `INSERT INTO t VALUES (9, 99, 'nine')`, `INSERT INTO t VALUES (10, 100, 'ten')`},
		{`UPDATE sqlite_schema SET sql = replace(sql, '100', '101') WHERE name = 't'`, `DELETE FROM c`, `CREATE TABLE other (a)`},
	} {
		path := filepath.Join(t.TempDir(), "db")
		whole, damaged := openTest(t), reopenTest(t, path)
		var l log
		entries := l.sql(effectsSchema...)
		apply(t, whole, entries...)
		apply(t, damaged, entries...)
		damaged.Close()
		foreign, err := sqlite.Open(path, sqlite.Existing)
		if err == nil {
			err = foreign.Exec("PRAGMA writable_schema=ON; " + damage.sql)
		}
		if err != nil {
			t.Fatal(err)
		}
		foreign.Close()
		damaged = reopenTest(t, path)
		differ := func(sql string) bool {
			l.schemaVersion = whole.Schema().Version
			e := l.entry(sqlplan.Bound{Plan: plan(sql)})
			apply(t, whole, e)
			apply(t, damaged, e)
			_, first := whole.EffectsDigest()
			_, second := damaged.EffectsDigest()
			return first != second
		}
		if differ(damage.elsewhere) {
			t.Errorf("%s: differs at %s, which does not meet it", damage.sql, damage.elsewhere)
		}
		if !differ(damage.meets) {
			t.Errorf("%s: does not differ at %s", damage.sql, damage.meets)
		}
		if !differ(`SELECT 1`) {
			t.Errorf("%s: the digests are equal again", damage.sql)
		}
	}
}

// TestEffectsHash: the hash does not depend on how its input is cut, and depends
// on each bit of it: one that changes turns about half of the digest's bits.
func TestEffectsHash(t *testing.T) {
	sum := func(before EffectsDigest, pieces ...[]byte) EffectsDigest {
		var h effectsHash
		h.start(before)
		for _, p := range pieces {
			h.add(p)
		}
		return h.sum()
	}
	var turned, flips int
	rapid.Check(t, func(rt *rapid.T) {
		before := EffectsDigest(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "before"))
		data := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 1, 100), rapid.SliceOfN(rapid.Just(byte(0)), 1, 100)).Draw(rt, "data")
		want := sum(before, data)
		first := rapid.IntRange(0, len(data)).Draw(rt, "first cut")
		second := rapid.IntRange(first, len(data)).Draw(rt, "second cut")
		if got := sum(before, data[:first], data[first:second], data[second:]); got != want {
			rt.Fatalf("in pieces %v, at once %v", got, want)
		}
		if sum(before, append(bytes.Clone(data), 0)) == want {
			rt.Fatal("a zero more makes no difference")
		}
		for i := range data {
			for bit := range 8 {
				data[i] ^= 1 << bit
				got := sum(before, data)
				data[i] ^= 1 << bit
				n := 0
				for j := range got {
					n += bits.OnesCount8(got[j] ^ want[j])
				}
				if n < 28 { // one in 10^10 of random digests
					rt.Fatalf("bit %d of byte %d turns %d bits of the digest", bit, i, n)
				}
				turned, flips = turned+n, flips+1
			}
		}
	})
	if mean := float64(turned) / float64(flips); mean < 63 || mean > 65 {
		t.Errorf("a bit of the input turns %.2f bits of 128", mean)
	}
}
