// Package wal keeps a member's Raft log on disk: its entries, its term and
// vote, its commit index, and after which entry it begins.
//
// What comes in are the core's writes (Write), and up to where the state machine
// needs the log no more (Log.Cut); what goes out is the state to start from
// (Log.State) and old entries for followers that are behind (Log.Entries). The
// package imports raft, for its types, and vfs, through which alone it touches
// the disk.
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
//   - Whatever file of the log is missing, it does not open, but for the last one:
//     the segments before it know nothing of it. State notices that if the state
//     machine has applied what was in there.
//   - A log begins after an entry that a Write's Snapshot or Cut has named, or
//     with entry 1. If what is before the first file was not given up by them, it
//     was lost, and the log does not open.
//   - When the disk is full, what Append has not taken is as if it had never been
//     tried, and may be tried again. After any other error nothing is: the log has
//     failed.
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
// # Where the log begins
//
// Each segment's header names the first segment that belonged to the log when it
// began. There are two ways to give up those before:
//
//	cut    A record in the last segment names another first segment; it is
//	       flushed; then the files before that one are removed.
//	reset  A Write begins with a Snapshot: a new segment names itself as the
//	       first one. All of the Write is in it, durable, before it gets its
//	       name; then the files before it are removed.
//
// So the last segment alone says with which one the log begins. Files before that
// one are garbage, whichever of them a crash has left. One that is missing from
// there on is damage. The log cannot be cut where entries of a later segment
// supersede those of an earlier one, because the header in between speaks of
// entries that are no more; it is cut a segment before or after.
//
// # A full disk
//
// Space comes in whole segments, ahead of time, so it is refused then, before
// anything was written. A part of each segment, its reserve, is left free by
// Writes with entries, and taken by others when no further segment can be had:
// elections go on. In the reserve there always is room for one cut.
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
//	  0 | magic "quorwal\n" | version | header | CRC32C | founding |
//	    |                 |    2    | bytes  | of all | bytes    |
//	 24 | cluster id, 16 bytes                                   |
//	 40 | storage id, 16 bytes                                   |
//	 56 | node id, 8      | segment no., 8  | segmentBytes, 8    |
//	 80 | first index, 8  | previousTerm, 8 | previousEnd, 8     |
//	104 | term, 8         | vote, 8         | commit index, 8    |
//	128 | kept, 8         | durable, 8      | in force: index, 8 |
//	152 | its bytes, 4 | 0, 4 | configuration founded with      |
//	    | configuration in force                                 |
//
// First index is the one after the last entry of the segments before, and
// previousTerm that entry's term; previousEnd is where the records of the
// segment before end; term, vote, commit index and the configuration in force,
// with the index of its entry, are what held then. So the headers chain the
// segments together, and a segment that is missing, cut short or exchanged is
// noticed; and a log can begin with any of them.
//
// Kept is the segment with which the log began then. If it is the segment's own
// number, the log begins here, after entry first-1, of previousTerm; durable is
// where the records end that were flushed with the header, or 0. The checksum is
// computed with its own field zero.
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
//	    3 cut: the log begins after this index, of this term, with the segment
//	      whose number is the data, 8 bytes
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
// Headers are checked first. The last segment says with which one the log begins;
// from there on all records are read in order. A bad record in a sealed segment is
// damage. At a bad record at X in the last segment, the
// rest is searched for a record whose synced is more than X. If there is one, X
// had been acknowledged: damage, as it is if the header says so of records that
// were flushed with it. If not, X is a torn write: the log is cut off
// where its Write began, the rest is zeroed and flushed, so that no part of it
// can come back to life when the log has grown up to it.
//
// What reads well but has no witness is written once more and flushed: after a
// failed fsync, a restarted process may be shown pages that never reached the
// disk, and a second fsync would say nothing. (PostgreSQL learned this in 2018,
// wiki.postgresql.org/wiki/Fsync_Errors.)
package wal
