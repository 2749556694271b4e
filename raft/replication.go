package raft

// Propose appends the commands to the leader's log, all of them or none, and
// returns the index of the first and their term. They are committed, or not,
// later: whoever waits compares the term of what is applied at the index.
func (r *Raft) Propose(cmds [][]byte) (first Index, term Term, err error) {
	if r.role != Leader {
		return 0, 0, &NotLeaderError{Leader: r.leader}
	}
	bytes := 0
	for _, cmd := range cmds {
		bytes += len(cmd) + entryOverhead
	}
	// A batch larger than the bound goes alone rather than never.
	if r.uncommittedBytes > 0 && r.uncommittedBytes+bytes > r.config.MaxUncommittedBytes {
		return 0, 0, ErrProposalDropped
	}
	first = r.log.last() + 1
	for _, cmd := range cmds {
		r.appendEntry(Entry{Type: EntryNormal, Data: cmd})
	}
	r.checkInvariants()
	return first, r.term, nil
}

// appendEntry appends to the leader's own log. It is sent, and written, by the
// next Ready, so that everything of one turn of the driver's loop shares a
// message and a flush.
func (r *Raft) appendEntry(e Entry) {
	e.Term, e.Index = r.term, r.log.last()+1
	r.uncommittedBytes += entryBytes(&e)
	r.log.append(e)
}

// replicate sends a follower what its state and window allow. Entries carry
// the commit index along; when there are none, it is sent alone, because the
// follower's clients wait for it.
func (r *Raft) replicate(p *peer) {
	if p.state == probe {
		if p.paused {
			return
		}
		p.paused = true
		if p.next < r.log.first || p.next > r.log.last() {
			r.sendAppend(p, nil, 0)
		} else {
			r.sendEntries(p)
		}
		return
	}
	for p.next <= r.log.last() && r.windowOpen(p) {
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

func (r *Raft) sendEntries(p *peer) {
	entries, bytes := r.log.slice(p.next, r.log.last()+1, r.config.MaxEntriesPerMessage, r.config.MaxBytesPerMessage)
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
		Index: prev, LogTerm: prevTerm, Entries: entries, Commit: r.log.commit,
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
	// earlier term as leader, is dropped, and asked for anew where it is still
	// needed.
	if p.state == replicate && entries[0].Index == p.next && r.holds(entries) {
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
func (r *Raft) ReportUnreachable(id NodeID) {
	if p := r.peer(id); p != nil && r.role == Leader && p.state == replicate {
		p.becomeProbe(p.match + 1)
		p.paused = true
	}
	r.checkInvariants()
}

func (r *Raft) broadcastHeartbeat() {
	for i := range r.peers {
		p := &r.peers[i]
		// Not above match: beyond it the follower may have other entries.
		r.send(Message{Type: Heartbeat, To: p.id, Commit: min(p.match, r.log.commit), Round: r.reads.round})
	}
}

// handleAppendEntries is the receiver of Figure 2.
func (r *Raft) handleAppendEntries(m *Message) error {
	if err := r.heardLeader(m); err != nil {
		return err
	}
	if !r.log.matches(m.Index, m.LogTerm) {
		hint, hintTerm := r.log.lastAtMost(m.Index, m.LogTerm)
		r.sendDurable(Message{
			Type: AppendEntriesResponse, To: m.From,
			Index: m.Index, Reject: true, HintIndex: hint, HintTerm: hintTerm,
		})
		return nil
	}
	if err := r.acceptEntries(m); err != nil {
		return err
	}
	// What follows the message's last entry is not known to be the leader's,
	// so it is not committed, however high the leader's commit index.
	matching := m.Index + Index(len(m.Entries))
	r.commitTo(min(m.Commit, matching))
	r.sendDurable(Message{Type: AppendEntriesResponse, To: m.From, Index: matching})
	return nil
}

// acceptEntries appends what is new. Entries that are there stay: the message
// may be old, and only a different term at the same index is a conflict.
func (r *Raft) acceptEntries(m *Message) error {
	for i := range m.Entries {
		e := &m.Entries[i]
		if r.log.matches(e.Index, e.Term) {
			continue
		}
		if e.Index <= r.log.commit {
			return refuse(m, "entry %d with term %d differs from the committed one: a member has lost its log", e.Index, e.Term)
		}
		if e.Index <= r.log.last() {
			r.log.truncate(e.Index - 1)
		}
		for ; i < len(m.Entries); i++ {
			r.log.append(m.Entries[i])
		}
		return nil
	}
	return nil
}

// commitTo moves the commit index forward; it never goes back.
func (r *Raft) commitTo(i Index) {
	r.log.commit = max(r.log.commit, i)
}

func (r *Raft) handleAppendEntriesResponse(m *Message, p *peer) error {
	if r.role != Leader {
		return nil
	}
	p.heard = r.ticks
	if m.Reject {
		r.handleRejection(m, p)
		return nil
	}
	if m.Index > r.log.last() {
		return refuse(m, "it acknowledges index %d, the log ends at %d", m.Index, r.log.last())
	}
	if m.Index > p.match {
		p.match = m.Index
		p.next = max(p.next, p.match+1)
		p.window.acknowledge(p.match)
		r.maybeCommit()
	}
	if p.state == probe && m.Index == p.match {
		p.becomeReplicate()
	}
	return nil
}

// handleRejection goes back to where the logs may fit (see the package's
// comment). A rejection of a message that is no longer the newest thing known
// is ignored.
func (r *Raft) handleRejection(m *Message, p *peer) {
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

// maybeCommit moves the leader's commit index to what a majority holds
// durably, itself included, if that is an entry of its own term; earlier ones
// are committed with it (§5.3, §5.4.2).
func (r *Raft) maybeCommit() {
	var matches [maxVoters]Index
	for i := range r.peers {
		matches[i] = r.peers[i].match
	}
	matches[len(r.peers)] = r.log.stable
	n := atQuorum(matches[:len(r.peers)+1])
	if n <= r.log.commit || !r.log.matches(n, r.term) {
		return
	}
	for i := r.log.commit + 1; i <= n; i++ {
		r.uncommittedBytes -= entryBytes(&r.log.entries[i-r.log.first])
	}
	r.commitTo(n)
}

func (r *Raft) handleHeartbeat(m *Message) error {
	if err := r.heardLeader(m); err != nil {
		return err
	}
	if m.Commit > r.log.last() {
		return refuse(m, "it commits index %d, which this member acknowledged and no longer has; its log ends at %d", m.Commit, r.log.last())
	}
	r.commitTo(m.Commit)
	r.send(Message{Type: HeartbeatResponse, To: m.From, Round: m.Round})
	return nil
}

func (r *Raft) handleHeartbeatResponse(m *Message, p *peer) error {
	if r.role != Leader {
		return nil
	}
	if m.Round > r.reads.round {
		return refuse(m, "it answers round %d, the newest is %d", m.Round, r.reads.round)
	}
	p.heard = r.ticks
	p.round = max(p.round, m.Round)
	r.confirmReadRound()
	if !p.resend {
		return nil
	}
	p.resend = false
	unanswered := p.match+1 < p.next
	if p.state == probe {
		unanswered = p.paused
	}
	if unanswered {
		r.sendAppend(p, nil, 0)
	}
	return nil
}
