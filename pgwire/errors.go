package pgwire

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
)

// The severities of ErrorResponse and NoticeResponse (PostgreSQL manual,
// section 55.8).
const (
	severityError   = "ERROR"
	severityFatal   = "FATAL"
	severityWarning = "WARNING"
	severityNotice  = "NOTICE"
)

// codeNotice is PostgreSQL's SUCCESSFUL_COMPLETION, which its notices carry.
const codeNotice errcode.Code = "00000"

// Why a statement's context was cancelled.
var (
	errUserCancel       = errcode.Newf(errcode.QueryCanceled, "canceling statement due to user request")
	errStatementTimeout = errcode.Newf(errcode.QueryCanceled, "canceling statement due to statement timeout")
	errClientVanished   = errcode.Newf(errcode.QueryCanceled, "canceling statement because the client has gone")
	errShutdown         = errcode.Newf(errcode.AdminShutdown, "terminating connection due to administrator command")
)

// fatalError is told to the client and ends the session.
type fatalError struct{ err *errcode.Error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

func fatalf(code errcode.Code, format string, args ...any) error {
	return &fatalError{errcode.Newf(code, format, args...)}
}

// positioned is an error in a statement that the client sent as one of
// several in one string.
type positioned struct {
	err  error
	text string // the whole string
	// offset is where the statement begins in text, in bytes.
	offset int
}

func (e *positioned) Error() string { return e.err.Error() }
func (e *positioned) Unwrap() error { return e.err }

// clientError turns any error into what the client is told. internal is true
// when the error was not made for clients: it must be logged, for somebody
// must look into it.
func clientError(ctx context.Context, err error) (told *errcode.Error, internal bool) {
	if errors.As(err, &told) {
		var at *positioned
		if told.Position > 0 && errors.As(err, &at) {
			moved := *told
			moved.Position += utf8.RuneCountInString(at.text[:at.offset])
			told = &moved
		}
		return told, false
	}
	if errors.Is(err, ErrSchemaChanged) {
		// Where it can be planned again, it has been; rows were already sent.
		return errSchemaKeepsChanging(), false
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if errors.As(context.Cause(ctx), &told) {
			return told, false
		}
	}
	return &errcode.Error{Code: errcode.InternalError, Message: err.Error()}, true
}

func errSchemaKeepsChanging() *errcode.Error {
	return errcode.Newf(errcode.SerializationFailure, "could not run the statement because the schema keeps changing").
		WithHint("Run it again.")
}

// appendError writes an ErrorResponse, or with a milder severity a
// NoticeResponse, after dst.
func appendError(dst []byte, severity string, e *errcode.Error) []byte {
	response := pgproto3.ErrorResponse{
		Severity:            severity,
		SeverityUnlocalized: severity,
		Code:                string(e.Code),
		Message:             e.Message,
		Detail:              e.Detail,
		Hint:                e.Hint,
		Position:            int32(e.Position),
		TableName:           e.Table,
		ColumnName:          e.Column,
		ConstraintName:      e.Constraint,
	}
	if e.Table != "" {
		response.SchemaName = "public"
	}
	if severity == severityWarning || severity == severityNotice {
		notice := pgproto3.NoticeResponse(response)
		return appendMessage(dst, &notice)
	}
	return appendMessage(dst, &response)
}

// checkText refuses bytes that cannot be text here, with the words of
// PostgreSQL's pg_verifymbstr.
func checkText(b []byte) error {
	for i := 0; i < len(b); {
		c := b[i]
		if c != 0 && c < utf8.RuneSelf {
			i++
			continue
		}
		if c == 0 {
			return invalidBytes(b[i : i+1])
		}
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return invalidBytes(b[i:min(i+sequenceBytes(c), len(b))])
		}
		i += size
	}
	return nil
}

// sequenceBytes is how long a UTF-8 sequence beginning with c would be.
func sequenceBytes(c byte) int {
	switch {
	case c&0xe0 == 0xc0:
		return 2
	case c&0xf0 == 0xe0:
		return 3
	case c&0xf8 == 0xf0:
		return 4
	}
	return 1
}

func invalidBytes(b []byte) error {
	text := ""
	for i, c := range b {
		if i > 0 {
			text += " "
		}
		text += fmt.Sprintf("0x%02x", c)
	}
	return errcode.Newf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": %s`, text)
}
