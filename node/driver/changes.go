package driver

import (
	"errors"

	"quorate/raft"
)

// What operators want of the cluster goes through its leader: changes of the
// configuration through the log, a transfer of the leadership beside it. The
// node's operator part finds the leader; here, on the leader, each wish is
// followed until it is known what became of it.

// How a change ends, besides the core's own refusals.
var (
	// ErrChangeLost: another leader has taken over, and the change is not in the
	// log and never will be.
	ErrChangeLost = errors.New("node: the leader changed before the change was committed; it was not carried out")
	// ErrChangeUnknown: this node was overtaken by an image of the state machine.
	ErrChangeUnknown = errors.New("node: whether the change was carried out is not known; look at the members")
	// ErrTransferFailed: the other member has not taken over in time.
	ErrTransferFailed = errors.New("node: the member did not take over the leadership in time; this node still leads")
)

// Change is something that an operator wants of the leader.
type Change struct {
	// Done gets the outcome: nil when the change is committed and applied here, or
	// when another member leads.
	Done chan error

	conf     raft.ConfChange
	transfer bool
	to       raft.NodeID // of a transfer; 0: to whom the core finds best

	// The driver's:
	index     raft.Index // of the entry
	term      raft.Term
	committed bool
	idleSince int // the tick at which a transfer was found given up; 0: it is not
}

// NewConfChange makes a change of the configuration.
func NewConfChange(c raft.ConfChange) *Change {
	return &Change{Done: make(chan error, 1), conf: c}
}

// NewTransfer makes a transfer of the leadership; 0: to the best follower.
func NewTransfer(to raft.NodeID) *Change {
	return &Change{Done: make(chan error, 1), transfer: true, to: to}
}

// changer follows the changes that are under way.
type changer struct {
	driver    *Driver
	entries   []*Change // proposed, not applied
	transfers []*Change
}

// begin hands changes to the core, which may refuse them.
func (c *changer) begin(changes []*Change) {
	core := c.driver.core
	for _, x := range changes {
		var err error
		if x.transfer {
			err = core.TransferLeadership(x.to)
		} else {
			x.index, x.term, err = core.ProposeConfChange(x.conf)
		}
		switch {
		case err != nil:
			x.Done <- err
		case x.transfer:
			c.transfers = append(c.transfers, x)
		default:
			c.entries = append(c.entries, x)
		}
	}
}

// delivered notes which changes are among the committed entries.
func (c *changer) delivered(entries []raft.Entry) {
	for _, x := range c.entries {
		if i := x.index - entries[0].Index; x.index >= entries[0].Index && i < raft.Index(len(entries)) {
			x.committed = entries[i].Term == x.term
		}
	}
}

// installed ends the wait for changes that an image may contain.
func (c *changer) installed(s *raft.Snapshot) {
	c.settle(func(x *Change) (error, bool) { return ErrChangeUnknown, !x.committed && x.index <= s.Index })
}

// applied ends the wait for changes that are applied, and for those that never
// will be: terms do not fall along the log (see proposals.go).
func (c *changer) applied(a Applied) {
	c.settle(func(x *Change) (error, bool) {
		if x.committed {
			return nil, a.Index >= x.index
		}
		return ErrChangeLost, a.Term > x.term
	})
}

// settle ends the wait for the changes of which outcome says so.
func (c *changer) settle(outcome func(*Change) (err error, over bool)) {
	keep := c.entries[:0]
	for _, x := range c.entries {
		if err, over := outcome(x); over {
			x.Done <- err
		} else {
			keep = append(keep, x)
		}
	}
	clear(c.entries[len(keep):])
	c.entries = keep
}

// watchTransfers ends the wait for transfers: another member leads; or this one
// still does, an election timeout after the core gave the transfer up (until
// then the other may be campaigning).
func (c *changer) watchTransfers() {
	if len(c.transfers) == 0 {
		return
	}
	d := c.driver
	leader := d.core.Leader()
	waiting := leader == 0 || leader == d.self && d.core.Status().Transfer != 0
	keep := c.transfers[:0]
	for _, x := range c.transfers {
		switch {
		case waiting:
			x.idleSince = 0
		case leader != d.self:
			x.Done <- nil
			continue
		case x.idleSince == 0:
			x.idleSince = d.tick + 1
		case d.tick-x.idleSince >= d.config.ElectionTicks:
			x.Done <- ErrTransferFailed
			continue
		}
		keep = append(keep, x)
	}
	clear(c.transfers[len(keep):])
	c.transfers = keep
}
