package raft

import (
	"errors"
	"fmt"
)

// ErrProposalDropped is returned by Propose when MaxUncommittedBytes of
// entries wait to be committed, or MaxUnappliedBytes to be applied. Nothing was
// appended: propose again later.
var ErrProposalDropped = errors.New("raft: proposal dropped: too many uncommitted or unapplied bytes; try again later")

// ErrReadDropped is returned by ReadIndex when too many questions wait for an
// answer: ask again later.
var ErrReadDropped = errors.New("raft: read dropped: too many reads wait for an answer; try again later")

// ErrTransferring is returned while the leader hands over. Nothing was done: ask
// again, of the new leader or, should the transfer fail, of this one.
var ErrTransferring = errors.New("raft: the leadership is being handed over; try again later")

// ErrFull is returned while the member's disk has no room for entries. Nothing
// was done: ask again when there is room.
var ErrFull = errors.New("raft: the disk has no room for entries; try again later")

// ConfChangeError is returned by ProposeConfChange and TransferLeadership for a
// change that is not made.
type ConfChangeError struct {
	Reason string
	Retry  bool // it may succeed later, without anybody doing anything
	Done   bool // things are as wanted already
}

func (e *ConfChangeError) Error() string { return "raft: " + e.Reason }

func notPossible(format string, args ...any) error {
	return &ConfChangeError{Reason: fmt.Sprintf(format, args...)}
}

func retryLater(format string, args ...any) error {
	return &ConfChangeError{Reason: fmt.Sprintf(format, args...), Retry: true}
}

func alreadyDone(format string, args ...any) error {
	return &ConfChangeError{Reason: fmt.Sprintf(format, args...), Done: true}
}

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
