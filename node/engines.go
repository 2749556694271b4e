package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/raft"
	"quorate/sqlplan"
)

// Members tell each other which engine they run (sqlfsm.Engine): SQLite's version
// and build, the functions, the processor. In a rolling upgrade there are two for a
// while. Then most statements still mean the same everywhere, and the digests watch
// over it; but another version may read a table in another order, so what depends
// on that is refused until all run the same.
//
// This keeps the usual case safe, and promises no more: a member that is down may
// come back with another version, after any time, and apply what is in the log by
// then. What it makes of it, the digests compare.

// engineGrace is how long after its start a node holds such statements back while
// voters have not said yet what they run. Members that are up say so as soon as they
// connect, within milliseconds; the rest of the time is for those that start at the
// same moment. Longer: statements wait longer beside a member that is down.
const engineGrace = 5 * time.Second

// memberEngine is a member's engine.
type memberEngine struct{ name, engine string }

// heardEngines returns what the members last said of themselves, those that are down
// by now included, and whether they run different ones; and whether there are voters
// that have said nothing since this node was started.
func (n *Node) heardEngines() (engines []memberEngine, mixed, unheard bool) {
	said := map[raft.NodeID]string{n.id: n.engine}
	for _, p := range n.transport.Peers() {
		said[p.ID] = p.Hello.Engine
	}
	for _, m := range n.members.Load().Configuration.Members {
		engine := said[m.ID]
		if engine == "" {
			unheard = unheard || m.Suffrage == raft.Voter
			continue
		}
		engines = append(engines, memberEngine{m.Name, engine})
		mixed = mixed || engine != n.engine
	}
	return engines, mixed, unheard
}

// watchEngines tells operators when the members' engines begin, or cease, to differ.
func (n *Node) watchEngines() {
	engines, mixed, _ := n.heardEngines()
	was := n.engines.Load()
	if !mixed {
		n.engines.Store(nil)
		if was != nil {
			n.cfg.Logger.Info().Str("component", "engine").Str("engine", n.engine).Msg("all members that are known run the same engine")
		}
		return
	}
	slices.SortFunc(engines, func(a, b memberEngine) int {
		return cmp.Or(cmp.Compare(a.engine, b.engine), cmp.Compare(a.name, b.name))
	})
	if was != nil && slices.Equal(*was, engines) {
		return
	}
	n.engines.Store(&engines)
	n.cfg.Logger.Warn().Str("component", "engine").Str("engines", describeEngines(engines)).
		Str("hint", "Finish the rolling upgrade: until then writes that depend on the order in which a table is read are refused.").
		Msg("the members run different engines")
}

// describeEngines writes "a, b: sqlite-…; c: sqlite-…". The engines are sorted.
func describeEngines(engines []memberEngine) string {
	var b strings.Builder
	for i, e := range engines {
		switch {
		case i == 0:
		case engines[i-1].engine == e.engine:
			b.WriteString(", ")
		default:
			fmt.Fprintf(&b, ": %s; ", engines[i-1].engine)
		}
		b.WriteString(e.name)
	}
	fmt.Fprintf(&b, ": %s", engines[len(engines)-1].engine)
	return b.String()
}

// engineNotes tells operators of different engines.
func (n *Node) engineNotes() []string {
	engines := n.engines.Load()
	if engines == nil {
		return nil
	}
	return []string{"the members run different engines, as in a rolling upgrade: " + describeEngines(*engines)}
}

// refuseScanOrder refuses statements whose effect depends on the order in which a
// table is read, while members may read it in different ones. For as long as that is
// not known they wait.
func (n *Node) refuseScanOrder(ctx context.Context, statements []sqlplan.Bound) error {
	for i := range statements {
		why := statements[i].Plan.ScanOrder
		if why == "" {
			continue
		}
		mixed, err := n.awaitEngines(ctx)
		switch {
		case err != nil:
			return err
		case mixed:
			return errcode.Newf(errcode.FeatureNotSupported, "%s depends on the order in which rows are read, which may differ while members run different engines", why).
				WithHint("Add an ORDER BY that decides, or finish the rolling upgrade; quorate status names the engines.")
		}
		return nil
	}
	return nil
}

// awaitEngines reports whether members run different engines, when all voters have
// said what they run, or have had the time to.
func (n *Node) awaitEngines(ctx context.Context) (mixed bool, err error) {
	for {
		_, mixed, unheard := n.heardEngines()
		if mixed || !unheard || time.Now().After(n.heardBy) {
			return mixed, nil
		}
		select {
		case <-time.After(enginePoll):
		case <-ctx.Done():
			return false, ctx.Err()
		case <-n.stopped:
			return false, errStopping()
		}
	}
}

// enginePoll is how often a statement that waits looks what the members have said.
const enginePoll = 20 * time.Millisecond
