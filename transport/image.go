package transport

import (
	"hash/crc32"
	"math"

	"quorate/raft"
)

// ImageHeader says what an image is.
type ImageHeader struct {
	From     raft.NodeID // who sends it; SendImage fills it in
	Term     raft.Term   // in which From leads
	Snapshot raft.Snapshot
	Bytes    int64
	SHA256   [32]byte // names the image: a transfer that broke off is resumed by it
}

// ImageSink takes images. Its methods are called by one goroutine at a time,
// and may block: the sender waits. Errors are told to the sender in words; who
// owns the sink reports them at home.
type ImageSink interface {
	// Receive begins with an image, or goes on with one of the same SHA256 of
	// which there is a part. Only one is received at a time: the writer that it
	// returned before has ended.
	Receive(h ImageHeader) (ImageWriter, error)
}

// ImageWriter takes the bytes of one image, in their order. It ends with
// Commit or Close, of which exactly one is called.
type ImageWriter interface {
	// Offset is how much of the image there is already: where Write goes on.
	Offset() int64
	Write(b []byte) (int, error)
	// Commit: all of it is there. It verifies the SHA256, makes the image
	// durable and hands it over. After an error nothing of it is kept.
	Commit() error
	// Close: it broke off. What is there may be resumed.
	Close() error
}

const (
	// chunkBytes is how much of an image one frame carries: large enough that
	// frames cost nothing, small enough that a rate can be kept.
	chunkBytes = 1 << 20
	// chunkFrameBytes bounds its frame.
	chunkFrameBytes = chunkBytes + frameMaxBytes + 1 + 2*maxUintBytes + maxHeaderBytes
	// imageHeaderBytes bounds the frame with the header; most of it is the
	// configuration's names and addresses.
	imageHeaderBytes = 64 << 10
	imageFields      = 7
	chunkFields      = 3
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func appendImage(b []byte, h *ImageHeader) []byte {
	b, start := beginFrame(b, kindImage)
	b = append(b, fixArrayMin|imageFields)
	b = appendUint(b, uint64(h.Term))
	b = appendUint(b, uint64(h.Snapshot.Index))
	b = appendUint(b, uint64(h.Snapshot.Term))
	b = appendUint(b, uint64(h.Snapshot.Configuration.Index))
	b = appendBytes(b, raft.AppendConfiguration(nil, h.Snapshot.Configuration.Configuration))
	b = appendUint(b, uint64(h.Bytes))
	b = appendBytes(b, h.SHA256[:])
	return endFrame(b, start)
}

func decodeImage(value []byte, from raft.NodeID) (ImageHeader, error) {
	r := reader{buf: value, owned: true}
	r.tuple(imageFields)
	h := ImageHeader{From: from, Term: raft.Term(r.uint())}
	h.Snapshot.Index = raft.Index(r.uint())
	h.Snapshot.Term = raft.Term(r.uint())
	h.Snapshot.Configuration.Index = raft.Index(r.uint())
	configuration := r.bytes()
	bytes := r.uint()
	sum := r.bytes()
	if r.err == nil && (bytes > math.MaxInt64 || copy(h.SHA256[:], sum) != len(h.SHA256) || len(sum) != len(h.SHA256)) {
		r.fail(errRange)
	}
	h.Bytes = int64(bytes)
	if r.err == nil {
		var err error
		if h.Snapshot.Configuration.Configuration, err = raft.DecodeConfiguration(configuration); err != nil {
			r.fail(err)
		}
	}
	if err := r.whole(); err != nil {
		return ImageHeader{}, err
	}
	return h, nil
}

// appendChunk appends the part of an image that begins at the offset.
func appendChunk(b []byte, offset int64, data []byte) []byte {
	b, start := beginFrame(b, kindChunk)
	b = append(b, fixArrayMin|chunkFields)
	b = appendUint(b, uint64(offset))
	b = appendUint(b, uint64(crc32.Checksum(data, castagnoli)))
	b = appendBytes(b, data)
	return endFrame(b, start)
}

// decodeChunk decodes a chunk; data lies in value. Whether it is damaged is
// told by ErrDamaged.
func decodeChunk(value []byte) (offset uint64, data []byte, err error) {
	r := reader{buf: value, owned: true}
	r.tuple(chunkFields)
	offset = r.uint()
	sum := r.uint()
	data = r.bytes()
	if err := r.whole(); err != nil {
		return 0, nil, err
	}
	if sum != uint64(crc32.Checksum(data, castagnoli)) {
		return 0, nil, ErrDamaged
	}
	return offset, data, nil
}
