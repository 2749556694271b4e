package proxy

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// late is how long a test waits to see that nothing comes, soon how long for
// what must come.
const (
	late = 50 * time.Millisecond
	soon = 20 * time.Second
)

// member listens behind a front and hands out the connections that reach it.
type member struct {
	front string
	conns chan net.Conn
}

func newMember(t *testing.T, n *Network, name string) *member {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	m := &member{conns: make(chan net.Conn, 8)}
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			m.conns <- c
		}
	}()
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.front = front.Addr().String()
	front.Close()
	if err := n.Add(name, m.front, listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	return m
}

// dial connects as the named member would: with a Hello.
func (m *member) dial(t *testing.T, as string) *side {
	t.Helper()
	c, err := net.Dial("tcp", m.front)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var body []byte
	if err := codec.NewEncoderBytes(&body, &codec.MsgpackHandle{}).Encode([]any{16, map[string]any{"node_id": 7, "name": as}}); err != nil {
		t.Fatal(err)
	}
	hello := binary.BigEndian.AppendUint32([]byte(preamble), uint32(len(body)))
	if _, err := c.Write(append(append(hello, body...), '\n')); err != nil {
		t.Fatal(err)
	}
	return &side{Conn: c, r: bufio.NewReader(c)}
}

// accept returns the member's side of the next connection, after its Hello.
func (m *member) accept(t *testing.T) *side {
	t.Helper()
	select {
	case c := <-m.conns:
		t.Cleanup(func() { c.Close() })
		s := &side{Conn: c, r: bufio.NewReader(c)}
		if _, err := s.r.Discard(len(preamble) + 4); err != nil {
			t.Fatal(err)
		}
		s.line(t) // the Hello has no line feed in it, and one after it
		return s
	case <-time.After(soon):
		t.Fatal("no connection arrives")
		return nil
	}
}

type side struct {
	net.Conn
	r *bufio.Reader
}

func (s *side) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(s, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (s *side) line(t *testing.T) string {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	line, err := s.r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line[:len(line)-1]
}

func (s *side) silent(t *testing.T) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(late)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.r.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("something passed: %v", err)
	}
}

func (s *side) closed(t *testing.T) {
	t.Helper()
	if err := s.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.r.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the connection is not closed: %v", err)
	}
}

// TestOneDirection stalls what n1 says to n2. On the connection that n1 had
// dialled its words wait while n2's arrive; on the one that n2 had dialled it
// is n1's answers that wait. Lifted, all arrives, in order.
func TestOneDirection(t *testing.T) {
	n := New(1)
	defer n.Close()
	n1, n2 := newMember(t, n, "n1"), newMember(t, n, "n2")
	a := n2.dial(t, "n1")
	atB := n2.accept(t)
	b := n1.dial(t, "n2")
	atA := n1.accept(t)
	a.say(t, "before")
	if got := atB.line(t); got != "before" {
		t.Fatalf("got %q", got)
	}

	n.Set("n1", "n2", Rule{Stall: true})
	a.say(t, "one")
	a.say(t, "two")
	atA.say(t, "three")
	atB.silent(t)
	b.silent(t)
	atB.say(t, "back")
	b.say(t, "forth")
	if got := a.line(t); got != "back" {
		t.Errorf("n2 to n1 on the connection of n1: %q", got)
	}
	if got := atA.line(t); got != "forth" {
		t.Errorf("n2 to n1 on the connection of n2: %q", got)
	}

	n.Heal()
	for _, want := range []string{"one", "two"} {
		if got := atB.line(t); got != want {
			t.Errorf("after the stall %q, want %q", got, want)
		}
	}
	if got := b.line(t); got != "three" {
		t.Errorf("after the stall %q", got)
	}
}

// TestCloseIsNotSeenThroughAPartition closes one side while its link stalls:
// the other must not hear of it before the link is whole.
func TestCloseIsNotSeenThroughAPartition(t *testing.T) {
	n := New(1)
	defer n.Close()
	newMember(t, n, "n1")
	n2 := newMember(t, n, "n2")
	a := n2.dial(t, "n1")
	b := n2.accept(t)
	n.Set("n1", "n2", Rule{Stall: true})
	a.Close()
	b.silent(t)
	n.Heal()
	b.closed(t)
}

// TestNewConnectionsStall: while the link stalls, the member does not even
// learn that somebody dials.
func TestNewConnectionsStall(t *testing.T) {
	n := New(1)
	defer n.Close()
	n2 := newMember(t, n, "n2")
	n.Set("n1", "n2", Rule{Stall: true})
	n2.dial(t, "n1")
	n2.dial(t, "n3").say(t, "hello from n3")
	if got := n2.accept(t).line(t); got != "hello from n3" {
		t.Fatalf("the first to arrive says %q", got)
	}
	select {
	case <-n2.conns:
		t.Fatal("the stalled connection arrived")
	case <-time.After(late):
	}
	n.Heal()
	n2.accept(t)
}

func TestDelay(t *testing.T) {
	n := New(1)
	defer n.Close()
	n2 := newMember(t, n, "n2")
	a := n2.dial(t, "n1")
	b := n2.accept(t)
	n.Set("n1", "n2", Rule{Delay: late, Jitter: late})
	began := time.Now()
	a.say(t, "late")
	b.line(t)
	if took := time.Since(began); took < late {
		t.Errorf("it took %v, less than the delay of %v", took, late)
	}
}

// TestBreak: Break closes what stands, a rule's Break what speaks.
func TestBreak(t *testing.T) {
	n := New(1)
	defer n.Close()
	n2 := newMember(t, n, "n2")
	a := n2.dial(t, "n1")
	b := n2.accept(t)
	n.Break()
	a.closed(t)
	b.closed(t)

	a = n2.dial(t, "n1")
	b = n2.accept(t)
	n.Set("n1", "n2", Rule{Break: 1})
	a.say(t, "anything")
	a.closed(t)
	b.closed(t)
}

// TestStranger: who does not say a name is "", and its bytes arrive as they
// were sent.
func TestStranger(t *testing.T) {
	n := New(1)
	defer n.Close()
	n2 := newMember(t, n, "n2")
	c, err := net.Dial("tcp", n2.front)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const request = "GET / HTTP/1.1\r\n"
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(request))
	if _, err := io.ReadFull(<-n2.conns, got); err != nil || string(got) != request {
		t.Fatalf("%q arrived: %v", got, err)
	}
}
