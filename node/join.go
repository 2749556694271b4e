package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"quorate/admin"
	"quorate/internal/exitcode"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/transport"
)

// Joining a running cluster (--join). A node without a log asks a member which
// cluster it is in, and makes a log that knows the cluster's id and its own, but
// no members. Then it starts, and asks to be added until it finds itself among
// the members; the leader sends it the log, or an image, like to any follower
// that is behind. Each step may be interrupted and goes on at the next start:
// the log remembers the id, and adding is idempotent by id.
//
// A member may have been added before it comes (quorate member add). Then its
// name and peer address are in the configuration, with an id that nobody has
// used yet, which becomes its own.

const (
	// joinPatience is how long Open looks for a member that answers.
	joinPatience = 20 * time.Second
	// joinPause is how long a node waits before it asks again.
	joinPause = 500 * time.Millisecond
)

// clusterAnswer describes a cluster to a node that wants to join.
type clusterAnswer struct {
	ID string `json:"id"` // 32 hexadecimal digits
	// Member is the id that the member of the given name has, if it was added
	// before it came; 0: it was not.
	Member raft.NodeID `json:"member,omitempty"`
}

// describe answers opDescribe on the leader.
func (n *Node) describe(o order) *orderAnswer {
	answer := &clusterAnswer{ID: hex.EncodeToString(n.cluster[:])}
	m, ok := n.members.Load().Configuration.Named(o.Name)
	switch {
	case !ok:
	case m.Address != o.Address:
		return final(fmt.Sprintf("member %q is at %s, not at %s", m.Name, m.Address, o.Address),
			"Give this node a name of its own with --name, or the member's address with --peer-advertise; quorate member update changes a member's address.")
	case m.Suffrage == raft.Voter || n.wasHere(m.ID):
		return final(fmt.Sprintf("there is a member %q at %s already, and it has been here", m.Name, m.Address),
			"If it has lost its data directory, remove it first (quorate member remove), then join again: a voter that forgot its log can undo committed writes. Otherwise choose another --name.")
	default:
		answer.Member = m.ID
	}
	return &orderAnswer{Cluster: answer}
}

// final refuses an order that need not be repeated.
func final(message, hint string) *orderAnswer {
	return &orderAnswer{Error: &admin.Error{Status: http.StatusConflict, Message: message, Hint: hint}, Final: true}
}

// wasHere reports whether the member has been met since this node started. Of what
// was before, the registry of storage ids reminds those that it connects to; and a
// voter has had the log, whoever remembers it.
func (n *Node) wasHere(id raft.NodeID) bool {
	for _, p := range n.transport.Peers() {
		if p.ID == id {
			return p.Hello.NodeID != 0
		}
	}
	return false
}

// joinAddresses are the members to ask.
func (n *Node) joinAddresses() []string {
	var addresses []string
	for _, a := range strings.Split(n.cfg.Join, ",") {
		if a = strings.TrimSpace(a); a != "" {
			addresses = append(addresses, a)
		}
	}
	return addresses
}

// joinCluster begins the life of a node that is to join: it finds out about the
// cluster and makes a log without members.
func (n *Node) joinCluster(ctx context.Context, options wal.Options, storage [16]byte) error {
	cluster, err := n.findCluster(ctx)
	if err != nil {
		return err
	}
	id, err := hex.DecodeString(cluster.ID)
	if err != nil || len(id) != len(n.cluster) || !hasToken(n.cfg.ClusterToken, [16]byte(id)) {
		return &exitcode.Error{Code: exitcode.Usage, Err: fmt.Errorf("the cluster at %s has another token", n.cfg.Join), Hint: "Check --join and --cluster-token."}
	}
	n.cluster = [16]byte(id)
	n.id = cluster.Member
	if n.id == 0 {
		n.id = joinID(n.cfg.Name, storage)
	}
	n.log, err = wal.Create(options, wal.Identity{Cluster: n.cluster, Storage: storage, Node: n.id}, raft.Configuration{})
	if err != nil {
		return n.dirError(err, "")
	}
	return nil
}

// findCluster asks members until one answers.
func (n *Node) findCluster(ctx context.Context) (*clusterAnswer, error) {
	patience, cancel := context.WithTimeout(ctx, joinPatience)
	defer cancel()
	for {
		answer, err := n.askMembers(patience, order{Op: opDescribe, Name: n.cfg.Name, Address: n.cfg.PeerAdvertise})
		switch {
		case err == nil && answer.Cluster != nil:
			return answer.Cluster, nil
		case answer != nil && answer.Final:
			return nil, joinError(answer.Error)
		case ctx.Err() != nil:
			return nil, context.Cause(ctx) // this node is told to stop
		}
		var refusal *transport.Refusal
		if errors.As(err, &refusal) && refusal.Code == transport.RefusedToken { // waiting does not change it
			return nil, &exitcode.Error{Code: exitcode.Usage, Err: fmt.Errorf("cannot join: %s", refusal.Message), Hint: refusal.Hint}
		}
		n.cfg.Logger.Warn().Str("component", "join").Err(err).Msg("no member has told about the cluster yet")
		select {
		case <-time.After(joinPause):
			continue
		case <-patience.Done():
		}
		if ctx.Err() == nil {
			return nil, &exitcode.Error{Code: exitcode.NoQuorum, Err: fmt.Errorf("cannot join: no member at %s has answered: %w", n.cfg.Join, err),
				Hint: "Check --join, which takes peer addresses (port 7432), and --cluster-token; a majority of the members must be up."}
		}
	}
}

// joinError is a refusal that asking again does not change.
func joinError(refused *admin.Error) error {
	return &exitcode.Error{Code: exitcode.Failed, Err: fmt.Errorf("cannot join: %w", refused), Hint: refused.Hint}
}

// askMembers sends an order to the members given with --join, one after the other,
// until one has it carried out or says why not; then the answer is there beside
// the error.
func (n *Node) askMembers(ctx context.Context, o order) (*orderAnswer, error) {
	request, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("node: encode an order: %w", err)
	}
	var failed error
	for _, address := range n.joinAddresses() {
		reply, err := n.callAddress(ctx, address, request)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		answer := new(orderAnswer)
		if err := json.Unmarshal(reply, answer); err != nil {
			return nil, fmt.Errorf("node: the answer of %s cannot be read: %w", address, err)
		}
		if answer.Error != nil {
			return answer, answer.Error
		}
		return answer, nil
	}
	return nil, failed
}

// callAddress asks the member at an address.
func (n *Node) callAddress(ctx context.Context, address string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.QuorumTimeout)
	defer cancel()
	return transport.CallAddress(ctx, transport.CallConfig{Self: n.hello()}, address, request)
}

// runJoin asks to be added until this node is a member.
func (n *Node) runJoin(ctx context.Context) error {
	log := n.cfg.Logger.With().Str("component", "join").Logger()
	for {
		if _, ok := n.member(n.id); ok {
			return nil
		}
		if n.cfg.Join == "" {
			log.Warn().Str("hint", "If the cluster does not know this node yet, start it with --join.").Msg("this node is no member yet; it waits for the leader")
			return nil
		}
		answer, err := n.askMembers(ctx, order{Op: opAdd, ID: n.id, Name: n.cfg.Name, Address: n.cfg.PeerAdvertise, Learner: n.cfg.JoinLearner})
		if answer != nil && answer.Final {
			return joinError(answer.Error)
		}
		var refusal *transport.Refusal
		if errors.As(err, &refusal) && refusal.ByPeer && refusal.Code == transport.RefusedRemoved {
			return errRemoved() // it was added, and removed before it knew
		}
		if err != nil && ctx.Err() == nil {
			log.Warn().Err(err).Msg("not added yet")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(joinPause):
		}
	}
}
