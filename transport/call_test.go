package transport

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"quorate/raft"
)

// answering sets what the second member of a pair answers.
func answering(answer func(ctx context.Context, from Hello, request []byte) ([]byte, error)) func(a, b *Config) {
	return func(_, b *Config) { b.Answer = answer }
}

// TestCall shows a question and its answer, up to the largest, and what is
// over that.
func TestCall(t *testing.T) {
	a, _ := pair(t, answering(func(_ context.Context, from Hello, request []byte) ([]byte, error) {
		return append([]byte(from.Name+": "), request...), nil
	}))
	for _, n := range []int{0, 1, 300, maxCallBytes - 4} {
		request := bytes.Repeat([]byte("x"), n)
		answer, err := a.Call(context.Background(), two, request)
		if err != nil || string(answer) != "n1: "+string(request) {
			t.Errorf("%d bytes: %d bytes, %v", n, len(answer), err)
		}
	}
	for n, want := range map[int]string{
		maxCallBytes:     "transport: call to n2: an answer of 1048580 bytes, at most 1048576",
		maxCallBytes + 1: "transport: call to n2: a request of 1048577 bytes, at most 1048576",
	} {
		if _, err := a.Call(context.Background(), two, make([]byte, n)); err == nil || err.Error() != want {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestCallErrors shows why a call fails, in words that say who.
func TestCallErrors(t *testing.T) {
	a, b := pair(t, answering(func(context.Context, Hello, []byte) ([]byte, error) {
		return nil, errors.New("there is no leader\nnow")
	}))
	for to, want := range map[raft.NodeID]string{
		two: "transport: call to n2: there is no leader now",
		one: "transport: call: no member has the id 1",
	} {
		if _, err := a.Call(context.Background(), to, nil); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	var refusal *Refusal
	if _, err := b.Call(context.Background(), one, nil); !errors.As(err, &refusal) || refusal.Code != RefusedUnable {
		t.Errorf("to a member that answers nothing: %v", err)
	}
	b.SetRemoved([]raft.NodeID{one})
	if _, err := a.Call(context.Background(), two, nil); !errors.As(err, &refusal) || refusal.Code != RefusedRemoved {
		t.Errorf("from a member that was removed: %v", err)
	}
}

// TestCallAddress shows a node that belongs to no cluster yet: it needs the
// token, and Answer sees what it says of itself. It is no guest.
func TestCallAddress(t *testing.T) {
	var asked Hello
	m := alone(t, func(c *Config) {
		c.Answer = func(_ context.Context, from Hello, request []byte) ([]byte, error) {
			asked = from
			return append([]byte("welcome, "), request...), nil
		}
	})
	address := m.config.Listener.Addr().String()
	self := Hello{TokenDigest: helloOf(one).TokenDigest, Name: "n9", PeerAddr: "new:1"}
	call := func(self Hello) ([]byte, error) {
		return CallAddress(context.Background(), CallConfig{Self: self}, address, []byte("n9"))
	}
	if answer, err := call(self); err != nil || string(answer) != "welcome, n9" {
		t.Errorf("%q, %v", answer, err)
	}
	if asked.PeerAddr != "new:1" || asked.ClusterID != [16]byte{} || asked.TokenDigest != [32]byte{} || len(m.Peers()) != 1 {
		t.Errorf("asked by %+v, peers %v", asked, m.Peers())
	}
	for code, spoil := range map[RefusalCode]func(*Hello){
		RefusedToken:   func(h *Hello) { h.TokenDigest[0] ^= 1 },
		RefusedCluster: func(h *Hello) { h.ClusterID[0] = 1 },
		RefusedSelf: func(h *Hello) {
			self := helloOf(one)
			h.ClusterID, h.NodeID, h.StorageID = self.ClusterID, self.NodeID, self.StorageID
		},
	} {
		other := self
		spoil(&other)
		var refusal *Refusal
		if _, err := call(other); !errors.As(err, &refusal) || refusal.Code != code {
			t.Errorf("expected %v: %v", code, err)
		}
	}
	if _, err := CallAddress(context.Background(), CallConfig{Self: self}, "127.0.0.1:1", nil); err == nil ||
		!strings.HasPrefix(err.Error(), "transport: connect to 127.0.0.1:1: ") {
		t.Errorf("to nobody: %v", err)
	}
}

// TestStrangerNeedsAnID shows that only calls may come from nobody.
func TestStrangerNeedsAnID(t *testing.T) {
	m := alone(t, nil)
	c := knock(t, m)
	h := helloOf(one)
	h.NodeID = 0
	c.open(h, forMessages)
	c.expect(kindRefusal)
	m.awaitRefused(t, ErrMalformed)
}

// TestCallWaits shows an answer that takes longer than the idle timeout: who
// answers says that it is at work.
func TestCallWaits(t *testing.T) {
	t.Parallel() // it takes its time
	release := make(chan struct{})
	var reads atomic.Int32
	b := &breaker{read: func() {
		if reads.Add(1) == 18 { // the Welcome, and Pings for longer than the timeout
			close(release)
		}
	}}
	m := alone(t, func(c *Config) {
		c.IdleTimeout = 2 * time.Second
		c.Answer = func(ctx context.Context, _ Hello, _ []byte) ([]byte, error) {
			select {
			case <-release:
			case <-ctx.Done():
			}
			return []byte("at last"), nil
		}
	})
	config := CallConfig{Self: Hello{TokenDigest: helloOf(one).TokenDigest}, Dial: b.dial, IdleTimeout: 2 * time.Second}
	answer, err := CallAddress(context.Background(), config, m.config.Listener.Addr().String(), nil)
	if err != nil || string(answer) != "at last" {
		t.Errorf("%q, %v", answer, err)
	}
}

// TestCallEnds shows what ends a call that is being answered: the caller gives
// up, and the answering side learns it; the answering side stops; the member
// that is asked is removed.
func TestCallEnds(t *testing.T) {
	for name, end := range map[string]func(a, b *member, cancel context.CancelFunc){
		"the caller gives up":  func(_, _ *member, cancel context.CancelFunc) { cancel() },
		"the answering stops":  func(_, b *member, _ context.CancelFunc) { b.stop() },
		"the asked is removed": func(a, _ *member, _ context.CancelFunc) { a.SetRemoved([]raft.NodeID{two}) },
	} {
		t.Run(name, func(t *testing.T) {
			asked, ended := make(chan struct{}), make(chan struct{})
			a, b := pair(t, answering(func(ctx context.Context, _ Hello, _ []byte) ([]byte, error) {
				close(asked)
				<-ctx.Done()
				close(ended)
				return nil, ctx.Err()
			}))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			answered := make(chan error, 1)
			go func() {
				_, err := a.Call(ctx, two, nil)
				answered <- err
			}()
			<-asked
			end(a, b, cancel)
			<-ended
			if err := <-answered; err == nil || !strings.HasPrefix(err.Error(), "transport: call to n2: ") {
				t.Errorf("answered with %v", err)
			}
		})
	}
}

// TestTooManyCalls shows that more than maxCalls at a time are refused, and
// none of them is kept.
func TestTooManyCalls(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	a, _ := pair(t, func(_, b *Config) {
		b.MaxHandshakes = maxCalls + 1 // they all come at once
		b.Answer = func(ctx context.Context, _ Hello, _ []byte) ([]byte, error) {
			asked.Add(1)
			select {
			case <-release:
			case <-ctx.Done():
			}
			return nil, nil
		}
	})
	answered := make(chan error, maxCalls)
	for range maxCalls {
		go func() {
			_, err := a.Call(context.Background(), two, nil)
			answered <- err
		}()
	}
	eventually(t, "all calls", func() bool { return asked.Load() == maxCalls })
	want := "transport: call to n2: n2 is answering 32 calls already; ask again later"
	if _, err := a.Call(context.Background(), two, nil); err == nil || err.Error() != want {
		t.Errorf("one too many: %v", err)
	}
	close(release)
	for range maxCalls {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}

// FuzzBlob feeds arbitrary bytes to the decoder of calls, answers and
// failures. What decodes encodes to the same bytes again.
func FuzzBlob(f *testing.F) {
	for _, blob := range []string{"", "x", strings.Repeat("y", 300)} {
		f.Add(appendBlob(nil, kindCall, []byte(blob))[lengthBytes:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		kind, value, err := splitFrame(body)
		if err != nil {
			return
		}
		blob, err := decodeBlob(value)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || blob != nil {
				t.Fatalf("%q, %v", blob, err)
			}
			return
		}
		if again := appendBlob(nil, kind, blob); !bytes.Equal(again[lengthBytes:], body) {
			t.Fatalf("%x\nencodes to\n%x", body, again[lengthBytes:])
		}
	})
}
