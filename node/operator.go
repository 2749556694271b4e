package node

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"quorate/admin"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/transport"
)

// What operators want of the cluster is done by its leader. The node that is
// asked passes the order on, and the leader's answer back; a node that wants to
// join sends orders too (join.go).

var _ admin.Operator = (*Node)(nil)

// order is what travels to the leader.
type order struct {
	Op orderOp `json:"op"`
	// ID is that of a member to add; of one to remove, the one that is meant, as far
	// as the node that passes the order on knows: another may come under its name.
	ID      raft.NodeID `json:"id,omitempty"`
	Name    string      `json:"name,omitempty"`
	Address string      `json:"address,omitempty"`
	Learner bool        `json:"learner,omitempty"`
	Force   string      `json:"force,omitempty"`
	// Index is the entry that a question is about (reseed.go).
	Index raft.Index `json:"index,omitempty"`
	// Passed: the order came from another member, which does not pass on what
	// comes back, so it is not passed on again.
	Passed bool `json:"passed,omitempty"`
	// Verify, with opVerify, is for the member that gets it (verify.go).
	Verify *verifyQuestion `json:"verify,omitempty"`
}

type orderOp string

const (
	opAdd      orderOp = "add"
	opPromote  orderOp = "promote"
	opRemove   orderOp = "remove"
	opUpdate   orderOp = "update"
	opTransfer orderOp = "transfer"
	// opDescribe asks for the cluster's id and members: a node wants to join.
	opDescribe orderOp = "describe"
)

// orderAnswer is what comes back.
type orderAnswer struct {
	Error *admin.Error `json:"error,omitempty"`
	// NotLeader: the member that was asked does not lead; nothing was done.
	NotLeader bool `json:"not_leader,omitempty"`
	// Final, with an Error: it will not be otherwise when the order is repeated.
	Final bool `json:"final,omitempty"`

	Message string         `json:"message,omitempty"`
	Leader  string         `json:"leader,omitempty"`
	Member  *admin.Member  `json:"member,omitempty"`
	Cluster *clusterAnswer `json:"cluster,omitempty"`
	Verify  *verifyAnswer  `json:"verify,omitempty"`
	Digest  *digestAnswer  `json:"digest,omitempty"`
}

// orderPoll is how often an order looks for a leader, or tries again what the
// leader cannot do just now.
const orderPoll = 50 * time.Millisecond

// carryOut has an order carried out by the leader, whoever that is. The leader's
// refusal is both the answer and the error. Orders may be carried out twice, so
// one that got no answer is sent again.
func (n *Node) carryOut(ctx context.Context, o order) (*orderAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.QuorumTimeout)
	defer cancel()
	var lost error // why an attempt got no answer
	for {
		answer, err := n.attempt(ctx, o)
		switch {
		case err != nil:
			lost = err
		case answer.Error == nil && !answer.NotLeader:
			return answer, nil
		case answer.Error != nil && lost != nil && o.Op == opRemove && answer.Error.Status == http.StatusNotFound:
			return &orderAnswer{}, nil // the attempt without an answer did it
		case answer.Error != nil:
			return answer, answer.Error
		}
		select {
		case <-time.After(orderPoll):
			continue
		case <-ctx.Done():
		case <-n.stopped:
		}
		if lost != nil {
			return nil, &admin.Error{Status: http.StatusGatewayTimeout, Message: lost.Error() + "; the order may still be carried out",
				Hint: "Look at quorate member list, then repeat the order if need be."}
		}
		return nil, &admin.Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf("no leader was found within %v; nothing was done", n.cfg.QuorumTimeout),
			Hint: "A majority of the voters must be up and connected; see quorate status."}
	}
}

// attempt carries an order out if this node leads, and passes it on otherwise. An
// answer from a node that does not lead says that nothing was done; after an error
// that is not known.
func (n *Node) attempt(ctx context.Context, o order) (*orderAnswer, error) {
	leader := n.view.Load().raft.Leader
	switch {
	case leader == n.id:
		return n.lead(ctx, o), nil
	case leader == 0 || o.Passed:
		return &orderAnswer{NotLeader: true}, nil
	}
	o.Passed = true
	request, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("node: encode an order: %w", err)
	}
	reply, err := n.transport.Call(ctx, leader, request)
	if err != nil {
		return nil, fmt.Errorf("the leader, %s, has not answered: %w", n.memberName(leader), err)
	}
	answer := new(orderAnswer)
	if err := json.Unmarshal(reply, answer); err != nil {
		return nil, fmt.Errorf("node: the leader's answer cannot be read: %w", err)
	}
	return answer, nil
}

// answer answers another member's order, or that of a node that wants to join.
func (n *Node) answer(ctx context.Context, from transport.Hello, request []byte) ([]byte, error) {
	var o order
	if err := json.Unmarshal(request, &o); err != nil {
		return nil, fmt.Errorf("node: an order from %s cannot be read: %w", from.Name, err)
	}
	if o.Op == opVerify && o.Verify != nil {
		return n.replyVerify(ctx, o.Verify)
	}
	if answer := n.direct(ctx, from, o); answer != nil {
		return json.Marshal(answer)
	}
	if o.Passed {
		answer, err := n.attempt(ctx, o)
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	}
	answer, err := n.carryOut(ctx, o)
	var refused *admin.Error
	if answer == nil && errors.As(err, &refused) {
		answer = &orderAnswer{Error: refused}
	}
	if answer == nil {
		return nil, err
	}
	return json.Marshal(answer)
}

// lead carries an order out on the leader.
func (n *Node) lead(ctx context.Context, o order) *orderAnswer {
	answer, err := n.leadOrder(ctx, o)
	if err == nil {
		return answer
	}
	refused, notLeader := n.orderError(err)
	return &orderAnswer{Error: refused, NotLeader: notLeader}
}

func (n *Node) leadOrder(ctx context.Context, o order) (*orderAnswer, error) {
	if o.Op == opDescribe {
		return n.describe(o), nil
	}
	if o.Op == opAdd {
		return n.leadAdd(ctx, o)
	}
	configuration := n.members.Load().Configuration
	member, known := configuration.Named(o.Name)
	if o.Op == opRemove && o.ID != 0 && o.ID != member.ID {
		known = false // somebody else has the name
	}
	if !known && (o.Op != opTransfer || o.Name != "") {
		return nil, errNoMember(o.Name)
	}
	switch o.Op {
	case opPromote:
		err := n.change(ctx, driver.NewConfChange(raft.ConfChange{Op: raft.PromoteMember, Member: member}))
		if done := alreadyDone(err); done != "" {
			return &orderAnswer{Message: done}, nil
		}
		return &orderAnswer{Message: o.Name + " is a voter"}, err
	case opRemove:
		return &orderAnswer{}, n.leadRemove(ctx, member, o.Force)
	case opUpdate:
		if member.Address == o.Address {
			return &orderAnswer{}, nil
		}
		member.Address = o.Address
		return &orderAnswer{}, n.change(ctx, driver.NewConfChange(raft.ConfChange{Op: raft.UpdateMember, Member: member}))
	case opTransfer:
		return n.leadTransfer(ctx, member)
	}
	return nil, &admin.Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("the order %q is not known", o.Op), Hint: "Are all members of the same version?"}
}

func errNoMember(name string) error {
	return &admin.Error{Status: http.StatusNotFound, Message: fmt.Sprintf("there is no member %q", name), Hint: "See quorate member list."}
}

// leadAdd adds a member. The same order may come again: a node that joins asks
// until it is in.
func (n *Node) leadAdd(ctx context.Context, o order) (*orderAnswer, error) {
	configuration := n.members.Load().Configuration
	if m, ok := configuration.Member(o.ID); ok {
		row := n.memberRow(m)
		return &orderAnswer{Member: &row}, nil
	}
	for _, m := range configuration.Members {
		if m.Name == o.Name || m.Address == o.Address {
			return final(fmt.Sprintf("there is a member %q at %s already", m.Name, m.Address),
				"Give the new member a name and an address of its own; or, if it is to replace that one, remove that one first."), nil
		}
	}
	m := raft.Member{ID: o.ID, Name: o.Name, Address: o.Address, Suffrage: raft.Staging}
	if o.Learner {
		m.Suffrage = raft.Learner
	}
	if err := n.change(ctx, driver.NewConfChange(raft.ConfChange{Op: raft.AddMember, Member: m})); err != nil {
		return nil, err
	}
	row := n.memberRow(m)
	return &orderAnswer{Member: &row}, nil
}

func (n *Node) leadTransfer(ctx context.Context, to raft.Member) (*orderAnswer, error) {
	err := n.change(ctx, driver.NewTransfer(to.ID))
	if alreadyDone(err) != "" {
		return &orderAnswer{Leader: n.cfg.Name}, nil
	}
	if err != nil {
		return nil, err
	}
	leader := n.view.Load().raft.Leader
	if to.ID != 0 && leader != to.ID && leader != 0 {
		return nil, &admin.Error{Status: http.StatusConflict, Message: fmt.Sprintf("%s leads now, not %s", n.memberName(leader), to.Name), Hint: "Try again."}
	}
	if to.ID != 0 {
		return &orderAnswer{Leader: to.Name}, nil
	}
	return &orderAnswer{Leader: n.memberName(leader)}, nil
}

// changePatience is how long a change is tried again that the leader cannot make
// just now: another one is not committed yet, or the leader is new.
const changePatience = time.Second

// change has the driver make a change.
func (n *Node) change(ctx context.Context, c *driver.Change) error {
	patience := time.Now().Add(changePatience)
	for {
		err := n.settle(ctx, c)
		var refused *raft.ConfChangeError
		retry := errors.As(err, &refused) && refused.Retry || errors.Is(err, raft.ErrTransferring) || errors.Is(err, raft.ErrProposalDropped)
		if !retry || time.Now().After(patience) {
			return err
		}
		select {
		case <-time.After(orderPoll):
		case <-ctx.Done():
			return err
		case <-n.stopped:
			return err
		}
	}
}

// settle hands a change to the driver and waits for its outcome, and until the
// rest of the node sees it.
func (n *Node) settle(ctx context.Context, c *driver.Change) error {
	n.inbox.put(func(e *driver.Events) { e.Changes = append(e.Changes, c) })
	select {
	case err := <-c.Done:
		if err == nil {
			n.ask(ctx, func(core *raft.Raft) {
				n.showCore()
				n.showMembers(core.Status().Configuration)
			})
		}
		return err
	case <-ctx.Done():
		return errOrderTimeout
	case <-n.stopped:
		return errOrderTimeout
	}
}

// errOrderTimeout says that the outcome of a change was not known in time.
var errOrderTimeout = errors.New("node: the change was not confirmed in time; it may still be carried out")

// alreadyDone returns in words that a change is not needed, "" if it is.
func alreadyDone(err error) string {
	var refused *raft.ConfChangeError
	if errors.As(err, &refused) && refused.Done {
		return refused.Reason
	}
	return ""
}

// orderError says in an operator's words why an order was not carried out.
func (n *Node) orderError(err error) (refused *admin.Error, notLeader bool) {
	var known *admin.Error
	var conf *raft.ConfChangeError
	var other *raft.NotLeaderError
	switch {
	case errors.As(err, &known):
		return known, false
	case errors.As(err, &other), errors.Is(err, driver.ErrChangeLost):
		return nil, true
	case errors.As(err, &conf):
		return &admin.Error{Status: http.StatusConflict, Message: conf.Reason, Hint: "See quorate member list and quorate status."}, false
	case errors.Is(err, raft.ErrFull):
		return &admin.Error{Status: http.StatusConflict, Message: "the leader's disk is full; nothing was done", Hint: "Make room on its disk, or transfer the leadership."}, false
	case errors.Is(err, driver.ErrTransferFailed):
		return &admin.Error{Status: http.StatusConflict, Message: "the member did not take over in time; " + n.cfg.Name + " still leads", Hint: "See quorate status: it may be behind or not connected."}, false
	case errors.Is(err, errOrderTimeout), errors.Is(err, driver.ErrChangeUnknown):
		return &admin.Error{Status: http.StatusGatewayTimeout, Message: "the change was not confirmed in time; it may still be carried out",
			Hint: "Look at quorate member list, then repeat it if need be."}, false
	}
	return &admin.Error{Status: http.StatusConflict, Message: err.Error()}, false
}

// AddMember implements admin.Operator. The new member has an id that was never
// used; it learns it when it comes (join.go).
func (n *Node) AddMember(ctx context.Context, name, peerAddr string, learner bool) (admin.Member, error) {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		return admin.Member{}, fmt.Errorf("node: draw a member's id: %w", err)
	}
	id := raft.NodeID(binary.BigEndian.Uint64(b[:]))
	answer, err := n.carryOut(ctx, order{Op: opAdd, ID: id, Name: name, Address: peerAddr, Learner: learner})
	if err != nil {
		return admin.Member{}, err
	}
	return *answer.Member, nil
}

// PromoteMember implements admin.Operator.
func (n *Node) PromoteMember(ctx context.Context, name string) (string, error) {
	answer, err := n.carryOut(ctx, order{Op: opPromote, Name: name})
	if err != nil {
		return "", err
	}
	return answer.Message, nil
}

// RemoveMember implements admin.Operator.
func (n *Node) RemoveMember(ctx context.Context, name, force string) error {
	meant, _ := n.members.Load().Configuration.Named(name)
	_, err := n.carryOut(ctx, order{Op: opRemove, ID: meant.ID, Name: name, Force: force})
	return err
}

// UpdateMember implements admin.Operator.
func (n *Node) UpdateMember(ctx context.Context, name, peerAddr string) error {
	_, err := n.carryOut(ctx, order{Op: opUpdate, Name: name, Address: peerAddr})
	return err
}

// TransferLeadership implements admin.Operator.
func (n *Node) TransferLeadership(ctx context.Context, name string) (string, error) {
	answer, err := n.carryOut(ctx, order{Op: opTransfer, Name: name})
	if err != nil {
		return "", err
	}
	return answer.Leader, nil
}
