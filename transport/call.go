package transport

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"quorate/raft"
)

// maxCallBytes bounds a call's request, and its answer.
const maxCallBytes = 1 << 20

// maxCalls is how many calls a member answers at a time: far more than
// operators and joining nodes make.
const maxCalls = 32

// failure is what the other side could not do, in its words.
type failure struct{ words string }

func (f *failure) Error() string { return f.words }

// CallConfig is what CallAddress needs of the node that calls, which may not be
// a member of anything yet.
type CallConfig struct {
	// Self is what the node says of itself. It has a TokenDigest; the other
	// fields may be zero, ClusterID too.
	Self Hello
	// Dial, HandshakeTimeout and IdleTimeout are as in Config.
	Dial             func(ctx context.Context, address string) (net.Conn, error)
	HandshakeTimeout time.Duration
	IdleTimeout      time.Duration
}

// CallAddress asks whoever listens at the address, without being a member: for
// a node that wants to join. The token must be the same; which cluster it is,
// the answer may say.
func CallAddress(ctx context.Context, c CallConfig, address string, request []byte) ([]byte, error) {
	if c.Dial == nil {
		c.Dial = dialTCP
	}
	orDefault(&c.HandshakeTimeout, defaultHandshakeTimeout)
	orDefault(&c.IdleTimeout, defaultIdleTimeout)
	c.Self.Protocol = Protocol
	d := dialler{
		self: c.Self, purpose: forCall, dial: c.Dial, timeout: c.HandshakeTimeout,
		judge: func(hello Hello) error {
			if refusal := examine(c.Self, hello, forCall, nil); refusal != nil {
				return refusal
			}
			return nil
		},
	}
	return d.call(ctx, address, address, c.IdleTimeout, request)
}

// Call asks a member, or a guest, one question on a connection of its own, and
// waits for the answer until ctx ends. Request and answer may be 1 MiB long.
// After an error the question may or may not have been heard.
func (t *Transport) Call(ctx context.Context, to raft.NodeID, request []byte) ([]byte, error) {
	p := t.peer(to)
	if p == nil {
		return nil, fmt.Errorf("transport: call: no member has the id %s", to)
	}
	ctx, stop := untilEither(ctx, p.ctx)
	defer stop()
	peer, _ := p.whom()
	d := p.dialler(forCall)
	return d.call(ctx, peer.Name, peer.Address, t.config.IdleTimeout, request)
}

func (d *dialler) call(ctx context.Context, name, address string, idle time.Duration, request []byte) ([]byte, error) {
	if len(request) > maxCallBytes {
		return nil, fmt.Errorf("transport: call to %s: a request of %d bytes, at most %d", name, len(request), maxCallBytes)
	}
	w, _, err := d.connect(ctx, name, address)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	stop := context.AfterFunc(ctx, func() { w.closeBecause(context.Cause(ctx)) })
	defer stop()
	answer, err := ask(w, idle, request)
	if err != nil {
		return nil, fmt.Errorf("transport: call to %s: %w", name, w.reason(err))
	}
	return answer, nil
}

// ask is the caller's side after the handshake.
func ask(w *wire, idle time.Duration, request []byte) ([]byte, error) {
	if err := w.establish(idle, new(counters)); err != nil {
		return nil, err
	}
	if _, err := w.Write(appendBlob(nil, kindCall, request)); err != nil {
		return nil, err
	}
	for {
		kind, value, err := readFrame(w, nil, maxCallBytes+frameMaxBytes)
		if err != nil {
			return nil, err
		}
		switch kind {
		case kindPing: // it is at work
		case kindAnswer:
			return decodeBlob(value)
		case kindFailure:
			return nil, receivedFailure(value)
		default:
			return nil, fmt.Errorf("%w: kind %d instead of an answer", ErrMalformed, kind)
		}
	}
}

// serveCall answers one call.
func (t *Transport) serveCall(ctx context.Context, w *wire, o opening) error {
	err := t.answer(ctx, w, o)
	if err != nil {
		return fmt.Errorf("transport: call from %s: %w", callerOf(o.hello), w.reason(err))
	}
	return nil
}

func callerOf(h Hello) string {
	if h.NodeID == 0 && h.Name == "" {
		return "a node without a name"
	}
	return nameOf(h)
}

func (t *Transport) answer(ctx context.Context, w *wire, o opening) error {
	request, err := decodeBlob(o.value)
	if err != nil {
		return err
	}
	if err := w.establish(t.config.IdleTimeout, new(counters)); err != nil {
		return err
	}
	defer t.calls.Add(-1)
	if t.calls.Add(1) > maxCalls {
		return w.fail(fmt.Errorf("%s is answering %d calls already; ask again later", nameOf(t.config.Self), maxCalls))
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		// The caller says no more: what ends this read is that it has gone, or
		// that we hang up.
		_, _ = io.ReadFull(w.Conn, make([]byte, 1))
		cancel()
	})
	defer watching.Wait()
	defer w.Close()
	var answer []byte
	err = w.busy(func() (err error) {
		answer, err = t.config.Answer(ctx, o.hello, request)
		return err
	})
	if err == nil && len(answer) > maxCallBytes {
		err = fmt.Errorf("an answer of %d bytes, at most %d", len(answer), maxCallBytes)
	}
	if err != nil {
		// It is the caller's to report, not ours, and whether it hears it is up
		// to the network.
		_, _ = w.Write(appendFailure(nil, err))
		return nil
	}
	_, err = w.Write(appendBlob(nil, kindAnswer, answer))
	return err
}

func appendFailure(b []byte, err error) []byte {
	return appendBlob(b, kindFailure, []byte(cut(err.Error())))
}

func receivedFailure(value []byte) error {
	words, err := decodeBlob(value)
	if err != nil {
		return err
	}
	return &failure{cut(string(words))}
}

// fail tells the other side what went wrong here, and waits until it hangs up:
// closing at once, with data of its still unread, could destroy the words.
func (w *wire) fail(err error) error {
	if _, writeErr := w.Write(appendFailure(nil, err)); writeErr != nil {
		return err
	}
	if w.Conn.SetReadDeadline(time.Now().Add(w.idle)) == nil {
		_, _ = io.Copy(io.Discard, w.Conn)
	}
	return err
}
