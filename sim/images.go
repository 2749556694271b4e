package sim

import "quorate/raft"

// Cut, SendImage and Install are not simulated: plans keep the log whole, so
// that nobody asks for them.

func (n *node) Cut(through raft.Index) { n.world.fail("%v wants its log cut at %d", n, through) }

func (n *node) SendImage(to raft.NodeID) {
	n.world.fail("%v wants to send n%d an image", n, uint64(to))
}

func (n *node) Install(s raft.Snapshot) { n.world.fail("%v wants to install %d", n, s.Index) }
