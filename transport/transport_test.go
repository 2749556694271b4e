package transport

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"quorate/raft"
)

// TestCarry shows all three kinds arriving, whole and with the sender's id,
// and what Peers then says.
func TestCarry(t *testing.T) {
	a, b := pair(t, nil)
	big := bytes.Repeat([]byte("x"), 3<<20) // does not fit into the receiver's buffer
	a.Send([]raft.Message{
		{Type: raft.AppendEntries, To: two, Term: 1, Index: 4, Entries: []raft.Entry{{Term: 1, Index: 5, Data: []byte("small")}, {Term: 1, Index: 6, Data: big}}},
		{Type: raft.Heartbeat, To: 99, Term: 1}, // no such member: dropped
		{Type: raft.Heartbeat, To: two, Term: 1, Round: 7},
	})
	if !a.SendProposals(two, []Proposal{{Origin: one, Term: 1, Seq: 1, Data: []byte("p")}}) {
		t.Error("the proposal was not taken")
	}
	if !b.SendReplies(one, []ProposalReply{{Seq: 1, Term: 1, Reason: NotLeader}}) {
		t.Error("the reply was not taken")
	}
	b.await(t, "messages and proposal", func() bool { return len(b.messages) == 2 && len(b.proposals) == 1 })
	a.await(t, "reply", func() bool { return len(a.replies) == 1 })
	a.SendStanding(Standing{Digests: []Digest{{Index: 128, Sum: [16]byte{1}}}})
	b.await(t, "standing", func() bool { return len(b.standings) == 1 })
	if s := b.standings[0]; s.Quarantined || len(s.Digests) != 1 || s.Digests[0] != (Digest{Index: 128, Sum: [16]byte{1}}) {
		t.Errorf("got the standing %+v", s)
	}

	if m := b.messages[0]; m.From != one || m.To != two || string(m.Entries[0].Data) != "small" || !bytes.Equal(m.Entries[1].Data, big) {
		t.Errorf("got %v with %d entries", m.Type, len(m.Entries))
	}
	if b.messages[1].Round != 7 || b.proposals[0].Origin != one || a.replies[0].Reason != NotLeader {
		t.Errorf("got %+v, %+v, %+v", b.messages[1], b.proposals[0], a.replies[0])
	}
	if a.SendProposals(99, nil) || a.SendReplies(99, nil) {
		t.Error("something was taken for a member that does not exist")
	}

	states := a.Peers()
	if len(states) != 1 {
		t.Fatalf("%d peers: a member is not its own", len(states))
	}
	want := helloOf(two)
	want.TokenDigest = [32]byte{} // is not handed out
	if s := states[0]; !s.Connected || s.Hello != want || s.Connects != 1 || s.SentBytes < uint64(len(big)) || s.ReceivedBytes == 0 {
		t.Errorf("peer state %+v", s)
	}
}

// TestOrder shows that messages arrive in the order of the calls, each once,
// over many writes.
func TestOrder(t *testing.T) {
	const n, step = 20_000, 100
	a, b := pair(t, func(a, _ *Config) { a.QueueMessages = n })
	for i := 0; i < n; i += step {
		a.Send(heartbeats(two, i, step))
	}
	b.await(t, "all messages", func() bool { return len(b.messages) >= n })
	for i, m := range b.messages {
		if m.Round != uint64(i) {
			t.Fatalf("message %d is number %d", i, m.Round)
		}
	}
}

// TestReconnect shows what happens around a peer that goes and comes back: the
// sender is told, what it sends meanwhile is dropped and counted, and after the
// reconnection it reaches the peer again, which hears nothing stale.
func TestReconnect(t *testing.T) {
	a, b := pair(t, nil)
	b.stop()
	a.await(t, "the end of the connection", func() bool { return len(a.lost) == 1 })
	a.Send(heartbeats(two, 1, 3))
	if a.SendProposals(two, []Proposal{{Seq: 1}}) || a.SendReplies(two, []ProposalReply{{Seq: 1}}) {
		t.Error("taken for a member that is not connected")
	}
	if s := a.Peers()[0]; s.Connected || s.Dropped != 5 || s.LastError == nil {
		t.Errorf("peer state %+v", s)
	}

	again := b.config
	again.Handler = nil
	again.Listener = listen(t, b.config.Listener.Addr().String())
	b = start(t, again)
	a.awaitConnects(t, 2)
	a.Send(heartbeats(two, 9, 1))
	b.await(t, "a message", func() bool { return len(b.messages) == 1 })
	if b.messages[0].Round != 9 {
		t.Errorf("heard number %d", b.messages[0].Round)
	}
}

// TestNewerConnectionReplaces shows that a peer which connects again is heard
// on the newer connection, and that the older one is closed.
func TestNewerConnectionReplaces(t *testing.T) {
	m := alone(t, nil)
	older, newer := knock(t, m), knock(t, m)
	older.shakeHands(helloOf(two))
	older.write(appendMessages(nil, heartbeats(one, 1, 1)))
	m.await(t, "the first message", func() bool { return len(m.messages) == 1 })
	newer.shakeHands(helloOf(two))
	older.expectClosed()
	newer.write(appendMessages(nil, heartbeats(one, 2, 1)))
	m.await(t, "the second message", func() bool { return len(m.messages) == 2 })
}

// TestSendNeverBlocks shows a peer that shakes hands and then reads nothing:
// Send goes on returning, and when the socket and the queue are full it drops.
func TestSendNeverBlocks(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	deaf := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil && welcome(conn, helloOf(two)) == nil {
			deaf <- conn
		}
	}()
	m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0")})
	m.awaitConnects(t, 1)
	defer (<-deaf).Close()
	message := []raft.Message{{Type: raft.AppendEntries, To: two, Term: 1, Entries: []raft.Entry{{Term: 1, Index: 1, Data: make([]byte, 1<<20)}}}}
	for sent := 0; m.Peers()[0].Dropped == 0; sent++ {
		if sent > 1000 {
			t.Fatal("a gigabyte was taken for a peer that does not read")
		}
		m.Send(message)
	}
}

// welcome is the accepting side of a handshake by hand.
func welcome(conn net.Conn, self Hello) error {
	if err := readPreamble(conn); err != nil {
		return err
	}
	if _, _, err := readHandshake(conn); err != nil {
		return err
	}
	frame, err := encodeHello(kindWelcome, self, forMessages)
	if err != nil {
		return err
	}
	_, err = conn.Write(append([]byte(preamble), frame...))
	return err
}

// TestIdle shows that silence ends a connection, in both roles: a peer that
// answers no Pings, and one that sends none.
func TestIdle(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	silent := make(chan net.Conn, 1)
	go func() {
		if conn, err := l.Accept(); err == nil && welcome(conn, helloOf(two)) == nil {
			silent <- conn
		}
	}()
	m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0"), IdleTimeout: 20 * time.Millisecond})
	m.await(t, "the end of the connection", func() bool { return len(m.lost) == 1 })
	if !strings.Contains(m.lost[0].Error(), "connection to n2: "+ErrIdle.Error()) {
		t.Error(m.lost[0])
	}
	(<-silent).Close()

	c := knock(t, m)
	c.shakeHands(helloOf(two))
	c.expectClosed()
}

// TestPings shows that a member with nothing to say is heard all the same:
// every Ping is answered with its own stamp.
func TestPings(t *testing.T) {
	c := knock(t, alone(t, nil))
	c.shakeHands(helloOf(two))
	for stamp := range uint64(50) {
		c.write(appendProbe(nil, kindPing, stamp))
		if pong := c.expect(kindPong); pong[0] != byte(stamp) {
			t.Fatalf("Ping %d was answered with % x", stamp, pong)
		}
	}
}

// TestRoundTrip shows that the first Ping's Pong is measured, and that a Pong
// which claims to come from the future is not.
func TestRoundTrip(t *testing.T) {
	for name, ahead := range map[string]uint64{"honest": 0, "from the future": 1 << 62} {
		t.Run(name, func(t *testing.T) {
			l := listen(t, "127.0.0.1:0")
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				if welcome(conn, helloOf(two)) != nil {
					return
				}
				if _, value, err := readHandshake(conn); err == nil {
					r := reader{buf: value}
					// The test hears of it if this does not arrive.
					_, _ = conn.Write(appendProbe(nil, kindPong, r.uint()+ahead))
				}
			}()
			m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0")})
			m.await(t, "the end of the connection", func() bool { return len(m.lost) == 1 })
			if measured := m.Peers()[0].RoundTrip > 0; measured != (ahead == 0) {
				t.Errorf("round trip %v", m.Peers()[0].RoundTrip)
			}
		})
	}
}

// TestRunJoinsEverything shows that Run, when it returns, has left nothing: no
// goroutine, no open port, and no callback to come; in the middle of traffic,
// of handshakes and of dialling.
func TestRunJoinsEverything(t *testing.T) {
	a, b := pair(t, func(a, _ *Config) {
		a.Peers = append(a.Peers, Peer{3, "n3", "127.0.0.1:1"}) // nobody listens there
	})
	knock(t, a) // says nothing
	garbage := knock(t, a)
	garbage.write([]byte(preamble))
	for i := range 100 {
		a.Send(heartbeats(two, i, 10))
		b.Send(heartbeats(one, i, 10))
	}
	a.stop()
	b.stop()
	awaitNoGoroutines(t)
	listen(t, a.config.Listener.Addr().String()).Close()
}

// TestListenerFails shows that Run says so when its listener is closed by
// somebody else, and returns.
func TestListenerFails(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	tr, err := New(Config{Self: helloOf(one), Listener: l, Handler: newRecorder()})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := tr.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "the peer listener was closed") {
		t.Errorf("Run: %v", err)
	}
}

// failingListener fails the first times, as when file descriptors are short.
type failingListener struct {
	net.Listener
	failures int
}

func (l *failingListener) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

// TestAcceptFailsForAWhile shows that a lack of file descriptors is waited out.
func TestAcceptFailsForAWhile(t *testing.T) {
	m := alone(t, func(c *Config) { c.Listener = &failingListener{c.Listener, 2} })
	knock(t, m).shakeHands(helloOf(two))
}

// TestTLS shows where TLS goes in: a Listener and a Dial that wrap.
func TestTLS(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"quorate"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(nil, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	dialler := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "quorate"}}
	wrap := func(c *Config) {
		c.Listener = tls.NewListener(c.Listener, server)
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialler.DialContext(ctx, "tcp", address)
		}
	}
	a, b := pair(t, func(a, b *Config) { wrap(a); wrap(b) })
	a.Send([]raft.Message{{Type: raft.AppendEntries, To: two, Term: 1, Entries: []raft.Entry{{Term: 1, Index: 1, Data: make([]byte, 1<<20)}}}})
	b.await(t, "a message", func() bool { return len(b.messages) == 1 })
	plain := knock(t, a)
	plain.write([]byte(preamble))
	plain.expectClosed()
}

// TestConfig shows what New refuses, in its words.
func TestConfig(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	good := func() Config {
		return Config{Self: helloOf(one), Listener: l, Handler: newRecorder(), Peers: []Peer{{two, "n2", "x:1"}}}
	}
	if _, err := New(good()); err != nil {
		t.Fatal(err)
	}
	for want, spoil := range map[string]func(*Config){
		"a Handler is needed":                     func(c *Config) { c.Handler = nil },
		"a Listener is needed":                    func(c *Config) { c.Listener = nil },
		"this member has no id":                   func(c *Config) { c.Self.NodeID = 0 },
		"peer n3 has no id":                       func(c *Config) { c.Peers = append(c.Peers, Peer{Name: "n3"}) },
		"peers n2 and n3 have one id, 2":          func(c *Config) { c.Peers = append(c.Peers, Peer{ID: two, Name: "n3"}) },
		"must be between 1 MiB and 1 GiB":         func(c *Config) { c.MaxFrameBytes = 10 },
		"a limit is negative":                     func(c *Config) { c.QueueBytes = -1 },
		"a time is negative":                      func(c *Config) { c.IdleTimeout = -1 },
		"1ms, is shorter than the shortest, 50ms": func(c *Config) { c.RetryMax = time.Millisecond },
		"cannot be told to peers":                 func(c *Config) { c.Self.Name = "n\n1" },
		"a string of 300 bytes, at most 256":      func(c *Config) { c.Self.Version = strings.Repeat("v", 300) },
	} {
		c := good()
		spoil(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q: got %v", want, err)
		}
	}
}

// TestBackoff shows that the pauses double up to the longest, and that chance
// takes away at most half.
func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	b := backoff{min: 50 * ms, max: 2000 * ms}
	for _, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
		if got := b.next(0); got != want*ms {
			t.Errorf("paused %v, expected %v", got, want*ms)
		}
	}
	if got := b.next(0.999999); got < 1000*ms || got > 1001*ms {
		t.Errorf("with all of chance: %v", got)
	}
	b.reset()
	if got := b.next(0); got != 50*ms {
		t.Errorf("after a connection: %v", got)
	}
}

// echo is a Handler that passes messages on to a function.
type echo struct {
	*recorder
	heard func([]raft.Message)
}

func (e echo) Messages(_ raft.NodeID, m []raft.Message) { e.heard(m) }

// echoes runs two members of which the second answers each batch through
// answer; heard is called with what comes back to the first.
func echoes(b *testing.B, heard func([]raft.Message), answer func([]raft.Message) []raft.Message) *member {
	la, lb := listen(b, "127.0.0.1:0"), listen(b, "127.0.0.1:0")
	peers := []Peer{{one, "n1", la.Addr().String()}, {two, "n2", lb.Addr().String()}}
	ra, rb := newRecorder(), newRecorder()
	first := start(b, Config{Self: helloOf(one), Peers: peers, Listener: la, Handler: echo{ra, heard}})
	var self *member
	started := make(chan struct{})
	second := start(b, Config{Self: helloOf(two), Peers: peers, Listener: lb, Handler: echo{rb, func(m []raft.Message) {
		<-started
		self.Send(answer(m))
	}}})
	self = second
	close(started)
	ra.awaitConnects(b, 1)
	rb.awaitConnects(b, 1)
	return first
}

// BenchmarkRoundTrip is a heartbeat over loopback and its answer back.
func BenchmarkRoundTrip(b *testing.B) {
	back := make(chan struct{}, 1)
	m := echoes(b, func([]raft.Message) { back <- struct{}{} }, func(m []raft.Message) []raft.Message {
		m[0].To = one
		return m
	})
	message := heartbeats(two, 1, 1)
	b.ReportAllocs()
	for b.Loop() {
		m.Send(message)
		<-back
	}
}

// BenchmarkPipeline is AppendEntries of 64 entries of 256 bytes over loopback,
// eight in flight, each answered.
func BenchmarkPipeline(b *testing.B) {
	window := make(chan struct{}, 8)
	m := echoes(b, func(m []raft.Message) {
		for range m {
			<-window
		}
	}, func(m []raft.Message) []raft.Message {
		answers := make([]raft.Message, len(m))
		for i := range m {
			last := m[i].Entries[len(m[i].Entries)-1].Index
			answers[i] = raft.Message{Type: raft.AppendEntriesResponse, To: one, Term: m[i].Term, Index: last}
		}
		return answers
	})
	messages := sixtyFour()
	b.SetBytes(64 * 256)
	b.ReportAllocs()
	for b.Loop() {
		window <- struct{}{}
		m.Send(messages)
	}
	for range cap(window) { // the last answers
		window <- struct{}{}
	}
}
