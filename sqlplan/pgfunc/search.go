package pgfunc

import "bytes"

// search looks for one text in others, in time proportional to both whatever
// they are. bytes.Index is not: it compares hashes, and texts can be chosen
// whose hashes are equal at every place.
//
// Long needles are found by the Two-Way algorithm (Crochemore and Perrin,
// "Two-way string-matching", Journal of the ACM 38, 1991): the needle is cut
// where its local period is its period; the right part is compared first, from
// the cut on, then the left part; what did not match says how far to move.
type search struct {
	needle []byte
	// Of long needles: needle[:cut] and needle[cut:] are the two parts.
	cut, period int
	periodic    bool // needle[i] == needle[i+period] for all i, and not only behind the cut
}

// shortNeedle is up to which length bytes.Index takes a bounded time for a byte.
const shortNeedle = 32

func newSearch(needle []byte) search {
	s := search{needle: needle}
	if len(needle) <= shortNeedle {
		return s
	}
	a, periodA := maximalSuffix(needle, false)
	b, periodB := maximalSuffix(needle, true)
	if s.cut, s.period = a, periodA; b > a {
		s.cut, s.period = b, periodB
	}
	if s.cut+s.period <= len(needle) && bytes.Equal(needle[:s.cut], needle[s.period:s.period+s.cut]) {
		s.periodic = true
	} else {
		s.period = max(s.cut, len(needle)-s.cut) + 1
	}
	return s
}

// maximalSuffix is where the suffix begins that is the last in alphabetical
// order, or in that of the alphabet turned round, and its period.
func maximalSuffix(x []byte, reverse bool) (start, period int) {
	at, next, k, period := -1, 0, 1, 1
	for next+k < len(x) {
		a, b := x[next+k], x[at+k]
		switch {
		case a == b && k == period:
			next, k = next+period, 1
		case a == b:
			k++
		case (a < b) != reverse:
			next, k = next+k, 1
			period = next - at
		default:
			at, next, k, period = next, next+1, 1, 1
		}
	}
	return at + 1, period
}

// index is where the needle is in text for the first time, -1 when it is not.
func (s *search) index(text []byte) int {
	if len(s.needle) <= shortNeedle {
		return bytes.Index(text, s.needle)
	}
	needle := s.needle
	known := 0 // needle[:known] matches already, from the move before
	for at := 0; at+len(needle) <= len(text); {
		window := text[at : at+len(needle)]
		i := max(s.cut, known)
		for i < len(needle) && needle[i] == window[i] {
			i++
		}
		if i < len(needle) {
			at += i - s.cut + 1
			known = 0
			continue
		}
		i = s.cut
		for i > known && needle[i-1] == window[i-1] {
			i--
		}
		if i <= known {
			return at
		}
		at += s.period
		if s.periodic {
			known = len(needle) - s.period
		}
	}
	return -1
}

// searchStepBytes is how many bytes are searched in the time of a step.
const searchStepBytes = 16

// find is where needle is in text, and counts what it takes.
func find(ctx Context, text, needle []byte) (int, error) {
	if err := ctx.Spend((len(text) + len(needle)) / searchStepBytes); err != nil {
		return 0, err
	}
	s := newSearch(needle)
	return s.index(text), nil
}
