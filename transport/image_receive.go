package transport

import (
	"errors"
	"fmt"
	"sync"
)

// imageSlot holds the one image that a member receives at a time.
type imageSlot struct {
	mu     sync.Mutex // guards the fields below
	wire   *wire      // nil: none
	header ImageHeader
}

// enter makes w the connection that brings an image, unless the present one
// brings a newer image. The present one is closed, and over when enter returns.
func (s *imageSlot) enter(w *wire, h ImageHeader) error {
	s.mu.Lock()
	old := s.wire
	if old != nil && h.olderThan(&s.header) {
		s.mu.Unlock()
		return fmt.Errorf("a newer image, at index %d, is being received", s.header.Snapshot.Index)
	}
	s.wire, s.header = w, h
	s.mu.Unlock()
	if old != nil {
		old.closeBecause(ErrReplaced)
		<-old.done
	}
	return nil
}

func (s *imageSlot) leave(w *wire) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire == w {
		s.wire = nil
	}
}

// olderThan: an image of a later term's leader is the newer one, and in one
// term the one with the higher index.
func (h *ImageHeader) olderThan(o *ImageHeader) bool {
	if h.Term != o.Term {
		return h.Term < o.Term
	}
	return h.Snapshot.Index < o.Snapshot.Index
}

// serveImage receives one image.
func (t *Transport) serveImage(w *wire, o opening) error {
	h, err := decodeImage(o.value, o.hello.NodeID)
	if err != nil {
		return fmt.Errorf("transport: image from %s: %w", nameOf(o.hello), err)
	}
	count := new(counters)
	if p := t.peer(o.hello.NodeID); p != nil {
		count = &p.count
	}
	if err = w.establish(t.config.ImageIdleTimeout, count); err == nil {
		err = t.receiveImage(w, h)
	}
	if err != nil {
		return fmt.Errorf("transport: image at index %d from %s: %w", h.Snapshot.Index, nameOf(o.hello), w.reason(err))
	}
	return nil
}

func (t *Transport) receiveImage(w *wire, h ImageHeader) error {
	if err := w.busy(func() error { return t.incoming.enter(w, h) }); err != nil {
		return w.fail(err)
	}
	defer t.incoming.leave(w)
	var into ImageWriter
	err := w.busy(func() (err error) {
		into, err = t.config.Images.Receive(h)
		return err
	})
	if err != nil {
		return w.fail(err)
	}
	if err := receiveChunks(w, h, into); err != nil {
		return errors.Join(err, into.Close())
	}
	if err := w.busy(into.Commit); err != nil {
		return w.fail(err)
	}
	_, err = w.Write(appendProbe(nil, kindDone, uint64(h.Bytes)))
	return err
}

// receiveChunks tells the sender how much of the image is here, first and
// after each frame, and takes the rest of it.
func receiveChunks(w *wire, h ImageHeader, into ImageWriter) error {
	offset := into.Offset()
	if offset < 0 || offset > h.Bytes {
		return w.fail(fmt.Errorf("of an image of %d bytes it claims to have %d", h.Bytes, offset))
	}
	buf := make([]byte, min(h.Bytes-offset+chunkFrameBytes-chunkBytes, chunkFrameBytes))
	for {
		if _, err := w.Write(appendProbe(nil, kindHave, uint64(offset))); err != nil {
			return err
		}
		if offset == h.Bytes {
			return nil
		}
		kind, value, err := readFrame(w, buf, chunkFrameBytes)
		if err != nil {
			return err
		}
		if kind == kindPing {
			continue
		}
		if kind != kindChunk {
			return w.fail(fmt.Errorf("%w: kind %d where a part of an image was to come", ErrMalformed, kind))
		}
		at, data, err := decodeChunk(value)
		switch {
		case err != nil:
			return w.fail(fmt.Errorf("at byte %d of %d: %w", offset, h.Bytes, err))
		case at != uint64(offset) || len(data) == 0 || int64(len(data)) > h.Bytes-offset:
			return w.fail(fmt.Errorf("%w: %d bytes of an image at %d, where %d of %d are here", ErrMalformed, len(data), at, offset, h.Bytes))
		}
		if _, err := into.Write(data); err != nil {
			return w.fail(err)
		}
		offset += int64(len(data))
	}
}
