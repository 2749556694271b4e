package sqlfsm

import (
	"context"
	"strings"
	"testing"
)

// TestDigest: databases with the same content have the same digest, whatever
// way they came to it; any difference in a row, a rowid or the schema shows.
func TestDigest(t *testing.T) {
	digest := func(last string) [32]byte {
		f := openTest(t)
		var l log
		apply(t, f, l.sql(
			`CREATE TABLE t (a ANY) STRICT`,
			`INSERT INTO t VALUES (1), ('1'), (1.0), (x'31'), (NULL)`,
			last,
		)...)
		index, sum, err := f.Digest(context.Background())
		if err != nil || index != 3 {
			t.Fatal(index, err)
		}
		return sum
	}
	same := digest(`UPDATE t SET a = a`)
	if digest(`DELETE FROM t WHERE a = 'missing'`) != same {
		t.Error("equal databases have different digests")
	}
	for _, change := range []string{
		`UPDATE t SET a = '1.0' WHERE typeof(a) = 'real'`,
		`UPDATE t SET a = 1 WHERE typeof(a) = 'text'`,
		`UPDATE t SET rowid = 9 WHERE a IS NULL`,
		`DELETE FROM t WHERE a IS NULL`,
		`CREATE TABLE u (a INTEGER) STRICT`,
	} {
		if digest(change) == same {
			t.Errorf("the digest does not show %s", change)
		}
	}
}

// TestDumpOrder: rows come by rowid or key, under whatever names the table's
// columns have.
func TestDumpOrder(t *testing.T) {
	f := openTest(t)
	var l log
	apply(t, f, l.sql(
		`CREATE TABLE r (rowid TEXT, oid TEXT) STRICT`,
		`INSERT INTO r (_rowid_, rowid, oid) VALUES (2, 'a', 'x'), (1, 'b', 'y')`,
		`CREATE TABLE k (b TEXT, a TEXT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID`,
		`INSERT INTO k VALUES ('1', 'z'), ('2', 'y')`,
		`CREATE TABLE z (rowid TEXT, oid TEXT, _rowid_ TEXT) STRICT`,
		`INSERT INTO z VALUES ('b', '', ''), ('a', '', '')`,
	)...)
	var rows []string
	for _, line := range strings.Split(dump(t, f), "\n") {
		if strings.HasPrefix(line, "r: ") || strings.HasPrefix(line, "k: ") || strings.HasPrefix(line, "z: ") {
			rows = append(rows, line)
		}
	}
	want := "k: '2' 'y'|k: '1' 'z'|r: 1 'b' 'y'|r: 2 'a' 'x'|z: 'a' '' ''|z: 'b' '' ''"
	if got := strings.Join(rows, "|"); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
