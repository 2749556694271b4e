package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"

	"quorate/raft"
)

// Options say which run to do.
type Options struct {
	Seed uint64
	// Nodes is how many members the cluster has, 1 to 7 [0: the seed decides].
	Nodes int
	// Faults are the kinds that may happen; the seed decides which of them do.
	Faults Faults
	// Duration is how long faults last [0: the seed decides].
	Duration Time
	// Restless makes the plan restless, as that of one seed in four is anyhow.
	Restless bool
	// Trace, when not nil, is called with a line for each change of state.
	Trace func(line string)
}

// Result is what came of a run.
type Result struct {
	Seed      uint64
	Nodes     int
	Faults    Faults // that the seed has drawn
	Duration  Time   // of the part with faults
	Events    int
	Time      Time // virtual
	Elections int
	Crashes   int
	Writes    int // that clients saw confirmed
	Reads     int
	Recalled  int // writes that were confirmed although an image came instead of their entry
	Injected  FaultCounts
	// Violation says which property was broken, "" if none was.
	Violation string
	// Tail is the end of the trace, and Stack where the code panicked, of a run
	// with a violation.
	Tail  []string
	Stack string
}

// Run does one run. The same options give the same result.
func Run(o Options) (result Result) {
	if o.Faults == 0 && o.Duration == 0 {
		o.Faults = AllFaults
	}
	p := drawPlan(rand.New(rand.NewPCG(o.Seed, 0)), &o)
	result = Result{Seed: o.Seed, Nodes: p.nodes, Faults: p.faults, Duration: p.duration}
	var w *World
	defer func() {
		if what := recover(); what != nil {
			result.Violation = fmt.Sprint(what)
			if _, ok := what.(violation); !ok {
				result.Stack = ownStack(string(debug.Stack()))
			}
		}
		if w != nil {
			w.report(&result)
		}
	}()
	w = newWorld(o.Seed, p, trace{out: o.Trace})
	w.safety()
	w.liveness()
	w.final()
	return result
}

// ownStack returns the project's functions of a stack, innermost first.
func ownStack(stack string) string {
	var own []string
	for _, line := range strings.Split(stack, "\n") {
		if strings.HasPrefix(line, "quorate/") {
			own = append(own, line)
		}
	}
	return strings.Join(own, "\n")
}

func (w *World) report(r *Result) {
	r.Events, r.Time, r.Injected = w.events, w.now, w.counts
	r.Elections = len(w.oracle.leaders)
	r.Crashes = w.counts[Crashes.number()] + w.counts[SyncErrors.number()]
	r.Writes, r.Recalled = len(w.oracle.confirmed), w.recalled
	for _, x := range w.history.operations {
		if x.op.kind == opRead && x.to != 0 {
			r.Reads++
		}
	}
	if r.Violation != "" {
		r.Tail = w.trace.tail()
	}
}

// safety lets clients work while everything goes wrong.
func (w *World) safety() {
	w.tracef("%d nodes, faults: %v", len(w.nodes), w.plan.faults)
	w.startClients()
	w.startFaults()
	w.run(w.plan.duration)
}

// Bounds of what follows: a few election timeouts for an election, and time to
// catch up with what was missed.
const (
	electionBound = 10 * Second
	catchUpBound  = 30 * Second
)

// liveness: a majority that is well elects a leader and serves clients at each
// of its nodes, whatever the others do; and when all are well, all agree.
func (w *World) liveness() {
	w.heal()
	core := w.randomCore()
	var names []string
	for _, n := range w.nodes {
		if core[n.id] {
			names = append(names, n.String())
			n.restart()
		} else if n.up && w.rand.IntN(2) == 0 {
			n.crash(powerLoss, w.rand)
		}
	}
	// The others are cut off, or can be heard but do not hear, or the reverse.
	heard, hear := w.rand.IntN(3) == 0, w.rand.IntN(3) == 0
	for _, n := range w.nodes {
		for _, other := range w.nodes {
			if core[n.id] && !core[other.id] {
				if !hear {
					w.network.cuts = append(w.network.cuts, link{n.id, other.id})
				}
				if hear || !heard {
					w.network.cuts = append(w.network.cuts, link{other.id, n.id})
				}
			}
		}
	}
	w.tracef("healed: %s", strings.Join(names, " "))
	w.demand(names, func(n *node) bool { return core[n.id] && w.isMember(n) })
	w.network.cuts = nil
	for _, n := range w.nodes {
		n.restart()
	}
	w.tracef("all are healed")
	w.demand([]string{"all nodes"}, func(n *node) bool { return !n.dead && !n.leaves && w.isMember(n) })
	if !w.runUntil(catchUpBound, w.settled) {
		w.fail("the nodes do not agree %d s after everything was healed:%s", catchUpBound/Second, w.describe())
	}
}

// heal ends all faults.
func (w *World) heal() {
	w.healing = true
	w.network.cuts, w.network.clogged = nil, nil
	w.plan.fsync = min(w.plan.fsync, 2*Millisecond)
	w.plan.latency = min(w.plan.latency, 2*Millisecond)
	for _, n := range w.nodes {
		n.skew, n.stalledUntil = 1, 0
		n.disk.SetCapacity(0)
		n.fault = nil
		n.inbox.Changes = nil // the operators are gone
		if n.up {
			n.resume()
		}
	}
}

// randomCore draws a majority of the members, of nodes that can start: a
// majority of the committed configuration, and of any that may follow it. A leader
// that is not drawn may still be heard, and promote who is staging.
func (w *World) randomCore() map[raft.NodeID]bool {
	for _, n := range w.nodes {
		n.restart() // one that is damaged finds out
	}
	configurations := w.configurations()
	enough := func(core map[raft.NodeID]bool) bool {
		for i := range configurations {
			if !keepsMajority(&configurations[i], core) {
				return false
			}
		}
		return true
	}
	core := map[raft.NodeID]bool{}
	for _, i := range w.rand.Perm(len(w.nodes)) {
		if n := w.nodes[i]; n.up && !enough(core) {
			core[n.id] = true
		}
	}
	for i := range configurations {
		if !hasMajority(&configurations[i], core) {
			panic("sim: faults have left no majority:" + w.describe())
		}
	}
	return core
}

// demand: the nodes serve a write and a read each, within a bounded time.
func (w *World) demand(names []string, healed func(*node) bool) {
	var nodes []*node
	var calls []*pendingCall
	var reads []*pendingRead
	for _, n := range w.nodes {
		if healed(n) && n.up {
			nodes = append(nodes, n)
			calls = append(calls, w.write(n, nil, op{kind: opWrite, value: w.history.value()}))
			reads = append(reads, w.probe(n))
		}
	}
	served := func() bool {
		for i, n := range nodes { // one that is being removed is served no more
			if !(calls[i].settled && reads[i].over) && w.isMember(n) {
				return false
			}
		}
		return true
	}
	if !w.runUntil(electionBound+catchUpBound, served) {
		w.fail("no progress in %d s, though %s can hear each other:%s", (electionBound+catchUpBound)/Second, strings.Join(names, ", "), w.describe())
	}
}

// settled: every live session has its answer and all nodes have applied the
// same.
func (w *World) settled() bool {
	for _, n := range w.nodes {
		if n.dead || !w.isMember(n) {
			continue
		}
		if !n.up || len(n.calls) > 0 || len(n.readers) > 0 || n.machine.index != n.core.Last() || int(n.machine.index) != len(w.oracle.committed) {
			return false
		}
	}
	return true
}

func (w *World) describe() string {
	var b strings.Builder
	for _, n := range w.nodes {
		if !n.up {
			fmt.Fprintf(&b, "\n  %v is down", n)
			continue
		}
		s := n.core.Status()
		fmt.Fprintf(&b, "\n  %v: %v of term %d, leader %d, log to %d, commit %d, applied %d, %d writes and %d reads open",
			n, s.Role, s.Term, uint64(s.Leader), s.Last, s.Commit, s.Applied, len(n.calls), len(n.readers))
		fmt.Fprintf(&b, "\n    members since %d:", s.Configuration.Index)
		for _, m := range s.Configuration.Configuration.Members {
			fmt.Fprintf(&b, " %s %v", m.Name, m.Suffrage)
		}
		for _, p := range s.Peers {
			fmt.Fprintf(&b, "\n    of n%d: %s, match %d, next %d, active %v", uint64(p.ID), p.State, p.Match, p.Next, p.Active)
		}
	}
	return b.String()
}

// final: the states are equal, nothing that was confirmed is lost, and the
// history is linearizable.
func (w *World) final() {
	var first *node
	for _, n := range w.nodes {
		if n.dead || !w.isMember(n) {
			continue
		}
		if first == nil {
			first = n
		}
		if n.machine.index != first.machine.index || n.machine.hash() != first.machine.hash() {
			w.fail("%v and %v have applied the same entries and hold different states", first, n)
		}
	}
	for _, c := range w.oracle.confirmed {
		if w.oracle.commands[c.command] != c.index {
			w.fail("command %v was confirmed at %d and is lost", c.command, c.index)
		}
	}
	w.checkHistory()
}
