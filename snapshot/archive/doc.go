// Package archive is the form in which a database is saved to a file and comes
// back from it: quorate snapshot save, inspect, verify and restore.
//
// In come an image of the state machine, which is a plain SQLite file, and what is
// to be known of it (Meta); out goes one stream, the archive. NewReader reads an
// archive from any stream, compressed or not, and finds out on the way whether it
// is whole: whoever has come to its end without an error has exactly what was
// saved. A plain SQLite file, which something else has made, can be read too. File
// writes a file that appears under its name when it is complete. The package does
// not know SQL, nor SQLite but for the header of a database; it may import raft,
// for its types, and reaches files through internal/vfs.
//
// # An archive
//
// The database first, as it is, and behind its last page what is to be known of
// it. SQLite takes the number of pages from the header, so that sqlite3 opens an
// archive, sees every row, and does not see the trailer:
//
//	+-------------------------------------------+---------+
//	| SQLite database: pages × page size bytes  | trailer |
//	+-------------------------------------------+---------+
//
// A shell that changes the database leaves a file that is no archive any more: the
// SHA-256 is another one, or the trailer is overwritten. A table of ours would not
// do in place of the trailer, for it cannot hold the SHA-256 of the file that it is
// in; neither would a second file, which gets lost.
//
// # The trailer
//
// Numbers are big endian. The first three fields and the place of the checksum are
// the same in all versions.
//
//	+------------+---------+---------------+---------+-------+------+
//	| "quorarch" | version | trailer bytes | created | index | term |
//	|     8      |    4    |       4       |    8    |   8   |  8   |
//	+------------+---------+---------------+---------+-------+------+
//	| database bytes 8 | SHA-256 of the database 32 | cluster id 16 |
//	| index of the configuration 8 | four texts, each 4 and itself:  |
//	|   configuration, as raft.AppendConfiguration writes it;        |
//	|   member that it was saved from; its program version; engine   |
//	| CRC32C of the trailer up to here 4                             |
//	+----------------------------------------------------------------+
//
// Created is in microseconds since 1970-01-01 UTC.
//
// # Compressed
//
// A compressed archive is the archive as a gzip stream (RFC 1952): gunzip makes of
// it the file that saving without --compress would have made.
package archive
