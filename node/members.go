package node

import (
	"cmp"
	"net"
	"slices"
	"time"

	"quorate/raft"
	"quorate/transport"
)

// The members are those of the newest configuration in this node's log,
// committed or not, as the core has it. The rest of the node sees them through
// Node.members.

// membership is one configuration. It is never changed.
type membership struct {
	raft.ConfigurationAt
}

// member returns the member with the id.
func (n *Node) member(id raft.NodeID) (raft.Member, bool) {
	c := n.members.Load()
	return c.Configuration.Member(id)
}

// memberName returns the name of a member, or its id.
func (n *Node) memberName(id raft.NodeID) string {
	if m, ok := n.member(id); ok {
		return m.Name
	}
	return id.String()
}

// leavingGrace is how long a removed member is still talked to after its removal
// was committed: long enough for it to get the entry that says so.
const leavingGrace = 2 * time.Second

// leaver is a member that is in the configuration no more.
type leaver struct {
	peer  transport.Peer
	since time.Time
}

// warnAddress says when the others connect to this node where it does not listen:
// it then hears nothing of them but what it asks for, and cannot take part.
func (n *Node) warnAddress() {
	m, ok := n.member(n.id)
	if !ok || m.Address == n.cfg.PeerAdvertise || samePlace(m.Address, n.cfg.PeerListen) {
		return
	}
	n.cfg.Logger.Warn().Str("component", "transport").Str("address", m.Address).Str("listen", n.cfg.PeerListen).
		Str("hint", "Start it with a --peer-listen that fits, or tell the cluster: quorate member update "+m.Name+" HOST:PEERPORT.").
		Msg("the other members connect to another address than this node's")
}

// samePlace reports whether a connection to the address may reach the listener.
// Host names are not looked up.
func samePlace(address, listener string) bool {
	host, port, _ := net.SplitHostPort(address)
	listenHost, listenPort, _ := net.SplitHostPort(listener)
	ip, listenIP := net.ParseIP(host), net.ParseIP(listenHost)
	return port == listenPort && (ip == nil || listenIP == nil || listenIP.IsUnspecified() || ip.Equal(listenIP))
}

// showMembers tells the rest of the node when the members have changed. The
// driver's goroutine calls it.
func (n *Node) showMembers(now raft.ConfigurationAt) {
	old := n.members.Load()
	if old.Index == now.Index && slices.Equal(old.Configuration.Members, now.Configuration.Members) {
		return
	}
	n.members.Store(&membership{now})
	for _, m := range old.Configuration.Members {
		if _, still := now.Configuration.Member(m.ID); !still && m.ID != n.id {
			n.leavers = append(n.leavers, leaver{peerOf(m), time.Now()})
		}
	}
	n.peersPending = true
	n.logMembers(old, now)
	before, was := old.Configuration.Member(n.id)
	if m, is := n.member(n.id); was && is && m.Address != before.Address {
		n.warnAddress()
	}
}

// showPeers tells the transport whom to talk to, and whom not any more. It is
// called on every tick until the newest configuration is committed and nobody is
// leaving. The driver's goroutine calls it.
func (n *Node) showPeers() {
	if !n.peersPending {
		return
	}
	now := n.members.Load()
	committed := n.view.Load().raft.Commit >= now.Index
	peers := peersOf(now.Configuration, n.id)
	keep := n.leavers[:0]
	for _, l := range n.leavers {
		if _, back := now.Configuration.Member(l.peer.ID); back {
			continue // the removal was rolled back
		}
		if !committed || time.Since(l.since) < leavingGrace {
			keep = append(keep, l)
			peers = append(peers, l.peer)
		}
	}
	n.leavers = keep
	n.transport.SetPeers(peers)
	if committed && len(n.leavers) == 0 {
		n.peersPending = false
		n.transport.SetRemoved(now.Configuration.Removed)
		n.forgetRemoved(now.Configuration.Removed)
	}
}

// forgetRemoved takes removed members off the registry of storage ids. It writes
// to the disk, for which the driver does not wait.
func (n *Node) forgetRemoved(ids []raft.NodeID) {
	n.chores.put(func() error {
		if err := n.registry.Forget(ids); err != nil {
			n.cfg.Logger.Warn().Str("component", "transport").Err(err).Msg("forgetting removed members")
		}
		return nil
	})
}

// logMembers says what has changed.
func (n *Node) logMembers(old *membership, now raft.ConfigurationAt) {
	log := n.cfg.Logger.With().Str("component", "raft").Uint64("index", uint64(now.Index)).Logger()
	for _, m := range now.Configuration.Members {
		before, was := old.Configuration.Member(m.ID)
		switch {
		case !was:
			log.Info().Str("member", m.Name).Str("address", m.Address).Stringer("suffrage", m.Suffrage).Msg("member added")
		case before != m:
			log.Info().Str("member", m.Name).Str("address", m.Address).Stringer("suffrage", m.Suffrage).Msg("member changed")
		}
	}
	for _, m := range old.Configuration.Members {
		if _, still := now.Configuration.Member(m.ID); !still {
			log.Info().Str("member", m.Name).Msg("member removed")
		}
	}
}

func peerOf(m raft.Member) transport.Peer {
	return transport.Peer{ID: m.ID, Name: m.Name, Address: m.Address}
}

// peersOf returns the members but this one.
func peersOf(c raft.Configuration, self raft.NodeID) []transport.Peer {
	var peers []transport.Peer
	for _, m := range c.Members {
		if m.ID != self {
			peers = append(peers, peerOf(m))
		}
	}
	return peers
}

// byName returns the members, sorted by name.
func byName(c raft.Configuration) []raft.Member {
	members := slices.Clone(c.Members)
	slices.SortFunc(members, func(a, b raft.Member) int { return cmp.Compare(a.Name, b.Name) })
	return members
}
