package transport

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

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
