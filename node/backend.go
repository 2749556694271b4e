package node

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/node/driver"
	"quorate/pgwire"
	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlplan"
)

// Node is the server behind the sessions.
var _ pgwire.Backend = (*Node)(nil)

const (
	// maxCommandBytes bounds one command: it has to fit in a message between
	// members.
	maxCommandBytes = 32 << 20
	// maxPendingBytes bounds the commands of this node's sessions that have
	// no outcome yet.
	maxPendingBytes = 128 << 20
)

// Schema returns the schema as this node has applied it.
func (n *Node) Schema() *sqlplan.Schema { return n.fsm.Schema() }

// InRecovery reports whether this node is not the leader.
func (n *Node) InRecovery() bool { return n.view.Load().raft.Role != raft.Leader }

// CatchUp waits until this node has applied what was committed before the
// call.
func (n *Node) CatchUp(ctx context.Context) error {
	if err := n.service.refusal(false); err != nil {
		return err
	}
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, n.cfg.QuorumTimeout, errQuorumTimeout)
	defer cancel()
	index, err := n.reads.Index(ctx)
	if err == nil {
		err = n.progress.wait(ctx, index)
	}
	if err != nil {
		n.metrics.reads.WithLabelValues("failed").Inc()
		return n.waitError(ctx, index, err)
	}
	n.metrics.reads.WithLabelValues("confirmed").Inc()
	n.metrics.readIndex.Observe(time.Since(began).Seconds())
	return nil
}

var errQuorumTimeout = errors.New("node: no quorum in time")

// hintStale is for sessions; commands have a flag for it (loadError).
const hintStale = "SET quorate.read_consistency = 'stale' reads what this node has."

// waitError says in a client's words why a wait ended: no quorum, this node is
// behind the read index (if there is one), the node stops, or the caller's own
// context (which is the caller's to explain).
func (n *Node) waitError(ctx context.Context, index raft.Index, err error) error {
	switch {
	case n.stopping():
		return errStopping()
	case errors.Is(context.Cause(ctx), errQuorumTimeout) && index > 0:
		hint := "It may be busy with a large statement, or have just started: try again, or another member."
		if n.disk.full() != nil {
			hint = "Its disk is full, so it takes no entries: make room (see /readyz/disk), or connect to another member."
		}
		return errcode.Newf(errcode.CannotConnectNow, "this node is behind: after %v it still has %d committed entries to apply before the read", n.cfg.QuorumTimeout, index-min(index, n.progress.applied())).
			WithHint("%s %s", hint, hintStale)
	case errors.Is(context.Cause(ctx), errQuorumTimeout):
		return errcode.Newf(errcode.CannotConnectNow, "the cluster has no quorum: no leader could confirm the read within %v", n.cfg.QuorumTimeout).
			WithHint("A majority of the members must be up and connected; see quorate status. %s", hintStale)
	}
	return err
}

func errStopping() error {
	return errcode.Newf(errcode.AdminShutdown, "terminating connection: this node is shutting down").
		WithHint("Connect to another member.")
}

// Snapshot opens a view of the database.
func (n *Node) Snapshot(ctx context.Context, consistency pgwire.Consistency, schemaVersion uint64, many bool) (pgwire.Snapshot, error) {
	if consistency == pgwire.Linearizable {
		if err := n.CatchUp(ctx); err != nil {
			return nil, err
		}
	}
	if err := n.service.refusal(consistency == pgwire.Stale); err != nil {
		return nil, err
	}
	s, err := n.fsm.Snapshot(ctx, schemaVersion, many)
	if errors.Is(err, sqlfsm.ErrSchemaChanged) {
		return nil, pgwire.ErrSchemaChanged
	}
	if err != nil {
		return nil, err
	}
	return reading{s}, nil
}

// reading gives the state machine's snapshots the shape that sessions know.
type reading struct{ *sqlfsm.Snapshot }

func (s reading) Query(b sqlplan.Bound) (pgwire.Rows, error) {
	rows, err := s.Snapshot.Query(b)
	if errors.Is(err, sqlfsm.ErrSchemaChanged) {
		return nil, pgwire.ErrSchemaChanged
	}
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Execute carries statements out through the log as one command.
func (n *Node) Execute(ctx context.Context, statements []sqlplan.Bound) ([]value.Result, error) {
	return n.execute(ctx, sqlfsm.KindSQL, statements)
}

// execute is Execute for a command of either kind that has statements.
func (n *Node) execute(ctx context.Context, kind sqlfsm.Kind, statements []sqlplan.Bound) ([]value.Result, error) {
	if err := n.service.refusal(false); err != nil {
		return nil, err
	}
	if err := n.refuseScanOrder(ctx, statements); err != nil {
		return nil, err
	}
	p := n.commands.Reserve()
	data := n.encode(kind, p, statements)
	if len(data) > maxCommandBytes {
		n.commands.Remove(p)
		return nil, errcode.Newf(errcode.ProgramLimitExceeded, "the transaction takes %d bytes in the log, more than the limit of %d", len(data), maxCommandBytes).
			WithHint("Split it into smaller transactions.")
	}
	if !n.commands.Charge(p, data, maxPendingBytes) {
		n.commands.Remove(p)
		return nil, errcode.Newf(errcode.InsufficientResources, "this node has too many writes under way").
			WithHint("Try again a little later, or with fewer connections.")
	}
	n.inbox.put(func(e *driver.Events) { e.Commands = append(e.Commands, p) })
	out := n.await(ctx, p)
	switch {
	case errors.Is(out.Err, sqlfsm.ErrSchemaChanged):
		out.Err = pgwire.ErrSchemaChanged
	case errors.Is(out.Err, sqlfsm.ErrUnregistered), errors.Is(out.Err, sqlfsm.ErrOutsideWindow):
		out.Err = errcode.Newf(errcode.CannotConnectNow, "the statement was not carried out: the cluster does not take this node's statements any more").
			WithHint("It was removed from the cluster. Connect to a member.").WithDetail("%v", out.Err)
	}
	return out.Results, out.Err
}

// encode names and stamps a command and draws its seed.
func (n *Node) encode(kind sqlfsm.Kind, p *driver.Pending, statements []sqlplan.Bound) []byte {
	h := sqlfsm.Header{
		Kind:          kind,
		Origin:        uint64(n.id),
		Incarnation:   n.commands.Incarnation,
		Seq:           p.Seq,
		LowWater:      p.LowWater,
		Time:          time.Now().UnixMicro(),
		SchemaVersion: statements[0].Plan.SchemaVersion,
	}
	n.seedMu.Lock()
	for i := 0; i < len(h.Seed); i += 8 {
		binary.LittleEndian.PutUint64(h.Seed[i:], n.seeds.Uint64())
	}
	n.seedMu.Unlock()
	return sqlfsm.AppendCommand(nil, &h, statements)
}

// applyPoll is how often a command whose time is over looks whether this node
// has applied what was committed by then.
const applyPoll = 50 * time.Millisecond

// await waits for a command's outcome. Once it is proposed a cancellation
// comes too late, as in PostgreSQL while it waits for synchronous standbys:
// the statement will soon be over.
func (n *Node) await(ctx context.Context, p *driver.Pending) driver.Outcome {
	began := time.Now()
	timeout := time.NewTimer(n.cfg.QuorumTimeout)
	defer timeout.Stop()
	cancelled := ctx.Done()
	interrupted := n.service.interrupted()
	var commit raft.Index // the commit index when the time was over
	for {
		select {
		case o := <-p.Done:
			if refused := n.refusal(o.Err); refused != nil {
				return driver.Outcome{Err: refused}
			}
			n.metrics.proposals.WithLabelValues("committed").Inc()
			n.metrics.commit.Observe(time.Since(began).Seconds())
			return o
		case <-cancelled:
			cancelled = nil
			if n.commands.Withdraw(p) {
				n.metrics.proposals.WithLabelValues("dropped").Inc()
				return driver.Outcome{Err: ctx.Err()}
			}
		case <-timeout.C:
			// What is committed has had its quorum. It waits for its turn here,
			// or is being carried out, and will have an outcome.
			view := n.view.Load().raft
			if commit == 0 {
				commit = view.Commit
			}
			switch {
			case n.service.barred.Load() != nil:
				return n.giveUp(p, errcode.CannotConnectNow, "this node is quarantined, because its database differs from that of the majority")
			case view.Applied >= commit:
				return n.giveUp(p, errcode.CannotConnectNow, "the cluster has no quorum")
			case n.disk.full() != nil:
				return n.giveUp(p, errcode.DiskFull, "this node's disk is full")
			}
			timeout.Reset(applyPoll)
		case <-interrupted:
			return n.giveUp(p, errcode.CannotConnectNow, "this node is quarantined, because its database differs from that of the majority")
		case <-n.stopped:
			return n.giveUp(p, errcode.AdminShutdown, "terminating connection: this node is shutting down")
		}
	}
}

// refusal says in a client's words what became of a command that has no outcome of
// the log; nil: it has.
func (n *Node) refusal(err error) error {
	if errors.Is(err, driver.ErrFull) {
		n.metrics.proposals.WithLabelValues("dropped").Inc()
		return errcode.Newf(errcode.DiskFull, "the statement was not carried out: the disk of this node or of the leader, or those of a majority of the members, are full").
			WithHint("Make room; /readyz/disk of each member says where. Writes go on by themselves then. If only this node's disk is full, connect to another.")
	}
	return nil
}

// giveUp ends the wait for a command: with code when it is certain that it
// was not carried out, with 40003 when it is not.
func (n *Node) giveUp(p *driver.Pending, code errcode.Code, why string) driver.Outcome {
	mayBeApplied, settled := n.commands.Abandon(p)
	switch {
	case settled:
		o := <-p.Done
		if refused := n.refusal(o.Err); refused != nil {
			return driver.Outcome{Err: refused}
		}
		return o
	case mayBeApplied:
		n.metrics.proposals.WithLabelValues("timeout").Inc()
		return driver.Outcome{Err: errcode.Newf(errcode.StatementCompletionUnknown, "%s: whether the statement was carried out is not known", why).
			WithHint("Look at the data before you repeat the statement.")}
	}
	n.metrics.proposals.WithLabelValues("dropped").Inc()
	return driver.Outcome{Err: errcode.Newf(code, "%s: the statement was not carried out", why).
		WithHint("A majority of the members must be up and connected; see quorate status.")}
}
