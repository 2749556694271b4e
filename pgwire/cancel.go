package pgwire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"time"

	"quorate/internal/errcode"
)

// secretBytes is the length of a cancel key: four bytes in protocol 3.0, and
// as much as PostgreSQL 18 uses since 3.2.
func secretBytes(minor uint16) int {
	if minor >= 2 {
		return 32
	}
	return 4
}

func newSecret(minor uint16) []byte {
	secret := make([]byte, secretBytes(minor))
	rand.Read(secret) // never fails: crypto/rand ends the program instead
	return secret
}

// cancel carries a CancelRequest out: it ends the statement that session pid
// is running, if the secret is the session's. As PostgreSQL does, it tells
// nobody whether it found one.
func (s *Server) cancel(pid uint32, secret []byte) {
	s.mu.Lock()
	session := s.sessions[pid]
	s.mu.Unlock()
	if session == nil || subtle.ConstantTimeCompare(session.secret, secret) != 1 {
		return
	}
	session.cancelStatement(0, errUserCancel)
}

// A session's statements share one context for as long as none is cancelled:
// making one for every statement would cost more than a point read's parsing.

// startStatement makes the context for what the next message asks, with
// statement_timeout if that is set.
func (s *session) startStatement() {
	s.mu.Lock()
	if s.base.Err() != nil && !s.closing {
		s.base, s.cancelBase = context.WithCancelCause(context.Background())
	}
	s.ctx = s.base
	s.turn++
	s.running = true
	turn := s.turn
	s.mu.Unlock()
	s.server.Metrics.active.Add(1)
	if timeout := s.env.statementTimeout; timeout > 0 {
		s.timer = time.AfterFunc(timeout, func() { s.cancelStatement(turn, errStatementTimeout) })
	}
}

// endStatement lets no cancel request through any more: one that comes now is
// late and changes nothing.
func (s *session) endStatement() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.mu.Lock()
	s.running = false
	s.mu.Unlock()
	s.server.Metrics.active.Add(-1)
}

// cancelStatement ends what the session is doing, if it is still doing what it
// was in that turn; turn 0 means whatever it is doing.
func (s *session) cancelStatement(turn uint64, cause *errcode.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running && !s.closing && (turn == 0 || turn == s.turn) {
		s.cancelBase(cause)
	}
}

// shutdown ends the session: a running statement is cancelled, a waiting read
// returns, and the client is given a moment to take the farewell.
func (s *session) shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.closing = true
	s.cancelBase(errShutdown)
	now := time.Now()
	s.conn.SetReadDeadline(now)
	s.conn.SetWriteDeadline(now.Add(farewellTimeout))
}

// isClosing reports whether shutdown was called.
func (s *session) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}
