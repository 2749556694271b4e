package transport

import "quorate/raft"

// Standing is what a member says of its state machine, again and again: what its
// effects digest was after some entries. Only the newest counts: one that is lost
// is no loss, and one that waits for a slow connection gives way to the next.
type Standing struct {
	// Quarantined: the member's database is not to be relied on, by its own word.
	// Then it has no digests to tell.
	Quarantined bool
	Digests     []Digest // at most MaxStandingDigests; never written to after it was handed over
}

// Digest is the effects digest as of an entry.
type Digest struct {
	Index raft.Index
	Sum   [16]byte
}

// MaxStandingDigests bounds what one Standing tells.
const MaxStandingDigests = 16

const (
	standingFields = 2
	digestFields   = 2
	digestMinBytes = 1 + 1 + 2 + len(Digest{}.Sum)
)

// appendStanding appends one frame.
func appendStanding(b []byte, s *Standing) []byte {
	b, start := beginFrame(b, kindStanding)
	b = append(b, fixArrayMin|standingFields)
	b = appendBool(b, s.Quarantined)
	b = appendArrayHeader(b, len(s.Digests))
	for i := range s.Digests {
		b = append(b, fixArrayMin|digestFields)
		b = appendUint(b, uint64(s.Digests[i].Index))
		b = appendBytes(b, s.Digests[i].Sum[:])
	}
	return endFrame(b, start)
}

func (r *reader) standing() *Standing {
	r.tuple(standingFields)
	s := &Standing{Quarantined: r.bool()}
	n := r.array(MaxStandingDigests, digestMinBytes)
	for range n {
		r.tuple(digestFields)
		d := Digest{Index: raft.Index(r.uint())}
		sum := r.bytes()
		if r.err == nil && len(sum) != len(d.Sum) {
			r.fail(errDigest)
		}
		if r.err != nil {
			return nil
		}
		copy(d.Sum[:], sum)
		s.Digests = append(s.Digests, d)
	}
	return s
}

// SendStanding tells all peers that are connected. It never blocks.
func (t *Transport) SendStanding(s Standing) {
	for _, p := range t.list() {
		p.outbox.putStanding(&s)
	}
}

// putStanding queues the standing in place of the one that waits.
func (o *outbox) putStanding(s *Standing) {
	o.mu.Lock()
	put := o.open
	if put {
		o.waiting.standing = s
	}
	o.mu.Unlock()
	if put {
		o.signal()
	}
}
