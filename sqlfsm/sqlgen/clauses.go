package sqlgen

import "strings"

// clauses are what a statement may have in it that is worth counting: a name, and
// parts of its text in their order.
var clauses = []struct {
	name  string
	parts []string
}{
	{"AUTOINCREMENT", []string{"CREATE TABLE", "AUTOINCREMENT"}},
	{"WITHOUT ROWID", []string{"CREATE TABLE", "WITHOUT ROWID"}},
	{"STRICT", []string{"CREATE TABLE", "STRICT"}},
	{"generated, VIRTUAL", []string{"CREATE TABLE", " AS (", "VIRTUAL"}},
	{"generated, STORED", []string{"CREATE TABLE", " AS (", "STORED"}},
	{"constraint ON CONFLICT", []string{"CREATE TABLE", "UNIQUE", "ON CONFLICT"}},
	{"default of the clock", []string{"CREATE TABLE", "DEFAULT ", "now"}},
	{"default of chance", []string{"CREATE TABLE", "DEFAULT ", "random"}},
	{"ON DELETE CASCADE", []string{"CREATE TABLE", "ON DELETE CASCADE"}},
	{"ON DELETE SET NULL", []string{"CREATE TABLE", "ON DELETE SET NULL"}},
	{"ON DELETE SET DEFAULT", []string{"CREATE TABLE", "ON DELETE SET DEFAULT"}},
	{"ON UPDATE CASCADE", []string{"CREATE TABLE", "ON UPDATE CASCADE"}},
	{"INITIALLY DEFERRED", []string{"CREATE TABLE", "INITIALLY DEFERRED"}},
	{"partial index", []string{"INDEX", "WHERE"}},
	{"unique index", []string{"CREATE UNIQUE INDEX"}},
	{"index with collation", []string{"INDEX", "COLLATE"}},
	{"INSTEAD OF", []string{"INSTEAD OF"}},
	{"BEFORE trigger", []string{"CREATE TRIGGER", "BEFORE"}},
	{"RAISE(IGNORE)", []string{"RAISE(IGNORE)"}},
	{"RAISE(ABORT)", []string{"RAISE(ABORT"}},
	{"RAISE(FAIL)", []string{"RAISE(FAIL"}},
	{"ADD COLUMN", []string{"ALTER", "ADD COLUMN"}},
	{"DROP COLUMN", []string{"ALTER", "DROP COLUMN"}},
	{"RENAME COLUMN", []string{"ALTER", "RENAME COLUMN"}},
	{"RENAME TO", []string{"ALTER TABLE", "RENAME TO"}},
	{"TRUNCATE", []string{"TRUNCATE"}},
	{"ANALYZE", []string{"ANALYZE"}},
	{"VACUUM", []string{"VACUUM"}},
	{"REINDEX", []string{"REINDEX"}},
	{"OR IGNORE", []string{"OR IGNORE"}},
	{"OR REPLACE", []string{"OR REPLACE"}},
	{"OR FAIL", []string{"OR FAIL"}},
	{"OR ABORT", []string{"OR ABORT"}},
	{"INSERT … RETURNING", []string{"INSERT", "RETURNING"}},
	{"UPDATE … RETURNING", []string{"UPDATE", "RETURNING"}},
	{"DELETE … RETURNING", []string{"DELETE", "RETURNING"}},
	{"UPDATE … FROM", []string{"UPDATE", " SET ", " FROM (SELECT"}},
	{"DELETE … USING", []string{"DELETE", "USING"}},
	{"several ON CONFLICT", []string{"INSERT", "ON CONFLICT (k)", " ON CONFLICT DO"}},
	{"upsert with WHERE", []string{"DO UPDATE SET", "WHERE"}},
	{"WITH RECURSIVE … INSERT", []string{"WITH RECURSIVE", "INSERT"}},
	{"WITH RECURSIVE … UPDATE", []string{"WITH RECURSIVE", "UPDATE"}},
	{"WITH RECURSIVE … DELETE", []string{"WITH RECURSIVE", "DELETE"}},
	{"frame ROWS", []string{" ROWS "}},
	{"frame RANGE", []string{" RANGE "}},
	{"frame GROUPS", []string{" GROUPS "}},
	{"frame EXCLUDE", []string{" EXCLUDE "}},
	{"WINDOW", []string{" WINDOW "}},
	{"DISTINCT ON", []string{"DISTINCT ON"}},
	{"generate_series", []string{"generate_series"}},
	{"unnest", []string{"unnest"}},
	{"FULL JOIN", []string{"FULL JOIN"}},
	{"FTS5 external content", []string{"USING fts5", "content='r"}},
	{"FTS5 contentless", []string{"USING fts5", "content=''"}},
	{"FTS5 contentless_delete", []string{"USING fts5", "contentless_delete"}},
	{"FTS5 prefix", []string{"USING fts5", "prefix"}},
	{"FTS5 detail", []string{"USING fts5", "detail="}},
	{"FTS5 columnsize", []string{"USING fts5", "columnsize"}},
	{"FTS5 trigram", []string{"USING fts5", "trigram"}},
	{"FTS5 porter", []string{"USING fts5", "porter"}},
	{"FTS5 trigger", []string{"CREATE TRIGGER", "'delete'"}},
	{"FTS5 'delete'", []string{"INSERT INTO f", "'delete'"}},
	{"FTS5 'delete-all'", []string{"'delete-all'"}},
	{"FTS5 'rebuild'", []string{"'rebuild'"}},
	{"FTS5 'integrity-check'", []string{"'integrity-check'"}},
	{"FTS5 'optimize'", []string{"'optimize'"}},
	{"FTS5 'merge'", []string{"'merge'"}},
	{"FTS5 'secure-delete'", []string{"'secure-delete'"}},
	{"FTS5 settings", []string{", rank) VALUES"}},
	{"FTS5 MATCH", []string{"MATCH"}},
	{"FTS5 bm25", []string{"bm25("}},
	{"FTS5 snippet", []string{"snippet("}},
	{"sqlite_sequence", []string{"sqlite_sequence"}},
}

// clauses counts what is in a statement that has succeeded.
func (r *Report) clauses(sql string) {
	for i := range clauses {
		rest, all := sql, true
		for _, part := range clauses[i].parts {
			at := strings.Index(rest, part)
			if at < 0 {
				all = false
				break
			}
			rest = rest[at+len(part):]
		}
		if all {
			r.Clauses[clauses[i].name]++
		}
	}
}
