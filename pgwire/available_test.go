package pgwire

import (
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/errcode"
)

// While the server cannot serve, sessions that are open end with the reason at
// their next message, before anything is carried out, and new ones are refused
// with it; afterwards all is as before.
func TestAvailable(t *testing.T) {
	var reason atomic.Pointer[errcode.Error]
	address := startServer(t, &Server{Backend: newFakeBackend(), Available: reason.Load})
	open := login(t, address)

	reason.Store(errcode.Newf(errcode.CannotConnectNow, "not now"))
	open.send(&pgproto3.Query{String: "select 1"})
	open.expect(`ErrorResponse FATAL 57P03 "not now"`, "(closed)")
	late := connect(t, address)
	late.send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: map[string]string{"user": "quorate"}})
	late.expect(`ErrorResponse FATAL 57P03 "not now"`, "(closed)")

	reason.Store(nil)
	again := login(t, address)
	again.send(&pgproto3.Query{String: ";"})
	again.expect("EmptyQueryResponse")
}
