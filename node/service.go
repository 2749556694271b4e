package node

import (
	"sync"
	"sync/atomic"

	"quorate/internal/errcode"
)

// service says whether this node serves SQL, and if not all of it, why. It does
// not when its own database is known to be wrong: then no session is served. When
// nobody knows whose database is right, only those who ask for stale data are: they
// say that they want what this node has, whatever it is.
type service struct {
	barred atomic.Pointer[errcode.Error] // why no session is served
	doubt  atomic.Pointer[errcode.Error] // why there are no writes, and no reads but stale ones

	mu sync.Mutex // guards the fields below
	// ended is what interrupted returns; nil: nobody has asked for it yet.
	ended   chan struct{}
	isEnded bool
}

// bar ends the service. Commands that are under way still get an outcome, unless
// interrupt says that there will be none.
func (s *service) bar(why *errcode.Error) { s.barred.Store(why) }

// interrupt makes the sessions that wait for an outcome give up.
func (s *service) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isEnded {
		close(s.interruption())
		s.isEnded = true
	}
}

// resume begins the service again.
func (s *service) resume() {
	s.mu.Lock()
	s.ended, s.isEnded = nil, false
	s.mu.Unlock()
	s.barred.Store(nil)
}

// interrupted is closed when commands that are under way get no outcome any more.
func (s *service) interrupted() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interruption()
}

func (s *service) interruption() chan struct{} {
	if s.ended == nil {
		s.ended = make(chan struct{})
	}
	return s.ended
}

// refusal says why a statement is not served, nil that it is; stale: it reads, and
// takes what there is.
func (s *service) refusal(stale bool) error {
	if e := s.barred.Load(); e != nil {
		return e
	}
	if e := s.doubt.Load(); e != nil && !stale {
		return e
	}
	return nil
}
