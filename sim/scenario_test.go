package sim

import (
	"errors"
	"testing"

	"quorate/node/driver"
	"quorate/raft"
)

// The scenarios are what a reviewer will try, one test each, on the simulator's
// world with faults by hand; the files scenario_*_test.go have them by theme,
// numbered in one sequence. While a scenario runs, the oracle looks on as it
// does for seeds: a test states only what the oracle cannot know.
//
// Of the thirty, number 30, a batch in which one entry fails, is the state
// machine's alone: TestBatchesDoNotShow in sqlfsm, and its transcripts. 9, 10,
// 24 and 26 to 29 are tried with real processes too, in chaos.

// scenario is a world in a test.
type scenario struct {
	*World
	t *testing.T
}

// play runs a scenario in a cluster of so many nodes, and fails the test when a
// property breaks.
func play(t *testing.T, nodes int, script func(s *scenario)) {
	t.Helper()
	playWith(t, calm(nodes), script)
}

func playWith(t *testing.T, p plan, script func(s *scenario)) {
	t.Helper()
	var w *World
	defer func() {
		if what := recover(); what != nil {
			t.Errorf("%v", what)
			if w != nil {
				for _, line := range w.trace.tail() {
					t.Log(line)
				}
			}
			if _, ok := what.(violation); !ok {
				panic(what)
			}
		}
	}()
	w = newWorld(1, p, trace{})
	script(&scenario{w, t})
}

// end heals everything: all nodes agree, nothing is lost, the history is
// linearizable.
func (s *scenario) end() {
	s.t.Helper()
	s.healLinks()
	for _, n := range s.nodes {
		n.restart()
	}
	if !s.runUntil(20*Second, s.settled) {
		s.fail("the nodes do not agree after the scenario:%s", s.describe())
	}
	s.final()
}

// elect waits for a leader that has committed an entry of its own term.
func (s *scenario) elect() *node {
	s.t.Helper()
	s.await("a leader", 5*Second, func() bool {
		l := s.leader()
		return l != nil && s.oracle.committedIn(s.oracle.of(l).written) == int(l.core.Last()) && l.core.Commit() == l.core.Last()
	})
	return s.leader()
}

// electReady is elect, and waits until every node has registered and the log
// comes to rest.
func (s *scenario) electReady() *node {
	s.t.Helper()
	s.elect()
	s.await("the nodes to register", Second, func() bool {
		for _, n := range s.nodes {
			if !n.machine.seen.Registered(uint64(n.id), n.life) {
				return false
			}
		}
		return s.settled()
	})
	return s.leader()
}

func (s *scenario) await(what string, limit Time, done func() bool) {
	s.t.Helper()
	if !s.runUntil(limit, done) {
		s.fail("waited %d ms in vain for %s:%s", limit/Millisecond, what, s.describe())
	}
}

// never lets time pass in which something must not happen.
func (s *scenario) never(what string, limit Time, happens func() bool) {
	s.t.Helper()
	if s.runUntil(limit, happens) {
		s.fail("%s:%s", what, s.describe())
	}
}

func (s *scenario) others(than *node) []*node {
	var out []*node
	for _, n := range s.nodes {
		if n != than {
			out = append(out, n)
		}
	}
	return out
}

// isolate cuts every link of a node.
func (s *scenario) isolate(n *node) {
	for _, other := range s.others(n) {
		s.cutLink(n, other)
	}
}

func (s *scenario) cutLink(a, b *node) {
	s.cutOneWay(a, b)
	s.cutOneWay(b, a)
}

// cutOneWay: b does not hear a any more, nor what is under way.
func (s *scenario) cutOneWay(a, b *node) {
	s.network.lossy = true
	s.network.cuts = append(s.network.cuts, link{a.id, b.id})
}

func (s *scenario) healLinks() { s.network.cuts = nil }

// begin starts a write of a new value.
func (s *scenario) begin(n *node) *pendingCall {
	return s.write(n, nil, op{kind: opWrite, value: s.history.value()})
}

// confirm writes and waits until the client is told that it is done.
func (s *scenario) confirm(n *node) {
	s.t.Helper()
	call := s.begin(n)
	s.await("a write", 10*Second, func() bool { return call.settled })
	if call.op.to == 0 {
		s.fail("a write was not confirmed")
	}
}

// confirmMany writes so many times.
func (s *scenario) confirmMany(n *node, times int) {
	s.t.Helper()
	for range times {
		s.confirm(n)
	}
}

// order gives an operator's order and waits for its outcome.
func (s *scenario) order(n *node, c *driver.Change) error {
	s.t.Helper()
	s.change(n, c)
	var err error
	s.await("an order's outcome", 10*Second, func() bool {
		select {
		case err = <-c.Done:
			return true
		default:
			return false
		}
	})
	return err
}

// refusal returns why the core has refused a change.
func (s *scenario) refusal(err error) *raft.ConfChangeError {
	s.t.Helper()
	var refused *raft.ConfChangeError
	if !errors.As(err, &refused) {
		s.fail("a change that must be refused ends with %v", err)
	}
	return refused
}

func (s *scenario) electionTimeout() Time {
	return Time(2*s.plan.raft.ElectionTicks) * s.plan.interval
}
