package sqlfsm

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// Pinned is the database as of one index, to compare it with that of other
// nodes. It has a connection of its own, so that no query waits for it. While it
// is pinned the WAL cannot start from its beginning: so it grows only as old as
// queries' views do (age.go), and then answers OutdatedError. Its owner closes it
// before the FSM. One goroutine uses it at a time.
type Pinned struct {
	fsm *FSM
	ctx context.Context // of the call under way

	working time.Time // when the present slice of work began
	// since is how many frames had been written when it was pinned; noView before.
	since atomic.Int64

	mu sync.Mutex  // guards c, and is held while c is used
	c  *connection // nil: closed, or ended for its age
}

// OutdatedError says that a Pinned was given up, because so much was written since.
type OutdatedError struct{ AgeBytes int }

func (e *OutdatedError) Error() string {
	return fmt.Sprintf("more than %d MiB were written to its database while it was being read as of one entry, and their space could not be used again meanwhile, so it was let go: try when less is written, or give the node a larger reader.age-bytes", e.AgeBytes>>20)
}

// Reserve opens the connection of a Pinned. It still sees nothing.
func (f *FSM) Reserve() (*Pinned, error) {
	f.files.RLock()
	defer f.files.RUnlock()
	if err := f.failed(); err != nil {
		return nil, err
	}
	c, err := openConnection(f.path, sqlite.Existing, 1<<20, 1)
	if err != nil {
		return nil, err
	}
	p := &Pinned{fsm: f, c: c, ctx: context.Background()}
	p.since.Store(noView)
	c.db.SetProgress(cancelSteps, p.pause)
	// SQLite looks for the WAL at the first read, by a name that Install may give
	// to another file.
	if err := c.script("SELECT * FROM main._quorate_meta"); err != nil {
		c.close()
		return nil, fmt.Errorf("sqlfsm: pin: %w", err)
	}
	f.readers.open.Add(1)
	f.pins.add(p)
	return p, nil
}

// Pin fixes what p sees: the database as of the last Apply, whose index it
// returns. Who calls Apply calls it, between two of them. If another database was
// installed since Reserve, the index is one of the old one's.
func (p *Pinned) Pin() (index uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since.Store(p.fsm.written.Load())
	if err := p.c.script("BEGIN"); err != nil {
		return 0, fmt.Errorf("sqlfsm: pin: %w", err)
	}
	err = p.c.query("SELECT applied_index FROM main._quorate_meta", func(row []value.Value) { index = uint64(row[0].Int()) })
	if err != nil {
		return 0, fmt.Errorf("sqlfsm: pin: %w", err)
	}
	return index, nil
}

// Close gives the connection back.
func (p *Pinned) Close() {
	p.fsm.pins.drop(p)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letGo()
}

// letGo closes the connection, again: nothing.
func (p *Pinned) letGo() {
	if p.c == nil {
		return
	}
	p.c.close() // which ends the transaction, that only reads
	p.c = nil
	p.fsm.readers.open.Done()
}

// tooOld reports whether it was, or is about to be, ended for its age.
func (p *Pinned) tooOld() bool { return p.since.Load() < p.fsm.horizon.Load() }

// endOld lets go of what it sees, if that is too old. A query that is under way
// notices by itself, and makes way.
func (p *Pinned) endOld(horizon int64) {
	if p.since.Load() >= horizon {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.letGo()
}

// pins are those that are open.
type pins struct {
	mu  sync.Mutex // guards all
	all map[*Pinned]struct{}
}

func (s *pins) add(p *Pinned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == nil {
		s.all = map[*Pinned]struct{}{}
	}
	s.all[p] = struct{}{}
}

func (s *pins) drop(p *Pinned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, p)
}

// endOld ends those that are too old.
func (s *pins) endOld(horizon int64) {
	s.mu.Lock()
	open := slices.Collect(maps.Keys(s.all))
	s.mu.Unlock()
	for _, p := range open {
		p.endOld(horizon)
	}
}

// A Pinned computes for workSlice at a time and then rests for restSlice: it takes a
// quarter of one processor from those who wait for answers, and no more than a
// moment at once.
const (
	workSlice = time.Millisecond
	restSlice = 3 * time.Millisecond
)

// pause is called while a statement runs, every cancelSteps instructions. It
// reports whether the statement is to end.
func (p *Pinned) pause() bool {
	if time.Since(p.working) > workSlice {
		time.Sleep(restSlice)
		p.working = time.Now()
	}
	return p.ctx.Err() != nil || p.tooOld()
}

// query runs one of our own statements under ctx. each ends it with an error.
func (p *Pinned) query(ctx context.Context, sql string, each func(row []value.Value) error, args ...value.Value) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tooOld() {
		return &OutdatedError{p.fsm.options.ReaderAgeBytes}
	}
	p.ctx, p.working = ctx, time.Now()
	defer func() { p.ctx = context.Background() }()
	p.c.guard.start(internal)
	s, _, err := p.c.db.Prepare(sql, false)
	if err != nil {
		return err
	}
	defer s.Finalize()
	if err := s.Bind(args); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil && p.tooOld():
			return &OutdatedError{p.fsm.options.ReaderAgeBytes}
		case err != nil:
			return err
		case !more:
			return nil
		}
		if err := each(s.Row()); err != nil {
			return err
		}
	}
}
