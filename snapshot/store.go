package snapshot

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"quorate/internal/vfs"
	"quorate/raft"
)

// Options are what Open is told.
type Options struct {
	FS  vfs.FS
	Dir string // made if it is missing
	// Make makes an image of the state machine as it is, in a new file at path.
	Make func(ctx context.Context, path string) (Image, error)
	// Size is about how many bytes it would have.
	Size func() int64
	// Received is told of each image that is complete and durable. It is called
	// by Writer.Commit, and again for an image that is sent again.
	Received func(Header)
	// Keep is how long an image to send stays after its last use: a transfer
	// that broke off is resumed, but only with the same image. Longer: more
	// transfers that need not begin anew; meanwhile the disk holds the database
	// twice. Default: 1 minute.
	Keep time.Duration
	// ReserveBytes must stay free on the disk, for the log: an image that would
	// take it is not begun. Default: 64 MiB.
	ReserveBytes int64
	// Discard removes received images when the store is opened, unread: whoever opens
	// it has no use for them.
	Discard bool
}

const (
	incomingName   = "incoming"
	outgoingPrefix = "outgoing-"
	receivedPrefix = "received-"
	imageSuffix    = ".image"
	metaSuffix     = ".meta"
	temporary      = ".tmp"
)

// ErrNoRoom says that the disk cannot take an image. What was there of it is
// removed; it is worth trying again.
var ErrNoRoom = errors.New("there is not enough room on the disk")

// ErrBusy says that maxReceived images wait to be installed.
var ErrBusy = errors.New("images that came before wait to be installed")

// maxReceived bounds the complete images of others. One may be on its way into the
// database while a newer one comes; while the log's disk hangs, or the state
// machine is slow, more would only fill the disk.
const maxReceived = 2

// ErrClosed is returned by a Store that is closed.
var ErrClosed = errors.New("snapshot: closed")

// Store is the directory. Its methods may be called concurrently, but one
// image at a time is received.
type Store struct {
	options Options
	making  chan struct{} // holds one token: images are made one at a time
	after   func(d time.Duration, f func()) (stop func() bool)

	// mu guards the fields below, and what they point to; it is not held while an
	// image is read or written. A partial image belongs to its Writer while there
	// is one.
	mu       sync.Mutex
	closed   bool
	received []Image  // durable, by index
	partial  *partial // what is there of an image, nil: nothing
	outgoing *outgoing
	made     int // images, for their names
	retired  int // how often Retire was called
}

// Open opens the directory and removes what a former process has left, but for
// received images.
func Open(o Options) (*Store, error) {
	if o.Keep == 0 {
		o.Keep = time.Minute
	}
	if o.ReserveBytes == 0 {
		o.ReserveBytes = 64 << 20
	}
	s := &Store{options: o, making: make(chan struct{}, 1), after: func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }}
	if err := s.scan(); err != nil {
		return nil, fmt.Errorf("snapshot: open: %w", err)
	}
	return s, nil
}

// scan finds the received images and removes everything else of ours.
func (s *Store) scan() error {
	disk, dir := s.options.FS, s.options.Dir
	if err := disk.MkdirAll(dir); err != nil {
		return err
	}
	names, err := disk.List(dir)
	if err != nil {
		return err
	}
	keep := make(map[string]bool)
	for _, name := range names {
		if s.options.Discard {
			break
		}
		if !strings.HasPrefix(name, receivedPrefix) || !strings.HasSuffix(name, metaSuffix) {
			continue
		}
		image, err := s.readMeta(name)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
		if image != nil {
			s.received = append(s.received, *image)
			keep[name], keep[receivedName(image.Snapshot.Index)+imageSuffix] = true, true
		}
	}
	for _, name := range names {
		if (name == incomingName || strings.HasPrefix(name, outgoingPrefix) || strings.HasPrefix(name, receivedPrefix)) && !keep[name] {
			if err := disk.Remove(s.path(name)); err != nil {
				return err
			}
		}
	}
	s.sortReceived()
	return nil
}

func (s *Store) sortReceived() {
	slices.SortFunc(s.received, func(a, b Image) int { return cmp.Compare(a.Snapshot.Index, b.Snapshot.Index) })
}

// readMeta reads a meta file and returns its image; nil when that is not whole,
// or not there any more because it is installed.
func (s *Store) readMeta(name string) (*Image, error) {
	b, err := s.readFile(s.path(name))
	if err != nil {
		return nil, err
	}
	image, err := decodeMeta(b)
	if errors.Is(err, errMeta) {
		return nil, nil // its name came to the disk before its contents
	}
	if err != nil {
		return nil, err
	}
	base := receivedName(image.Snapshot.Index)
	size, err := s.options.FS.Size(s.path(base + imageSuffix))
	if errors.Is(err, fs.ErrNotExist) || base+metaSuffix != name || size != image.Bytes && err == nil {
		return nil, nil
	}
	return &image, err
}

func (s *Store) readFile(path string) ([]byte, error) {
	file, err := s.options.FS.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	_, err = file.ReadAt(b, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// Path returns the path of the received image at the index, if there is one.
// The state machine may take it away.
func (s *Store) Path(index raft.Index) (path string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(index) == nil {
		return "", false
	}
	return s.path(receivedName(index) + imageSuffix), true
}

// Verify reads the received image at the index and compares it with its
// SHA-256. Commit has done so; a start does it again.
func (s *Store) Verify(index raft.Index) error {
	s.mu.Lock()
	image := s.find(index)
	s.mu.Unlock()
	if image == nil {
		return fmt.Errorf("snapshot: there is no image at index %d", index)
	}
	path := s.path(receivedName(index) + imageSuffix)
	file, err := s.options.FS.Open(path)
	if err != nil {
		return fmt.Errorf("snapshot: verify: %w", err)
	}
	defer file.Close()
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(file, 0, image.Bytes), make([]byte, 1<<20)); err != nil {
		return fmt.Errorf("snapshot: verify: %w", err)
	}
	if [sha256.Size]byte(h.Sum(nil)) != image.SHA256 {
		return fmt.Errorf("snapshot: %s is damaged: its SHA-256 is not the one that it was received with", path)
	}
	return nil
}

// Forget removes the received images up to the index, which the state machine
// has reached without them or by them, and what is there of one that is being
// received. It costs little when there are none.
func (s *Store) Forget(through raft.Index) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.partial; p != nil && p.header.Snapshot.Index <= through && !p.writing {
		s.dropPartial()
	}
	for len(s.received) > 0 && s.received[0].Snapshot.Index <= through {
		if err := s.removeReceived(s.received[0].Snapshot.Index); err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		s.received = slices.Delete(s.received, 0, 1)
	}
	return nil
}

// removeReceived removes an image, its meta file first: without it, it is none.
func (s *Store) removeReceived(index raft.Index) error {
	for _, suffix := range []string{metaSuffix, imageSuffix} {
		if err := s.options.FS.Remove(s.path(receivedName(index) + suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close removes what is not to outlive the process. Images that are being sent
// or received fail from here on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.partial != nil && !s.partial.writing {
		s.dropPartial() // else the writer does it
	}
	if s.outgoing != nil {
		s.retire()
	}
	return nil
}

// find returns the received image at the index, nil when there is none.
func (s *Store) find(index raft.Index) *Image {
	for i := range s.received {
		if s.received[i].Snapshot.Index == index {
			image := s.received[i]
			return &image
		}
	}
	return nil
}

func (s *Store) path(name string) string { return filepath.Join(s.options.Dir, name) }

func receivedName(index raft.Index) string {
	return fmt.Sprintf("%s%016x", receivedPrefix, uint64(index))
}

// needRoom returns ErrNoRoom, with the reason, when the disk cannot take so
// many bytes more.
func (s *Store) needRoom(bytes int64) error {
	free, err := s.options.FS.Free(s.options.Dir)
	if err != nil {
		return nil // a file system that does not say; writing will
	}
	if free-s.options.ReserveBytes < bytes {
		return fmt.Errorf("%w: the image has %d bytes, %s has %d free, of which %d are kept for the log: make room, it is tried again",
			ErrNoRoom, bytes, s.options.Dir, free, s.options.ReserveBytes)
	}
	return nil
}

// roomError makes of an error that says that the disk is full one that is
// ErrNoRoom.
func (s *Store) roomError(err error) error {
	if !vfs.IsNoSpace(err) {
		return err
	}
	return fmt.Errorf("%w: make room in %s, it is tried again: %w", ErrNoRoom, s.options.Dir, err)
}
