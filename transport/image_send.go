package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"quorate/raft"
)

// SendImage sends an image on a connection of its own and returns nil when the
// other member has all of it, verified and durable. When the connection breaks
// it returns an error; the next SendImage of the same image (by its SHA256)
// goes on where the receiver is.
func (t *Transport) SendImage(ctx context.Context, to raft.NodeID, h ImageHeader, image io.ReaderAt) error {
	p := t.peer(to)
	if p == nil {
		return fmt.Errorf("transport: image at index %d: no member has the id %s", h.Snapshot.Index, to)
	}
	h.From = t.self
	ctx, stop := untilEither(ctx, p.ctx)
	defer stop()
	if err := p.sendImage(ctx, &h, image); err != nil {
		return fmt.Errorf("transport: image at index %d to %s: %w", h.Snapshot.Index, p.name(), err)
	}
	return nil
}

func (p *peer) sendImage(ctx context.Context, h *ImageHeader, image io.ReaderAt) error {
	frame := appendImage(nil, h)
	if len(frame) > imageHeaderBytes {
		return fmt.Errorf("%w: its configuration takes %d bytes", ErrFrameTooLarge, len(frame))
	}
	d := p.dialler(forImage)
	to, _ := p.whom()
	w, _, err := d.connect(ctx, to.Name, to.Address)
	if err != nil {
		return err
	}
	defer w.Close()
	stop := context.AfterFunc(ctx, func() { w.closeBecause(context.Cause(ctx)) })
	defer stop()
	if err := w.establish(p.t.config.ImageIdleTimeout, &p.count); err != nil {
		return w.reason(err)
	}
	if _, err := w.Write(frame); err != nil {
		return w.reason(err)
	}
	offset, done, err := awaitHave(w, h)
	if err != nil {
		return w.reason(err)
	}
	if done {
		return nil
	}
	s := imageSender{wire: w, header: h, image: image, bytesPerSecond: p.t.config.ImageBytesPerSecond}
	if err := s.run(ctx, offset); err != nil {
		return w.reason(err)
	}
	return nil
}

// awaitHave reads what the receiver says of the image: that it has a part of
// it, or done, all. Meanwhile it may be at work, and sends Pings.
func awaitHave(w *wire, h *ImageHeader) (offset int64, done bool, err error) {
	var buf [handshakeFrameBytes]byte
	for {
		kind, value, err := readFrame(w, buf[:], len(buf))
		if err != nil {
			return 0, false, err
		}
		switch kind {
		case kindFailure:
			return 0, false, receivedFailure(value)
		case kindPing, kindHave, kindDone:
		default:
			return 0, false, fmt.Errorf("%w: kind %d from the receiver of an image", ErrMalformed, kind)
		}
		r := reader{buf: value}
		n := r.uint()
		if err := r.whole(); err != nil {
			return 0, false, err
		}
		if kind == kindPing {
			continue
		}
		if n > uint64(h.Bytes) || kind == kindDone && n != uint64(h.Bytes) {
			return 0, false, fmt.Errorf("%w: the receiver of an image of %d bytes has %d", ErrMalformed, h.Bytes, n)
		}
		return int64(n), kind == kindDone, nil
	}
}

// imageSender sends what the receiver lacks.
type imageSender struct {
	*wire
	header         *ImageHeader
	image          io.ReaderAt
	bytesPerSecond int64
}

// run sends from offset on, and returns nil when the receiver has said Done.
func (s *imageSender) run(ctx context.Context, offset int64) error {
	var listening sync.WaitGroup
	var told error // valid when heard is closed
	heard := make(chan struct{})
	listening.Go(func() {
		defer close(heard)
		told = s.listen()
	})
	err := s.send(ctx, offset, heard)
	var network *networkError
	if err != nil && !errors.As(err, &network) {
		s.closeBecause(err) // nobody need wait for what the receiver says
	}
	// When sending has failed, why may have been said in the other direction.
	listening.Wait()
	// And the receiver may have been quicker to say Done than we to see that
	// there is nothing more to send.
	var words *failure
	if err == nil || told == nil || errors.As(told, &words) {
		return told
	}
	return err
}

// networkError marks an error of the connection, after which the other side's
// last words may still be there to be read.
type networkError struct{ error }

func (e *networkError) Unwrap() error { return e.error }

func (s *imageSender) listen() error {
	for {
		_, done, err := awaitHave(s.wire, s.header)
		if done || err != nil {
			return err
		}
	}
}

// send sends chunks at the rate, until the end or until heard is closed.
func (s *imageSender) send(ctx context.Context, offset int64, heard <-chan struct{}) error {
	buf := make([]byte, min(chunkBytes, s.header.Bytes-offset))
	var frame []byte
	began, first := time.Now(), offset
	for offset < s.header.Bytes {
		n := min(int64(len(buf)), s.header.Bytes-offset)
		if got, err := s.image.ReadAt(buf[:n], offset); int64(got) < n {
			return fmt.Errorf("read it at %d: %w", offset, err)
		}
		frame = appendChunk(frame[:0], offset, buf[:n])
		if _, err := s.Write(frame); err != nil {
			return &networkError{err}
		}
		offset += n
		if err := s.rest(ctx, began.Add(s.duration(offset-first)), heard); err != nil {
			return err
		}
	}
	return nil
}

// duration is how long bytes must take at the least.
func (s *imageSender) duration(bytes int64) time.Duration {
	if s.bytesPerSecond == 0 {
		return 0
	}
	return time.Duration(float64(bytes) / float64(s.bytesPerSecond) * float64(time.Second))
}

var errReceiverEnded = &networkError{errors.New("the receiver has ended the transfer")}

// rest waits until the time, and sends Pings, so that the receiver goes on
// waiting for us.
func (s *imageSender) rest(ctx context.Context, until time.Time, heard <-chan struct{}) error {
	for {
		select {
		case <-heard:
			return errReceiverEnded
		default:
		}
		d := time.Until(until)
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(min(d, s.idle/4))
		select {
		case <-timer.C:
		case <-heard:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
		timer.Stop()
		if d > s.idle/4 {
			if _, err := s.Write(appendProbe(nil, kindPing, 0)); err != nil {
				return &networkError{err}
			}
		}
	}
}
