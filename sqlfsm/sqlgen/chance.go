package sqlgen

import (
	"encoding/binary"
	"math/rand/v2"
)

// chance decides: by a seed, or by the bytes of a fuzzer, so that the bytes
// that matter can be found by changing them.
type chance struct {
	random *rand.Rand // nil: the bytes decide
	bytes  []byte
}

// newChance makes the choices of a seed. Streams with different names have
// nothing to do with each other.
func newChance(seed uint64, name string) *chance {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	copy(key[8:], name)
	return &chance{random: rand.New(rand.NewChaCha8(key))}
}

// n returns a number from 0 to k-1. When the bytes are used up it is 0: the
// first of a list of choices is the plain one, which leads to no more choices.
func (c *chance) n(k int) int {
	if c.random != nil {
		return c.random.IntN(k)
	}
	if len(c.bytes) == 0 {
		return 0
	}
	b := int(c.bytes[0])
	c.bytes = c.bytes[1:]
	if k > 256 && len(c.bytes) > 0 {
		b = b<<8 | int(c.bytes[0])
		c.bytes = c.bytes[1:]
	}
	return b % k
}

// usedUp reports that there are no more bytes.
func (c *chance) usedUp() bool { return c.random == nil && len(c.bytes) == 0 }

// in returns a number from low to high.
func (c *chance) in(low, high int) int { return low + c.n(high-low+1) }

// one is true once in k times.
func (c *chance) one(k int) bool { return c.n(k) == k-1 }

// of returns one of the choices.
func (c *chance) of(choices ...string) string { return choices[c.n(len(choices))] }

// pick returns one of a list that is not empty.
func pick[T any](c *chance, list []T) T { return list[c.n(len(list))] }

// weighted returns an index, each as often as its weight says.
func (c *chance) weighted(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	k := c.n(sum)
	for i, w := range weights {
		if k < w {
			return i
		}
		k -= w
	}
	return 0
}
