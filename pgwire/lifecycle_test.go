package pgwire

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// When the server ends, every client hears 57P01, whatever it is doing, and
// Serve returns when all are gone.
func TestShutdown(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 1"] = fakeReply{block: true}
	backend.replies["select 'much'"] = fakeReply{rows: [][]value.Value{{value.String(strings.Repeat("x", 1<<20))}}, repeat: 1000}
	backend.replies["create table t (a int)"] = fakeReply{block: true}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	server := &Server{Backend: backend}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()

	starting := connect(t, address)
	idle := login(t, address)
	reading := login(t, address)
	reading.send(&pgproto3.Query{String: "select 1"})
	writing := login(t, address)
	writing.send(&pgproto3.Query{String: "create table t (a int)"})
	for range 2 {
		<-backend.blocked
	}
	// This one asks for much and takes none of it.
	stuck := login(t, address)
	stuck.send(&pgproto3.Query{String: "select 'much'"})
	stuck.expect("RowDescription")
	pipelining := login(t, address)
	pipelining.send(&pgproto3.Parse{Query: "select 1"}, &pgproto3.Flush{})
	pipelining.expect("ParseComplete")

	stop()
	starting.expect("(closed)")
	for _, c := range []*rawClient{idle, reading, writing, pipelining} {
		c.expect(`ErrorResponse FATAL 57P01 "terminating connection due to administrator command"`, "(closed)")
	}
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if backend.open != 0 {
		t.Errorf("%d snapshots are open", backend.open)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still listens")
	}

	server.Close()
	if err := server.Serve(context.Background(), listener); err != ErrServerClosed {
		t.Errorf("Serve after Close: %v", err)
	}
}

// When the server ends while a write's outcome is not known, the client's last
// word is that, and not 57P01, after which a driver may send the write again.
func TestShutdownWithUnknownOutcome(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["create table t (a int)"] = fakeReply{block: true, err: errcode.Newf(errcode.StatementCompletionUnknown, "who knows")}
	server := &Server{Backend: backend}
	c := login(t, startServer(t, server))
	c.send(&pgproto3.Query{String: "create table t (a int)"})
	<-backend.blocked
	server.Close()
	c.expect(`ErrorResponse FATAL 40003 "who knows"`, "(closed)")
}

// Sessions that do nothing end when they have asked for that, and those that
// leave a pipeline open by another clock.
func TestIdleTimeouts(t *testing.T) {
	address := startServer(t, &Server{Backend: newFakeBackend()})

	c := login(t, address)
	c.send(&pgproto3.Query{String: "set idle_session_timeout = '1ms'"})
	c.expect("CommandComplete", "ReadyForQuery I",
		`ErrorResponse FATAL 57P05 "terminating connection due to idle-session timeout"`, "(closed)")

	c = login(t, address)
	c.send(&pgproto3.Query{String: "set idle_in_transaction_session_timeout = '1ms'"})
	c.expect("CommandComplete", "ReadyForQuery I")
	c.send(&pgproto3.Parse{Query: "select 1"}, &pgproto3.Flush{})
	c.expect("ParseComplete",
		`ErrorResponse FATAL 25P03 "terminating connection due to idle-in-transaction timeout"`, "(closed)")
}

// A client that does not say who it is is told so and let go.
func TestStartupTimeout(t *testing.T) {
	c := connect(t, startServer(t, &Server{Backend: newFakeBackend(), StartupTimeout: time.Millisecond}))
	c.expect(`ErrorResponse FATAL 08P01 "the startup packet did not come in time"`, "(closed)")
}

// A client that does not take its result is let go: it holds a snapshot.
func TestWriteTimeout(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 'much'"] = fakeReply{rows: [][]value.Value{{value.String(strings.Repeat("x", 1<<20))}}, repeat: 1000}
	server := &Server{Backend: backend, WriteTimeout: time.Millisecond}
	c := login(t, startServer(t, server))
	c.send(&pgproto3.Query{String: "select 'much'"})
	await(t, func() bool { return server.Metrics.open.Load() == 0 })
}

// A client that vanishes in the middle of a message, or of a pipeline, leaves
// nothing behind; startServer checks that at the test's end.
func TestClientVanishes(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 1"] = fakeReply{rows: [][]value.Value{{value.Int(1)}, {value.Int(2)}}}
	address := startServer(t, &Server{Backend: backend})
	for _, last := range [][]byte{{'Q', 0}, {'Q', 0, 0, 1, 0, 's'}, nil} {
		c := login(t, address)
		c.send(&pgproto3.Parse{Query: "select 1"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Flush{})
		c.expect("ParseComplete", "BindComplete", "DataRow", "PortalSuspended")
		c.conn.Write(last)
		c.conn.Close()
	}
}

// A client that vanishes while its statement runs takes the statement with it;
// one that waits, and one that has sent more meanwhile, do not lose theirs.
func TestClientVanishesWhileItWaits(t *testing.T) {
	backend := newFakeBackend()
	backend.replies["select 1"] = fakeReply{block: true}
	server := &Server{Backend: backend, ClientCheckInterval: time.Millisecond}
	address := startServer(t, server)
	waiting, impatient := login(t, address), login(t, address)
	waiting.send(&pgproto3.Query{String: "select 1"})
	impatient.send(&pgproto3.Query{String: "select 1"}, &pgproto3.Query{String: "select 1"})
	for _, text := range []string{"select 1", "create table t (a int)"} {
		backend.mu.Lock()
		backend.replies[text] = fakeReply{block: true}
		backend.mu.Unlock()
		c := login(t, address)
		c.send(&pgproto3.Query{String: text})
		await(t, func() bool { return server.Metrics.active.Load() == 3 })
		c.conn.Close()
		await(t, func() bool { return server.Metrics.open.Load() == 2 })
	}
	if n := server.Metrics.active.Load(); n != 2 {
		t.Errorf("%d statements run, of two clients that wait", n)
	}
}
