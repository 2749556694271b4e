package transport

import (
	"sync"

	"quorate/raft"
)

// outbox is what waits to be sent to one peer: three bounded queues, each in
// order, and the newest Standing. It takes things only while a connection stands, so a new connection
// begins with nothing stale.
type outbox struct {
	maxCount      int
	maxBytes      int
	maxFrameBytes int
	maxEntries    int
	wake          chan struct{} // holds one token while there may be work

	mu      sync.Mutex // guards the fields below
	open    bool
	waiting batch
	dropped uint64
}

// batch is what one write carries.
type batch struct {
	messages      []raft.Message
	proposals     []Proposal
	replies       []ProposalReply
	standing      *Standing
	messageBytes  int // sum of messageBytes over messages
	proposalBytes int
}

// reset empties b and keeps its memory, but nothing that the elements held.
func (b *batch) reset() {
	clear(b.messages)
	clear(b.proposals)
	*b = batch{messages: b.messages[:0], proposals: b.proposals[:0], replies: b.replies[:0]}
}

// putMessages queues those of the messages that are for the peer.
func (o *outbox) putMessages(to raft.NodeID, messages []raft.Message) {
	o.mu.Lock()
	put := false
	for i := range messages {
		m := &messages[i]
		if m.To != to {
			continue
		}
		if !o.takesMessage(m) {
			o.dropped++
			continue
		}
		o.waiting.messages = append(o.waiting.messages, *m)
		o.waiting.messageBytes += messageBytes(m)
		put = true
	}
	o.mu.Unlock()
	if put {
		o.signal()
	}
}

func (o *outbox) takesMessage(m *raft.Message) bool {
	n := messageBytes(m)
	if !o.open || m.Type > newestMessageType || n+frameMaxBytes > o.maxFrameBytes || len(m.Entries) > o.maxEntries {
		return false
	}
	count := len(o.waiting.messages)
	return count == 0 || count < o.maxCount && o.waiting.messageBytes+n <= o.maxBytes
}

func (o *outbox) putProposals(proposals []Proposal) bool {
	n := 0
	for i := range proposals {
		one := proposalMaxBytes + len(proposals[i].Data)
		if one+frameMaxBytes > o.maxFrameBytes {
			o.drop(len(proposals))
			return false
		}
		n += one
	}
	o.mu.Lock()
	count := len(o.waiting.proposals)
	if !o.open || count > 0 && (count+len(proposals) > o.maxCount || o.waiting.proposalBytes+n > o.maxBytes) {
		o.dropped += uint64(len(proposals))
		o.mu.Unlock()
		return false
	}
	o.waiting.proposals = append(o.waiting.proposals, proposals...)
	o.waiting.proposalBytes += n
	o.mu.Unlock()
	o.signal()
	return true
}

func (o *outbox) putReplies(replies []ProposalReply) bool {
	o.mu.Lock()
	count := len(o.waiting.replies)
	if !o.open || count > 0 && count+len(replies) > o.maxCount {
		o.dropped += uint64(len(replies))
		o.mu.Unlock()
		return false
	}
	o.waiting.replies = append(o.waiting.replies, replies...)
	o.mu.Unlock()
	o.signal()
	return true
}

func (o *outbox) drop(n int) {
	o.mu.Lock()
	o.dropped += uint64(n)
	o.mu.Unlock()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // the sender has a token already and will find this too
	}
}

// take swaps what waits with the empty batch b.
func (o *outbox) take(b *batch) {
	o.mu.Lock()
	o.waiting, *b = *b, o.waiting
	o.mu.Unlock()
}

// setOpen is called when a connection begins and ends. What still waits at the
// end is dropped.
func (o *outbox) setOpen(open bool) {
	o.mu.Lock()
	o.open = open
	w := &o.waiting
	o.dropped += uint64(len(w.messages) + len(w.proposals) + len(w.replies))
	w.reset()
	o.mu.Unlock()
}

func (o *outbox) droppedCount() uint64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.dropped
}

const (
	// frameTargetBytes is where a frame ends, so that the receiver begins with
	// the first while the second is on its way.
	frameTargetBytes = 1 << 20
	// keptBufferBytes is the largest buffer kept for the next write.
	keptBufferBytes = 4 << 20
)

// encode appends b's frames to buf, in order of urgency: elections and
// heartbeats are among the messages, replies let other members go on. Whenever
// a frame is complete and buf has grown to a write's size, flush empties it.
func (b *batch) encode(buf []byte, flush func([]byte) error) ([]byte, error) {
	var err error
	add := func(encoded []byte) {
		buf = encoded
		if len(buf) >= frameTargetBytes {
			err = flush(buf)
			buf = buf[:0]
		}
	}
	for rest := b.messages; len(rest) > 0 && err == nil; {
		n := prefix(rest, messageBytes)
		add(appendMessages(buf, rest[:n]))
		rest = rest[n:]
	}
	for rest := b.replies; len(rest) > 0 && err == nil; {
		n := prefix(rest, func(*ProposalReply) int { return replyMaxBytes })
		add(appendReplies(buf, rest[:n]))
		rest = rest[n:]
	}
	if b.standing != nil && err == nil {
		add(appendStanding(buf, b.standing))
	}
	for rest := b.proposals; len(rest) > 0 && err == nil; {
		n := prefix(rest, func(p *Proposal) int { return proposalMaxBytes + len(p.Data) })
		add(appendProposals(buf, rest[:n]))
		rest = rest[n:]
	}
	return buf, err
}

// prefix returns how many of the elements go into one frame: at least one.
func prefix[T any](elements []T, size func(*T) int) int {
	limit := frameTargetBytes - frameMaxBytes
	bytes := size(&elements[0])
	n := 1
	for n < len(elements) && n < maxBatch {
		bytes += size(&elements[n])
		if bytes > limit {
			break
		}
		n++
	}
	return n
}
