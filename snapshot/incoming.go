package snapshot

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"quorate/internal/vfs"
	"quorate/raft"
)

// Header says what image comes, and from whom.
type Header struct {
	From     raft.NodeID
	Term     raft.Term // in which From leads
	Snapshot raft.Snapshot
	Bytes    int64
	SHA256   [sha256.Size]byte
}

func (h *Header) image() Image { return Image{Snapshot: h.Snapshot, Bytes: h.Bytes, SHA256: h.SHA256} }

// syncBytes is how much of an image may wait for the disk. All of it at the end
// would be in the way of the log's syncs for as long as it takes.
const syncBytes = 8 << 20

// partial is what has come of an image.
type partial struct {
	header  Header
	file    vfs.File
	hash    hash.Hash
	at      int64 // bytes in the file and in the hash
	synced  int64
	writing bool // a Writer has it
}

// Writer takes one image. It ends with Commit or Close; one goroutine uses it.
type Writer struct {
	store   *Store
	partial *partial // nil: the image is here, or the writer has ended
	header  Header
	here    bool // the image was here before
}

// Receive begins with an image, or goes on with the same one where it broke off.
// There must be no other Writer. An image that is no use any more, or for which
// there is no room, is refused.
func (s *Store) Receive(h Header) (*Writer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	w := &Writer{store: s, header: h}
	if s.find(h.Snapshot.Index) != nil {
		w.here = true
		return w, nil
	}
	if len(s.received) >= maxReceived {
		return nil, fmt.Errorf("snapshot: receive: %w", ErrBusy)
	}
	if p := s.partial; p != nil {
		if p.writing {
			panic("snapshot: Receive while an image is being received")
		}
		if p.header.SHA256 == h.SHA256 && p.header.Bytes == h.Bytes && p.header.Snapshot.Index == h.Snapshot.Index {
			p.header, p.writing, w.partial = h, true, p
			return w, nil
		}
		s.dropPartial()
	}
	if err := s.begin(h); err != nil {
		return nil, fmt.Errorf("snapshot: receive: %w", err)
	}
	w.partial = s.partial
	return w, nil
}

// begin makes a file for an image, of its full size, so that a disk that is too
// small says so now.
func (s *Store) begin(h Header) error {
	if h.Bytes <= 0 {
		return fmt.Errorf("an image of %d bytes is none", h.Bytes)
	}
	if err := s.needRoom(h.Bytes); err != nil {
		return err
	}
	file, err := s.options.FS.Create(s.path(incomingName))
	if err != nil {
		return s.roomError(err)
	}
	s.partial = &partial{header: h, file: file, hash: sha256.New(), writing: true}
	if err := file.Preallocate(h.Bytes); err != nil {
		s.dropPartial()
		return s.roomError(err)
	}
	return nil
}

// dropPartial removes what there is of an image. That it may fail is of no
// account: the next image, or the next start, goes over it.
func (s *Store) dropPartial() {
	s.partial.file.Close()
	s.options.FS.Remove(s.path(incomingName))
	s.partial = nil
}

// Offset returns how much of the image is here: Write goes on there.
func (w *Writer) Offset() int64 {
	if w.here {
		return w.header.Bytes
	}
	return w.partial.at
}

// Write takes the next bytes. After an error nothing of the image is kept.
func (w *Writer) Write(b []byte) (int, error) {
	p, err := w.own()
	if err != nil {
		return 0, err
	}
	if err := p.write(b); err != nil {
		w.abandon()
		return 0, fmt.Errorf("snapshot: receive: %w", w.store.roomError(err))
	}
	return len(b), nil
}

func (p *partial) write(b []byte) error {
	if int64(len(b)) > p.header.Bytes-p.at {
		return fmt.Errorf("more has come than the %d bytes that were announced", p.header.Bytes)
	}
	if _, err := p.file.WriteAt(b, p.at); err != nil {
		return err
	}
	p.hash.Write(b)
	p.at += int64(len(b))
	if p.at-p.synced < syncBytes {
		return nil
	}
	p.synced = p.at
	return p.file.Sync()
}

// own returns what the writer writes to.
func (w *Writer) own() (*partial, error) {
	w.store.mu.Lock()
	closed := w.store.closed
	w.store.mu.Unlock()
	switch {
	case w.partial == nil:
		return nil, errors.New("snapshot: there is nothing more to receive of the image")
	case closed:
		w.abandon()
		return nil, ErrClosed
	}
	return w.partial, nil
}

// abandon ends the writer and forgets the image.
func (w *Writer) abandon() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.dropPartial()
	w.partial = nil
}

// Commit verifies the image, makes it durable and tells Options.Received. After
// an error nothing of the image is kept.
func (w *Writer) Commit() error {
	if !w.here {
		if err := w.commit(); err != nil {
			return err
		}
	}
	w.store.options.Received(w.header)
	return nil
}

func (w *Writer) commit() error {
	p, err := w.own()
	if err != nil {
		return err
	}
	s := w.store
	if err = p.check(); err == nil {
		err = s.keep(p)
	}
	if err != nil {
		w.abandon()
		s.removeReceived(p.header.Snapshot.Index) // what there may be of it; a start removes the rest
		return fmt.Errorf("snapshot: receive: %w", s.roomError(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.received = append(s.received, p.header.image())
	s.sortReceived()
	s.partial, w.partial = nil, nil
	return nil
}

// check compares what has come with what was announced.
func (p *partial) check() error {
	if p.at != p.header.Bytes {
		return fmt.Errorf("%d of %d bytes have come", p.at, p.header.Bytes)
	}
	if [sha256.Size]byte(p.hash.Sum(nil)) != p.header.SHA256 {
		return errors.New("the SHA-256 of what has come is not the one that was announced")
	}
	return nil
}

// keep makes a whole image durable and gives it its name, and then its meta
// file.
func (s *Store) keep(p *partial) error {
	if err := p.file.Sync(); err != nil {
		return err
	}
	if err := p.file.Close(); err != nil {
		return err
	}
	disk, image := s.options.FS, p.header.image()
	base := s.path(receivedName(image.Snapshot.Index))
	if err := disk.Rename(s.path(incomingName), base+imageSuffix); err != nil {
		return err
	}
	if err := s.writeFile(base+metaSuffix, appendMeta(nil, &image)); err != nil {
		return err
	}
	return disk.SyncDir(s.options.Dir)
}

// writeFile writes a file whose name appears when its contents are durable.
func (s *Store) writeFile(path string, b []byte) error {
	file, err := s.options.FS.Create(path + temporary)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(b, 0)
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = s.options.FS.Rename(path+temporary, path)
	}
	if err != nil {
		s.options.FS.Remove(path + temporary)
	}
	return err
}

// Close says that the image broke off. What has come is kept, so that it can be
// resumed. After Commit it does nothing.
func (w *Writer) Close() error {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	if w.partial != nil {
		w.partial.writing = false
		if w.store.closed {
			w.store.dropPartial()
		}
	}
	w.partial = nil
	return nil
}
