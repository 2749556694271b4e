package sim

import (
	"errors"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/sqlfsm"
)

// client does one operation after the other, mostly at one node.
type client struct {
	world *World
	id    int
	home  int // the node that it is connected to
	busy  bool
}

// pendingCall is a write that waits for its outcome.
type pendingCall struct {
	op      *operation
	client  *client // nil: nobody goes on afterwards
	pending *driver.Pending
	settled bool
}

// pendingRead is a read that waits for its index.
type pendingRead struct {
	op       *operation
	client   *client
	question driver.Question
	floor    raft.Index // what it must see
	over     bool
}

func (w *World) startClients() {
	for i := range w.plan.clients {
		c := &client{world: w, id: i, home: w.rand.IntN(len(w.nodes))}
		w.clients = append(w.clients, c)
		c.pauseAndGo()
	}
}

// pauseAndGo schedules the client's next operation.
func (c *client) pauseAndGo() {
	c.busy = false
	c.world.after(exponential(c.world.rand, c.world.plan.thinkTime), c.next)
}

func (c *client) next() {
	w := c.world
	if w.healing {
		return
	}
	if w.rand.IntN(40) == 0 {
		c.home = w.rand.IntN(len(w.nodes))
	}
	n := w.nodes[c.home]
	if !n.up {
		if w.rand.IntN(3) == 0 {
			c.home = w.rand.IntN(len(w.nodes))
		}
		c.pauseAndGo()
		return
	}
	c.busy = true
	key := uint8(w.rand.IntN(w.plan.keys))
	if w.rand.IntN(100) < w.plan.readPercent {
		w.read(n, c, key)
		return
	}
	o := op{kind: opWrite, key: key, value: w.history.value()}
	switch w.rand.IntN(4) {
	case 0:
		o.kind, o.old = opSwap, n.machine.registers[key] // as a client who has just read it
	case 1:
		o.kind = opInsert
	}
	w.write(n, c, o)
}

// done ends a client's operation.
func (c *client) done() {
	if c != nil {
		c.pauseAndGo()
	}
}

// write starts a command at a node that is up.
func (w *World) write(n *node, c *client, o op) *pendingCall {
	call := &pendingCall{op: w.history.begin(o), client: c, pending: n.commands.Reserve()}
	h := sqlfsm.Header{
		Origin: uint64(n.id), Incarnation: n.life, Seq: call.pending.Seq, LowWater: call.pending.LowWater, Time: n.clock(),
	}
	n.commands.Charge(call.pending, encodeCommand(&h, o), 1<<30)
	call.op.command = nameOf(&h)
	n.open[h.Seq] = call
	n.calls = append(n.calls, call)
	n.inbox.Commands = append(n.inbox.Commands, call.pending)
	n.wake()
	if c != nil && w.plan.faults&GiveUps != 0 {
		life := n.life
		w.after(w.plan.patience, func() {
			if n.up && n.life == life && !call.settled {
				w.count(GiveUps)
				n.giveUp(call)
			}
		})
	}
	return call
}

// giveUp ends a session's wait for its command.
func (n *node) giveUp(call *pendingCall) {
	mayBeApplied, settled := n.commands.Abandon(call.pending)
	if settled { // the driver has just said so
		n.takeOutcomes()
		return
	}
	if !mayBeApplied {
		n.world.oracle.never[call.op.command] = true
	}
	n.forget(call)
	call.client.done()
}

// refusedHere: a command of this life was refused. That may happen only to a node
// that was removed.
func (n *node) refusedHere(seq uint64) {
	call := n.open[seq]
	if call == nil {
		n.world.fail("%v refuses command %d, which nobody waits for", n, seq)
	}
	<-call.pending.Done
	o := &n.world.oracle
	o.must(o.removed[n.id], "command %v of a session of %v, which was not removed, is refused", call.op.command, n)
	o.must(o.commands[call.op.command] == 0, "command %v is refused, and was applied at %d", call.op.command, o.commands[call.op.command])
	o.never[call.op.command] = true
	n.forget(call)
	call.client.done()
}

// settled: a command of this life was applied at index.
func (n *node) settled(seq uint64, index raft.Index, out outcome) {
	call := n.open[seq]
	if call == nil {
		n.world.fail("%v settles command %d, which nobody waits for", n, seq)
	}
	<-call.pending.Done
	o := &n.world.oracle
	o.confirmed = append(o.confirmed, confirmation{call.op.command, index})
	o.seen = max(o.seen, index)
	n.world.history.end(call.op, out)
	n.forget(call)
	call.client.done()
}

// takeOutcomes tells sessions what the driver has said about commands that were
// not applied here.
func (n *node) takeOutcomes() {
	for i := 0; i < len(n.calls); i++ {
		call := n.calls[i]
		select {
		case out := <-call.pending.Done:
			if errors.Is(out.Err, driver.ErrFull) {
				n.world.oracle.never[call.op.command] = true
			} else {
				n.world.fail("%v tells a session %v", n, out.Err)
			}
			n.forget(call)
			call.client.done()
			i--
		default:
		}
	}
}

func (n *node) forget(call *pendingCall) {
	call.settled = true
	delete(n.open, call.pending.Seq)
	for i, c := range n.calls {
		if c == call {
			n.calls = append(n.calls[:i], n.calls[i+1:]...)
			return
		}
	}
}

// read starts a linearizable read at a node that is up.
func (w *World) read(n *node, c *client, key uint8) *pendingRead {
	r := &pendingRead{op: w.history.begin(op{kind: opRead, key: key}), client: c, floor: w.oracle.seen}
	r.question = n.reads.Ask()
	n.readers = append(n.readers, r)
	return r
}

// probe is a session that reads at once.
func (w *World) probe(n *node) *pendingRead { return w.read(n, nil, 0) }

// answerReads lets the sessions read whose read index is known and applied.
func (n *node) answerReads() {
	keep := n.readers[:0]
	var answered []*pendingRead
	for _, r := range n.readers {
		index, ok := r.question.Answer()
		if ok && index < r.floor {
			n.world.fail("stale read: %v may read at %d, but %d was acknowledged before it was asked", n, index, r.floor)
		}
		if ok && index <= n.machine.index {
			answered = append(answered, r)
		} else {
			keep = append(keep, r)
		}
	}
	clear(n.readers[len(keep):])
	n.readers = keep
	for _, r := range answered {
		n.world.oracle.seen = max(n.world.oracle.seen, n.machine.index)
		n.world.history.end(r.op, outcome{value: n.machine.registers[r.op.op.key]})
		r.over = true
		r.client.done()
	}
}

// abandonCalls: the node's sessions are gone. What became of their commands
// they do not know.
func (w *World) abandonCalls(n *node) {
	for _, call := range n.calls {
		call.settled = true
		call.client.done()
	}
	for _, r := range n.readers {
		r.over = true
		r.client.done()
	}
	n.open, n.calls, n.readers = nil, nil, nil
}
