package raft

import "strconv"

// MessageType says what a Message asks or answers. The numbers are on the
// wire.
type MessageType uint8

// The messages: the paper's, pre-vote (thesis §9.6) and ReadIndex (§6.4).
const (
	// PreVote asks: would you vote for me in Term (my term + 1), if my log
	// ends at Index with LogTerm? Nobody's term changes.
	PreVote MessageType = iota + 1
	// PreVoteResponse: Reject, or not. Term is the asked-for term when
	// granted, the responder's own when rejected.
	PreVoteResponse
	// RequestVote: Index and LogTerm are the candidate's last entry; Transfer:
	// the leader wants it, so whoever hears a leader votes all the same.
	RequestVote
	// RequestVoteResponse: Reject, or not.
	RequestVoteResponse
	// AppendEntries: Index and LogTerm are prevLogIndex and prevLogTerm,
	// Entries follow them, Commit is the leader's commit index; Full: its disk has
	// no room for entries, so it takes no proposals.
	AppendEntries
	// AppendEntriesResponse: Index is the last index known to match; or, with
	// Reject, Index is the prevLogIndex that did not fit, and HintIndex and
	// HintTerm say where the follower's log may fit (see replication.go). If they
	// are the leader's own entry at Index, everything up to there does fit, and
	// the follower has no room for what follows.
	AppendEntriesResponse
	// Heartbeat: Commit is min(match, commit index), Round the leader's
	// newest read round.
	Heartbeat
	// HeartbeatResponse returns Round; Full: the follower's disk has no room for
	// entries.
	HeartbeatResponse
	// ReadIndex: a follower asks the leader for a read index; Request is the
	// follower's own number for the question.
	ReadIndex
	// ReadIndexResponse: Index is the read index for Request; with Reject the
	// asked node cannot answer (not the leader, or not sure any more).
	ReadIndexResponse
	// TimeoutNow: the leader hands over; campaign at once, without a pre-vote
	// (thesis §3.10).
	TimeoutNow
	// InstallSnapshot: Snapshot is complete and durable at this member, sent by
	// the leader of Term. It does not travel as a message: whoever received the
	// image makes it (see Ready.Images).
	InstallSnapshot
)

// response: it answers a request that this member sent.
func (t MessageType) response() bool {
	switch t {
	case PreVoteResponse, RequestVoteResponse, AppendEntriesResponse, HeartbeatResponse, ReadIndexResponse:
		return true
	}
	return false
}

func (t MessageType) String() string {
	if int(t) < len(messageTypeNames) && messageTypeNames[t] != "" {
		return messageTypeNames[t]
	}
	return "message type " + strconv.Itoa(int(t))
}

var messageTypeNames = [...]string{
	PreVote:               "PreVote",
	PreVoteResponse:       "PreVoteResponse",
	RequestVote:           "RequestVote",
	RequestVoteResponse:   "RequestVoteResponse",
	AppendEntries:         "AppendEntries",
	AppendEntriesResponse: "AppendEntriesResponse",
	Heartbeat:             "Heartbeat",
	HeartbeatResponse:     "HeartbeatResponse",
	ReadIndex:             "ReadIndex",
	ReadIndexResponse:     "ReadIndexResponse",
	TimeoutNow:            "TimeoutNow",
	InstallSnapshot:       "InstallSnapshot",
}

// Message is what members say to each other. Which fields a type uses is
// written at the type; the others are zero.
type Message struct {
	Type      MessageType
	From, To  NodeID
	Term      Term
	Index     Index
	LogTerm   Term
	Commit    Index
	Reject    bool
	HintIndex Index
	HintTerm  Term
	Round     uint64
	Request   uint64
	Transfer  bool
	Full      bool
	Entries   []Entry
	Snapshot  *Snapshot
}
