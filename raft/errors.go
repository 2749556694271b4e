package raft

import (
	"errors"
	"fmt"
)

// ErrProposalDropped is returned by Propose when MaxUncommittedBytes of
// entries wait to be committed. Nothing was appended: propose again later.
var ErrProposalDropped = errors.New("raft: proposal dropped: too many uncommitted bytes; try again later")

// ErrReadDropped is returned by ReadIndex when too many questions wait for an
// answer: ask again later.
var ErrReadDropped = errors.New("raft: read dropped: too many reads wait for an answer; try again later")

// NotLeaderError is returned by Propose on a member that does not lead, and by
// ReadIndex on one that knows no leader.
type NotLeaderError struct {
	Leader NodeID // who does lead; 0: unknown
}

func (e *NotLeaderError) Error() string {
	if e.Leader == 0 {
		return "raft: not the leader, and no leader is known; try again later"
	}
	return fmt.Sprintf("raft: not the leader: member %s is", e.Leader)
}

// MessageError is returned by Step for a message that a correct member of this
// cluster would not have sent. What it says is not done.
type MessageError struct {
	Type   MessageType
	From   NodeID
	Reason string
}

func (e *MessageError) Error() string {
	return fmt.Sprintf("raft: %s from member %s refused: %s", e.Type, e.From, e.Reason)
}

func refuse(m *Message, format string, args ...any) error {
	return &MessageError{Type: m.Type, From: m.From, Reason: fmt.Sprintf(format, args...)}
}
