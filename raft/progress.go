package raft

// progressState says how a leader sends entries to a follower.
type progressState uint8

const (
	// probe: it is not known where the follower's log fits. One AppendEntries
	// is sent, then the leader waits: for the answer, or for a heartbeat
	// response that shows that it was lost.
	probe progressState = iota
	// replicate: the logs fit. Entries are sent as they come, before earlier
	// ones are acknowledged, as far as the window allows.
	replicate
	// snapshot: what it needs is no longer in the log. An image was asked for;
	// until there is news of it, no entries are sent.
	snapshot
)

func (s progressState) String() string {
	switch s {
	case replicate:
		return "replicate"
	case snapshot:
		return "snapshot"
	}
	return "probe"
}

// peer is another member as this one sees it. The ballot is a candidate's
// view, everything after it a leader's.
type peer struct {
	id     NodeID
	voter  bool // in the newest configuration
	ballot ballot

	state progressState
	// match is the highest index known to be durable at the follower and equal
	// to ours; next is the next index to send. What is in (match, next) was
	// sent and is not acknowledged.
	// Invariant: 0 <= match < next <= last + 1.
	match, next Index
	// paused: a probe was sent and its answer is awaited.
	paused bool
	// resend: a heartbeat interval began; the next heartbeat response, which
	// shows that the follower can be reached, has unanswered messages asked
	// after again.
	resend bool
	// fetching: a Fetch for this follower is with the driver.
	fetching bool
	// window holds the unacknowledged messages sent in state replicate.
	window inflight
	// commitSent is the highest commit index the follower was told of. Should
	// the message be lost, heartbeats make up for it.
	commitSent Index
	// round is the newest read round that the follower confirmed.
	round uint64
	// heard is the tick of the last message from the follower, or of the election
	// when there was none yet: everybody gets an election timeout to answer a new
	// leader. answered: there was one.
	heard    uint64
	answered bool
	// unreachable is the first tick after the last report that the connection to the
	// follower broke: what was heard before then does not say that it still lives.
	// 0: there was no report.
	unreachable uint64

	// full: the follower says that its disk has no room for entries. noRoom: it
	// did not take the last ones that it got, for that or another reason; they
	// are sent again one message a heartbeat, until it does.
	// Invariant: noRoom only in state probe.
	full, noRoom bool

	// leaving is the index of the configuration that removed the member, 0: it
	// is one. toldAt is the tick at which it was told that this is committed.
	leaving Index
	toldAt  uint64
}

// leave notes that the configuration at index removes the member.
func (p *peer) leave(index Index) {
	p.voter = false
	if p.leaving == 0 {
		p.leaving = index
	}
}

// reset prepares for a new term as leader: nothing is known but that the
// follower's log may be as long as ours.
func (p *peer) reset(last Index, now uint64) {
	*p = peer{id: p.id, voter: p.voter, next: last + 1, heard: now, window: p.window}
	p.window.clear()
}

// becomeProbe starts to look for the place where the follower's log fits.
func (p *peer) becomeProbe(next Index) {
	p.state = probe
	p.next = max(next, p.match+1)
	p.paused = false
	p.window.clear()
}

// becomeReplicate starts to send without waiting. The follower matches up to
// match.
func (p *peer) becomeReplicate() {
	p.state = replicate
	p.next = p.match + 1
	p.paused, p.noRoom = false, false
	p.window.clear()
}

// becomeSnapshot waits for an image.
func (p *peer) becomeSnapshot() {
	p.state = snapshot
	p.paused, p.noRoom = false, false
	p.window.clear()
}

// inflight is the window of messages with entries that were sent and not
// acknowledged: a ring, oldest first.
// Invariant: lasts increase from the oldest to the newest.
type inflight struct {
	ring  []inflightMessage
	start int // of the oldest
	count int
	bytes int // of all
}

type inflightMessage struct {
	last  Index // of its entries
	bytes int
}

func (w *inflight) clear() { w.start, w.count, w.bytes = 0, 0, 0 }

// add notes a message. The window must have room.
func (w *inflight) add(last Index, bytes, capacity int) {
	if w.ring == nil {
		w.ring = make([]inflightMessage, capacity)
	}
	w.ring[(w.start+w.count)%len(w.ring)] = inflightMessage{last, bytes}
	w.count++
	w.bytes += bytes
}

// acknowledge forgets the messages whose entries the follower has, all up to
// match.
func (w *inflight) acknowledge(match Index) {
	for w.count > 0 && w.ring[w.start].last <= match {
		w.bytes -= w.ring[w.start].bytes
		w.start = (w.start + 1) % len(w.ring)
		w.count--
	}
}
