package node

import (
	"context"
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
	waiters  int // sessions that still wait; guarded by readQueue.mu
}

// readQueue is where sessions meet the driver.
type readQueue struct {
	wake func() // tells the driver that there is a forming round

	mu      sync.Mutex
	forming *round // takes waiters until the driver asks; nil: none
}

// index returns a read index: the commit index of the leader at some moment
// after the call began. It waits for a quorum as long as ctx allows.
func (q *readQueue) index(ctx context.Context) (raft.Index, error) {
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

func (q *readQueue) join() *round {
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
		q.wake()
	}
	return r
}

// take returns the forming round for the driver to ask about, nil if none.
func (q *readQueue) take() *round {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.forming
	q.forming = nil
	return r
}

// wanted reports whether anybody still waits for r.
func (q *readQueue) wanted(r *round) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return r.waiters > 0
}

// reader is the driver's part: it asks the core and matches the answers.
type reader struct {
	driver      *driver
	queue       *readQueue
	resendTicks int

	// request numbers the questions; a number is never used twice, so that a
	// late answer to an earlier question cannot answer a later one.
	request uint64
	asked   []askedRound
	idle    []*round // could not be asked yet: no leader is known
}

type askedRound struct {
	request uint64
	tick    int
	round   *round
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
	r.request++
	if err := r.driver.core.ReadIndex(r.request); err != nil {
		r.idle = append(r.idle, x) // no leader is known: on a later turn
		return
	}
	r.asked = append(r.asked, askedRound{r.request, r.driver.tick, x})
}

// answered hands read indices to those who wait, and lets the next round go.
func (r *reader) answered(states []raft.ReadState) {
	for _, s := range states {
		for i := range r.asked {
			if r.asked[i].request == s.Request {
				r.asked[i].round.index = s.Index
				close(r.asked[i].round.answered)
				r.asked = append(r.asked[:i], r.asked[i+1:]...)
				break
			}
		}
	}
	if len(states) > 0 {
		r.start()
	}
}

// lost takes questions that the core gave up; they are asked again.
func (r *reader) lost(requests []uint64) {
	for _, request := range requests {
		for i := range r.asked {
			if r.asked[i].request == request {
				r.idle = append(r.idle, r.asked[i].round)
				r.asked = append(r.asked[:i], r.asked[i+1:]...)
				break
			}
		}
	}
}

// resend asks again, under new numbers, what was not answered for a while.
func (r *reader) resend() {
	keep := r.asked[:0]
	for _, a := range r.asked {
		if r.driver.tick-a.tick >= r.resendTicks {
			r.idle = append(r.idle, a.round)
		} else {
			keep = append(keep, a)
		}
	}
	clear(r.asked[len(keep):])
	r.asked = keep
}
