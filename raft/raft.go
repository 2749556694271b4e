package raft

import "slices"

// Raft is one member's core. It is not safe for concurrent use: one goroutine
// owns it.
type Raft struct {
	config Config
	id     NodeID

	// configurations are those in the log, oldest first. The first is the one in
	// force at the log's base, the last the one in force now: it makes peers,
	// the other members, voters, their number, and voter, whether this member is
	// one. A leader's peers include those that it is dismissing.
	// Invariant: indexes increase, and are in (base, last] but for the first.
	configurations []ConfigurationAt
	peers          []*peer // sorted by id
	voters         int
	voter          bool

	// term and vote are Figure 2's persistent state; the log is below.
	// Invariant: log.lastTerm() <= term, and vote is in term.
	term   Term
	vote   NodeID
	role   Role
	leader NodeID // of term; 0: unknown. Invariant: role == Leader <=> leader == id

	log raftLog

	// ticks counts Ticks. The timers below count them since their start.
	ticks            uint64
	electionElapsed  int
	electionTimeout  int // drawn from [ElectionTicks, ElectionTicksMax]
	heartbeatElapsed int

	// A candidate counts its own vote when the write selfVoteSeq is durable.
	selfVoteSeq uint64

	// A leader's: termStart is the index of the no-op that opened its term, elected
	// the tick at which it was appended; uncommittedBytes is the size of the entries in (commit, last].
	termStart        Index
	elected          uint64
	uncommittedBytes int
	transfer         transfer

	full bool // this member's disk has no room for entries

	reads readState

	// Writes. seq numbers the newest one handed to the driver, persisted the
	// newest durable one, syncSeq the newest whose Sync was true, which is the
	// newest that a promise can depend on.
	// Invariant: persisted <= seq, syncSeq <= seq.
	seq, persisted, syncSeq uint64
	writtenState            HardState // newest handed to the driver
	commitDue               bool      // a heartbeat interval passed since it was

	// withheld messages wait for their write, oldest first.
	// Invariant: seq does not decrease.
	withheld []withheldMessage

	// For the next Ready.
	messages  []Message
	answers   []ReadState
	lostReads []uint64
	fetches   []Fetch
	images    []NodeID

	elections, campaigns, preVotes uint64
}

// withheldMax bounds the withheld messages. A member whose disk hangs forgets
// what it would have said beyond that, as if the network had lost it.
const withheldMax = 1024

type withheldMessage struct {
	seq     uint64
	message Message
}

// New makes the core of a member that remembers state. A new member has an
// empty log and nothing but a Configuration, which has no members when it is to
// join a cluster that is there already: it waits until it is spoken to.
func New(config Config, state State) (*Raft, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if err := state.validate(); err != nil {
		return nil, err
	}
	r := &Raft{
		config:       config,
		id:           config.ID,
		term:         state.HardState.Term,
		vote:         state.HardState.Vote,
		log:          newLog(state),
		writtenState: state.HardState,
	}
	r.configurations = slices.Clone(state.Configurations)
	r.configure()
	// Follower-made questions must be new after a restart too, or a late
	// answer to an old one would pass for an answer to a new one.
	r.reads.question = uint64(config.Rand(1<<30))<<30 | uint64(config.Rand(1<<30))
	r.resetElectionTimer()
	if r.voter && r.voters == 1 {
		r.electionElapsed = r.electionTimeout // nobody to wait for
	}
	r.checkInvariants()
	return r, nil
}

// Role is the member's part in the current term.
func (r *Raft) Role() Role { return r.role }

// Term is the current term.
func (r *Raft) Term() Term { return r.term }

// Leader is who leads the current term, 0 when unknown.
func (r *Raft) Leader() NodeID { return r.leader }

// Commit is the highest index known to be committed.
func (r *Raft) Commit() Index { return r.log.commit }

// Last is the index of the last entry, durable or not.
func (r *Raft) Last() Index { return r.log.last() }

// Tick tells that one tick of time passed.
func (r *Raft) Tick() {
	r.ticks++
	r.electionElapsed++
	if r.ticks%uint64(r.config.HeartbeatTicks) == 0 {
		r.commitDue = true
	}
	if r.role == Leader {
		r.tickLeader()
	} else if r.electionElapsed >= r.electionTimeout {
		r.tickTimeout()
	}
	r.checkInvariants()
}

// tickLeader steps down when no quorum can be heard, so that those who can
// hear each other may elect somebody, and sends heartbeats otherwise. It waits
// for the longest election timeout: until then not every follower has begun to
// look for another leader.
func (r *Raft) tickLeader() {
	active := 0
	if r.voter {
		active++
	}
	for _, p := range r.peers {
		if p.voter && r.active(p) {
			active++
		}
	}
	if active < r.quorum() {
		r.becomeFollower(r.term, 0)
		return
	}
	if r.heartbeatElapsed++; r.heartbeatElapsed >= r.config.HeartbeatTicks {
		r.heartbeatElapsed = 0
		for _, p := range r.peers {
			p.resend = true
		}
		r.broadcastHeartbeat()
	}
	r.tickTransfer()
	r.promoteStaging()
	r.dismiss()
	r.tickFull()
}

// tickTimeout looks for another leader. Who may not campaign waits to be asked,
// and gives up what it waits for from the last one.
func (r *Raft) tickTimeout() {
	if r.mayCampaign() {
		r.preCampaign()
		return
	}
	r.becomeFollower(r.term, 0)
	r.resetElectionTimer()
}

// active: the follower was heard from within the longest election timeout.
func (r *Raft) active(p *peer) bool {
	return r.ticks-p.heard <= uint64(r.config.ElectionTicksMax)
}

// lives: the follower has answered this leader, is active, and its connection has
// not broken since. A leader does not step down for a broken connection, which
// may soon be made again; but it need not count on who may just have died.
func (r *Raft) lives(p *peer) bool {
	return p.answered && r.active(p) && p.heard >= p.unreachable
}

// Step takes a message from another member. A message that is late, doubled or
// of no use any more is ignored; one that a correct member of this cluster
// would not send is refused with a *MessageError.
func (r *Raft) Step(m Message) error {
	p, err := r.validateMessage(&m)
	if err != nil {
		return err
	}
	err = r.step(&m, p)
	r.checkInvariants()
	return err
}

func (r *Raft) step(m *Message, p *peer) error {
	if m.Type.response() && (p == nil || m.Term > r.term && r.wasRemoved(m.From)) {
		// It has left, or a change that added it was rolled back. One that was
		// removed and is still being told so has no say about the term: it may have
		// raised it alone.
		return nil
	}
	switch m.Type { // pre-votes have their own rules about terms
	case PreVote:
		r.handlePreVote(m)
		return nil
	case PreVoteResponse:
		r.handlePreVoteResponse(m, p)
		return nil
	case InstallSnapshot: // it says what is committed, in whatever term
		return r.handleInstallSnapshot(m)
	}
	if m.Term < r.term {
		r.answerStale(m)
		return nil
	}
	if m.Type == RequestVote && (r.wasRemoved(m.From) || r.hearsLeader() && !m.Transfer) {
		// Stickiness: a member that is new to the term may disturb nobody who
		// has a leader (§6, thesis §4.2.3), unless that leader wants it; one that
		// was removed may disturb nobody at all.
		return nil
	}
	if m.Term > r.term {
		r.becomeFollower(m.Term, 0)
	}
	switch m.Type {
	case RequestVote:
		r.handleRequestVote(m)
	case RequestVoteResponse:
		r.handleRequestVoteResponse(m, p)
	case AppendEntries:
		return r.handleAppendEntries(m)
	case AppendEntriesResponse:
		return r.handleAppendEntriesResponse(m, p)
	case Heartbeat:
		return r.handleHeartbeat(m)
	case HeartbeatResponse:
		return r.handleHeartbeatResponse(m, p)
	case ReadIndex:
		r.handleReadIndex(m)
	case ReadIndexResponse:
		r.handleReadIndexResponse(m)
	case TimeoutNow:
		return r.handleTimeoutNow(m)
	}
	return nil
}

// answerStale tells the sender of a question from an old term that there is a
// newer one (§5.1). Without the answer, a deposed leader that cannot be
// deposed by election, because its followers stick to it, would go on.
func (r *Raft) answerStale(m *Message) {
	switch m.Type {
	case RequestVote:
		r.sendDurable(Message{Type: RequestVoteResponse, To: m.From, Reject: true})
	case AppendEntries:
		r.sendDurable(Message{Type: AppendEntriesResponse, To: m.From, Index: m.Index, Reject: true})
	case Heartbeat:
		r.send(Message{Type: HeartbeatResponse, To: m.From})
	case ReadIndex:
		r.send(Message{Type: ReadIndexResponse, To: m.From, Request: m.Request, Reject: true})
	}
}

// becomeFollower follows leader (0: unknown) in term, which is the current one
// or a later one. In the same term the vote stays: whoever forgets it could
// vote twice.
func (r *Raft) becomeFollower(term Term, leader NodeID) {
	assert(term >= r.term, "the term goes back")
	if term > r.term {
		r.term, r.vote = term, 0
	}
	wasLeader := r.role == Leader
	r.role = Follower
	r.setLeader(term, leader)
	if wasLeader {
		r.resetElectionTimer()
		r.transfer, r.images = transfer{}, nil
		r.configure() // forgets whom it was dismissing
	}
}

// setLeader notes who leads the current term. Reads that were asked of another
// leader, or of this one in another term, cannot be answered any more.
func (r *Raft) setLeader(term Term, leader NodeID) {
	if leader != r.leader || term != r.reads.term {
		r.loseReads()
	}
	r.leader, r.reads.term = leader, term
}

// heardLeader notes a message from the leader of the current term. There is only
// one leader in a term (§5.2).
func (r *Raft) heardLeader(m *Message) error {
	if r.role == Leader || r.leader != 0 && r.leader != m.From {
		return refuse(m, "member %s leads term %d", r.leader, r.term)
	}
	r.becomeFollower(m.Term, m.From)
	r.electionElapsed = 0
	return nil
}

// resetElectionTimer starts a new election timeout.
func (r *Raft) resetElectionTimer() {
	r.electionElapsed = 0
	spread := r.config.ElectionTicksMax - r.config.ElectionTicks
	r.electionTimeout = r.config.ElectionTicks + r.config.Rand(spread+1)
}

// StepDown makes a leader give up, because its driver knows that it cannot
// lead well: its disk hangs. It follows nobody in the same term, keeps its
// vote and stops its heartbeats.
func (r *Raft) StepDown() {
	if r.role == Leader {
		r.becomeFollower(r.term, 0)
	}
	r.checkInvariants()
}

// send sends m at once. A zero Term means the current one.
func (r *Raft) send(m Message) {
	m.From = r.id
	if m.Term == 0 {
		m.Term = r.term
	}
	r.messages = append(r.messages, m)
}

// sendDurable sends m when everything that this member knows by now is
// durable.
func (r *Raft) sendDurable(m Message) {
	seq := r.syncSeq
	if r.mustSync() {
		seq = r.seq + 1
	}
	if seq <= r.persisted {
		r.send(m)
		return
	}
	m.From = r.id
	if m.Term == 0 {
		m.Term = r.term
	}
	if n := len(r.withheld); n > 0 && r.withheld[n-1].seq == seq && supersedes(&m, &r.withheld[n-1].message) {
		r.withheld[n-1].message = m
		return
	}
	if len(r.withheld) < withheldMax {
		r.withheld = append(r.withheld, withheldMessage{seq, m})
	}
}

// supersedes: m acknowledges all that old does.
func supersedes(m, old *Message) bool {
	return m.Type == AppendEntriesResponse && old.Type == AppendEntriesResponse &&
		!m.Reject && !old.Reject && m.To == old.To && m.Term == old.Term && m.Index >= old.Index
}

// mustSync: something that promises may depend on was not yet handed to the
// driver.
func (r *Raft) mustSync() bool {
	return r.log.mustWrite() || r.term != r.writtenState.Term || r.vote != r.writtenState.Vote
}

// Persisted tells that every write up to the one numbered seq is durable.
func (r *Raft) Persisted(seq uint64) {
	assert(seq <= r.seq, "a write is persisted that was never handed out")
	if seq <= r.persisted {
		return
	}
	r.persisted = seq
	r.log.persisted(seq)
	n := 0
	for n < len(r.withheld) && r.withheld[n].seq <= seq {
		r.messages = append(r.messages, r.withheld[n].message)
		n++
	}
	if n > 0 {
		r.withheld = append(r.withheld[:0], r.withheld[n:]...)
	}
	switch r.role {
	case Candidate:
		r.countVotes()
	case Leader:
		r.maybeCommit()
	}
	r.checkInvariants()
}

// Applied tells that the state machine has applied every entry up to i.
func (r *Raft) Applied(i Index) {
	r.log.appliedTo(i, r.config.MaxCachedBytes)
	r.checkInvariants()
}

// Ready returns what is to be done now; false: nothing. What it returned once
// it does not return again.
func (r *Raft) Ready() (Ready, bool) {
	if r.role == Leader {
		r.openReadRound()
		for _, p := range r.peers {
			r.replicate(p)
		}
	} else {
		r.forwardReads()
	}
	rd := Ready{
		Messages:  r.messages,
		Reads:     r.answers,
		LostReads: r.lostReads,
		Fetches:   r.fetches,
		Images:    r.images,
	}
	r.messages, r.answers, r.lostReads, r.fetches, r.images = nil, nil, nil, nil, nil
	r.write(&rd)
	rd.Install = r.log.install()
	rd.Committed = r.log.deliver(r.config.MaxBytesPerMessage)
	r.checkInvariants()
	some := rd.Seq != 0 || len(rd.Messages) > 0 || len(rd.Committed) > 0 ||
		len(rd.Reads) > 0 || len(rd.LostReads) > 0 || len(rd.Fetches) > 0 ||
		len(rd.Images) > 0 || rd.Install != nil
	return rd, some
}

// write fills in the next write, if there is one.
func (r *Raft) write(rd *Ready) {
	// Never ahead of the own log: on disk, too, Commit <= Last.
	state := HardState{Term: r.term, Vote: r.vote, Commit: max(r.writtenState.Commit, min(r.log.commit, r.log.stable))}
	if reset := r.log.unwrittenReset; reset != nil {
		state.Commit = reset.Index
	}
	sync := r.mustSync()
	changed := state.Term != r.writtenState.Term || state.Vote != r.writtenState.Vote ||
		r.log.unwrittenReset != nil || r.commitDue && state.Commit != r.writtenState.Commit
	if !sync && !changed {
		return
	}
	r.seq++
	rd.Seq, rd.Sync = r.seq, sync
	rd.Snapshot, rd.Entries = r.log.unwritten(r.seq)
	if changed {
		rd.HardState = &state
		r.writtenState, r.commitDue = state, false
	}
	if sync {
		r.syncSeq = r.seq
	}
}

// Status describes the member. It allocates; hot loops use Role, Term, Leader,
// Commit and Last.
func (r *Raft) Status() Status {
	s := Status{
		ID: r.id, Role: r.role, Term: r.term, Leader: r.leader, Vote: r.vote,
		Commit: r.log.commit, Applied: r.log.applied, Last: r.log.last(), Stable: r.log.stable,
		Base: r.log.base, Configuration: *r.newest(), Transfer: r.transfer.to,
		Elections: r.elections, Campaigns: r.campaigns, PreVotes: r.preVotes,
	}
	if r.role != Leader {
		return s
	}
	for _, p := range r.peers {
		s.Peers = append(s.Peers, PeerStatus{
			ID: p.id, State: p.state.String(), Match: p.match, Next: p.next, Active: r.active(p), Lives: r.lives(p), Full: p.full,
		})
	}
	return s
}

// peer returns what is known of a member, nil for a stranger.
func (r *Raft) peer(id NodeID) *peer { return find(r.peers, id) }
