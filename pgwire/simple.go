package pgwire

import (
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/sqlplan"
)

// query carries out a Query message: statements with semicolons between them,
// which are one transaction (PostgreSQL manual, section 55.2.2.1).
func (s *session) query(body []byte) error {
	var message pgproto3.Query
	if err := message.Decode(body); err != nil {
		return errMessageFormat()
	}
	// A pipeline without a Sync ends here, as in PostgreSQL.
	if err := s.endPipeline(); err != nil {
		return err
	}
	s.dropStatement("")
	statements, err := sqlplan.Split(message.String)
	if err != nil {
		return err
	}
	answered := false
	for _, statement := range statements {
		p, err := s.simplePortal(message.String, statement)
		if err == nil && p.plan.Kind == sqlplan.Empty {
			continue
		}
		if err == nil {
			err = p.locate(s.runPortal(p, 0, len(statements) > 1))
		}
		if err != nil {
			if isSyntaxError(err) {
				// PostgreSQL reads the whole string before it runs any of it.
				s.tx.forget()
			}
			return err
		}
		answered = true
	}
	if !answered {
		s.send(&pgproto3.EmptyQueryResponse{})
	}
	return s.endPipeline()
}

// simplePortal makes a portal for one statement of a query string.
func (s *session) simplePortal(query string, statement sqlplan.Statement) (*portal, error) {
	p := &portal{
		text:      statement.Text,
		env:       s.env,
		described: true,
		query:     query,
		offset:    statement.Offset,
		affected:  countRows,
	}
	var err error
	p.plan, p.schema, err = s.understand(statement.Text, nil)
	if err != nil {
		s.countMisunderstood(err)
		return nil, p.locate(err)
	}
	if len(p.plan.Params) > 0 {
		return nil, p.locate(errcode.Newf(errcode.UndefinedParameter, "there is no parameter $%d", len(p.plan.Params)))
	}
	return p, nil
}

// isSyntaxError reports whether PostgreSQL's parser would have found it.
func isSyntaxError(err error) bool {
	var told *errcode.Error
	return errors.As(err, &told) && told.Code == errcode.SyntaxError
}

// countMisunderstood counts a statement that could not be planned. It never
// left the session.
func (s *session) countMisunderstood(err error) {
	told, _ := clientError(s.ctx, err)
	s.server.Metrics.failed(kindSession, told.Code)
}

func errMessageFormat() error {
	return errcode.Newf(errcode.ProtocolViolation, "invalid message format")
}
