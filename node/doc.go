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
//	   └──┬──────────────┬──────────────┬───────────┬─────────┘
//	      │ write        │ committed,   │ images,   │ messages
//	      │              │ install      │ cuts      │
//	      ▼              ▼              ▼           ▼
//	  log writer      applier        senders,    transport
//	  (raft/wal:      (sqlfsm: one   chores
//	   one write, one  transaction   (snapshot)
//	   fdatasync)      a batch)
//
// The driver is a plain state machine in a package of its own: events in, effects
// out. The goroutines around it do the waiting (shell.go, logwriter.go, applier.go,
// images.go). So a simulation can run the driver as it is.
//
// Commands reach the log at most once, and a client of a surviving node sees
// a pause but no error when the leader dies; driver/proposals.go says how.
//
// Operators' orders, and those of nodes that want to join, go from whoever is
// asked to the leader (operator.go, join.go). A node leaves in good order
// (drain.go), and goes on when a disk is full (disk.go).
//
// Members compare what their databases have become (divergence.go). One that is
// wrong is quarantined and gets another (quarantine.go, reseed.go); while members
// run different engines, some statements are refused (engines.go).
//
// Only this package knows all the others: raft, raft/wal, transport, sqlfsm,
// snapshot, pgwire and admin meet here, and nobody but cmd imports it.
package node
