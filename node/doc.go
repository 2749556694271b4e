// Package node is one server of a Quorate cluster: it carries a command out
// and its result back.
//
//	     sessions (pgwire)                         other members (transport)
//	Execute │        ▲ result      Snapshot │            │  ▲
//	        ▼        │                      ▼            ▼  │
//	   proposals ────┼──────────────────▶ reads        inbox
//	        │        │                      │            │
//	        ▼        │                      ▼            ▼
//	   ┌───────────────────── driver ─────────────────────────┐
//	   │ one goroutine; owns the raft core; no I/O, no clock  │
//	   └──┬───────────────────┬──────────────────────┬────────┘
//	      │ write             │ committed            │ messages
//	      ▼                   ▼                      ▼
//	  log writer           applier               transport
//	  (raft/wal:           (sqlfsm: one
//	   one write, one       transaction
//	   fdatasync)           a batch)
//
// The driver is a plain state machine: events in, effects out (driver.go). The
// goroutines around it (shell.go) do the waiting. So a simulation can run the
// driver as it is.
//
// Commands reach the log at most once, and a client of a surviving node sees
// a pause but no error when the leader dies; proposals.go says how.
//
// Only this package knows all the others: raft, raft/wal, transport, sqlfsm,
// pgwire and admin meet here, and nobody but cmd imports it.
package node
