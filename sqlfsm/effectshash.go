package sqlfsm

import (
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// EffectsDigest is a running digest of what the applied entries did: see effects.
type EffectsDigest [16]byte

func (d EffectsDigest) String() string { return hex.EncodeToString(d[:]) }

// effectsHash is the hash that effects are folded with: two lanes of 64 bits,
// each multiplied with the data to 128 bits and folded. It has to tell nodes
// apart that differ by accident, and cheaply, some 4 GB a second, without help of
// the processor's: two different inputs meet with a probability near 2^-128. It does
// not resist somebody who looks for such inputs, who would have to be allowed to
// write the database in the first place.
//
// SHA-256 took four times as long on a processor that has instructions for it, and
// not all have; hash/maphash is seeded anew in each process.
type effectsHash struct {
	a, b  uint64
	bytes uint64 // added
	tail  int    // bytes in block, less than its length, except between the calls of add
	block [effectsBlockBytes]byte
}

const (
	effectsBlockBytes = 16
	// Two odd numbers without a pattern: the fractions of the golden ratio and of
	// the square root of 3.
	effectsFirst  = 0x9e3779b97f4a7c15
	effectsSecond = 0xbb67ae8584caa73b
)

// start begins behind the digest d.
func (h *effectsHash) start(d EffectsDigest) {
	h.a, h.b = binary.BigEndian.Uint64(d[:]), binary.BigEndian.Uint64(d[8:])
	h.bytes, h.tail = 0, 0
}

// add adds bytes. How they are cut into calls makes no difference.
func (h *effectsHash) add(data []byte) {
	h.bytes += uint64(len(data))
	if h.tail > 0 {
		n := copy(h.block[h.tail:], data)
		data = data[n:]
		h.tail += n
		if h.tail < effectsBlockBytes {
			return
		}
		h.mix(binary.LittleEndian.Uint64(h.block[:]), binary.LittleEndian.Uint64(h.block[8:]))
	}
	a, b := h.a, h.b
	for len(data) >= effectsBlockBytes {
		a, b = mixed(a, b, binary.LittleEndian.Uint64(data), binary.LittleEndian.Uint64(data[8:]))
		data = data[effectsBlockBytes:]
	}
	h.a, h.b = a, b
	h.tail = copy(h.block[:], data)
}

// sum returns the digest of what was added.
func (h *effectsHash) sum() EffectsDigest {
	if h.tail > 0 {
		clear(h.block[h.tail:])
		h.mix(binary.LittleEndian.Uint64(h.block[:]), binary.LittleEndian.Uint64(h.block[8:]))
	}
	// Every bit of the one lane reaches the other.
	h.mix(h.bytes, effectsSecond)
	h.mix(h.b, h.a)
	h.mix(h.b, h.a)
	var d EffectsDigest
	binary.BigEndian.PutUint64(d[:], h.a)
	binary.BigEndian.PutUint64(d[8:], h.b)
	return d
}

func (h *effectsHash) mix(x, y uint64) { h.a, h.b = mixed(h.a, h.b, x, y) }

// mixed takes one block, x and y, into the lanes a and b.
func mixed(a, b, x, y uint64) (uint64, uint64) {
	high1, low1 := bits.Mul64(a^x, effectsFirst^y)
	high2, low2 := bits.Mul64(b^y, effectsSecond^x)
	// What the lane held before is added, for a product with zero forgets it.
	return bits.RotateLeft64(a, 23) + (high1 ^ low1), bits.RotateLeft64(b, 41) + (high2 ^ low2)
}
