package pgwire

import (
	"errors"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
)

// implicit is the transaction that PostgreSQL opens by itself: the statements
// of one simple query, or the Executes up to Sync (manual, sections 55.2.2.1
// and 55.2.3). Statements are queued as steps, and carried out together: reads
// in one snapshot, and as soon as one of them writes, all of them in one
// command. What goes out between their results waits in tail:
//
//	out ◄─ tail[0:b₀] result₀ tail[b₀:b₁] result₁ … tail[bₙ:]
//	                  ▲ steps[0]         ▲ steps[1]; bᵢ = steps[i].before
type implicit struct {
	steps []step
	tail  []byte
	// writes: a step writes, or has written.
	writes bool

	// base is the schema of the database that all of them are planned with,
	// schema the same with the DDL of earlier steps. nil: not begun.
	base, schema *sqlplan.Schema

	// snapshot serves the reads once some have been carried out, freshness is
	// what it was opened with, and open is the portal whose rows are not at
	// their end; a snapshot has one query at a time.
	snapshot  Snapshot
	freshness Consistency
	open      *portal

	// saved are the session's settings as they were before the first SET: an
	// error goes back to them. nil: there was no SET.
	saved map[string]string
	// local are the values that SET LOCAL has hidden until the end. nil: the
	// setting had its default.
	local map[string]*string
}

// step is one Execute.
type step struct {
	portal  *portal
	maxRows uint32 // 0: all
	before  int    // where its result belongs in tail
}

// planAttempts is how often statements are planned again because the schema
// changed under way. DDL would have to come faster than statements.
const planAttempts = 10

// isOpen reports whether statements have been begun and not ended by Sync.
func (tx *implicit) isOpen() bool { return tx.base != nil || tx.snapshot != nil }

// queue returns where the next message goes: after everything that waits.
func (s *session) queue() *[]byte {
	if len(s.tx.steps) > 0 {
		return &s.tx.tail
	}
	return &s.out
}

// schema returns what the next statement is planned with.
func (s *session) schema() *sqlplan.Schema {
	if s.tx.schema == nil {
		s.tx.base = s.server.Backend.Schema()
		s.tx.schema = s.tx.base
	}
	return s.tx.schema
}

// enqueue adds a step for a statement that reads or writes.
func (s *session) enqueue(p *portal, maxRows uint32) error {
	plan := p.plan
	if plan.Kind == sqlplan.Write && p.state == portalNew {
		if p.env.readOnly {
			return errcode.Newf(errcode.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", plan.Tag)
		}
		if s.tx.snapshot != nil {
			return errcode.Newf(errcode.FeatureNotSupported, "a statement that writes cannot follow rows that were already sent before Sync").
				WithHint("Send Sync before it.")
		}
	}
	if err := s.checkHeld(); err != nil {
		return err
	}
	s.tx.steps = append(s.tx.steps, step{portal: p, maxRows: maxRows, before: len(s.tx.tail)})
	s.tx.writes = s.tx.writes || plan.Kind == sqlplan.Write
	if plan.Schema && p.state == portalNew {
		s.tx.schema = s.schema().After(plan)
	}
	if p.state == portalNew {
		p.state = portalQueued
	}
	return nil
}

// carryOut runs the steps that wait and writes their results, up to an error.
// last: the transaction ends with them.
func (s *session) carryOut(last bool) error {
	tx := &s.tx
	if len(tx.steps) == 0 {
		return nil
	}
	var err error
	if tx.writes {
		err = s.runCommand()
	} else {
		err = s.runReads(last)
	}
	tx.forget()
	return err
}

// forget empties the queue.
func (tx *implicit) forget() {
	clear(tx.steps)
	tx.steps = tx.steps[:0]
	if cap(tx.tail) > flushBytes {
		tx.tail = nil
	}
	tx.tail = tx.tail[:0]
}

// runReads carries out steps that only read.
func (s *session) runReads(last bool) error {
	tx := &s.tx
	// A transaction of one query is by far the most common one, and its
	// snapshot costs less.
	many := !last || len(tx.steps) > 1 || tx.snapshot != nil
	if err := s.openSnapshot(many); err != nil {
		s.countFailures(tx.steps[:1], err)
		return err
	}
	sent := 0
	for i := range tx.steps {
		st := &tx.steps[i]
		s.out = append(s.out, tx.tail[sent:st.before]...)
		sent = st.before
		err := s.runRead(st)
		for n := 0; n < planAttempts && errors.Is(err, ErrSchemaChanged); n++ {
			if err = s.replaceSnapshot(); err == nil {
				err = s.runRead(st)
			}
		}
		if err != nil {
			s.countFailures(tx.steps[i:i+1], err)
			return st.portal.locate(err)
		}
	}
	s.out = append(s.out, tx.tail[sent:]...)
	return nil
}

// replaceSnapshot gives up the snapshot for one query, which has found another
// schema than the query was planned with, plans again and opens a new one.
func (s *session) replaceSnapshot() error {
	s.tx.snapshot.Close()
	s.tx.snapshot = nil
	if err := s.planAgain(); err != nil {
		return err
	}
	return s.openSnapshot(false)
}

// openSnapshot opens the view that the reads share, planning them again while
// the schema changes. One that was opened before for reads that ask for less
// is replaced. many: more than one of them may come.
func (s *session) openSnapshot(many bool) error {
	tx := &s.tx
	// The strictest of them counts.
	consistency := Stale
	for i := range tx.steps {
		if p := tx.steps[i].portal; p.state == portalQueued {
			consistency = min(consistency, p.consistency())
		}
	}
	if tx.snapshot != nil {
		if tx.freshness <= consistency {
			return nil
		}
		if err := tx.park(s.server.MaxSessionBytes); err != nil {
			return err
		}
		tx.snapshot.Close()
		tx.snapshot = nil
	}
	for range planAttempts {
		snapshot, err := s.server.Backend.Snapshot(s.ctx, consistency, tx.base.Version, many)
		if err == nil {
			tx.snapshot, tx.freshness = snapshot, consistency
			return nil
		}
		if !errors.Is(err, ErrSchemaChanged) {
			return err
		}
		if err := s.planAgain(); err != nil {
			return err
		}
	}
	return errSchemaKeepsChanging()
}

// runRead starts or continues a portal's query and sends its rows.
func (s *session) runRead(st *step) error {
	tx, p := &s.tx, st.portal
	started, first := time.Now(), p.state == portalQueued
	if first {
		if err := tx.park(s.server.MaxSessionBytes); err != nil {
			return err
		}
		rows, err := tx.snapshot.Query(s.bound(p))
		if err != nil {
			return err
		}
		p.rows, p.state, tx.open = rows, portalOpen, p
		s.begin(p)
	}
	done, err := s.sendRows(p, st.maxRows)
	if err != nil {
		return err
	}
	if done && tx.open == p {
		tx.open = nil
	}
	if first {
		s.server.Metrics.succeeded(kindRead, time.Since(started))
	}
	return nil
}

// park puts the rest of the open portal's rows aside, so that another query
// can run on the snapshot.
func (tx *implicit) park(maxBytes int) error {
	p := tx.open
	if p == nil {
		return nil
	}
	tx.open = nil
	rows := p.rows
	defer rows.Close()
	var rest value.Rows
	for {
		row, err := rows.Next()
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		rest.Append(row)
		if rest.Size() > maxBytes {
			return errcode.Newf(errcode.ProgramLimitExceeded, "the rest of a suspended portal takes more than %d bytes", maxBytes).
				WithHint("Fetch all rows of one portal before executing another.")
		}
	}
	p.rows = packedRows{rest.Cursor()}
	return nil
}

// packedRows are rows that are in memory.
type packedRows struct{ cursor *value.Cursor }

func (r packedRows) Next() ([]value.Value, error) { return r.cursor.Next(), nil }
func (r packedRows) Close()                       {}

// runCommand carries out steps of which at least one writes, as one command.
func (s *session) runCommand() error {
	tx := &s.tx
	started := time.Now()
	results, err := s.executeCommand()
	took := time.Since(started)
	sent, next := 0, 0 // next: of results
	for i := range tx.steps {
		st := &tx.steps[i]
		p := st.portal
		s.out = append(s.out, tx.tail[sent:st.before]...)
		sent = st.before
		if p.state == portalQueued {
			if next == len(results) {
				if err == nil {
					panic("pgwire: the backend has given fewer results than it was given statements")
				}
				s.countFailures(tx.steps[i:i+1], err)
				return p.locate(err)
			}
			result := &results[next]
			next++
			p.rows, p.state = packedRows{result.Rows.Cursor()}, portalOpen
			if p.plan.Kind == sqlplan.Write {
				p.affected = result.Affected
			}
			s.server.Metrics.succeeded(kindOf(p.plan), took)
			s.begin(p)
		}
		if _, err := s.sendRows(p, st.maxRows); err != nil {
			return p.locate(err)
		}
	}
	if err != nil {
		return err // of the command as a whole
	}
	s.out = append(s.out, tx.tail[sent:]...)
	return nil
}

// executeCommand hands the statements of the steps to the backend, planning
// them again while the schema changes.
func (s *session) executeCommand() ([]value.Result, error) {
	tx := &s.tx
	for range planAttempts {
		statements := make([]sqlplan.Bound, 0, len(tx.steps))
		var last *portal
		for i := range tx.steps {
			p := tx.steps[i].portal
			if p.state != portalQueued || p.inCommand {
				continue
			}
			if err := checkInCommand(p.plan); err != nil {
				return nil, err
			}
			p.inCommand, last = true, p
			statements = append(statements, s.bound(p))
		}
		for i := range tx.steps {
			tx.steps[i].portal.inCommand = false
		}
		if last == nil {
			return nil, nil // only more rows of what has been carried out
		}
		results, err := s.server.Backend.Execute(s.ctx, statements)
		if !errors.Is(err, ErrSchemaChanged) {
			return results, err
		}
		if err := s.planAgain(); err != nil {
			return nil, err
		}
	}
	return nil, errSchemaKeepsChanging()
}

// checkInCommand refuses what would not be the same on every node. The planner
// refuses it in writes; a read may come into a command by its neighbours.
func checkInCommand(plan *sqlplan.Plan) error {
	for _, v := range plan.Session {
		switch v {
		case sqlplan.BackendPID, sqlplan.InRecovery:
			return errcode.Newf(errcode.FeatureNotSupported,
				"a function that tells about this node cannot run in one transaction with statements that write")
		}
	}
	return nil
}

// planAgain plans the steps that wait with the newest schema.
func (s *session) planAgain() error {
	tx := &s.tx
	base := s.server.Backend.Schema()
	if base == tx.base {
		// This node has not applied yet what made the answer.
		if err := s.server.Backend.CatchUp(s.ctx); err != nil {
			return err
		}
		base = s.server.Backend.Schema()
	}
	tx.base, tx.schema = base, base
	for i := range tx.steps {
		p := tx.steps[i].portal
		if p.state != portalQueued {
			continue
		}
		if p.schema != tx.schema {
			if err := s.planPortal(p, tx.schema); err != nil {
				return p.locate(err)
			}
		}
		if p.plan.Schema {
			tx.schema = tx.schema.After(p.plan)
		}
	}
	return nil
}

// commit ends the implicit transaction after its steps were carried out.
func (s *session) commit() {
	if s.tx.local != nil {
		s.settings.restoreLocal(s.tx.local)
		s.settingsChanged()
	}
	s.endTransaction()
}

// rollback ends it without what still waits.
func (s *session) rollback() {
	if s.tx.saved != nil {
		s.settings.restore(s.tx.saved)
		s.settingsChanged()
	}
	s.endTransaction()
}

// endTransaction closes what lives as long as a transaction: portals and the
// snapshot.
func (s *session) endTransaction() {
	s.closePortals()
	s.tx.forget()
	s.tx = implicit{steps: s.tx.steps, tail: s.tx.tail}
}

// closePortals closes every portal and the snapshot under them.
func (s *session) closePortals() {
	if s.tx.open != nil {
		s.tx.open.rows.Close()
		s.tx.open = nil
	}
	if s.tx.snapshot != nil {
		s.tx.snapshot.Close()
		s.tx.snapshot = nil
	}
	for name, p := range s.portals {
		s.held -= p.bytes
		delete(s.portals, name)
	}
}

// countFailures counts statements that failed.
func (s *session) countFailures(steps []step, err error) {
	told, _ := clientError(s.ctx, err)
	for i := range steps {
		s.server.Metrics.failed(kindOf(steps[i].portal.plan), told.Code)
	}
}

// checkHeld keeps what one session makes the server keep within its limit.
func (s *session) checkHeld() error {
	if held := s.held + len(s.tx.tail) + len(s.tx.steps)*64; held > s.server.MaxSessionBytes {
		return errcode.Newf(errcode.ProgramLimitExceeded, "prepared statements and pipelined messages take %d bytes, the limit is %d",
			held, s.server.MaxSessionBytes).WithHint("Close prepared statements, or send Sync more often.")
	}
	return nil
}
