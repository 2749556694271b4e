package pgwire

import (
	"context"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A session notices that its client has gone when it reads or writes. While it
// carries out a statement it does neither, and a client that was killed leaves
// behind a query that nobody waits for, which occupies a reader and holds a
// snapshot. PostgreSQL has client_connection_check_interval for that. Here one
// goroutine looks at all sessions, so that it costs short statements nothing.

// watchClients cancels the statements of clients that have gone, until ctx ends.
func (s *Server) watchClients(ctx context.Context) {
	ticker := time.NewTicker(s.ClientCheckInterval)
	defer ticker.Stop()
	var sessions []*session
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		sessions = sessions[:0]
		s.mu.Lock()
		for _, session := range s.sessions {
			sessions = append(sessions, session)
		}
		s.mu.Unlock()
		for _, session := range sessions {
			session.checkClient()
		}
		clear(sessions)
	}
}

// checkClient cancels what the session is doing if it was already at it when it
// was last asked, and its client has gone.
func (s *session) checkClient() {
	s.mu.Lock()
	long, turn := s.running && s.turn == s.turnSeen, s.turn
	s.turnSeen = s.turn
	s.mu.Unlock()
	if long && hasVanished(s.conn) {
		s.cancelStatement(turn, errClientVanished)
	}
}

// hasVanished reports whether the other side has closed the connection, or it
// is broken. What a client sent before it went hides that.
func hasVanished(conn net.Conn) bool {
	socket, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	n := 0
	looked := raw.Control(func(fd uintptr) {
		n, _, err = unix.Recvfrom(int(fd), make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	})
	if looked != nil {
		return true // closed on this side
	}
	return err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
}
