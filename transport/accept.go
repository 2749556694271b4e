package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"quorate/raft"
)

// acceptPause is the pause after a failed Accept, which comes from a lack of
// file descriptors or memory and passes.
const acceptPause = 50 * time.Millisecond

// accept takes connections until ctx ends or the listener is closed.
func (t *Transport) accept(ctx context.Context) error {
	for {
		conn, err := t.config.Listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("transport: the peer listener was closed: %w", err)
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(acceptPause):
			}
			continue
		}
		t.connections.Go(func() { t.serve(ctx, newWire(conn)) })
	}
}

// serve is one accepted connection, from its first byte to its last.
func (t *Transport) serve(ctx context.Context, w *wire) {
	defer close(w.done)
	stop := context.AfterFunc(ctx, func() { w.closeBecause(ctx.Err()) })
	defer stop()
	address := w.RemoteAddr().String()

	t.handshakes.enter(w)
	o, err := t.receiveOpening(w)
	t.handshakes.leave(w)

	switch {
	case err != nil:
		err = fmt.Errorf("transport: connection from %s: handshake: %w", address, w.reason(err))
	case o.purpose == forMessages:
		err = t.serveMessages(w, o)
	case o.purpose == forImage:
		err = t.serveImage(w, o)
	case o.purpose == forCall:
		err = t.serveCall(ctx, w, o)
	}
	w.closeBecause(err)
	if err == nil || ctx.Err() != nil {
		return
	}
	if p := t.peer(o.hello.NodeID); p != nil {
		p.failed(address, err)
	} else if notable(err) && t.strangers.tell(address, err) {
		t.config.Handler.Refused(o.hello.NodeID, address, err)
	}
}

// opening is what the dialling side has said when the handshake is over.
type opening struct {
	hello   Hello
	purpose purpose
	value   []byte // of the first frame after the Hello
}

// firstFrame is the kind and the limit of the first frame after the Hello.
var firstFrame = [...]struct {
	kind  frameKind
	limit int
}{
	forMessages: {kindPing, handshakeFrameBytes},
	forImage:    {kindImage, imageHeaderBytes},
	forCall:     {kindCall, maxCallBytes + frameMaxBytes},
}

// receiveOpening is the accepting side of the handshake, and what the dialling
// side says to our Welcome. With an error, the Hello tells who it was, as far
// as it came.
func (t *Transport) receiveOpening(w *wire) (o opening, err error) {
	if err := w.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return o, err
	}
	if err := readPreamble(w); err != nil {
		return o, err
	}
	if _, err := w.Write([]byte(preamble)); err != nil {
		return o, err
	}
	kind, value, err := readHandshake(w)
	if err != nil {
		return o, err
	}
	if kind != kindHello {
		return o, fmt.Errorf("%w: handshake: kind %d instead of a Hello", ErrMalformed, kind)
	}
	if o.hello, o.purpose, err = decodeHello(value); err != nil {
		return o, err
	}
	err = t.judge(&o.hello, o.purpose)
	if err != nil {
		return o, w.refuse(t.config.Self, o.hello, err)
	}
	w.process = o.hello.Process
	welcome, err := encodeHello(kindWelcome, t.config.Self, o.purpose)
	if err != nil {
		return o, err
	}
	if _, err := w.Write(welcome); err != nil {
		return o, err
	}
	first := firstFrame[o.purpose]
	kind, o.value, err = readFrame(w, nil, first.limit)
	switch {
	case err != nil:
		return o, err
	case kind == kindRefusal:
		return o, receivedRefusal(o.value)
	case kind != first.kind:
		return o, fmt.Errorf("%w: handshake: kind %d where %d was to come", ErrMalformed, kind, first.kind)
	}
	return o, nil
}

// judge decides about a Hello that opens a connection to us. The token's digest
// has done its work then and is removed.
func (t *Transport) judge(hello *Hello, p purpose) error {
	refusal := examine(t.config.Self, *hello, p, t.removedIDs())
	hello.TokenDigest = [32]byte{}
	switch {
	case refusal != nil:
		return refusal
	case p != forCall && hello.NodeID == 0:
		return fmt.Errorf("%w: handshake: a member without an id", ErrMalformed)
	case p == forCall && t.config.Answer == nil, p == forImage && t.config.Images == nil:
		return &Refusal{Code: RefusedUnable, Message: nameOf(t.config.Self) + " does not take such connections"}
	case p == forCall:
		return nil // whoever has the token may ask; Answer decides
	}
	return t.admissible(*hello, p)
}

// serveMessages makes the connection the one on which a peer is heard, until
// it ends.
func (t *Transport) serveMessages(w *wire, o opening) error {
	r := reader{buf: o.value}
	stamp := r.uint()
	if r.err != nil || r.left() > 0 {
		return fmt.Errorf("%w: handshake: Ping", ErrMalformed)
	}
	p, err := t.acquaint(o.hello)
	if err == nil {
		err = p.claim(w, o.hello)
	}
	if err != nil {
		return fmt.Errorf("transport: connection from %s: %w", nameOf(o.hello), w.reason(err))
	}
	defer p.release(w)
	if _, err = w.Write(appendProbe(nil, kindPong, stamp)); err == nil {
		err = p.receive(w)
	}
	return fmt.Errorf("transport: connection from %s: %w", nameOf(o.hello), w.reason(err))
}

// claim makes w the connection on which the peer is heard. An older one is
// closed and has handed over all it had when claim returns: so what a peer
// sends is heard in order across its connections. It fails when the peer was
// dropped meanwhile.
func (p *peer) claim(w *wire, hello Hello) error {
	if p.after != nil {
		<-p.after
	}
	p.mu.Lock()
	if p.gone != nil {
		p.mu.Unlock()
		return p.gone
	}
	old := p.inbound
	p.inbound, p.hello = w, hello
	p.mu.Unlock()
	if old != nil {
		old.closeBecause(ErrReplaced)
		<-old.done
	}
	p.poke()
	return nil
}

func (p *peer) release(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inbound == w {
		p.inbound, p.contact = nil, time.Now()
	}
}

// receive hands over what the peer sends until the connection ends.
func (p *peer) receive(w *wire) error {
	if err := w.establish(p.t.config.IdleTimeout, &p.count); err != nil {
		return err
	}
	r := frameReader{
		buffered: bufio.NewReaderSize(w, dataBufferBytes), from: p.ID, to: p.t.self,
		maxFrameBytes: p.t.config.MaxFrameBytes, maxEntries: p.t.config.MaxEntriesPerMessage,
	}
	var pong []byte
	for {
		f, err := r.next()
		if err != nil {
			return err
		}
		if f.kind != kindPing {
			if err := f.hand(p.ID, p.t.config.Handler); err != nil {
				return err
			}
			continue
		}
		pong = appendProbe(pong[:0], kindPong, f.stamp)
		if _, err := w.Write(pong); err != nil {
			return err
		}
	}
}

// hand gives a frame's contents to the handler.
func (f *frame) hand(from raft.NodeID, h Handler) error {
	switch f.kind {
	case kindMessages:
		h.Messages(from, f.messages)
	case kindProposals:
		h.Proposals(from, f.proposals)
	case kindReplies:
		h.Replies(from, f.replies)
	case kindStanding:
		h.Standing(from, *f.standing)
	default:
		return fmt.Errorf("%w: kind %d on a connection that carries messages", ErrMalformed, f.kind)
	}
	return nil
}

// waitingRoom bounds the connections that have not said yet who they are.
type waitingRoom struct {
	max int

	mu      sync.Mutex // guards the fields below
	waiting []*wire    // oldest first
}

// strangers remembers what was told of connections that belong to no peer, so
// that a node which tries for hours fills no log.
type strangers struct {
	mu   sync.Mutex // guards the field below
	told []string   // newest last, at most toldMax
}

// tell reports whether err, met by whoever is at the address, is news.
func (s *strangers) tell(address string, err error) bool {
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		host = address
	}
	text := host + ": " + reasonOf(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.told, text) {
		return false
	}
	if len(s.told) == toldMax {
		s.told = slices.Delete(s.told, 0, 1)
	}
	s.told = append(s.told, text)
	return true
}

var errCrowded = errors.New("too many connections are in their handshake, and this was the oldest")

func (r *waitingRoom) enter(w *wire) {
	var oldest *wire
	r.mu.Lock()
	if len(r.waiting) == r.max {
		oldest = r.waiting[0]
		r.waiting = r.waiting[1:]
	}
	r.waiting = append(r.waiting, w)
	r.mu.Unlock()
	if oldest != nil {
		oldest.closeBecause(errCrowded)
	}
}

func (r *waitingRoom) leave(w *wire) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.waiting {
		if other == w {
			r.waiting = append(r.waiting[:i], r.waiting[i+1:]...)
			return
		}
	}
}
