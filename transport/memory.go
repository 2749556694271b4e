package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"quorate/raft"
)

// Network is the in-memory twin of TCP for tests, without images and calls. It
// has no goroutine and no clock: a letter arrives when the test says Deliver or
// Settle, time passes when it says Tick, and the same calls give the same run.
// What arrives went through the encoding of the wire, so nothing is shared
// between members and a simulation exercises the format.
//
// A link has a direction. It must be connected, which shakes hands as over
// TCP, before anything is taken for it. Cut is a partition that nobody
// notices; Disconnect is a connection that breaks.
type Network struct {
	mu        sync.Mutex // guards the fields below; never held during a callback
	now       uint64
	sent      uint64
	fate      Fate
	letters   []letter // sorted by due, then seq
	endpoints map[raft.NodeID]*Endpoint
	cut       map[direction]bool
}

type direction struct{ from, to raft.NodeID }

// Fate decides when a letter arrives: after how many ticks, 0 for at the next
// Deliver. No delay at all means that it is lost, two that it is doubled.
// Different delays make letters overtake each other. Fate is called while the
// network is locked and must not call it.
type Fate func(Letter) (delays []uint64)

// Letter is one message, proposal or reply under way, as Fate sees it: one of
// the three is not nil.
type Letter struct {
	Seq      uint64 // counts what was sent, from 1
	From, To raft.NodeID
	Message  *raft.Message
	Proposal *Proposal
	Reply    *ProposalReply
}

type letter struct {
	direction
	seq, due uint64
	frame    []byte
}

func (l *letter) decode() frame {
	// A copy: a doubled letter is decoded twice, and each reader owns his.
	body := slices.Clone(l.frame[lengthBytes:])
	f, err := decodeFrame(body, true, l.from, l.to, defaultEntries)
	if err != nil {
		panic(err) // we encoded it ourselves
	}
	return f
}

func (l *letter) open() Letter {
	f := l.decode()
	o := Letter{Seq: l.seq, From: l.from, To: l.to}
	switch f.kind {
	case kindMessages:
		o.Message = &f.messages[0]
	case kindProposals:
		o.Proposal = &f.proposals[0]
	case kindReplies:
		o.Reply = &f.replies[0]
	}
	return o
}

// NewNetwork makes a network without members.
func NewNetwork() *Network {
	return &Network{endpoints: make(map[raft.NodeID]*Endpoint), cut: make(map[direction]bool)}
}

// Endpoint is one member's place in a Network.
type Endpoint struct {
	network *Network
	config  Config
	peers   []PeerState   // sorted by ID; guarded by network.mu
	removed []raft.NodeID // guarded by network.mu
}

var _ Carrier = (*Endpoint)(nil)

// Join adds a member. Of the Config's fields, Self, Peers, Handler, Admit and
// the size limits count. It is not connected to anyone.
func (n *Network) Join(config Config) (*Endpoint, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	e := &Endpoint{network: n, config: config}
	e.SetPeers(config.Peers)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.endpoints[config.Self.NodeID] != nil {
		return nil, fmt.Errorf("transport: member %s is on the network already", config.Self.NodeID)
	}
	n.endpoints[config.Self.NodeID] = e
	return e, nil
}

var (
	errLeft         = errors.New("transport: the member has left the network")
	errDisconnected = errors.New("transport: the network was told to disconnect")
	errNoPeer       = errors.New("transport: no such member on the network")
)

// Leave removes a member, as when its process dies: all links to and from it
// break, and what is under way on them is lost.
func (n *Network) Leave(id raft.NodeID) {
	for _, other := range n.members() {
		n.disconnect(other, id, errLeft)
		n.disconnect(id, other, errLeft)
	}
	n.mu.Lock()
	delete(n.endpoints, id)
	n.mu.Unlock()
}

func (n *Network) members() []raft.NodeID {
	n.mu.Lock()
	defer n.mu.Unlock()
	var ids []raft.NodeID
	for id := range n.endpoints {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Connect shakes hands as if from had dialled to. From then on what from sends
// to to is taken. An error is the *Refusal, or that one of them is not there.
func (n *Network) Connect(from, to raft.NodeID) error {
	n.mu.Lock()
	a, b := n.endpoints[from], n.endpoints[to]
	n.mu.Unlock()
	if a == nil || b == nil {
		return errNoPeer
	}
	acceptor := b.config.Self
	if err := b.judge(a); err != nil {
		return err
	}
	if err := a.judge(b); err != nil {
		return err
	}
	acceptor.TokenDigest = [32]byte{}
	n.mu.Lock()
	out, in := a.acquaint(b), b.acquaint(a)
	fresh := !out.Connected
	if fresh {
		out.Connected, out.Hello = true, acceptor
		out.Connects++
		in.Receiving = true
	}
	n.mu.Unlock()
	if fresh {
		a.config.Handler.Connected(acceptor)
	}
	return nil
}

// judge decides about a peer as over TCP; both sides are told of a refusal.
func (e *Endpoint) judge(peer *Endpoint) error {
	hello := peer.config.Self
	err := e.admissible(hello)
	if err == nil {
		return nil
	}
	told := &Refusal{Code: RefusedUnable, Message: "the peer cannot decide now", ByPeer: true}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		told = &Refusal{Code: refusal.Code, Message: refusal.Message, Hint: refusal.Hint, ByPeer: true}
	}
	e.config.Handler.Refused(hello.NodeID, hello.PeerAddr, err)
	peer.config.Handler.Refused(e.config.Self.NodeID, e.config.Self.PeerAddr, told)
	return err
}

func (e *Endpoint) admissible(hello Hello) error {
	e.network.mu.Lock()
	refusal := examine(e.config.Self, hello, forMessages, e.removed)
	var known PeerState
	if p := e.peer(hello.NodeID); p != nil {
		known = *p
	}
	e.network.mu.Unlock()
	switch {
	case refusal != nil:
		return refusal
	case known.ID == 0 || known.Guest:
		return nil
	case known.Name != hello.Name:
		return misnamed(e.config.Self, hello, known.Name)
	}
	hello.TokenDigest = [32]byte{}
	return e.config.Admit(hello)
}

// acquaint finds the state of a peer that was let in, as a guest if it is no
// member; network.mu is held.
func (e *Endpoint) acquaint(peer *Endpoint) *PeerState {
	self := peer.config.Self
	if e.peer(self.NodeID) == nil {
		e.peers = append(e.peers, PeerState{Peer: Peer{ID: self.NodeID, Name: self.Name, Address: self.PeerAddr}, Guest: true})
		e.sort()
	}
	return e.peer(self.NodeID)
}

func (e *Endpoint) sort() {
	slices.SortFunc(e.peers, func(a, b PeerState) int { return cmp.Compare(a.ID, b.ID) })
}

// SetPeers implements Carrier.
func (e *Endpoint) SetPeers(peers []Peer) {
	members := sortedPeers(peers, e.config.Self.NodeID)
	e.network.mu.Lock()
	var gone []raft.NodeID
	for i := range e.peers {
		p := &e.peers[i]
		j := slices.IndexFunc(members, func(m Peer) bool { return m.ID == p.ID })
		if j >= 0 {
			p.Peer, p.Guest = members[j], false
			members = slices.Delete(members, j, j+1)
		} else if !p.Guest {
			gone = append(gone, p.ID)
		}
	}
	for _, m := range members {
		if !slices.Contains(e.removed, m.ID) {
			e.peers = append(e.peers, PeerState{Peer: m})
		}
	}
	e.sort()
	e.network.mu.Unlock()
	e.drop(gone)
}

// SetRemoved implements Carrier.
func (e *Endpoint) SetRemoved(ids []raft.NodeID) {
	e.network.mu.Lock()
	e.removed = slices.Clone(ids)
	e.network.mu.Unlock()
	e.drop(ids)
}

// drop forgets peers and breaks the links with them.
func (e *Endpoint) drop(ids []raft.NodeID) {
	for _, id := range ids {
		e.network.disconnect(e.config.Self.NodeID, id, ErrNotMember)
		e.network.disconnect(id, e.config.Self.NodeID, errDisconnected)
	}
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	e.peers = slices.DeleteFunc(e.peers, func(p PeerState) bool { return slices.Contains(ids, p.ID) })
}

// ConnectAll connects every link that is not connected, in the order of ids.
// Links that are refused stay as they are; their Handlers know.
func (n *Network) ConnectAll() {
	ids := n.members()
	for _, from := range ids {
		for _, to := range ids {
			if from != to {
				// The refusal was told to both Handlers.
				_ = n.Connect(from, to)
			}
		}
	}
}

// Disconnect breaks the link in one direction, and from notices. What is under
// way on it is lost.
func (n *Network) Disconnect(from, to raft.NodeID) { n.disconnect(from, to, errDisconnected) }

func (n *Network) disconnect(from, to raft.NodeID, reason error) {
	n.mu.Lock()
	a, b := n.endpoints[from], n.endpoints[to]
	var out *PeerState
	if a != nil {
		out = a.peer(to)
	}
	if out == nil || !out.Connected {
		n.mu.Unlock()
		return
	}
	out.Connected, out.LastError = false, reason
	if b != nil {
		if in := b.peer(from); in != nil {
			in.Receiving = false
		}
	}
	n.letters = slices.DeleteFunc(n.letters, func(l letter) bool { return l.from == from && l.to == to })
	n.mu.Unlock()
	a.config.Handler.Disconnected(to, reason)
}

// Cut loses everything that comes due on the link in one direction, and nobody
// notices, until Heal.
func (n *Network) Cut(from, to raft.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[direction{from, to}] = true
}

// Heal ends a Cut.
func (n *Network) Heal(from, to raft.NodeID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cut, direction{from, to})
}

// SetFate replaces the fate of letters sent from now on; nil delivers each
// once, at the next Deliver.
func (n *Network) SetFate(fate Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = fate
}

// Tick lets one unit of time pass. Nothing arrives by itself.
func (n *Network) Tick() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now++
}

// Deliver lets the first letter that is due arrive: its reader's Handler has
// returned when Deliver does. It reports whether there was one; a letter that
// a Cut swallows counts.
func (n *Network) Deliver() bool {
	n.mu.Lock()
	if len(n.letters) == 0 || n.letters[0].due > n.now {
		n.mu.Unlock()
		return false
	}
	l := n.letters[0]
	n.letters = n.letters[1:]
	e := n.endpoints[l.to]
	if e == nil || n.cut[l.direction] {
		n.mu.Unlock()
		return true
	}
	e.peer(l.from).ReceivedBytes += uint64(len(l.frame))
	n.mu.Unlock()
	f := l.decode()
	if err := f.hand(l.from, e.config.Handler); err != nil {
		panic(err) // only the three kinds are sent
	}
	return true
}

// Settle delivers what is due, and what is sent meanwhile and due at once, and
// returns how many letters that were. Members that never fall silent are
// stopped at max letters.
func (n *Network) Settle(max int) int {
	delivered := 0
	for delivered < max && n.Deliver() {
		delivered++
	}
	return delivered
}

// post puts a frame under way, if its link is connected. n.mu is held.
func (n *Network) post(e *Endpoint, out *PeerState, encoded []byte) bool {
	if !out.Connected || len(encoded) > e.config.MaxFrameBytes {
		out.Dropped++
		return false
	}
	n.sent++
	out.SentBytes += uint64(len(encoded))
	l := letter{direction: direction{e.config.Self.NodeID, out.ID}, seq: n.sent, due: n.now, frame: encoded}
	delays := []uint64{0}
	if n.fate != nil {
		delays = n.fate(l.open())
	}
	for _, delay := range delays {
		l.due = n.now + delay
		i := len(n.letters)
		for i > 0 && n.letters[i-1].due > l.due {
			i--
		}
		n.letters = slices.Insert(n.letters, i, l)
	}
	return true
}

// peer finds a peer's state; network.mu is held.
func (e *Endpoint) peer(id raft.NodeID) *PeerState {
	for i := range e.peers {
		if e.peers[i].ID == id {
			return &e.peers[i]
		}
	}
	return nil
}

// Send implements Carrier. Each message is a letter of its own.
func (e *Endpoint) Send(messages []raft.Message) {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	for i := range messages {
		if out := e.peer(messages[i].To); out != nil {
			e.network.post(e, out, appendMessages(nil, messages[i:i+1]))
		}
	}
}

// SendProposals implements Carrier. Each proposal is a letter of its own.
func (e *Endpoint) SendProposals(to raft.NodeID, proposals []Proposal) bool {
	return sendEach(e, to, proposals, appendProposals)
}

// SendReplies implements Carrier. Each reply is a letter of its own.
func (e *Endpoint) SendReplies(to raft.NodeID, replies []ProposalReply) bool {
	return sendEach(e, to, replies, appendReplies)
}

// sendEach posts all elements or none.
func sendEach[T any](e *Endpoint, to raft.NodeID, elements []T, encode func([]byte, []T) []byte) bool {
	frames := make([][]byte, len(elements))
	for i := range elements {
		frames[i] = encode(nil, elements[i:i+1])
	}
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	out := e.peer(to)
	if out == nil {
		return false
	}
	tooLarge := func(b []byte) bool { return len(b) > e.config.MaxFrameBytes }
	if !out.Connected || slices.ContainsFunc(frames, tooLarge) {
		out.Dropped += uint64(len(elements))
		return false
	}
	for _, b := range frames {
		e.network.post(e, out, b)
	}
	return true
}

// Peers implements Carrier.
func (e *Endpoint) Peers() []PeerState {
	e.network.mu.Lock()
	defer e.network.mu.Unlock()
	return slices.Clone(e.peers)
}

// Run implements Carrier: it leaves the network when ctx ends. It connects
// nobody; the test does.
func (e *Endpoint) Run(ctx context.Context) error {
	<-ctx.Done()
	e.network.Leave(e.config.Self.NodeID)
	return nil
}
