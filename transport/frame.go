package transport

import (
	"encoding/binary"
	"fmt"

	"quorate/raft"
)

// frameKind is a frame's first element. The numbers are on the wire.
type frameKind uint8

const (
	kindMessages  frameKind = 1
	kindProposals frameKind = 2
	kindReplies   frameKind = 3
	kindPing      frameKind = 4
	kindPong      frameKind = 5
	kindStanding  frameKind = 6
	kindHello     frameKind = 16
	kindWelcome   frameKind = 17
	kindRefusal   frameKind = 18
	kindImage     frameKind = 32
	kindHave      frameKind = 33
	kindChunk     frameKind = 34
	kindDone      frameKind = 35
	kindCall      frameKind = 36
	kindAnswer    frameKind = 37
	kindFailure   frameKind = 38
)

// Proposal is a command that a follower hands to the leader of Term, to be
// proposed there. The receiver refuses it in any other term, so that the
// origin knows of every copy that may be in a log.
type Proposal struct {
	Origin   raft.NodeID
	Term     raft.Term
	Seq      uint64 // the origin's number for the command
	LowWater uint64 // the origin awaits nothing below this number any more
	Data     []byte // never written to after it was handed over, as an Entry's
}

// Reason says why a proposal was not accepted. The numbers are on the wire.
type Reason uint8

// The reasons.
const (
	// Accepted: no reason; the command is in the leader's log, not committed.
	Accepted Reason = iota
	// NotLeader: the receiver does not lead the proposal's term.
	NotLeader
	// Overloaded: the leader takes nothing just now.
	Overloaded
	// DiskFull: there is no room for the command on the disks, and the leader
	// accepts no copy of it in this term.
	DiskFull
)

func (r Reason) String() string {
	switch r {
	case Accepted:
		return "accepted"
	case NotLeader:
		return "not the leader of that term"
	case Overloaded:
		return "overloaded"
	case DiskFull:
		return "disk full"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// ProposalReply answers one Proposal.
type ProposalReply struct {
	// Incarnation, Seq and Term are the proposal's and name it: the origin's
	// life, for it counts anew in each and an answer may be late; the number;
	// and the term, for a command may be proposed in several.
	Incarnation uint64
	Seq         uint64
	Term        raft.Term
	Accepted    bool
	Reason      Reason
}

// Elements in each fixed-length array, and the fewest bytes an element of each
// variable-length array takes: every number one byte, every array empty.
const (
	messageFields  = 13
	entryFields    = 4
	proposalFields = 5
	replyFields    = 5

	messageMinBytes  = 1 + messageFields
	entryMinBytes    = 1 + 3 + 2
	proposalMinBytes = 1 + 4 + 2
	replyMinBytes    = 1 + replyFields
)

// The most bytes that one value takes, without the data it carries.
const (
	messageMaxBytes  = 1 + 2 + 3 + 8*maxUintBytes + maxHeaderBytes
	entryMaxBytes    = 1 + 2 + 2*maxUintBytes + maxHeaderBytes
	proposalMaxBytes = 1 + 4*maxUintBytes + maxHeaderBytes
	replyMaxBytes    = 1 + 3*maxUintBytes + 1 + 2
	// A frame's own: length, array, kind, header of the array inside.
	frameMaxBytes = lengthBytes + 1 + 1 + maxHeaderBytes
)

// The newest types that this version of the format knows. A member that sends
// a newer one speaks another protocol and should have said so in its Hello.
// raft.InstallSnapshot, which comes after them, does not travel: whoever
// received an image makes it.
const (
	newestMessageType = raft.TimeoutNow
	newestEntryType   = raft.EntryConfiguration
)

const (
	// lengthBytes is the size of a frame's length prefix.
	lengthBytes = 4
	// maxBatch is how many messages, proposals or replies one frame may hold.
	maxBatch = 4096
)

// messageBytes is at least what m takes in a frame.
func messageBytes(m *raft.Message) int {
	n := messageMaxBytes + len(m.Entries)*entryMaxBytes
	for i := range m.Entries {
		n += len(m.Entries[i].Data)
	}
	return n
}

// beginFrame appends room for the length, then the kind. The caller appends
// one more value and calls endFrame with the position of the room.
func beginFrame(b []byte, kind frameKind) (buf []byte, start int) {
	start = len(b)
	b = append(b, 0, 0, 0, 0, fixArrayMin|2)
	return appendUint(b, uint64(kind)), start
}

func endFrame(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-lengthBytes))
	return b
}

// appendMessages appends one frame. From and To are not in it: the connection
// says who sends to whom, and says it once.
func appendMessages(b []byte, messages []raft.Message) []byte {
	b, start := beginFrame(b, kindMessages)
	b = appendArrayHeader(b, len(messages))
	for i := range messages {
		b = appendMessage(b, &messages[i])
	}
	return endFrame(b, start)
}

func appendMessage(b []byte, m *raft.Message) []byte {
	b = append(b, fixArrayMin|messageFields)
	b = appendUint(b, uint64(m.Type))
	b = appendUint(b, uint64(m.Term))
	b = appendUint(b, uint64(m.Index))
	b = appendUint(b, uint64(m.LogTerm))
	b = appendUint(b, uint64(m.Commit))
	b = appendBool(b, m.Reject)
	b = appendUint(b, uint64(m.HintIndex))
	b = appendUint(b, uint64(m.HintTerm))
	b = appendUint(b, m.Round)
	b = appendUint(b, m.Request)
	b = appendBool(b, m.Transfer)
	b = appendBool(b, m.Full)
	b = appendArrayHeader(b, len(m.Entries))
	for i := range m.Entries {
		e := &m.Entries[i]
		b = append(b, fixArrayMin|entryFields)
		b = appendUint(b, uint64(e.Term))
		b = appendUint(b, uint64(e.Index))
		b = appendUint(b, uint64(e.Type))
		b = appendBytes(b, e.Data)
	}
	return b
}

func appendProposals(b []byte, proposals []Proposal) []byte {
	b, start := beginFrame(b, kindProposals)
	b = appendArrayHeader(b, len(proposals))
	for i := range proposals {
		p := &proposals[i]
		b = append(b, fixArrayMin|proposalFields)
		b = appendUint(b, uint64(p.Origin))
		b = appendUint(b, uint64(p.Term))
		b = appendUint(b, p.Seq)
		b = appendUint(b, p.LowWater)
		b = appendBytes(b, p.Data)
	}
	return endFrame(b, start)
}

func appendReplies(b []byte, replies []ProposalReply) []byte {
	b, start := beginFrame(b, kindReplies)
	b = appendArrayHeader(b, len(replies))
	for i := range replies {
		r := &replies[i]
		b = append(b, fixArrayMin|replyFields)
		b = appendUint(b, r.Incarnation)
		b = appendUint(b, r.Seq)
		b = appendUint(b, uint64(r.Term))
		b = appendBool(b, r.Accepted)
		b = appendUint(b, uint64(r.Reason))
	}
	return endFrame(b, start)
}

// appendProbe appends a frame that carries a number: a Ping, the Pong that
// returns its stamp, or how much of an image there is.
func appendProbe(b []byte, kind frameKind, stamp uint64) []byte {
	b, start := beginFrame(b, kind)
	return endFrame(appendUint(b, stamp), start)
}

// appendBlob appends a frame that carries bytes: a call, its answer, a failure.
func appendBlob(b []byte, kind frameKind, blob []byte) []byte {
	b, start := beginFrame(b, kind)
	return endFrame(appendBytes(b, blob), start)
}

// decodeBlob decodes such a frame's value; what it returns lies in value.
func decodeBlob(value []byte) ([]byte, error) {
	r := reader{buf: value, owned: true}
	blob := r.bytes()
	if err := r.whole(); err != nil {
		return nil, err
	}
	return blob, nil
}

// frame is one decoded frame: its kind and the one part that the kind has.
type frame struct {
	kind      frameKind
	messages  []raft.Message
	proposals []Proposal
	replies   []ProposalReply
	standing  *Standing
	stamp     uint64
}

// decodeFrame decodes a frame's body, which is what follows the length. With
// owned, byte strings alias body, which then belongs to them; without, the
// body is copied once if it has any. After an error nothing is returned.
func decodeFrame(body []byte, owned bool, from, to raft.NodeID, maxEntries int) (frame, error) {
	r := reader{buf: body, owned: owned}
	r.tuple(2)
	f := frame{kind: frameKind(r.uint8())}
	if r.err == nil {
		switch f.kind {
		case kindMessages:
			f.messages = r.messages(from, to, maxEntries)
		case kindProposals:
			f.proposals = r.proposals()
		case kindReplies:
			f.replies = r.replies()
		case kindStanding:
			f.standing = r.standing()
		case kindPing, kindPong:
			f.stamp = r.uint()
		default:
			r.fail(errFrameKind)
		}
	}
	if r.err == nil && r.left() > 0 {
		r.fail(errTrailing)
	}
	if r.err != nil {
		return frame{}, fmt.Errorf("%w: kind %d, at byte %d of %d: %w", ErrMalformed, f.kind, r.at, len(body), r.err)
	}
	return f, nil
}

func (r *reader) messages(from, to raft.NodeID, maxEntries int) []raft.Message {
	n := r.array(maxBatch, messageMinBytes)
	if n == 0 {
		return nil
	}
	messages := make([]raft.Message, n)
	for i := range messages {
		m := &messages[i]
		r.tuple(messageFields)
		m.From, m.To = from, to
		m.Type = raft.MessageType(r.uint8())
		m.Term = raft.Term(r.uint())
		m.Index = raft.Index(r.uint())
		m.LogTerm = raft.Term(r.uint())
		m.Commit = raft.Index(r.uint())
		m.Reject = r.bool()
		m.HintIndex = raft.Index(r.uint())
		m.HintTerm = raft.Term(r.uint())
		m.Round = r.uint()
		m.Request = r.uint()
		m.Transfer = r.bool()
		m.Full = r.bool()
		m.Entries = r.entries(maxEntries)
		if m.Type == 0 || m.Type > newestMessageType {
			r.fail(errMessageType)
		}
		if r.err != nil {
			return nil
		}
	}
	return messages
}

func (r *reader) entries(maxEntries int) []raft.Entry {
	n := r.array(maxEntries, entryMinBytes)
	if n == 0 {
		return nil
	}
	entries := make([]raft.Entry, n)
	for i := range entries {
		e := &entries[i]
		r.tuple(entryFields)
		e.Term = raft.Term(r.uint())
		e.Index = raft.Index(r.uint())
		e.Type = raft.EntryType(r.uint8())
		e.Data = r.bytes()
		if e.Type > newestEntryType {
			r.fail(errEntryType)
		}
		if r.err != nil {
			return nil
		}
	}
	return entries
}

func (r *reader) proposals() []Proposal {
	n := r.array(maxBatch, proposalMinBytes)
	if n == 0 {
		return nil
	}
	proposals := make([]Proposal, n)
	for i := range proposals {
		p := &proposals[i]
		r.tuple(proposalFields)
		p.Origin = raft.NodeID(r.uint())
		p.Term = raft.Term(r.uint())
		p.Seq = r.uint()
		p.LowWater = r.uint()
		p.Data = r.bytes()
		if r.err != nil {
			return nil
		}
	}
	return proposals
}

func (r *reader) replies() []ProposalReply {
	n := r.array(maxBatch, replyMinBytes)
	if n == 0 {
		return nil
	}
	replies := make([]ProposalReply, n)
	for i := range replies {
		p := &replies[i]
		r.tuple(replyFields)
		p.Incarnation = r.uint()
		p.Seq = r.uint()
		p.Term = raft.Term(r.uint())
		p.Accepted = r.bool()
		p.Reason = Reason(r.uint8())
		if r.err != nil {
			return nil
		}
	}
	return replies
}
