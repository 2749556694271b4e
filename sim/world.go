package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"quorate/raft"
)

// World is a cluster, its clients, and what happens to them.
type World struct {
	seed   uint64
	plan   plan
	now    Time
	queue  eventQueue
	events int

	// rand decides what is no fault: latencies, timeouts, clients. Each kind of
	// fault has a source of its own, so that a run without it is otherwise much
	// the same.
	rand    *rand.Rand
	sources [32]*rand.Rand

	nodes   []*node
	network network
	oracle  oracle
	clients []*client
	history history
	lives   uint64 // numbers the nodes' lives

	// repeatable are the commands and registrations that were applied somewhere,
	// in the order of the log.
	repeatable [][]byte
	recalled   int // sessions that were answered out of an image

	healing bool // faults have ended
	counts  FaultCounts
	trace   trace
}

// violation is a property that was broken.
type violation string

func newWorld(seed uint64, p plan, t trace) *World {
	w := &World{seed: seed, plan: p, trace: t}
	w.rand = rand.New(rand.NewPCG(seed, 1))
	for i := range w.sources {
		w.sources[i] = rand.New(rand.NewPCG(seed, uint64(100+i)))
	}
	w.network.world = w
	w.oracle = newOracle(w)
	var c raft.Configuration
	for i := range p.nodes {
		c.Members = append(c.Members, raft.Member{ID: raft.NodeID(i + 1), Name: fmt.Sprintf("n%d", i+1)})
	}
	for i := range p.nodes {
		n := newNode(w, raft.NodeID(i+1))
		w.nodes = append(w.nodes, n)
		w.oracle.joined[n.id] = true
		n.create(c)
	}
	for _, n := range w.nodes {
		n.start()
	}
	return w
}

// fail ends the run: a property is broken.
func (w *World) fail(format string, args ...any) {
	panic(violation(fmt.Sprintf(format, args...)))
}

// tracef notes a change of state.
func (w *World) tracef(format string, args ...any) {
	w.trace.add(w.now, format, args...)
}

// after schedules do.
func (w *World) after(d Time, do func()) { w.queue.push(w.now+d, do) }

// step lets the next event happen.
func (w *World) step() {
	e := w.queue.pop()
	w.now = e.at
	w.events++
	e.do()
}

// runUntil lets events happen until done, or until the time is over, and
// reports whether it is done. It looks after every event.
func (w *World) runUntil(limit Time, done func() bool) bool {
	for end := w.now + limit; w.now <= end; w.step() {
		if done() {
			return true
		}
	}
	return false
}

// run lets time pass.
func (w *World) run(d Time) {
	for end := w.now + d; len(w.queue.heap) > 0 && w.queue.heap[0].at <= end; {
		w.step()
	}
}

func (w *World) node(id raft.NodeID) *node {
	for _, n := range w.nodes {
		if n.id == id {
			return n
		}
	}
	return nil
}

// leader returns the live leader of the highest term, nil if there is none.
func (w *World) leader() *node {
	var best *node
	for _, n := range w.nodes {
		if n.up && n.core.Role() == raft.Leader && (best == nil || n.core.Term() > best.core.Term()) {
			best = n
		}
	}
	return best
}

// happens reports whether a kind of fault may happen in this run.
func (w *World) happens(kind Faults) bool { return w.plan.faults&kind != 0 && !w.healing }

// chance: the kind of fault happens with this probability.
func (w *World) chance(kind Faults, percent int) bool {
	return w.happens(kind) && w.source(kind).IntN(100) < percent
}

func (w *World) source(kind Faults) *rand.Rand { return w.sources[kind.number()] }

func (w *World) count(kind Faults) { w.counts[kind.number()]++ }

// exponential draws a time with this mean, at most ten times it.
func exponential(r *rand.Rand, mean Time) Time {
	return min(Time(r.ExpFloat64()*float64(mean)), 10*mean)
}

// link is one direction between two nodes.
type link struct{ from, to raft.NodeID }

// network carries what nodes say to each other. Nothing is encoded: entries
// are shared, and never written to.
type network struct {
	world *World
	cuts  []link // nothing passes
	// clogged nodes get what they are sent when the clog ends.
	clogged []clog
	lossy   bool // also what is under way is lost when a link is cut
	// strandings counts those of restless runs; the newest made the cuts.
	strandings int
}

type clog struct {
	to    raft.NodeID
	until Time
}

func (n *network) cut(from, to raft.NodeID) bool { return slices.Contains(n.cuts, link{from, to}) }

func (n *network) clogEnd(to raft.NodeID) Time {
	for _, c := range n.clogged {
		if c.to == to {
			return c.until
		}
	}
	return 0
}

// post sends something. deliver is called when it arrives at a node that is
// up.
func (n *network) post(from, to raft.NodeID, deliver func(*node)) {
	w := n.world
	target := w.node(to)
	if target == nil || n.cut(from, to) {
		return
	}
	if w.chance(Loss, w.plan.lossPercent) {
		w.count(Loss)
		return
	}
	n.carry(from, target, deliver)
	if w.chance(Duplicates, w.plan.duplicatePercent) {
		w.count(Duplicates)
		n.carry(from, target, deliver)
	}
}

func (n *network) carry(from raft.NodeID, to *node, deliver func(*node)) {
	w := n.world
	delay := 20*Microsecond + exponential(w.rand, w.plan.latency)
	if w.chance(Delays, w.plan.delayPercent) {
		w.count(Delays)
		delay += Time(w.source(Delays).Int64N(int64(w.plan.maxDelay) + 1))
	}
	if end := n.clogEnd(to.id); end > w.now+delay {
		delay = end - w.now // in the order of sending, as events at one time are
	}
	w.after(delay, func() {
		if to.up && !(n.lossy && n.cut(from, to.id)) {
			deliver(to)
			to.wake()
		}
	})
}
