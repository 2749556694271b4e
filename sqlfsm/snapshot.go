package sqlfsm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan"
)

// reader is a connection of the pool.
type reader struct {
	*connection
	begin, commit *sqlite.Stmt
	pin           *sqlite.Stmt // a first read, which fixes what a transaction sees
	pool          *pool
	ctx           context.Context // of the snapshot that uses the reader
	viewsVersion  uint64          // of the schema that views belongs to

	// since is how many frames had been written when the view began: see age.go.
	since atomic.Int64

	mu       sync.Mutex // guards the fields below, and the connection while snapshot is not nil
	snapshot *Snapshot
	row      []value.Value // the last row, copied
	bytes    []byte        // its TEXT and BLOB values
}

// cancelSteps is after how many instructions a query looks whether it has been
// cancelled, about 20 µs.
const cancelSteps = 1000

func openReader(path string, cacheBytes int, horizon *atomic.Int64) (*reader, error) {
	c, err := openConnection(path, sqlite.Existing, cacheBytes, readerStatements)
	if err != nil {
		return nil, err
	}
	r := &reader{connection: c, ctx: context.Background()}
	r.since.Store(noView)
	c.seedReader()
	c.stopped = func() bool { return r.ctx.Err() != nil || r.since.Load() < horizon.Load() }
	c.db.SetProgress(cancelSteps, c.stopped)
	err = c.script("PRAGMA query_only=ON")
	for _, s := range []struct {
		to  **sqlite.Stmt
		sql string
	}{
		{&r.begin, "BEGIN"},
		{&r.commit, "COMMIT"},
		{&r.pin, "SELECT schema_version FROM main._quorate_meta"},
	} {
		if err == nil {
			*s.to, _, err = c.db.Prepare(s.sql, true)
		}
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() {
	for _, s := range []*sqlite.Stmt{r.begin, r.commit, r.pin} {
		if s != nil {
			s.Finalize()
		}
	}
	r.connection.close()
}

// run runs one of our own statements and returns the first column of its row.
func (r *reader) run(s *sqlite.Stmt) (v value.Value, err error) {
	r.guard.class = internal
	more, err := s.Step()
	if more {
		v = s.Row()[0]
	}
	s.Reset()
	return v, err
}

// Snapshot is a view of the database at one index. One goroutine uses it at a
// time, one query at a time, and closes it soon: while it is open the WAL
// cannot start from its beginning, and when too much was written meanwhile, the
// view ends with an error (Options.ReaderAgeBytes).
type Snapshot struct {
	fsm     *FSM
	reader  *reader
	version uint64
	many    bool // a transaction is open
	used    bool // the only query has been asked
	ended   bool // because it was too old
	rows    Rows
}

// Snapshot takes a reader. The view's schema must have version schemaVersion,
// else the error is ErrSchemaChanged. With many, any number of queries see
// the view that was current when Snapshot was called; without, one query sees
// the view that is current when it starts, at less cost, and may itself answer
// ErrSchemaChanged. When ctx ends, so does a running query, with ctx's error.
func (f *FSM) Snapshot(ctx context.Context, schemaVersion uint64, many bool) (*Snapshot, error) {
	if f.gate.version() != schemaVersion {
		if err := f.failed(); err != nil {
			return nil, err
		}
		return nil, ErrSchemaChanged
	}
	if err := f.failed(); err != nil {
		return nil, err
	}
	r, err := f.readers.take(ctx)
	if err != nil {
		return nil, err
	}
	r.ctx = ctx
	r.setClock(time.Now().UnixMicro())
	s := &Snapshot{fsm: f, reader: r, version: schemaVersion}
	r.mu.Lock()
	r.snapshot = s
	r.mu.Unlock()
	if many {
		if err := s.begin(); err != nil {
			s.Close()
			return nil, err
		}
	}
	return s, nil
}

// begin starts a transaction and fixes what it sees.
func (s *Snapshot) begin() error {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	s.reader.since.Store(s.fsm.written.Load())
	if _, err := s.reader.run(s.reader.begin); err != nil {
		return s.explain(nil, err)
	}
	s.many = true
	version, err := s.reader.run(s.reader.pin)
	if err != nil {
		return s.explain(nil, err)
	}
	if uint64(version.Int()) != s.version {
		return ErrSchemaChanged
	}
	return nil
}

// Query starts a query and runs it to its first row. Its rows must be closed
// before the next query.
func (s *Snapshot) Query(b sqlplan.Bound) (*Rows, error) {
	if s.rows.statement != nil {
		panic("sqlfsm: the rows of the last query are still open")
	}
	if s.used && !s.many {
		panic("sqlfsm: a second query on a snapshot for one")
	}
	s.used = true
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if !s.many {
		s.reader.since.Store(s.fsm.written.Load())
	}
	if s.tooOld() {
		return nil, errTooOld(s.fsm.options.ReaderAgeBytes)
	}
	s.reader.guard.start(reading) // for SQLite may compile a cached statement again
	p := s.reader.cache.get(b.Plan.SQL)
	if p == nil {
		if s.reader.viewsVersion != s.version {
			s.reader.views, s.reader.viewsVersion = nil, s.version
		}
		var err error
		if p, err = s.reader.prepare(b.Plan.SQL, reading); err != nil {
			return nil, s.explainFirst(nil, err)
		}
	}
	s.rows = Rows{snapshot: s, statement: p}
	if err := p.Bind(b.Args); err != nil {
		return nil, s.abandon(err)
	}
	more, err := p.Step()
	if err != nil {
		return nil, s.abandon(err)
	}
	if !s.many && s.fsm.gate.visible.Load() != s.version {
		s.rows.close()
		return nil, ErrSchemaChanged
	}
	s.rows.ahead, s.rows.ended = more, !more
	return &s.rows, nil
}

// abandon gives up a query that failed before its first row.
func (s *Snapshot) abandon(err error) error {
	err = s.explainFirst(s.rows.statement, err)
	s.rows.close()
	return err
}

// explainFirst is explain for a query that may have met another schema than
// the one it was planned with.
func (s *Snapshot) explainFirst(p *prepared, err error) error {
	if !s.many && s.fsm.gate.visible.Load() != s.version {
		return ErrSchemaChanged
	}
	return s.explain(p, err)
}

// explain turns an error into what a client is to see.
func (s *Snapshot) explain(p *prepared, err error) error {
	if s.reader.ctx.Err() != nil {
		return s.reader.ctx.Err()
	}
	if s.tooOld() {
		return errTooOld(s.fsm.options.ReaderAgeBytes)
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		if isEnvironment(e.Code) {
			return environmentError(e)
		}
		return translate(s.reader.connection, p, e, nil)
	}
	var known *errcode.Error
	if errors.As(err, &known) {
		return known
	}
	return err
}

// Close ends the view and gives the reader back. A snapshot that is closed
// stays closed.
func (s *Snapshot) Close() {
	if s.reader == nil {
		return
	}
	s.reader.mu.Lock()
	s.rows.close()
	if !s.ended {
		s.end()
	}
	s.reader.snapshot = nil
	s.reader.mu.Unlock()
	s.reader.ctx = context.Background()
	s.fsm.readers.put(s.reader)
	s.reader = nil
}

// Rows are a running query's rows.
type Rows struct {
	snapshot  *Snapshot
	statement *prepared
	ahead     bool // the statement stands on a row that Next has not returned
	ended     bool
}

// Next returns the next row, or nil after the last. The row and its bytes are
// valid until the next call.
func (r *Rows) Next() ([]value.Value, error) {
	if r.statement == nil {
		return nil, nil
	}
	s := r.snapshot
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	if r.ended {
		return nil, nil
	}
	if s.tooOld() {
		r.ended = true
		return nil, errTooOld(s.fsm.options.ReaderAgeBytes)
	}
	if !r.ahead {
		more, err := r.statement.Step()
		if err != nil {
			r.ended = true
			return nil, s.explain(r.statement, err)
		}
		if !more {
			r.ended = true
			return nil, nil
		}
	}
	r.ahead = false
	return s.reader.copyRow(r.statement.Row()), nil
}

// Close ends the query.
func (r *Rows) Close() {
	if r.statement == nil {
		return
	}
	r.snapshot.reader.mu.Lock()
	defer r.snapshot.reader.mu.Unlock()
	r.close()
}

// close is Close for who holds the reader's lock.
func (r *Rows) close() {
	if r.statement == nil {
		return
	}
	r.snapshot.reader.cache.release(r.statement)
	r.statement = nil
	if !r.snapshot.many {
		r.snapshot.reader.since.Store(noView)
	}
}
