package pgwire

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/jackc/pgx/v5/pgproto3"
)

// patience is how long a test waits for what must come. Nothing is measured
// by it.
const patience = 20 * time.Second

// startServer serves a backend on loopback until the test ends.
func startServer(t testing.TB, server *Server) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(context.Background(), listener) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if fake, ok := server.Backend.(*fakeBackend); ok {
			fake.mu.Lock()
			defer fake.mu.Unlock()
			if fake.open != 0 {
				t.Errorf("%d snapshots are open after the last session", fake.open)
			}
		}
		if n := server.Metrics.open.Load(); n != 0 {
			t.Errorf("%d sessions are counted after the last one", n)
		}
	})
	return listener.Addr().String()
}

// script runs one transcript: several named clients, one server.
type script struct {
	t       *testing.T
	backend *fakeBackend
	address string
	clients map[string]*scriptClient
}

// scriptClient sends what the transcript says, byte for byte, and shows what
// comes back.
type scriptClient struct {
	conn     net.Conn
	frontend *pgproto3.Frontend
	pid      uint32
	secret   []byte
}

func newScript(t *testing.T, server *Server) *script {
	s := &script{t: t, backend: newFakeBackend(), clients: map[string]*scriptClient{}}
	server.Backend = s.backend
	server.Version = "0.1"
	s.address = startServer(t, server)
	t.Cleanup(func() {
		for _, c := range s.clients {
			c.conn.Close()
		}
	})
	return s
}

// run carries out one command of a transcript.
//
//	schema [version=N] [when=late|racing]   tables; now, at the next CatchUp, or
//	                                        at the next Snapshot or Execute
//	reply                                   a statement's text, then its answer
//	follower on|off, quorum on|off|silent   what the backend says of the node;
//	                                        silent: it waits for a quorum
//	connect [client=NAME] [full] key=value …
//	                                        a startup packet of these parameters;
//	                                        full shows the parameter statuses
//	dial [client=NAME]                      only a connection
//	send [client=NAME] [turns=N] [want=N]   messages, a line each; shows the
//	                                        answers up to as many ReadyForQuery
//	                                        as are owed (or N of them), or N
//	                                        messages, or with bytes=N those
//	recv [client=NAME] [want=N]             shows N more messages
//	cancel [client=NAME] [wrong]            a CancelRequest for that client,
//	                                        when its statement is running
func (s *script) run(d *datadriven.TestData) string {
	name := "a"
	if d.HasArg("client") {
		d.ScanArgs(s.t, "client", &name)
	}
	want := 0
	if d.HasArg("want") {
		d.ScanArgs(s.t, "want", &want)
	}
	lines := strings.Split(strings.TrimSuffix(d.Input, "\n"), "\n")
	if d.Input == "" {
		lines = nil
	}
	switch d.Cmd {
	case "schema":
		return s.setSchema(d, lines)
	case "reply":
		reply, err := parseReply(lines[1:])
		if err != nil {
			return err.Error()
		}
		s.backend.mu.Lock()
		defer s.backend.mu.Unlock()
		s.backend.replies[lines[0]] = reply
		return ""
	case "follower", "quorum":
		s.backend.mu.Lock()
		defer s.backend.mu.Unlock()
		on := d.CmdArgs[0].Key == "on"
		if d.Cmd == "follower" {
			s.backend.follower = on
		} else {
			s.backend.noQuorum = !on
			s.backend.silent = d.CmdArgs[0].Key == "silent"
		}
		return ""
	case "dial", "connect":
		c := s.dial(name)
		if d.Cmd == "dial" {
			return ""
		}
		c.write(s.t, startupBytes(d))
		greeting := s.receive(c, 1, 0)
		if !d.HasArg("full") {
			greeting = withoutStatuses(greeting)
		}
		return greeting
	case "send":
		c := s.clients[name]
		owed := 0
		var out []byte
		for _, line := range lines {
			message, turns, err := parseMessage(line)
			if err != nil {
				return err.Error()
			}
			out = append(out, message...)
			owed += turns
		}
		s.backend.forgetBlocked()
		c.write(s.t, out)
		if d.HasArg("turns") {
			d.ScanArgs(s.t, "turns", &owed)
		}
		if d.HasArg("bytes") {
			var n int
			d.ScanArgs(s.t, "bytes", &n)
			answer := make([]byte, n)
			if _, err := io.ReadFull(c.conn, answer); err != nil {
				return err.Error()
			}
			return fmt.Sprintf("%q\n", answer)
		}
		if owed == 0 && want == 0 {
			return "" // it is running: its answer comes with recv
		}
		return s.receive(c, owed, want)
	case "recv":
		owed := 1
		if want > 0 {
			owed = 0
		}
		return s.receive(s.clients[name], owed, want)
	case "cancel":
		return s.cancel(s.clients[name], d.HasArg("wrong"))
	}
	return "unknown command " + d.Cmd
}

func (s *script) setSchema(d *datadriven.TestData, lines []string) string {
	version, when := uint64(1), ""
	if d.HasArg("version") {
		d.ScanArgs(s.t, "version", &version)
	}
	if d.HasArg("when") {
		d.ScanArgs(s.t, "when", &when)
	}
	schema, err := parseSchema(version, lines)
	if err != nil {
		return err.Error()
	}
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	switch when {
	case "late":
		s.backend.late = schema
	case "racing":
		s.backend.racing = schema
	default:
		s.backend.schema = schema
	}
	return ""
}

func (s *script) dial(name string) *scriptClient {
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	c := &scriptClient{conn: conn, frontend: pgproto3.NewFrontend(conn, conn)}
	if old := s.clients[name]; old != nil {
		old.conn.Close()
	}
	s.clients[name] = c
	return c
}

func (c *scriptClient) write(t testing.TB, b []byte) {
	t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// cancel waits until a statement blocks, and sends a cancel request with the
// client's key.
func (s *script) cancel(c *scriptClient, wrong bool) string {
	select {
	case <-s.backend.blocked:
	case <-time.After(patience):
		return "no statement is running"
	}
	secret := bytes.Clone(c.secret)
	if wrong {
		secret[0]++
		s.backend.blocked <- struct{}{} // it goes on running
	}
	conn, err := net.Dial("tcp", s.address)
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	request := pgproto3.CancelRequest{ProcessID: c.pid, SecretKey: secret}
	b, err := request.Encode(nil)
	if err != nil {
		return err.Error()
	}
	conn.Write(b)
	// PostgreSQL answers nothing, and closes when it has done its part.
	if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
		return fmt.Sprintf("answered %q, %v", rest, err)
	}
	return ""
}

// receive shows messages until as many ReadyForQuery have come as are owed, or
// want messages, or the connection ends; then what the backend was asked.
func (s *script) receive(c *scriptClient, owed, want int) string {
	var out strings.Builder
	for n := 0; owed > 0 || n < want; n++ {
		message, err := c.frontend.Receive()
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				out.WriteString("(closed)\n")
			} else {
				fmt.Fprintf(&out, "(%v)\n", err)
			}
			break
		}
		switch m := message.(type) {
		case *pgproto3.ReadyForQuery:
			owed--
		case *pgproto3.BackendKeyData:
			c.pid, c.secret = m.ProcessID, bytes.Clone(m.SecretKey)
		}
		out.WriteString(showMessage(message) + "\n")
	}
	for _, call := range s.backend.takeCalls() {
		out.WriteString("-- " + call + "\n")
	}
	return out.String()
}

// showMessage writes a message as transcripts show it.
func showMessage(message pgproto3.BackendMessage) string {
	switch m := message.(type) {
	case *pgproto3.AuthenticationOk:
		return "AuthenticationOk"
	case *pgproto3.ParameterStatus:
		return fmt.Sprintf("ParameterStatus %s=%s", m.Name, m.Value)
	case *pgproto3.BackendKeyData:
		return fmt.Sprintf("BackendKeyData, a key of %d bytes", len(m.SecretKey))
	case *pgproto3.NegotiateProtocolVersion:
		return fmt.Sprintf("NegotiateProtocolVersion %d.%d %q", m.NewestMinorProtocol>>16, m.NewestMinorProtocol&0xffff, m.UnrecognizedOptions)
	case *pgproto3.ReadyForQuery:
		return "ReadyForQuery " + string(m.TxStatus)
	case *pgproto3.RowDescription:
		text := "RowDescription"
		for _, f := range m.Fields {
			text += fmt.Sprintf(" %s:%d", f.Name, f.DataTypeOID)
			if f.Format == pgproto3.BinaryFormat {
				text += ":binary"
			}
		}
		return text
	case *pgproto3.DataRow:
		text := "DataRow"
		for _, v := range m.Values {
			if v == nil {
				text += " null"
			} else {
				text += fmt.Sprintf(" %q", v)
			}
		}
		return text
	case *pgproto3.CommandComplete:
		return fmt.Sprintf("CommandComplete %q", m.CommandTag)
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("ParameterDescription %d", m.ParameterOIDs)
	case *pgproto3.ErrorResponse:
		return "ErrorResponse " + showError(m)
	case *pgproto3.NoticeResponse:
		return "NoticeResponse " + showError((*pgproto3.ErrorResponse)(m))
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", message), "*pgproto3.")
}

func showError(m *pgproto3.ErrorResponse) string {
	text := fmt.Sprintf("%s %s %q", m.Severity, m.Code, m.Message)
	if m.SeverityUnlocalized != m.Severity {
		text += " but V=" + m.SeverityUnlocalized
	}
	for _, field := range []struct{ name, value string }{
		{"detail", m.Detail}, {"hint", m.Hint}, {"table", m.TableName}, {"column", m.ColumnName}, {"constraint", m.ConstraintName},
	} {
		if field.value != "" {
			text += fmt.Sprintf(" %s=%q", field.name, field.value)
		}
	}
	if m.Position > 0 {
		text += fmt.Sprintf(" position=%d", m.Position)
	}
	return text
}

func withoutStatuses(greeting string) string {
	var kept strings.Builder
	for _, line := range strings.SplitAfter(greeting, "\n") {
		if !strings.HasPrefix(line, "ParameterStatus") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// startupBytes makes the startup packet of a connect command. version=3.2
// asks for that protocol.
func startupBytes(d *datadriven.TestData) []byte {
	major, minor := 3, 0
	var body []byte
	for _, arg := range d.CmdArgs {
		value := strings.Join(arg.Vals, ", ")
		switch arg.Key {
		case "client", "full":
		case "version":
			fmt.Sscanf(value, "%d.%d", &major, &minor)
		default:
			value = strings.ReplaceAll(value, "·", " ")
			body = append(append(append(append(body, arg.Key...), 0), value...), 0)
		}
	}
	body = append(body, 0)
	packet := binary.BigEndian.AppendUint32(nil, uint32(len(body)+8))
	packet = binary.BigEndian.AppendUint32(packet, uint32(major<<16|minor))
	return append(packet, body...)
}

// parseMessage reads one message in the notation of the transcripts:
//
//	Query "select 1"
//	Parse "name" "select $1" 20 25
//	Bind "portal" "name" [1] ('text', x'00ff', null) [0 1]
//	Describe S "name"     Close P "portal"
//	Execute "portal" 10   Flush   Sync   Terminate
//	Raw 51 00000004 …     bytes
//
// turns is how many ReadyForQuery it is answered with.
func parseMessage(line string) (b []byte, turns int, err error) {
	word, rest, _ := strings.Cut(line, " ")
	p := &messageParser{rest: strings.TrimSpace(rest)}
	var message pgproto3.FrontendMessage
	switch word {
	case "Query":
		message, turns = &pgproto3.Query{String: p.quoted()}, 1
	case "Parse":
		m := &pgproto3.Parse{Name: p.quoted(), Query: p.quoted()}
		for p.rest != "" {
			m.ParameterOIDs = append(m.ParameterOIDs, uint32(p.number()))
		}
		message = m
	case "Bind":
		m := &pgproto3.Bind{DestinationPortal: p.quoted(), PreparedStatement: p.quoted()}
		m.ParameterFormatCodes = p.codes()
		m.Parameters = p.parameters()
		m.ResultFormatCodes = p.codes()
		message = m
	case "Describe":
		message = &pgproto3.Describe{ObjectType: p.word()[0], Name: p.quoted()}
	case "Close":
		message = &pgproto3.Close{ObjectType: p.word()[0], Name: p.quoted()}
	case "Execute":
		message = &pgproto3.Execute{Portal: p.quoted(), MaxRows: uint32(p.number())}
	case "Flush":
		message = &pgproto3.Flush{}
	case "Sync":
		message, turns = &pgproto3.Sync{}, 1
	case "FunctionCall":
		message, turns = &pgproto3.FunctionCall{Function: 1}, 1
	case "Terminate":
		message = &pgproto3.Terminate{}
	case "Raw":
		b, err = hex.DecodeString(strings.ReplaceAll(rest, " ", ""))
		return b, 0, err
	default:
		return nil, 0, fmt.Errorf("unknown message %q", word)
	}
	if p.err != nil {
		return nil, 0, fmt.Errorf("%s: %v", line, p.err)
	}
	b, err = message.Encode(nil)
	return b, turns, err
}

type messageParser struct {
	rest string
	err  error
}

func (p *messageParser) word() string {
	word, rest, _ := strings.Cut(p.rest, " ")
	p.rest = strings.TrimSpace(rest)
	return word
}

// quoted reads a Go string, so that any byte can be written.
func (p *messageParser) quoted() string {
	prefix, err := strconv.QuotedPrefix(p.rest)
	if err != nil {
		p.err = fmt.Errorf("a quoted string is missing at %q", p.rest)
		return ""
	}
	p.rest = strings.TrimSpace(p.rest[len(prefix):])
	s, _ := strconv.Unquote(prefix)
	return s
}

func (p *messageParser) number() int64 {
	if p.rest == "" {
		return 0
	}
	n, err := strconv.ParseInt(p.word(), 10, 64)
	if err != nil {
		p.err = err
	}
	return n
}

// codes reads format codes in brackets, none if there are no brackets.
func (p *messageParser) codes() []int16 {
	if !strings.HasPrefix(p.rest, "[") {
		return nil
	}
	inside, rest, _ := strings.Cut(p.rest[1:], "]")
	p.rest = strings.TrimSpace(rest)
	var codes []int16
	for _, word := range strings.Fields(inside) {
		n, err := strconv.Atoi(word)
		if err != nil {
			p.err = err
		}
		codes = append(codes, int16(n))
	}
	return codes
}

func (p *messageParser) parameters() [][]byte {
	if !strings.HasPrefix(p.rest, "(") {
		return nil
	}
	inside, rest, _ := strings.Cut(p.rest[1:], ")")
	p.rest = strings.TrimSpace(rest)
	if inside == "" {
		return nil
	}
	var parameters [][]byte
	for _, word := range strings.Split(inside, ", ") {
		switch {
		case word == "null":
			parameters = append(parameters, nil)
		case strings.HasPrefix(word, "x'"):
			b, err := hex.DecodeString(strings.Trim(word[1:], "'"))
			if err != nil {
				p.err = err
			}
			parameters = append(parameters, b)
		default:
			parameters = append(parameters, []byte(strings.Trim(word, "'")))
		}
	}
	return parameters
}
