// Package raft decides: it is the Raft consensus algorithm as a pure function
// of what happened before. It has no goroutine, clock, file, socket, logger
// or randomness of its own, so the same calls in the same order give the same
// answers, and a simulator can own time, disk and network.
//
// What comes in: Tick (time passed), Step (a message arrived), Propose and
// ReadIndex (a client wants something), Persisted and Applied (the driver's
// disk and state machine got that far), Fetched (old entries were read),
// ReportUnreachable and StepDown (the driver knows something that the core
// cannot see).
//
// What goes out: one Ready at a time, see there for the driver's duties.
//
//	for {
//		event := <-events         // one of the calls above
//		event(core)
//		for {
//			rd, ok := core.Ready()
//			if !ok { break }
//			wal.Write(rd.Seq, rd.HardState, rd.Entries, rd.Sync) // later: Persisted(rd.Seq)
//			network.Send(rd.Messages)
//			machine.Apply(rd.Committed)                          // later: Applied(last index)
//			readers.Answer(rd.Reads, rd.LostReads)
//			wal.ReadFor(rd.Fetches)                              // later: Fetched(to, entries)
//		}
//	}
//
// It may import the standard library's pure parts only: not os, net, time or
// sync, and no global source of randomness.
//
// # Asynchronous persistence
//
// The core never waits for the disk, and never promises what the disk may
// forget. Every write has a number, Ready.Seq. Each entry in memory belongs
// to the write that carries it, and each message that is a promise is withheld
// under the number of the newest write it depends on; Persisted(seq) moves the
// stable index and releases the messages.
//
//	withheld until durable            sent at once
//	----------------------            ------------
//	RequestVote                       PreVote
//	RequestVoteResponse               AppendEntries
//	PreVoteResponse                   Heartbeat, HeartbeatResponse
//	AppendEntriesResponse,            ReadIndex, ReadIndexResponse
//	  accept and reject
//	a leader's count of itself
//
// RequestVote is withheld because it is a vote for oneself: a candidate that
// sent it, lost power, and came back without that vote could lead the same
// term twice with two different logs (TestRequestVoteWaitsForItsOwnVote).
//
// A HeartbeatResponse may reveal a term that is not durable yet. That is
// harmless. A term is no promise, only a vote in it is: whoever adopts a term
// that its source forgets has adopted a number that nobody voted in. And a
// response confirms a read only because its sender had not voted in a later
// term at that moment; such a vote would have been durable before anybody saw
// it, so a restart cannot hide it.
//
// The commit index on disk is a head start after a restart, no promise. It
// rides along with other writes and otherwise moves at most once a heartbeat
// interval, in a write with Sync false.
//
// # From the paper's Figure 2 to functions
//
//	currentTerm, votedFor        Raft.term, Raft.vote        raft.go
//	log[]                        raftLog                     log.go
//	commitIndex, lastApplied     raftLog.commit, .applied    log.go
//	nextIndex[], matchIndex[]    peer.next, peer.match       progress.go
//	AppendEntries RPC, receiver  handleAppendEntries         replication.go
//	AppendEntries RPC, sender    replicate, sendAppend       replication.go
//	RequestVote RPC, receiver    handleRequestVote           election.go
//	Rules: all servers, term     Step                        raft.go
//	Rules: followers             Tick, preCampaign           raft.go, election.go
//	Rules: candidates            campaign, countVotes        election.go
//	Rules: leaders, commit       maybeCommit                 replication.go
//
// Beyond the figure: pre-vote (thesis §9.6), check-quorum and leader
// stickiness (thesis §6.2, §4.2.3), ReadIndex (thesis §6.4; readindex.go).
// Members are fixed at New, 1 to 7, all voters; what a majority is stands in
// membership.go alone, where membership changes will find it.
//
// # Where the follower's log may fit
//
// A follower that cannot match prevLogIndex (p, with term t) answers with
// HintIndex, its largest index <= p whose term is <= t, and HintTerm, the term
// there. Nothing above it can match: up to p it has only later terms than the
// leader has at p. The leader does the same with the hint on its own log and
// probes there. Each round trip skips at least one term on either side,
// however many entries the terms have.
package raft
