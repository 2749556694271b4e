package node

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"quorate/internal/exitcode"
	"quorate/raft"
)

// Who a node is, and which cluster it belongs to.
//
// The id of a member that the cluster began with comes from its name, so that
// all give it the same one without asking. A member that joins later has one from
// its name and its storage id, or one that was drawn when it was added before it
// came: an id is never used twice. The storage id is drawn when a log is made: it
// tells a member that still has its log from one that has lost it.
//
// The cluster's id has two halves. The first comes from the token, the members
// that the cluster began with and, if it was restored, what it was restored from:
// members that were given different archives, or one that was given none, do not
// come together. The second comes from the token and the first, so
// that a member that joined later, and does not know how the cluster began, still
// notices when it is given another cluster's token.

// memberID is the id of a member that the cluster begins with.
func memberID(name string) raft.NodeID { return hashID("quorate member\x00" + name) }

// joinID is the id of a member that joins.
func joinID(name string, storage [16]byte) raft.NodeID {
	return hashID(fmt.Sprintf("quorate member\x00%s\x00%x", name, storage))
}

// hashID is the first eight bytes of a hash.
func hashID(text string) raft.NodeID {
	sum := sha256.Sum256([]byte(text))
	return raft.NodeID(binary.BigEndian.Uint64(sum[:]))
}

// clusterID is the id of a cluster that begins with the members, and with the data
// that restored stands for; nil if with none.
func clusterID(token string, c raft.Configuration, restored []byte) (id [16]byte) {
	members := slices.Clone(c.Members)
	slices.SortFunc(members, func(a, b raft.Member) int { return cmp.Compare(a.Name, b.Name) })
	h := sha256.New()
	fmt.Fprintf(h, "quorate cluster\x00%q", token)
	for _, m := range members {
		fmt.Fprintf(h, "\x00%q=%q", m.Name, m.Address)
	}
	if restored != nil {
		fmt.Fprintf(h, "\x00restored %x", restored)
	}
	copy(id[:8], h.Sum(nil))
	vouched := tokenHalf(token, id)
	copy(id[8:], vouched[:])
	return id
}

// tokenHalf is what the second half of a cluster's id is if the token is its own.
func tokenHalf(token string, id [16]byte) (half [8]byte) {
	sum := sha256.Sum256(fmt.Appendf(nil, "quorate cluster token\x00%q\x00%x", token, id[:8]))
	copy(half[:], sum[:])
	return half
}

// hasToken reports whether the token is the cluster's.
func hasToken(token string, id [16]byte) bool { return tokenHalf(token, id) == [8]byte(id[8:]) }

// tokenDigest is what is sent instead of the token.
func tokenDigest(token string) [32]byte {
	return sha256.Sum256([]byte("quorate token\x00" + token))
}

// newStorageID draws a storage id.
func newStorageID() (id [16]byte, err error) {
	if _, err = rand.Read(id[:]); err != nil {
		return id, fmt.Errorf("node: draw a storage id: %w", err)
	}
	return id, nil
}

// configuration makes the raft configuration of the members given by name and
// address; without any, of this node alone.
func configuration(cfg *Config) (raft.Configuration, error) {
	members := slices.Clone(cfg.InitialCluster)
	if len(members) == 0 {
		members = []raft.Member{{Name: cfg.Name, Address: cfg.PeerAdvertise}}
	}
	self := false
	byID := map[raft.NodeID]string{}
	for i := range members {
		m := &members[i]
		m.ID = memberID(m.Name)
		if other, taken := byID[m.ID]; taken {
			return raft.Configuration{}, &exitcode.Error{
				Code: exitcode.Usage,
				Err:  fmt.Errorf("the initial cluster names member %q twice (or its id collides with %q)", m.Name, other),
				Hint: "Give every member a name of its own.",
			}
		}
		byID[m.ID] = m.Name
		self = self || m.Name == cfg.Name
	}
	if !self {
		return raft.Configuration{}, &exitcode.Error{
			Code: exitcode.Usage,
			Err:  fmt.Errorf("this node's name, %q, is not in the initial cluster", cfg.Name),
			Hint: "Set --name to one of the names in --initial-cluster.",
		}
	}
	slices.SortFunc(members, func(a, b raft.Member) int { return cmp.Compare(a.ID, b.ID) })
	return raft.Configuration{Members: members}, nil
}

// errLostLog says that the database is ahead of the log.
var errLostLog = errors.New("the database is ahead of the log: the log has been removed or replaced")
