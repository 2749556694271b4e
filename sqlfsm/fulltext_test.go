package sqlfsm

import (
	"strings"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// drawnFullText is for full text indexes: one that holds its texts, with
// segments that are merged at once, and one whose texts a table holds.
var drawnFullText = material{[]string{
	`CREATE VIRTUAL TABLE ft USING fts5(title, body, prefix = '1')`,
	`INSERT INTO ft (ft, rank) VALUES ('automerge', 2)`,
	`INSERT INTO ft (ft, rank) VALUES ('pgsz', 64)`,
	`CREATE TABLE doc (id INTEGER PRIMARY KEY, body TEXT UNIQUE) STRICT`,
	`CREATE VIRTUAL TABLE doc_ft USING fts5(body, content = 'doc', content_rowid = 'id')`,
	`CREATE TRIGGER doc_i AFTER INSERT ON doc BEGIN INSERT INTO doc_ft (rowid, body) VALUES (NEW.id, NEW.body); END`,
	`CREATE TRIGGER doc_d AFTER DELETE ON doc BEGIN INSERT INTO doc_ft (doc_ft, rowid, body) VALUES ('delete', OLD.id, OLD.body); END`,
	`CREATE TRIGGER doc_u AFTER UPDATE ON doc BEGIN INSERT INTO doc_ft (doc_ft, rowid, body) VALUES ('delete', OLD.id, OLD.body); INSERT INTO doc_ft (rowid, body) VALUES (NEW.id, NEW.body); END`,
}, []string{
	`INSERT INTO ft VALUES (?2, ?1 || ' some words ' || hex(randomblob(2)))`,
	`INSERT INTO ft (rowid, title, body) VALUES (?1, ?2, 'a row of its own'), (?1 + 1, 'next', ?2)`,
	`INSERT INTO ft (title, body) SELECT body, title FROM ft WHERE rowid > ?1 AND title <> ?2`,
	`REPLACE INTO ft (rowid, title) VALUES (?1, ?2 || ' again')`,
	`UPDATE ft SET body = body || ' ' || ?2 || datetime('now') WHERE rowid <= ?1`,
	`DELETE FROM ft WHERE rowid = ?1 OR title = ?2`,
	`DELETE FROM ft WHERE ft MATCH 'words NOT ' || CASE ?2 WHEN '' THEN 'x' ELSE 'next' END AND rowid > ?1`,
	`SELECT rowid, title, snippet(ft, 1, '[', ']', '', 3) FROM ft WHERE ft MATCH 'w* OR next' AND rowid > ?1 AND ?2 <> 'z' ORDER BY rank, rowid`,
	`SELECT ft, ?1, ?2 FROM ft ORDER BY rowid LIMIT 2`,
	`INSERT INTO ft (ft) SELECT CASE ?1 WHEN 0 THEN 'optimize' WHEN 1 THEN 'rebuild' WHEN 2 THEN 'integrity-check' WHEN 3 THEN ?2 ELSE 'flush' END`,
	`INSERT INTO ft (ft, rank) VALUES ('merge', ?1 - 4 + length(?2) * 0)`,
	`INSERT INTO doc VALUES (?1, ?2 || ' by number'), (?1 + 20, ?2 || ' and ' || ?1)`,
	`INSERT INTO doc (body) VALUES (?2 || hex(randomblob(1))), ('same' || ?1)`,
	`UPDATE doc SET body = body || ' ' || ?2 WHERE id % 3 = ?1 % 3`,
	`DELETE FROM doc WHERE id > ?1 AND id IN (SELECT rowid FROM doc_ft WHERE doc_ft MATCH 'and OR x' AND ?2 <> 'z')`,
	`INSERT INTO doc_ft (doc_ft) SELECT 'integrity-check' WHERE ?1 >= 0 AND ?2 <> 'z'`,
	`INSERT INTO doc (id) SELECT ?1 FROM doc WHERE json(?2 || '{') = ''`,
}, []string{
	`CREATE TABLE extra (a INTEGER) STRICT`,
	`DROP TABLE extra`,
	`ALTER TABLE ft RENAME TO ft2`,
	`ALTER TABLE ft2 RENAME TO ft`,
	`DROP TABLE ft`,
	`CREATE VIRTUAL TABLE ft USING fts5(title, body, detail = column, columnsize = 0)`,
	`VACUUM`,
}}

// TestFullTextBatches: neither what full text indexes answer nor what is in
// their shadow tables shows how the entries were cut into batches, where the node
// was stopped, or what was sent as an image.
func TestFullTextBatches(t *testing.T) { checkBatches(t, drawnFullText, 10) }

// TestFullTextBudget: a statement that uses a full text index ends sooner than
// others, at the same place whatever was run before.
func TestFullTextBudget(t *testing.T) {
	const endlessSearch = `INSERT INTO hits WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n)
		SELECT n.i FROM n, ft WHERE ft MATCH 'word' AND n.i < 0`
	const search = `INSERT INTO hits WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
		SELECT count(*) FROM n, ft WHERE ft MATCH 'word'`
	var l log
	entries := l.sql(`CREATE VIRTUAL TABLE ft USING fts5(body)`, `INSERT INTO ft VALUES ('a word')`,
		`CREATE TABLE hits (n INTEGER) STRICT`, endlessSearch)
	for n := range int64(30) {
		entries = append(entries, l.entry(sqlplan.Bound{Plan: plan(search), Args: []value.Value{value.Int(40 + 10*n)}}))
	}
	var want []string
	for _, batch := range []int{1, len(entries)} {
		f := openTest(t)
		f.counter.limit = 100_000
		var got []string
		for from := 0; from < len(entries); from += batch {
			for _, r := range apply(t, f, entries[from:from+batch]...) {
				got = append(got, show(r))
			}
		}
		if want == nil {
			want = got
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("in one batch:\n%s\none by one:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	over := 0
	for _, answer := range want[3:] {
		if strings.Contains(answer, "54001") {
			over++
		}
	}
	if over < 2 || over == len(want)-3 {
		t.Errorf("%d of %d are over the budget", over, len(want)-3)
	}
}
