package wal

import (
	"fmt"
	"io"

	"quorate/internal/vfs"
)

// readAheadBytes is how much is read from a segment at a time.
const readAheadBytes = 1 << 20

// reader reads a segment's records through a buffer.
type reader struct {
	file vfs.File
	// place is that of a record at offset 0.
	place place
	// end is where the file ends, or what of it may be read.
	end Offset
	// aheadBytes is how much is read at a time.
	aheadBytes int64
	// keep makes every read go into new memory, because what was returned
	// before is still in use.
	keep bool

	buffer []byte
	at     Offset // where buffer begins in the file
}

// bytes returns n bytes at offset; both lie before end.
func (r *reader) bytes(offset Offset, n int64) ([]byte, error) {
	if offset < r.at || int64(offset)+n > int64(r.at)+int64(len(r.buffer)) {
		if err := r.fill(offset, n); err != nil {
			return nil, err
		}
	}
	from := int64(offset - r.at)
	return r.buffer[from : from+n : from+n], nil
}

func (r *reader) fill(offset Offset, n int64) error {
	size := max(n, min(r.aheadBytes, int64(r.end-offset)))
	if r.keep || int64(cap(r.buffer)) < size {
		r.buffer = make([]byte, size)
	}
	r.buffer = r.buffer[:size]
	r.at = offset
	got, err := r.file.ReadAt(r.buffer, int64(offset))
	if int64(got) == size {
		return nil
	}
	r.buffer = r.buffer[:0]
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("wal: segment %v: %w", r.place.segment, err)
}

// record reads the record at offset. The reason says why there is none; then
// err is nil. The data is valid until the next call, or for good with keep.
func (r *reader) record(offset Offset) (rec record, data []byte, reason string, err error) {
	if int64(offset)+recordHeaderBytes > int64(r.end) {
		return record{}, nil, "no record", nil
	}
	head, err := r.bytes(offset, recordHeaderBytes)
	if err != nil {
		return record{}, nil, "", err
	}
	rec, reason = decodeRecord(head, r.placeAt(offset))
	if reason != "" {
		return record{}, nil, reason, nil
	}
	if int64(offset)+rec.bytes() > int64(r.end) {
		return record{}, nil, "a record that is longer than its segment", nil
	}
	whole, err := r.bytes(offset, rec.bytes())
	if err != nil {
		return record{}, nil, "", err
	}
	if !rec.dataMatches(whole[recordHeaderBytes:]) {
		return record{}, nil, "checksum mismatch", nil
	}
	dataEnd := recordHeaderBytes + int64(rec.dataBytes)
	return rec, whole[recordHeaderBytes:dataEnd:dataEnd], "", nil
}

func (r *reader) placeAt(offset Offset) place {
	p := r.place
	p.offset = offset
	return p
}
