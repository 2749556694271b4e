// Package sqlfsm is the state machine: it applies committed commands to an
// embedded SQLite database and serves reads from it.
//
// In come log entries that hold commands (AppendCommand), in the order of
// their indexes, and queries; out go what each command did and rows. The same
// entries give the same database and the same results on every node, however
// they are cut into batches and wherever a node was stopped and started again.
// The package knows neither raft nor pgwire: indexes and terms are plain
// numbers here. It may import sqlplan, internal/value, internal/errcode,
// internal/sqlite and internal/vfs.
//
// # The file
//
// One SQLite database in WAL mode holds the users' tables and three of ours,
// which SQL cannot write:
//
//	_quorate_meta    one row: applied index and term, clock, schema version
//	_quorate_types   relation, column → PostgreSQL type name and modifier
//	_quorate_origins which commands were applied, so that none is twice (package origins)
//
// The meta row is changed in the SQLite transaction that the entries are
// applied in. So the file is always at one exact index, after a power loss too
// (at an earlier one, as synchronous=NORMAL has it), and a node that starts
// again goes on from there.
//
// Checkpoints make it durable up to Durable, off the write path; so does
// MakeDurable, at any time and in spite of any reader. The log may be cut there.
// After a sync that failed the WAL is not relied on: Close leaves it alone, and
// Open writes it once more.
//
// # Images
//
// An image is the database as of one index in one file: all pages as they are,
// and in the header, offsets 18 and 19, that there is no WAL beside it. So it is
// a plain SQLite file. Image makes one while entries are applied; Install changes
// the header back and puts the image in the database's place. Beside the database there may be
//
//	NAME-wal      SQLite's WAL
//	NAME-install  an image on its way to become NAME; Open finishes that
//
// # A command
//
// Numbers are big endian; uvarint is encoding/binary's.
//
//	+---------+------+--------+-------------+-----+-----------+
//	| version | kind | origin | incarnation | seq | low water |
//	|    1    |  1   |   8    |      8      |  8  |     8     |
//	+---------+------+--------+-------------+-----+-----------+---------+
//	| time 8 | seed 32 | schema version 8                               |
//	+-------------------------------------------------------------------+
//	| statements: uvarint count, then each:                             |
//	|   flags 1 (1: DDL, 2: returns rows) | uvarint length, SQL         |
//	|   uvarint count of type changes, each: op 1 | relation | column | |
//	|     new name (each uvarint length, text) | type OID 4 | modifier 4|
//	|   uvarint count of arguments, each as value.Value.Append writes it|
//	+-------------------------------------------------------------------+
//
// A load is a command of SQL without foreign keys (load.go). A command of another
// kind has no statements. A registration, which makes the incarnation known, goes
// on with the index 8 that its node had applied. A mark moves the applied index and
// does nothing else.
//
// # Rules of apply
//
// An entry is all of its statements or nothing: each runs in a SAVEPOINT of
// the batch's transaction. Nothing of a connection survives an entry: the
// clock, the random stream, last_insert_rowid(), changes() and the budget start
// anew, and full text indexes write out what they have in memory (fulltext.go).
// What could not be made equal is refused (guard.go), and what would not come to
// an end: running by the budget (budget.go, functions.go), compiling by its length (views.go).
// VACUUM and ANALYZE are batches of their own (maintenance.go).
// docs/internals/determinism.md goes through all classes of SQL.
// Plans depend on the file alone: after a schema change, or a batch that was
// undone, the connection reads the schema anew, as after a restart. An error
// that depends on the node (I/O, disk full, memory) is never a result:
// Apply returns it, nothing of the batch is reported, and the FSM applies no
// more.
package sqlfsm
