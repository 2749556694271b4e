package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
)

const (
	// startupMaxBytes is MAX_STARTUP_PACKET_LENGTH of PostgreSQL's
	// libpq/pqcomm.h. It counts the packet without its length.
	startupMaxBytes = 10000
	// nameMaxBytes is NAMEDATALEN less the zero byte.
	nameMaxBytes = 63
	// minorVersion is the newest protocol 3.x that is spoken here.
	minorVersion = 2
)

// The codes that stand where a startup packet has its protocol version
// (PostgreSQL manual, section 55.7).
const (
	codeCancel     = 1234<<16 | 5678
	codeSSL        = 1234<<16 | 5679
	codeGSS        = 1234<<16 | 5680
	protocolMajor  = 3
	cancelMinBytes = 12 // code, process id, and at least four bytes of key
)

// startupPacket is what a client says of itself.
type startupPacket struct {
	minor      uint16
	parameters []parameter // in the client's order
	// unknown are the protocol options (_pq_.…) that it asked for.
	unknown []string
}

type parameter struct{ name, value string }

// serveConn serves one connection from its first byte to its end.
func (s *Server) serveConn(c *connection) {
	c.conn.SetDeadline(time.Now().Add(s.StartupTimeout))
	packet, err := s.readStartup(c.conn)
	if err != nil {
		s.refuse(c.conn, err)
		return
	}
	if packet == nil {
		return // a cancel request, or a client that went away
	}
	session, err := s.newSession(c.conn, packet)
	if err == nil {
		err = s.unavailable()
	}
	if err == nil {
		if err = s.register(session); errors.Is(err, errTooManyConnections) {
			err = fatalf(errcode.TooManyConnections, "sorry, too many clients already")
		}
	}
	if err != nil {
		s.refuse(c.conn, err)
		return
	}
	defer s.unregister(session)
	c.conn.SetDeadline(time.Time{})
	c.become(session)
	session.run(packet)
}

// readStartup reads packets until one starts a session, and answers those
// that come before it. It returns nil when there is no session to start.
func (s *Server) readStartup(conn net.Conn) (*startupPacket, error) {
	askedSSL, askedGSS := false, false
	for {
		body, err := readStartupPacket(conn)
		if err != nil || body == nil {
			return nil, err
		}
		code := binary.BigEndian.Uint32(body)
		switch {
		case code == codeCancel:
			// A malformed one is dropped, as a wrong one is.
			if len(body) >= cancelMinBytes {
				s.cancel(binary.BigEndian.Uint32(body[4:]), body[8:])
			}
			return nil, nil
		case code == codeSSL && !askedSSL:
			askedSSL = true
		case code == codeGSS && !askedGSS:
			askedGSS = true
		case code>>16 != protocolMajor:
			return nil, fatalf(errcode.FeatureNotSupported,
				"unsupported frontend protocol %d.%d: server supports 3.0 to 3.%d", code>>16, code&0xffff, minorVersion)
		default:
			return parseStartup(uint16(code), body[4:])
		}
		if _, err := conn.Write([]byte{'N'}); err != nil {
			return nil, nil
		}
	}
}

// readStartupPacket reads one packet without its length, and not a byte more:
// what follows may belong to another layer. It returns nil when the client
// went away without a word, as health checks do.
func readStartupPacket(conn net.Conn) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, startupReadError(err)
	}
	n := int64(binary.BigEndian.Uint32(head[:])) - int64(len(head))
	if n < 4 || n > startupMaxBytes {
		return nil, fatalf(errcode.ProtocolViolation, "invalid length of startup packet")
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(conn, body); err != nil {
		return nil, startupReadError(err)
	}
	return body, nil
}

// startupReadError makes what a client is told that took too long. One that is
// gone can be told nothing.
func startupReadError(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fatalf(errcode.ProtocolViolation, "the startup packet did not come in time")
	}
	return nil
}

// parseStartup reads the parameters of a startup packet: names and values,
// each with a zero byte, and a zero byte at the end.
func parseStartup(minor uint16, b []byte) (*startupPacket, error) {
	packet := &startupPacket{minor: minor}
	for {
		name, rest, ok := bytes.Cut(b, []byte{0})
		if !ok {
			return nil, errStartupLayout()
		}
		if len(name) == 0 {
			if len(rest) > 0 {
				return nil, errStartupLayout()
			}
			return packet, nil
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, errStartupLayout()
		}
		if !utf8.Valid(name) || !utf8.Valid(value) {
			return nil, fatalf(errcode.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8" in the startup packet`)
		}
		if strings.HasPrefix(string(name), "_pq_.") {
			packet.unknown = append(packet.unknown, string(name))
		} else {
			packet.parameters = append(packet.parameters, parameter{string(name), string(value)})
		}
		b = rest
	}
}

func errStartupLayout() error {
	return fatalf(errcode.ProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
}

// newSession checks who wants what and applies the settings that came along.
func (s *Server) newSession(conn net.Conn, packet *startupPacket) (*session, error) {
	var user, database, options string
	settings := newSettings()
	for _, p := range packet.parameters {
		switch p.name {
		case "user":
			user = p.value
		case "database":
			database = p.value
		case "options":
			options = p.value
		case "replication":
			if on, ok := parseBool(p.value); !ok || on {
				return nil, fatalf(errcode.FeatureNotSupported, "replication connections are not supported")
			}
		}
	}
	if user == "" {
		return nil, fatalf(errcode.InvalidAuthorizationSpec, "no PostgreSQL user name specified in startup packet")
	}
	if err := checkUserName(user); err != nil {
		return nil, err
	}
	if database == "" {
		database = user // as PostgreSQL does
	}
	if database != Database {
		err := errcode.Newf(errcode.InvalidCatalogName, "database %q does not exist", database)
		return nil, &fatalError{err.WithHint("The one database of a Quorate server is called %q.", Database)}
	}
	if err := settings.applyOptions(options); err != nil {
		return nil, &fatalError{err}
	}
	for _, p := range packet.parameters {
		switch p.name {
		case "user", "database", "options", "replication":
			continue
		}
		if err := settings.setDefault(p.name, p.value); err != nil {
			return nil, &fatalError{err}
		}
	}
	return newSession(s, conn, user, packet.minor, settings), nil
}

// checkUserName refuses what could not be a role's name.
func checkUserName(user string) error {
	if len(user) > nameMaxBytes {
		return fatalf(errcode.InvalidAuthorizationSpec, "the user name is longer than %d bytes", nameMaxBytes)
	}
	for _, r := range user {
		if unicode.IsControl(r) {
			return fatalf(errcode.InvalidAuthorizationSpec, "the user name contains a control character")
		}
	}
	return nil
}

// refuse tells a client that has no session why, and leaves.
func (s *Server) refuse(conn net.Conn, err error) {
	told := &errcode.Error{Code: errcode.InternalError, Message: err.Error()}
	errors.As(err, &told)
	if told.Code[:2] == "28" {
		s.Metrics.authFailures.Inc()
	}
	s.Logger.Info().Str("remote", remote(conn)).Str("sqlstate", string(told.Code)).Msg("connection refused: " + told.Message)
	conn.SetDeadline(time.Now().Add(farewellTimeout))
	if _, err := conn.Write(appendError(nil, severityFatal, told)); err == nil {
		linger(conn)
	}
}

// linger lets the client read what was sent last. Closing a TCP connection
// that has unread bytes resets it, and a reset throws away what the other
// side has not read yet.
func linger(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		conn.SetReadDeadline(time.Now().Add(farewellTimeout))
		io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	}
}

func remote(conn net.Conn) string {
	if addr := conn.RemoteAddr(); addr != nil {
		return addr.String()
	}
	return ""
}

// applyOptions takes the settings of the parameter "options", a command line
// for the server: "-c name=value", "-cname=value" and "--name=value", with \
// before a blank that is meant (PostgreSQL manual, section 55.2.1).
func (s *settings) applyOptions(options string) *errcode.Error {
	words := splitOptions(options)
	for i := 0; i < len(words); i++ {
		word := words[i]
		var assignment string
		switch {
		case strings.HasPrefix(word, "--"):
			assignment = word[2:]
		case word == "-c" && i+1 < len(words):
			i++
			assignment = words[i]
		case strings.HasPrefix(word, "-c") && len(word) > 2:
			assignment = word[2:]
		default:
			return errcode.Newf(errcode.SyntaxError, "invalid command-line argument for server process: %s", word).
				WithHint("Only -c name=value and --name=value are understood.")
		}
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return errcode.Newf(errcode.SyntaxError, "%s requires a value", word)
		}
		if err := s.setDefault(strings.ReplaceAll(name, "-", "_"), value); err != nil {
			return err
		}
	}
	return nil
}

func splitOptions(options string) []string {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(options); i++ {
		c := options[i]
		switch {
		case c == '\\' && i+1 < len(options):
			i++
			word.WriteByte(options[i])
			inWord = true
		case strings.IndexByte(" \t\n\r\v\f", c) >= 0:
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// greet sends what a session begins with. The order of the parameter statuses
// is PostgreSQL's.
func (s *session) greet(packet *startupPacket) {
	if packet.minor > minorVersion || len(packet.unknown) > 0 {
		s.out = appendMessage(s.out, &pgproto3.NegotiateProtocolVersion{
			NewestMinorProtocol: protocolMajor<<16 | uint32(min(packet.minor, minorVersion)),
			UnrecognizedOptions: packet.unknown,
		})
	}
	s.out = appendMessage(s.out, &pgproto3.AuthenticationOk{})
	s.reportSettings()
	s.out = appendMessage(s.out, &pgproto3.BackendKeyData{ProcessID: s.pid, SecretKey: s.secret})
	s.readyForQuery()
}
