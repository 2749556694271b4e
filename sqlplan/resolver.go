package sqlplan

import (
	"errors"
	"time"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// resolver gives names their tables and expressions their types, and replaces
// what SQLite understands differently. The first error sticks, as in parser.
type resolver struct {
	schema *Schema
	src    string
	zone   string // of the session
	loc    *time.Location

	params   []pgtype.Type
	sessions []SessionValue
	ctes     *cteScope
	err      *errcode.Error

	outer  *scope // of a trigger's body: NEW and OLD
	write  bool   // the statement goes through the log
	tables bool   // the statement names a table or view
	stored string // what is being defined, where parameters and the session have no place: "a view"
	// byDefault: in a column's DEFAULT, where the time zone is that of the
	// session that will insert (default.go).
	byDefault bool
	inUse     bool   // a literal was read in the session's time zone
	scanOrder string // Plan.ScanOrder
	asked     bool   // the next column may be a full text index's own: see indexColumn
}

func (r *resolver) fail(pos int, code errcode.Code, format string, args ...any) *errcode.Error {
	err := errcode.Newf(code, format, args...)
	r.failWith(pos, err)
	return err
}

func (r *resolver) failWith(pos int, err *errcode.Error) {
	if r.err == nil {
		if err.Position == 0 {
			err.Position = position(r.src, pos)
		}
		r.err = err
	}
}

func (r *resolver) unsupported(pos int, format string, args ...any) *errcode.Error {
	return r.fail(pos, errcode.FeatureNotSupported, format+" is not supported", args...)
}

// asError makes a client's error of any: those of pgtype are one already.
func asError(err error) *errcode.Error {
	var e *errcode.Error
	if errors.As(err, &e) {
		copy := *e
		return &copy
	}
	return errcode.Newf(errcode.InternalError, "%v", err)
}

// location is the session's time zone.
func (r *resolver) location() *time.Location {
	if r.loc == nil {
		r.loc = time.UTC
		if r.zone != "" {
			loc, err := pgtype.LoadLocation(r.zone)
			if err != nil {
				r.failWith(0, asError(err))
				return time.UTC
			}
			r.loc = loc
		}
	}
	return r.loc
}

func (r *resolver) usesTimeZone(pos int) {
	if r.stored != "" {
		r.unsupported(pos, "a literal in %s that depends on the session's time zone", r.stored).
			WithHint("Write the offset, as in '2024-01-01 00:00:00+00'.")
	}
	r.inUse = true
}

// session makes a reference to a value of the session, which travels with the
// statement as a parameter after the user's.
func (r *resolver) session(pos int, which SessionValue) expr {
	if r.byDefault && which == TimeZone {
		return &emitCall{node: node{pos, pgtype.Of(pgtype.Text)}, name: zoneOfInsert}
	}
	if r.stored != "" {
		err := r.unsupported(pos, "%s in %s", sessionNames[which], r.stored)
		if which == TimeZone {
			err.WithHint("A timestamptz with DEFAULT now() does not depend on it.")
		}
	}
	if r.write && (which == BackendPID || which == InRecovery) {
		r.unsupported(pos, "%s in a statement that writes", sessionNames[which]).
			WithHint("It differs from node to node.")
	}
	found := false
	for _, s := range r.sessions {
		found = found || s == which
	}
	if !found {
		r.sessions = append(r.sessions, which)
	}
	return &sessionRef{node: node{pos, pgtype.Of(sessionTypes[which])}, which: which}
}

var sessionNames = map[SessionValue]string{
	CurrentUser: "current_user", TimeZone: "a conversion by the session's time zone",
	ApplicationName: "application_name", BackendPID: "pg_backend_pid()", InRecovery: "pg_is_in_recovery()",
}

var sessionTypes = map[SessionValue]uint32{
	CurrentUser: pgtype.Name, TimeZone: pgtype.Text, ApplicationName: pgtype.Text,
	BackendPID: pgtype.Int4, InRecovery: pgtype.Bool,
}

// cteScope is a WITH that is in sight.
type cteScope struct {
	parent *cteScope
	cte    *cte
}

// scope is what names can mean at a place: the tables of a FROM, and the
// scopes around it.
type scope struct {
	parent *scope
	items  []*rangeItem
	merged []mergedColumn // of JOIN … USING
	core   *grouping      // of the SELECT that the scope belongs to
	bare   bool           // columns are printed without their table
	clause string         // where aggregates are refused: "WHERE"
}

// rangeItem is a table in a FROM.
type rangeItem struct {
	name     string // what its columns may be qualified with; "" for none
	emit     string // what SQLite knows it by
	relation *Relation
	columns  []rangeColumn
	optional bool // on the side of an outer join that NULLs may replace
}

type rangeColumn struct {
	name, emit string
	typ        pgtype.Type
	notNull    bool
	hidden     bool // not part of *
	attribute  int16
}

// mergedColumn is a column that USING made one of two. make is nil for a
// further table whose column is the same as one merged before.
type mergedColumn struct {
	name string
	make func(pos int) expr
	col  *rangeColumn // both are left out of * and of …
	twin *rangeColumn // … further USINGs
}

// grouping gathers what a SELECT's aggregates and columns are, for the rule
// that a column must be grouped or aggregated.
type grouping struct {
	aggregates int
	inside     int // depth of aggregate calls
	windows    map[string]*window
	outer      []*columnRef // columns of this SELECT that its subqueries use
}
