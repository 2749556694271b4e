package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"quorate/raft"
)

// shelf is an ImageSink in memory. It keeps what came of an image that broke
// off, and verifies as the real one does.
type shelf struct {
	mu      sync.Mutex // guards the fields below
	changed chan struct{}
	parts   map[[32]byte][]byte
	offsets []int64 // at which Receive began
	done    map[[32]byte]ImageHeader
	refuse  error // what Receive answers
	full    int64 // Write fails at this offset, when not 0
	log     []string
}

func newShelf() *shelf {
	return &shelf{changed: make(chan struct{}), parts: map[[32]byte][]byte{}, done: map[[32]byte]ImageHeader{}}
}

func (s *shelf) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
	close(s.changed)
	s.changed = make(chan struct{})
}

// await waits until ok, which is called with s locked, after each note.
func (s *shelf) await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s.mu.Lock()
		done, changed := ok(), s.changed
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}

// fail makes Receive answer refuse, and the disk full at a size.
func (s *shelf) fail(refuse error, full int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.full = refuse, full
}

func (s *shelf) history() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.log)
}

func (s *shelf) Receive(h ImageHeader) (ImageWriter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return nil, s.refuse
	}
	s.offsets = append(s.offsets, int64(len(s.parts[h.SHA256])))
	s.note("begins with %d at %d", h.Snapshot.Index, len(s.parts[h.SHA256]))
	return &shelfWriter{s, h}, nil
}

type shelfWriter struct {
	*shelf
	header ImageHeader
}

func (w *shelfWriter) Offset() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.parts[w.header.SHA256]))
}

func (w *shelfWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	have := w.parts[w.header.SHA256]
	if w.full > 0 && int64(len(have)+len(b)) > w.full {
		return 0, errors.New("no space left on device")
	}
	w.parts[w.header.SHA256] = append(have, b...)
	w.note("has %d of %d", len(have)+len(b), w.header.Snapshot.Index)
	return len(b), nil
}

func (w *shelfWriter) Commit() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	sum := w.header.SHA256
	if sha256.Sum256(w.parts[sum]) != sum {
		delete(w.parts, sum)
		w.note("rejects %d", w.header.Snapshot.Index)
		return errors.New("the image's SHA-256 is another one")
	}
	w.done[sum] = w.header
	w.note("commits %d", w.header.Snapshot.Index)
	return nil
}

func (w *shelfWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("breaks off %d", w.header.Snapshot.Index)
	return nil
}

// imageOf makes an image of n bytes that are not all the same.
func imageOf(index raft.Index, n int) (ImageHeader, *bytes.Reader) {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16 ^ int(index))
	}
	h := ImageHeader{Term: 3, Bytes: int64(n), SHA256: sha256.Sum256(b)}
	h.Snapshot = raft.Snapshot{Index: index, Term: 2, Configuration: raft.ConfigurationAt{Index: 5,
		Configuration: raft.Configuration{Members: []raft.Member{{ID: one, Name: "n1", Address: "a:1"}, {ID: two, Name: "n2", Address: "b:2", Suffrage: raft.Learner}}}}}
	return h, bytes.NewReader(b)
}

// TestSendImage shows images of several sizes arriving, with what their header
// says.
func TestSendImage(t *testing.T) {
	s := newShelf()
	a, _ := pair(t, func(_, b *Config) { b.Images = s })
	for i, n := range []int{0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3*chunkBytes + 17} {
		h, image := imageOf(raft.Index(100+i), n)
		if err := a.SendImage(context.Background(), two, h, image); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		got, ok := s.done[h.SHA256]
		h.From = one
		if !ok || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", h) {
			t.Errorf("%d bytes: got %+v, want %+v", n, got, h)
		}
		want, _ := io.ReadAll(image)
		if !bytes.Equal(s.parts[h.SHA256], want) {
			t.Errorf("%d bytes: other bytes arrived", n)
		}
	}
}

// TestImageResumes breaks the connection that carries an image before, in the
// middle of, and after each of its parts. The next transfer goes on with the
// first part that is not there, and the image arrives whole.
func TestImageResumes(t *testing.T) {
	s, b := newShelf(), &breaker{}
	sender, _ := pair(t, func(from, to *Config) { from.Dial, to.Images = b.dial, s })
	const parts, tail = 3, 17
	h, image := imageOf(7, parts*chunkBytes+tail)
	h.From = one
	hello, err := encodeHello(kindHello, sender.config.Self, forImage)
	if err != nil {
		t.Fatal(err)
	}
	opening := len(preamble) + len(hello) + len(appendImage(nil, &h))

	have := int64(0) // what the receiver has
	round := func(after int, whole int64) {
		t.Helper()
		b.arm(after, func() {
			s.await(t, "what was sent whole", func() bool { return int64(len(s.parts[h.SHA256])) == whole })
		})
		if err := sender.SendImage(context.Background(), two, h, image); err == nil {
			t.Fatalf("cut after %d bytes, and no error", after)
		}
	}
	round(3, 0)
	round(len(preamble)+len(hello)+5, 0)
	round(opening, 0)
	for have < h.Bytes {
		n := min(chunkBytes, h.Bytes-have)
		part := len(appendChunk(nil, have, make([]byte, n)))
		for _, cut := range []int{1, lengthBytes, part / 2, part - 1} {
			round(opening+cut, have)
		}
		if have+n == h.Bytes {
			break // the last part is followed by nothing that could be cut
		}
		have += n
		round(opening+part, have)
	}
	b.disarm()
	if err := sender.SendImage(context.Background(), two, h, image); err != nil {
		t.Fatal(err)
	}
	if got := s.offsets[len(s.offsets)-1]; got != parts*chunkBytes {
		t.Errorf("the last transfer began at %d", got)
	}
	if _, ok := s.done[h.SHA256]; !ok {
		t.Error("the image was not committed")
	}
	// One that is there already is not sent again.
	b.arm(opening, func() {})
	if err := sender.SendImage(context.Background(), two, h, image); err != nil {
		t.Errorf("again: %v", err)
	}
}

// sendImage opens a connection for an image by hand, up to the offset.
func (c *client) sendImage(from Hello, h *ImageHeader, want uint64) {
	c.t.Helper()
	c.open(from, forImage)
	c.expect(kindWelcome)
	c.write(appendImage(nil, h))
	c.expectHave(want)
}

func (c *client) expectHave(want uint64) {
	c.t.Helper()
	r := reader{buf: c.expect(kindHave)}
	if got := r.uint(); got != want || r.whole() != nil {
		c.t.Fatalf("the receiver has %d, expected %d", got, want)
	}
}

// TestBadImages shows what a receiver makes of parts that are not what they
// should be: it says so, keeps what came before, and takes the rest later.
func TestBadImages(t *testing.T) {
	h, image := imageOf(9, 2*chunkBytes)
	data, _ := io.ReadAll(image)
	second := data[chunkBytes:]
	damaged := appendChunk(nil, chunkBytes, second)
	damaged[len(damaged)-5] ^= 1
	for _, c := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"damaged on the way", damaged, "at byte 1048576 of 2097152: transport: a part of the image was damaged on the way"},
		{"another part", appendChunk(nil, 0, data[:chunkBytes]), "1048576 bytes of an image at 0, where 1048576 of 2097152 are here"},
		{"a gap", appendChunk(nil, chunkBytes+1, second[1:]), "at 1048577, where 1048576"},
		{"an empty part", appendChunk(nil, chunkBytes, nil), "0 bytes of an image"},
		{"another frame", appendMessages(nil, heartbeats(one, 1, 1)), "kind 1 where a part of an image was to come"},
		{"half a part", []byte{0, 0, 0, 5, 0x92, byte(kindChunk), 0x93, 1, 2}, "a value ends after the frame's end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			m := alone(t, func(c *Config) { c.Images = s })
			bad := knock(t, m)
			bad.sendImage(helloOf(two), &h, 0)
			bad.write(appendChunk(nil, 0, data[:chunkBytes]))
			bad.expectHave(chunkBytes)
			bad.write(c.frame)
			if words := bad.expectFailure(); !strings.Contains(words, c.want) {
				t.Errorf("told %q, expected %q", words, c.want)
			}
			bad.Close()
			good := knock(t, m)
			good.sendImage(helloOf(two), &h, chunkBytes)
			good.write(appendChunk(nil, chunkBytes, second))
			good.expectHave(2 * chunkBytes)
			good.expect(kindDone)
			good.expectClosed()
		})
	}
	t.Run("too long a part", func(t *testing.T) {
		short := h
		short.Bytes = 10
		m := alone(t, func(c *Config) { c.Images = newShelf() })
		bad := knock(t, m)
		bad.sendImage(helloOf(two), &short, 0)
		bad.write(appendChunk(nil, 0, data[:11]))
		if words := bad.expectFailure(); !strings.Contains(words, "11 bytes of an image at 0, where 0 of 10 are here") {
			t.Errorf("told %q", words)
		}
	})
	t.Run("a frame over the limit", func(t *testing.T) {
		m := alone(t, func(c *Config) { c.Images = newShelf() })
		bad := knock(t, m)
		bad.sendImage(helloOf(two), &h, 0)
		bad.write([]byte{0x7f, 0, 0, 0})
		bad.expectClosed()
		m.awaitRefused(t, ErrFrameTooLarge)
	})
	t.Run("a header that is none", func(t *testing.T) {
		m := alone(t, func(c *Config) { c.Images = newShelf() })
		bad := knock(t, m)
		bad.open(helloOf(two), forImage)
		bad.expect(kindWelcome)
		bad.write([]byte{0, 0, 0, 3, 0x92, byte(kindImage), 7})
		bad.expectClosed()
		m.awaitRefused(t, ErrMalformed)
	})
}

// TestImageErrors shows what the sender is told, in words that say what and
// who.
func TestImageErrors(t *testing.T) {
	s := newShelf()
	a, _ := pair(t, func(_, b *Config) { b.Images = s })
	h, image := imageOf(9, chunkBytes+1)
	send := func(to raft.NodeID, h ImageHeader, image io.ReaderAt) error {
		return a.SendImage(context.Background(), to, h, image)
	}
	expect := func(err error, want string) {
		t.Helper()
		if err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	expect(send(99, h, image), "transport: image at index 9: no member has the id 63")

	s.fail(errors.New("snapshot: no space left on device: 12 MiB are needed"), 0)
	expect(send(two, h, image), "transport: image at index 9 to n2: snapshot: no space left on device: 12 MiB are needed")
	s.fail(nil, chunkBytes)
	expect(send(two, h, image), "transport: image at index 9 to n2: no space left on device")
	s.fail(nil, 0)

	expect(send(two, h, bytes.NewReader(nil)), "transport: image at index 9 to n2: read it at 1048576: EOF")

	wrong := h
	wrong.SHA256[0] ^= 1
	expect(send(two, wrong, image), "transport: image at index 9 to n2: the image's SHA-256 is another one")
	if got := s.history(); got[len(got)-1] != "rejects 9" {
		t.Errorf("%v", got)
	}
	if err := send(two, h, image); err != nil {
		t.Errorf("after all that: %v", err)
	}

	var refusal *Refusal
	b, _ := pair(t, nil)
	if err := b.SendImage(context.Background(), two, h, image); !errors.As(err, &refusal) || refusal.Code != RefusedUnable {
		t.Errorf("to a member that takes no images: %v", err)
	}
}

// TestOneImageAtATime shows that a newer image takes the place of one that is
// under way, also the same one on a new connection, and an older one does not.
func TestOneImageAtATime(t *testing.T) {
	s := newShelf()
	m := alone(t, func(c *Config) { c.Images = s })
	h, _ := imageOf(9, 2*chunkBytes)
	first, again := knock(t, m), knock(t, m)
	first.sendImage(helloOf(two), &h, 0)
	again.sendImage(helloOf(two), &h, 0)
	first.expectClosed()

	older, _ := imageOf(8, 10)
	late := knock(t, m)
	late.open(helloOf(two), forImage)
	late.expect(kindWelcome)
	late.write(appendImage(nil, &older))
	if words := late.expectFailure(); words != "a newer image, at index 9, is being received" {
		t.Errorf("told %q", words)
	}

	older.Term = h.Term + 1 // of a new leader, whose images count
	next := knock(t, m)
	next.sendImage(helloOf(two), &older, 0)
	again.expectClosed()
	want := []string{"begins with 9 at 0", "breaks off 9", "begins with 9 at 0", "breaks off 9", "begins with 8 at 0"}
	if got := s.history(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
}

// TestImageBesideMessages shows that messages arrive in both directions while
// an image is under way that does not get on: they share no queue.
func TestImageBesideMessages(t *testing.T) {
	s := &stuck{shelf: newShelf(), release: make(chan struct{})}
	a, b := pair(t, func(_, b *Config) { b.Images = s })
	sent := make(chan error, 1)
	h, image := imageOf(9, 4*chunkBytes)
	go func() { sent <- a.SendImage(context.Background(), two, h, image) }()
	s.await(t, "the image's beginning", func() bool { return len(s.log) > 0 })
	for i := range 100 {
		a.Send(heartbeats(two, i, 1))
		b.Send(heartbeats(one, i, 1))
	}
	b.await(t, "messages at the receiver", func() bool { return len(b.messages) == 100 })
	a.await(t, "messages at the sender", func() bool { return len(a.messages) == 100 })
	close(s.release)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// stuck is a shelf whose Commit waits.
type stuck struct {
	*shelf
	release chan struct{}
}

func (s *stuck) Receive(h ImageHeader) (ImageWriter, error) {
	w, err := s.shelf.Receive(h)
	return stuckWriter{w, s.release}, err
}

type stuckWriter struct {
	ImageWriter
	release chan struct{}
}

func (w stuckWriter) Commit() error {
	<-w.release
	return w.ImageWriter.Commit()
}

// TestSlowReceiver shows a receiver whose disk takes longer than the idle
// timeout: it says all the while that it is at work. One that falls silent is
// given up.
func TestSlowReceiver(t *testing.T) {
	t.Parallel() // it takes its time
	s := &stuck{shelf: newShelf(), release: make(chan struct{})}
	var reads atomic.Int32
	b := &breaker{read: func() {
		if reads.Add(1) == 24 { // Welcomes, Haves, and Pings for longer than the timeout
			close(s.release)
		}
	}}
	a, _ := pair(t, func(from, to *Config) {
		from.Dial, to.Images = b.dial, s
		from.ImageIdleTimeout, to.ImageIdleTimeout = 2*time.Second, 2*time.Second
	})
	h, image := imageOf(9, 10)
	if err := a.SendImage(context.Background(), two, h, image); err != nil {
		t.Error(err)
	}

	l := listen(t, "127.0.0.1:0")
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			// The test hears of it if this does not arrive.
			_ = welcome(conn, helloOf(two))
		}
	}()
	m := start(t, Config{Self: helloOf(one), Peers: []Peer{{two, "n2", l.Addr().String()}}, Listener: listen(t, "127.0.0.1:0"), ImageIdleTimeout: 10 * time.Millisecond})
	if err := m.SendImage(context.Background(), two, h, image); !errors.Is(err, ErrIdle) {
		t.Errorf("to a receiver that says nothing: %v", err)
	}
}

// TestImageRate shows how long the bytes of one transfer must take, and that a
// sender which waits for longer than a part of the idle timeout sends Pings.
func TestImageRate(t *testing.T) {
	t.Parallel() // it takes its time
	s := imageSender{bytesPerSecond: 1 << 20}
	if d := s.duration(3 << 19); d != 1500*time.Millisecond {
		t.Errorf("1.5 MiB at 1 MiB/s take %v", d)
	}
	s.bytesPerSecond = 0
	if d := s.duration(1 << 40); d != 0 {
		t.Errorf("without a rate: %v", d)
	}

	conn, other := net.Pipe()
	defer other.Close()
	s.wire = newWire(conn)
	s.idle = 4 * time.Second
	rested := make(chan error, 1)
	until := time.Now().Add(1100 * time.Millisecond)
	go func() {
		rested <- s.rest(context.Background(), until, nil)
		s.Close()
	}()
	kind, _, err := readFrame(other, nil, handshakeFrameBytes)
	if err != nil || kind != kindPing {
		t.Fatalf("kind %d, %v", kind, err)
	}
	if err := <-rested; err != nil || time.Now().Before(until) {
		t.Errorf("rested until %v before the time: %v", time.Until(until), err)
	}
}

// TestImageEnds shows what ends a transfer from this side: its context, the
// receiver's removal, and the end of Run. The receiver keeps the part it has.
func TestImageEnds(t *testing.T) {
	for name, end := range map[string]func(m *member, cancel context.CancelCauseFunc) error{
		"context": func(_ *member, cancel context.CancelCauseFunc) error {
			err := errors.New("not needed any more")
			cancel(err)
			return err
		},
		"removal": func(m *member, _ context.CancelCauseFunc) error {
			m.SetRemoved([]raft.NodeID{two})
			return ErrNotMember
		},
		"stop": func(m *member, _ context.CancelCauseFunc) error {
			m.stop()
			return context.Canceled
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShelf()
			a, _ := pair(t, func(a, b *Config) { b.Images, a.ImageBytesPerSecond = s, 1 })
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			h, image := imageOf(9, 2*chunkBytes)
			sent := make(chan error, 1)
			go func() { sent <- a.SendImage(ctx, two, h, image) }()
			s.await(t, "the first part", func() bool { return len(s.parts[h.SHA256]) == chunkBytes })
			want := end(a, cancel)
			if err := <-sent; !errors.Is(err, want) {
				t.Errorf("got %v, want %v", err, want)
			}
			s.await(t, "the end", func() bool { return s.log[len(s.log)-1] == "breaks off 9" })
		})
	}
}

// TestReceiverStops shows a receiver whose Run ends in the middle of an image.
func TestReceiverStops(t *testing.T) {
	s := newShelf()
	a, b := pair(t, func(a, b *Config) { b.Images, a.ImageBytesPerSecond = s, 1 })
	h, image := imageOf(9, 2*chunkBytes)
	sent := make(chan error, 1)
	go func() { sent <- a.SendImage(context.Background(), two, h, image) }()
	s.await(t, "the first part", func() bool { return len(s.parts[h.SHA256]) == chunkBytes })
	b.stop()
	if s.log[len(s.log)-1] != "breaks off 9" {
		t.Errorf("Run has returned, and the image is still being received: %v", s.log)
	}
	if err := <-sent; err == nil {
		t.Error("sent")
	}
}

// FuzzImageFrames feeds arbitrary bytes to the decoders of images. What decodes
// encodes to the same bytes again, within the limits.
func FuzzImageFrames(f *testing.F) {
	h, image := imageOf(9, 300)
	data, _ := io.ReadAll(image)
	_, header, err := splitFrame(appendImage(nil, &h)[lengthBytes:])
	if err != nil {
		f.Fatal(err)
	}
	_, chunk, err := splitFrame(appendChunk(nil, 1<<40, data)[lengthBytes:])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(header)
	f.Add(chunk)
	f.Fuzz(func(t *testing.T, value []byte) {
		before := bytes.Clone(value)
		if h, err := decodeImage(value, one); err == nil {
			if h.From != one || h.Bytes < 0 {
				t.Fatalf("%+v", h)
			}
			again := appendImage(nil, &h)
			_, v, err := splitFrame(again[lengthBytes:])
			if err != nil {
				t.Fatal(err)
			}
			// A configuration's numbers may be longer than they need be, so it
			// is the values that must be equal.
			h2, err := decodeImage(v, one)
			if err != nil || fmt.Sprintf("%+v", h2) != fmt.Sprintf("%+v", h) {
				t.Fatalf("%+v came back as %+v, %v", h, h2, err)
			}
		} else if !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
		offset, data, err := decodeChunk(value)
		if err == nil && offset <= math.MaxInt64 {
			again := appendChunk(nil, int64(offset), data)
			if _, v, err := splitFrame(again[lengthBytes:]); err != nil || !bytes.Equal(v, before) {
				t.Fatalf("%x\nencodes to\n%x, %v", before, v, err)
			}
		} else if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if !bytes.Equal(value, before) {
			t.Fatal("decoding changed the bytes")
		}
	})
}
