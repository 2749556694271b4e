package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// dialler makes connections for one purpose: it is the dialling side of the
// handshake.
type dialler struct {
	self    Hello
	purpose purpose
	dial    func(ctx context.Context, address string) (net.Conn, error)
	timeout time.Duration // for dialling and handshake together
	// judge decides about the Welcome. A *Refusal is told to the other side.
	judge func(Hello) error
}

// connect dials and shakes hands with the member that is called name. The Hello
// that it returns has passed every check.
func (d *dialler) connect(ctx context.Context, name, address string) (*wire, Hello, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	where := address
	if name != address {
		where = name + " at " + address
	}
	conn, err := d.dial(ctx, address)
	if err != nil {
		return nil, Hello{}, fmt.Errorf("transport: connect to %s: %w", name, err)
	}
	w := newWire(conn)
	stop := context.AfterFunc(ctx, func() { w.closeBecause(context.Cause(ctx)) })
	hello, err := d.introduce(w)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, Hello{}, fmt.Errorf("transport: handshake with %s: %w", where, w.reason(err))
	}
	w.process = hello.Process
	return w, hello, nil
}

func (d *dialler) introduce(w *wire) (Hello, error) {
	frame, err := encodeHello(kindHello, d.self, d.purpose)
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
		return Hello{}, receivedRefusal(value)
	default:
		return Hello{}, fmt.Errorf("%w: handshake: kind %d instead of a Welcome", ErrMalformed, kind)
	}
	hello, _, err := decodeHello(value)
	if err != nil {
		return Hello{}, err
	}
	err = d.judge(hello)
	hello.TokenDigest = [32]byte{}
	if err != nil {
		return Hello{}, w.refuse(d.self, hello, err)
	}
	return hello, nil
}

// receivedRefusal is the error that a Refusal's value stands for.
func receivedRefusal(value []byte) error {
	refusal, err := decodeRefusal(value)
	if err != nil {
		return err
	}
	return refusal
}

// refuse tells the other side of err: its words if it is a *Refusal, else only
// that there is something. It returns the error for our own side.
func (w *wire) refuse(self, peer Hello, err error) error {
	var told *Refusal
	own := err
	if !errors.As(err, &told) {
		told = &Refusal{Code: RefusedUnable,
			Message: fmt.Sprintf("%s cannot decide about %s now", nameOf(self), nameOf(peer)),
			Hint:    "Its log says why."}
		own = fmt.Errorf("%w: %w", told, err)
	}
	if frame, err := encodeRefusal(told); err == nil {
		// That the peer cannot be told changes nothing about the refusal.
		_, _ = w.Write(frame)
	}
	return own
}
