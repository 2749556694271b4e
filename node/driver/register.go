package driver

import (
	"errors"
	"math"

	"quorate/raft"
	"quorate/sqlfsm"
)

// Registration.
//
// The state machine applies the commands of an incarnation that it knows, and
// remembers each, so that none is applied twice (package sqlfsm/origins). So a
// node that starts first puts its incarnation in the log, without waiting for a
// client: a command of its own, which goes the way of all commands. Those of the
// sessions wait until it is applied here: on the way to the leader they might
// come to be in front of it.
//
// A registration is refused when another one of the same origin is in the log
// that this node had not applied yet (its last life's, mostly); then it registers
// again, having applied it.

// registrar registers this life of the node.
type registrar struct {
	driver   *Driver
	commands *Commands
	applied  raft.Index // how far the state machine is

	pending    *Pending // the registration that is under way, nil: none is
	registered bool
	again      bool       // the last one was refused; the next tick tries again
	held       []*Pending // the sessions' commands until then
}

// add takes the sessions' new commands.
func (r *registrar) add(commands []*Pending) {
	if r.registered {
		r.driver.proposer.add(commands)
	} else {
		r.held = append(r.held, commands...)
	}
}

// turn goes on with the registration.
func (r *registrar) turn(ticks int) {
	if r.registered {
		return
	}
	if r.pending != nil {
		select {
		case o := <-r.pending.Done:
			r.pending = nil
			r.took(o.Err)
		default:
		}
	}
	if ticks > 0 {
		r.held = stillWanted(r.held)
	}
	if !r.registered && r.pending == nil && (ticks > 0 || !r.again) {
		r.propose()
	}
}

// took takes the outcome of a registration.
func (r *registrar) took(err error) {
	r.again = err != nil
	switch {
	case err == nil:
		r.registered = true
		r.driver.proposer.add(r.held)
		r.held = nil
	case errors.Is(err, ErrFull):
		r.refuseHeld()
	}
}

// propose begins a registration.
func (r *registrar) propose() {
	p := r.commands.Reserve()
	h := sqlfsm.Header{Origin: uint64(r.driver.self), Incarnation: r.commands.Incarnation, Seq: p.Seq, Time: r.driver.now}
	r.commands.Charge(p, sqlfsm.AppendRegistration(nil, &h, uint64(r.applied)), math.MaxInt)
	r.pending = p
	r.driver.proposer.add([]*Pending{p})
}

// refuseHeld refuses the sessions' commands, because there is no room.
func (r *registrar) refuseHeld() {
	for _, c := range r.held {
		if c.Propose() {
			r.commands.finish(c, ErrFull)
		}
	}
	r.held = nil
}
