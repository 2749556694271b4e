package raft

// Propose appends the commands to the leader's log, all of them or none, and
// returns the index of the first and their term. They are committed, or not,
// later: whoever waits compares the term of what is applied at the index.
func (r *Raft) Propose(cmds [][]byte) (first Index, term Term, err error) {
	if err := r.mayPropose(); err != nil {
		return 0, 0, err
	}
	bytes := 0
	for _, cmd := range cmds {
		bytes += len(cmd) + entryOverhead
	}
	// A batch larger than the bound goes alone rather than never.
	if r.uncommittedBytes > 0 && r.uncommittedBytes+bytes > r.config.MaxUncommittedBytes || r.overUnapplied() {
		return 0, 0, ErrProposalDropped
	}
	first = r.log.last() + 1
	for _, cmd := range cmds {
		r.appendEntry(Entry{Type: EntryNormal, Data: cmd})
	}
	r.checkInvariants()
	return first, r.term, nil
}

// mayPropose: this member leads and can take entries.
func (r *Raft) mayPropose() error {
	switch {
	case r.role != Leader:
		return &NotLeaderError{Leader: r.leader}
	case r.transfer.to != 0:
		return ErrTransferring
	case r.full:
		return ErrFull
	}
	return nil
}

// overUnapplied: the state machine has to apply some entries before there is room
// for more. When it has applied all that is committed, there is: else entries
// that are there and not committed could keep those out that replace them.
func (r *Raft) overUnapplied() bool {
	return r.log.applied < r.log.commit && r.log.unapplied > r.config.MaxUnappliedBytes
}

// appendEntry appends to the leader's own log. It is sent, and written, by the
// next Ready, so that everything of one turn of the driver's loop shares a
// message and a flush.
func (r *Raft) appendEntry(e Entry) {
	e.Term, e.Index = r.term, r.log.last()+1
	r.uncommittedBytes += entryBytes(&e)
	r.log.append(e)
	r.appended(&e)
}

// replicate sends a follower what its state and window allow. Entries carry
// the commit index along; when there are none, it is sent alone, because the
// follower's clients wait for it.
func (r *Raft) replicate(p *peer) {
	if p.state == snapshot || p.state == probe && p.paused {
		return
	}
	if p.next <= r.log.base {
		r.requestImage(p)
		return
	}
	if p.state == probe {
		p.paused = true
		if p.next < r.log.first || p.next > r.log.last() || !r.takes(p, p.next) {
			r.sendAppend(p, nil, 0)
		} else {
			r.sendEntries(p)
		}
		return
	}
	for p.next <= r.log.last() && r.windowOpen(p) && r.takes(p, p.next) {
		if p.next < r.log.first {
			r.fetch(p)
			break
		}
		r.sendEntries(p)
	}
	if min(r.log.commit, p.next-1) > p.commitSent {
		r.sendAppend(p, nil, 0)
	}
}

func (r *Raft) windowOpen(p *peer) bool {
	return p.window.count < r.config.MaxInflightMessages && p.window.bytes < r.config.MaxInflightBytes
}

// takes: the follower is not known to refuse the entry at i. One without room
// takes no-ops, and, when the leader has none either, what is committed (see
// handleMatching).
func (r *Raft) takes(p *peer, i Index) bool {
	return !p.full || r.full && i <= r.log.commit || r.log.isNoop(i)
}

func (r *Raft) sendEntries(p *peer) {
	end := r.log.last() + 1
	if p.full {
		for end = p.next + 1; end <= r.log.last() && r.takes(p, end); end++ {
		}
	}
	entries, bytes := r.log.slice(p.next, end, r.config.MaxEntriesPerMessage, r.config.MaxBytesPerMessage)
	r.sendAppend(p, entries, bytes)
}

// sendAppend sends AppendEntries with entries, which begin at p.next; empty,
// it asks whether the follower has everything before p.next.
func (r *Raft) sendAppend(p *peer, entries []Entry, bytes int) {
	prev := p.next - 1
	prevTerm, ok := r.log.term(prev)
	assert(ok, "next is past the end of the log")
	end := prev + Index(len(entries))
	r.send(Message{
		Type: AppendEntries, To: p.id,
		Index: prev, LogTerm: prevTerm, Entries: entries, Commit: r.log.commit, Full: r.full,
	})
	p.commitSent = max(p.commitSent, min(r.log.commit, end))
	if p.state == replicate && len(entries) > 0 {
		p.next = end + 1
		p.window.add(end, bytes, r.config.MaxInflightMessages)
	}
}

// fetch asks the driver for entries that are no longer in memory.
func (r *Raft) fetch(p *peer) {
	if p.fetching {
		return
	}
	p.fetching = true
	hi := min(r.log.first, p.next+Index(r.config.MaxEntriesPerMessage))
	r.fetches = append(r.fetches, Fetch{To: p.id, Lo: p.next, Hi: hi, MaxBytes: r.config.MaxBytesPerMessage})
}

// Fetched answers a Fetch with entries from its Lo on. None means that they
// could not be read: they are asked for again after the next heartbeat.
func (r *Raft) Fetched(to NodeID, entries []Entry) {
	p := r.peer(to)
	if p == nil || r.role != Leader || !p.fetching {
		return
	}
	p.fetching = false
	if len(entries) == 0 {
		p.becomeProbe(p.match + 1)
		p.paused = true
		return
	}
	// An answer that the follower has overtaken, or that was read for an
	// earlier term as leader, or before the log was cut there, is dropped, and
	// asked for anew where it is still needed.
	if p.state == replicate && entries[0].Index == p.next && p.next > r.log.base && r.holds(entries) {
		bytes := 0
		for i := range entries {
			bytes += entryBytes(&entries[i])
		}
		r.sendAppend(p, entries, bytes)
	}
	r.checkInvariants()
}

// holds: the entries follow each other and are those of the log (same index
// and term: same entry, §5.3).
func (r *Raft) holds(entries []Entry) bool {
	for i := range entries {
		e := &entries[i]
		if e.Index != entries[0].Index+Index(i) || !r.log.matches(e.Index, e.Term) {
			return false
		}
	}
	return true
}

// ReportUnreachable tells that messages to a member are being lost. What is in
// flight is taken for lost, and nothing is sent until a heartbeat is answered.
// Nor is the member counted on in a removal before it is heard again.
func (r *Raft) ReportUnreachable(id NodeID) {
	if p := r.peer(id); p != nil && r.role == Leader {
		p.unreachable = r.ticks + 1 // what comes in this tick may have been on its way
		if p.state == replicate {
			p.becomeProbe(p.match + 1)
			p.paused = true
		}
	}
	r.checkInvariants()
}

func (r *Raft) broadcastHeartbeat() {
	for _, p := range r.peers {
		// Not above match: beyond it the follower may have other entries.
		r.send(Message{Type: Heartbeat, To: p.id, Commit: min(p.match, r.log.commit), Round: r.reads.round})
	}
}

// handleAppendEntries is the receiver of Figure 2.
func (r *Raft) handleAppendEntries(m *Message) error {
	if err := r.heardLeader(m); err != nil {
		return err
	}
	if m.Index < r.log.base {
		return r.handleCutOff(m)
	}
	if !r.log.matches(m.Index, m.LogTerm) {
		hint, hintTerm := r.log.lastAtMost(m.Index, m.LogTerm)
		r.sendDurable(Message{
			Type: AppendEntriesResponse, To: m.From,
			Index: m.Index, Reject: true, HintIndex: hint, HintTerm: hintTerm,
		})
		return nil
	}
	return r.handleMatching(m)
}

// handleCutOff skips what is cut off this log: it is committed, so it is the
// leader's as well.
func (r *Raft) handleCutOff(m *Message) error {
	if n := r.log.base - m.Index; n <= Index(len(m.Entries)) {
		rest := *m
		rest.Index, rest.LogTerm, rest.Entries = r.log.base, m.Entries[n-1].Term, m.Entries[n:]
		if rest.LogTerm != r.log.baseTerm {
			return refuse(m, "entry %d with term %d differs from the committed one: a member has lost its log", rest.Index, rest.LogTerm)
		}
		return r.handleMatching(&rest)
	}
	r.sendDurable(Message{Type: AppendEntriesResponse, To: m.From, Index: r.log.base})
	return nil
}

// handleMatching takes the entries of a message whose prevLogIndex fits. Those
// that are there stay: the message may be old, and only a different term at the
// same index is a conflict.
func (r *Raft) handleMatching(m *Message) error {
	matching, rest := m.Index, m.Entries
	for len(rest) > 0 && r.log.matches(rest[0].Index, rest[0].Term) {
		matching, rest = rest[0].Index, rest[1:]
	}
	if len(rest) > 0 && rest[0].Index <= r.log.commit {
		return refuse(m, "entry %d with term %d differs from the committed one: a member has lost its log", rest[0].Index, rest[0].Term)
	}
	response := Message{Type: AppendEntriesResponse, To: m.From}
	room := len(rest)
	if r.full || r.overUnapplied() {
		for room = 0; room < len(rest) && r.takesWithoutRoom(m, &rest[room]); room++ {
		}
	}
	r.acceptEntries(rest[:room])
	matching += Index(room)
	if room < len(rest) {
		response.Reject = true
		response.HintIndex = matching
		response.HintTerm, _ = r.log.term(matching)
	}
	// What follows the message's last entry is not known to be the leader's,
	// so it is not committed, however high the leader's commit index.
	r.commitTo(min(m.Commit, matching))
	response.Index = matching
	r.sendDurable(response)
	return nil
}

// takesWithoutRoom: reads must go on when all disks are full. A no-op takes next
// to no room, and without it a new leader could commit nothing. And a leader that
// has no room itself takes no proposals, so what is committed by now is little,
// and the last there will be; without it this member could answer no reads.
func (r *Raft) takesWithoutRoom(m *Message, e *Entry) bool {
	return e.Type == EntryNoop || m.Full && e.Index <= m.Commit && !r.overUnapplied()
}

// acceptEntries appends entries that are not there, in the place of those that
// conflict with them.
func (r *Raft) acceptEntries(entries []Entry) {
	if len(entries) > 0 && entries[0].Index <= r.log.last() {
		r.truncate(entries[0].Index - 1)
	}
	for i := range entries {
		r.log.append(entries[i])
		r.appended(&entries[i])
	}
}

// commitTo moves the commit index forward; it never goes back.
func (r *Raft) commitTo(i Index) {
	r.log.commit = max(r.log.commit, i)
}

func (r *Raft) handleAppendEntriesResponse(m *Message, p *peer) error {
	if r.role != Leader {
		return nil
	}
	p.heard, p.answered = r.ticks, true
	if m.Reject {
		r.handleRejection(m, p)
		return nil
	}
	if m.Index > r.log.last() {
		return refuse(m, "it acknowledges index %d, the log ends at %d", m.Index, r.log.last())
	}
	r.acknowledge(p, m.Index)
	if p.state == snapshot && p.match >= r.log.base || p.state == probe && m.Index == p.match && !r.mustAskSingly(p) {
		p.becomeReplicate()
	}
	return nil
}

// acknowledge notes that the follower has the leader's entries up to i durably.
func (r *Raft) acknowledge(p *peer, i Index) {
	if i <= p.match {
		return
	}
	p.match, p.next = i, max(p.next, i+1)
	p.noRoom = false
	p.window.acknowledge(i)
	r.maybeCommit()
	r.handOver(p)
}

// mustAskSingly: the follower had no room for entries, and it is not known that
// it has now, so it gets one message at a time. (Entries that are no longer in
// memory come one message at a time by themselves.)
func (r *Raft) mustAskSingly(p *peer) bool {
	return p.noRoom && p.match < r.log.last() && p.next >= r.log.first
}

// handleRejection goes back to where the logs may fit (see the package's
// comment). A rejection of a message that is no longer the newest thing known
// is ignored.
func (r *Raft) handleRejection(m *Message, p *peer) {
	if p.state == snapshot {
		return
	}
	if m.HintIndex == m.Index && r.log.matches(m.HintIndex, m.HintTerm) {
		r.handleNoRoom(m, p)
		return
	}
	stale := m.Index <= p.match || m.Index >= p.next
	if p.state == probe {
		stale = stale || m.Index != p.next-1
	}
	if stale {
		return
	}
	fit, _ := r.log.lastAtMost(min(m.HintIndex, m.Index-1), m.HintTerm)
	p.becomeProbe(fit + 1)
}

// handleNoRoom waits with the entries after m.Index, which fit and which the
// follower did not take, until it has answered a heartbeat.
func (r *Raft) handleNoRoom(m *Message, p *peer) {
	r.acknowledge(p, m.Index)
	if m.Index == p.match && r.role == Leader {
		p.becomeProbe(p.match + 1)
		p.paused, p.resend, p.noRoom = true, false, true
	}
}

// maybeCommit moves the leader's commit index to what a majority holds
// durably, itself included, if that is an entry of its own term; earlier ones
// are committed with it (§5.3, §5.4.2).
func (r *Raft) maybeCommit() {
	n := atQuorum(r, r.log.stable, func(p *peer) Index { return p.match })
	if n <= r.log.commit || !r.log.matches(n, r.term) {
		return
	}
	for i := r.log.commit + 1; i <= n; i++ {
		r.uncommittedBytes -= entryBytes(&r.log.entries[i-r.log.first])
	}
	r.commitTo(n)
	r.resignRemoved()
}

func (r *Raft) handleHeartbeat(m *Message) error {
	if err := r.heardLeader(m); err != nil {
		return err
	}
	if m.Commit > r.log.last() {
		return refuse(m, "it commits index %d, which this member acknowledged and no longer has; its log ends at %d", m.Commit, r.log.last())
	}
	r.commitTo(m.Commit)
	r.send(Message{Type: HeartbeatResponse, To: m.From, Round: m.Round, Full: r.full})
	return nil
}

func (r *Raft) handleHeartbeatResponse(m *Message, p *peer) error {
	if r.role != Leader {
		return nil
	}
	if m.Round > r.reads.round {
		return refuse(m, "it answers round %d, the newest is %d", m.Round, r.reads.round)
	}
	p.heard, p.answered, p.full = r.ticks, true, m.Full
	p.round = max(p.round, m.Round)
	r.confirmReadRound()
	if p.resend {
		p.resend = false
		r.askAgain(p)
	}
	return nil
}

// askAgain makes up for lost messages: the follower can be reached, and did not
// answer for a heartbeat interval.
func (r *Raft) askAgain(p *peer) {
	switch {
	case p.state == snapshot:
	case p.state == replicate && p.match+1 == p.next, p.state == probe && !p.paused:
		// Nothing is unanswered.
	case p.next <= r.log.base:
		r.requestImage(p)
	case p.noRoom && r.takes(p, p.next):
		p.paused = false // one message with entries
	default:
		r.sendAppend(p, nil, 0)
	}
}
