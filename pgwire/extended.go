package pgwire

import (
	"bytes"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// The extended query protocol (PostgreSQL manual, section 55.2.3), a function
// for each message.

// statementBytes and portalBytes are what a prepared statement and a portal
// are counted with besides their text and parameters. Plans are shared.
const (
	statementBytes = 512
	portalBytes    = 512
)

// parse makes a prepared statement.
func (s *session) parse(body []byte) error {
	var message pgproto3.Parse
	if err := message.Decode(body); err != nil {
		return errMessageFormat()
	}
	if err := checkText([]byte(message.Name)); err != nil {
		return err
	}
	if message.Name == "" {
		s.dropStatement("")
	} else if s.statements[message.Name] != nil {
		return errcode.Newf(errcode.DuplicatePreparedStatement, "prepared statement %q already exists", message.Name)
	}
	for i, oid := range message.ParameterOIDs {
		if oid == pgtype.Unknown {
			message.ParameterOIDs[i] = 0 // PostgreSQL takes both for "find out"
		}
	}
	st, err := s.prepare(message.Query, message.ParameterOIDs)
	if err != nil {
		s.countMisunderstood(err)
		return err
	}
	st.name = message.Name
	st.bytes = statementBytes + len(st.text)
	s.held += st.bytes
	s.statements[st.name] = st
	if err := s.checkHeld(); err != nil {
		s.dropStatement(st.name)
		return err
	}
	s.send(&pgproto3.ParseComplete{})
	return nil
}

// prepare understands the text of a Parse.
func (s *session) prepare(query string, types []uint32) (*prepared, error) {
	statements, err := sqlplan.Split(query)
	if err != nil {
		return nil, err
	}
	if len(statements) > 1 {
		return nil, errcode.Newf(errcode.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	statement := sqlplan.Statement{}
	if len(statements) == 1 {
		statement = statements[0]
	}
	plan, schema, err := s.understand(statement.Text, types)
	if err != nil {
		if statement.Offset > 0 {
			err = &positioned{err: err, text: query, offset: statement.Offset}
		}
		return nil, err
	}
	return &prepared{text: statement.Text, types: paramOIDs(plan), plan: plan, schema: schema, timeZone: s.env.timeZone}, nil
}

// dropStatement forgets a prepared statement, if there is one of that name.
func (s *session) dropStatement(name string) {
	if st := s.statements[name]; st != nil {
		s.held -= st.bytes
		delete(s.statements, name)
	}
}

// statement finds a prepared statement.
func (s *session) statement(name string) (*prepared, error) {
	st := s.statements[name]
	switch {
	case st != nil:
		return st, nil
	case name == "":
		return nil, errcode.Newf(errcode.InvalidSQLStatementName, "unnamed prepared statement does not exist")
	}
	if err := checkText([]byte(name)); err != nil {
		return nil, err
	}
	return nil, errcode.Newf(errcode.InvalidSQLStatementName, "prepared statement %q does not exist", name)
}

// bind makes a portal.
func (s *session) bind(body []byte) error {
	// The parameters are kept until Sync, and body is not.
	kept := bytes.Clone(body)
	var message pgproto3.Bind
	if err := message.Decode(kept); err != nil {
		return errMessageFormat()
	}
	st, err := s.statement(message.PreparedStatement)
	if err != nil {
		return err
	}
	if err := s.refresh(st); err != nil {
		return err
	}
	if err := checkBind(&message, st); err != nil {
		return err
	}
	name := message.DestinationPortal
	if err := checkText([]byte(name)); err != nil {
		return err
	}
	if name == "" {
		s.dropPortal("")
	} else if s.portals[name] != nil {
		return errcode.Newf(errcode.DuplicateCursor, "cursor %q already exists", name)
	}
	params, err := s.decodeParams(&message, st)
	if err != nil {
		return err
	}
	p := &portal{
		text: st.text, types: st.types, plan: st.plan, schema: st.schema,
		params: params, env: s.env, formats: message.ResultFormatCodes,
		affected: countRows,
		bytes:    portalBytes + len(kept),
	}
	s.portals[name] = p
	s.held += p.bytes
	if err := s.checkHeld(); err != nil {
		return err
	}
	s.send(&pgproto3.BindComplete{})
	return nil
}

// checkBind checks the counts and formats of a Bind.
func checkBind(m *pgproto3.Bind, st *prepared) error {
	formats, given, wanted := len(m.ParameterFormatCodes), len(m.Parameters), len(st.plan.Params)
	if formats > 1 && formats != given {
		return errcode.Newf(errcode.ProtocolViolation, "bind message has %d parameter formats but %d parameters", formats, given)
	}
	if given != wanted {
		return errcode.Newf(errcode.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d", given, st.name, wanted)
	}
	columns := resultColumns(st.plan)
	if n := len(m.ResultFormatCodes); n > 1 && n != len(columns) {
		return errcode.Newf(errcode.ProtocolViolation, "bind message has %d result formats but query has %d columns", n, len(columns))
	}
	for _, codes := range [][]formatCode{m.ParameterFormatCodes, m.ResultFormatCodes} {
		for _, code := range codes {
			if code != pgproto3.TextFormat && code != pgproto3.BinaryFormat {
				return errcode.Newf(errcode.InvalidParameterValue, "unsupported format code: %d", code)
			}
		}
	}
	for i := range columns {
		t := columns[i].Type
		if formatOf(m.ResultFormatCodes, i) == pgproto3.BinaryFormat && t.OID != 0 && !pgtype.HasBinary(t.OID) {
			return errcode.Newf(errcode.UndefinedFunction, "no binary output function available for type %s", pgtype.Format(t))
		}
	}
	return nil
}

// dropPortal forgets a portal, if there is one of that name. One whose turn
// has not come keeps its place in the pipeline.
func (s *session) dropPortal(name string) {
	p := s.portals[name]
	if p == nil {
		return
	}
	s.held -= p.bytes
	delete(s.portals, name)
	if s.tx.open == p && len(s.tx.steps) == 0 {
		p.rows.Close()
		s.tx.open = nil
	}
}

// describe tells what a prepared statement takes and gives, or what a portal
// gives.
func (s *session) describe(body []byte) error {
	var message pgproto3.Describe
	if err := message.Decode(body); err != nil {
		return errMessageFormat()
	}
	switch message.ObjectType {
	case 'S':
		st, err := s.statement(message.Name)
		if err != nil {
			return err
		}
		if err := s.refresh(st); err != nil {
			return err
		}
		s.send(&pgproto3.ParameterDescription{ParameterOIDs: st.types})
		s.sendDescription(st.plan, nil)
	case 'P':
		p, err := s.portal(message.Name)
		if err != nil {
			return err
		}
		s.sendDescription(p.plan, p.formats)
	default:
		return errcode.Newf(errcode.ProtocolViolation, "invalid DESCRIBE message subtype %d", message.ObjectType)
	}
	return nil
}

func (s *session) sendDescription(plan *sqlplan.Plan, formats []formatCode) {
	columns := resultColumns(plan)
	if columns == nil {
		s.send(&pgproto3.NoData{})
		return
	}
	out := s.queue()
	*out = appendRowDescription(*out, columns, formats)
}

// portal finds a portal.
func (s *session) portal(name string) (*portal, error) {
	p := s.portals[name]
	if p == nil {
		if err := checkText([]byte(name)); err != nil {
			return nil, err
		}
		return nil, errcode.Newf(errcode.InvalidCursorName, "portal %q does not exist", name)
	}
	return p, nil
}

// execute gives a portal its turn, or a further one.
func (s *session) execute(body []byte) error {
	var message pgproto3.Execute
	if err := message.Decode(body); err != nil {
		return errMessageFormat()
	}
	p, err := s.portal(message.Portal)
	if err != nil {
		return err
	}
	maxRows := message.MaxRows
	if int32(maxRows) < 0 {
		maxRows = 0 // as in PostgreSQL
	}
	if p.state != portalNew && (p.plan.Columns == nil || !isQueued(p.plan.Kind)) {
		return errcode.Newf(errcode.ObjectNotInPrerequisiteState, "portal %q cannot be run", message.Portal)
	}
	return s.runPortal(p, maxRows, false)
}

// close forgets a statement or a portal; there need not be one.
func (s *session) close(body []byte) error {
	var message pgproto3.Close
	if err := message.Decode(body); err != nil {
		return errMessageFormat()
	}
	switch message.ObjectType {
	case 'S':
		s.dropStatement(message.Name)
	case 'P':
		s.dropPortal(message.Name)
	default:
		return errcode.Newf(errcode.ProtocolViolation, "invalid CLOSE message subtype %d", message.ObjectType)
	}
	s.send(&pgproto3.CloseComplete{})
	return nil
}

// flushMessage carries out what has been asked for so far, if it can be done
// before Sync. The results themselves go out when the session waits for more.
func (s *session) flushMessage() error {
	if s.tx.writes {
		return errcode.Newf(errcode.FeatureNotSupported, "Flush after a statement that writes is not supported yet").
			WithHint("Send Sync: the statements of a pipeline up to Sync are one transaction, carried out at Sync.")
	}
	return s.carryOut(false)
}

// sync ends the pipeline and its transaction.
func (s *session) sync() error {
	if s.skipping {
		return nil // the error has ended it
	}
	return s.endPipeline()
}

// endPipeline carries out what waits and commits.
func (s *session) endPipeline() error {
	if err := s.carryOut(true); err != nil {
		return err
	}
	s.commit()
	return nil
}
