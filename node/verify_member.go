package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"quorate/raft"
	"quorate/sqlfsm"
)

// What a member does for a comparison of all members (verify.go has the whole):
// it is told that a mark will come through the log, pins its database as of that
// entry, digests its tables, and answers questions about its rows.

// verifyID names a comparison; the mark in the log has it as its seed.
type verifyID [32]byte

const (
	// verifyLease is how long a member keeps its database pinned when nobody asks:
	// while it is pinned, SQLite's WAL grows, at most by reader.age-bytes.
	verifyLease = 15 * time.Second
	// verifyTimeMax bounds a comparison whose coordinator never ends it.
	verifyTimeMax = time.Hour
	// verificationsMax is how many a member takes part in at a time.
	verificationsMax = 2
	// verifyPatience is how long a member that is at work waits with its answer for
	// something new to tell.
	verifyPatience = 250 * time.Millisecond
)

// verifications are the comparisons that this node takes part in.
type verifications struct {
	fsm   *sqlfsm.FSM
	lease time.Duration

	waiting atomic.Int32 // how many are not at their mark yet
	scans   *queue[*verification]

	mu     sync.Mutex // guards the fields below
	byID   map[verifyID]*verification
	closed bool
}

// verification is one comparison on this node.
type verification struct {
	id     verifyID
	ctx    context.Context // ends when the database is to be given back
	cancel context.CancelFunc
	lease  *time.Timer
	max    *time.Timer

	turn chan struct{} // has a place for who uses pinned
	// pinned is used by who has the turn; nil when it was given back.
	pinned *sqlfsm.Pinned

	mu       sync.Mutex // guards the fields below
	index    raft.Index // of the mark; 0: it has not come
	tables   []sqlfsm.Table
	digests  []tableDigest // of the first of them
	rows     int64         // digested
	finished bool          // all tables are digested
	failure  error         // why there will be no more
	news     chan struct{} // closed, and replaced, when something above changes
}

// tableDigest is a table as one member has it.
type tableDigest struct {
	Name   string            `json:"name"`
	Rows   int64             `json:"rows"`
	Digest sqlfsm.RowsDigest `json:"digest"`
	Error  string            `json:"error,omitempty"` // it could not be read
}

func newVerifications(fsm *sqlfsm.FSM) *verifications {
	return &verifications{fsm: fsm, lease: verifyLease, scans: newQueue[*verification](), byID: map[verifyID]*verification{}}
}

var (
	errVerifyUnknown     = errors.New("it does not know of this comparison: it was started again meanwhile, or was not asked for too long")
	errVerifyBusy        = errors.New("it takes part in other comparisons already; try again when they are done")
	errVerifyStopped     = errors.New("it is stopping")
	errVerifyQuarantined = errors.New("it is quarantined: its database is known to differ from the majority's")
	errVerifyEnded       = errors.New("its part in the comparison is over")
)

// begin prepares for a mark. Again: nothing.
func (s *verifications) begin(id verifyID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errVerifyStopped
	case s.byID[id] != nil:
		return nil
	case len(s.byID) >= verificationsMax:
		return errVerifyBusy
	}
	pinned, err := s.fsm.Reserve()
	if err != nil {
		return err
	}
	v := &verification{id: id, pinned: pinned, turn: make(chan struct{}, 1), news: make(chan struct{})}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	end := func() { s.end(id) }
	v.lease, v.max = time.AfterFunc(s.lease, end), time.AfterFunc(verifyTimeMax, end)
	s.byID[id] = v
	s.waiting.Add(1)
	return nil
}

// get returns a comparison and puts its end off.
func (s *verifications) get(id verifyID) (*verification, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byID[id]
	if v == nil {
		return nil, errVerifyUnknown
	}
	v.lease.Reset(s.lease)
	return v, nil
}

// end gives the database back, when who uses it just now has stopped.
func (s *verifications) end(id verifyID) {
	s.mu.Lock()
	v := s.byID[id]
	delete(s.byID, id)
	s.mu.Unlock()
	if v == nil {
		return
	}
	v.lease.Stop()
	v.max.Stop()
	v.cancel()
	v.turn <- struct{}{}
	defer func() { <-v.turn }()
	if v.pinned != nil {
		v.pinned.Close()
		v.pinned = nil
	}
	if v.at() == 0 {
		s.waiting.Add(-1)
	}
}

// close ends all and takes no more.
func (s *verifications) close() {
	s.mu.Lock()
	s.closed = true
	var ids []verifyID
	for id := range s.byID {
		ids = append(ids, id)
	}
	s.mu.Unlock()
	for _, id := range ids {
		s.end(id)
	}
}

// expects reports whether an entry is a mark that a comparison waits for. Without
// one it costs next to nothing: every entry is asked.
func (s *verifications) expects(e *raft.Entry) *verification {
	if s.waiting.Load() == 0 || e.Type != raft.EntryNormal {
		return nil
	}
	h, err := sqlfsm.DecodeHeader(e.Data)
	if err != nil || h.Kind != sqlfsm.KindMark {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.byID[h.Seed]
	if v == nil || v.at() != 0 {
		return nil // another's, or the same proposed a second time
	}
	return v
}

// reached pins the database, which has just applied the mark and nothing behind
// it. The applier calls it.
func (s *verifications) reached(v *verification, mark raft.Index) {
	v.turn <- struct{}{} // nobody has it for long before the mark
	defer func() { <-v.turn }()
	if v.pinned == nil {
		return // it has ended, and is counted no more
	}
	index, err := v.pinned.Pin()
	if err == nil && raft.Index(index) != mark {
		err = fmt.Errorf("its database is at entry %d at the mark, %d: an image was installed", index, mark)
	}
	s.waiting.Add(-1)
	v.change(func() { v.index, v.failure = mark, err })
	if err == nil {
		s.scans.put(v)
	}
}

// run digests the tables of what was pinned, until the node stops.
func (s *verifications) run(ctx context.Context) error {
	var scanning sync.WaitGroup
	defer scanning.Wait()
	defer s.close()
	var scans []*verification
	for {
		var ok bool
		if scans, ok = s.scans.take(ctx, scans); !ok {
			return nil
		}
		for _, v := range scans {
			scanning.Go(v.scan)
		}
	}
}

func (v *verification) at() raft.Index {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.index
}

// change changes what is guarded by mu and tells those who wait for it.
func (v *verification) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
	close(v.news)
	v.news = make(chan struct{})
}

// use lets f use what is pinned, while nobody else does.
func (v *verification) use(ctx context.Context, f func(ctx context.Context, p *sqlfsm.Pinned) error) error {
	select {
	case v.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-v.turn }()
	if v.pinned == nil {
		return errVerifyEnded
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(v.ctx, cancel)()
	return f(ctx, v.pinned)
}

// scan digests all tables.
func (v *verification) scan() {
	err := v.use(v.ctx, func(ctx context.Context, p *sqlfsm.Pinned) error {
		tables, err := p.Tables(ctx)
		if err != nil {
			return err
		}
		v.change(func() { v.tables = tables })
		for i := range tables {
			before := v.rows // only scan changes it
			d := tableDigest{Name: tables[i].Name}
			d.Digest, d.Rows, err = p.DigestTable(ctx, &tables[i], func(rows int64) {
				v.mu.Lock()
				v.rows = before + rows
				v.mu.Unlock()
			})
			if ctx.Err() != nil {
				return ctx.Err()
			}
			var outdated *sqlfsm.OutdatedError
			if errors.As(err, &outdated) {
				return err
			}
			if err != nil {
				d.Error = err.Error()
			}
			v.change(func() { v.digests = append(v.digests, d) })
		}
		return nil
	})
	var outdated *sqlfsm.OutdatedError
	if errors.As(err, &outdated) {
		err = outdated // which table it was at does not matter
	}
	v.change(func() { v.finished, v.failure = err == nil, err })
}

// state waits until there is more to tell than from tables, or for
// verifyPatience, and tells it.
func (v *verification) state(ctx context.Context, from int) (*verifyAnswer, error) {
	patience := time.NewTimer(verifyPatience)
	defer patience.Stop()
	for waiting := true; ; {
		v.mu.Lock()
		a := &verifyAnswer{Index: v.index, TablesTotal: len(v.tables), Rows: v.rows, Finished: v.finished}
		if from < len(v.digests) {
			a.Tables = v.digests[from:min(from+verifyTablesMax, len(v.digests))]
		}
		news, failure := v.news, v.failure
		v.mu.Unlock()
		if failure != nil {
			return nil, failure
		}
		if !waiting || len(a.Tables) > 0 || a.Finished {
			return a, nil
		}
		select {
		case <-news:
		case <-patience.C:
			waiting = false
		case <-v.ctx.Done():
			return nil, errVerifyEnded
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// table finds a table by its name.
func (v *verification) table(name string) (*sqlfsm.Table, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.tables {
		if v.tables[i].Name == name {
			return &v.tables[i], nil
		}
	}
	return nil, fmt.Errorf("it has no table %q", name)
}
