package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"quorate/chaos/check"
	"quorate/chaos/cluster"
)

// client is one client of one workload on one node. It has one connection, and
// makes another when it breaks.
type client struct {
	run      *run
	workload *workload
	id       int
	node     *cluster.Node
	random   *rand.Rand
	conn     *pgx.Conn
}

// loop carries out operations until the context ends, or the member is one no
// more. The operation under way then ends by itself.
func (c *client) loop(ctx context.Context) {
	defer func() {
		if c.conn != nil {
			c.conn.Close(context.Background())
		}
	}()
	for ctx.Err() == nil && !c.node.Removed() {
		if c.conn == nil || c.conn.IsClosed() {
			if c.conn = c.connect(); c.conn == nil {
				pause(ctx, reconnectPause)
				continue
			}
		}
		c.once()
		pause(ctx, time.Duration(c.random.Int64N(int64(2*c.run.config.Pause)+1)))
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// connect makes a connection with the reads that were asked for, or returns
// nil: that a member is away is nothing special here.
func (c *client) connect() *pgx.Conn {
	conn, err := c.node.Connect()
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, "set quorate.read_consistency = '"+c.run.config.Reads+"'"); err != nil {
		conn.Close(ctx)
		return nil
	}
	return conn
}

// once carries out one operation and records it.
func (c *client) once() {
	op := c.workload.next(c)
	op.Client, op.Node = c.id, c.node.Name
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	op.Call = c.run.recorder.now()
	err := c.workload.perform(ctx, c.conn, &op)
	op.Return = c.run.recorder.now()
	op.Outcome = check.Done
	if err != nil {
		op.Error = err.Error()
		var known bool
		op.Outcome, known = classify(err)
		if !known {
			c.run.violation(fmt.Errorf("client %d on %s was told something that no client should be told: %w", c.id, c.node.Name, err))
		}
		// A connection may be of use after an error, but the one of a statement
		// that timed out is not.
		if ctx.Err() != nil {
			c.conn.Close(ctx)
		}
	}
	c.run.recorder.add(c.workload.name, op)
}

// SQLSTATEs that clients may meet while a cluster is hurt.
const (
	completionUnknown = "40003"
	adminShutdown     = "57P01"
	cannotConnectNow  = "57P03"
	diskFull          = "53100"
	overloaded        = "53000"
	serialization     = "40001"
)

// classify says what an error leaves the client with, and whether it is one
// that a cluster in trouble may give.
func classify(err error) (outcome check.Outcome, known bool) {
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		if errors.Is(err, strconv.ErrSyntax) {
			return check.Unknown, false // what it read is nothing that was ever written
		}
		// pgconn.SafeToRetry does not help: of a query string whose connection
		// broke before the answer it says that nothing was sent.
		return check.Unknown, true
	}
	switch told.Code {
	case completionUnknown, adminShutdown:
		return check.Unknown, true
	case cannotConnectNow, diskFull, overloaded, serialization:
		return check.Failed, true
	}
	return check.Unknown, false
}
