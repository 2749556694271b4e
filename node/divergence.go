package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"quorate/internal/errcode"
	"quorate/node/divergence"
	"quorate/raft"
	"quorate/transport"
)

// Nodes tell each other what their state machines have done, and each judges
// whether it is the one that is wrong (package divergence). One that is, is
// quarantined (quarantine.go) and gets another database (reseed.go). Where nobody
// can tell who is wrong, nobody writes, nor reads what must be right.

const (
	// standingInterval is how often a node tells its digests, and compares. Longer
	// lets a wrong database answer for longer; a standing is about 100 bytes.
	standingInterval = 500 * time.Millisecond
	// splitPatience is for how many of these voters may differ without a majority
	// before the service is cut down: the others may be about to say who is right.
	splitPatience = 4
)

// watch is what this node has heard of the others' digests.
type watch struct {
	mu    sync.Mutex // guards what follows
	judge *divergence.Judge
	last  divergence.Verdict
	// quarantined is what each member last said of itself.
	quarantined map[raft.NodeID]bool
}

func newWatch() *watch {
	return &watch{judge: divergence.New(), quarantined: map[raft.NodeID]bool{}}
}

// heard takes what a member says of its state machine.
func (w *watch) heard(from raft.NodeID, s transport.Standing) {
	digests := make([]divergence.Digest, len(s.Digests))
	for i, d := range s.Digests {
		digests[i] = divergence.Digest{Index: d.Index, Sum: d.Sum}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judge.Heard(from, s.Quarantined, digests)
	w.quarantined[from] = s.Quarantined
}

// verdict judges this node by what was heard so far.
func (n *Node) verdict() divergence.Verdict {
	var voters []raft.NodeID
	for _, m := range n.members.Load().Configuration.Members {
		if m.Suffrage == raft.Voter {
			voters = append(voters, m.ID)
		}
	}
	n.watch.mu.Lock()
	defer n.watch.mu.Unlock()
	v := n.watch.judge.Judge(n.id, voters, n.ownDigest)
	n.watch.last = v
	return v
}

// ownDigest is this node's digest after an entry.
func (n *Node) ownDigest(i raft.Index) (divergence.Sum, bool) {
	sum, ok := n.fsm.EffectsDigestAt(uint64(i))
	return divergence.Sum(sum), ok
}

// runWatch tells this node's digests, and compares them with the others'.
func (n *Node) runWatch(ctx context.Context) error {
	ticker := time.NewTicker(cmp.Or(n.cfg.standing, standingInterval))
	defer ticker.Stop()
	var last raft.Index
	split := 0 // for how many intervals there has been one
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		last = n.tellStanding(last)
		n.watchEngines()
		if n.quarantine.Load() != nil {
			split = 0
			continue // whoever mends it judges
		}
		split = n.compare(split)
	}
}

// tellStanding tells the others where this node stands, and returns the entry that
// it has applied. last is the one before.
func (n *Node) tellStanding(last raft.Index) raft.Index {
	if n.quarantine.Load() != nil {
		n.transport.SendStanding(transport.Standing{Quarantined: true})
		return last
	}
	index, _ := n.fsm.Applied()
	applied := raft.Index(index)
	var s transport.Standing
	for _, d := range divergence.Tell(applied, applied == last, n.ownDigest) {
		s.Digests = append(s.Digests, transport.Digest{Index: d.Index, Sum: d.Sum})
	}
	n.transport.SendStanding(s)
	return applied
}

// compare acts on the verdict. split is for how many intervals the voters have
// differed without a majority; it returns that.
func (n *Node) compare(split int) int {
	before := n.lastVerdict()
	v := n.verdict()
	n.logOthers(before.Others, v.Others)
	switch {
	case v.Kind == divergence.Differs:
		n.raiseDoubt(nil)
		n.enterQuarantine(v)
	case v.Kind == divergence.Split && split >= splitPatience:
		n.raiseDoubt(&v)
		return split
	case v.Kind == divergence.Split:
		return split + 1
	default:
		n.raiseDoubt(nil)
	}
	return 0
}

func (n *Node) lastVerdict() divergence.Verdict {
	n.watch.mu.Lock()
	defer n.watch.mu.Unlock()
	return n.watch.last
}

// raiseDoubt ends writes and linearizable reads, because nobody knows whose
// database is right; nil: they go on.
func (n *Node) raiseDoubt(v *divergence.Verdict) {
	was := n.service.doubt.Load() != nil
	log := n.cfg.Logger.With().Str("component", "divergence").Logger()
	switch {
	case v != nil && !was:
		n.metrics.divergences.Inc()
		n.service.doubt.Store(errcode.Newf(errcode.DataCorrupted, "the members' databases differ, and no majority of the voters agrees on one: nothing is written, or read as linearizable, until it is known which is right").
			WithHint("See quorate status on every member. Bring back voters that are down, or remove those that are wrong. %s", hintStale))
		log.Error().Uint64("index", uint64(v.At)).Strs("agree", n.names(v.With)).Strs("differ", n.names(v.Others)).
			Str("hint", "Bring back voters that are down. If there are none, compare the databases (quorate verify) and remove the members that are wrong: see docs/operate/recover.md.").
			Msg("the members' databases differ, and no majority of the voters agrees: writes and linearizable reads stop")
	case v == nil && was:
		n.service.doubt.Store(nil)
		log.Info().Msg("a majority of the voters agrees with this node's database: writes and reads go on")
	}
}

// logOthers tells of members whose databases begin to differ from this one's.
func (n *Node) logOthers(before, now []raft.NodeID) {
	for _, id := range now {
		if !slices.Contains(before, id) {
			n.cfg.Logger.Warn().Str("component", "divergence").Str("peer", n.memberName(id)).Msg("the member's database differs from this one's")
		}
	}
}

func (n *Node) names(ids []raft.NodeID) []string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = n.memberName(id)
	}
	return names
}

// divergenceAlarm says what is wrong with this node's database, nil when nothing is
// known to be.
func (n *Node) divergenceAlarm() error {
	if q := n.quarantine.Load(); q != nil {
		return q.alarm()
	}
	if n.service.doubt.Load() == nil {
		return nil
	}
	return fmt.Errorf("the members' databases differ, and no majority of the voters agrees with this one: %s differ; writes and linearizable reads have stopped",
		strings.Join(n.names(n.lastVerdict().Others), ", "))
}
