package transport

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
)

// writeChunkBytes is how much one deadline covers: a slow link is not a dead
// one as long as this much passes in an idle timeout.
const writeChunkBytes = 1 << 20

// epoch makes times comparable that are kept in one word; it does not follow
// changes of the clock.
var epoch = time.Now()

// counters of one peer's connections.
type counters struct {
	sent, received atomic.Uint64
}

// wire is one connection: it renews deadlines, counts, and remembers why it
// was closed first. One goroutine reads and one writes.
type wire struct {
	net.Conn
	idle    time.Duration // 0: deadlines are set by the owner, as in a handshake
	count   *counters
	process uint64        // the other side's
	heard   atomic.Int64  // when something arrived last, as time since epoch
	done    chan struct{} // closed by the owner when it has let go of the wire

	once  sync.Once
	cause error // why it was closed; set before the Conn is closed
}

func newWire(conn net.Conn) *wire {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// On by default in Go; said here because a replicated write waits for
		// every small frame. An error shows at the next read or write.
		_ = tcp.SetNoDelay(true)
	}
	return &wire{Conn: conn, count: new(counters), done: make(chan struct{})}
}

// establish ends the handshake: from now on it is idleness that counts, and
// the peer whose traffic this is.
func (w *wire) establish(idle time.Duration, count *counters) error {
	count.sent.Add(w.count.sent.Load())
	count.received.Add(w.count.received.Load())
	w.idle, w.count = idle, count
	w.heard.Store(int64(time.Since(epoch)))
	return w.SetDeadline(time.Time{})
}

// heardWithin tells whether something arrived in the last d.
func (w *wire) heardWithin(d time.Duration) bool {
	return time.Since(epoch)-time.Duration(w.heard.Load()) < d
}

// closeBecause closes the connection. The first reason stays.
func (w *wire) closeBecause(reason error) {
	w.once.Do(func() {
		w.cause = reason
		w.Conn.Close()
	})
}

// reason closes the connection because of err and returns why it really was
// closed: err may only be the echo of an earlier cause.
func (w *wire) reason(err error) error {
	w.closeBecause(w.idleError(err))
	return w.cause
}

// idleError names a deadline that passed for what it is.
func (w *wire) idleError(err error) error {
	if w.idle > 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%w for %v", ErrIdle, w.idle)
	}
	return err
}

func (w *wire) Read(b []byte) (int, error) {
	if w.idle > 0 {
		if err := w.SetReadDeadline(time.Now().Add(w.idle)); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.count.received.Add(uint64(n))
		w.heard.Store(int64(time.Since(epoch)))
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	written := 0
	for written < len(b) {
		if w.idle > 0 {
			if err := w.SetWriteDeadline(time.Now().Add(w.idle)); err != nil {
				return written, err
			}
		}
		n, err := w.Conn.Write(b[written:min(len(b), written+writeChunkBytes)])
		written += n
		w.count.sent.Add(uint64(n))
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// busy runs f and sends Pings meanwhile, so that the other side goes on waiting
// for us. Nothing else may be written before it returns.
func (w *wire) busy(f func() error) error {
	var pinging sync.WaitGroup
	done := make(chan struct{})
	pinging.Go(func() {
		ticker := time.NewTicker(max(w.idle/4, time.Millisecond))
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if _, err := w.Write(appendProbe(nil, kindPing, 0)); err != nil {
					return // the next write of the owner fails too
				}
			}
		}
	})
	err := f()
	close(done)
	pinging.Wait()
	return err
}

// Buffers of the two directions. Most frames of a busy connection fit into the
// larger, so that one read brings many of them.
const (
	dataBufferBytes = 128 << 10
	pongBufferBytes = 4 << 10
)

// frameReader cuts what arrives into frames.
type frameReader struct {
	buffered      *bufio.Reader
	from, to      raft.NodeID
	maxFrameBytes int
	maxEntries    int
}

// next reads one frame. A frame that fits into the buffer is decoded there.
func (r *frameReader) next() (frame, error) {
	prefix, err := r.buffered.Peek(lengthBytes)
	if err != nil {
		return frame{}, r.ended(err)
	}
	length := binary.BigEndian.Uint32(prefix)
	if uint64(length)+lengthBytes > uint64(r.maxFrameBytes) {
		return frame{}, fmt.Errorf("%w: %d bytes, at most %d", ErrFrameTooLarge, length, r.maxFrameBytes)
	}
	n := int(length)
	if lengthBytes+n > r.buffered.Size() {
		if _, err := r.buffered.Discard(lengthBytes); err != nil {
			return frame{}, err
		}
		body, err := readBody(r.buffered, n)
		if err != nil {
			return frame{}, r.ended(err)
		}
		return decodeFrame(body, true, r.from, r.to, r.maxEntries)
	}
	whole, err := r.buffered.Peek(lengthBytes + n)
	if err != nil {
		return frame{}, r.ended(err)
	}
	f, err := decodeFrame(whole[lengthBytes:], false, r.from, r.to, r.maxEntries)
	if err != nil {
		return frame{}, err
	}
	_, err = r.buffered.Discard(lengthBytes + n)
	return f, err
}

// ended tells an end between frames from one within.
func (r *frameReader) ended(err error) error {
	if err == io.EOF && r.buffered.Buffered() > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readBody reads n bytes into memory of their own. It trusts the announced
// length only as far as bytes have come: memory grows with them.
func readBody(r io.Reader, n int) ([]byte, error) {
	body := make([]byte, 0, min(n, writeChunkBytes))
	for len(body) < n {
		if len(body) == cap(body) {
			grown := make([]byte, len(body), min(n, 4*cap(body)))
			copy(grown, body)
			body = grown
		}
		got, err := io.ReadFull(r, body[len(body):cap(body)])
		body = body[:len(body)+got]
		if err != nil {
			return nil, io.ErrUnexpectedEOF
		}
	}
	return body, nil
}
