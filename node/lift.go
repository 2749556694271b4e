package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"quorate/admin"
)

// A member that is quarantined for good waits for an operator. One who has found the
// cause, say memory that was replaced, says so by quorate member reseed: the member
// forgets what it remembers of divergences, so that the next one counts as the first,
// and gets another database as in a first quarantine (reseed.go). Before it answers,
// that is on its disk, so a restart goes on with it.

// opReseed asks a member to lift its own quarantine.
const opReseed orderOp = "reseed"

// ReseedMember implements admin.Operator. The member itself carries it out.
func (n *Node) ReseedMember(ctx context.Context, name string) (string, error) {
	m, known := n.members.Load().Configuration.Named(name)
	if !known {
		return "", errNoMember(name)
	}
	ctx, cancel := context.WithTimeout(ctx, n.cfg.QuorumTimeout)
	defer cancel()
	if m.ID == n.id {
		return n.lift(ctx)
	}
	answer, err := n.askMember(ctx, m.ID, order{Op: opReseed})
	var refused *admin.Error
	switch {
	case errors.As(err, &refused):
		return "", refused
	case err != nil:
		return "", &admin.Error{Status: http.StatusGatewayTimeout, Message: fmt.Sprintf("%s, which has to do it, has not answered: %v", name, err),
			Hint: "It must run, and be connected; see quorate status. The order can be given again."}
	}
	return answer.Message, nil
}

// answerReseed answers another member that passes the order on.
func (n *Node) answerReseed(ctx context.Context) *orderAnswer {
	message, err := n.lift(ctx)
	if err != nil {
		refused, _ := n.orderError(err)
		return &orderAnswer{Error: refused}
	}
	return &orderAnswer{Message: message}
}

// lift makes a quarantine for good one that another database ends, and waits until
// that is remembered.
func (n *Node) lift(ctx context.Context) (string, error) {
	q := n.quarantine.Load()
	switch {
	case q == nil:
		return "", &admin.Error{Status: http.StatusConflict, Message: n.cfg.Name + " is not quarantined: its database is not known to differ from the majority's",
			Hint: "quorate verify compares the databases of all members."}
	case !q.final:
		return n.cfg.Name + " is getting another database already", nil
	}
	lifted := make(chan struct{})
	n.mends.put(func(ctx context.Context) {
		if n.pardon(ctx, q) {
			close(lifted)
		}
	})
	select {
	case <-lifted:
		return n.cfg.Name + " gets another database, and serves when a majority agrees with it", nil
	case <-ctx.Done():
	case <-n.stopped:
	}
	return "", errOrderTimeout
}

// pardon forgets what led to a quarantine for good and begins one that ends; false:
// it could not. Orders that come twice do it once. Who mends calls it.
func (n *Node) pardon(ctx context.Context, q *quarantine) bool {
	if n.quarantine.Load() != q {
		return true
	}
	n.cfg.Logger.Warn().Str("component", "divergence").Int("findings", len(n.memory.Findings)).
		Msg("an operator lifts the quarantine: this node forgets its findings and gets another database")
	if !n.remember(ctx, func(m *memory) { *m = memory{Format: divergenceFormat, Quarantined: true} }) {
		return false
	}
	n.beginQuarantine(&quarantine{})
	return true
}
