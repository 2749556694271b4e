package origins

import (
	"encoding/binary"
	"errors"
)

const (
	// Window bounds how far apart the numbers may be that an origin waits for.
	// Larger: an origin that misses one answer for long can go on longer, and a row
	// may get larger, by about 2 bytes each. With 20,000 commands a second it is
	// 0.8 s, several times what a lost message takes to be sent again.
	Window = 1 << 14
	// MaxOutcomeBytes bounds an outcome.
	MaxOutcomeBytes = 32
	// ringMin is the room of a window in the beginning.
	ringMin = 64
)

// Outcome is what came of a command, in few bytes of the state machine's
// choice; "" means that the command was not seen.
type Outcome string

// window remembers the outcomes of the numbers in [low, high).
// Invariant: low <= high <= low + len(ring) and len(ring) <= Window; ring slots
// of other numbers are "".
type window struct {
	low, high uint64
	ring      []Outcome // of number n at n & (len-1); the length is a power of two
}

func (w *window) slot(n uint64) *Outcome { return &w.ring[n&uint64(len(w.ring)-1)] }

// get returns the outcome of a number, "" if it was not seen.
func (w *window) get(n uint64) Outcome {
	if n < w.low || n >= w.high {
		return ""
	}
	return *w.slot(n)
}

// put remembers the outcome of a number in [low, low+Window).
func (w *window) put(n uint64, o Outcome) {
	if n-w.low >= uint64(len(w.ring)) {
		w.grow(n)
	}
	*w.slot(n) = o
	w.high = max(w.high, n+1)
}

// grow makes room for a number.
func (w *window) grow(n uint64) {
	size := max(ringMin, len(w.ring))
	for uint64(size) <= n-w.low {
		size *= 2
	}
	old := *w
	w.ring = make([]Outcome, size)
	for i := old.low; i < old.high; i++ {
		*w.slot(i) = *old.slot(i)
	}
}

// raise forgets everything below low.
func (w *window) raise(low uint64) {
	for ; w.low < low && w.low < w.high; w.low++ {
		*w.slot(w.low) = ""
	}
	w.low = max(w.low, low)
	w.high = max(w.high, w.low)
}

// append appends the outcomes in the form of a row.
func (w *window) append(b []byte) []byte {
	for n := w.low; n < w.high; {
		first, o := n, *w.slot(n)
		for n < w.high && *w.slot(n) == o {
			n++
		}
		b = binary.AppendUvarint(b, n-first)
		b = binary.AppendUvarint(b, uint64(len(o)))
		b = append(b, o...)
	}
	return b
}

var errDamaged = errors.New("origins: a row of the memory of commands is damaged")

// readWindow reads what append has written.
func readWindow(low uint64, b []byte) (window, error) {
	w := window{low: low, high: low}
	for len(b) > 0 {
		run, n := binary.Uvarint(b)
		if n <= 0 || run == 0 || run > Window-(w.high-w.low) {
			return window{}, errDamaged
		}
		length, m := binary.Uvarint(b[n:])
		if m <= 0 || length > MaxOutcomeBytes || uint64(len(b)-n-m) < length {
			return window{}, errDamaged
		}
		o := Outcome(b[n+m : n+m+int(length)])
		b = b[n+m+int(length):]
		for end := w.high + run; w.high < end; {
			w.put(w.high, o)
		}
	}
	return w, nil
}
