package snapshot

import (
	"context"
	"errors"
	"fmt"

	"quorate/internal/vfs"
	"quorate/raft"
)

// outgoing is an image that is there to be sent. Store.mu guards it.
type outgoing struct {
	image Image
	path  string
	file  vfs.File
	users int
	// retired: the file goes with its last user. Only Store.outgoing is not.
	retired bool
	stop    func() bool // keeps it from being retired after Keep; nil: there are users
}

// Outgoing is an image to send from. Several may share one file.
type Outgoing struct {
	Image
	store    *Store
	from     *outgoing
	released bool
}

// Outgoing returns an image whose index is at least base: the one that others
// are being sent, or else a new one, which takes as long as copying the
// database does. The caller releases it.
func (s *Store) Outgoing(ctx context.Context, base raft.Index) (*Outgoing, error) {
	select {
	case s.making <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.making }()
	if o, err := s.reuse(base); o != nil || err != nil {
		return o, err
	}
	o, err := s.makeOutgoing(ctx, base)
	if err != nil {
		return nil, fmt.Errorf("snapshot: send: %w", err)
	}
	return o, nil
}

// reuse returns the image that there is, if it will do, and retires it if not.
func (s *Store) reuse(base raft.Index) (*Outgoing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if s.outgoing == nil {
		return nil, nil
	}
	if s.outgoing.image.Snapshot.Index < base {
		s.retire()
		return nil, nil
	}
	return s.use(), nil
}

// use hands out the present image.
func (s *Store) use() *Outgoing {
	o := s.outgoing
	if o.stop != nil {
		o.stop() // if it is too late for that, expire sees the user
		o.stop = nil
	}
	o.users++
	return &Outgoing{Image: o.image, store: s, from: o}
}

func (s *Store) makeOutgoing(ctx context.Context, base raft.Index) (*Outgoing, error) {
	s.mu.Lock()
	s.made++
	retired := s.retired
	path := s.path(fmt.Sprintf("%s%d", outgoingPrefix, s.made))
	s.mu.Unlock()
	if err := s.needRoom(s.options.Size()); err != nil {
		return nil, err
	}
	image, err := s.options.Make(ctx, path)
	if err != nil {
		s.options.FS.Remove(path) // mostly it is gone already
		return nil, s.roomError(err)
	}
	file, err := s.options.FS.Open(path)
	if err == nil && image.Snapshot.Index < base {
		file.Close()
		err = fmt.Errorf("the state machine is at index %d, and the log begins after %d", image.Snapshot.Index, base)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.closed {
		file.Close()
		err = ErrClosed
	}
	if err == nil && s.retired != retired {
		file.Close()
		err = errors.New("the state machine got another database meanwhile")
	}
	if err != nil {
		s.options.FS.Remove(path)
		return nil, err
	}
	s.outgoing = &outgoing{image: image, path: path, file: file}
	return s.use(), nil
}

// ReadAt reads from the image.
func (o *Outgoing) ReadAt(b []byte, offset int64) (int, error) { return o.from.file.ReadAt(b, offset) }

// Release gives the image back. One that nobody uses stays for Options.Keep.
func (o *Outgoing) Release() {
	s := o.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.released {
		return
	}
	o.released = true
	from := o.from
	from.users--
	switch {
	case from.users > 0:
	case from.retired:
		s.remove(from)
	default:
		from.stop = s.after(s.options.Keep, func() { s.expire(from) })
	}
}

// expire retires an image that nobody has used for a while.
func (s *Store) expire(o *outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outgoing == o && o.users == 0 {
		s.retire()
	}
}

// Retire keeps the image that there is, or is being made, from being handed out: the
// state machine was found to be wrong, and has another database now.
func (s *Store) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired++
	if s.outgoing != nil {
		s.retire()
	}
}

// retire takes the present image out of use: it goes with its last user.
func (s *Store) retire() {
	o := s.outgoing
	s.outgoing, o.retired = nil, true
	if o.stop != nil {
		o.stop()
	}
	if o.users == 0 {
		s.remove(o)
	}
}

// remove removes an image's file. One that cannot be removed goes at the next
// start.
func (s *Store) remove(o *outgoing) {
	o.file.Close()
	s.options.FS.Remove(o.path)
}
