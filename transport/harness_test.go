package transport

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"quorate/raft"
)

// patience bounds how long a test waits for something that must happen. It is
// no measurement: a test that gets this far has failed.
const patience = 30 * time.Second

// recorder is a Handler that keeps all it was given.
type recorder struct {
	mu        sync.Mutex // guards the fields below
	changed   chan struct{}
	messages  []raft.Message
	proposals []Proposal
	replies   []ProposalReply
	standings []Standing
	connected []Hello
	lost      []error
	refused   []refusedEvent
}

type refusedEvent struct {
	id      raft.NodeID
	address string
	reason  error
}

func newRecorder() *recorder { return &recorder{changed: make(chan struct{})} }

func (r *recorder) record(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.changed)
	r.changed = make(chan struct{})
}

func (r *recorder) Messages(_ raft.NodeID, m []raft.Message) {
	r.record(func() { r.messages = append(r.messages, m...) })
}

func (r *recorder) Proposals(_ raft.NodeID, p []Proposal) {
	r.record(func() { r.proposals = append(r.proposals, p...) })
}

func (r *recorder) Replies(_ raft.NodeID, p []ProposalReply) {
	r.record(func() { r.replies = append(r.replies, p...) })
}

func (r *recorder) Standing(_ raft.NodeID, s Standing) {
	r.record(func() { r.standings = append(r.standings, s) })
}

func (r *recorder) Connected(peer Hello) {
	r.record(func() { r.connected = append(r.connected, peer) })
}

func (r *recorder) Disconnected(_ raft.NodeID, err error) {
	r.record(func() { r.lost = append(r.lost, err) })
}

func (r *recorder) Refused(id raft.NodeID, address string, reason error) {
	r.record(func() { r.refused = append(r.refused, refusedEvent{id, address, reason}) })
}

// await waits until ok, which is called with r locked, after each change.
func (r *recorder) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		r.mu.Lock()
		done, changed := ok(), r.changed
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			r.mu.Lock()
			defer r.mu.Unlock()
			t.Fatalf("waited in vain for: %s\nconnected %v, lost %v, refused %v", what, r.connected, r.lost, r.refused)
		}
	}
}

func (r *recorder) awaitConnects(t testing.TB, n int) {
	t.Helper()
	r.await(t, "a connection", func() bool { return len(r.connected) >= n })
}

// awaitRefusal waits for a Refused whose reason is target.
func (r *recorder) awaitRefused(t testing.TB, target error) refusedEvent {
	t.Helper()
	var found refusedEvent
	r.await(t, target.Error(), func() bool {
		for _, e := range r.refused {
			if errors.Is(e.reason, target) {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// member is one running Transport.
type member struct {
	*Transport
	*recorder
	stop func() // ends Run and waits for it; more than once is fine
}

// helloOf is what the tests' members say: all the same but for who they are.
func helloOf(id raft.NodeID) Hello {
	h := exampleHello()
	h.NodeID, h.Name = id, "n"+id.String()
	h.StorageID[0] = byte(id)
	return h
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// start runs a member. The Config is filled in where it is empty.
func start(t testing.TB, config Config) *member {
	t.Helper()
	r := newRecorder()
	if config.Handler == nil {
		config.Handler = r
	}
	config.RetryMin, config.RetryMax = time.Millisecond, 20*time.Millisecond
	if config.IdleTimeout == 0 {
		config.IdleTimeout = patience
	}
	if config.HandshakeTimeout == 0 {
		config.HandshakeTimeout = patience
	}
	tr, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return &member{tr, r, stop}
}

// pair runs n1 and n2, which know each other, and waits until they are
// connected in both directions. change may alter the Configs.
func pair(t testing.TB, change func(a, b *Config)) (a, b *member) {
	t.Helper()
	la, lb := listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
	peers := []Peer{{one, "n1", la.Addr().String()}, {two, "n2", lb.Addr().String()}}
	ca := Config{Self: helloOf(one), Peers: peers, Listener: la}
	cb := Config{Self: helloOf(two), Peers: peers, Listener: lb}
	if change != nil {
		change(&ca, &cb)
	}
	a, b = start(t, ca), start(t, cb)
	a.awaitConnects(t, 1)
	b.awaitConnects(t, 1)
	return a, b
}

// nobody is a Dial that reaches nobody: for members that only accept.
func nobody(ctx context.Context, _ string) (net.Conn, error) {
	return nil, errors.New("there is nobody")
}

// alone runs n1, which accepts n2 and does not dial it.
func alone(t testing.TB, change func(*Config)) *member {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	config := Config{Self: helloOf(one), Peers: []Peer{{two, "n2", "nowhere:1"}}, Listener: l, Dial: nobody}
	if change != nil {
		change(&config)
	}
	return start(t, config)
}

// client is a connection to a member's port that the test writes by hand.
type client struct {
	net.Conn
	t testing.TB
}

func knock(t testing.TB, m *member) *client {
	t.Helper()
	conn, err := net.Dial("tcp", m.config.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{conn, t}
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.Write(b); err != nil {
		c.t.Fatal(err)
	}
}

// shakeHands does a handshake by hand, up to the Pong.
func (c *client) shakeHands(h Hello) {
	c.t.Helper()
	c.open(h, forMessages)
	c.expect(kindWelcome)
	c.write(appendProbe(nil, kindPing, 7))
	if pong := c.expect(kindPong); len(pong) != 1 || pong[0] != 7 {
		c.t.Fatalf("a Pong with % x", pong)
	}
}

// open says Hello; the answer may be a Welcome or a Refusal.
func (c *client) open(h Hello, p purpose) {
	c.t.Helper()
	frame, err := encodeHello(kindHello, h, p)
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(append([]byte(preamble), frame...))
	if err := readPreamble(c); err != nil {
		c.t.Fatal(err)
	}
}

// expectFailure reads the other side's words.
func (c *client) expectFailure() string {
	c.t.Helper()
	words, err := decodeBlob(c.expect(kindFailure))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(words)
}

// breaker is a Dial whose next connections break after a number of bytes
// written.
type breaker struct {
	mu     sync.Mutex // guards the fields below
	armed  bool
	after  int
	before func() // called before the connection is closed
	read   func() // called after each Read, if not nil
}

func (b *breaker) arm(after int, before func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed, b.after, b.before = true, after, before
}

func (b *breaker) disarm() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.armed = false
}

func (b *breaker) dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := dialTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := &breakingConn{Conn: conn, left: -1, read: b.read}
	if b.armed {
		c.left, c.before = b.after, b.before
	}
	return c, nil
}

type breakingConn struct {
	net.Conn
	left   int // < 0: never
	before func()
	read   func()
}

func (c *breakingConn) Write(b []byte) (int, error) {
	if c.left < 0 {
		return c.Conn.Write(b)
	}
	if len(b) <= c.left {
		c.left -= len(b)
		return c.Conn.Write(b)
	}
	n, err := c.Conn.Write(b[:c.left])
	if err == nil {
		c.before()
		err = errors.New("the cable is cut")
	}
	c.Close()
	return n, err
}

func (c *breakingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read != nil {
		c.read()
	}
	return n, err
}

func (c *client) expect(want frameKind) []byte {
	c.t.Helper()
	kind, value, err := readHandshake(c)
	if err != nil || kind != want {
		c.t.Fatalf("kind %d, %v; expected kind %d", kind, err, want)
	}
	return value
}

// expectClosed reads whatever still comes until the other side closes.
func (c *client) expectClosed() {
	c.t.Helper()
	var b [256]byte
	for {
		_, err := c.Read(b[:])
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			c.t.Fatal("the connection was not closed")
		}
		if err != nil {
			return
		}
	}
}

// awaitNoGoroutines waits until no goroutine of this package is left but the
// test's own. What remains after Run are at most context.AfterFuncs that are
// just ending; a goroutine that was forgotten never ends.
func awaitNoGoroutines(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left := ""
		for stack := range strings.SplitSeq(string(stacks), "\n\n") {
			if strings.Contains(stack, "quorate/transport.(*") && !strings.Contains(stack, "awaitNoGoroutines") {
				left = stack
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still running:\n%s", left)
		}
		runtime.Gosched()
	}
}

func heartbeats(to raft.NodeID, first, n int) []raft.Message {
	messages := make([]raft.Message, n)
	for i := range messages {
		messages[i] = raft.Message{Type: raft.Heartbeat, To: to, Term: 1, Round: uint64(first + i)}
	}
	return messages
}
