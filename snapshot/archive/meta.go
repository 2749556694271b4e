package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/crc32"
	"time"

	"quorate/raft"
)

// Meta is what is to be known of a saved database.
type Meta struct {
	Created  time.Time     // to the microsecond
	Snapshot raft.Snapshot // what it contains, and who the members were
	Bytes    int64         // of the database
	SHA256   [sha256.Size]byte
	Cluster  [16]byte
	Member   string // that it was saved from
	Version  string // of that member's program
	Engine   string // that ran its statements
}

const (
	trailerMagic = "quorarch"
	// FormatVersion is the version of the format that this program writes and
	// reads.
	//
	//	1  the first
	FormatVersion = 1

	atVersion = len(trailerMagic)
	atBytes   = atVersion + 4
	// headBytes are the same in all versions, and so is what the checksum is of.
	headBytes     = atBytes + 4
	checksumBytes = 4
	// maxTrailerBytes bounds what is read for a trailer that is damaged. A
	// configuration may have 256 KiB.
	maxTrailerBytes = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// AppendTrailer appends what follows the database in an archive.
func AppendTrailer(b []byte, m *Meta) []byte {
	start := len(b)
	b = append(b, trailerMagic...)
	b = binary.BigEndian.AppendUint32(b, FormatVersion)
	b = binary.BigEndian.AppendUint32(b, 0) // the trailer's bytes, when they are known
	b = binary.BigEndian.AppendUint64(b, uint64(m.Created.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Snapshot.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Snapshot.Term))
	b = binary.BigEndian.AppendUint64(b, uint64(m.Bytes))
	b = append(b, m.SHA256[:]...)
	b = append(b, m.Cluster[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(m.Snapshot.Configuration.Index))
	b = appendText(b, raft.AppendConfiguration(nil, m.Snapshot.Configuration.Configuration))
	b = appendText(b, []byte(m.Member))
	b = appendText(b, []byte(m.Version))
	b = appendText(b, []byte(m.Engine))
	binary.BigEndian.PutUint32(b[start+atBytes:], uint32(len(b)-start+checksumBytes))
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

func appendText(b, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
}

// decodeTrailer reads what AppendTrailer has written. Of what is wrong it says
// what can be told.
func decodeTrailer(b []byte) (*Meta, error) {
	if len(b) < headBytes {
		return nil, errCutShort("the end of the archive is missing")
	}
	if string(b[:len(trailerMagic)]) != trailerMagic {
		return nil, damaged("what follows the database is not the end of an archive")
	}
	version, bytes := binary.BigEndian.Uint32(b[atVersion:]), int64(binary.BigEndian.Uint32(b[atBytes:]))
	switch {
	case bytes > int64(len(b)):
		return nil, errCutShort("the end of the archive is missing")
	case bytes < int64(len(b)):
		return nil, damaged("something follows the end of the archive")
	case bytes < int64(headBytes+checksumBytes):
		return nil, damaged("the end of the archive is damaged")
	}
	body := b[:len(b)-checksumBytes]
	if binary.BigEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return nil, damaged("the end of the archive is damaged")
	}
	if version != FormatVersion {
		return nil, refuse("Use the version of quorate that has saved it, or a newer one.",
			"the archive has format %d, and this program reads format %d", version, FormatVersion)
	}
	d := decoder{rest: body[headBytes:]}
	m := &Meta{Created: time.UnixMicro(int64(d.number())).UTC()}
	m.Snapshot.Index, m.Snapshot.Term, m.Bytes = raft.Index(d.number()), raft.Term(d.number()), int64(d.number())
	copy(m.SHA256[:], d.take(len(m.SHA256)))
	copy(m.Cluster[:], d.take(len(m.Cluster)))
	m.Snapshot.Configuration.Index = raft.Index(d.number())
	configuration, err := raft.DecodeConfiguration(d.text())
	m.Snapshot.Configuration.Configuration = configuration
	m.Member, m.Version, m.Engine = string(d.text()), string(d.text()), string(d.text())
	if d.failed || len(d.rest) > 0 || err != nil || m.Snapshot.Index == 0 {
		return nil, damaged("the end of the archive is not what this program would write")
	}
	return m, nil
}

// decoder takes parts off rest until one is not there.
type decoder struct {
	rest   []byte
	failed bool
}

func (d *decoder) take(n int) []byte {
	if d.failed || n > len(d.rest) {
		d.failed = true
		return nil
	}
	part := d.rest[:n]
	d.rest = d.rest[n:]
	return part
}

func (d *decoder) number() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) text() []byte {
	b := d.take(4)
	if b == nil {
		return nil
	}
	return d.take(int(binary.BigEndian.Uint32(b)))
}
