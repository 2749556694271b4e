package transport

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"quorate/raft"
)

// TestOutboxBounds shows what the queue takes and what it drops.
func TestOutboxBounds(t *testing.T) {
	newOutbox := func() *outbox {
		return &outbox{maxCount: 3, maxBytes: 2000, maxFrameBytes: 5000, maxEntries: 4, wake: make(chan struct{}, 1), open: true}
	}
	message := func(bytes ...int) raft.Message {
		m := raft.Message{Type: raft.AppendEntries, To: two}
		for _, n := range bytes {
			m.Entries = append(m.Entries, raft.Entry{Data: make([]byte, n)})
		}
		return m
	}
	for _, c := range []struct {
		name     string
		messages []raft.Message
		taken    int
	}{
		{"up to the count", []raft.Message{message(), message(), message(), message()}, 3},
		{"up to the bytes", []raft.Message{message(800), message(800), message(800)}, 2},
		{"small ones pass after a large one was dropped", []raft.Message{message(900), message(1900), message(100)}, 2},
		{"one over the bytes goes alone", []raft.Message{message(4000), message()}, 1},
		{"not one over the frame limit", []raft.Message{message(5000), message(10)}, 1},
		{"not one with too many entries", []raft.Message{message(1, 1, 1, 1, 1), message(1, 1, 1, 1)}, 1},
		{"not one that does not travel", []raft.Message{{Type: raft.InstallSnapshot, To: two}, message()}, 1},
		{"none for another peer", []raft.Message{{Type: raft.Heartbeat, To: 3}}, 0},
	} {
		o := newOutbox()
		o.putMessages(two, c.messages)
		var b batch
		o.take(&b)
		mine := len(c.messages)
		if c.messages[0].To != two {
			mine = 0
		}
		if len(b.messages) != c.taken || int(o.dropped) != mine-c.taken {
			t.Errorf("%s: %d taken, %d dropped", c.name, len(b.messages), o.dropped)
		}
		if o.putMessages(two, []raft.Message{message(1900)}); len(o.waiting.messages) != 1 {
			t.Errorf("%s: after the queue was taken it is not empty", c.name)
		}
	}

	o := newOutbox()
	if !o.putProposals(make([]Proposal, 4)) {
		t.Error("an empty queue takes one call's worth")
	}
	if o.putProposals(make([]Proposal, 1)) {
		t.Error("a full queue took a proposal")
	}
	if o.putProposals([]Proposal{{Data: make([]byte, 5000)}}) {
		t.Error("a proposal over the frame limit was taken")
	}
	if !o.putReplies(make([]ProposalReply, 2)) || o.putReplies(make([]ProposalReply, 2)) {
		t.Error("replies: two fit, two more do not")
	}
	o.setOpen(false)
	if o.dropped != 1+1+2+4+2 {
		t.Errorf("%d dropped: three calls that were not taken, and what waited at the end", o.dropped)
	}
}

// TestBatchEncode shows how a batch is cut into frames: messages, replies,
// proposals, in their order; at most maxBatch in one frame, and about a
// megabyte, so that a receiver's limit is kept whatever the queue held.
func TestBatchEncode(t *testing.T) {
	var b batch
	b.messages = heartbeats(two, 0, maxBatch+1)
	b.replies = make([]ProposalReply, 2)
	for range 5 {
		b.proposals = append(b.proposals, Proposal{Data: make([]byte, 400<<10)})
	}
	b.proposals = append(b.proposals, Proposal{Data: make([]byte, 3<<20)})

	var stream bytes.Buffer
	buf, err := b.encode(nil, func(p []byte) error { _, err := stream.Write(p); return err })
	if err != nil {
		t.Fatal(err)
	}
	stream.Write(buf)
	var got []string
	for stream.Len() > 0 {
		body, err := nextBody(&stream)
		if err != nil {
			t.Fatal(err)
		}
		f, err := decodeFrame(body, true, one, two, defaultEntries)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d:%d", f.kind, len(f.messages)+len(f.replies)+len(f.proposals)))
	}
	if want := "1:4096 1:1 3:2 2:2 2:2 2:1 2:1"; strings.Join(got, " ") != want {
		t.Errorf("frames %v, expected %s", got, want)
	}

	b.reset()
	if len(b.messages)+len(b.replies)+len(b.proposals) > 0 || b.messages[:1][0].Round != 0 || b.proposals[:1][0].Data != nil {
		t.Error("a reset batch holds on to what it carried")
	}
}

func nextBody(r io.Reader) ([]byte, error) {
	var length [lengthBytes]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	return readBody(r, int(length[0])<<24|int(length[1])<<16|int(length[2])<<8|int(length[3]))
}

// TestStandingGivesWay shows that of a member's standings only the newest waits,
// and none without a connection.
func TestStandingGivesWay(t *testing.T) {
	o := outbox{wake: make(chan struct{}, 1)}
	o.putStanding(&Standing{Quarantined: true})
	var b batch
	if o.take(&b); b.standing != nil {
		t.Error("a standing waits though there is no connection")
	}
	o.setOpen(true)
	o.putStanding(&Standing{Quarantined: true})
	o.putStanding(&Standing{Digests: make([]Digest, 3)})
	if o.take(&b); b.standing == nil || b.standing.Quarantined || len(b.standing.Digests) != 3 {
		t.Errorf("what waits is %+v, not the newest", b.standing)
	}
	if b.reset(); b.standing != nil {
		t.Error("a reset batch holds on to its standing")
	}
}
