// Package raft decides: it is the Raft consensus algorithm as a pure function
// of what happened before. It has no goroutine, clock, file, socket, logger
// or randomness of its own, so the same calls in the same order give the same
// answers, and a simulator can own time, disk and network.
//
// What comes in: Tick (time passed), Step (a message arrived), Propose and
// ReadIndex (a client wants something), ProposeConfChange and TransferLeadership
// (an operator does), Persisted and Applied (the driver's disk and state machine
// got that far), Compact (the log was cut in front), Fetched (old entries were
// read), ImageSent (an image of the state machine was sent), ReportUnreachable,
// SetFull and StepDown (the driver knows something that the core cannot see).
//
// What goes out: one Ready at a time, see there for the driver's duties.
//
//	for {
//		event := <-events         // one of the calls above
//		event(core)
//		for {
//			rd, ok := core.Ready()
//			if !ok { break }
//			wal.Write(rd.Seq, rd.HardState, rd.Snapshot, rd.Entries, rd.Sync) // later: Persisted(rd.Seq)
//			network.Send(rd.Messages)
//			machine.Install(rd.Install)                          // later: Applied(its index)
//			machine.Apply(rd.Committed)                          // later: Applied(last index)
//			readers.Answer(rd.Reads, rd.LostReads)
//			wal.ReadFor(rd.Fetches)                              // later: Fetched(to, entries)
//			images.Send(rd.Images)                               // later: ImageSent(to, index)
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
//	  accept and reject               TimeoutNow
//	a leader's count of itself
//	Ready.Install
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
// A snapshot replaces the log by a write, too (Ready.Snapshot). In memory the log
// begins after it at once; until the write is durable, stable stays below base,
// nothing is acknowledged and the image is not installed. So a crash in between
// finds the old log and the old state machine, or the new log and an image that
// was durable before the core heard of it.
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
//	InstallSnapshot RPC (§7)     handleInstallSnapshot       snapshot.go
//
// Beyond the figure: pre-vote (thesis §9.6; election.go), check-quorum and leader
// stickiness (thesis §6.2, §4.2.3; raft.go), membership changes one at a time and
// learners (thesis §4.1, §4.2; membership.go), leadership transfer (thesis §3.10;
// transfer.go), ReadIndex (thesis §6.4; readindex.go). What a majority is stands in
// membership.go alone: commits, votes, read rounds and check-quorum ask there, and
// only voters count, this member only if it is one.
//
// # Limits
//
// A leader refuses proposals, to be made again later, when too much is not
// committed or not applied, when its disk is full, and while it hands over. A
// follower without room refuses entries: its rejection's hint is the leader's own
// entry, so the leader knows that all before it fits, and asks again with one
// message after each heartbeat. What is sent and not acknowledged, kept for
// followers that are behind, withheld for the disk, and waiting to be read, is
// bounded; a follower that is behind the log gets an image.
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
