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
// 3.40 on.
//
//	-- Quorate SQL dump, format 2                 what import goes by
//	-- in sqlite3, …                              if so: what is not there the same
//	PRAGMA foreign_keys=OFF;                      for sqlite3: rows come in any order,
//	PRAGMA ignore_check_constraints=ON;           and have been checked
//	BEGIN;                                        for sqlite3: all or nothing
//	CREATE TABLE "_quorate_definitions" …         see below
//	CREATE TABLE "_quorate_types" …               the PostgreSQL types of the columns; an
//	                                              ordinary table for sqlite3
//	CREATE TABLE … ; INSERT INTO "_quorate_types" …   as the database keeps it, then its types
//	INSERT INTO sqlite_sequence …                 what AUTOINCREMENT has given out
//	INSERT INTO … VALUES …                        rows, many to a statement, one a line
//	CREATE INDEX …, VIEW …, TRIGGER …             after the rows, so that triggers see none of them
//	COMMIT;
//	PRAGMA ignore_check_constraints=OFF;
//	-- end of dump: 2 tables, 7 rows              what is cut off lacks it
//
// Rows of a table without INTEGER PRIMARY KEY come with their rowid. Generated
// columns are left out. A full text index is its CREATE statement and its rows,
// or, where it indexes another table, at the end the command to rebuild it; SQLite's own
// tables behind it are left out, as are statistics: ANALYZE makes them anew.
//
// Indexes come in the order in which they were made, as do views: SQLite looks a
// view's tables up when it is used, so theirs cannot be wrong.
//
// # What sqlite3 gets
//
// The shell looks functions up when it makes a CHECK, a generated column or an
// index, and refuses what calls one of ours (q_add, q_numeric_mul …) or one that
// SQLite has got since. It parses all of a view and of a trigger. So where a
// definition has such a call, the dump has two statements of it:
//
//	-- in sqlite3, …                              if something is not there the same
//	INSERT INTO "_quorate_definitions" … VALUES
//	('table','t',0,'CREATE TABLE …','5a158af4');  as the database keeps it
//	CREATE TABLE …;                               in sqlite3's words, or nothing
//
// A Reader returns the first in place of both. The checksum ties them: a dump in
// which one was changed is refused. For sqlite3 it is an ordinary table, by which a
// dump of what it has made of the text is the same text again, but for what was
// changed there.
//
// There are two as well of what the shell would not read as it is written (line
// ends of other systems), and of what SQLite's parser was too small for (typed.go).
//
// functions.go has what sqlite3 has for each function, and whether the value is
// exactly the same. A generated column for which it is not is an ordinary column
// there, whose values are in the INSERTs behind a mark that tells ParseInsert to
// leave them out; a unique index is not unique. What sqlite3 has nothing for is left
// out: a CHECK, an index. Everything that is not the same there is said, at its
// place and at the beginning.
//
// # Values
//
// Each comes back bit for bit (AppendLiteral). Text that cannot be written
// between quotes (invalid UTF-8, NUL, carriage returns, which the shell drops
// before a newline) is CAST(X'…' AS TEXT).
package sqldump
