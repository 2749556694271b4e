package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
)

// peer is another member, or a guest: the connection that we dial to it and
// send on, and the claim of the one that it dialled to us.
type peer struct {
	ID        raft.NodeID
	t         *Transport
	outbox    outbox
	count     counters
	roundTrip atomic.Int64  // nanoseconds
	seen      chan struct{} // a token when the peer has connected to us, or moved

	ctx     context.Context // ends when the peer is dropped, or Run ends
	cancel  context.CancelCauseFunc
	after   <-chan struct{} // closed when the predecessor with this id has ended; nil: none
	stopped chan struct{}   // closed when run returns
	ended   chan struct{}   // closed when a dropped peer's Handler calls are over

	mu        sync.Mutex // guards the fields below
	to        Peer
	guest     bool
	gone      error                   // why the peer was dropped
	session   context.CancelCauseFunc // ends the present dial or connection
	outbound  *wire                   // our connection to the peer, nil: none
	connects  uint64
	hello     Hello // of the newest handshake in either direction
	lastError error
	told      []string  // what the Handler was told since the last connection
	inbound   *wire     // the peer's connection to us, nil: none
	contact   time.Time // when the last connection ended, or the peer was made
}

func newPeer(t *Transport, to Peer, guest bool) *peer {
	p := &peer{
		ID: to.ID,
		t:  t,
		outbox: outbox{
			maxCount: t.config.QueueMessages, maxBytes: t.config.QueueBytes,
			maxFrameBytes: t.config.MaxFrameBytes, maxEntries: t.config.MaxEntriesPerMessage,
			wake: make(chan struct{}, 1),
		},
		seen:    make(chan struct{}, 1),
		stopped: make(chan struct{}), ended: make(chan struct{}),
		to: to, guest: guest, contact: time.Now(),
	}
	p.ctx, p.cancel = context.WithCancelCause(t.ctx)
	return p
}

func (p *peer) state() PeerState {
	dropped := p.outbox.droppedCount()
	p.mu.Lock()
	defer p.mu.Unlock()
	return PeerState{
		Peer: p.to, Guest: p.guest, Connected: p.outbound != nil, Receiving: p.inbound != nil, Hello: p.hello,
		RoundTrip: time.Duration(p.roundTrip.Load()),
		SentBytes: p.count.sent.Load(), ReceivedBytes: p.count.received.Load(),
		Dropped: dropped, Connects: p.connects, LastError: p.lastError,
	}
}

// whom says where the peer is, and whether it is a guest.
func (p *peer) whom() (to Peer, guest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.to, p.guest
}

func (p *peer) name() string {
	to, _ := p.whom()
	return to.Name
}

// set makes the peer a member at to.Address. If it has been met, it returns the
// Hello that it gave.
func (p *peer) set(to Peer) (hello Hello, met bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.guest = false
	p.move(to)
	return p.hello, p.hello.NodeID != 0
}

// movedAsGuest takes over what a guest says of itself; a member's address is
// in the configuration.
func (p *peer) movedAsGuest(to Peer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.guest {
		p.move(to)
	}
}

// move changes name and address; mu is held.
func (p *peer) move(to Peer) {
	moved := p.to.Address != to.Address
	p.to = to
	if !moved {
		return
	}
	if p.session != nil {
		p.session(ErrMoved)
	}
	p.poke()
}

// poke ends the pause before the next dial.
func (p *peer) poke() {
	select {
	case p.seen <- struct{}{}:
	default:
	}
}

// absent says for how long a guest has not been connected; not ok: it is, or
// it is no guest.
func (p *peer) absent() (d time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Since(p.contact), p.guest && p.inbound == nil && p.outbound == nil
}

// twin returns the Hello of the process that the peer is connected with, if
// that is another one and was heard lately. Pings come four times in an idle
// timeout, so half of it in silence means that the process, or its network, is
// gone, and that the newcomer may be its successor.
func (p *peer) twin(process uint64) (Hello, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range []*wire{p.inbound, p.outbound} {
		if w != nil && w.process != process && w.heardWithin(p.t.config.IdleTimeout/2) {
			return p.hello, true
		}
	}
	return Hello{}, false
}

// hangUp ends the present connections.
func (p *peer) hangUp(reason error) {
	p.mu.Lock()
	inbound, session := p.inbound, p.session
	p.mu.Unlock()
	if inbound != nil {
		inbound.closeBecause(reason)
	}
	if session != nil {
		session(reason)
	}
}

// leave ends the connections for good and drops what waits. It returns the
// inbound connection, if there is one.
func (p *peer) leave(reason error) (inbound *wire) {
	p.mu.Lock()
	p.gone, inbound = reason, p.inbound
	p.mu.Unlock()
	if inbound != nil {
		inbound.closeBecause(reason)
	}
	p.cancel(reason)
	p.outbox.setOpen(false)
	return inbound
}

// run keeps a connection to the peer until it is dropped, or Run ends.
func (p *peer) run() {
	defer close(p.stopped)
	if p.after != nil {
		<-p.after
	}
	retry := backoff{min: p.t.config.RetryMin, max: p.t.config.RetryMax}
	for p.ctx.Err() == nil {
		to, _ := p.whom()
		connected, err := p.converse(to)
		if p.ctx.Err() != nil {
			return
		}
		if connected {
			retry.reset()
		}
		p.failed(to.Address, err)
		p.t.forget(p)
		p.pause(retry.next(rand.Float64()))
	}
}

// pause waits before the next dial; less when the peer shows that it lives, so
// that a restarted member is not kept waiting.
func (p *peer) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ctx.Done():
	case <-timer.C:
	case <-p.seen:
	}
}

// converse dials, shakes hands and sends until the connection ends.
func (p *peer) converse(to Peer) (connected bool, err error) {
	ctx, cancel := context.WithCancelCause(p.ctx)
	defer cancel(nil)
	p.mu.Lock()
	p.session = cancel
	moved := p.to.Address != to.Address
	p.mu.Unlock()
	if moved {
		return false, ErrMoved
	}
	d := p.dialler(forMessages)
	w, hello, err := d.connect(ctx, to.Name, to.Address)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { w.closeBecause(context.Cause(ctx)) })
	defer stop()
	defer w.Close()
	if err := w.establish(p.t.config.IdleTimeout, &p.count); err != nil {
		return false, fmt.Errorf("transport: connect to %s: %w", to.Name, err)
	}

	p.mu.Lock()
	p.outbound, p.hello, p.told = w, hello, nil
	p.connects++
	p.mu.Unlock()
	p.outbox.setOpen(true)
	select {
	case <-p.seen: // that the peer lives is no news any more
	default:
	}
	p.t.config.Handler.Connected(hello)

	err = p.exchange(w)

	p.outbox.setOpen(false)
	err = fmt.Errorf("transport: connection to %s: %w", to.Name, err)
	p.mu.Lock()
	p.outbound, p.contact, p.lastError = nil, time.Now(), err // before anybody is told to look
	p.mu.Unlock()
	p.t.config.Handler.Disconnected(p.ID, err)
	return true, err
}

// dialler makes connections to this peer.
func (p *peer) dialler(purpose purpose) dialler {
	c := &p.t.config
	return dialler{
		self: c.Self, purpose: purpose, dial: c.Dial, timeout: c.HandshakeTimeout,
		judge: func(hello Hello) error {
			if refusal := examine(c.Self, hello, purpose, p.t.removedIDs()); refusal != nil {
				return refusal
			}
			if to, _ := p.whom(); hello.NodeID != p.ID {
				return &Refusal{Code: RefusedWrongMember,
					Message: fmt.Sprintf("the address %s, given for %s, leads to %s", to.Address, to.Name, nameOf(hello)),
					Hint:    "Correct the addresses of the members."}
			}
			hello.TokenDigest = [32]byte{}
			return p.admissible(hello)
		},
	}
}

// exchange sends what the outbox holds, and a Ping four times in an idle
// timeout, until the connection ends; it returns why.
func (p *peer) exchange(w *wire) error {
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
	text := reasonOf(err)
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

// reasonOf is what the error says without the port of a connection, which is
// new each time.
func reasonOf(err error) string {
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return refusal.Error()
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "transport: connection from ") {
		return inner.Error()
	}
	return err.Error()
}

// notable tells what was said wrongly from a network that merely failed.
func notable(err error) bool {
	var refusal *Refusal
	return errors.As(err, &refusal) || errors.Is(err, ErrMalformed) ||
		errors.Is(err, ErrFrameTooLarge) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrNotPeerProtocol)
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
