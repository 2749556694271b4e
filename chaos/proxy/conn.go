package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"reflect"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

const (
	preamble       = "quorate\n"
	helloBytesMax  = 16 << 10
	helloTimeout   = 5 * time.Second
	dialTimeout    = time.Second
	chunkBytes     = 16 << 10
	chunksInFlight = 64 // in one direction; then the sender has to wait
)

// conn is one connection through a front: the side that dialled, and the
// member behind the front.
type conn struct {
	ctx  context.Context
	stop context.CancelFunc
}

func (c *conn) end() { c.stop() }

// serve carries one connection until one side closes it.
func (n *Network) serve(dialled net.Conn, name, target string) {
	defer dialled.Close()
	ctx, stop := context.WithCancel(n.ctx)
	defer stop()
	unblock := context.AfterFunc(ctx, func() { dialled.Close() })
	defer unblock()

	from, first, err := readHello(dialled)
	if err != nil {
		return // nobody that a member would talk to
	}
	there, back := n.link(from, name), n.link(name, from)
	c := &conn{ctx: ctx, stop: stop}
	there.add(c)
	defer there.remove(c)
	back.add(c)
	defer back.remove(c)

	// The member learns of the connection when the first bytes reach it.
	if err := there.wait(ctx, time.Now()); err != nil {
		return
	}
	behind, err := net.DialTimeout("tcp", target, dialTimeout)
	if err != nil {
		return
	}
	defer behind.Close()
	unblockBehind := context.AfterFunc(ctx, func() { behind.Close() })
	defer unblockBehind()
	if _, err := behind.Write(first); err != nil {
		return
	}
	done := make(chan struct{})
	n.wait.Go(func() {
		defer close(done)
		c.pump(dialled, behind, back)
	})
	c.pump(behind, dialled, there)
	<-done
}

// chunk is some bytes on their way; the last of a connection has none.
type chunk struct {
	bytes   []byte
	arrived time.Time
}

// pump carries bytes from src to dst as the link allows, and at last the news
// that src was closed.
func (c *conn) pump(dst, src net.Conn, l *link) {
	chunks := make(chan chunk, chunksInFlight)
	go read(c.ctx, src, chunks)
	alive := true
	for chunk := range chunks {
		if err := l.wait(c.ctx, chunk.arrived); err != nil || chunk.bytes == nil {
			c.end()
			return
		}
		if alive {
			// When dst is gone, the other direction will hear of it, in its time.
			_, err := dst.Write(chunk.bytes)
			alive = err == nil
		}
	}
	c.end()
}

// read ends when src does, or the connection: src is closed then.
func read(ctx context.Context, src net.Conn, chunks chan<- chunk) {
	defer close(chunks)
	for {
		b := make([]byte, chunkBytes)
		n, err := src.Read(b)
		next := chunk{bytes: b[:n], arrived: time.Now()}
		if err != nil {
			next.bytes = nil
		}
		select {
		case chunks <- next:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// readHello returns the name that the dialling member gives in its first
// frame, "" when it gives none, and the bytes that were read.
func readHello(conn net.Conn) (name string, first []byte, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(helloTimeout)); err != nil {
		return "", nil, err
	}
	var seen bytes.Buffer
	r := bufio.NewReader(io.TeeReader(conn, &seen))
	head, err := r.Peek(len(preamble) + 4)
	if err != nil {
		return "", nil, err
	}
	n := binary.BigEndian.Uint32(head[len(preamble):])
	if string(head[:len(preamble)]) == preamble && n <= helloBytesMax {
		frame := make([]byte, len(head)+int(n))
		if _, err := io.ReadFull(r, frame); err != nil {
			return "", nil, err
		}
		name = nameIn(frame[len(head):])
	}
	return name, seen.Bytes(), conn.SetReadDeadline(time.Time{})
}

// nameIn decodes a Hello: an array of its kind and a map.
func nameIn(frame []byte) string {
	handle := &codec.MsgpackHandle{}
	handle.RawToString = true
	handle.MapType = reflect.TypeFor[map[string]any]()
	var hello []any
	if err := codec.NewDecoderBytes(frame, handle).Decode(&hello); err != nil || len(hello) < 2 {
		return ""
	}
	fields, _ := hello[1].(map[string]any)
	name, _ := fields["name"].(string)
	return name
}
