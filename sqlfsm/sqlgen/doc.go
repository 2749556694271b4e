// Package sqlgen makes random SQL and shows that the state machine means the
// same by it on every node.
//
// In comes a seed, or a fuzzer's bytes; out comes a Report: how many statements
// of which kind succeeded, and the first difference, when there is one. It may
// import sqlfsm, sqlplan, internal/sqlite and what they import; the product
// does not import it.
//
// # A run
//
//	generator ──commands──▶ reference ──log entries──▶ restless   ─▶ equal?
//	    ▲                       │                  └─▶ far away   ─▶ equal?
//	    └── what succeeded ─────┘
//
// The generator (generator.go) draws commands of one to four statements. Most
// are PostgreSQL's SQL and go through the planner, with parameters, as a
// session's do (planned_*.go). The others are SQLite's SQL and go straight into
// the log (raw_*.go), as a planner of another version may have put them there:
// Apply must be deterministic for all that the guard lets through.
//
// Three machines, each an FSM on files of its own, apply the log:
//
//   - The reference applies each entry by itself. It answers the planner's
//     questions about the schema, and tells the generator what succeeded.
//   - The restless one (machine.go) cuts the log into batches, is closed and
//     opened, crashes and loses the end of its WAL, has images installed, and
//     is read from meanwhile, with a small cache.
//   - The third is far away: in a process of its own (child.go), in another time
//     zone, later, with large batches.
//
// All must give the same answers (counts, rows, errors with their words) and
// hold the same database, which must be sound (integrity.go).
package sqlgen
