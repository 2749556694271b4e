package sqlfsm

import (
	"context"
	"fmt"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// Pinned is the database as of one index, to compare it with that of other
// nodes. It has a connection of its own, so that no query waits for it. While it
// is pinned the WAL cannot start from its beginning: its owner sees to it that it
// is closed in time, and before the FSM is. One goroutine uses it at a time.
type Pinned struct {
	fsm *FSM
	c   *connection
	ctx context.Context // of the call under way

	working time.Time // when the present slice of work began
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
	c.db.SetProgress(cancelSteps, p.pause)
	// SQLite looks for the WAL at the first read, by a name that Install may give
	// to another file.
	if err := c.script("SELECT * FROM main._quorate_meta"); err != nil {
		c.close()
		return nil, fmt.Errorf("sqlfsm: pin: %w", err)
	}
	f.readers.open.Add(1)
	return p, nil
}

// Pin fixes what p sees: the database as of the last Apply, whose index it
// returns. Who calls Apply calls it, between two of them. If another database was
// installed since Reserve, the index is one of the old one's.
func (p *Pinned) Pin() (index uint64, err error) {
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
	if p.c == nil {
		return
	}
	p.c.close() // which ends the transaction, that only reads
	p.c = nil
	p.fsm.readers.open.Done()
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
	return p.ctx.Err() != nil
}

// query runs one of our own statements under ctx. each ends it with an error.
func (p *Pinned) query(ctx context.Context, sql string, each func(row []value.Value) error, args ...value.Value) error {
	if err := ctx.Err(); err != nil {
		return err
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
