package driver

import (
	"context"
	"slices"
	"sync"

	"quorate/raft"
)

// Linearizable reads (thesis §6.4): a session that wants to read waits until a
// read index is known and applied. All sessions that come while a round is
// being asked for share the next one: a round costs one heartbeat exchange
// however many wait for it.

// maxRounds is how many rounds are under way at once. One more than one lets a
// reader that has just missed a round go ahead without waiting for it.
const maxRounds = 2

// round is one question for a read index and those who wait for its answer.
type round struct {
	answered chan struct{} // closed when index is set
	index    raft.Index
	waiters  int // sessions that still wait; guarded by ReadQueue.mu
}

// ReadQueue is where sessions meet the driver.
type ReadQueue struct {
	Wake func() // tells the driver that there is a forming round

	mu      sync.Mutex
	forming *round // takes waiters until the driver asks; nil: none
}

// Index returns a read index: the commit index of the leader at some moment
// after the call began. It waits for a quorum as long as ctx allows.
func (q *ReadQueue) Index(ctx context.Context) (raft.Index, error) {
	r := q.join()
	select {
	case <-r.answered:
		return r.index, nil
	case <-ctx.Done():
		q.mu.Lock()
		r.waiters--
		q.mu.Unlock()
		return 0, ctx.Err()
	}
}

func (q *ReadQueue) join() *round {
	q.mu.Lock()
	r := q.forming
	fresh := r == nil
	if fresh {
		r = &round{answered: make(chan struct{})}
		q.forming = r
	}
	r.waiters++
	q.mu.Unlock()
	if fresh {
		q.Wake()
	}
	return r
}

// take returns the forming round for the driver to ask about, nil if none.
func (q *ReadQueue) take() *round {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.forming
	q.forming = nil
	return r
}

// wanted reports whether anybody still waits for r.
func (q *ReadQueue) wanted(r *round) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return r.waiters > 0
}

// reader is the driver's part: it asks the core and matches the answers.
type reader struct {
	driver      *Driver
	queue       *ReadQueue
	resendTicks int

	// request numbers the questions; a number is never used twice, so that a
	// late answer to one round's question cannot answer another round.
	request uint64
	asked   []askedRound
	idle    []*round // could not be asked yet: no leader is known
}

// askedRound is a round that waits for its answer. Messages may be lost, so it
// is asked for again after a while; an answer to any of its questions will do,
// because all of them were asked after the last of its sessions had come. (To
// take only the newest's would be never to hear any where the way to the
// leader and back takes longer than the while.)
type askedRound struct {
	round    *round
	requests []uint64
	tick     int // of the newest question
}

// start asks for the forming round, if there is room for it.
func (r *reader) start() {
	if len(r.idle) > 0 {
		idle := r.idle
		r.idle = nil
		for _, x := range idle {
			r.ask(x)
		}
	}
	if len(r.asked)+len(r.idle) < maxRounds {
		if x := r.queue.take(); x != nil {
			r.ask(x)
		}
	}
}

func (r *reader) ask(x *round) {
	if !r.queue.wanted(x) {
		return
	}
	a := askedRound{round: x}
	if !r.question(&a) {
		r.idle = append(r.idle, x) // no leader is known: on a later turn
		return
	}
	r.asked = append(r.asked, a)
}

// question asks the core for a read index for a; false: it cannot be asked now.
func (r *reader) question(a *askedRound) bool {
	r.request++
	if err := r.driver.core.ReadIndex(r.request); err != nil {
		return false
	}
	a.requests, a.tick = append(a.requests, r.request), r.driver.tick
	return true
}

// find returns the position of the round that the request was asked for, -1 if
// it has its answer already.
func (r *reader) find(request uint64) int {
	return slices.IndexFunc(r.asked, func(a askedRound) bool { return slices.Contains(a.requests, request) })
}

// answered hands read indices to those who wait, and lets the next round go.
func (r *reader) answered(states []raft.ReadState) {
	for _, s := range states {
		if i := r.find(s.Request); i >= 0 {
			r.asked[i].round.index = s.Index
			close(r.asked[i].round.answered)
			r.asked = slices.Delete(r.asked, i, i+1)
		}
	}
	if len(states) > 0 {
		r.start()
	}
}

// lost takes questions that the core gave up. A round that has no other one
// is asked for again.
func (r *reader) lost(requests []uint64) {
	for _, request := range requests {
		i := r.find(request)
		if i < 0 {
			continue
		}
		a := &r.asked[i]
		a.requests = slices.DeleteFunc(a.requests, func(n uint64) bool { return n == request })
		if len(a.requests) == 0 {
			r.idle = append(r.idle, a.round)
			r.asked = slices.Delete(r.asked, i, i+1)
		}
	}
}

// resend asks again for what was not answered for a while, and drops what
// nobody waits for any more.
func (r *reader) resend() {
	r.asked = slices.DeleteFunc(r.asked, func(a askedRound) bool { return !r.queue.wanted(a.round) })
	for i := range r.asked {
		if a := &r.asked[i]; r.driver.tick-a.tick >= r.resendTicks {
			r.question(a) // when it cannot be asked, the next tick tries again
		}
	}
}
