package transport

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"quorate/raft"
)

// acceptPause is the pause after a failed Accept, which comes from a lack of
// file descriptors or memory and passes.
const acceptPause = 50 * time.Millisecond

// accept takes connections until ctx ends or the listener is closed.
func (t *Transport) accept(ctx context.Context, connections *sync.WaitGroup) error {
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
		connections.Go(func() { t.serve(ctx, newWire(conn)) })
	}
}

// serve is one accepted connection, from its first byte to its last.
func (t *Transport) serve(ctx context.Context, w *wire) {
	defer close(w.done)
	stop := context.AfterFunc(ctx, func() { w.closeBecause(ctx.Err()) })
	defer stop()
	address := w.RemoteAddr().String()

	t.handshakes.enter(w)
	hello, err := t.receiveHello(w)
	t.handshakes.leave(w)

	p := t.peer(hello.NodeID)
	if err == nil {
		p.claim(w)
		err = p.receive(w)
		p.release(w)
		err = fmt.Errorf("transport: connection from %s: %w", p.Name, w.reason(err))
	} else {
		err = fmt.Errorf("transport: connection from %s: handshake: %w", address, w.reason(err))
	}
	switch {
	case ctx.Err() != nil:
	case p != nil:
		p.failed(address, err)
	case notable(err):
		t.config.Handler.Refused(hello.NodeID, address, err)
	}
}

// receiveHello is the accepting side of the handshake. The connection stands
// when the dialling side, having seen our Welcome, sends its first Ping.
// With an error, the Hello tells who it was, as far as it came.
func (t *Transport) receiveHello(w *wire) (Hello, error) {
	if err := w.SetDeadline(time.Now().Add(t.config.HandshakeTimeout)); err != nil {
		return Hello{}, err
	}
	if err := readPreamble(w); err != nil {
		return Hello{}, err
	}
	if _, err := w.Write([]byte(preamble)); err != nil {
		return Hello{}, err
	}
	kind, value, err := readHandshake(w)
	if err != nil {
		return Hello{}, err
	}
	if kind != kindHello {
		return Hello{}, fmt.Errorf("%w: handshake: kind %d instead of a Hello", ErrMalformed, kind)
	}
	hello, err := decodeHello(value)
	if err != nil {
		return Hello{}, err
	}
	if err := t.judge(w, &hello); err != nil {
		return hello, err
	}
	welcome, err := encodeHello(kindWelcome, t.config.Self)
	if err != nil {
		return hello, err
	}
	if _, err := w.Write(welcome); err != nil {
		return hello, err
	}
	return hello, t.awaitPing(w)
}

// awaitPing reads what the dialling side makes of our Welcome, and answers.
func (t *Transport) awaitPing(w *wire) error {
	kind, value, err := readHandshake(w)
	if err != nil {
		return err
	}
	switch kind {
	case kindPing:
		r := reader{buf: value}
		stamp := r.uint()
		if r.err != nil || r.left() > 0 {
			return fmt.Errorf("%w: handshake: Ping", ErrMalformed)
		}
		_, err := w.Write(appendProbe(nil, kindPong, stamp))
		return err
	case kindRefusal:
		refusal, err := decodeRefusal(value)
		if err != nil {
			return err
		}
		return refusal
	}
	return fmt.Errorf("%w: handshake: kind %d instead of a Ping", ErrMalformed, kind)
}

// judge decides about a peer's Hello, and sends the refusal if it is one. The
// token's digest has done its work then and is removed.
func (t *Transport) judge(w *wire, hello *Hello) error {
	refusal := examine(t.config.Self, *hello, t.config.Peers)
	hello.TokenDigest = [32]byte{}
	var own error // what the peer is not told
	if refusal == nil {
		err := t.config.Admit(*hello)
		if err == nil {
			return nil
		}
		if !errors.As(err, &refusal) {
			own = err
			refusal = &Refusal{Code: RefusedUnable,
				Message: fmt.Sprintf("%s cannot decide about %s now", nameOf(t.config.Self), nameOf(*hello)),
				Hint:    "Its log says why."}
		}
	}
	frame, err := encodeRefusal(refusal)
	if err == nil {
		// That the peer cannot be told changes nothing about the refusal.
		_, _ = w.Write(frame)
	}
	if own != nil {
		return fmt.Errorf("%w: %w", refusal, own)
	}
	return refusal
}

// claim makes w the connection on which the peer is heard. An older one is
// closed and has handed over all it had when claim returns: so what a peer
// sends is heard in order across its connections.
func (p *peer) claim(w *wire) {
	p.mu.Lock()
	old := p.inbound
	p.inbound = w
	p.mu.Unlock()
	if old != nil {
		old.closeBecause(ErrReplaced)
		<-old.done
	}
	select {
	case p.seen <- struct{}{}:
	default:
	}
}

func (p *peer) release(w *wire) {
	p.mu.Lock()
	if p.inbound == w {
		p.inbound = nil
	}
	p.mu.Unlock()
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
