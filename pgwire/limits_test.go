package pgwire

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/value"
)

// A message over the limit is skipped and answered; the session goes on.
func TestMessageTooLong(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 1"] = fakeReply{rows: [][]value.Value{{value.Int(1)}}}
	c := login(t, startServer(t, &Server{Backend: backend, MaxMessageBytes: 20_000}))
	long := "select '" + strings.Repeat("x", 20_000) + "'"

	c.send(&pgproto3.Query{String: long})
	c.expect(`ErrorResponse ERROR 54000 "a message of 20010 bytes is longer than the limit of 20000"`, "ReadyForQuery I")

	c.send(&pgproto3.Parse{Query: long}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("ErrorResponse ERROR 54000", "ReadyForQuery I")

	c.send(&pgproto3.Query{String: "select 1"})
	c.expect("RowDescription", `DataRow "1"`, `CommandComplete "SELECT 1"`, "ReadyForQuery I")
}

// What one session makes the server keep is bounded, whether by prepared
// statements, by portals or by a pipeline without end.
func TestSessionTooLarge(t *testing.T) {
	backend := newFakeBackend()
	address := startServer(t, &Server{Backend: backend, MaxSessionBytes: 20_000})
	text := "select '" + strings.Repeat("x", 1000) + "'"

	t.Run("statements", func(t *testing.T) {
		c := login(t, address)
		prepare := func(name string) {
			c.send(&pgproto3.Parse{Name: name, Query: text}, &pgproto3.Sync{})
		}
		for i := range 13 {
			prepare(string(rune('a' + i)))
			c.expect("ParseComplete", "ReadyForQuery I")
		}
		prepare("one too many")
		c.expect("ErrorResponse ERROR 54000", "ReadyForQuery I")
		c.send(&pgproto3.Query{String: "deallocate a"})
		c.expect(`CommandComplete "DEALLOCATE"`, "ReadyForQuery I")
		prepare("one for another")
		c.expect("ParseComplete", "ReadyForQuery I")
	})

	t.Run("portals", func(t *testing.T) {
		c := login(t, address)
		c.send(&pgproto3.Parse{Name: "s", Query: "select 1"}, &pgproto3.Sync{})
		c.expect("ParseComplete", "ReadyForQuery I")
		for round := range 2 { // Sync gives the room back
			portals := 30
			if round == 1 {
				portals = 50
			}
			for i := range portals {
				c.frontend.SendBind(&pgproto3.Bind{DestinationPortal: strings.Repeat("p", i+1), PreparedStatement: "s"})
			}
			c.send(&pgproto3.Sync{})
			if round == 0 {
				for range portals {
					c.expect("BindComplete")
				}
				c.expect("ReadyForQuery I")
			} else {
				c.expect("ErrorResponse ERROR 54000", "ReadyForQuery I")
			}
		}
	})

	t.Run("pipeline", func(t *testing.T) {
		c := login(t, address)
		c.send(&pgproto3.Parse{Name: "s", Query: "select 1"}, &pgproto3.Sync{})
		c.expect("ParseComplete", "ReadyForQuery I")
		for range 500 {
			c.frontend.SendBind(&pgproto3.Bind{PreparedStatement: "s"})
			c.frontend.SendExecute(&pgproto3.Execute{})
		}
		c.send(&pgproto3.Sync{})
		c.expect("ErrorResponse ERROR", "ReadyForQuery I")
	})
}

// One session too many is refused, and a session that ends makes room. A
// connection that has not said who it is takes no session's place.
func TestTooManyConnections(t *testing.T) {
	server := &Server{Backend: newFakeBackend(), MaxConnections: 2}
	address := startServer(t, server)
	first := login(t, address)
	login(t, address)
	connect(t, address)

	third := connect(t, address)
	third.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "quorate"}})
	third.expect(`ErrorResponse FATAL 53300 "sorry, too many clients already"`, "(closed)")

	first.send(&pgproto3.Terminate{})
	first.expect("(closed)")
	await(t, func() bool { return server.Metrics.open.Load() == 1 })
	login(t, address)
}

// await waits for a state that another goroutine is about to reach.
func await(t testing.TB, reached func() bool) {
	t.Helper()
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(patience)
	for !reached() {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("the awaited state is not reached")
		}
	}
}

// A long message below the limit arrives whole.
func TestLongParameter(t *testing.T) {
	backend := newEchoBackend(t)
	c := login(t, startServer(t, &Server{Backend: backend}))
	long := []byte(strings.Repeat("long", 2<<20))
	c.send(&pgproto3.Parse{Query: "insert into v (t) values ($1)"},
		&pgproto3.Bind{Parameters: [][]byte{long}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	c.expect("ParseComplete", "BindComplete", `CommandComplete "INSERT 0 1"`, "ReadyForQuery I")
	if got := backend.replies[echoSelect].rows[0][0].Bytes(); !bytes.Equal(got, long) {
		t.Errorf("%d bytes were sent, %d have arrived", len(long), len(got))
	}
}

// Rows are streamed: a result that is far larger than every buffer arrives, and
// the session keeps none of it.
func TestLargeResult(t *testing.T) {
	backend := newFakeBackend()
	row := []value.Value{value.String(strings.Repeat("x", 10_000))}
	backend.replies["select 'x'"] = fakeReply{rows: [][]value.Value{row}, repeat: 2000} // 20 MB
	c := login(t, startServer(t, &Server{Backend: backend, MaxSessionBytes: 20_000}))
	c.send(&pgproto3.Query{String: "select 'x'"})
	c.expect("RowDescription")
	for range 2000 {
		c.expect("DataRow")
	}
	c.expect(`CommandComplete "SELECT 2000"`, "ReadyForQuery I")
}

// Connections that say nothing do not keep out those that do: when there are
// too many of them, the one that has waited longest is closed.
func TestSilentConnections(t *testing.T) {
	address := startServer(t, &Server{Backend: newFakeBackend(), MaxConnections: 2})
	first, second := connect(t, address), connect(t, address)
	third := connect(t, address)
	first.expect("(closed)")
	login(t, address)
	second.expect("(closed)")
	third.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "quorate"}})
	third.expect("AuthenticationOk", "ReadyForQuery I")
}
