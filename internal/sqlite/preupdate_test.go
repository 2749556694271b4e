package sqlite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"quorate/internal/value"
)

// TestPreupdateImages: what AppendImage reads out of SQLite's structures is what
// the documented functions answer, for every kind of table and row.
func TestPreupdateImages(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `
		CREATE TABLE plain (a, b);
		CREATE TABLE keyed (id INTEGER PRIMARY KEY, r REAL, t TEXT, n NUMERIC);
		CREATE TABLE last (t TEXT, id INTEGER PRIMARY KEY);
		CREATE TABLE only (id INTEGER PRIMARY KEY);
		CREATE TABLE strict (a ANY, r REAL, i INT) STRICT;
		CREATE TABLE pair (v, x TEXT, y TEXT, PRIMARY KEY (y, x)) WITHOUT ROWID;
		CREATE TABLE made (twice INTEGER AS (a * 2) VIRTUAL, a INTEGER, square INTEGER AS (a * a) STORED);
		CREATE TABLE parent (id INTEGER PRIMARY KEY, v);
		CREATE TABLE child (p INTEGER REFERENCES parent ON DELETE CASCADE ON UPDATE SET NULL);
		CREATE TRIGGER before BEFORE UPDATE ON parent BEGIN UPDATE plain SET b = b || 'x'; DELETE FROM only; END;
		PRAGMA foreign_keys=ON; PRAGMA recursive_triggers=ON;`)
	var images []string
	c.SetPreupdateHook(func(p *Preupdate) {
		image, err := p.AppendImage(nil)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, fmt.Sprintf("%v%s", p.Op, p.Table.Append(nil)))
		checkImage(t, p, image)
	})
	for _, s := range []struct {
		sql     string
		changes int
	}{
		{`INSERT INTO plain VALUES (1, 'one'), (2.5, x'00ff'), (NULL, ''), (0, zeroblob(300)), (1 << 62, -1e300)`, 5},
		{`INSERT INTO plain VALUES ('long', hex(randomblob(5000))), (zeroblob(9000), 'zeros')`, 2},
		{`UPDATE plain SET a = typeof(b)`, 7},
		{`UPDATE plain SET b = zeroblob(100) WHERE rowid < 3`, 2},
		{`DELETE FROM plain WHERE rowid = 3`, 1},
		{`DELETE FROM plain WHERE a = 'text' AND rowid > 1`, 2},
		{`INSERT INTO keyed VALUES (7, 3, 'three', '3'), (8, 0.5, 'half', '0.5'), (9, 1e300, NULL, 1e300)`, 3},
		{`UPDATE keyed SET r = r + 1, n = r`, 3},
		{`UPDATE keyed SET id = id + 100, t = id`, 3},
		{`INSERT OR REPLACE INTO keyed (id, t) VALUES (107, 'again')`, 2},
		{`ALTER TABLE keyed ADD COLUMN late TEXT DEFAULT 'later'`, 0},
		{`UPDATE keyed SET late = late || '!' WHERE id = 108`, 1},
		{`DELETE FROM keyed WHERE late = 'later'`, 2},
		{`INSERT INTO last VALUES ('x', 1), ('y', 2); UPDATE last SET t = 'z'; DELETE FROM last WHERE id = 1`, 5},
		{`INSERT INTO only VALUES (1), (2); UPDATE only SET id = 5 WHERE id = 1; DELETE FROM only WHERE id = 5`, 4},
		{`INSERT INTO strict VALUES (1, 2, 3), ('1', 0.5, 1 << 40), (x'31', 1 << 60, 0); UPDATE strict SET a = r, r = i`, 6},
		{`INSERT INTO pair VALUES (1, 'x', 'y'), (2.5, 'xx', 'yy'), (NULL, 'long', hex(zeroblob(4000)))`, 3},
		{`UPDATE pair SET v = 'v' WHERE x = 'x'; UPDATE pair SET y = 'moved' WHERE x = 'xx'; DELETE FROM pair WHERE v = 'v'`, 3},
		{`INSERT INTO made (a) VALUES (2), (3); UPDATE made SET a = 5 WHERE a = 3; DELETE FROM made WHERE square = 4`, 4},
		{`INSERT INTO parent VALUES (1, 'a'), (2, 'b'); INSERT INTO child VALUES (1), (1), (2)`, 5},
		{`UPDATE parent SET id = 9 WHERE id = 1`, 8}, // with two children, the four rows of plain, and one of only
		{`DELETE FROM parent WHERE id = 2`, 2},
	} {
		images = nil
		exec(t, c, s.sql)
		if len(images) != s.changes {
			t.Errorf("%s: %d changes: %v", s.sql, len(images), images)
		}
	}
}

// checkImage compares an image with what Old and New answer.
func checkImage(t *testing.T, p *Preupdate, image []byte) {
	t.Helper()
	if int64(binary.BigEndian.Uint64(image)) != p.OldRowID || int64(binary.BigEndian.Uint64(image[8:])) != p.NewRowID {
		t.Errorf("%s: rowids %x, not %d and %d", p.Table, image[:16], p.OldRowID, p.NewRowID)
	}
	image = image[16:]
	next := func() value.Value {
		v, rest, err := value.Decode(image)
		if err != nil {
			t.Fatal(err)
		}
		image = rest
		return v
	}
	if p.Op != RowInsert {
		compareColumns(t, p, "old", decodeRecord(next().Bytes()), p.Old)
	}
	switch p.Op {
	case RowInsert:
		compareColumns(t, p, "new", decodeRecord(next().Bytes()), p.New)
	case RowUpdate:
		n, w := binary.Uvarint(image)
		image = image[w:]
		var columns []value.Value
		for range n {
			columns = append(columns, next())
		}
		compareColumns(t, p, "new", columns, p.New)
	}
	if len(image) > 0 {
		t.Errorf("%s: %d bytes are left of the image", p.Table, len(image))
	}
}

// compareColumns compares columns in whatever order they are stored. SQLite stores
// NULL for the rowid, an integer for a REAL that is one, and nothing for what was
// added to the table later.
func compareColumns(t *testing.T, p *Preupdate, which string, stored []value.Value, column func(int) (value.Value, error)) {
	t.Helper()
	if p.Table.String() == "only" && p.Op != RowInsert && which == "old" {
		if len(stored) > 0 {
			t.Errorf("only: %v", stored)
		}
		return
	}
	show := func(v value.Value) string {
		if v.Kind() == value.Real && v.Float() == math.Trunc(v.Float()) && math.Abs(v.Float()) < 1<<62 {
			v = value.Int(int64(v.Float()))
		}
		return fmt.Sprintf("%.60s", v.GoString())
	}
	var got, want []string
	for _, v := range stored {
		got = append(got, show(v))
	}
	for i := range p.Columns() {
		v, err := column(i)
		if err != nil {
			t.Errorf("%s, column %d: %v", p.Table, i, err)
		}
		want = append(want, show(v))
	}
	key := map[string]int{"keyed": 0, "last": 1, "parent": 0, "only": 0}
	if i, ok := key[p.Table.String()]; ok {
		want[i] = got[i] // NULL in a record, the rowid in a register
	}
	if p.Table.String() == "made" {
		want = want[1:] // the column that is not stored
	}
	if which == "old" {
		want = want[:min(len(want), len(got))] // without columns that came later
	}
	slices.Sort(got)
	slices.Sort(want)
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s of %s, operation %d: %v, want %v", which, p.Table, p.Op, got, want)
	}
}

// decodeRecord reads SQLite's record format
// (https://sqlite.org/fileformat2.html#record_format).
func decodeRecord(record []byte) (columns []value.Value) {
	if len(record) == 0 {
		return nil
	}
	varint := func(b []byte) (n uint64, width int) {
		for width < 8 && b[width] >= 0x80 {
			n, width = n<<7|uint64(b[width]&0x7f), width+1
		}
		return n<<7 | uint64(b[width]), width + 1
	}
	size, w := varint(record)
	types, body := record[w:size], record[size:]
	for len(types) > 0 {
		kind, w := varint(types)
		types = types[w:]
		length := [...]uint64{0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0}
		n := (kind - 12) / 2
		if kind < 12 {
			n = length[kind]
		}
		data := body[:n]
		body = body[n:]
		var number int64
		for i, b := range data {
			if i == 0 {
				number = int64(int8(b))
			} else {
				number = number<<8 | int64(b)
			}
		}
		switch {
		case kind == 0:
			columns = append(columns, value.Value{})
		case kind == 7:
			columns = append(columns, value.Float(math.Float64frombits(uint64(number))))
		case kind == 8, kind == 9:
			columns = append(columns, value.Int(int64(kind-8)))
		case kind < 7:
			columns = append(columns, value.Int(number))
		case kind%2 == 0:
			columns = append(columns, value.BlobBytes(data))
		default:
			columns = append(columns, value.TextBytes(data))
		}
	}
	return columns
}

// TestPreupdateHold: a DELETE without WHERE calls the hook for each row, unless
// it was compiled while the hook was held; whatever else was, calls it as ever.
func TestPreupdateHold(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `CREATE TABLE t (a); CREATE TABLE u (a)`)
	rows := 0
	c.SetPreupdateHook(func(*Preupdate) { rows++ })
	for _, s := range []struct {
		sql       string
		hold      bool
		told, did int64
	}{
		{`INSERT INTO t VALUES (1), (2), (3)`, true, 3, 3},
		{`UPDATE t SET a = a + 1`, true, 3, 3},
		{`DELETE FROM t`, true, 0, 3},
		{`INSERT INTO t VALUES (1), (2), (3)`, false, 3, 3},
		{`DELETE FROM t WHERE a < 3`, true, 2, 2},
		{`DELETE FROM t`, false, 1, 1},
	} {
		if s.hold {
			c.HoldPreupdateHook()
		}
		statement, _, err := c.Prepare(s.sql, false)
		c.ResumePreupdateHook()
		if err != nil {
			t.Fatal(err)
		}
		rows = 0
		if err := statement.Run(); err != nil || int64(rows) != s.told || c.Changes() != s.did {
			t.Errorf("%s: told of %d rows of %d, %v", s.sql, rows, c.Changes(), err)
		}
		statement.Finalize()
	}
}

// TestPreupdateShadow: the tables in which FTS5 keeps its index are known for
// what they are, on a connection that reads the schema from the file too, and from their making on.
func TestPreupdateShadow(t *testing.T) {
	c, path := openTest(t)
	other := 0
	hook := func(p *Preupdate) {
		if !p.Shadow() {
			other++
		}
	}
	c.SetPreupdateHook(hook)
	exec(t, c, `CREATE TABLE t (a); INSERT INTO t VALUES (1)`)
	exec(t, c, `CREATE VIRTUAL TABLE f USING fts5 (a); INSERT INTO f VALUES ('some text'); DELETE FROM f`)
	c = openPath(t, path)
	c.SetPreupdateHook(hook)
	exec(t, c, `INSERT INTO f VALUES ('more'); UPDATE f SET a = 'less'`)
	if other != 1 {
		t.Errorf("%d rows of ordinary tables", other)
	}
}

// TestPreupdateIndexes: the indexes that a statement writes are counted, and no
// others that it reads or makes for itself.
func TestPreupdateIndexes(t *testing.T) {
	c, _ := openTest(t)
	exec(t, c, `
		CREATE TABLE plain (id INTEGER PRIMARY KEY, a, b, c);
		CREATE TABLE indexed (id INTEGER PRIMARY KEY, a, b, c UNIQUE);
		CREATE INDEX ia ON indexed (a); CREATE INDEX iab ON indexed (a, b);
		CREATE TABLE pair (x, y, z, PRIMARY KEY (y, x)) WITHOUT ROWID;
		CREATE INDEX pz ON pair (z);
		INSERT INTO plain VALUES (1, 1, 1, 1), (2, 2, 2, 2);
		CREATE TRIGGER both AFTER UPDATE OF z ON pair BEGIN UPDATE indexed SET c = c + 10; END;`)
	var counts []int
	c.SetPreupdateHook(func(p *Preupdate) { counts = append(counts, p.Indexes()) })
	for _, s := range []struct{ sql, want string }{
		{`INSERT INTO plain SELECT id + 2, a, b, c FROM plain ORDER BY random()`, "[0 0]"},
		{`INSERT INTO indexed SELECT DISTINCT * FROM plain WHERE id < 3`, "[3 3]"},
		{`UPDATE plain SET a = (SELECT max(a) FROM indexed) WHERE id = 1`, "[0]"},
		{`UPDATE indexed SET b = b + 1 WHERE id = 1`, "[1]"},
		{`UPDATE indexed SET a = a + 1 WHERE id = 1`, "[2]"},
		{`INSERT INTO pair VALUES (1, 2, 3)`, "[2]"},
		{`UPDATE pair SET z = 4`, "[2 1 1]"}, // the trigger's two
		{`DELETE FROM indexed WHERE id = 2`, "[3]"},
	} {
		counts = nil
		exec(t, c, s.sql)
		if got := fmt.Sprint(counts); got != s.want {
			t.Errorf("%s\nkeeps %s indexes, want %s", s.sql, got, s.want)
		}
	}
}
