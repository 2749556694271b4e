package sqlfsm

import (
	"errors"
	"fmt"
	"math"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// Entry is a committed log entry.
type Entry struct {
	Index, Term uint64
	Data        []byte // a command; nil: nothing but the index moves
	Collect     bool   // keep the rows of the results: this node's client wants them
	// Members, when not nil, are the members that the cluster has from this entry
	// on. Others are not known as origins any more.
	Members []uint64
}

// Result is what an entry did.
type Result struct {
	Header Header
	// Results are the statements', in order; on failure those of the statements
	// before the failing one.
	Results []value.Result
	// Err is an *errcode.Error or ErrSchemaChanged when the entry did nothing.
	Err error
	// Duplicate: the command was applied before, and not again. The rest is what is
	// remembered of that.
	Duplicate bool
}

const (
	// batchEntries and batchBytes bound one SQLite transaction.
	batchEntries = 1024
	batchBytes   = 16 << 20
)

func (f *FSM) setHooks() {
	db := f.writer.db
	f.counter.db, f.counter.effects, f.counter.watch = db, &f.effects, f.counter.allocate
	db.SetProgress(stepsGrain, func() bool { return !db.Nested() && f.counter.stop() })
	db.SetPreupdateHook(func(p *sqlite.Preupdate) {
		// Beyond the highest rowid SQLite goes over to random ones, out of a
		// generator that we cannot seed (https://sqlite.org/autoinc.html).
		if p.NewRowID == math.MaxInt64 && p.Op != sqlite.RowDelete {
			f.highest = true
		}
		f.effects.row(p)
	})
	db.SetWALHook(f.checkpointer.grown)
}

// undone says that the whole transaction was rolled back because of one entry,
// whose outcome is already known.
type undone struct {
	index   uint64
	verdict *errcode.Error
}

func (u *undone) Error() string {
	return fmt.Sprintf("sqlfsm: entry %d ended its transaction: %v", u.index, u.verdict)
}

// Apply applies committed entries in order and returns what each did. An
// error means that this node cannot go on, and the FSM applies no more: some
// of the entries may have been applied, and those before the results' end were.
// Only when there was no room on the disk (IsFull) may the rest be given again,
// when there is some; reads go on meanwhile.
func (f *FSM) Apply(entries []Entry) ([]Result, error) {
	if err := f.failed(); err != nil {
		return nil, err
	}
	results := make([]Result, len(entries))
	for from := 0; from < len(entries); {
		to := batchEnd(entries, from)
		err := f.applyAlone(entries[from:to], results[from:to])
		var u *undone
		if errors.As(err, &u) {
			// Like any other failing entry, this one must not take its
			// neighbours with it. The entries before it are applied again, in a
			// batch that ends with it; it gets its verdict without running.
			for entries[to-1].Index != u.index {
				to--
			}
			err = f.applyBatch(entries[from:to], results[from:to], u)
		}
		if IsFull(err) {
			return results[:from], fmt.Errorf("sqlfsm: apply: %w", err)
		}
		if err != nil {
			return results[:from], f.fail(fmt.Errorf("sqlfsm: apply: %w", err))
		}
		from = to
	}
	return results, nil
}

// batchEnd returns where the batch that begins at from ends.
func batchEnd(entries []Entry, from int) int {
	if maintenance(entries[from].Data) != "" {
		return from + 1
	}
	size := 0
	for i := from; i < len(entries); i++ {
		if maintenance(entries[i].Data) != "" {
			return i
		}
		size += len(entries[i].Data)
		if i-from == batchEntries || size > batchBytes && i > from {
			return i
		}
	}
	return len(entries)
}

// applyBatch applies entries in one SQLite transaction.
func (f *FSM) applyBatch(entries []Entry, results []Result, condemned *undone) error {
	before := f.meta
	err := f.runBatch(entries, results, condemned)
	if err == nil {
		return nil
	}
	f.meta = before
	f.ring.discard()
	if !f.writer.db.Autocommit() {
		f.runOwn(f.own.rollback) // the error that we have is the one that counts
	}
	if anew := errors.Join(f.forgetSchema(), f.loadOrigins()); anew != nil {
		return fmt.Errorf("%w (after: %v)", anew, err)
	}
	return err
}

func (f *FSM) runBatch(entries []Entry, results []Result, condemned *undone) error {
	if err := f.runOwn(f.own.begin); err != nil {
		return err
	}
	schemaVersion := f.meta.schemaVersion
	for i := range entries {
		e := &entries[i]
		if e.Index <= f.meta.index {
			return fmt.Errorf("entry %d comes after entry %d", e.Index, f.meta.index)
		}
		results[i] = Result{}
		if e.Data != nil {
			if err := f.applyEntry(e, &results[i], condemned); err != nil {
				return err
			}
		}
		if e.Members != nil {
			f.origins.Retain(e.Members, e.Index)
		}
		f.meta.index, f.meta.term = e.Index, e.Term
		f.ring.note(e.Index, f.meta.effects)
	}
	if f.vacuum.rehearsing() {
		return errRehearsed
	}
	if err := f.saveOrigins(); err != nil {
		return err
	}
	err := f.runOwn(f.own.setMeta, value.Int(int64(f.meta.index)), value.Int(int64(f.meta.term)),
		value.Int(f.meta.clock), value.Int(int64(f.meta.schemaVersion)), value.BlobBytes(f.meta.effects[:]))
	if err != nil {
		return err
	}
	return f.commit(f.meta.schemaVersion != schemaVersion)
}

// commit commits the batch and shows it to readers.
func (f *FSM) commit(schemaChanged bool) error {
	if schemaChanged {
		f.gate.shut()
		defer f.gate.open()
	}
	if err := f.runOwn(f.own.commit); err != nil {
		return err
	}
	f.ring.publish()
	f.applied.Store(&position{f.meta.index, f.meta.term, f.meta.effects})
	if schemaChanged {
		if err := f.publishSchema(); err != nil {
			return err
		}
	}
	return f.checkpointer.afterCommit(f)
}

// runOwn runs one of our own statements.
func (f *FSM) runOwn(s *sqlite.Stmt, args ...value.Value) error {
	f.writer.guard.class = internal
	return s.Run(args...)
}

// applyEntry applies one command and fills in its result. The error is the
// node's, never the command's.
func (f *FSM) applyEntry(e *Entry, r *Result, condemned *undone) error {
	var err error
	if r.Header, err = DecodeHeader(e.Data); err != nil {
		return fmt.Errorf("entry %d: %w", e.Index, err)
	}
	switch r.Header.Kind {
	case KindMark:
		return f.applyOnce(e, r, condemned)
	case KindSQL, KindLoad:
		f.effects.begin(e.Index, f.meta.effects)
		err = f.applyOnce(e, r, condemned)
		f.meta.effects = f.effects.end(e.Index, r)
		return err
	case KindRegister:
		f.effects.begin(e.Index, f.meta.effects)
		err = f.register(e, r)
		f.meta.effects = f.effects.end(e.Index, r)
		return err
	}
	return fmt.Errorf("entry %d: %w: kind %d, which this program does not know: update it", e.Index, errMalformed, r.Header.Kind)
}

// applySQL applies a command that consists of statements.
func (f *FSM) applySQL(e *Entry, r *Result, condemned *undone) error {
	if r.Header.SchemaVersion != f.meta.schemaVersion {
		r.Err = ErrSchemaChanged
		return nil
	}
	f.meta.clock = max(f.meta.clock, r.Header.Time)
	if condemned != nil && condemned.index == e.Index {
		r.Err = condemned.verdict
		return nil
	}
	if err := f.setLoading(r.Header.Kind == KindLoad); err != nil {
		return err
	}
	f.writer.setClock(f.meta.clock)
	f.writer.random.Seed(r.Header.Seed)
	f.writer.db.SetLastInsertRowID(0)
	f.writer.db.SetChanges(0)
	f.pending = false
	if err := f.runOwn(f.own.savepoint); err != nil {
		return err
	}
	defined, err := f.runStatements(e, r)
	if err == nil {
		err = f.checkEntry(defined)
	}
	return f.endEntry(e, r, defined, err)
}

// endEntry keeps or undoes what an entry did.
func (f *FSM) endEntry(e *Entry, r *Result, defined bool, failure error) error {
	if failure == nil {
		if defined {
			f.meta.schemaVersion = e.Index
		}
		if err := f.forgetFullText(); err != nil {
			return err
		}
		return f.runOwn(f.own.release)
	}
	var verdict *errcode.Error
	if !errors.As(failure, &verdict) {
		return fmt.Errorf("entry %d: %w", e.Index, failure)
	}
	if f.writer.db.Autocommit() {
		return &undone{index: e.Index, verdict: verdict}
	}
	r.Err = verdict
	if err := f.runOwn(f.own.rollbackTo); err != nil {
		return err
	}
	if defined {
		if err := f.forgetSchema(); err != nil {
			return err
		}
	}
	if err := f.forgetFullText(); err != nil {
		return err
	}
	return f.runOwn(f.own.release)
}

// runStatements runs an entry's statements and reports whether there was DDL
// among them. An *errcode.Error is the command's, any other the node's.
func (f *FSM) runStatements(e *Entry, r *Result) (defined bool, err error) {
	n := f.decoder.begin(e.Data)
	r.Results = make([]value.Result, 0, n)
	var s statement
	for i := 0; i < n; i++ {
		f.decoder.next(&s)
		if f.decoder.err != nil {
			return defined, f.decoder.err
		}
		defined = defined || s.schema
		f.rowsShown = f.rowsShown || s.hasRows
		var result value.Result
		if err := f.runStatement(&s, &result, e.Collect, n == 1); err != nil {
			return defined, err
		}
		r.Results = append(r.Results, result)
	}
	return defined, f.decoder.end()
}

// runStatement runs one statement, which may be alone in its command.
func (f *FSM) runStatement(s *statement, result *value.Result, collect, alone bool) error {
	cl := writing
	if s.schema {
		cl = defining
	}
	if s.schema && maintenanceVerb(s.sql) == "VACUUM" {
		return f.reachVacuum(alone)
	}
	f.highest = false
	f.counter.reset()
	f.writer.guard.start(cl)
	p := f.writer.cache.getBytes(s.sql)
	if p == nil || p.class != cl {
		var err error
		if p, err = f.writer.prepare(string(s.sql), cl); err != nil {
			return f.explain(nil, err)
		}
	}
	if p.analyze && !alone {
		// If a later statement failed, the statistics on disk would be undone,
		// but not those that this connection plans with.
		f.writer.cache.release(p)
		return notSupported("ANALYZE must be alone in its command")
	}
	collect = collect && s.hasRows
	err := f.execute(p, s, result, collect)
	if err != nil {
		err = f.explain(p, err) // while the connection still has the statement
	}
	f.writer.cache.release(p)
	// Forgetting while a failure has already ended the transaction would hide
	// it; applyBatch forgets then.
	if s.schema && !f.writer.db.Autocommit() {
		if forget := f.forgetSchema(); forget != nil {
			return forget
		}
		if err == nil {
			err = f.changeTypes(s)
		}
	}
	return err
}

// execute steps through a statement.
func (f *FSM) execute(p *prepared, s *statement, result *value.Result, collect bool) error {
	if err := p.Bind(s.args); err != nil {
		return err
	}
	if err := f.useFullText(p, s); err != nil {
		return err
	}
	f.effects.volume, f.effects.steps = 0, 0
	f.writer.expressions.Reset()
	f.counter.start(p, s)
	defer f.counter.end()
	for {
		more, err := p.Step()
		if err != nil {
			return err
		}
		if f.counter.exhausted() { // and SQLite went on without the memory
			return f.counter.verdict()
		}
		if !more {
			break
		}
		row := p.Row()
		f.effects.resultRow(row)
		if collect {
			result.Rows.Append(row)
		}
	}
	if f.highest {
		return errHighestRowID()
	}
	// After DDL and SELECT, SQLite still answers with the number of the
	// statement before.
	if !s.schema && !p.ReadOnly() {
		result.Affected = f.writer.db.Changes()
	}
	f.effects.statement(result.Affected)
	return f.effects.failure
}

// checkEntry looks at what an entry has done as a whole.
func (f *FSM) checkEntry(defined bool) error {
	if err := f.flushFullText(); err != nil {
		return f.explain(nil, err)
	}
	// A deferred foreign key is checked at COMMIT, which many entries share;
	// RELEASE lets it pass.
	if f.writer.db.DeferredForeignKeys() {
		return errcode.Newf(errcode.ForeignKeyViolation, "a deferred foreign key constraint is violated at the end of the command")
	}
	if f.writer.guard.loading { // it may have written sqlite_sequence
		if used, err := f.writer.usedUp(); err != nil {
			return err
		} else if len(used) > 0 {
			return errHighestRowID()
		}
	}
	if !defined {
		return nil
	}
	if err := f.writer.readViews(); err != nil {
		return err
	}
	if refused := f.writer.views.checkAll(); refused != nil {
		return refused
	}
	// ALTER TABLE … RENAME does not tell the authorizer the new name.
	var count int64
	err := f.writer.query(`SELECT count(*) FROM main.sqlite_schema WHERE lower(substr(name, 1, 9)) = '`+reservedPrefix+`'`,
		func(row []value.Value) { count = row[0].Int() })
	if err != nil {
		return err
	}
	if count != ownObjects {
		return errcode.Newf(errcode.InsufficientPrivilege, "names that begin with %s are reserved", reservedPrefix)
	}
	return f.writer.query(`SELECT rowid, type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid`, f.effects.schemaRow)
}

func errHighestRowID() *errcode.Error {
	return errcode.Newf(errcode.NumericValueOutOfRange, "the row number 9223372036854775807 cannot be used").
		WithHint("It is the highest that there is: no row could follow it.")
}

// forgetSchema drops what was made with a schema that has just changed, and
// SQLite's own picture of the schema with it. SQLite would compile cached
// statements again by itself, but would count the instructions of the attempt
// too. And its picture depends on the way that led there: statistics stay when
// the transaction that loaded them is rolled back, and when the index that they
// are about is dropped. A plan, and with it the order of rows, would then differ
// from that of a node that has read the schema from the file.
func (f *FSM) forgetSchema() error {
	if err := f.flushFullText(); err != nil {
		return err
	}
	f.writer.cache.clear()
	f.names.forget()
	f.writer.views = nil
	// Compiling it does it.
	return f.writer.script("PRAGMA writable_schema=RESET")
}
