package pgwire

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// rawClient is a client for tests that are not transcripts.
type rawClient struct {
	t        testing.TB
	conn     net.Conn
	frontend *pgproto3.Frontend
}

func connect(t testing.TB, address string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return &rawClient{t: t, conn: conn, frontend: pgproto3.NewFrontend(conn, conn)}
}

// login connects and waits for the greeting's end.
func login(t testing.TB, address string) *rawClient {
	t.Helper()
	c := connect(t, address)
	c.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "quorate"}})
	c.expect("AuthenticationOk", "ReadyForQuery I")
	return c
}

func (c *rawClient) send(messages ...pgproto3.FrontendMessage) {
	c.t.Helper()
	for _, m := range messages {
		c.frontend.Send(m)
	}
	if err := c.frontend.Flush(); err != nil {
		c.t.Fatal(err)
	}
}

// next shows the next message, "(closed)" at the end.
func (c *rawClient) next() string {
	message, err := c.frontend.Receive()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "(closed)"
	}
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return showMessage(message)
}

// expect reads until the first of some messages, and from there on exactly the
// others. A message is given by how it begins.
func (c *rawClient) expect(beginnings ...string) {
	c.t.Helper()
	first := true
	for len(beginnings) > 0 {
		got := c.next()
		if bytes.HasPrefix([]byte(got), []byte(beginnings[0])) {
			beginnings, first = beginnings[1:], false
			continue
		}
		switch {
		case got == "(closed)" || got[0] == '(':
			c.t.Fatalf("got %s while waiting for %s", got, beginnings[0])
		case !first && got[:9] != "Parameter" && got[:10] != "BackendKey":
			c.t.Fatalf("got %s, want %s", got, beginnings[0])
		}
	}
}
