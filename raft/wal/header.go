package wal

import (
	"encoding/binary"
	"hash/crc32"

	"quorate/raft"
)

// The segment's header; doc.go draws it.
const (
	magic         = "quorwal\n"
	formatVersion = 2
	// blockBytes is what a header is rounded up to, so that it shares no block
	// of the disk with the records.
	blockBytes = 4096

	atMagic          = 0
	atVersion        = 8
	atHeaderBytes    = 12
	atHeaderChecksum = 16
	atFoundingBytes  = 20
	atCluster        = 24
	atStorage        = 40
	atNode           = 56
	atNumber         = 64
	atSegmentBytes   = 72
	atFirst          = 80
	atPreviousTerm   = 88
	atPreviousEnd    = 96
	atHardTerm       = 104
	atVote           = 112
	atCommit         = 120
	atKept           = 128
	atDurable        = 136
	atForceIndex     = 144
	atForceBytes     = 152
	headerFixedBytes = 160

	// maxConfigurationBytes bounds a configuration, two of which must fit into a
	// header, and maxHeaderBytes what is read for a header that is damaged.
	maxConfigurationBytes = 256 << 10
	maxHeaderBytes        = 1 << 20
)

// header is what a segment says about itself and about what came before it.
// Once the file has its name, the header is durable and never changes.
type header struct {
	identity Identity
	number   SegmentNumber
	// bytes is the length of the file, header and all.
	bytes int64
	// first is the index after the last entry before this segment, and
	// previousTerm that last entry's term; 1 and 0 in the first segment.
	first        raft.Index
	previousTerm raft.Term
	// previousEnd is where the records of the segment before end; 0 in one that
	// begins the log.
	previousEnd Offset
	// hardState is what held when the segment began.
	hardState raft.HardState
	// kept is the first segment that belonged to the log when this one began:
	// those before it have been cut off. Invariant: 0 < kept <= number. If kept
	// is number, the log begins here, after entry first-1.
	kept SegmentNumber
	// durable is how far records had been made durable before the segment got its
	// name; 0: there were none.
	durable Offset
	// founding is the configuration that the log was made with; configuration is
	// the one in force after entry first-1, and configurationIndex the entry that
	// carries it. Both are as raft.AppendConfiguration gives them.
	founding, configuration []byte
	configurationIndex      raft.Index

	// What encoding and decoding find out.
	headerBytes Offset // where the records begin
	seed        uint32 // the checksum
}

// size returns how long the header will be.
func (h *header) size() Offset {
	return Offset(roundUp(headerFixedBytes+int64(len(h.founding)+len(h.configuration)), blockBytes))
}

// beginsLog reports whether the log begins with the segment, whatever lies
// before it.
func (h *header) beginsLog() bool { return h.kept == h.number }

// encode returns the header's bytes and sets headerBytes and seed.
func (h *header) encode() []byte {
	h.headerBytes = h.size()
	b := make([]byte, h.headerBytes)
	le := binary.LittleEndian
	copy(b[atMagic:], magic)
	le.PutUint32(b[atVersion:], formatVersion)
	le.PutUint32(b[atHeaderBytes:], uint32(h.headerBytes))
	le.PutUint32(b[atFoundingBytes:], uint32(len(h.founding)))
	copy(b[atCluster:], h.identity.Cluster[:])
	copy(b[atStorage:], h.identity.Storage[:])
	le.PutUint64(b[atNode:], uint64(h.identity.Node))
	le.PutUint64(b[atNumber:], uint64(h.number))
	le.PutUint64(b[atSegmentBytes:], uint64(h.bytes))
	le.PutUint64(b[atFirst:], uint64(h.first))
	le.PutUint64(b[atPreviousTerm:], uint64(h.previousTerm))
	le.PutUint64(b[atPreviousEnd:], uint64(h.previousEnd))
	le.PutUint64(b[atHardTerm:], uint64(h.hardState.Term))
	le.PutUint64(b[atVote:], uint64(h.hardState.Vote))
	le.PutUint64(b[atCommit:], uint64(h.hardState.Commit))
	le.PutUint64(b[atKept:], uint64(h.kept))
	le.PutUint64(b[atDurable:], uint64(h.durable))
	le.PutUint64(b[atForceIndex:], uint64(h.configurationIndex))
	le.PutUint32(b[atForceBytes:], uint32(len(h.configuration)))
	copy(b[headerFixedBytes:], h.founding)
	copy(b[headerFixedBytes+len(h.founding):], h.configuration)
	h.seed = headerChecksum(b)
	le.PutUint32(b[atHeaderChecksum:], h.seed)
	return b
}

// headerSize looks at a header's first bytes and returns how long it says it
// is. All format versions have magic, version, length and checksum in the same
// places, so that damage can be told from a newer version.
func headerSize(b []byte) (bytes int64, reason string) {
	if len(b) < headerFixedBytes {
		return 0, "header cut short"
	}
	if string(b[atMagic:atMagic+len(magic)]) != magic {
		return 0, "no header of a log segment"
	}
	bytes = int64(binary.LittleEndian.Uint32(b[atHeaderBytes:]))
	if bytes < blockBytes || bytes > maxHeaderBytes || bytes%blockBytes != 0 {
		return 0, "header damaged"
	}
	return bytes, ""
}

// headerChecksum is the checksum of all of a header but the checksum itself,
// which counts as zero.
func headerChecksum(b []byte) uint32 {
	sum := crc32.Checksum(b[:atHeaderChecksum], castagnoli)
	sum = crc32.Update(sum, castagnoli, []byte{0, 0, 0, 0})
	return crc32.Update(sum, castagnoli, b[atHeaderChecksum+4:])
}

// decodeHeader decodes b, which is as long as headerSize said. A version other
// than formatVersion is returned with reason "".
func decodeHeader(b []byte) (h header, version uint32, reason string) {
	le := binary.LittleEndian
	sum := headerChecksum(b)
	if sum != le.Uint32(b[atHeaderChecksum:]) {
		return header{}, 0, "header checksum mismatch"
	}
	version = le.Uint32(b[atVersion:])
	if version != formatVersion {
		return header{}, version, ""
	}
	foundingEnd := headerFixedBytes + int64(le.Uint32(b[atFoundingBytes:]))
	forceEnd := foundingEnd + int64(le.Uint32(b[atForceBytes:]))
	if forceEnd > int64(len(b)) {
		return header{}, version, "header damaged"
	}
	h = header{
		identity: Identity{
			Cluster: [16]byte(b[atCluster:]),
			Storage: [16]byte(b[atStorage:]),
			Node:    raft.NodeID(le.Uint64(b[atNode:])),
		},
		number:       SegmentNumber(le.Uint64(b[atNumber:])),
		bytes:        int64(le.Uint64(b[atSegmentBytes:])),
		first:        raft.Index(le.Uint64(b[atFirst:])),
		previousTerm: raft.Term(le.Uint64(b[atPreviousTerm:])),
		previousEnd:  Offset(le.Uint64(b[atPreviousEnd:])),
		hardState: raft.HardState{
			Term:   raft.Term(le.Uint64(b[atHardTerm:])),
			Vote:   raft.NodeID(le.Uint64(b[atVote:])),
			Commit: raft.Index(le.Uint64(b[atCommit:])),
		},
		kept:               SegmentNumber(le.Uint64(b[atKept:])),
		durable:            Offset(le.Uint64(b[atDurable:])),
		founding:           b[headerFixedBytes:foundingEnd:foundingEnd],
		configuration:      b[foundingEnd:forceEnd:forceEnd],
		configurationIndex: raft.Index(le.Uint64(b[atForceIndex:])),
		headerBytes:        Offset(len(b)),
		seed:               sum,
	}
	if h.kept == 0 || h.kept > h.number || h.first == 0 || h.configurationIndex >= h.first {
		return header{}, version, "a header that this program would not write"
	}
	return h, version, ""
}
