package pgwire

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/rs/zerolog"

	"quorate/internal/errcode"
)

// session is one client from its greeting to its farewell. Its goroutine reads
// a message, carries it out and goes on; everything but the fields under mu
// belongs to it.
type session struct {
	server *Server
	conn   net.Conn
	pid    uint32
	secret []byte // for CancelRequest
	user   string
	logger zerolog.Logger

	in    frameReader
	out   []byte     // not sent yet
	large *outBuffer // of the pool, under out; nil: out is the session's own
	small []byte     // the session's own, meanwhile

	settings    *settings
	env         *environment      // of settings
	statusSent  map[string]string // what the client knows of reported
	statusStale bool              // settings have changed since
	standbySent bool              // in_hot_standby as the client knows it
	statements  map[string]*prepared
	portals     map[string]*portal
	held        int // bytes that statements and portals take
	tx          implicit
	skipping    bool            // after an error, until Sync
	ctx         context.Context // of the message that is being carried out
	timer       *time.Timer     // statement_timeout of that message
	deadlineSet bool            // conn has a read deadline

	mu         sync.Mutex // guards the fields below
	closing    bool       // shutdown was called
	running    bool       // a message is being carried out
	turn       uint64     // counts messages
	turnSeen   uint64     // turn as checkClient saw it last
	base       context.Context
	cancelBase context.CancelCauseFunc
}

// errTerminate ends a session without a word: the client said goodbye.
var errTerminate = errors.New("pgwire: the client has terminated the session")

// connectionError says that the client cannot be reached any more.
type connectionError struct{ err error }

func (e *connectionError) Error() string { return "pgwire: connection lost: " + e.err.Error() }
func (e *connectionError) Unwrap() error { return e.err }

func newSession(server *Server, conn net.Conn, user string, minor uint16, settings *settings) *session {
	s := &session{
		server:     server,
		conn:       conn,
		secret:     newSecret(minor),
		user:       user,
		settings:   settings,
		env:        settings.environment(),
		statusSent: map[string]string{},
		statements: map[string]*prepared{},
		portals:    map[string]*portal{},
	}
	s.base, s.cancelBase = context.WithCancelCause(context.Background())
	s.in = frameReader{conn: conn, buf: make([]byte, readBufferBytes), beforeRead: s.beforeRead}
	return s
}

// run serves the session to its end.
func (s *session) run(packet *startupPacket) {
	s.logger = s.server.Logger.With().Uint32("session", s.pid).Str("user", s.user).
		Str("app", s.env.applicationName).Str("remote", remote(s.conn)).Logger()
	defer s.cancelBase(nil)
	defer s.giveBackRoom()
	defer s.closePortals()
	// A mistake of ours that one client's statement brings to light must not
	// take the node from everybody: the client would send it to the next node.
	defer func() {
		if r := recover(); r != nil {
			s.logger.Error().Interface("panic", r).Bytes("stack", debug.Stack()).Msg("a session ended by a panic")
			s.farewell(errcode.Newf(errcode.InternalError, "internal error; the server's log says more"))
		}
	}()
	s.logger.Debug().Msg("session begins")
	s.greet(packet)
	err := s.serve()
	var told *fatalError
	var lost *connectionError
	switch {
	case errors.As(err, &told):
		s.logger.Info().Str("sqlstate", string(told.err.Code)).Msg("session ends: " + told.err.Message)
		s.farewell(told.err)
	case errors.As(err, &lost):
		s.logger.Info().Err(lost.err).Msg("session ends: connection lost")
	default:
		s.logger.Debug().Msg("session ends")
	}
}

// serve carries out messages until one ends the session.
func (s *session) serve() error {
	for {
		kind, body, err := s.receive()
		if err != nil {
			return err
		}
		if err := s.server.unavailable(); err != nil {
			return err
		}
		s.startStatement()
		err = s.handle(kind, body)
		s.endStatement()
		if err != nil {
			return err
		}
		if s.isClosing() {
			return &fatalError{errShutdown}
		}
	}
}

// farewell sends the last message. The connection is closed by whoever opened
// the session.
func (s *session) farewell(e *errcode.Error) {
	s.out = appendError(s.out, severityFatal, e)
	s.mu.Lock()
	s.closing = true
	s.conn.SetWriteDeadline(time.Now().Add(farewellTimeout))
	s.mu.Unlock()
	if _, err := s.conn.Write(s.out); err == nil {
		linger(s.conn)
	}
}

// receive waits for the next message. Errors of the connection and of the
// framing end the session.
func (s *session) receive() (kind byte, body []byte, err error) {
	for {
		kind, n, err := s.in.header()
		if err != nil {
			return 0, nil, s.readError(err)
		}
		limit, known := s.messageLimit(kind)
		switch {
		case !known:
			return 0, nil, fatalf(errcode.ProtocolViolation, "invalid frontend message type %d", kind)
		case n < 0 || n > hugeMessageBytes || n > limit && limit == smallMessageMaxBytes:
			return 0, nil, fatalf(errcode.ProtocolViolation, "invalid message length")
		case n > limit:
			if err := s.in.discard(n); err != nil {
				return 0, nil, s.readError(err)
			}
			s.refuseMessage(kind, errcode.Newf(errcode.ProgramLimitExceeded,
				"a message of %d bytes is longer than the limit of %d", n, limit))
			continue
		}
		body, err = s.in.body(n)
		if err != nil {
			return 0, nil, s.readError(err)
		}
		return kind, body, nil
	}
}

// messageLimit is how long a message of some type may be, and whether there is
// such a type.
func (s *session) messageLimit(kind byte) (limit int, known bool) {
	switch kind {
	case 'Q', 'P', 'B', 'F', 'd':
		return s.server.MaxMessageBytes, true
	case 'D', 'E', 'C', 'H', 'S', 'X', 'c', 'f':
		return smallMessageMaxBytes, true
	}
	return 0, false
}

// refuseMessage answers a message that was not taken.
func (s *session) refuseMessage(kind byte, e *errcode.Error) {
	s.startStatement()
	defer s.endStatement()
	if kind == 'd' || s.skipping {
		return
	}
	s.fail(e)
	if kind == 'Q' || kind == 'F' {
		s.skipping = false
		s.readyForQuery()
	}
}

// readError says why nothing more could be read.
func (s *session) readError(err error) error {
	var lost *connectionError
	switch {
	case errors.As(err, &lost):
		return err
	case errors.Is(err, io.EOF):
		return errTerminate
	case errors.Is(err, os.ErrDeadlineExceeded):
		if s.isClosing() {
			return &fatalError{errShutdown}
		}
		if s.tx.isOpen() {
			return fatalf(errcode.IdleInTransactionTimeout, "terminating connection due to idle-in-transaction timeout")
		}
		return fatalf(errcode.IdleSessionTimeout, "terminating connection due to idle-session timeout")
	case s.isClosing():
		return &fatalError{errShutdown}
	}
	return &connectionError{err}
}

// beforeRead runs when the session is about to wait for its client: what it
// has to say is sent now, and the clocks of idleness start.
func (s *session) beforeRead() error {
	if err := s.flush(); err != nil {
		return err
	}
	s.giveBackRoom()
	timeout := s.env.idleTimeout
	if s.tx.isOpen() {
		timeout = s.env.idleInTxTimeout
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing:
		s.conn.SetReadDeadline(time.Now())
	case timeout > 0:
		s.conn.SetReadDeadline(time.Now().Add(timeout))
		s.deadlineSet = true
	case s.deadlineSet:
		s.conn.SetReadDeadline(time.Time{})
		s.deadlineSet = false
	}
	return nil
}

// flush sends what is in out.
func (s *session) flush() error {
	if len(s.out) == 0 {
		return nil
	}
	s.mu.Lock()
	if !s.closing {
		s.conn.SetWriteDeadline(time.Now().Add(s.server.WriteTimeout))
	}
	s.mu.Unlock()
	_, err := s.conn.Write(s.out)
	s.out = s.out[:0]
	if err != nil {
		return &connectionError{err}
	}
	return nil
}

// handle carries out one message. An error that it returns ends the session;
// errors in what the message asks for are told and survived.
func (s *session) handle(kind byte, body []byte) error {
	if s.skipping && kind != 'S' && kind != 'X' {
		return nil
	}
	var err error
	switch kind {
	case 'Q':
		return s.settleTurn(s.query(body))
	case 'P':
		err = s.parse(body)
	case 'B':
		err = s.bind(body)
	case 'D':
		err = s.describe(body)
	case 'E':
		err = s.execute(body)
	case 'C':
		err = s.close(body)
	case 'H':
		err = s.flushMessage()
	case 'S':
		return s.settleTurn(s.sync())
	case 'F':
		return s.settleTurn(errcode.Newf(errcode.FeatureNotSupported, "the function call protocol is not supported"))
	case 'X':
		return errTerminate
	case 'd', 'c', 'f':
		return nil // of a COPY that has failed (PostgreSQL manual, section 55.2.6)
	}
	return s.tell(err)
}

// settleTurn ends the client's turn: the error, if there is one, and
// ReadyForQuery.
func (s *session) settleTurn(err error) error {
	if err := s.tell(err); err != nil {
		return err
	}
	s.skipping = false
	s.readyForQuery()
	return nil
}

// tell tells the client of an error, or returns it if it ends the session.
func (s *session) tell(err error) error {
	if err == nil {
		return nil
	}
	var fatal *fatalError
	var lost *connectionError
	if errors.As(err, &fatal) || errors.As(err, &lost) {
		return err
	}
	if s.isClosing() {
		// Drivers show the last error only, and 57P01 reads as if nothing had
		// happened.
		var told *errcode.Error
		if errors.As(err, &told) && told.Code == errcode.StatementCompletionUnknown {
			s.rollback()
			return &fatalError{told}
		}
	}
	s.fail(err)
	if s.isClosing() {
		return &fatalError{errShutdown}
	}
	return nil
}

// fail ends the implicit transaction with an error: the client is told, and
// what it sends is skipped until Sync.
func (s *session) fail(err error) {
	// What could be read before the error came is still the client's.
	if !s.tx.writes {
		if earlier := s.carryOut(false); earlier != nil {
			err = earlier
		}
	}
	s.rollback()
	told, internal := clientError(s.ctx, err)
	if internal {
		s.logger.Error().Err(err).Msg("a statement failed for a reason that clients should not see")
	}
	if told == errShutdown {
		return // the farewell says it
	}
	s.out = appendError(s.out, severityError, told)
	s.skipping = true
}

// transactionStatus is the status that ReadyForQuery shows: 'I' outside a
// transaction block, and there are no others yet.
func (s *session) transactionStatus() byte { return 'I' }

// readyForQuery tells the client that it is its turn, and before it what has
// changed of the settings that it is kept informed of.
func (s *session) readyForQuery() {
	if s.statusStale || s.server.Backend.InRecovery() != s.standbySent {
		s.reportSettings()
	}
	s.out = append(s.out, 'Z', 0, 0, 0, 5, s.transactionStatus())
}

// notice sends a NoticeResponse, unless client_min_messages says otherwise. It
// comes in order with the results of statements.
func (s *session) notice(severity string, e *errcode.Error) {
	if severity == severityNotice && s.env.minNotice > 0 || s.env.minNotice > 1 {
		return
	}
	out := s.queue()
	*out = appendError(*out, severity, e)
}

// send sends a message in order with the results of statements.
func (s *session) send(message pgproto3.BackendMessage) {
	out := s.queue()
	*out = appendMessage(*out, message)
}
