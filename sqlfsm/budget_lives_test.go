package sqlfsm

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wordsForLives are statements after which a connection keeps something that a new
// one does not have: a word's buffer, a table of words, compiled statements, pages.
func wordsForLives() []string {
	word := "replace(hex(zeroblob(%d)), '00', 'ab')"
	return []string{
		`INSERT INTO ft (a) VALUES (` + fmt.Sprintf(word, 400_000) + `)`,
		`INSERT INTO ft (a) VALUES (` + fmt.Sprintf(word, 150_000) + `)`,
		`INSERT INTO ft (a) SELECT ` + fmt.Sprintf(word, 300_000) + ` FROM t LIMIT 2`,
		`INSERT INTO ft (ft, rank) VALUES ('hashsize', 8000000)`,
		`INSERT INTO ft (a) SELECT group_concat('w' || value, ' ') FROM json_each('[' || replace(hex(zeroblob(50000)), '00', '1,') || '1]')`,
		`INSERT INTO ft (a) WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40000) SELECT group_concat('w' || i, ' ') FROM n`,
		`INSERT INTO o (v) SELECT count(*) FROM ft WHERE ft MATCH 'w17'`,
		`INSERT INTO keyed SELECT hex(zeroblob(90000 + id % 20)) || id FROM t WHERE id < 20 ON CONFLICT DO NOTHING`,
		`INSERT INTO o (v) SELECT length(k) FROM keyed WHERE k > hex(zeroblob(90005))`,
		`DELETE FROM keyed WHERE k > hex(zeroblob(90011))`,
		`INSERT INTO o (v) WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i + 1 FROM n WHERE i < 20000) SELECT hex(randomblob(100)) FROM n`,
		`UPDATE o SET v = v || 'x' WHERE length(v) > 300000`,
		`INSERT INTO o (v) VALUES (hex(zeroblob(200000)))`,
		`ALTER TABLE o RENAME COLUMN v TO v2`,
		`ALTER TABLE o RENAME COLUMN v2 TO v`,
		`DELETE FROM o`,
		`VACUUM`,
	}
}

// TestBudgetOfLives: what is counted of a statement is the same whatever the node has
// lived through, to the last byte: one machine keeps all, the other is restarted, made
// of an image, or has its statements forgotten and its pages taken by readers.
func TestBudgetOfLives(t *testing.T) {
	fewerChecks(t, 1)
	statements := wordsForLives()
	setup := append(forTooMuch[:len(forTooMuch):len(forTooMuch)],
		`CREATE TABLE keyed (k TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`,
		`CREATE VIEW listed AS SELECT * FROM o WHERE v NOT IN (`+strings.Repeat("1, ", 9000)+`1)`)
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		one, other := reopenTest(t, filepath.Join(dir, "one")), reopenTest(t, filepath.Join(dir, "other"))
		defer func() { one.Close(); other.Close() }()
		var l log
		for _, e := range l.sql(setup...) {
			apply(t, one, e)
			apply(t, other, e)
		}
		// Each twice in a row: the second time a connection may have what it needs.
		for i := range 2 * len(statements) {
			sql := statements[i/2]
			switch path := other.path; rapid.IntRange(0, 2).Draw(rt, "fate") {
			case 0:
				other.Close()
				other = reopenTest(t, path)
			case 1:
				path = filepath.Join(dir, fmt.Sprint("image", i))
				if _, err := other.Image(context.Background(), path); err != nil {
					t.Fatal(err)
				}
				other.Close()
				other = reopenTest(t, path)
			case 2:
				other.writer.cache.clear()
				query(t, other, `SELECT count(*), sum(length(v)) FROM t, (SELECT hex(zeroblob(200000)))`)
			}
			held := int64(32 << 20)
			if rapid.IntRange(0, 3).Draw(rt, "tight") == 0 {
				held = int64(rapid.IntRange(300<<10, 6<<20).Draw(rt, "held"))
			}
			one.counter.held, other.counter.held = held, held
			l.schemaVersion = one.Schema().Version
			e := l.entry(bound(sql))
			a, b := show(apply(t, one, e)[0]), show(apply(t, other, e)[0])
			if a != b {
				t.Fatalf("%s\nanswers %s\nand %s", sql, a, b)
			}
			if sql == `VACUUM` { // it runs outside of the budget
				continue
			}
			if n, m := one.counter.steps, other.counter.steps; n != m {
				t.Errorf("%s\ncounts %d steps and %d", sql, n, m)
			}
			if n, m := one.counter.called, other.counter.called; n != m {
				t.Errorf("%s\ncounts %d bytes and %d", sql, n, m)
			}
		}
		if everything(t, one) != everything(t, other) {
			t.Error("the databases differ")
		}
	})
}
