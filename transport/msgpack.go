package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The first bytes of the msgpack values that the hot frames use
// (https://github.com/msgpack/msgpack/blob/master/spec.md, "Formats").
const (
	fixArrayMin = 0x90
	fixArrayMax = 0x9f
	fixIntMax   = 0x7f
	codeFalse   = 0xc2
	codeTrue    = 0xc3
	codeBin8    = 0xc4
	codeBin16   = 0xc5
	codeBin32   = 0xc6
	codeUint8   = 0xcc
	codeUint16  = 0xcd
	codeUint32  = 0xce
	codeUint64  = 0xcf
	codeArray16 = 0xdc
	codeArray32 = 0xdd
)

// The longest a value can get, without the bytes of a byte string.
const (
	maxUintBytes   = 9
	maxHeaderBytes = 5 // of an array or a byte string
)

func appendUint(b []byte, v uint64) []byte {
	switch {
	case v <= fixIntMax:
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, codeUint8, byte(v))
	case v <= math.MaxUint16:
		return append(b, codeUint16, byte(v>>8), byte(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, codeUint32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, codeUint64), v)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, codeTrue)
	}
	return append(b, codeFalse)
}

func appendArrayHeader(b []byte, n int) []byte {
	switch {
	case n <= fixArrayMax-fixArrayMin:
		return append(b, fixArrayMin|byte(n))
	case n <= math.MaxUint16:
		return append(b, codeArray16, byte(n>>8), byte(n))
	}
	return binary.BigEndian.AppendUint32(append(b, codeArray32), uint32(n))
}

func appendBytes(b, v []byte) []byte {
	switch n := len(v); {
	case n <= math.MaxUint8:
		b = append(b, codeBin8, byte(n))
	case n <= math.MaxUint16:
		b = append(b, codeBin16, byte(n>>8), byte(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, codeBin32), uint32(n))
	}
	return append(b, v...)
}

// What can be wrong with a value. One value has one encoding, the shortest:
// so a frame that decodes is the frame that encoding would give.
var (
	errShort       = errors.New("a value ends after the frame's end")
	errKindOfValue = errors.New("a value is of another kind")
	errNotShortest = errors.New("a number or length is not in its shortest form")
	errRange       = errors.New("a number is out of its range")
	errCount       = errors.New("more elements are announced than the frame or the limit can hold")
	errTrailing    = errors.New("bytes follow the frame's last value")
	errFrameKind   = errors.New("the frame is of an unknown kind")
	errMessageType = errors.New("a message has an unknown type")
	errEntryType   = errors.New("an entry has an unknown type")
	errDigest      = errors.New("a digest is not 16 bytes long")
)

// reader reads values from the front of buf. After the first error every read
// returns zero, so that callers check err once, after a group of reads.
//
// buf belongs to the connection, which reads the next frame into it. Byte
// strings that are handed out live longer: when the first is met, the reader
// changes over to a copy of the frame (or was given memory of its own from the
// start: owned), which then belongs to them.
type reader struct {
	buf   []byte
	pos   int // 0 <= pos <= len(buf)
	owned bool
	err   error
	at    int // pos when err was found
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err, r.at = err, r.pos
		r.pos = len(r.buf)
	}
}

// whole says what is wrong with a value that should have filled buf.
func (r *reader) whole() error {
	if r.err == nil && r.left() > 0 {
		r.fail(errTrailing)
	}
	if r.err != nil {
		return fmt.Errorf("%w: at byte %d of %d: %w", ErrMalformed, r.at, len(r.buf), r.err)
	}
	return nil
}

// left is how many bytes are unread. It bounds every announced count.
func (r *reader) left() int { return len(r.buf) - r.pos }

func (r *reader) byte() byte {
	if r.pos >= len(r.buf) {
		r.fail(errShort)
		return 0
	}
	c := r.buf[r.pos]
	r.pos++
	return c
}

// big reads an n-byte big-endian number that must exceed min to deserve n
// bytes.
func (r *reader) big(n int, min uint64) uint64 {
	if r.left() < n {
		r.fail(errShort)
		return 0
	}
	var v uint64
	for _, c := range r.buf[r.pos : r.pos+n] {
		v = v<<8 | uint64(c)
	}
	r.pos += n
	if v <= min {
		r.fail(errNotShortest)
		return 0
	}
	return v
}

func (r *reader) uint() uint64 {
	c := r.byte()
	if c <= fixIntMax {
		return uint64(c)
	}
	switch c {
	case codeUint8:
		return r.big(1, fixIntMax)
	case codeUint16:
		return r.big(2, math.MaxUint8)
	case codeUint32:
		return r.big(4, math.MaxUint16)
	case codeUint64:
		return r.big(8, math.MaxUint32)
	}
	r.fail(errKindOfValue)
	return 0
}

func (r *reader) uint8() uint8 {
	v := r.uint()
	if v > math.MaxUint8 {
		r.fail(errRange)
		return 0
	}
	return uint8(v)
}

func (r *reader) bool() bool {
	switch r.byte() {
	case codeTrue:
		return true
	case codeFalse:
		return false
	}
	r.fail(errKindOfValue)
	return false
}

// array reads the header of an array of at most max elements that take at
// least elementBytes each.
func (r *reader) array(max, elementBytes int) int {
	var n uint64
	switch c := r.byte(); {
	case c >= fixArrayMin && c <= fixArrayMax:
		n = uint64(c - fixArrayMin)
	case c == codeArray16:
		n = r.big(2, fixArrayMax-fixArrayMin)
	case c == codeArray32:
		n = r.big(4, math.MaxUint16)
	default:
		r.fail(errKindOfValue)
		return 0
	}
	if n > uint64(max) || n > uint64(r.left()/elementBytes) {
		r.fail(errCount)
		return 0
	}
	return int(n)
}

// tuple reads the header of an array that has n elements, n <= 15.
func (r *reader) tuple(n int) {
	if r.byte() != fixArrayMin|byte(n) {
		r.fail(errKindOfValue)
	}
}

// bytes reads a byte string. The empty one is nil.
func (r *reader) bytes() []byte {
	var n uint64
	switch r.byte() {
	case codeBin8:
		// Every length up to 255 is shortest in this form, 0 too.
		n = uint64(r.byte())
	case codeBin16:
		n = r.big(2, math.MaxUint8)
	case codeBin32:
		n = r.big(4, math.MaxUint16)
	default:
		r.fail(errKindOfValue)
		return nil
	}
	if n > uint64(r.left()) {
		r.fail(errShort)
		return nil
	}
	if n == 0 {
		return nil
	}
	if !r.owned {
		r.buf, r.owned = append([]byte(nil), r.buf...), true
	}
	end := r.pos + int(n)
	v := r.buf[r.pos:end:end]
	r.pos = end
	return v
}
