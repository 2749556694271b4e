package sqlfsm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// readers hands out readers of the current database file. After Install there
// are two files for a while: snapshots that were open go on reading the old
// one, each on the connection that it has.
type readers struct {
	current atomic.Pointer[pool]
	active  atomic.Int64   // taken and not given back
	open    sync.WaitGroup // counts the connections of all pools, and images being made
}

// take waits for a free reader.
func (rs *readers) take(ctx context.Context) (*reader, error) {
	for {
		p := rs.current.Load()
		r, err := p.take(ctx)
		switch {
		case err == nil:
			rs.active.Add(1)
			return r, nil
		case !errors.Is(err, errRetired):
			return nil, err
		case rs.current.Load() == p:
			return nil, ErrClosed
		}
	}
}

// takeFree takes a reader if one is free, else it returns nil.
func (rs *readers) takeFree() *reader {
	r := rs.current.Load().takeFree()
	if r != nil {
		rs.active.Add(1)
	}
	return r
}

func (rs *readers) put(r *reader) {
	rs.active.Add(-1)
	r.pool.put(r)
}

// replace makes p the pool to take from and returns the one before, nil at
// first.
func (rs *readers) replace(p *pool) *pool { return rs.current.Swap(p) }

// close waits for all readers to come back and closes them.
func (rs *readers) close() {
	if p := rs.current.Load(); p != nil {
		p.retire()
	}
	rs.open.Wait()
}

// errRetired says that a pool gives no more readers.
var errRetired = errors.New("the pool is retired")

// pool keeps the readers that nobody uses. The last one used comes first: its
// cache is the warmest.
type pool struct {
	open  *sync.WaitGroup
	slots chan struct{} // one for each free reader
	gone  chan struct{} // closed when the pool is retired
	all   []*reader

	mu      sync.Mutex // guards the fields below
	free    []*reader  // invariant: len(free) >= len(slots)
	retired bool
}

func openPool(path string, o Options, open *sync.WaitGroup, horizon *atomic.Int64) (*pool, error) {
	p := &pool{open: open, slots: make(chan struct{}, o.Readers), gone: make(chan struct{})}
	for range o.Readers {
		r, err := openReader(path, o.CacheBytes/o.Readers, horizon)
		if err != nil {
			p.retire()
			return nil, err
		}
		open.Add(1)
		r.pool = p
		p.all = append(p.all, r)
		p.put(r)
	}
	return p, nil
}

// take waits for a free reader. The error is errRetired or the context's.
func (p *pool) take(ctx context.Context) (*reader, error) {
	if r := p.takeFree(); r != nil {
		return r, nil
	}
	select {
	case <-p.slots:
		return p.pop(), nil
	case <-p.gone:
		return nil, errRetired
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// takeFree takes a reader if one is free, else it returns nil.
func (p *pool) takeFree() *reader {
	select {
	case <-p.slots:
		return p.pop()
	default:
		return nil
	}
}

// pop takes the reader that a slot stands for.
func (p *pool) pop() *reader {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return r
}

func (p *pool) put(r *reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.retired {
		p.closeReader(r)
		return
	}
	p.free = append(p.free, r)
	p.slots <- struct{}{} // never waits: there are as many slots as readers
}

// retire closes the readers that are free, and the others when they come back.
func (p *pool) retire() {
	p.mu.Lock()
	was := p.retired
	p.retired = true
	p.mu.Unlock()
	if was {
		return
	}
	close(p.gone)
	for r := p.takeFree(); r != nil; r = p.takeFree() {
		p.closeReader(r)
	}
}

func (p *pool) closeReader(r *reader) {
	r.close()
	p.open.Done()
}
