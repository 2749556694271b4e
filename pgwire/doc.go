// Package pgwire speaks the PostgreSQL protocol, version 3, with clients.
//
// In come connections; out go statements to a Backend, which is all that this
// package knows of the server behind it, and their results and errors to the
// clients. Statements are understood by sqlplan, values are written and read
// by sqlplan/pgtype, and what is in a message is known by pgx's pgproto3. The
// package imports neither raft nor sqlfsm nor node: the node implements
// Backend.
//
// # A session
//
//	server.go     accepts connections, counts them, ends them
//	startup.go    the packets before a session, its user, database and options
//	session.go    reads a message, carries it out, tells errors, ends
//	wire.go       frames: one byte of type, four of length, the body
//	simple.go     Query                     extended.go   Parse, Bind, Execute …
//	pipeline.go   the implicit transaction that both fill and carry out
//	portal.go     plans, planning again, parameters
//	rows.go       results, written by hand: the hot path
//	sessioncommand.go  SET, SHOW, DEALLOCATE, COMMIT …    settings.go  what there is to SET
//	cancel.go     cancel requests, statement_timeout, shutdown
//	vanished.go   ends the statements of clients that have gone
//	errors.go     what clients are told
//	metrics.go    what is counted
//
// A message on the wire (PostgreSQL manual, section 55.7):
//
//	┌──────┬───────────────┬─────────────────┐
//	│ type │ length        │ body            │   length counts itself, not the
//	│ 1    │ 4, big endian │ length−4        │   type; startup packets have no type
//	└──────┴───────────────┴─────────────────┘
//
// # One implicit transaction
//
// The statements of one Query, and the Executes of a pipeline up to Sync, are
// one transaction, as in PostgreSQL. It is carried out when it is complete: if
// it only reads, in one snapshot; if anything in it writes, all of it as one
// command, one entry of the log. Clients can see it in three places, all of
// which go away with interactive transactions:
//
//   - an error in the middle of a pipeline that writes comes without the
//     results of the statements before it, unless it is an error of running
//     them; nothing of the pipeline has happened;
//   - Flush after a statement that writes, and a statement that writes after
//     rows that Flush has fetched, are refused with 0A000;
//   - BEGIN is refused with 0A000, COMMIT and ROLLBACK are a warning.
//
// # The schema under way
//
// A plan holds for one version of the schema, and the Backend checks it where
// the statement runs. When it answers ErrSchemaChanged, nothing has happened
// and the session plans again. A name that does not resolve is looked for
// again after the node has caught up with the cluster, so that a table made
// through one node can be used through another at once. Prepared statements
// survive DDL; one whose result would look different is refused with 0A000.
package pgwire
