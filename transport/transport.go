package transport

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
)

// Handler takes what arrives. Its methods are called from the connections'
// goroutines, so several at a time, and must not block: they hold up the
// connection. What they are given is theirs to keep.
type Handler interface {
	Messages(from raft.NodeID, messages []raft.Message)
	Proposals(from raft.NodeID, proposals []Proposal)
	Replies(from raft.NodeID, replies []ProposalReply)
	Standing(from raft.NodeID, standing Standing)
	// Connected: from now on Send reaches the peer.
	Connected(peer Hello)
	// Disconnected follows each Connected when Send reaches the peer no more.
	Disconnected(id raft.NodeID, err error)
	// Refused: a connection was closed for what came over it, in the
	// handshake or later. reason is or wraps a *Refusal or an Err… of this
	// package; id is 0 when the other side did not say who it is. A refusal
	// that is met again and again is told once a peer, until it connects.
	Refused(id raft.NodeID, address string, reason error)
}

// Peer is another member.
type Peer struct {
	ID      raft.NodeID
	Name    string
	Address string // host:port to dial
}

// PeerState is what a transport knows of another member.
type PeerState struct {
	Peer
	// Guest: the peer is of our cluster, but no member that SetPeers named.
	Guest bool
	// Connected: our connection to the peer stands, so Send reaches it.
	Connected bool
	// Receiving: the peer's connection to us stands.
	Receiving bool
	// Hello is the peer's, from the newest handshake in either direction; zero
	// before the first.
	Hello Hello
	// RoundTrip is the latest Ping's, 0 before the first.
	RoundTrip time.Duration
	// Sent and received bytes on both connections, handshakes included.
	SentBytes, ReceivedBytes uint64
	// Dropped messages, and proposals and replies not taken: not connected,
	// the queue full, or over the size limit.
	Dropped uint64
	// Connects counts how often our connection was made.
	Connects uint64
	// LastError is why the last connection ended or was not made; nil while
	// none did.
	LastError error
}

// Config are the settings of a Transport. Zero numbers mean the default given
// in brackets.
type Config struct {
	// Self is what this member says in handshakes. Protocol is filled in, and
	// Process if it is zero.
	Self Hello
	// Peers are the members to begin with, as for SetPeers.
	Peers []Peer
	// Listener accepts the peers' connections. Run closes it. A listener that
	// wraps its connections in TLS goes here.
	Listener net.Listener
	// Dial makes a connection to a peer's address [TCP]. A dialler that wraps
	// its connections in TLS goes here.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Handler takes what arrives.
	Handler Handler
	// Admit has the last word on a member whose cluster, token, id, name and
	// protocol fit, each time it connects in either direction, and when it
	// becomes a member while connected [all are admitted]. The words of a
	// *Refusal are sent to the peer; of any other error it learns only that
	// there was one. It may block for a disk write.
	Admit func(Hello) error
	// Images takes the images that are sent to this member [they are refused].
	Images ImageSink
	// Answer answers calls [they are refused]. ctx ends when the caller has gone
	// or Run ends. Of an error the caller learns the words. from is what the
	// caller says of itself: it has our token, and belongs to our cluster or
	// gives no cluster id; it need not be a member.
	Answer func(ctx context.Context, from Hello, request []byte) ([]byte, error)

	// MaxFrameBytes bounds a frame, to be equal on all members [64 MiB]. A
	// message, with its entries, and a proposal must fit into one.
	MaxFrameBytes int
	// MaxEntriesPerMessage bounds the entries of a received message [65536].
	MaxEntriesPerMessage int
	// QueueMessages and QueueBytes bound what waits for one peer, for each of
	// messages, proposals and replies alone [4096, 16 MiB]. When they are
	// larger than the core's MaxInflightMessages and MaxInflightBytes,
	// AppendEntries alone never fill the queue; smaller values save memory
	// behind a slow peer, and cost messages sent twice. An empty queue takes
	// one message of any size, or one call's proposals.
	QueueMessages int
	QueueBytes    int

	// HandshakeTimeout bounds dialling and handshake together [2 s].
	HandshakeTimeout time.Duration
	// MaxHandshakes bounds the accepted connections that have not said yet who
	// they are [16]. One more closes the oldest: a member needs a round trip,
	// whoever dawdles makes room.
	MaxHandshakes int
	// IdleTimeout is how long a connection may be silent [2 s]. Four Pings go
	// out in that time, so smaller values cost wake-ups, larger ones leave a
	// vanished peer "connected" for longer; elections do not wait for it.
	IdleTimeout time.Duration
	// ImageIdleTimeout is how long a connection that carries an image may be
	// silent, the same on all members [10 s]. It is longer than IdleTimeout
	// because a disk that is written to in bulk may stall.
	ImageIdleTimeout time.Duration
	// ImageBytesPerSecond bounds how fast an image is sent to one member [no
	// bound]. Smaller values leave more of disk and network to clients, and
	// the member behind for longer.
	ImageBytesPerSecond int64
	// RetryMin and RetryMax bound the pause before dialling again [50 ms,
	// 2 s]: it doubles with each failure, and a random half of it is left out.
	RetryMin, RetryMax time.Duration
}

const (
	defaultFrameBytes       = 64 << 20
	defaultEntries          = 1 << 16
	defaultQueueMessages    = 4096
	defaultQueueBytes       = 16 << 20
	defaultHandshakeTimeout = 2 * time.Second
	defaultHandshakes       = 16
	defaultIdleTimeout      = 2 * time.Second
	defaultImageIdleTimeout = 10 * time.Second
	defaultRetryMin         = 50 * time.Millisecond
	defaultRetryMax         = 2 * time.Second
	smallestMaxFrameBytes   = frameTargetBytes
	largestMaxFrameBytes    = 1 << 30
)

func orDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// validate fills in defaults and says what is wrong.
func (c *Config) validate() error {
	orDefault(&c.MaxFrameBytes, defaultFrameBytes)
	orDefault(&c.MaxEntriesPerMessage, defaultEntries)
	orDefault(&c.QueueMessages, defaultQueueMessages)
	orDefault(&c.QueueBytes, defaultQueueBytes)
	orDefault(&c.HandshakeTimeout, defaultHandshakeTimeout)
	orDefault(&c.MaxHandshakes, defaultHandshakes)
	orDefault(&c.IdleTimeout, defaultIdleTimeout)
	orDefault(&c.ImageIdleTimeout, defaultImageIdleTimeout)
	orDefault(&c.RetryMin, defaultRetryMin)
	orDefault(&c.RetryMax, defaultRetryMax)
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	if c.Admit == nil {
		c.Admit = func(Hello) error { return nil }
	}
	c.Self.Protocol = Protocol
	for c.Self.Process == 0 {
		c.Self.Process = rand.Uint64()
	}
	switch {
	case c.Handler == nil:
		return errors.New("transport: a Handler is needed")
	case c.Self.NodeID == 0:
		return errors.New("transport: this member has no id")
	case c.MaxFrameBytes < smallestMaxFrameBytes || c.MaxFrameBytes > largestMaxFrameBytes:
		return fmt.Errorf("transport: frames of at most %d bytes: the limit must be between 1 MiB and 1 GiB", c.MaxFrameBytes)
	case c.MaxEntriesPerMessage < 0 || c.QueueMessages < 0 || c.QueueBytes < 0 || c.MaxHandshakes < 0 || c.ImageBytesPerSecond < 0:
		return errors.New("transport: a limit is negative")
	case c.HandshakeTimeout < 0 || c.IdleTimeout < 0 || c.ImageIdleTimeout < 0 || c.RetryMin < 0:
		return errors.New("transport: a time is negative")
	case c.RetryMax < c.RetryMin:
		return fmt.Errorf("transport: the longest pause between dials, %v, is shorter than the shortest, %v", c.RetryMax, c.RetryMin)
	}
	for _, s := range []string{c.Self.Name, c.Self.SQLAddr, c.Self.PeerAddr, c.Self.AdminAddr, c.Self.Version, c.Self.Engine} {
		if err := checkText(s, wordBytes); err != nil {
			return fmt.Errorf("transport: %q cannot be told to peers: %w", s, err)
		}
	}
	seen := make(map[raft.NodeID]string, len(c.Peers))
	for _, p := range c.Peers {
		if p.ID == 0 {
			return fmt.Errorf("transport: peer %s has no id", p.Name)
		}
		if other, ok := seen[p.ID]; ok {
			return fmt.Errorf("transport: peers %s and %s have one id, %s", other, p.Name, p.ID)
		}
		seen[p.ID] = p.Name
	}
	return nil
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// Transport carries between members over TCP. New makes one, Run runs it.
type Transport struct {
	config       Config
	self         raft.NodeID
	membership   membership
	connections  sync.WaitGroup
	ctx          context.Context // ends when Run ends
	cancel       context.CancelCauseFunc
	handshakes   waitingRoom
	incoming     imageSlot
	calls        atomic.Int32 // being answered
	strangers    strangers
	started      time.Time // Pings' stamps count from here
	guestTimeout time.Duration
}

// New makes a Transport. Nothing is dialled or accepted before Run.
func New(config Config) (*Transport, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if config.Listener == nil {
		return nil, errors.New("transport: a Listener is needed")
	}
	t := &Transport{config: config, self: config.Self.NodeID, started: time.Now(), guestTimeout: guestTimeout}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.handshakes.max = config.MaxHandshakes
	t.membership.leaving = make(map[raft.NodeID]*peer)
	t.membership.all.Store(new([]*peer))
	t.SetPeers(config.Peers)
	return t, nil
}

// Run accepts and dials until ctx ends, then closes everything and waits for
// its goroutines: when it returns, no method of the Handler is running or will
// be called. It returns an error only when the listener failed. It is
// called once.
func (t *Transport) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { t.config.Listener.Close() })
	defer stop()
	defer t.config.Listener.Close() // the port is free when Run returns
	t.begin()
	err := t.accept(ctx)
	cancel()
	t.end(context.Canceled)
	t.connections.Wait()
	return err
}

// Send never blocks. Each message goes to the member in its To; what cannot be
// carried is dropped and counted, as Raft allows. Entries and their Data are
// kept until they are sent and must not change any more.
func (t *Transport) Send(messages []raft.Message) {
	for _, p := range t.list() {
		p.outbox.putMessages(p.ID, messages)
	}
}

// SendProposals reports whether all proposals were taken, or none.
func (t *Transport) SendProposals(to raft.NodeID, proposals []Proposal) bool {
	p := t.peer(to)
	return p != nil && p.outbox.putProposals(proposals)
}

// SendReplies reports whether all replies were taken, or none.
func (t *Transport) SendReplies(to raft.NodeID, replies []ProposalReply) bool {
	p := t.peer(to)
	return p != nil && p.outbox.putReplies(replies)
}

// Peers describes the other members and the guests, sorted by ID.
func (t *Transport) Peers() []PeerState {
	peers := t.list()
	states := make([]PeerState, len(peers))
	for i, p := range peers {
		states[i] = p.state()
	}
	return states
}
