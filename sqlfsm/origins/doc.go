// Package origins is the state machine's memory of the commands that it has
// seen, so that a command which is in the log twice is applied once.
//
// In come the names of commands as they are applied, and what came of them; out
// goes whether a command is new, and the rows that this memory is kept in. It is
// a function of the entries alone: equal on every node at equal indexes, however
// the entries are cut into batches. No goroutine, clock or file; it imports
// nothing of ours.
//
// # Names
//
// A command is named by its origin (the node that holds the client), the
// origin's incarnation (drawn at each start of the node) and a number in that
// incarnation. An incarnation is registered by an entry of its own before its
// first command; from then on the origin's earlier one is not known any more.
// What is not known is refused, never applied: so a command that was held up on
// its way, however long, cannot be applied again when nobody remembers the first
// time.
//
// For the same reason a registration may not come late. It says up to which
// index its node had applied the log; it counts only if that includes the
// origin's last registration and, for an origin that is not known, the last time
// that one was forgotten (the horizon). A node whose registration is refused
// makes another one.
//
// # The window
//
//	      low                    high
//	       │ seen ─ seen  ─   ─  │
//	───────┼─────────────────────┼──────────── numbers of one incarnation
//	refused│ remembered or new   │ new, up to low + Window
//
// Every command carries the origin's low-water mark: it waits for no command
// below. An origin may not have numbers open that are Window apart. So
// the memory of an incarnation is bounded by its clients, and at most Window
// outcomes of MaxOutcomeBytes.
//
// # A row
//
//	origin | incarnation | registered (index) | low | window
//
// The window is the outcomes from low on, in runs of equal ones: uvarint how
// many, uvarint length, bytes; length 0 is a number that was not seen. The row of
// origin 0 has the horizon as its index. Rows that changed are written once a
// batch.
package origins
