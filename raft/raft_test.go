package raft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRequestVoteWaitsForItsOwnVote replays, step by step, the divergence that
// a core has which sends RequestVote before the candidate's own vote is
// durable: member 1 wins term 2, replicates "A" to 2 alone, loses power and
// with it the memory of term 2, wins term 2 again through 3, and commits "B"
// at the same index and term. Here the first election cannot be won before
// the vote is durable, so the second one is in another term, and the three
// logs stay one. The oracles would stop the test at two leaders' entries.
func TestRequestVoteWaitsForItsOwnVote(t *testing.T) {
	c := startedCluster(3)
	c.elect(1) // term 1, so that there is something to continue
	c.node(1).stalled = true
	c.core(1).StepDown()
	c.elect(1)
	if s := c.core(1).Status(); s.Role != Candidate || s.Term != 2 {
		t.Fatalf("with a hanging disk, after a won pre-vote: %+v", s)
	}
	if out := c.wire; len(out) != 0 {
		t.Fatalf("before the vote is durable, this is sent: %s", describe(out[0]))
	}
	if term := c.core(2).Term(); term != 1 {
		t.Fatalf("member 2 has heard of term %d", term)
	}

	c.crash(1, 0) // the write with term 2 is lost
	c.node(1).stalled = false
	c.start(1)
	c.cut[link{1, 2}] = true // "B" shall go through 3
	c.elect(1)
	if err := c.propose(1, "B"); err != nil {
		t.Fatal(err)
	}
	c.stabilize()
	clear(c.cut)
	for range 3 {
		c.tick(1)
	}
	c.stabilize()
	for _, n := range c.nodes {
		if got := string(n.disk.entries[n.applied-1].Data); got != "B" {
			t.Errorf("member %d applied %q last", n.id, got)
		}
	}
}

// TestVoteSurvivesTheRestart: the same with a vote that was durable. The
// candidate knows after the restart that it was in the term, and does not use
// it again.
func TestVoteSurvivesTheRestart(t *testing.T) {
	c := startedCluster(3)
	c.campaign(1)
	wire := c.wire
	c.wire = nil
	for _, m := range wire {
		_ = c.deliver(m)
		c.settle(m.To)
	}
	for _, m := range c.wire {
		_ = c.deliver(m)
	}
	c.settle(1)
	c.crash(1, 1) // the write reached the disk, unknown to anybody
	c.start(1)
	if s := c.core(1).Status(); s.Term != 1 || s.Vote != 1 {
		t.Fatalf("after the restart: %+v", s)
	}
	c.elect(1)
	if term := c.core(1).Term(); term != 2 {
		t.Errorf("elected in term %d", term)
	}
}

// TestOwnVoteCountsWhenDurable: an older write that becomes durable while the
// vote is still on its way elects nobody.
func TestOwnVoteCountsWhenDurable(t *testing.T) {
	c := startedCluster(1)
	c.tick(1)
	c.stabilize()
	if err := c.propose(1, "a"); err != nil {
		t.Fatal(err)
	}
	c.core(1).StepDown()
	c.campaign(1)
	for i, want := range []Role{Candidate, Leader} {
		c.persist(1, 1)
		if got := c.core(1).Role(); got != want {
			t.Errorf("after %d durable writes: %s, want %s", i+1, got, want)
		}
	}
}

// TestQuestionsAreNewAfterARestart: the leader's answer to a question from
// before the restart comes late. It must not answer a question from after it,
// although both are the first of their incarnation.
func TestQuestionsAreNewAfterARestart(t *testing.T) {
	draws := 0
	c := newCluster(3, func(id NodeID) Config {
		config := testConfig(id)
		config.Rand = func(n int) int {
			draws += 12345
			return draws % n
		}
		return config
	})
	for _, n := range c.nodes {
		c.start(n.id)
	}
	c.elect(1)
	if err := c.read(2, 1); err != nil {
		t.Fatal(err)
	}
	c.settle(2)
	old := Message{Type: ReadIndexResponse, From: 1, To: 2, Term: 1, Request: c.wire[0].Request, Index: 1}
	c.wire = nil
	c.crash(2, 0)
	c.start(2)
	if err := c.propose(1, "a"); err != nil { // the old answer is stale now
		t.Fatal(err)
	}
	c.stabilize()
	if err := c.read(2, 1); err != nil {
		t.Fatal(err)
	}
	c.settle(2)
	if err := c.deliver(old); err != nil {
		t.Fatal(err)
	}
	if rd, _ := c.core(2).Ready(); len(rd.Reads) != 0 {
		t.Errorf("answered %v", rd.Reads)
	}
	c.stabilize()
	if len(c.node(2).reads) != 0 {
		t.Error("the right answer did not come")
	}
}

// TestReadsAreBounded: on a leader that cannot confirm any, reads are refused
// in the end, of the own driver and of followers.
func TestReadsAreBounded(t *testing.T) {
	c := startedCluster(3)
	c.elect(1)
	r := c.core(1)
	for request := uint64(1); request <= readsMax; request++ {
		if err := r.ReadIndex(request); err != nil {
			t.Fatalf("read %d: %v", request, err)
		}
	}
	if err := r.ReadIndex(readsMax + 1); !errors.Is(err, ErrReadDropped) {
		t.Errorf("one more: %v", err)
	}
	if err := r.Step(Message{Type: ReadIndex, From: 2, To: 1, Term: 1, Request: 7}); err != nil {
		t.Fatal(err)
	}
	rd, _ := r.Ready()
	if m := rd.Messages[0]; m.Type != ReadIndexResponse || !m.Reject || m.Request != 7 {
		t.Errorf("a follower's is answered %s", describe(m))
	}
	r.StepDown()
	if rd, _ := r.Ready(); len(rd.LostReads) != readsMax {
		t.Errorf("%d reads are lost with the leadership", len(rd.LostReads))
	}
}

// TestForwardedReadsAreBounded: on a follower whose questions are lost, while it
// hears its leader, reads are given up in the end, for newer ones: when the way
// is open again, a read is answered.
func TestForwardedReadsAreBounded(t *testing.T) {
	c := startedCluster(3)
	c.elect(1)
	c.stabilize()
	const reads = 3 * readsMax
	for request := uint64(1); request <= reads; request++ {
		if err := c.read(2, request); err != nil {
			t.Fatalf("read %d: %v", request, err)
		}
		c.settle(2)
		c.wire = nil // the question is lost
	}
	if n := len(c.node(2).reads); n != readsMax {
		t.Errorf("of %d reads %d still wait", reads, n)
	}
	if err := c.read(2, reads+1); err != nil {
		t.Fatal(err)
	}
	c.settle(2)
	c.stabilize()
	if len(c.node(2).reads) != 0 {
		t.Error("there are reads without an answer")
	}
}

// TestNewRefuses: wrong settings and damaged logs are errors in sentences.
func TestNewRefuses(t *testing.T) {
	for _, test := range []struct {
		change func(*Config, *State)
		want   string
	}{
		{func(c *Config, s *State) { c.ID = 0 }, "the member's id is 0"},
		{func(c *Config, s *State) { c.Rand = nil }, "Rand is missing"},
		{func(c *Config, s *State) { c.HeartbeatTicks = 10 }, "does not keep followers from campaigning"},
		{func(c *Config, s *State) { c.ElectionTicksMax = 5 }, "shorter than the shortest"},
		{func(c *Config, s *State) { c.MaxInflightBytes = -1 }, "a setting is -1"},
		{func(c *Config, s *State) { s.Configurations = nil }, "has no configuration"},
		{func(c *Config, s *State) { s.Configurations[0].Index = 1 }, "out of order"},
		{func(c *Config, s *State) { s.Configurations = append(s.Configurations, ConfigurationAt{Index: 4}) }, "out of order"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members = make([]Member, 17) }, "has 17 members"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members = membersUpTo(8) }, "has 8 voters"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members[0].Suffrage = 9 }, "unknown suffrage 9"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Removed = []NodeID{2} }, "there and removed at once"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Removed = make([]NodeID, 65) }, "names 65 removed"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members = []Member{{ID: 2}, {ID: 1}} }, "not sorted"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members = []Member{{ID: 1}, {ID: 1}} }, "is there twice"},
		{func(c *Config, s *State) { s.Configurations[0].Configuration.Members = []Member{{Name: "x"}, {ID: 1}} }, "means no node"},
		{func(c *Config, s *State) { s.Base = 1 }, "no log from after 1"},
		{func(c *Config, s *State) { s.Base, s.BaseTerm = 1, 1 }, "do not cover the log"},
		{func(c *Config, s *State) { s.Base, s.BaseTerm, s.Runs = 2, 1, s.Runs[1:] }, "0 was applied, but the log begins after 2"},
		{func(c *Config, s *State) { s.Runs = nil }, "do not cover the log"},
		{func(c *Config, s *State) { s.Runs[0].First = 2 }, "do not cover the log"},
		{func(c *Config, s *State) { s.Runs[1].Term = 1 }, "out of order"},
		{func(c *Config, s *State) { s.Runs[1].First = 9 }, "out of order"},
		{func(c *Config, s *State) { s.HardState.Term = 1 }, "knows only term 1"},
		{func(c *Config, s *State) { s.HardState.Term = 1 << 63 }, "no cluster lives to see"},
		{func(c *Config, s *State) { s.HardState.Commit = 4 }, "index 4 was committed, but the log ends at 3"},
		{func(c *Config, s *State) { s.Applied = 4 }, "index 4 was applied, but the log ends at 3"},
		{func(c *Config, s *State) { s.Entries = s.Entries[1:] }, "do not reach"},
		{func(c *Config, s *State) { s.Entries[2].Term = 1 }, "entry 3 with term 1"},
		{func(c *Config, s *State) { s.Entries[1].Index = 7 }, "entry 7 with term 1 is where the log has entry 2"},
	} {
		config := testConfig(1)
		disk := diskOf(2, 1, 1, 2)
		state := disk.recovered(membersUpTo(3), 0)
		test.change(&config, &state)
		if _, err := New(config, state); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("want an error with %q, got %v", test.want, err)
		}
	}
	disk := diskOf(2, 1, 1, 2)
	r, err := New(Config{ID: 1, Rand: testConfig(1).Rand}, disk.recovered(membersUpTo(3), 3))
	if err != nil {
		t.Fatal(err)
	}
	if c := r.config; c.ElectionTicks != 15 || c.ElectionTicksMax != 30 || c.HeartbeatTicks != 5 || c.MaxEntriesPerMessage != 1024 {
		t.Errorf("defaults %+v", c)
	}
}

// TestProposeIsAllOrNothing: over the bound of uncommitted bytes a batch is
// dropped whole, a follower takes none, and room comes back with the commit.
func TestProposeIsAllOrNothing(t *testing.T) {
	c := newCluster(3, func(id NodeID) Config {
		config := testConfig(id)
		config.MaxUncommittedBytes = 4 * (entryOverhead + 1)
		return config
	})
	for _, n := range c.nodes {
		c.start(n.id)
	}
	c.elect(1)
	c.node(1).stalled = true // nothing is committed without 2 and 3
	if err := c.propose(1, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if err := c.propose(1, "d", "e"); !errors.Is(err, ErrProposalDropped) || c.core(1).Last() != 4 {
		t.Errorf("error %v, last index %d", err, c.core(1).Last())
	}
	var notLeader *NotLeaderError
	if err := c.propose(2, "x"); !errors.As(err, &notLeader) || notLeader.Leader != 1 {
		t.Errorf("a follower says %v", err)
	}
	c.stabilize() // 2 and 3 are a majority
	if err := c.propose(1, "d", "e"); err != nil || c.core(1).Commit() != 4 {
		t.Errorf("after the commit of %d: %v", c.core(1).Commit(), err)
	}
	c.stabilize()
	if err := c.propose(1, "a batch", "that is", "larger", "than the bound", "goes alone"); err != nil {
		t.Error(err)
	}
}

// TestAcknowledgementsShareAMessage: while a write is under way, a follower
// withholds one acknowledgement for everything that it was sent, but never one
// of another leader or term.
func TestAcknowledgementsShareAMessage(t *testing.T) {
	c := follower(t, 1)
	entries := diskOf(1, 1, 1).entries
	for _, m := range []Message{
		{Type: AppendEntries, From: 2, To: 1, Term: 1, Entries: entries[:1]},
		{Type: AppendEntries, From: 2, To: 1, Term: 1, Index: 1, LogTerm: 1, Entries: entries[1:]},
		{Type: AppendEntries, From: 3, To: 1, Term: 2, Index: 2, LogTerm: 1},
	} {
		if err := c.deliver(m); err != nil { // no Ready in between: they share a write
			t.Fatal(err)
		}
	}
	c.settle(1)
	c.persist(1, 1)
	c.settle(1)
	if len(c.wire) != 2 || c.wire[0].To != 2 || c.wire[0].Term != 1 || c.wire[0].Index != 2 ||
		c.wire[1].To != 3 || c.wire[1].Term != 2 || c.wire[1].Index != 2 {
		t.Errorf("acknowledges %v", c.wire)
	}
}

// TestHangingDiskForgetsAnswers: a member whose disk hangs withholds a bounded
// number of messages, and works as before when the disk is back.
func TestHangingDiskForgetsAnswers(t *testing.T) {
	c := follower(t, 1)
	r := c.core(1)
	for term := Term(2); term < withheldMax+100; term++ {
		if err := r.Step(Message{Type: RequestVote, From: 2, To: 1, Term: term}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.withheld); n != withheldMax {
		t.Errorf("%d messages are withheld", n)
	}
	c.settle(1)
	c.persist(1, len(c.node(1).pending))
	c.settle(1)
	c.wire = nil
	if out := c.answers(t, Message{Type: RequestVote, From: 3, To: 1, Term: 5000}); len(out) != 1 || out[0].Reject {
		t.Errorf("afterwards a vote is answered %v", out)
	}
}

// TestHeartbeatResponseDoesNotWait: a leader must not lose its followers to
// their disks.
func TestHeartbeatResponseDoesNotWait(t *testing.T) {
	c := follower(t, 1)
	if err := c.deliver(Message{Type: Heartbeat, From: 2, To: 1, Term: 4, Round: 3}); err != nil {
		t.Fatal(err)
	}
	c.settle(1)
	if len(c.wire) != 1 || c.wire[0].Type != HeartbeatResponse || c.wire[0].Round != 3 {
		t.Errorf("before the term is durable it answers %v", c.wire)
	}
}

// TestCommitAloneIsWrittenLazily: a moved commit index causes at most one
// write a heartbeat interval, which need not be synced, and no message ever
// waits for that write.
func TestCommitAloneIsWrittenLazily(t *testing.T) {
	c := startedCluster(1)
	c.tick(1)
	c.stabilize()
	writes := 0
	for i := range 6 {
		if err := c.propose(1, fmt.Sprint("command ", i)); err != nil {
			t.Fatal(err)
		}
		c.persist(1, 1)
		rd, _ := c.core(1).Ready()
		if len(rd.Committed) != 1 {
			t.Fatalf("commits %v", rd.Committed)
		}
		c.node(1).applied = rd.Committed[0].Index
		if rd.Seq != 0 {
			t.Fatalf("a commit alone causes write #%d", rd.Seq)
		}
	}
	for range 3 * 3 {
		c.core(1).Tick()
		if rd, ok := c.core(1).Ready(); ok {
			writes++
			if rd.Sync || rd.HardState == nil || rd.HardState.Commit != c.core(1).Commit() {
				t.Errorf("writes %+v", rd)
			}
		}
	}
	if writes != 1 {
		t.Errorf("%d writes in three heartbeat intervals", writes)
	}
}

// fetching makes a leader with an empty cache and a follower, 3, that came
// back with an empty log and waits for a Fetch. It returns the Fetch.
func fetching(t *testing.T) (*cluster, Fetch) {
	t.Helper()
	c := newCluster(3, func(id NodeID) Config {
		config := testConfig(id)
		config.MaxCachedBytes = 1
		return config
	})
	c.start(1)
	c.start(2)
	c.elect(1)
	if err := c.propose(1, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	c.stabilize()
	var asked []Fetch
	c.fetch = func(_ *testNode, f Fetch) { asked = append(asked, f) }
	c.start(3)
	for range 3 {
		c.tick(1)
	}
	c.stabilize()
	if len(asked) != 1 || asked[0].To != 3 || asked[0].Lo != 1 || asked[0].Hi != 5 {
		t.Fatalf("fetches %v", asked)
	}
	// While it is under way, nothing more is asked, and heartbeats go on.
	for range 6 {
		c.tick(1)
	}
	if len(asked) != 1 || len(c.wire) != 4 {
		t.Fatalf("fetches %v, sends %v", asked, c.wire)
	}
	c.stabilize()
	return c, asked[0]
}

// TestFetched: entries that are right are sent on; what could not be read is
// asked for again after a heartbeat; what is not the log's is never sent.
func TestFetched(t *testing.T) {
	t.Run("right", func(t *testing.T) {
		c, f := fetching(t)
		c.core(1).Fetched(f.To, c.node(1).disk.entries[f.Lo-1:f.Hi-1])
		c.settle(1)
		c.stabilize()
		if c.node(3).applied != 4 {
			t.Errorf("3 applied %d", c.node(3).applied)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		c, f := fetching(t)
		c.core(1).Fetched(f.To, nil)
		c.settle(1)
		if len(c.wire) != 0 {
			t.Errorf("sends %v", c.wire)
		}
		c.fetch = func(n *testNode, f Fetch) { n.core.Fetched(f.To, n.disk.entries[f.Lo-1:f.Hi-1]) }
		for range 3 {
			c.tick(1)
		}
		c.stabilize()
		if c.node(3).applied != 4 {
			t.Errorf("3 applied %d", c.node(3).applied)
		}
	})
	for name, damage := range map[string]func([]Entry){
		"another term":  func(e []Entry) { e[1].Term++ },
		"a gap":         func(e []Entry) { e[1].Index++ },
		"another place": func(e []Entry) { e[0].Index++ },
	} {
		t.Run(name, func(t *testing.T) {
			c, f := fetching(t)
			entries := append([]Entry(nil), c.node(1).disk.entries[f.Lo-1:f.Hi-1]...)
			damage(entries)
			again := 0
			c.fetch = func(*testNode, Fetch) { again++ }
			c.core(1).Fetched(f.To, entries)
			c.settle(1)
			if len(c.wire) != 0 || again != 1 {
				t.Errorf("sends %v, fetches again %d times", c.wire, again)
			}
		})
	}
	t.Run("before the log was cut there", func(t *testing.T) {
		c, f := fetching(t)
		entries := slices.Clone(c.node(1).disk.slice(f.Lo, f.Hi))
		c.compact(1, f.Lo)
		c.core(1).Fetched(f.To, entries)
		c.settle(1)
		if len(c.wire) != 0 || len(c.images) != 1 {
			t.Errorf("sends %v, and the images %v", c.wire, c.images)
		}
	})
	t.Run("after the term", func(t *testing.T) {
		c, f := fetching(t)
		c.core(1).StepDown()
		c.settle(1)
		c.wire = nil
		c.core(1).Fetched(f.To, c.node(1).disk.entries[f.Lo-1:f.Hi-1])
		c.settle(1)
		if len(c.wire) != 0 {
			t.Errorf("a follower sends %v", c.wire)
		}
	})
}

// TestBrokenInvariantsPanic: what only our own driver can do wrong stops it.
func TestBrokenInvariantsPanic(t *testing.T) {
	for name, wrong := range map[string]func(*Raft){
		"persisted before written": func(r *Raft) { r.Persisted(99) },
		"applied before delivered": func(r *Raft) { r.Applied(99) },
		"applied goes back":        func(r *Raft) { r.Applied(0) },
	} {
		t.Run(name, func(t *testing.T) {
			c := startedCluster(3)
			c.elect(1)
			defer func() {
				if what := recover(); what == nil || !strings.HasPrefix(fmt.Sprint(what), "raft: ") {
					t.Errorf("panics with %v", what)
				}
			}()
			wrong(c.core(1))
		})
	}
}

// TestNames: what is shown to people has a name, also when it is unknown.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		Leader.String():              "leader",
		Role(9).String():             "role 9",
		EntryNoop.String():           "no-op",
		EntryNormal.String():         "normal",
		EntryType(9).String():        "entry type 9",
		ReadIndexResponse.String():   "ReadIndexResponse",
		MessageType(0).String():      "message type 0",
		NodeID(0xab).String():        "ab",
		replicate.String():           "replicate",
		(&NotLeaderError{2}).Error(): "raft: not the leader: member 2 is",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
