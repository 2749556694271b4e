package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"quorate/raft"
)

// addressOf is where a member listens.
func (m *member) addressOf() string { return m.config.Listener.Addr().String() }

// single runs a member that knows nobody, with an address that others can dial.
func single(t testing.TB, id raft.NodeID, change func(*Config)) *member {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	config := Config{Self: helloOf(id), Listener: l}
	config.Self.PeerAddr = l.Addr().String()
	if change != nil {
		change(&config)
	}
	return start(t, config)
}

// asPeer is a member as others' configurations name it.
func (m *member) asPeer() Peer { return Peer{m.self, m.config.Self.Name, m.addressOf()} }

// eventually waits until ok, for what no Handler is told.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// awaitPeers waits until the member's peers look as wanted: "n2 guest connected".
func (m *member) awaitPeers(t testing.TB, want string) {
	t.Helper()
	eventually(t, want, func() bool { return m.describe() == want })
}

func (m *member) describe() string {
	var peers []string
	for _, p := range m.Peers() {
		words := []string{p.Name}
		if p.Guest {
			words = append(words, "guest")
		}
		if p.Connected {
			words = append(words, "connected")
		}
		peers = append(peers, strings.Join(words, " "))
	}
	return strings.Join(peers, ", ")
}

// TestGrowing shows a cluster of one that becomes two: the one that is added
// knows nobody and is told by the other, which it takes for a guest, until its
// configuration arrives. Neither connection breaks at that moment.
func TestGrowing(t *testing.T) {
	var admitted sync.Map
	a := single(t, one, nil)
	b := single(t, two, func(c *Config) {
		c.Admit = func(h Hello) error { admitted.Store(h.NodeID, h.StorageID); return nil }
	})
	a.SetPeers([]Peer{a.asPeer(), b.asPeer(), b.asPeer(), {}})
	a.awaitPeers(t, "n2 connected")
	b.awaitPeers(t, "n1 guest connected")
	if _, ok := admitted.Load(one); ok {
		t.Error("a guest was remembered like a member")
	}
	a.Send(heartbeats(two, 1, 1))
	b.await(t, "a message from a guest", func() bool { return len(b.messages) == 1 })
	b.Send(heartbeats(one, 2, 1))
	a.await(t, "its answer", func() bool { return len(a.messages) == 1 })

	b.SetPeers([]Peer{a.asPeer(), b.asPeer()})
	b.awaitPeers(t, "n1 connected")
	b.stop()
	a.stop()
	if storage, ok := admitted.Load(one); !ok || storage != helloOf(one).StorageID {
		t.Error("a guest that became a member was not remembered")
	}
	if len(a.connected) != 1 || len(b.connected) != 1 {
		t.Errorf("they had to connect anew: %v, %v", a.lost, b.lost)
	}
}

// TestGuestIsNoMember shows a guest that becomes a member with a storage id
// that Admit refuses: it is disconnected then, and refused from then on.
func TestGuestIsNoMember(t *testing.T) {
	a := single(t, one, nil)
	b := single(t, two, func(c *Config) {
		c.Admit = func(h Hello) error { return &Refusal{Code: RefusedStorage, Message: nameOf(h) + " has lost its data"} }
	})
	a.SetPeers([]Peer{b.asPeer()})
	b.awaitPeers(t, "n1 guest connected")
	b.SetPeers([]Peer{a.asPeer()})
	b.await(t, "the end of the connection", func() bool { return len(b.lost) > 0 })
	a.await(t, "a refusal", func() bool { return len(a.refused) > 0 })
	if want := "n1 has lost its data"; !strings.Contains(b.lost[0].Error(), want) || !strings.Contains(a.refused[0].reason.Error(), want) {
		t.Errorf("lost because of %v; refused because of %v", b.lost[0], a.refused[0].reason)
	}
}

// TestRemoval shows a member that is taken out while it is connected and more
// waits for it: nothing reaches it any more. As long as its id is not among
// those that were removed, it is a guest when it comes; then it is refused.
func TestRemoval(t *testing.T) {
	a, b := pair(t, nil)
	b.SetPeers(nil)
	b.await(t, "the end", func() bool { return len(b.lost) == 1 })
	if !errors.Is(b.lost[0], ErrNotMember) {
		t.Errorf("lost because of %v", b.lost[0])
	}
	eventually(t, "the guest", func() bool { return b.describe() != "" && b.Peers()[0].Guest })

	b.SetRemoved([]raft.NodeID{one})
	if got := b.describe(); got != "" {
		t.Errorf("at once its peers are %q", got)
	}
	b.Send(heartbeats(one, 1, 1))
	if b.SendProposals(one, []Proposal{{Seq: 1}}) || b.SendReplies(one, []ProposalReply{{Seq: 1}}) {
		t.Error("something was taken for a member that was removed")
	}
	var refusal *Refusal
	a.await(t, "a refusal", func() bool {
		return len(a.refused) > 0 && errors.As(a.refused[len(a.refused)-1].reason, &refusal)
	})
	if refusal.Code != RefusedRemoved || !refusal.ByPeer || refusal.Message != "n1 was removed from the cluster" {
		t.Errorf("told %v", refusal)
	}
	b.SetPeers([]Peer{{one, "n1", a.addressOf()}}) // ids do not come back
	if got := b.describe(); got != "" {
		t.Errorf("a removed member is back: %q", got)
	}
	a.stop()
	b.stop()
	if len(a.messages) > 0 {
		t.Errorf("it heard %v", a.messages)
	}
	if len(b.connected) != len(b.lost) {
		t.Errorf("%d times connected, %d times lost", len(b.connected), len(b.lost))
	}
}

// TestMoved shows a member whose address changes while it is connected, and
// one that could not be reached at the old one.
func TestMoved(t *testing.T) {
	proxy := listen(t, "127.0.0.1:0")
	defer proxy.Close()
	a, b := pair(t, nil)
	go func() { // leads to b, too
		for {
			from, err := proxy.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", b.addressOf())
			if err != nil {
				return
			}
			go relay(from, to)
			go relay(to, from)
		}
	}()
	a.SetPeers([]Peer{{two, "n2", proxy.Addr().String()}})
	a.awaitConnects(t, 2)
	if !errors.Is(a.lost[0], ErrMoved) || a.Peers()[0].Address != proxy.Addr().String() {
		t.Errorf("lost because of %v, peers %+v", a.lost[0], a.Peers())
	}
	a.Send(heartbeats(two, 1, 1))
	b.await(t, "a message at the new address", func() bool { return len(b.messages) == 1 })

	asked := make(chan string, 1000)
	c := start(t, Config{Self: helloOf(3), Listener: listen(t, "127.0.0.1:0"), RetryMin: time.Hour, RetryMax: time.Hour,
		Dial: func(_ context.Context, address string) (net.Conn, error) {
			asked <- address
			return nil, errors.New("there is nobody")
		}})
	c.SetPeers([]Peer{{two, "n2", "old:1"}})
	if got := <-asked; got != "old:1" {
		t.Errorf("dialled %s", got)
	}
	c.SetPeers([]Peer{{two, "n2", "new:1"}})
	for <-asked != "new:1" { // it need not wait for the pause to end
	}
}

func relay(from, to net.Conn) {
	defer from.Close()
	defer to.Close()
	var b [4096]byte
	for {
		n, err := from.Read(b[:])
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return
		}
	}
}

// TestTwin shows a second process with n2's identity. While the first is
// heard, the second is refused, whichever way they meet; when the first has
// gone, the second is let in.
func TestTwin(t *testing.T) {
	a := single(t, one, nil)
	twin := func(process uint64) *member {
		m := single(t, two, func(c *Config) {
			c.Self.Process = process
			c.Peers = []Peer{a.asPeer()}
		})
		return m
	}
	first := twin(1)
	a.SetPeers([]Peer{first.asPeer()})
	a.awaitConnects(t, 1)
	first.awaitConnects(t, 1)
	eventually(t, "both connections", func() bool { return a.Peers()[0].Receiving })

	second := twin(2)
	second.await(t, "a refusal", func() bool { return len(second.refused) > 0 })
	var refusal *Refusal
	if !errors.As(second.refused[0].reason, &refusal) || refusal.Code != RefusedTwin || !refusal.ByPeer ||
		refusal.Message != "another process with the data of n2 is running already, at "+first.addressOf() {
		t.Errorf("told %v", second.refused[0].reason)
	}
	if a.describe() != "n2 connected" || a.Peers()[0].Hello.Process != 1 || len(first.refused)+len(first.lost)+len(a.lost) > 0 {
		t.Errorf("the first was disturbed: %v, %v", first.refused, first.lost)
	}

	// The configuration's address leads to the second now.
	a.SetPeers([]Peer{second.asPeer()})
	eventually(t, "a refusal by the one that dials", func() bool {
		err := a.Peers()[0].LastError
		return errors.As(err, &refusal) && strings.Contains(err.Error(), "handshake with n2 at "+second.addressOf()) && !refusal.ByPeer
	})
	if refusal.Code != RefusedTwin {
		t.Errorf("refused because of %v", refusal)
	}
	first.stop()
	second.awaitConnects(t, 1)
	a.awaitPeers(t, "n2 connected")
	if process := a.Peers()[0].Hello.Process; process != 2 {
		t.Errorf("connected with process %d", process)
	}
}

// TestSilentTwin shows that a first process which is connected, and not heard
// of any more, does not keep its successor out.
func TestSilentTwin(t *testing.T) {
	m := alone(t, nil)
	silent, next := knock(t, m), knock(t, m)
	h := helloOf(two)
	h.Process = 1
	silent.shakeHands(h)
	p := m.peer(two)
	h.Process = 2
	if _, twin := p.twin(2); !twin {
		t.Fatal("the first was not heard")
	}
	p.mu.Lock()
	p.inbound.heard.Add(-int64(m.config.IdleTimeout))
	p.mu.Unlock()
	next.shakeHands(h)
	silent.expectClosed()
}

// TestGuests shows how many guests there may be, who makes room, and that one
// which has been away for long is forgotten.
func TestGuests(t *testing.T) {
	m := alone(t, nil) // knows n2
	guest := func(id raft.NodeID) *client {
		c := knock(t, m)
		c.open(helloOf(id), forMessages)
		return c
	}
	enter := func(id raft.NodeID) *client {
		c := guest(id)
		c.expect(kindWelcome)
		c.write(appendProbe(nil, kindPing, 7))
		c.expect(kindPong)
		return c
	}
	var guests []*client
	for i := range maxGuests {
		guests = append(guests, enter(raft.NodeID(10+i)))
	}
	refusal, err := decodeRefusal(guest(30).expect(kindRefusal))
	if err != nil || refusal.Code != RefusedUnknown {
		t.Errorf("one too many was told %v, %v", refusal, err)
	}
	guests[3].Close()
	gone := m.peer(13)
	eventually(t, "its absence", func() bool { _, absent := gone.absent(); return absent })
	enter(30)
	if m.peer(13) != nil || m.peer(30) == nil {
		t.Error("who is away did not make room for who is here")
	}

	m.SetPeers(nil) // a node that knows nobody takes every member of its cluster
	for i := range maxGuestsJoining - maxGuests {
		enter(raft.NodeID(40 + i))
	}
	refusal, err = decodeRefusal(guest(60).expect(kindRefusal))
	if err != nil || refusal.Code != RefusedUnknown {
		t.Errorf("one too many was told %v, %v", refusal, err)
	}
}

// TestGuestForgotten shows that a guest which stays away is forgotten, and a
// member is not.
func TestGuestForgotten(t *testing.T) {
	a := single(t, one, func(c *Config) { c.Peers = []Peer{{3, "n3", "127.0.0.1:1"}} })
	a.membership.mu.Lock()
	a.guestTimeout = 0
	a.membership.mu.Unlock()
	b := single(t, two, func(c *Config) { c.Peers = []Peer{a.asPeer()} })
	a.awaitPeers(t, "n2 guest connected, n3")
	b.stop()
	eventually(t, "that it is forgotten", func() bool { return a.peer(two) == nil })
	if got := a.describe(); got != "n3" {
		t.Errorf("left are %q", got)
	}
}

// TestStrangersAreToldOnce shows a node of another cluster that tries for
// hours, always from another port.
func TestStrangersAreToldOnce(t *testing.T) {
	m := alone(t, nil)
	stranger := helloOf(9)
	stranger.TokenDigest[0] ^= 1
	for range 5 {
		c := knock(t, m)
		c.open(stranger, forMessages)
		c.expect(kindRefusal)
		c.expectClosed()
	}
	m.stop()
	if len(m.refused) != 1 {
		t.Errorf("told %d times", len(m.refused))
	}

	var s strangers
	for i := range 2 * toldMax {
		if !s.tell("10.0.0.1:5000", fmt.Errorf("reason %d", i)) {
			t.Errorf("reason %d is no news", i)
		}
	}
	if s.tell("10.0.0.1:5001", fmt.Errorf("reason %d", 2*toldMax-1)) || !s.tell("10.0.0.2:5000", fmt.Errorf("reason %d", 2*toldMax-1)) {
		t.Error("it is the host that counts, not the port")
	}
	if len(s.told) != toldMax {
		t.Errorf("%d are remembered", len(s.told))
	}
}

// TestMembersChangeAtRandom changes the configurations of three members again
// and again while they send to each other, and shows that afterwards, when all
// know each other, all are connected; that each Connected was followed by its
// Disconnected before the next; and that nothing is left of Run.
func TestMembersChangeAtRandom(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var members []*member
	var all []Peer
	for id := one; id <= 3; id++ {
		m := single(t, id, nil)
		members = append(members, m)
		all = append(all, m.asPeer())
	}
	for i := range 200 {
		m := members[random.IntN(3)]
		var some []Peer
		for _, p := range all {
			switch random.IntN(4) {
			case 0: // not a member
			case 1:
				p.Address = "127.0.0.1:1"
				fallthrough
			default:
				some = append(some, p)
			}
		}
		m.SetPeers(some)
		for id := one; id <= 3; id++ {
			m.Send(heartbeats(id, i, 1))
		}
		if i%10 == 0 { // let something happen
			m.SetPeers(all)
			eventually(t, "a connection", func() bool { return strings.Contains(m.describe(), "connected") })
		}
	}
	for _, m := range members {
		m.SetPeers(all)
	}
	for i, m := range members {
		var want []string
		for j, p := range all {
			if j != i {
				want = append(want, p.Name+" connected")
			}
		}
		m.awaitPeers(t, strings.Join(want, ", "))
	}
	for _, m := range members {
		m.stop()
		if len(m.connected) != len(m.lost) {
			t.Errorf("%d times connected, %d times lost", len(m.connected), len(m.lost))
		}
		m.SetPeers(all) // after Run it starts nothing
	}
	awaitNoGoroutines(t)
}
