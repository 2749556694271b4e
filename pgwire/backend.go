package pgwire

import (
	"context"
	"errors"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// Backend is what sessions need from the server behind them. Its methods are
// called from many sessions at once. Errors that a client may see are
// *errcode.Error; context errors are the caller's own.
type Backend interface {
	// Schema returns the schema as this node has applied it, without waiting.
	Schema() *sqlplan.Schema

	// CatchUp waits until this node has applied everything that was committed
	// before the call (a ReadIndex). A name that does not resolve is planned
	// again after it.
	CatchUp(ctx context.Context) error

	// Snapshot opens a view of the database at one point of the log: with
	// Linearizable not before anything acknowledged when it was called, with
	// Stale whatever this node has. It returns ErrSchemaChanged when the
	// view's schema is not version schemaVersion: plan again. many: there may
	// be several queries, which all see the same; without it there will be one
	// at the most, and it may itself return ErrSchemaChanged. The snapshot must
	// be closed, soon: it holds back the log.
	Snapshot(ctx context.Context, consistency Consistency, schemaVersion uint64, many bool) (Snapshot, error)

	// Execute carries statements out through the log as one atomic command
	// and returns what each did, in order. On failure nothing has changed,
	// results are those of the statements before the failing one, and err
	// says why. err is ErrSchemaChanged when the schema was not the one that
	// the statements were planned with: nothing has happened, plan again.
	Execute(ctx context.Context, statements []sqlplan.Bound) (results []value.Result, err error)

	// InRecovery reports whether this node is not the leader.
	InRecovery() bool
}

// Snapshot is a view of the database at one point. It is used by one
// goroutine at a time, one query at a time.
type Snapshot interface {
	// Query starts a statement; its rows must be closed before the next.
	Query(statement sqlplan.Bound) (Rows, error)
	Close()
}

// Rows are a running query's rows.
type Rows interface {
	// Next returns the next row, or nil after the last. The row and its bytes
	// are valid until the next call.
	Next() ([]value.Value, error)
	Close()
}

// Consistency is how fresh a read must be.
type Consistency uint8

// The consistency levels of quorate.read_consistency.
const (
	Linearizable Consistency = iota
	Stale
)

// ErrSchemaChanged says that the schema changed between planning a statement
// and running it, and that nothing has happened.
var ErrSchemaChanged = errors.New("pgwire: the schema has changed since the statement was planned")
