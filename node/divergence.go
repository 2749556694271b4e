package node

import (
	"sync"

	"quorate/node/divergence"
	"quorate/raft"
	"quorate/transport"
)

// Nodes tell each other what their state machines have done, and each judges
// whether it is the one that is wrong (package divergence).

// watch is what this node has heard of the others' digests.
type watch struct {
	mu    sync.Mutex // guards what follows
	judge *divergence.Judge
}

func newWatch() *watch { return &watch{judge: divergence.New()} }

// heard takes what a member says of its state machine.
func (w *watch) heard(from raft.NodeID, s transport.Standing) {
	digests := make([]divergence.Digest, len(s.Digests))
	for i, d := range s.Digests {
		digests[i] = divergence.Digest{Index: d.Index, Sum: d.Sum}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.judge.Heard(from, s.Quarantined, digests)
}
