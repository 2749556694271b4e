package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"quorate/admin"
	"quorate/node/driver"
	"quorate/raft"
)

// Leaving in good order. A node that is to stop, or is drained, accepts no new
// session, hands its leadership over, finishes what is under way and ends its
// sessions with 57P01. So its clients and the other nodes' see no more than a
// reconnect and a short pause.

// Drain implements admin.Operator.
func (n *Node) Drain(ctx context.Context) error {
	n.cfg.Logger.Info().Str("component", "drain").Msg("draining: no new sessions, leadership is handed over")
	n.endSessions()
	handOver := n.handOver(ctx)
	select {
	case <-n.drained:
	case <-ctx.Done():
		return &admin.Error{Status: http.StatusGatewayTimeout, Message: "sessions are still finishing what is under way",
			Hint: "No new ones are accepted; wait, or stop the node."}
	case <-n.stopped:
	}
	if handOver != nil {
		return &admin.Error{Status: http.StatusConflict, Message: "no session is left, but this node still leads: " + handOver.Error(),
			Hint: "Another voter must be up and caught up; see quorate status. Stopping this node costs the others an election."}
	}
	return nil
}

// endSessions makes the front door close; Node.drained is closed when the last
// session has ended.
func (n *Node) endSessions() {
	n.draining.Store(true)
	n.closeFront()
}

// handOver hands the leadership over if this node has it.
func (n *Node) handOver(ctx context.Context) error {
	if n.view.Load().raft.Role != raft.Leader {
		return nil
	}
	// The core gives up after an election timeout, and the driver an election
	// timeout later.
	ctx, cancel := context.WithTimeout(ctx, 3*n.cfg.ElectionMax)
	defer cancel()
	err := n.settle(ctx, driver.NewTransfer(0))
	var other *raft.NotLeaderError
	if errors.As(err, &other) {
		return nil
	}
	return err
}

// stayDrained hands the leadership over again should a drained or quarantined node
// win an election: the others may not have been ready at first.
func (n *Node) stayDrained(ctx context.Context) error {
	ticker := time.NewTicker(10 * n.cfg.ElectionMax)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if (n.draining.Load() || n.quarantine.Load() != nil) && n.view.Load().raft.Role == raft.Leader {
			if err := n.handOver(ctx); err != nil {
				n.cfg.Logger.Debug().Str("component", "drain").Err(err).Msg("the leadership could not be handed over")
			}
		}
	}
}
