package wal

import (
	"encoding/binary"
	"hash/crc32"

	"quorate/raft"
)

// The record's header; doc.go draws it.
const (
	recordHeaderBytes = 40
	recordAlignment   = 8

	atChecksum     = 0
	atDataChecksum = 4
	atDataBytes    = 8
	atSegment      = 12
	atIndex        = 16
	atTerm         = 24
	atSynced       = 32
	atType         = 36
	atFlags        = 37
	atEntryType    = 38
	atReserved     = 39
)

// recordType says what a record holds. The numbers are on disk.
type recordType uint8

const (
	// entryRecord is one entry of the log.
	entryRecord recordType = 1
	// hardStateRecord is a HardState: Term in term, Commit in index, Vote as data.
	hardStateRecord recordType = 2
	// cutRecord says that the log begins with a later segment from now on: index
	// and term are those of the last entry before it, the number is the data. It
	// is durable before the first of the segments that it gives up is removed, and
	// it always is a Write of its own.
	cutRecord recordType = 3
)

// flagMore says that the record's Write goes on in the next record.
const flagMore = 1

// voteBytes and keptBytes are the data's length in a hardStateRecord and in a
// cutRecord.
const (
	voteBytes = 8
	keptBytes = 8
)

// castagnoli is CRC32C, for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is a record's header, decoded.
type record struct {
	kind      recordType
	more      bool
	entryType raft.EntryType
	index     raft.Index
	term      raft.Term
	// synced is how much of the segment was known to be durable when the record
	// was made. Invariant: synced <= the record's own offset.
	synced       Offset
	dataBytes    uint32
	dataChecksum uint32
}

// recordBytes is how much room a record with n bytes of data takes.
func recordBytes(n int) int64 { return roundUp(recordHeaderBytes+int64(n), recordAlignment) }

// bytes is how much room the record takes.
func (r *record) bytes() int64 { return recordBytes(int(r.dataBytes)) }

// place is where a record lies. It goes into the checksum, so that a record is
// valid at this place of this segment of this log and nowhere else: neither
// what an older file left on the disk, nor what a client stored as data, can be
// taken for one.
type place struct {
	segment SegmentNumber
	seed    uint32 // the segment header's checksum
	offset  Offset
}

func (p place) checksum(header []byte) uint32 {
	return crc32.Update(p.seed^uint32(p.offset), castagnoli, header[atDataChecksum:recordHeaderBytes])
}

// appendRecord appends the record with its data to b. The record's dataBytes
// and dataChecksum are not looked at.
func appendRecord(b []byte, p place, r *record, data []byte) []byte {
	var zeros [recordHeaderBytes]byte
	start := len(b)
	b = append(b, zeros[:]...)
	b = append(b, data...)
	b = append(b, zeros[:recordBytes(len(data))-recordHeaderBytes-int64(len(data))]...)
	h := b[start:]
	le := binary.LittleEndian
	le.PutUint32(h[atDataChecksum:], crc32.Checksum(h[recordHeaderBytes:], castagnoli))
	le.PutUint32(h[atDataBytes:], uint32(len(data)))
	le.PutUint32(h[atSegment:], uint32(p.segment))
	le.PutUint64(h[atIndex:], uint64(r.index))
	le.PutUint64(h[atTerm:], uint64(r.term))
	le.PutUint32(h[atSynced:], uint32(r.synced))
	h[atType] = byte(r.kind)
	if r.more {
		h[atFlags] = flagMore
	}
	h[atEntryType] = byte(r.entryType)
	le.PutUint32(h[atChecksum:], p.checksum(h))
	return b
}

// decodeRecord decodes a record's header. The reason says why it is none; ""
// means that it is one, whatever its data may be. h is recordHeaderBytes long.
func decodeRecord(h []byte, p place) (r record, reason string) {
	le := binary.LittleEndian
	if le.Uint32(h[atSegment:]) != uint32(p.segment) {
		if [recordHeaderBytes]byte(h) == [recordHeaderBytes]byte{} {
			return record{}, "no record"
		}
		return record{}, "checksum mismatch"
	}
	if le.Uint32(h[atChecksum:]) != p.checksum(h) {
		return record{}, "checksum mismatch"
	}
	r = record{
		kind:         recordType(h[atType]),
		more:         h[atFlags]&flagMore != 0,
		entryType:    raft.EntryType(h[atEntryType]),
		index:        raft.Index(le.Uint64(h[atIndex:])),
		term:         raft.Term(le.Uint64(h[atTerm:])),
		synced:       Offset(le.Uint32(h[atSynced:])),
		dataBytes:    le.Uint32(h[atDataBytes:]),
		dataChecksum: le.Uint32(h[atDataChecksum:]),
	}
	switch {
	case r.kind < entryRecord || r.kind > cutRecord,
		r.kind == hardStateRecord && r.dataBytes != voteBytes,
		r.kind == cutRecord && (r.dataBytes != keptBytes || r.more),
		h[atFlags]&^flagMore != 0,
		h[atReserved] != 0,
		r.synced > p.offset:
		return record{}, "a record that this program would not write"
	}
	return r, ""
}

// dataMatches reports whether a record's data, with the padding that follows
// it, is what was written.
func (r *record) dataMatches(padded []byte) bool {
	return crc32.Checksum(padded, castagnoli) == r.dataChecksum
}

// hardState returns what a hardStateRecord with this data holds.
func (r *record) hardState(data []byte) raft.HardState {
	return raft.HardState{
		Term:   r.term,
		Vote:   raft.NodeID(binary.LittleEndian.Uint64(data)),
		Commit: r.index,
	}
}

// entry returns what an entryRecord with this data holds.
func (r *record) entry(data []byte) raft.Entry {
	return raft.Entry{Term: r.term, Index: r.index, Type: r.entryType, Data: data}
}

func appendHardState(b []byte, p place, synced Offset, hs raft.HardState) []byte {
	var vote [voteBytes]byte
	binary.LittleEndian.PutUint64(vote[:], uint64(hs.Vote))
	return appendRecord(b, p, &record{kind: hardStateRecord, index: hs.Commit, term: hs.Term, synced: synced}, vote[:])
}

// kept returns the segment that a cutRecord with this data names.
func (r *record) kept(data []byte) SegmentNumber {
	return SegmentNumber(binary.LittleEndian.Uint64(data))
}

func appendCut(b []byte, p place, synced Offset, h *history) []byte {
	var kept [keptBytes]byte
	binary.LittleEndian.PutUint64(kept[:], uint64(h.kept))
	return appendRecord(b, p, &record{kind: cutRecord, index: h.base, term: h.baseTerm, synced: synced}, kept[:])
}
