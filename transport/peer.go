package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
)

// peer is another member: the connection that we dial to it and send on, and
// the claim of the one that it dialled to us.
type peer struct {
	Peer
	t         *Transport
	outbox    outbox
	count     counters
	roundTrip atomic.Int64  // nanoseconds
	seen      chan struct{} // a token when the peer has connected to us

	mu        sync.Mutex // guards the fields below
	connected bool
	connects  uint64
	hello     Hello
	lastError error
	told      []string // what the Handler was told since the last connection
	inbound   *wire    // the peer's connection to us, nil: none
}

// sortedPeers copies peers without self.
func sortedPeers(peers []Peer, self raft.NodeID) []Peer {
	others := slices.DeleteFunc(slices.Clone(peers), func(p Peer) bool { return p.ID == self })
	slices.SortFunc(others, func(a, b Peer) int {
		if a.ID < b.ID {
			return -1
		}
		return 1 // ids are unique
	})
	return others
}

func newPeer(t *Transport, p Peer) *peer {
	return &peer{
		Peer: p,
		t:    t,
		outbox: outbox{
			maxCount: t.config.QueueMessages, maxBytes: t.config.QueueBytes,
			maxFrameBytes: t.config.MaxFrameBytes, maxEntries: t.config.MaxEntriesPerMessage,
			wake: make(chan struct{}, 1),
		},
		seen: make(chan struct{}, 1),
	}
}

func (p *peer) state() PeerState {
	dropped := p.outbox.droppedCount()
	p.mu.Lock()
	defer p.mu.Unlock()
	return PeerState{
		Peer: p.Peer, Connected: p.connected, Receiving: p.inbound != nil, Hello: p.hello,
		RoundTrip: time.Duration(p.roundTrip.Load()),
		SentBytes: p.count.sent.Load(), ReceivedBytes: p.count.received.Load(),
		Dropped: dropped, Connects: p.connects, LastError: p.lastError,
	}
}

// run keeps a connection to the peer until ctx ends.
func (p *peer) run(ctx context.Context) {
	retry := backoff{min: p.t.config.RetryMin, max: p.t.config.RetryMax}
	for ctx.Err() == nil {
		connected, err := p.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if connected {
			retry.reset()
		}
		p.failed(p.Address, err)
		p.pause(ctx, retry.next(rand.Float64()))
	}
}

// pause waits before the next dial; less when the peer shows that it lives, so
// that a restarted member is not kept waiting.
func (p *peer) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-p.seen:
	}
}

// session dials, shakes hands and sends until the connection ends.
func (p *peer) session(ctx context.Context) (connected bool, err error) {
	w, hello, err := p.dial(ctx)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { w.closeBecause(ctx.Err()) })
	defer stop()
	defer w.Close()
	if err := w.establish(p.t.config.IdleTimeout, &p.count); err != nil {
		return false, fmt.Errorf("transport: connect to %s: %w", p.Name, err)
	}

	p.mu.Lock()
	p.connected, p.hello, p.told = true, hello, nil
	p.connects++
	p.mu.Unlock()
	p.outbox.setOpen(true)
	select {
	case <-p.seen: // that the peer lives is no news any more
	default:
	}
	p.t.config.Handler.Connected(hello)

	err = p.converse(w)

	p.outbox.setOpen(false)
	err = fmt.Errorf("transport: connection to %s: %w", p.Name, err)
	p.mu.Lock()
	p.connected, p.lastError = false, err // before anybody is told to look
	p.mu.Unlock()
	p.t.config.Handler.Disconnected(p.ID, err)
	return true, err
}

// dial connects and shakes hands; the peer's Hello has passed every check.
func (p *peer) dial(ctx context.Context) (*wire, Hello, error) {
	dialCtx, cancel := context.WithTimeout(ctx, p.t.config.HandshakeTimeout)
	defer cancel()
	conn, err := p.t.config.Dial(dialCtx, p.Address)
	if err != nil {
		return nil, Hello{}, fmt.Errorf("transport: connect to %s: %w", p.Name, err)
	}
	w := newWire(conn)
	stop := context.AfterFunc(dialCtx, func() { w.closeBecause(dialCtx.Err()) })
	hello, err := p.introduce(w)
	if !stop() && err == nil {
		err = dialCtx.Err()
	}
	if err != nil {
		err = w.reason(err)
		return nil, Hello{}, fmt.Errorf("transport: handshake with %s at %s: %w", p.Name, p.Address, err)
	}
	return w, hello, nil
}

// introduce is the dialling side of the handshake.
func (p *peer) introduce(w *wire) (Hello, error) {
	frame, err := encodeHello(kindHello, p.t.config.Self)
	if err != nil {
		return Hello{}, err
	}
	if _, err := w.Write(append([]byte(preamble), frame...)); err != nil {
		return Hello{}, err
	}
	if err := readPreamble(w); err != nil {
		return Hello{}, err
	}
	kind, value, err := readHandshake(w)
	if err != nil {
		return Hello{}, err
	}
	switch kind {
	case kindWelcome:
	case kindRefusal:
		refusal, err := decodeRefusal(value)
		if err != nil {
			return Hello{}, err
		}
		return Hello{}, refusal
	default:
		return Hello{}, fmt.Errorf("%w: handshake: kind %d instead of a Welcome", ErrMalformed, kind)
	}
	hello, err := decodeHello(value)
	if err != nil {
		return Hello{}, err
	}
	if err := p.t.judge(w, &hello); err != nil {
		return Hello{}, err
	}
	if hello.NodeID != p.ID {
		return Hello{}, &Refusal{Code: RefusedWrongMember,
			Message: fmt.Sprintf("the address %s, given for %s, leads to %s", p.Address, p.Name, nameOf(hello)),
			Hint:    "Correct the addresses in --initial-cluster."}
	}
	return hello, nil
}

// converse sends what the outbox holds, and a Ping four times in an idle
// timeout, until the connection ends; it returns why.
func (p *peer) converse(w *wire) error {
	var reading sync.WaitGroup
	broken := make(chan struct{})
	reading.Go(func() {
		defer close(broken)
		w.closeBecause(p.readPongs(w))
	})
	err := p.send(w, broken)
	err = w.reason(err)
	reading.Wait()
	return err
}

var errPeerClosed = errors.New("the reading side has ended")

func (p *peer) send(w *wire, broken <-chan struct{}) error {
	ticker := time.NewTicker(max(p.t.config.IdleTimeout/4, time.Millisecond))
	defer ticker.Stop()
	flush := func(b []byte) error {
		_, err := w.Write(b)
		return err
	}
	var waiting batch
	buf := appendProbe(nil, kindPing, p.t.stamp())
	for {
		var err error
		if buf, err = waiting.encode(buf, flush); err == nil && len(buf) > 0 {
			err = flush(buf)
		}
		if err != nil {
			return err
		}
		waiting.reset()
		if buf = buf[:0]; cap(buf) > keptBufferBytes {
			buf = nil
		}
		select {
		case <-broken:
			return errPeerClosed
		case <-ticker.C:
			buf = appendProbe(buf, kindPing, p.t.stamp())
		case <-p.outbox.wake:
			p.outbox.take(&waiting)
		}
	}
}

// readPongs reads what comes back on the connection that we dialled: Pongs.
func (p *peer) readPongs(w *wire) error {
	r := frameReader{buffered: bufio.NewReaderSize(w, pongBufferBytes), maxFrameBytes: handshakeFrameBytes}
	for {
		f, err := r.next()
		if err != nil {
			return w.idleError(err)
		}
		if f.kind != kindPong {
			return fmt.Errorf("%w: kind %d where only a Pong may come", ErrMalformed, f.kind)
		}
		if now := p.t.stamp(); f.stamp <= now {
			p.roundTrip.Store(int64(now - f.stamp))
		}
	}
}

// stamp is the time since New, in nanoseconds.
func (t *Transport) stamp() uint64 { return uint64(time.Since(t.started)) }

// toldMax is how many different refusals a peer's Handler is told between two
// connections.
const toldMax = 16

// failed keeps err and tells the Handler if it is one that a person should
// see, once.
func (p *peer) failed(address string, err error) {
	text := err.Error()
	var refusal *Refusal
	if errors.As(err, &refusal) {
		text = refusal.Error() // without the port, which is new each time
	}
	p.mu.Lock()
	p.lastError = err
	tell := notable(err) && len(p.told) < toldMax && !slices.Contains(p.told, text)
	if tell {
		p.told = append(p.told, text)
	}
	p.mu.Unlock()
	if tell {
		p.t.config.Handler.Refused(p.ID, address, err)
	}
}

// notable tells what was said wrongly from a network that merely failed.
func notable(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) || errors.Is(err, ErrMalformed) ||
		errors.Is(err, ErrFrameTooLarge) || errors.Is(err, ErrNotPeerProtocol)
}

// backoff counts the pauses between dials.
type backoff struct {
	min, max time.Duration
	last     time.Duration // 0: none yet
}

// next doubles the pause up to max and returns it less a random part of at
// most half, random in [0, 1): members that lost a peer together do not come
// back together.
func (b *backoff) next(random float64) time.Duration {
	b.last = min(max(2*b.last, b.min), b.max)
	return b.last - time.Duration(random*float64(b.last)/2)
}

func (b *backoff) reset() { b.last = 0 }
