package node

import (
	"context"
	"sync"

	"quorate/raft"
)

// progress is how far this node's state machine is, and who waits for it.
type progress struct {
	mu      sync.Mutex
	index   raft.Index
	barred  error // why nobody may wait, nil: they may
	was     error // what barred was last
	waiters []progressWaiter
}

type progressWaiter struct {
	index raft.Index
	ready chan struct{}
}

// applied returns the last applied index.
func (p *progress) applied() raft.Index {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.index
}

// advance moves the applied index and lets go whom it was enough for.
func (p *progress) advance(index raft.Index) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.index = index
	keep := p.waiters[:0]
	for _, w := range p.waiters {
		if w.index <= index {
			close(w.ready)
		} else {
			keep = append(keep, w)
		}
	}
	clear(p.waiters[len(keep):])
	p.waiters = keep
}

// wait returns when index is applied.
func (p *progress) wait(ctx context.Context, index raft.Index) error {
	p.mu.Lock()
	if p.barred != nil || index <= p.index {
		defer p.mu.Unlock()
		return p.barred
	}
	w := progressWaiter{index, make(chan struct{})}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	select {
	case <-w.ready:
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.barred == nil && p.index < index {
			return p.was // it has been barred and is so no more
		}
		return p.barred
	case <-ctx.Done():
		p.forget(w.ready)
		return ctx.Err()
	}
}

// bar ends every wait with an error, until unbar.
func (p *progress) bar(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.barred, p.was = why, why
	for _, w := range p.waiters {
		close(w.ready)
	}
	clear(p.waiters)
	p.waiters = p.waiters[:0]
}

func (p *progress) unbar() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.barred = nil
}

func (p *progress) forget(ready chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.waiters {
		if p.waiters[i].ready == ready {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			return
		}
	}
}
