package node

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlplan"
)

// Members tell each other which engine they run (sqlfsm.Engine): SQLite's version
// and build, the functions, the processor. In a rolling upgrade there are two for a
// while. Then most statements still mean the same everywhere, and the digests watch
// over it; but another version may read a table in another order, so what depends
// on that is refused until all run the same.

// memberEngine is a member's engine.
type memberEngine struct{ name, engine string }

// watchEngines looks at what the members say of themselves.
func (n *Node) watchEngines() {
	engines := []memberEngine{{n.cfg.Name, n.engine}}
	mixed := false
	for _, p := range n.transport.Peers() {
		if m, member := n.member(p.ID); member && p.Hello.Engine != "" {
			engines = append(engines, memberEngine{m.Name, p.Hello.Engine})
			mixed = mixed || p.Hello.Engine != n.engine
		}
	}
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
// table is read, while members may read it in different ones.
func (n *Node) refuseScanOrder(statements []sqlplan.Bound) error {
	if n.engines.Load() == nil {
		return nil
	}
	for i := range statements {
		if why := statements[i].Plan.ScanOrder; why != "" {
			return errcode.Newf(errcode.FeatureNotSupported, "%s depends on the order in which rows are read, which may differ while members run different engines", why).
				WithHint("Add an ORDER BY that decides, or finish the rolling upgrade; quorate status names the engines.")
		}
	}
	return nil
}
