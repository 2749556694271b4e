package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"quorate/internal/exitcode"
	"quorate/node/driver"
	"quorate/raft"
	"quorate/transport"
)

// peerHandler takes what the transport brings. Its methods only put things in
// the inbox; they run on the connections' goroutines.
type peerHandler struct{ node *Node }

func (h peerHandler) Messages(_ raft.NodeID, m []raft.Message) {
	h.node.inbox.put(func(e *driver.Events) { e.Messages = append(e.Messages, m...) })
}

func (h peerHandler) Proposals(_ raft.NodeID, p []transport.Proposal) {
	h.node.inbox.put(func(e *driver.Events) { e.Proposals = append(e.Proposals, p...) })
}

func (h peerHandler) Replies(_ raft.NodeID, r []transport.ProposalReply) {
	h.node.inbox.put(func(e *driver.Events) { e.Replies = append(e.Replies, r...) })
}

func (h peerHandler) Standing(from raft.NodeID, s transport.Standing) { h.node.watch.heard(from, s) }

func (h peerHandler) Connected(peer transport.Hello) {
	h.node.refusals.forget(peer.NodeID)
	h.node.cfg.Logger.Info().Str("component", "transport").Str("peer", peer.Name).Str("peer_version", peer.Version).Msg("connected")
}

func (h peerHandler) Disconnected(id raft.NodeID, err error) {
	if errors.Is(err, context.Canceled) {
		return // this node stops
	}
	h.node.inbox.put(func(e *driver.Events) { e.Unreachable = append(e.Unreachable, id) })
	h.node.cfg.Logger.Warn().Str("component", "transport").Str("peer", h.node.memberName(id)).Err(err).Msg("connection lost")
}

// Refused is called when a handshake does not succeed, here or over there. A
// stranger at the port is a line in the log, and so is a second process with this
// node's identity, which may be this one before its restart. Another member that
// will not have this one may be the end: a member that remembers another storage id
// knows that this node has lost its log, one that knows of its removal knows that
// it is no member any more, and where a majority refuses for another reason there
// is no cluster for this node to be part of.
func (h peerHandler) Refused(id raft.NodeID, address string, reason error) {
	n := h.node
	event := n.cfg.Logger.Warn().Str("component", "transport").Str("address", address).Err(reason)
	if id != 0 { // a node that asks to join has none yet
		event.Str("peer", n.memberName(id))
	}
	var refusal *transport.Refusal
	if !errors.As(reason, &refusal) {
		event.Msg("connection closed")
		return
	}
	event.Str("hint", refusal.Hint).Msg("handshake refused")
	if !refusal.ByPeer || refusal.Code == transport.RefusedTwin {
		return
	}
	code := exitcode.Failed
	final := false
	switch refusal.Code {
	case transport.RefusedRemoved:
		n.end(errRemoved())
		return
	case transport.RefusedStorage:
		code, final = exitcode.DataDir, true
	case transport.RefusedCluster:
		code = exitcode.DataDir
	}
	n.refusals.add(id)
	members := n.members.Load().Configuration.Members
	if !final && n.refusals.of(members) <= len(members)/2 {
		return // the others may well take us
	}
	n.end(&exitcode.Error{Code: code, Err: fmt.Errorf("member %q refuses this node: %s", n.memberName(id), refusal.Message), Hint: refusal.Hint})
}

// end stops the node with an error, if it does not stop already.
func (n *Node) end(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

// errRemoved is how a node ends that is no member any more.
func errRemoved() error {
	return &exitcode.Error{Code: exitcode.DataDir, Err: errors.New("this node was removed from the cluster"),
		Hint: "Its data is of no use any more. To bring it back, empty its data directory and start it with --join: it comes as a new member."}
}

// refusals are the nodes that will not have this one, strangers among them.
type refusals struct {
	mu sync.Mutex
	by map[raft.NodeID]bool // guarded by mu
}

// refusalsMax is how many are remembered at most: more than there are members.
const refusalsMax = 64

// add notes a refusal.
func (r *refusals) add(id raft.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by == nil || len(r.by) == refusalsMax {
		r.by = map[raft.NodeID]bool{} // members are dialled again and again
	}
	r.by[id] = true
}

// of returns how many of the members refuse.
func (r *refusals) of(members []raft.Member) (count int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range members {
		if r.by[members[i].ID] {
			count++
		}
	}
	return count
}

func (r *refusals) forget(id raft.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.by, id)
}
