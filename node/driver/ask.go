package driver

import "quorate/raft"

// Question is a session's question for a read index.
type Question struct{ round *round }

// Ask is Index for those who must not block, as a simulation of one goroutine.
func (q *ReadQueue) Ask() Question { return Question{q.join()} }

// Answer returns the read index; false: there is none yet.
func (q Question) Answer() (raft.Index, bool) {
	select {
	case <-q.round.answered:
		return q.round.index, true
	default:
		return 0, false
	}
}
