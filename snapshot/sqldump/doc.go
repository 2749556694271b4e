// Package sqldump writes a database as SQL text, and reads such text statement
// by statement: what quorate dump and quorate import are made of.
//
// In comes a Source, which answers queries on one view of a database; out goes
// the dump (Write). In comes the text of a dump, of sqlite3's .dump, or of any
// SQL script; out come its statements with their line numbers (Reader), and of
// an INSERT of literals its values (ParseInsert). The package knows neither
// files nor the state machine; it may import internal/value.
//
// # The text
//
// One text for two readers: quorate import, and the sqlite3 shell from version
// 3.37 on.
//
//	-- Quorate SQL dump, format 1                 what import goes by
//	-- refused by sqlite3: …                      if so: what calls functions of ours
//	PRAGMA foreign_keys=OFF;                      for sqlite3: rows come in any order
//	BEGIN;                                        for sqlite3: all or nothing
//	CREATE TABLE "_quorate_types" …               the PostgreSQL types of the columns; an
//	                                              ordinary table for sqlite3
//	CREATE TABLE … ; INSERT INTO "_quorate_types" …   as the database keeps it, then its types
//	INSERT INTO sqlite_sequence …                 what AUTOINCREMENT has given out
//	INSERT INTO … VALUES …                        rows, many to a statement, one a line
//	CREATE INDEX …, VIEW …, TRIGGER …             after the rows, so that triggers see none of them
//	COMMIT;
//	-- end of dump: 2 tables, 7 rows              what is cut off lacks it
//
// Rows of a table without INTEGER PRIMARY KEY come with their rowid. Generated
// columns are left out. A full text index is its CREATE statement and its rows,
// or, where it indexes another table, the command to rebuild it; SQLite's own
// tables behind it are left out, as are statistics: ANALYZE makes them anew.
//
// Indexes come in the order in which they were made, as do views: SQLite looks a
// view's tables up when it is used, so theirs cannot be wrong.
//
// # Values
//
// Each comes back bit for bit (AppendLiteral). Text that cannot be written
// between quotes (invalid UTF-8, NUL, carriage returns, which the shell drops
// before a newline) is CAST(X'…' AS TEXT).
package sqldump
