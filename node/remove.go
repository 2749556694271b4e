package node

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"quorate/admin"
	"quorate/node/driver"
	"quorate/raft"
)

// A removal is for good, so two things are looked at before: that those that stay
// can go on, which the core knows (raft), and that they have what they go on with.
// A quarantined member votes and keeps the log, so the core counts on it; but its
// database is wrong, and the log alone, which is cut, makes no other.

// condition is what the leader knows of a member's database.
type condition uint8

const (
	unheard     condition = iota // it is not connected, or has not said yet
	healthy                      // not known to be wrong
	quarantined                  // it says itself that it is wrong
)

// condition returns what this node knows of a member's database.
func (n *Node) condition(id raft.NodeID) condition {
	if id == n.id {
		if n.quarantine.Load() != nil {
			return quarantined
		}
		return healthy
	}
	n.watch.mu.Lock()
	bad, said := n.watch.quarantined[id]
	n.watch.mu.Unlock()
	if said && bad {
		return quarantined
	}
	for _, p := range n.transport.Peers() {
		if p.ID == id && p.Connected && said {
			return healthy
		}
	}
	return unheard
}

// leadRemove removes a member. One removal at a time is looked at, so that what is
// seen of those that stay is still so when it is proposed.
func (n *Node) leadRemove(ctx context.Context, member raft.Member, force string) error {
	select {
	case n.removals <- struct{}{}:
		defer func() { <-n.removals }()
	case <-ctx.Done():
		return errOrderTimeout
	}
	if force != "" {
		n.cfg.Logger.Warn().Str("component", "raft").Str("member", member.Name).Str("reason", force).Msg("an operator forces the removal of a member")
	} else if err := n.awaitDispensable(ctx, member); err != nil {
		return err
	}
	return n.change(ctx, driver.NewConfChange(raft.ConfChange{Op: raft.RemoveMember, Member: member, Force: force != ""}))
}

// awaitDispensable is dispensable, with patience for members that have only just
// connected: they soon say how they are.
func (n *Node) awaitDispensable(ctx context.Context, member raft.Member) error {
	patience := time.Now().Add(changePatience)
	for {
		unsure, err := n.dispensable(member)
		if err == nil || !unsure || time.Now().After(patience) || ctx.Err() != nil {
			return err
		}
		pause(ctx, orderPoll)
	}
}

// dispensable says why a member must not be removed: too few of the voters that
// would stay have a good database. One must, in any case. When the member itself has
// one, a majority must: else a good copy is given up while a wrong one stays, and the
// digests of those that stay could not show the next one that goes wrong. A member
// that is wrong itself can always go. With unsure, voters that would stay were not heard.
func (n *Node) dispensable(member raft.Member) (unsure bool, err error) {
	own := n.condition(member.ID)
	if own == quarantined {
		return false, nil
	}
	voters := 0
	var good, bad []string
	for _, m := range byName(n.members.Load().Configuration) {
		if m.ID == member.ID || m.Suffrage != raft.Voter {
			continue
		}
		voters++
		switch n.condition(m.ID) {
		case healthy:
			good = append(good, m.Name)
		case quarantined:
			bad = append(bad, m.Name)
		default:
			unsure = true
		}
	}
	need := 1
	if own == healthy && member.Suffrage == raft.Voter {
		need = voters/2 + 1
	}
	if len(bad) == 0 || len(good) >= need {
		return unsure, nil // where nobody is wrong, the core's own rule is enough
	}
	left := "no voter that answers"
	if len(good) > 0 {
		left = "only " + strings.Join(good, ", ") + " of the voters that stay"
	}
	return unsure, &admin.Error{Status: http.StatusConflict,
		Message: fmt.Sprintf("without %s, %s would have a good database: %s quarantined", member.Name, left, isOrAre(bad)),
		Hint:    fmt.Sprintf("Wait until quorate status shows no quarantine, or remove %s first. If it is wanted all the same, say why: --force \"REASON\".", strings.Join(bad, ", "))}
}

// isOrAre writes "n2 is", "n2, n3 are".
func isOrAre(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names, ", ") + " are"
}
