package pgwire

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// prepared is a prepared statement: a text, and how it was understood when it
// was last looked at.
type prepared struct {
	name string
	text string
	// types are those of the parameters, asked for or found out at the first
	// planning. They hold from then on: the client goes by them.
	types    []uint32
	plan     *sqlplan.Plan
	schema   *sqlplan.Schema // that plan was made with
	timeZone string          // likewise
	bytes    int             // what it is counted with in session.held
}

// portal is a statement with its parameters, on its way to its rows. The
// simple protocol has one for each statement.
type portal struct {
	text    string
	types   []uint32
	plan    *sqlplan.Plan
	schema  *sqlplan.Schema
	params  []value.Value
	env     *environment // of the session when it was bound
	formats []formatCode // of the result's columns: none, one for all, or each
	bytes   int          // what it is counted with in session.held

	// described: RowDescription goes before the rows (simple protocol). The
	// client then learns the result's type when it comes, and otherwise has
	// been told before and relies on it.
	described bool
	query     string // the whole query string of the simple protocol
	offset    int    // of text in query, in bytes

	state     portalState
	inCommand bool // in the command that is being put together
	rows      Rows
	// affected is the count of the command tag. countRows: as many as are sent.
	affected int64
}

// portalState is how far a portal has come.
type portalState uint8

const (
	portalNew    portalState = iota // bound
	portalQueued                    // Execute has come, its turn has not
	portalOpen                      // rows are flowing
	portalDone                      // all rows were sent, or there are none
)

// countRows in portal.affected.
const countRows = -1

// locate adds to an error where its statement is in the query string.
func (p *portal) locate(err error) error {
	if err == nil || p.offset == 0 {
		return err
	}
	return &positioned{err: err, text: p.query, offset: p.offset}
}

// consistency is how fresh the snapshot must be that a portal reads from. A
// statement that reads no table needs no quorum: SELECT 1 and
// pg_is_in_recovery() are how drivers and operators find out what a node can
// still do.
func (p *portal) consistency() Consistency {
	if p.plan.Tableless {
		return Stale
	}
	return p.env.consistency
}

// plan understands a statement of the session with a schema.
func (s *session) plan(schema *sqlplan.Schema, text string, types []uint32) (*sqlplan.Plan, error) {
	options := sqlplan.Options{ParamTypes: types, TimeZone: s.env.timeZone}
	var plan *sqlplan.Plan
	var err error
	if schema == s.tx.base {
		plan, err = s.server.plans.Plan(schema, text, options)
	} else { // only this transaction has that schema
		plan, err = schema.Plan(text, options)
	}
	var refused *errcode.Error
	if errors.As(err, &refused) && refused.Code == errcode.FeatureNotSupported {
		s.server.Metrics.unsupported.Inc()
	}
	return plan, err
}

// understand plans a statement, and if a name in it does not resolve, once
// more after this node has caught up: the table may have been made a moment
// ago on another.
func (s *session) understand(text string, types []uint32) (*sqlplan.Plan, *sqlplan.Schema, error) {
	schema := s.schema()
	plan, err := s.plan(schema, text, types)
	if err == nil || !isUnresolved(err) || s.tx.snapshot != nil {
		return plan, schema, err
	}
	if late := s.catchUpForName(); late != nil {
		if s.env.consistency == Stale {
			return nil, nil, err // as far as this node knows
		}
		return nil, nil, late
	}
	if s.server.Backend.Schema() == s.tx.base {
		return nil, nil, err
	}
	if err := s.planAgain(); err != nil {
		return nil, nil, err
	}
	schema = s.schema()
	plan, err = s.plan(schema, text, types)
	return plan, schema, err
}

// staleNamePatience is how long a session that reads stale waits for the
// cluster to hear of a name that this node does not know. It wants answers from
// this node, also without a quorum; but what it writes goes through the log,
// perhaps into a table that was made a moment ago.
const staleNamePatience = 500 * time.Millisecond

// catchUpForName waits until this node knows every table that there was when it
// was called.
func (s *session) catchUpForName() error {
	ctx := s.ctx
	if s.env.consistency == Stale {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, staleNamePatience)
		defer cancel()
	}
	return s.server.Backend.CatchUp(ctx)
}

// isUnresolved reports whether an error may go away when the schema does.
func isUnresolved(err error) bool {
	var told *errcode.Error
	if !errors.As(err, &told) {
		return false
	}
	switch told.Code {
	case errcode.UndefinedTable, errcode.UndefinedColumn, errcode.UndefinedFunction, errcode.UndefinedObject:
		return true
	}
	return false
}

// planPortal plans a portal that waits for its turn again.
func (s *session) planPortal(p *portal, schema *sqlplan.Schema) error {
	options := sqlplan.Options{ParamTypes: p.types, TimeZone: p.env.timeZone}
	plan, err := schema.Plan(p.text, options)
	if err != nil {
		return err
	}
	if !p.described && !sameResult(p.plan.Columns, plan.Columns) {
		return errResultChanged()
	}
	p.plan, p.schema = plan, schema
	return nil
}

func errResultChanged() error {
	return errcode.Newf(errcode.FeatureNotSupported, "cached plan must not change result type")
}

// sameResult reports whether clients that were told of one result can take
// the other.
func sameResult(a, b []sqlplan.ResultColumn) bool {
	return (a == nil) == (b == nil) && slices.EqualFunc(a, b, func(a, b sqlplan.ResultColumn) bool {
		return a.Name == b.Name && a.Type == b.Type
	})
}

// refresh brings a prepared statement up to date with the schema.
func (s *session) refresh(st *prepared) error {
	schema := s.schema()
	if st.schema == schema && (st.timeZone == s.env.timeZone || !st.plan.UsesTimeZone) {
		return nil
	}
	plan, schema, err := s.understand(st.text, st.types)
	if err != nil {
		return err
	}
	if !sameResult(st.plan.Columns, plan.Columns) || len(plan.Params) != len(st.plan.Params) {
		return errResultChanged()
	}
	st.plan, st.schema, st.timeZone = plan, schema, s.env.timeZone
	return nil
}

// paramOIDs are the types of a plan's parameters.
func paramOIDs(plan *sqlplan.Plan) []uint32 {
	oids := make([]uint32, len(plan.Params))
	for i, t := range plan.Params {
		oids[i] = t.OID
	}
	return oids
}

// bound puts a portal's statement together for the backend.
func (s *session) bound(p *portal) sqlplan.Bound {
	args := p.params
	if len(p.plan.Session) > 0 {
		args = make([]value.Value, len(p.params), len(p.params)+len(p.plan.Session))
		copy(args, p.params)
		for _, v := range p.plan.Session {
			args = append(args, s.sessionValue(v, p.env))
		}
	}
	return sqlplan.Bound{Plan: p.plan, Args: args}
}

func (s *session) sessionValue(v sqlplan.SessionValue, env *environment) value.Value {
	switch v {
	case sqlplan.CurrentUser:
		return value.String(s.user)
	case sqlplan.TimeZone:
		return value.String(env.timeZone)
	case sqlplan.ApplicationName:
		return value.String(env.applicationName)
	case sqlplan.BackendPID:
		return value.Int(int64(s.pid))
	case sqlplan.InRecovery:
		return value.Bool(s.server.Backend.InRecovery())
	}
	panic("pgwire: the plan asks for a session value that is not known")
}

// decodeParams reads the parameters of a Bind into their stored forms. They
// alias the message.
func (s *session) decodeParams(message *pgproto3.Bind, st *prepared) ([]value.Value, error) {
	params := make([]value.Value, len(message.Parameters))
	for i, b := range message.Parameters {
		if b == nil {
			continue
		}
		v, err := decodeParam(b, st.plan.Params[i], formatOf(message.ParameterFormatCodes, i), &s.env.encoding)
		if err != nil {
			return nil, inParameter(err, i+1)
		}
		params[i] = v
	}
	return params, nil
}

func decodeParam(b []byte, t pgtype.Type, format formatCode, encoding *pgtype.Encoding) (value.Value, error) {
	switch {
	case format == pgproto3.TextFormat:
		if err := checkText(b); err != nil {
			return value.Value{}, err
		}
		if t.OID == 0 {
			return value.TextBytes(b), nil
		}
		return pgtype.ParseText(t, b, encoding.Location)
	case t.OID == 0:
		return value.Value{}, errcode.Newf(errcode.IndeterminateDatatype, "could not determine the data type of a parameter in binary format").
			WithHint("Send it as text, or write a cast: $1::bigint.")
	case pgtype.HasBinary(t.OID):
		return pgtype.ParseBinary(t, b)
	}
	return value.Value{}, errcode.Newf(errcode.UndefinedFunction, "no binary input function available for type %s", pgtype.Format(t))
}

// inParameter says in an error which parameter it is about, where PostgreSQL
// has its CONTEXT line.
func inParameter(err error, n int) error {
	var told *errcode.Error
	if !errors.As(err, &told) || told.Detail != "" {
		return err
	}
	about := *told
	return about.WithDetail("It is the value of parameter $%d.", n)
}
