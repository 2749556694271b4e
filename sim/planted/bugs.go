package planted

// Bugs are all planted bugs, by the folder that they are in.
var Bugs = []Bug{

	// Elections.

	{
		Name: "request-vote-before-own-vote",
		Rule: "RequestVote waits until the candidate's own vote is durable",
		File: "raft/election.go",
		Old:  "r.sendDurable(Message{Type: RequestVote, ",
		New:  "r.send(Message{Type: RequestVote, ",
	},
	{
		Name: "vote-before-durable",
		Rule: "a vote leaves when it is durable",
		File: "raft/election.go",
		Old:  "		response.Reject = true\n	}\n	r.sendDurable(response)",
		New:  "		response.Reject = true\n	}\n	r.send(response)",
	},
	{
		Name: "two-votes-a-term",
		Rule: "one vote a term (§5.2)",
		File: "raft/election.go",
		Old:  "(r.vote == 0 || r.vote == m.From) && ",
		New:  "",
	},
	{
		Name: "vote-for-any-log",
		Rule: "a vote is for a log that is at least as up-to-date (§5.4.1)",
		File: "raft/log.go",
		Old:  "return t > own || t == own && i >= l.last()",
		New:  "return t >= own",
	},
	{
		Name: "longest-log-wins",
		Rule: "up-to-date compares the last terms first, then the lengths (§5.4.1)",
		File: "raft/log.go",
		Old:  "return t > own || t == own && i >= l.last()",
		New:  "return t > 0 && own > 0 && i >= l.last() || l.last() == 0",
	},
	{
		Name:     "step-down-forgets-vote",
		Rule:     "stepping down in the same term keeps the vote",
		File:     "raft/raft.go",
		Old:      "	if term > r.term {\n		r.term, r.vote = term, 0",
		New:      "	if term > r.term || r.role != Follower {\n		r.term, r.vote = term, 0",
		Restless: true,
	},
	{
		Name: "restart-forgets-vote",
		Rule: "term and vote survive a restart (Figure 2)",
		File: "raft/raft.go",
		Old:  "state.HardState.Vote,",
		New:  "0,",
	},
	{
		Name: "pre-vote-counts-as-vote",
		Rule: "a granted pre-vote is no vote",
		File: "raft/election.go",
		Old:  "r.role != PreCandidate || !m.Reject && m.Term != r.term+1",
		New:  "r.role != PreCandidate && r.role != Candidate",
	},
	{
		Name:     "old-votes-count",
		Rule:     "a vote counts in its own term only",
		File:     "raft/raft.go",
		Old:      "	if m.Term < r.term {\n		r.answerStale(m)",
		New:      "	if m.Term < r.term && m.Type != RequestVoteResponse {\n		r.answerStale(m)",
		Restless: true,
	},
	{
		Name:     "pre-vote-refusal-teaches-no-term",
		Rule:     "a refused pre-candidate adopts the higher term that it is told",
		File:     "raft/election.go",
		Old:      "	if m.Reject && m.Term > r.term {\n		r.becomeFollower(m.Term, 0)\n		return\n	}",
		New:      "	if m.Reject && m.Term > r.term {\n		return\n	}",
		Restless: true,
	},
	{
		Name: "leader-without-quorum-stays",
		Rule: "a leader that hears no majority steps down, lest it block those who can hear each other",
		File: "raft/raft.go",
		Old:  "active < r.quorum()",
		New:  "active < 0",
	},
	{
		Name: "half-is-a-majority",
		Rule: "a majority is more than half (§5.2)",
		File: "raft/membership.go",
		Old:  "func (r *Raft) quorum() int { return r.voters/2 + 1 }",
		New:  "func (r *Raft) quorum() int { return (r.voters + 1) / 2 }",
	},

	// Replication.

	{
		Name: "commit-beyond-message",
		Rule: "a follower commits no further than the message's last entry",
		File: "raft/replication.go",
		Old:  "r.commitTo(min(m.Commit, matching))",
		New:  "r.commitTo(min(m.Commit, r.log.last()))",
	},
	{
		Name: "heartbeat-commits-beyond-match",
		Rule: "a heartbeat carries min(match, commit)",
		File: "raft/replication.go",
		Old:  "Commit: min(p.match, r.log.commit)",
		New:  "Commit: min(p.next-1, r.log.commit)",
	},
	{
		Name: "acknowledged-before-durable",
		Rule: "an entry is acknowledged when it is durable",
		File: "raft/replication.go",
		Old:  "	response.Index = matching\n	r.sendDurable(response)",
		New:  "	response.Index = matching\n	r.send(response)",
	},
	{
		Name: "leader-counts-itself-early",
		Rule: "a leader counts itself when its own disk has the entry",
		File: "raft/replication.go",
		Old:  "atQuorum(r, r.log.stable, ",
		New:  "atQuorum(r, r.log.last(), ",
	},
	{
		Name:     "figure-8",
		Rule:     "only an entry of the leader's own term is committed by counting (§5.4.2)",
		File:     "raft/replication.go",
		Old:      "if n <= r.log.commit || !r.log.matches(n, r.term) {",
		New:      "if n <= r.log.commit {",
		Restless: true,
	},
	{
		Name: "no-consistency-check",
		Rule: "entries are appended only where the previous one matches (§5.3)",
		File: "raft/replication.go",
		Old:  "if !r.log.matches(m.Index, m.LogTerm) {",
		New:  "if m.Index > r.log.last() {",
	},
	{
		Name: "old-message-truncates",
		Rule: "entries that are there stay: a message may be old",
		File: "raft/replication.go",
		Old:  "	matching += Index(room)\n",
		New:  "	matching += Index(room)\n		if matching >= r.log.commit && matching < r.log.last() && matching >= r.log.first {\n			r.truncate(matching)\n		}\n",
	},
	{
		Name:     "old-acknowledgement-counts",
		Rule:     "an acknowledgement counts in its own term only",
		File:     "raft/raft.go",
		Old:      "	if m.Term < r.term {\n		r.answerStale(m)",
		New:      "	if m.Term < r.term && m.Type != AppendEntriesResponse {\n		r.answerStale(m)",
		Restless: true,
	},
	{
		Name:     "truncated-write-counts",
		Rule:     "a write that is durable says nothing about entries that superseded its own",
		File:     "raft/log.go",
		Old:      "l.writes[i].last = min(l.writes[i].last, k)",
		New:      "_ = i",
		Restless: true,
	},

	// Membership, transfers and images.

	{
		Name: "two-changes-at-once",
		Rule: "a change is proposed when the one before it is committed",
		File: "raft/membership.go",
		Old:  "	if r.newest().Index > r.log.commit {\n		return 0, 0, retryLater",
		New:  "	if r.newest().Index > r.log.last() {\n		return 0, 0, retryLater",
	},
	{
		Name:     "change-before-own-commit",
		Rule:     "a change is proposed when the leader has committed an entry of its own term",
		File:     "raft/membership.go",
		Old:      "	if r.log.commit < r.termStart {\n		return 0, 0, retryLater",
		New:      "	if r.log.commit > r.log.last() {\n		return 0, 0, retryLater",
		Restless: true,
	},
	{
		Name:     "configuration-not-rolled-back",
		Rule:     "a configuration whose entry is removed is no longer in force",
		File:     "raft/membership.go",
		Old:      "for n > 1 && r.configurations[n-1].Index > k {",
		New:      "for n > 1 && r.configurations[n-1].Index > k+1 {",
		Restless: true,
	},
	{
		Name: "learners-count",
		Rule: "a learner counts in no majority (thesis §4.2.1)",
		File: "raft/membership.go",
		Old:  "		if p.voter {\n			values[n] = of(p)",
		New:  "		if p.voter || n < 2 {\n			values[n] = of(p)",
	},
	{
		Name: "removed-leader-counts-itself",
		Rule: "a leader that removes itself does not count itself (thesis §4.2.2)",
		File: "raft/membership.go",
		Old:  "	if r.voter {\n		values[n] = own",
		New:  "	if n == 0 {\n		values[n] = own",
	},
	{
		Name: "image-acknowledged-before-durable",
		Rule: "an image is acknowledged when the log that begins after it is durable",
		File: "raft/snapshot.go",
		Old:  "r.sendDurable(Message{Type: AppendEntriesResponse, ",
		New:  "r.send(Message{Type: AppendEntriesResponse, ",
	},
	{
		Name:     "image-drops-matching-log",
		Rule:     "an image that the log contains leaves what follows in the log",
		File:     "raft/snapshot.go",
		Old:      "case r.log.matches(s.Index, s.Term):",
		New:      "case r.log.matches(s.Index, s.Term) && s.Index == 0:",
		Restless: true,
	},
	{
		Name: "cut-beyond-durable",
		Rule: "the log keeps what the state machine has not durably",
		File: "node/driver/cut.go",
		Old:  "if through = min(through, c.durable); through",
		New:  "if through",
	},

	// Reads.

	{
		Name: "read-without-round",
		Rule: "a leader answers a read when a majority has confirmed that it leads",
		File: "raft/readindex.go",
		Old:  "if atQuorum(r, s.round, func(p *peer) uint64 { return p.round }) < s.round {",
		New:  "if s.round == 0 {",
	},
	{
		Name: "any-heartbeat-confirms",
		Rule: "a response confirms the round that it answers and no later one",
		File: "raft/replication.go",
		Old:  "p.round = max(p.round, m.Round)",
		New:  "p.round = r.reads.round",
	},
	{
		Name: "read-before-own-commit",
		Rule: "a new leader answers reads after a commit in its own term",
		File: "raft/readindex.go",
		Old:  " || r.log.commit < r.termStart",
		New:  "",
	},
	{
		Name: "question-used-twice",
		Rule: "a question has a number of its own, so that a late answer to another is not taken for its",
		File: "raft/readindex.go",
		Old:  "	s.question++\n",
		New:  "",
	},

	// Commands.

	{
		Name: "copies-are-appended",
		Rule: "a leader takes a command once in its term",
		File: "node/driver/accept.go",
		Old:  "seen || p.Seq < set.low {",
		New:  "seen && p.Seq < set.low {",
	},
	{
		Name: "no-fence",
		Rule: "a leader takes commands that were meant for its own term only",
		File: "node/driver/accept.go",
		Old:  "a.driver.core.Role() == raft.Leader && a.driver.core.Term() == term",
		New:  "a.driver.core.Role() == raft.Leader && term > 0",
	},
	{
		Name: "proposed-again-too-early",
		Rule: "a command is proposed again when an entry of a later term was applied",
		File: "node/driver/proposals.go",
		Old:  "case c.term < p.fence:",
		New:  "case c.term <= p.fence:",
	},
	{
		Name: "stalled-leader-stays",
		Rule: "a leader whose disk hangs gives up its leadership",
		File: "node/driver/driver.go",
		Old:  "d.core.StepDown()",
		New:  "_ = d.core",
	},

	// Exactly once.

	{
		Name: "copies-are-new",
		Rule: "a command that was applied is not applied again",
		File: "sqlfsm/origins/memory.go",
		Old:  "outcome := o.window.get(n.Seq); outcome != \"\" {",
		New:  "outcome := o.window.get(n.Seq); outcome != \"\" && n.Seq%8 > 0 {",
	},
	{
		Name: "window-not-kept",
		Rule: "what was seen is known after a restart and in an image",
		File: "sqlfsm/origins/memory.go",
		Old:  "Low: o.window.low, Window: m.row,",
		New:  "Low: o.window.low,",
	},
	{
		Name: "low-water-not-kept",
		Rule: "what is settled is known after a restart and in an image",
		File: "sqlfsm/origins/window.go",
		Old:  "w := window{low: low, high: low}",
		New:  "w := window{low: low / 2, high: low / 2}",
	},
	{
		Name: "late-registration-counts",
		Rule: "a registration counts if its node had applied its origin's last one",
		File: "sqlfsm/origins/memory.go",
		Old:  "case o != nil && seen < o.registered, o == nil && seen < m.horizon:",
		New:  "case false:",
	},
	{
		Name: "commands-before-registration",
		Rule: "sessions' commands wait until the node's registration is applied",
		File: "node/driver/register.go",
		Old:  "	if r.registered {\n		r.driver",
		New:  "	if r.applied >= 0 {\n		r.driver",
	},
	{
		Name: "lost-registration",
		Rule: "a registration that is refused is made again",
		File: "node/driver/register.go",
		Old:  "	case err == nil:\n",
		New:  "	case !errors.Is(err, ErrFull):\n",
	},

	// The log.

	{
		Name: "no-sync",
		Rule: "what Append was told to sync is durable when it returns",
		File: "raft/wal/append.go",
		Old:  "		if writes[i].Sync {\n",
		New:  "		if writes[i].Sync && i > 0 {\n",
	},
	{
		Name: "failed-sync-forgiven",
		Rule: "after a failed fsync the node stops: it is never tried again",
		File: "raft/wal/append.go",
		Old:  "if err := a.file.Sync(); err != nil {",
		New:  "if err := a.file.Sync(); err != nil && a.file.Sync() != nil {",
	},
	{
		Name: "sealed-without-sync",
		Rule: "a segment is durable before the next one gets its name",
		File: "raft/wal/segment.go",
		Old:  "	if err := l.sync(); err != nil {\n		return err\n	}\n	sealed := l.active",
		New:  "	sealed := l.active",
	},
	{
		Name: "checksum-ignored",
		Rule: "a torn record is no record",
		File: "raft/wal/reader.go",
		Old:  "if !rec.dataMatches(whole[recordHeaderBytes:]) {",
		New:  "if !rec.dataMatches(whole[recordHeaderBytes:]) && rec.dataBytes == 0 {",
	},
	{
		Name: "tail-not-rewritten",
		Rule: "what can be read after a failed fsync is written once more before it is relied on",
		File: "raft/wal/mend.go",
		Old:  "if err := s.rewrite(r, s.vouched, end); err != nil {",
		New:  "if err := s.rewrite(r, end, end); err != nil {",
	},
}
