package pgwire

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgproto3"
)

// pgproto3 knows what is in a message; the frames around messages are read
// here, because its Backend answers a torn connection, an unknown type, a
// wrong length and a malformed body with the same kind of error, and the
// protocol asks for a different reaction to each of them.

const (
	// headerBytes are a message's type and length.
	headerBytes = 5
	// readBufferBytes is what a session keeps for reading between messages.
	readBufferBytes = 8 << 10
	// growBytes is how much a large body may grow the buffer before as much
	// has really arrived, so that a header alone cannot claim memory.
	growBytes = 64 << 10
	// smallMessageMaxBytes is the limit for messages that carry names and
	// numbers only (PQ_SMALL_MESSAGE_LIMIT in PostgreSQL's libpq.h).
	smallMessageMaxBytes = 10000
	// hugeMessageBytes is the length that PostgreSQL itself takes for
	// nonsense (PQ_LARGE_MESSAGE_LIMIT).
	hugeMessageBytes = 0x3fffffff - 1
	// flushBytes is how much output is collected before it is sent.
	flushBytes = 64 << 10
	// keptOutBytes is the largest output buffer that an idle session keeps.
	keptOutBytes = 8 << 10
)

// frameReader cuts the client's bytes into messages.
type frameReader struct {
	conn net.Conn
	// beforeRead is called when the next bytes must be waited for.
	beforeRead func() error

	buf  []byte // buf[r:w] has been received and not been handed out
	r, w int
}

// header reads the type and the length of the next message's body. The body
// must be taken (body) or thrown away (discard) before the next header.
func (f *frameReader) header() (kind byte, bodyBytes int, err error) {
	if len(f.buf) != readBufferBytes && f.w-f.r <= readBufferBytes {
		small := make([]byte, readBufferBytes)
		f.w = copy(small, f.buf[f.r:f.w])
		f.r, f.buf = 0, small
	}
	if err := f.fill(headerBytes); err != nil {
		return 0, 0, err
	}
	kind = f.buf[f.r]
	length := int32(binary.BigEndian.Uint32(f.buf[f.r+1:]))
	f.r += headerBytes
	return kind, int(length) - 4, nil
}

// body returns the next n bytes, which are valid until the next call.
func (f *frameReader) body(n int) ([]byte, error) {
	if err := f.fill(n); err != nil {
		return nil, noEOF(err)
	}
	b := f.buf[f.r : f.r+n : f.r+n]
	f.r += n
	return b, nil
}

// discard throws the next n bytes away.
func (f *frameReader) discard(n int) error {
	for n > 0 {
		if f.r == f.w {
			if err := f.fill(1); err != nil {
				return noEOF(err)
			}
		}
		take := min(n, f.w-f.r)
		f.r += take
		n -= take
	}
	return nil
}

// fill waits until n bytes are in buf.
func (f *frameReader) fill(n int) error {
	if f.w-f.r >= n {
		return nil
	}
	if err := f.beforeRead(); err != nil {
		return err
	}
	for f.w-f.r < n {
		f.makeRoom(n)
		got, err := f.conn.Read(f.buf[f.w:])
		f.w += got
		if err != nil && f.w-f.r < n {
			if f.w > f.r {
				return noEOF(err)
			}
			return err
		}
	}
	return nil
}

// makeRoom leaves room for at least one more byte of the n that are wanted.
func (f *frameReader) makeRoom(n int) {
	have := f.w - f.r
	if f.r > 0 && (f.w == len(f.buf) || have == 0) {
		copy(f.buf, f.buf[f.r:f.w])
		f.r, f.w = 0, have
	}
	if f.w < len(f.buf) {
		return
	}
	size := min(max(2*len(f.buf), growBytes), max(n, readBufferBytes))
	grown := make([]byte, size)
	copy(grown, f.buf[:f.w])
	f.buf = grown
}

// outBuffer is a buffer for large results. Sessions have one only while they
// send: hundreds of them may have had a large result once.
type outBuffer struct{ b []byte }

var outBuffers = sync.Pool{New: func() any { return &outBuffer{make([]byte, 0, flushBytes+flushBytes/4)} }}

// takeRoom moves the output into a large buffer when it is about to outgrow
// what a session keeps.
func (s *session) takeRoom() {
	if s.large == nil && len(s.out) > keptOutBytes/2 {
		s.large = outBuffers.Get().(*outBuffer)
		s.small, s.out = s.out[:0], append(s.large.b[:0], s.out...)
	}
}

// giveBackRoom does the opposite, when everything has been sent.
func (s *session) giveBackRoom() {
	if s.large != nil {
		if cap(s.out) <= 2*flushBytes {
			s.large.b = s.out[:0]
			outBuffers.Put(s.large)
		}
		s.large, s.out, s.small = nil, s.small, nil
	}
	if cap(s.out) > keptOutBytes {
		s.out = nil
	}
}

// noEOF tells an end inside a message from an end between two.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// appendMessage encodes a message of pgproto3 after dst.
func appendMessage(dst []byte, message pgproto3.BackendMessage) []byte {
	out, err := message.Encode(dst)
	if err != nil {
		// Only lengths can be refused, and what we send has been bounded.
		panic("pgwire: a message of our own does not encode: " + err.Error())
	}
	return out
}

// beginMessage starts a message by hand; endMessage fills in its length.
func beginMessage(dst []byte, kind byte) (out []byte, start int) {
	start = len(dst)
	return append(dst, kind, 0, 0, 0, 0), start
}

func endMessage(dst []byte, start int) []byte {
	binary.BigEndian.PutUint32(dst[start+1:], uint32(len(dst)-start-1))
	return dst
}
