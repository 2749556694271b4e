package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"quorate/internal/value"
)

// pin pins the database as it is.
func pin(t testing.TB, f *FSM) *Pinned {
	t.Helper()
	p, err := f.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if _, err := p.Pin(); err != nil {
		t.Fatal(err)
	}
	return p
}

func tables(t testing.TB, p *Pinned) []Table {
	t.Helper()
	tables, err := p.Tables(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

func table(t testing.TB, p *Pinned, name string) *Table {
	t.Helper()
	all := tables(t, p)
	i := slices.IndexFunc(all, func(x Table) bool { return x.Name == name })
	if i < 0 {
		t.Fatalf("there is no table %s", name)
	}
	return &all[i]
}

// digests returns a line for each table: its name, number of rows and digest.
func digests(t testing.TB, p *Pinned) (lines []string) {
	t.Helper()
	for _, x := range tables(t, p) {
		d, rows, err := p.DigestTable(context.Background(), &x, func(int64) {})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprint(x.Name, " ", rows, " ", d))
	}
	return lines
}

// changed are the tables whose lines differ, but for ours, which tell in what way
// the others came to be as they are.
func changed(a, b []string) (names []string) {
	for _, line := range a {
		name, _, _ := strings.Cut(line, " ")
		if !slices.Contains(b, line) && !strings.HasPrefix(name, reservedPrefix) {
			names = append(names, name)
		}
	}
	return names
}

// TestTableDigests: whatever differs, in a row, a rowid, a storage class or the
// schema, shows in the table where it is, and nowhere else.
func TestTableDigests(t *testing.T) {
	digestsAfter := func(last string) []string {
		f := openTest(t)
		var l log
		apply(t, f, l.sql(
			`CREATE TABLE t (a ANY) STRICT`,
			`CREATE TABLE k (b TEXT COLLATE NOCASE, a ANY, c ANY, PRIMARY KEY (a DESC, b)) STRICT, WITHOUT ROWID`,
			`CREATE TABLE s (id INTEGER PRIMARY KEY AUTOINCREMENT, a TEXT) STRICT`,
			`INSERT INTO t VALUES (1), ('1'), (1.0), (x'31'), (NULL)`,
			`INSERT INTO k VALUES ('x', 1, NULL), ('y', 1, 2), ('x', '1', 0.5)`,
			`INSERT INTO s (a) VALUES ('one'), (''), (NULL)`,
			last,
		)...)
		return digests(t, pin(t, f))
	}
	same := digestsAfter(`UPDATE t SET a = a`)
	for _, c := range []struct{ last, differ string }{
		{`DELETE FROM t WHERE a = 'missing'`, ""},
		{`UPDATE t SET a = '1.0' WHERE typeof(a) = 'real'`, "t"},
		{`UPDATE t SET a = 1 WHERE typeof(a) = 'text'`, "t"},
		{`UPDATE t SET a = '1' WHERE typeof(a) = 'blob'`, "t"},
		{`UPDATE t SET a = 0 WHERE a IS NULL`, "t"},
		{`UPDATE t SET a = '' WHERE a IS NULL`, "t"},
		{`UPDATE t SET rowid = 9 WHERE a IS NULL`, "t"},
		{`DELETE FROM t WHERE a IS NULL`, "t"},
		{`UPDATE k SET c = 2.0 WHERE c = 2`, "k"},
		{`UPDATE k SET b = 'X' WHERE c IS NULL`, "k"},
		{`UPDATE s SET a = NULL WHERE a = ''`, "s"},
		{`INSERT INTO s (a) VALUES ('four')`, "s sqlite_sequence"},
		{`CREATE INDEX i ON t (a)`, "sqlite_schema"},
	} {
		if got := strings.Join(changed(same, digestsAfter(c.last)), " "); got != c.differ {
			t.Errorf("after %s the tables that differ are %q, not %q", c.last, got, c.differ)
		}
	}
}

// TestTableShapes: a table's rows are found under whatever names its columns
// have, by number in the order of the b-tree and by key.
func TestTableShapes(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE r (rowid TEXT, oid TEXT) STRICT`,
		`INSERT INTO r (_rowid_, rowid, oid) VALUES (2, 'a', 'x'), (1, 'b', 'y')`,
		`CREATE TABLE k (b TEXT, a TEXT, PRIMARY KEY (a DESC, b)) STRICT, WITHOUT ROWID`,
		`INSERT INTO k VALUES ('1', 'y'), ('2', 'z')`,
		`CREATE TABLE z (rowid TEXT, oid TEXT, _rowid_ TEXT) STRICT`,
		`INSERT INTO z VALUES ('b', '', ''), ('a', '', '')`,
		`CREATE INDEX zi ON z (rowid, oid, _rowid_)`, // a covering index, in another order
		`CREATE TABLE g (a TEXT, v AS (a || 'virtual'), s AS (a || 'stored') STORED, PRIMARY KEY (a))`,
		`INSERT INTO g VALUES ('x')`,
		`CREATE TABLE "od""d" ("a b" INTEGER PRIMARY KEY) STRICT`,
		`INSERT INTO "od""d" VALUES (-5), (7)`,
	)...)
	p := pin(t, f)
	ctx := context.Background()
	for _, c := range []struct{ table, columns, rows string }{
		{"r", "_rowid_ rowid oid, key [0], primary []", "(1, 'b', 'y')(2, 'a', 'x')"},
		{"k", "b a, key [1 0], primary [1 0]", "('2', 'z')('1', 'y')"},
		{"z", "rowid oid _rowid_, key [], primary []", "('b', '', '')('a', '', '')"},
		{"g", "rowid a s, key [0], primary [1]", "(1, 'x', 'xstored')"},
		{`od"d`, "a b, key [0], primary [0]", "(-5)(7)"},
	} {
		x := table(t, p, c.table)
		if got := fmt.Sprint(strings.Join(x.Columns, " "), ", key ", x.Key, ", primary ", x.Primary); got != c.columns {
			t.Errorf("%s: %s\nwant %s", c.table, got, c.columns)
		}
		rows := ""
		for n := int64(0); ; n++ {
			row, err := p.Row(ctx, x, n)
			if err != nil {
				t.Fatal(err)
			}
			if row == nil {
				break
			}
			rows += showRow(row)
			if len(x.Key) == 0 {
				continue
			}
			var key []value.Value
			for _, column := range x.Key {
				key = append(key, row[column])
			}
			if found, err := p.Find(ctx, x, key); err != nil || showRow(found) != showRow(row) {
				t.Errorf("%s: by the key %s comes %s, %v", c.table, showRow(key), showRow(found), err)
			}
		}
		if rows != c.rows {
			t.Errorf("%s: %s\nwant %s", c.table, rows, c.rows)
		}
	}
	if found, err := p.Find(ctx, table(t, p, "r"), []value.Value{value.Int(3)}); found != nil || err != nil {
		t.Errorf("a row that is not there: %v, %v", found, err)
	}
}

// TestDigestPieces: the digests of pieces depend on the rows in them alone, not
// on where the first of them began.
func TestDigestPieces(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT) STRICT`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT i, 'row ' || i FROM n`,
	)...)
	p := pin(t, f)
	x := table(t, p, "t")
	pieces := func(first, rows, piece int64) (out []string) {
		err := p.Digest(context.Background(), x, first, rows, piece, func(d RowsDigest, n int64) error {
			out = append(out, fmt.Sprint(n, " ", d))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	all := pieces(0, math.MaxInt64, 10)
	if len(all) != 10 || slices.Equal(all[:1], all[1:2]) {
		t.Fatalf("%d pieces of 10 rows of 100: %v", len(all), all)
	}
	if some := pieces(30, 20, 10); !slices.Equal(some, all[3:5]) {
		t.Errorf("rows 30 to 50 have %v, and of all rows %v", some, all[3:5])
	}
	if odd := pieces(0, math.MaxInt64, 30); len(odd) != 4 || !strings.HasPrefix(odd[3], "10 ") {
		t.Errorf("pieces of 30 rows: %v", odd)
	}
	if none := pieces(100, 10, 10); none != nil {
		t.Errorf("behind the last row: %v", none)
	}
}

// TestPinned: what is pinned stays as it was, while entries are applied, the WAL
// is moved and another database is installed; and it ends when it is told to.
func TestPinned(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(`CREATE TABLE t (a INTEGER) STRICT`, `INSERT INTO t VALUES (1)`)...)
	image := t.TempDir() + "/image"
	p, err := f.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	apply(t, f, l.sql(`INSERT INTO t VALUES (2)`)...)
	if index, err := p.Pin(); err != nil || index != 3 {
		t.Fatalf("pinned at index %d, %v", index, err)
	}
	before := digests(t, p)
	apply(t, f, l.sql(`UPDATE t SET a = a + 10`, `CREATE TABLE u (a INTEGER) STRICT`)...)
	if err := f.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Image(context.Background(), image); err != nil {
		t.Fatal(err)
	}
	if err := installAs(f, image, f); err != nil {
		t.Fatal(err)
	}
	apply(t, f, l.sql(`DELETE FROM t`)...)
	if now := digests(t, p); !slices.Equal(now, before) {
		t.Errorf("what is pinned has changed: %v", changed(before, now))
	}
	if now := digests(t, pin(t, f)); len(changed(before, now)) != 2 {
		t.Errorf("what has changed since: %v", changed(before, now))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.Tables(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestShadowTables: the tables that FTS5 keeps its index in are equal too,
// however the entries were cut into batches and whether there was a restart: a
// comparison needs no exception for them.
func TestShadowTables(t *testing.T) {
	var l log
	entries := l.sql(
		`CREATE VIRTUAL TABLE f USING fts5(a, b)`,
		`INSERT INTO f VALUES ('one', 'uno')`,
		`INSERT INTO f VALUES ('two', 'due'), ('three', 'tre')`,
		`WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO f SELECT 'row ' || i, 'x' || (i * 7919) FROM n`,
		`UPDATE f SET a = a || ' again' WHERE rowid % 3 = 0`,
		`INSERT INTO f (rowid, a) VALUES (1, 'taken')`, // fails
		`DELETE FROM f WHERE rowid % 5 = 0`,
	)
	for i := range 40 {
		entries = append(entries, l.sql(fmt.Sprintf(`INSERT INTO f VALUES ('word%d common', 'y')`, i))...)
	}
	entries = append(entries, l.sql(`INSERT INTO f (f) VALUES ('optimize')`)...)
	for i := range 10 {
		entries = append(entries, l.sql(fmt.Sprintf(`INSERT INTO f VALUES ('after%d common', 'y')`, i))...)
	}
	var want []string
	for _, batch := range []int{1, 2, 7, len(entries)} {
		path := t.TempDir() + "/db"
		f := reopenTest(t, path)
		for from := 0; from < len(entries); from += batch {
			for i, r := range apply(t, f, entries[from:min(from+batch, len(entries))]...) {
				if r.Err != nil && from+i != 5 {
					t.Fatalf("entry %d: %v", from+i, r.Err)
				}
			}
			if batch == 7 {
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				f = reopenTest(t, path)
			}
		}
		got := digests(t, pin(t, f))
		if want == nil {
			want = got
		}
		if differ := changed(want, got); differ != nil {
			t.Errorf("in batches of %d, the tables %v differ from those in batches of 1", batch, differ)
		}
	}
	if !strings.Contains(strings.Join(want, "\n"), "f_data ") {
		t.Errorf("no shadow table was compared: %v", want)
	}
}
