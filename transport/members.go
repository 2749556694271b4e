package transport

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
)

// Guests are nodes of our cluster that we do not know as members, because our
// configuration is behind theirs: they would never be dialled, and so never be
// brought up to date, or bring us up to date.
const (
	// maxGuests bounds them: more than ever join together.
	maxGuests = 8
	// maxGuestsJoining bounds them for a node that knows no members yet. For it
	// all members are guests.
	maxGuestsJoining = 16
	// guestTimeout is how long a guest is remembered that is not connected.
	guestTimeout = time.Minute
)

// membership is who a Transport talks to.
type membership struct {
	// all are members and guests, sorted by ID. The slice is never changed,
	// only replaced, with mu held: so Send needs no lock.
	all atomic.Pointer[[]*peer]

	mu      sync.Mutex // guards the fields below, and replacing all
	running bool       // Run has begun and not ended
	members int        // those in all that are no guests
	removed []raft.NodeID
	// leaving are peers that were dropped and have not ended yet.
	leaving map[raft.NodeID]*peer
}

func (t *Transport) list() []*peer { return *t.membership.all.Load() }

// peer finds a member or guest by id: clusters have at most sixteen members,
// so a scan is quicker than a map.
func (t *Transport) peer(id raft.NodeID) *peer {
	for _, p := range t.list() {
		if p.ID == id {
			return p
		}
	}
	return nil
}

// SetPeers says who the members are, whenever that changes. Self may be among
// them and is skipped. New ones are connected to; one that is not a member any
// more is disconnected, and what waits for it dropped; one with another address
// is dialled there. It does not block.
func (t *Transport) SetPeers(peers []Peer) {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	t.arrange(sortedPeers(peers, t.self))
}

// SetRemoved says which ids are of members that were removed: they are
// disconnected and refused. It does not block.
func (t *Transport) SetRemoved(ids []raft.NodeID) {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	m.removed = slices.Clone(ids)
	var members []Peer
	for _, p := range t.list() {
		if to, guest := p.whom(); !guest {
			members = append(members, to)
		}
	}
	t.arrange(members)
}

// removedIDs are the ids that must stay outside.
func (t *Transport) removedIDs() []raft.NodeID {
	t.membership.mu.Lock()
	defer t.membership.mu.Unlock()
	return t.membership.removed
}

// arrange makes members, sorted, the members: who is new is dialled, who is
// gone is dropped, who moved is dialled anew. Guests stay unless they were
// removed. mu is held.
func (t *Transport) arrange(members []Peer) {
	m := &t.membership
	members = slices.DeleteFunc(members, func(p Peer) bool { return slices.Contains(m.removed, p.ID) })
	var all []*peer
	for _, p := range t.list() {
		_, guest := p.whom()
		i := slices.IndexFunc(members, func(to Peer) bool { return to.ID == p.ID })
		switch {
		case i >= 0:
			if hello, met := p.set(members[i]); met && guest {
				t.admitLate(p, hello)
			}
			all = append(all, p)
		case guest && !slices.Contains(m.removed, p.ID):
			all = append(all, p)
		default:
			t.drop(p)
		}
	}
	for _, to := range members {
		if t.peer(to.ID) == nil {
			all = append(all, t.add(to, false))
		}
	}
	m.members = len(members)
	t.replace(all)
}

// replace publishes the list; mu is held.
func (t *Transport) replace(all []*peer) {
	slices.SortFunc(all, func(a, b *peer) int { return cmp.Compare(a.ID, b.ID) })
	t.membership.all.Store(&all)
}

// add makes a peer and lets it run; mu is held.
func (t *Transport) add(to Peer, guest bool) *peer {
	m := &t.membership
	p := newPeer(t, to, guest)
	if before := m.leaving[to.ID]; before != nil {
		p.after = before.ended
	}
	if m.running {
		t.connections.Go(p.run)
	}
	return p
}

// drop ends a peer's connections; mu is held, and who calls takes it off the
// list. Its successor, if its id comes back, waits until it has ended, so that
// what the Handler hears of one id stays in order.
func (t *Transport) drop(p *peer) {
	m := &t.membership
	inbound := p.leave(ErrNotMember)
	if !m.running {
		return
	}
	m.leaving[p.ID] = p
	t.connections.Go(func() {
		<-p.stopped
		if inbound != nil {
			<-inbound.done
		}
		close(p.ended)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.leaving[p.ID] == p {
			delete(m.leaving, p.ID)
		}
	})
}

// admitLate asks Admit about a guest that became a member while connected; mu
// is held. Its next handshake would be too late to remember its storage id.
func (t *Transport) admitLate(p *peer, hello Hello) {
	if !t.membership.running {
		return
	}
	t.connections.Go(func() {
		if err := t.config.Admit(hello); err != nil {
			p.hangUp(fmt.Errorf("transport: %s became a member: %w", nameOf(hello), err))
		}
	})
}

// admissible decides whether a connection from peer, which belongs to our
// cluster, is let in, before it is told Welcome.
func (t *Transport) admissible(hello Hello, p purpose) error {
	known := t.peer(hello.NodeID)
	if known == nil {
		if p == forMessages && t.guestsFull() {
			return guestsFull(t.config.Self, hello)
		}
		return nil
	}
	return known.admissible(hello)
}

func guestsFull(self, hello Hello) *Refusal {
	return &Refusal{Code: RefusedUnknown,
		Message: fmt.Sprintf("%s is not a member that %s knows, and there are others like it already", nameOf(hello), nameOf(self)),
		Hint:    "Compare quorate member list on both; it tries again by itself."}
}

// admissible decides about a connection from or to this peer, before it stands.
func (p *peer) admissible(hello Hello) error {
	to, guest := p.whom()
	if !guest {
		if hello.Name != to.Name {
			return misnamed(p.t.config.Self, hello, to.Name)
		}
		if err := p.t.config.Admit(hello); err != nil {
			return err
		}
	}
	if running, ok := p.twin(hello.Process); ok {
		return twinRefusal(running, hello)
	}
	return nil
}

func (t *Transport) guestsFull() bool {
	t.membership.mu.Lock()
	defer t.membership.mu.Unlock()
	return t.guestRoom() <= 0 && t.oldestAbsentGuest() == nil
}

// guestRoom is how many more guests fit; mu is held.
func (t *Transport) guestRoom() int {
	m := &t.membership
	limit := maxGuests
	if m.members == 0 {
		limit = maxGuestsJoining
	}
	return limit - (len(t.list()) - m.members)
}

// oldestAbsentGuest is the guest that has been disconnected for longest, nil
// when all are connected; mu is held.
func (t *Transport) oldestAbsentGuest() *peer {
	var oldest *peer
	var longest time.Duration
	for _, p := range t.list() {
		if d, ok := p.absent(); ok && (oldest == nil || d > longest) {
			oldest, longest = p, d
		}
	}
	return oldest
}

// acquaint returns the peer that has shaken hands with us: a member, a guest
// that we know, or a new guest.
func (t *Transport) acquaint(hello Hello) (*peer, error) {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	if slices.Contains(m.removed, hello.NodeID) {
		return nil, ErrNotMember // while it shook hands
	}
	to := Peer{ID: hello.NodeID, Name: hello.Name, Address: hello.PeerAddr}
	if p := t.peer(hello.NodeID); p != nil {
		p.movedAsGuest(to)
		return p, nil
	}
	all := slices.Clone(t.list())
	if t.guestRoom() <= 0 {
		absent := t.oldestAbsentGuest()
		if absent == nil {
			return nil, guestsFull(t.config.Self, hello)
		}
		t.drop(absent)
		all = slices.DeleteFunc(all, func(p *peer) bool { return p == absent })
	}
	p := t.add(to, true)
	t.replace(append(all, p))
	return p, nil
}

// forget drops p if it is a guest that has been disconnected for too long.
func (t *Transport) forget(p *peer) {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	if d, ok := p.absent(); !ok || d < t.guestTimeout || t.peer(p.ID) != p {
		return
	}
	t.drop(p)
	t.replace(slices.DeleteFunc(slices.Clone(t.list()), func(other *peer) bool { return other == p }))
}

// begin lets the peers run.
func (t *Transport) begin() {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = true
	for _, p := range t.list() {
		t.connections.Go(p.run)
	}
}

// end lets no peer run any more.
func (t *Transport) end(reason error) {
	m := &t.membership
	m.mu.Lock()
	defer m.mu.Unlock()
	m.running = false
	t.cancel(reason)
}

// sortedPeers copies peers, sorted, each id once, without self.
func sortedPeers(peers []Peer, self raft.NodeID) []Peer {
	others := slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.ID == self || p.ID == 0 })
	slices.SortStableFunc(others, func(a, b Peer) int { return cmp.Compare(a.ID, b.ID) })
	return slices.CompactFunc(others, func(a, b Peer) bool { return a.ID == b.ID })
}

// untilEither returns a context that ends with ctx and with other.
func untilEither(ctx, other context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() { stop(); cancel(nil) }
}
