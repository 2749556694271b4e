package snapshot

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"quorate/raft"
)

// Image is what an image is. Images with equal SHA256 are the same one.
type Image struct {
	Snapshot raft.Snapshot // what it contains
	Bytes    int64
	SHA256   [sha256.Size]byte
}

const (
	metaMagic   = "quorsnap"
	metaVersion = 1
	// metaFixedBytes come before the configuration.
	metaFixedBytes = len(metaMagic) + 1 + 3*8 + sha256.Size + 8
	metaSumBytes   = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendMeta appends the contents of an image's meta file.
func appendMeta(b []byte, i *Image) []byte {
	start := len(b)
	b = append(append(b, metaMagic...), metaVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(i.Snapshot.Index))
	b = binary.BigEndian.AppendUint64(b, uint64(i.Snapshot.Term))
	b = binary.BigEndian.AppendUint64(b, uint64(i.Bytes))
	b = append(b, i.SHA256[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(i.Snapshot.Configuration.Index))
	b = raft.AppendConfiguration(b, i.Snapshot.Configuration.Configuration)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
}

var errMeta = errors.New("the meta file is damaged")

// decodeMeta reads what appendMeta has written.
func decodeMeta(b []byte) (i Image, err error) {
	if len(b) < metaFixedBytes+metaSumBytes || string(b[:len(metaMagic)]) != metaMagic {
		return Image{}, errMeta
	}
	if version := b[len(metaMagic)]; version != metaVersion {
		return Image{}, fmt.Errorf("the meta file has format %d, and this program reads format %d: use the version that wrote it", version, metaVersion)
	}
	body := b[:len(b)-metaSumBytes]
	if binary.BigEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return Image{}, errMeta
	}
	rest := body[len(metaMagic)+1:]
	number := func() uint64 {
		n := binary.BigEndian.Uint64(rest)
		rest = rest[8:]
		return n
	}
	i.Snapshot.Index, i.Snapshot.Term, i.Bytes = raft.Index(number()), raft.Term(number()), int64(number())
	rest = rest[copy(i.SHA256[:], rest):]
	i.Snapshot.Configuration.Index = raft.Index(number())
	if i.Snapshot.Configuration.Configuration, err = raft.DecodeConfiguration(rest); err != nil {
		return Image{}, fmt.Errorf("the meta file: %w", err)
	}
	return i, nil
}
