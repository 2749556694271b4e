package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/hashicorp/go-msgpack/v2/codec"

	"quorate/internal/vfs"
	"quorate/raft"
)

// TestHandshake shows every refusal in its words, as both sides learn it. n1
// only accepts; the other member dials it. The arguments say what is different
// about one of them.
func TestHandshake(t *testing.T) {
	datadriven.RunTest(t, "testdata/handshake", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "dial" {
			d.Fatalf(t, "unknown command %s", d.Cmd)
		}
		acceptor := Config{Self: helloOf(one), Peers: []Peer{{two, "n2", "nowhere:1"}}, Dial: nobody}
		dialler := Config{Self: helloOf(two), Peers: []Peer{{one, "n1", "n1.example:7432"}}, Dial: nobody}
		for _, arg := range d.CmdArgs {
			if err := differ(&acceptor, &dialler, arg.Key, arg.Vals); err != nil {
				d.Fatalf(t, "%v", err)
			}
		}
		acceptor.Listener, dialler.Listener = listen(t, "127.0.0.1:0"), listen(t, "127.0.0.1:0")
		dialler.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
			return dialTCP(ctx, acceptor.Listener.Addr().String())
		}
		a := start(t, acceptor)
		if d.HasArg("removed") {
			a.SetRemoved([]raft.NodeID{7, two})
		}
		b := start(t, dialler)
		defer a.stop()
		defer b.stop()

		if !d.HasArg("refused") {
			b.awaitConnects(t, 1)
			return fmt.Sprintf("%s is connected to %s\n", nameOf(b.config.Self), nameOf(b.connected[0]))
		}
		var out strings.Builder
		for _, m := range []*member{b, a} {
			m.await(t, "a refusal", func() bool { return len(m.refused) > 0 })
			fmt.Fprintf(&out, "%s is told of %s: ", nameOf(m.config.Self), m.refused[0].id)
			var refusal *Refusal
			if !errors.As(m.refused[0].reason, &refusal) {
				d.Fatalf(t, "%v is no Refusal", m.refused[0].reason)
			}
			fmt.Fprintf(&out, "%s\n  %v\n", refusal.Code, refusal)
			if refusal.Hint != "" {
				fmt.Fprintf(&out, "  %s\n", refusal.Hint)
			}
		}
		if len(a.connected)+len(b.connected) > 0 {
			fmt.Fprintf(&out, "and yet they are connected\n")
		}
		return out.String()
	})
}

// differ makes the members of a handshake differ as an argument says.
func differ(acceptor, dialler *Config, key string, values []string) error {
	switch key {
	case "refused", "removed":
	case "twin": // of the acceptor itself
		storage := acceptor.Self.StorageID
		dialler.Self, dialler.Peers[0] = helloOf(one), Peer{two, "n2", "n2.example:7432"}
		dialler.Self.StorageID, dialler.Self.Process = storage, 78
	case "token":
		dialler.Self.TokenDigest[0] ^= 1
	case "cluster":
		dialler.Self.ClusterID[0] ^= 1
	case "token-and-cluster":
		dialler.Self.TokenDigest[0] ^= 1
		dialler.Self.ClusterID[0] ^= 1
	case "same-id":
		dialler.Self.NodeID, dialler.Self.Name = one, "n1"
		dialler.Self.PeerAddr = "127.0.0.1:7433"
		dialler.Peers[0] = Peer{two, "n2", "n2.example:7432"}
	case "itself":
		storage := acceptor.Self.StorageID
		dialler.Self, dialler.Peers[0] = helloOf(one), Peer{two, "n2", "n2.example:7432"}
		dialler.Self.StorageID = storage
	case "stranger":
		dialler.Self = helloOf(9)
	case "name":
		dialler.Self.Name = "N2"
	case "storage": // acceptor | dialler: who remembers another storage id
		r, err := OpenRegistry(vfs.NewMem(), "/"+RegistryName)
		if err == nil {
			err = errors.Join(r.remember(one, [16]byte{1, 1}), r.remember(two, [16]byte{2, 2}))
		}
		if err != nil {
			return err
		}
		if values[0] == "acceptor" {
			acceptor.Admit = r.Admit
		} else {
			dialler.Admit = r.Admit
		}
	case "disk-full":
		acceptor.Admit = func(Hello) error { return errors.New("peers.json: no space left on device") }
	default:
		return fmt.Errorf("unknown argument %s", key)
	}
	return nil
}

// TestOtherProtocol shows a member of another version, whose Hello has other
// fields and no ids of ours: it learns the reason all the same.
func TestOtherProtocol(t *testing.T) {
	m := alone(t, nil)
	c := knock(t, m)
	b, start := beginFrame([]byte(preamble), kindHello)
	var value []byte
	future := map[string]any{"protocol": 7, "node_id": 2, "name": "n2", "version": "9.0", "keys": []string{"new", "ones"}}
	if err := codec.NewEncoderBytes(&value, handle()).Encode(future); err != nil {
		t.Fatal(err)
	}
	c.write(endFrame(append(b, value...), start))
	if err := readPreamble(c); err != nil {
		t.Fatal(err)
	}
	refusal, err := decodeRefusal(c.expect(kindRefusal))
	if err != nil {
		t.Fatal(err)
	}
	want := "transport: refused by peer: n1 speaks version 3 of the peer protocol, n2 (quorate 9.0) speaks 7"
	if refusal.Code != RefusedProtocol || refusal.Error() != want {
		t.Errorf("got  %v\nwant %s", refusal, want)
	}
	c.expectClosed()
}

// TestRefusedOnce shows that a member which is refused again and again tells
// its Handler once, and goes on trying until it is let in.
func TestRefusedOnce(t *testing.T) {
	admitted, asked := make(chan struct{}), make(chan struct{}, 100)
	a := alone(t, func(c *Config) {
		c.Admit = func(Hello) error {
			asked <- struct{}{}
			select {
			case <-admitted:
				return nil
			default:
				return &Refusal{Code: RefusedStorage, Message: "not yet"}
			}
		}
	})
	b := start(t, Config{Self: helloOf(two), Peers: []Peer{{one, "n1", a.config.Listener.Addr().String()}}, Listener: listen(t, "127.0.0.1:0")})
	for range 5 {
		<-asked
	}
	close(admitted)
	b.awaitConnects(t, 1)
	b.stop()
	a.stop()
	if len(a.refused) != 1 || len(b.refused) != 1 {
		t.Errorf("told %d and %d times", len(a.refused), len(b.refused))
	}
}

// TestStrangers shows what else may knock at the port: each is closed with a
// reason, and two members that are talking do not notice.
func TestStrangers(t *testing.T) {
	hello, err := encodeHello(kindHello, helloOf(two), forMessages)
	if err != nil {
		t.Fatal(err)
	}
	open := func(b ...byte) []byte { return append([]byte(preamble), b...) }
	random := make([]byte, 4096)
	for i := range random {
		random[i] = byte(rand.IntN(256))
	}
	random[0] = 0 // not by chance the preamble's first byte
	for _, c := range []struct {
		name   string
		bytes  []byte
		reason error // nil: it just went away
	}{
		{"a browser", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), ErrNotPeerProtocol},
		{"TLS", []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, ErrNotPeerProtocol},
		{"a PostgreSQL client", []byte{0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}, ErrNotPeerProtocol},
		{"random bytes", random, ErrNotPeerProtocol},
		{"nothing", nil, nil},
		{"half a preamble", []byte(preamble[:3]), nil},
		{"a Hello of 4 GiB", open(0xff, 0xff, 0xff, 0xff, 0x92), ErrFrameTooLarge},
		{"a Hello one byte over the limit", open(0, 0, 0x40, 1), ErrFrameTooLarge},
		{"a Hello that breaks off", open(hello[:20]...), nil},
		{"an empty frame", open(0, 0, 0, 0), ErrMalformed},
		{"a Ping instead of a Hello", open(appendProbe(nil, kindPing, 1)...), ErrMalformed},
		{"messages instead of a Hello", open(appendMessages(nil, heartbeats(one, 1, 1))...), ErrMalformed},
		{"a Hello that is no map", open(0, 0, 0, 3, 0x92, 16, 1), ErrMalformed},
		{"a Hello with short ids", open(0, 0, 0, 13, 0x92, 16, 0x81, 0xa8, 'p', 'r', 'o', 't', 'o', 'c', 'o', 'l', Protocol), ErrMalformed},
		{"a Hello with bytes behind it", open(lengthen(hello)...), ErrMalformed},
		{"deeply nested arrays", open(append([]byte{0, 0, 0x40, 0, 0x92, 16}, bytes.Repeat([]byte{0x91}, 0x4000-2)...)...), ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := pair(t, nil)
			stranger := knock(t, a)
			stranger.write(c.bytes)
			if c.reason == nil {
				stranger.Close()
			} else {
				stranger.expectClosed()
				if e := a.awaitRefused(t, c.reason); e.address != stranger.LocalAddr().String() {
					t.Errorf("told of %s, %v", e.address, e.reason)
				}
			}
			b.Send(heartbeats(one, 1, 1))
			a.await(t, "a message from the other member", func() bool { return len(a.messages) == 1 })
			a.stop()
			b.stop()
			if len(a.connected) != 1 || len(b.connected) != 1 {
				t.Errorf("the members had to reconnect: %v, %v", a.lost, b.lost)
			}
			if c.reason == nil && len(a.refused) > 0 {
				t.Errorf("told %v", a.refused[0].reason)
			}
		})
	}
}

// lengthen adds a byte to a frame.
func lengthen(frame []byte) []byte {
	b := append(bytes.Clone(frame), 0)
	b[3]++
	return b
}

// TestMalformedFrames shows a known member that sends what is no frame of a
// member's: its connection is closed with a reason, and nothing of the frame
// is handed over.
func TestMalformedFrames(t *testing.T) {
	good := appendMessages(nil, heartbeats(one, 1, 2))
	cutShort := bytes.Clone(good[:len(good)-3])
	cutShort[3] -= 3
	for _, c := range []struct {
		name   string
		bytes  []byte
		reason error
	}{
		{"over the size limit", []byte{4, 0, 0, 0}, ErrFrameTooLarge},
		{"a kind nobody knows", []byte{0, 0, 0, 3, 0x92, 99, 0}, ErrMalformed},
		{"a Pong", appendProbe(nil, kindPong, 1), ErrMalformed},
		{"a second Hello", []byte{0, 0, 0, 3, 0x92, 16, 0x80}, ErrMalformed},
		{"a message that breaks off in its frame", cutShort, ErrMalformed},
		{"a large frame of zeros", append([]byte{0, 16, 0, 0}, make([]byte, 1<<20)...), ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := alone(t, nil)
			bad := knock(t, m)
			bad.shakeHands(helloOf(two))
			bad.write(c.bytes)
			bad.expectClosed()
			e := m.awaitRefused(t, c.reason)
			if e.id != two || !strings.Contains(e.reason.Error(), "transport: connection from n2: ") {
				t.Errorf("told of %s: %v", e.id, e.reason)
			}
			better := knock(t, m)
			better.shakeHands(helloOf(two))
			better.write(good)
			m.await(t, "the good frame", func() bool { return len(m.messages) == 2 })
		})
	}
}

// TestPongSideMalformed shows the same in the other direction: what may come
// back on a connection that we dialled are Pongs.
func TestPongSideMalformed(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			if welcome(conn, helloOf(two)) == nil {
				// The test hears of it if this does not arrive.
				_, _ = conn.Write(appendMessages(nil, heartbeats(one, 1, 1)))
			}
		}
	}()
	m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0")})
	m.awaitRefused(t, ErrMalformed)
	m.stop()
	if len(m.messages) > 0 {
		t.Errorf("heard %v", m.messages)
	}
}

// TestDiallingAnotherService shows an address that leads to something else.
func TestDiallingAnotherService(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			// The test hears of it if this does not arrive.
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			conn.Close()
		}
	}()
	m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0")})
	e := m.awaitRefused(t, ErrNotPeerProtocol)
	if want := `it began with "HTTP/1.1"`; !strings.Contains(e.reason.Error(), want) {
		t.Errorf("told %v, expected %s", e.reason, want)
	}
}

// TestWrongMember shows an address that leads to another member than the
// configuration says: the one that dials notices.
func TestWrongMember(t *testing.T) {
	a := alone(t, nil)
	address := a.config.Listener.Addr().String()
	b := start(t, Config{Self: helloOf(two), Listener: listen(t, "127.0.0.1:0"),
		Peers: []Peer{{one, "n1", address}, {3, "n3", address}}})
	var refusal *Refusal
	b.await(t, "a refusal", func() bool { return len(b.refused) > 0 && errors.As(b.refused[0].reason, &refusal) })
	if want := "the address " + address + ", given for n3, leads to n1"; refusal.Code != RefusedWrongMember || refusal.Message != want {
		t.Errorf("told %v", refusal)
	}
	b.awaitConnects(t, 1) // to n1, which it is
}

// TestSlowHandshakes shows strangers that connect and say nothing, or little.
// Time closes them; and while they wait they cannot keep a member out, because
// the oldest makes room.
func TestSlowHandshakes(t *testing.T) {
	t.Run("time", func(t *testing.T) {
		m := alone(t, func(c *Config) { c.HandshakeTimeout = 10 * time.Millisecond })
		silent, slow := knock(t, m), knock(t, m)
		slow.write([]byte(preamble))
		silent.expectClosed()
		slow.expectClosed()
	})
	t.Run("room", func(t *testing.T) {
		m := alone(t, func(c *Config) { c.MaxHandshakes = 2 })
		var crowd []*client
		for range 5 {
			c := knock(t, m)
			c.write([]byte(preamble))
			if err := readPreamble(c); err != nil { // so it is in its place
				t.Fatal(err)
			}
			crowd = append(crowd, c)
		}
		for _, c := range crowd[:3] {
			c.expectClosed()
		}
		knock(t, m).shakeHands(helloOf(two))
	})
}

// TestWaitingRoom shows who has to go.
func TestWaitingRoom(t *testing.T) {
	room := waitingRoom{max: 2}
	wires := make([]*wire, 4)
	for i := range wires {
		conn, other := net.Pipe()
		defer other.Close()
		wires[i] = newWire(conn)
		room.enter(wires[i])
		if i == 1 {
			room.leave(wires[0])
		}
	}
	for i, want := range []error{nil, errCrowded, nil, nil} {
		if !errors.Is(wires[i].cause, want) {
			t.Errorf("connection %d was closed because of %v, expected %v", i, wires[i].cause, want)
		}
	}
	if len(room.waiting) != 2 {
		t.Errorf("%d are waiting", len(room.waiting))
	}
}

// TestRefusalText shows that a long or strange reason still gets through.
func TestRefusalText(t *testing.T) {
	frame, err := encodeRefusal(&Refusal{Code: RefusedUnable, Message: "two\nlines\x1b[31m", Hint: strings.Repeat("é", sentenceBytes)})
	if err != nil {
		t.Fatal(err)
	}
	_, value, err := readHandshake(bytes.NewReader(frame))
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeRefusal(value)
	if err != nil {
		t.Fatal(err)
	}
	if r.Message != "two lines [31m" || len(r.Hint) > sentenceBytes || !strings.HasPrefix(r.Hint, "ééé") {
		t.Errorf("%q, hint of %d bytes", r.Message, len(r.Hint))
	}
	for code := RefusedProtocol; code <= RefusedTwin; code++ {
		if strings.HasPrefix(code.String(), "refusal ") {
			t.Errorf("code %d has no name", code)
		}
	}
	if raft.NodeID(0).String() == nameOf(Hello{}) {
		t.Error("a member without a name is called by its number alone")
	}
}
