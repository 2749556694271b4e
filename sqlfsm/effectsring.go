package sqlfsm

import "sync"

// effectsKept is after how many entries the running digest is remembered: those
// of about a second under full load, and longer than nodes take to compare them.
const effectsKept = 16384

// effectsRing remembers the running digest after each of the last entries.
type effectsRing struct {
	added []indexedDigest // by the running batch, not shown yet

	mu    sync.RWMutex // guards the field below
	slots []indexedDigest
}

// indexedDigest is the running digest after the entry at index; 0: none.
type indexedDigest struct {
	index  uint64
	digest EffectsDigest
}

// note takes the digest after an entry of the running batch.
func (r *effectsRing) note(index uint64, d EffectsDigest) {
	r.added = append(r.added, indexedDigest{index, d})
}

// discard forgets what the running batch has noted.
func (r *effectsRing) discard() { r.added = r.added[:0] }

// publish shows what the batch, now committed, has noted.
func (r *effectsRing) publish() {
	r.mu.Lock()
	for _, a := range r.added {
		r.slots[a.index%effectsKept] = a
	}
	r.mu.Unlock()
	r.discard()
}

// reset forgets everything but the digest of a database that was just opened.
func (r *effectsRing) reset(index uint64, d EffectsDigest) {
	r.discard()
	r.mu.Lock()
	r.slots = make([]indexedDigest, effectsKept)
	r.slots[index%effectsKept] = indexedDigest{index, d}
	r.mu.Unlock()
}

func (r *effectsRing) at(index uint64) (d EffectsDigest, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	slot := r.slots[index%effectsKept]
	return slot.digest, slot.index == index
}

// EffectsDigest returns the running digest of all entries applied so far, and the
// index of the last of them.
func (f *FSM) EffectsDigest() (index uint64, d EffectsDigest) {
	p := f.applied.Load()
	return p.index, p.effects
}

// EffectsDigestAt returns the running digest after the entry at index, which is
// the same on every node. It is not known when the entry is not applied yet, is
// longer ago than the last 16,384, or was applied before the last restart or
// Install.
func (f *FSM) EffectsDigestAt(index uint64) (d EffectsDigest, ok bool) {
	return f.ring.at(index)
}
