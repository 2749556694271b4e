// Package wal keeps a member's Raft log on disk: its entries, its term and
// vote, its commit index.
//
// What comes in are the core's writes (Write), what goes out is the state to
// start from (Log.State) and old entries for followers that are behind
// (Log.Entries). The package imports raft, for its types, and vfs, through
// which alone it touches the disk.
//
// # Guarantees
//
//   - What Append was told to Sync survives the loss of power from the moment
//     that it returns. What it was not told to Sync survives the death of the
//     process, and becomes durable with the next Sync.
//   - A Write comes back whole or not at all, and never without those before it.
//   - A log whose acknowledged data is damaged does not open (CorruptError); a
//     write that the loss of power cut short does not keep it from opening.
//     The two cannot be told apart for what was written last, after which the
//     log says nothing any more. Close ends the log with a record that vouches
//     for all before it; after a kill that is missing, and the last flush is
//     without a witness.
//   - After an error Append is never tried again: the log has failed.
//
// It relies on this much: fdatasync and the fsync of a directory do what they
// say, a rename is atomic, bytes that are not being written do not change by
// themselves, and if they do, CRC32C notices.
//
// # Files
//
//	0000000000000001.wal      a sealed segment: complete, durable, never changed
//	0000000000000002.wal      the last one takes the records
//	0000000000000003.ahead    space reserved for segments to come: zeros
//	0000000000000004.ahead
//	LOCK                      one process at a time
//
// A segment becomes one in this order, so that every file called .wal has a
// durable header, and every one but the last is complete:
//
//	flush the full segment → write and flush the header into the file made
//	ahead → rename it to .wal → flush the directory → write records
//
// Nothing is overwritten: an entry is superseded by a later record with the
// same or a lower index. All numbers are little endian.
//
// # Segment
//
//	0                     headerBytes                previousEnd of the next
//	+---------------------+--------+--------+--- - --+---------- - -+ file
//	| header              | record | record | …      | zeros        | ends at
//	+---------------------+--------+--------+--- - --+---------- - -+ segmentBytes
//
// # Header
//
// Padded with zeros to a multiple of 4096 bytes. The first 20 bytes mean the
// same in all versions of the format.
//
//	    0        4        8        12       16       20       24
//	  0 | magic "quorwal\n" | version | header | CRC32C | config  |
//	    |                 |    2    | bytes  | of all | bytes   |
//	 24 | cluster id, 16 bytes                                  |
//	 40 | storage id, 16 bytes                                  |
//	 56 | node id, 8      | segment no., 8  | segmentBytes, 8   |
//	 80 | first index, 8  | previousTerm, 8 | previousEnd, 8    |
//	104 | term, 8         | vote, 8         | commit index, 8   |
//	128 | configuration: count, then id, name, address of each  |
//
// First index is the one after the last entry of the segments before, and
// previousTerm that entry's term; previousEnd is where the records of the
// segment before end; term, vote and commit index are what held then. So the
// headers chain the segments together, and a segment that is missing, cut short
// or exchanged is noticed. The checksum is computed with its own field zero.
//
// # Record
//
// Padded with zeros to a multiple of 8 bytes.
//
//	     0        4        8        12       16
//	   0 | CRC32C | CRC32C | data   | segment|
//	     | header | data   | bytes  | number |
//	  16 | index, 8        | term, 8         |
//	  32 | synced |ty|fl|et|0 | data …        |
//
//	ty  1 entry: index and term are its own, et its raft.EntryType
//	    2 hard state: index is the commit index, data the vote, 8 bytes
//	fl  bit 0: the Write goes on in the next record
//
// Synced is how much of the segment was known to be durable when the record was
// made: the witness that recovery needs. The first checksum covers bytes 4 to
// 40 and starts from the segment header's checksum exclusive-or the record's
// offset, so that a record is valid in one place only: neither an older file's
// remains nor bytes that a client has stored can pass for one. The second
// covers data and padding.
//
// # Recovery
//
// Headers are checked first, then all records are read in order. A bad record
// in a sealed segment is damage. At a bad record at X in the last segment, the
// rest is searched for a record whose synced is more than X. If there is one, X
// had been acknowledged: damage. If not, X is a torn write: the log is cut off
// where its Write began, the rest is zeroed and flushed, so that no part of it
// can come back to life when the log has grown up to it.
//
// What reads well but has no witness is written once more and flushed: after a
// failed fsync, a restarted process may be shown pages that never reached the
// disk, and a second fsync would say nothing. (PostgreSQL learned this in 2018,
// wiki.postgresql.org/wiki/Fsync_Errors.)
package wal
