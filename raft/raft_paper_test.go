package raft

import (
	"fmt"
	"strings"
	"testing"
)

// These tests follow the paper ("In Search of an Understandable Consensus
// Algorithm", extended version) and the thesis; their names begin with the
// section that they check.

// follower makes member 1 of three, with a log of these terms, in term.
func follower(t *testing.T, term Term, log ...Term) *cluster {
	t.Helper()
	c := newCluster(3, testConfig)
	c.node(1).disk = diskOf(term, log...)
	c.start(1)
	return c
}

func diskOf(term Term, log ...Term) testDisk {
	d := testDisk{state: HardState{Term: term}}
	for i, t := range log {
		d.entries = append(d.entries, Entry{Term: t, Index: Index(i + 1), Data: fmt.Appendf(nil, "t%d", t)})
	}
	return d
}

// answers steps m at its receiver, makes everything durable there, and returns
// what it sends.
func (c *cluster) answers(t *testing.T, m Message) []Message {
	t.Helper()
	c.wire = nil
	if err := c.deliver(m); err != nil {
		t.Fatal(err)
	}
	c.settle(m.To)
	c.persist(m.To, len(c.node(m.To).pending))
	c.settle(m.To)
	return c.wire
}

// §5.1: whoever sees a higher term enters it, and a candidate or leader is a
// follower then.
func TestPaper51HigherTermMakesFollower(t *testing.T) {
	for _, role := range []Role{Follower, PreCandidate, Candidate, Leader} {
		t.Run(role.String(), func(t *testing.T) {
			c := startedCluster(3)
			switch role {
			case PreCandidate:
				c.campaign(1)
			case Candidate:
				c.node(1).stalled = true
				c.campaign(1)
				c.stabilize()
			case Leader:
				c.elect(1)
			}
			if got := c.core(1).Role(); got != role {
				t.Fatalf("role %s, want %s", got, role)
			}
			c.answers(t, Message{Type: AppendEntries, From: 2, To: 1, Term: 9})
			if s := c.core(1).Status(); s.Role != Follower || s.Term != 9 || s.Leader != 2 || s.Vote != 0 {
				t.Errorf("after a message of term 9: %+v", s)
			}
		})
	}
}

// §5.1: a request of an old term is refused, with the newer term.
func TestPaper51StaleTermIsRefused(t *testing.T) {
	for _, typ := range []MessageType{RequestVote, AppendEntries, Heartbeat, ReadIndex, PreVote} {
		c := follower(t, 5)
		out := c.answers(t, Message{Type: typ, From: 2, To: 1, Term: 4})
		if len(out) != 1 || out[0].Term != 5 || !(out[0].Reject || out[0].Type == HeartbeatResponse) {
			t.Errorf("%s of an old term is answered %v", typ, out)
		}
		if s := c.core(1).Status(); s.Term != 5 || s.Leader != 0 {
			t.Errorf("%s of an old term changes %+v", typ, s)
		}
	}
}

// §5.2: a follower that hears nothing for an election timeout starts an
// election: by a pre-vote first (thesis §9.6), which changes no term.
func TestPaper52SilenceStartsElection(t *testing.T) {
	c := follower(t, 3, 1, 3)
	for range 19 {
		c.tick(1)
	}
	if len(c.wire) != 0 || c.core(1).Role() != Follower {
		t.Fatalf("campaigns too early: %v", c.wire)
	}
	c.tick(1)
	if s := c.core(1).Status(); s.Role != PreCandidate || s.Term != 3 || len(c.wire) != 2 {
		t.Fatalf("after the election timeout: %+v, sent %v", s, c.wire)
	}
	for _, m := range c.wire {
		if m.Type != PreVote || m.Term != 4 || m.Index != 2 || m.LogTerm != 3 {
			t.Errorf("asks %s", describe(m))
		}
	}
}

// §5.2: election timeouts are drawn from the whole interval and anew for every
// election, so that split votes do not repeat.
func TestPaper52TimeoutsAreRandom(t *testing.T) {
	draws := 0
	config := testConfig(1)
	config.Rand = func(n int) int {
		draws++
		return draws % n
	}
	c := newCluster(3, func(NodeID) Config { return config })
	c.start(1)
	seen := map[int]bool{}
	for range 50 {
		waited := 0
		for before := c.core(1).preVotes; c.core(1).preVotes == before; waited++ {
			c.core(1).Tick()
		}
		seen[waited] = true
	}
	for ticks := config.ElectionTicks; ticks <= config.ElectionTicksMax; ticks++ {
		if !seen[ticks] {
			t.Errorf("no timeout of %d ticks", ticks)
		}
		delete(seen, ticks)
	}
	if len(seen) != 0 {
		t.Errorf("timeouts outside the interval: %v", seen)
	}
}

// §5.2: votes of a majority elect, less do not, and a majority of refusals
// ends the candidacy.
func TestPaper52MajorityElects(t *testing.T) {
	for _, test := range []struct {
		members, yes, no int // answers of others; the candidate's own vote comes on top
		want             Role
	}{
		{2, 0, 0, Candidate}, {2, 1, 0, Leader}, {2, 0, 1, Candidate},
		{3, 0, 0, Candidate}, {3, 1, 0, Leader}, {3, 0, 1, Candidate}, {3, 0, 2, Follower},
		{4, 1, 0, Candidate}, {4, 2, 0, Leader}, {4, 1, 2, Candidate}, {4, 0, 3, Follower},
		{5, 1, 0, Candidate}, {5, 2, 0, Leader}, {5, 1, 2, Candidate}, {5, 1, 3, Follower},
		{7, 2, 3, Candidate}, {7, 3, 0, Leader}, {7, 2, 4, Follower},
	} {
		c := newCluster(test.members, testConfig)
		c.start(1)
		c.campaign(1)
		for id := NodeID(2); id <= NodeID(test.members); id++ {
			c.answers(t, Message{Type: PreVoteResponse, From: id, To: 1, Term: 1})
		}
		for i := range test.yes + test.no {
			from := NodeID(i + 2)
			for range 2 { // a doubled answer counts once
				c.answers(t, Message{Type: RequestVoteResponse, From: from, To: 1, Term: 1, Reject: i >= test.yes})
			}
		}
		if got := c.core(1).Role(); got != test.want {
			t.Errorf("%d members, %d votes, %d refusals: %s, want %s", test.members, test.yes, test.no, got, test.want)
		}
	}
}

// §5.2: one vote a term, first come first served, and the same candidate may
// ask again.
func TestPaper52FirstComeFirstServed(t *testing.T) {
	c := follower(t, 1)
	for _, test := range []struct {
		from   NodeID
		term   Term
		reject bool
	}{{2, 2, false}, {3, 2, true}, {2, 2, false}, {3, 3, false}, {2, 3, true}} {
		out := c.answers(t, Message{Type: RequestVote, From: test.from, To: 1, Term: test.term})
		if len(out) != 1 || out[0].Type != RequestVoteResponse || out[0].Reject != test.reject {
			t.Errorf("%d in term %d is answered %v", test.from, test.term, out)
		}
	}
}

// §5.2: a granted vote resets the election timer, a refused one does not: who
// cannot win must not keep the others from trying.
func TestPaper52GrantedVoteResetsTimer(t *testing.T) {
	for _, refuse := range []bool{false, true} {
		c := follower(t, 1, 1)
		for range 19 {
			c.tick(1)
		}
		m := Message{Type: RequestVote, From: 2, To: 1, Term: 2, Index: 1, LogTerm: 1}
		if refuse {
			m.Index, m.LogTerm = 0, 0
		}
		c.answers(t, m)
		c.tick(1)
		if campaigns := c.core(1).Role() == PreCandidate; campaigns != refuse {
			t.Errorf("vote refused: %v, campaigns a tick later: %v", refuse, campaigns)
		}
	}
}

// §5.2: a candidate that hears of the term's leader follows it.
func TestPaper52CandidateFollowsLeader(t *testing.T) {
	for _, typ := range []MessageType{AppendEntries, Heartbeat} {
		c := startedCluster(3)
		c.node(1).stalled = true
		c.campaign(1)
		c.stabilize()
		c.answers(t, Message{Type: typ, From: 3, To: 1, Term: 1})
		if s := c.core(1).Status(); s.Role != Follower || s.Leader != 3 || s.Vote != 1 {
			t.Errorf("after %s: %+v", typ, s)
		}
	}
}

// §5.3: a leader appends, sends to all at once, without waiting for its own
// disk, and commits when a majority holds the entry.
func TestPaper53CommitNeedsMajority(t *testing.T) {
	for _, test := range []struct {
		members int
		acks    int
		own     bool // the leader's own disk has it
		commits bool
	}{
		{1, 0, true, true}, {1, 0, false, false},
		{2, 1, true, true}, {2, 0, true, false}, {2, 1, false, false},
		{3, 1, true, true}, {3, 1, false, false}, {3, 2, false, true}, {3, 0, true, false},
		{5, 2, true, true}, {5, 2, false, false}, {5, 3, false, true}, {5, 1, true, false},
	} {
		c := startedCluster(test.members)
		if test.members == 1 {
			c.tick(1)
			c.stabilize()
		} else {
			c.elect(1)
		}
		c.wire = nil
		if err := c.propose(1, "x"); err != nil {
			t.Fatal(err)
		}
		if len(c.wire) != test.members-1 {
			t.Errorf("%d members: sent %v", test.members, c.wire)
		}
		wire := c.wire
		for _, m := range wire[:test.acks] {
			for _, answer := range c.answers(t, m) {
				_ = c.deliver(answer)
			}
		}
		if test.own {
			c.persist(1, 1)
		}
		if got := c.core(1).Commit() == 2; got != test.commits {
			t.Errorf("%+v: committed %v", test, got)
		}
	}
}

// §5.3: the follower's consistency check, and what it tells when it fails.
func TestPaper53ConsistencyCheck(t *testing.T) {
	for _, test := range []struct {
		log      []Term
		index    Index
		term     Term
		reject   bool
		hint     Index
		hintTerm Term
	}{
		{[]Term{1, 2}, 0, 0, false, 0, 0},
		{[]Term{1, 2}, 1, 1, false, 0, 0},
		{[]Term{1, 2}, 2, 2, false, 0, 0},
		{[]Term{1, 2}, 1, 2, true, 1, 1},
		{[]Term{1, 2}, 2, 1, true, 1, 1},
		{[]Term{1, 2}, 3, 3, true, 2, 2},
		{[]Term{1, 4, 4, 4}, 4, 3, true, 1, 1},
		{[]Term{4, 4}, 2, 3, true, 0, 0},
		{nil, 2, 2, true, 0, 0},
	} {
		c := follower(t, 5, test.log...)
		out := c.answers(t, Message{Type: AppendEntries, From: 2, To: 1, Term: 5, Index: test.index, LogTerm: test.term})
		if len(out) != 1 || out[0].Reject != test.reject || out[0].Index != test.index ||
			out[0].HintIndex != test.hint || out[0].HintTerm != test.hintTerm {
			t.Errorf("%+v is answered %v", test, out)
		}
	}
}

// §5.3: an existing entry is removed only if it conflicts, with all that
// follow it; what is not there yet is appended.
func TestPaper53FollowerAppends(t *testing.T) {
	for _, test := range []struct {
		log     []Term
		index   Index
		logTerm Term
		entries []Term
		want    string
	}{
		{[]Term{1, 2}, 2, 2, []Term{3}, "(1 2 3)"},
		{[]Term{1, 2}, 1, 1, []Term{3, 4}, "(1 3 4)"},
		{[]Term{1, 2}, 0, 0, []Term{1}, "(1 2)"},
		{[]Term{1, 2, 2}, 1, 1, []Term{2}, "(1 2 2)"},
		{[]Term{1, 2, 2}, 1, 1, nil, "(1 2 2)"},
		{[]Term{1, 2, 2}, 1, 1, []Term{2, 3}, "(1 2 3)"},
		{[]Term{1, 1, 1}, 0, 0, []Term{3}, "(3)"},
	} {
		c := follower(t, 5, test.log...)
		m := Message{Type: AppendEntries, From: 2, To: 1, Term: 5, Index: test.index, LogTerm: test.logTerm}
		for i, term := range test.entries {
			m.Entries = append(m.Entries, Entry{Term: term, Index: test.index + 1 + Index(i), Data: fmt.Appendf(nil, "t%d", term)})
		}
		out := c.answers(t, m)
		if got := terms(&c.core(1).log); got != test.want {
			t.Errorf("%+v: log %s", test, got)
		}
		if got := diskTerms(c.node(1)); got != test.want {
			t.Errorf("%+v: disk %s", test, got)
		}
		if matching := test.index + Index(len(test.entries)); len(out) != 1 || out[0].Reject || out[0].Index != matching {
			t.Errorf("%+v is answered %v, want index %d", test, out, matching)
		}
	}
}

// §5.3, Figure 7: the leader makes every follower's log its own, in as many
// rejections as are written here, and no more.
func TestPaper53Figure7(t *testing.T) {
	leader := []Term{1, 1, 1, 4, 4, 5, 5, 6, 6, 6}
	for _, test := range []struct {
		name       string
		log        []Term
		rejections int
	}{
		{"a", []Term{1, 1, 1, 4, 4, 5, 5, 6, 6}, 1},
		{"b", []Term{1, 1, 1, 4}, 1},
		{"c", []Term{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6}, 0},
		{"d", []Term{1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7}, 0},
		{"e", []Term{1, 1, 1, 4, 4, 4, 4}, 1},
		{"f", []Term{1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}, 1},
	} {
		c := newCluster(3, testConfig)
		c.node(1).disk = diskOf(7, leader...)
		c.node(2).disk = diskOf(7, test.log...)
		c.node(3).disk = diskOf(7)
		rejections := 0
		c.trace = func(format string, args ...any) {
			line := fmt.Sprintf(format, args...)
			if strings.HasPrefix(line, "2->1 AppendEntriesResponse") && strings.Contains(line, "rejected") {
				rejections++
			}
		}
		for id := NodeID(1); id <= 3; id++ {
			c.start(id)
		}
		c.elect(1)
		if want, got := "(1 1 1 4 4 5 5 6 6 6 8)", terms(&c.core(2).log); got != want {
			t.Errorf("%s: the follower's log is %s", test.name, got)
		}
		if rejections != test.rejections {
			t.Errorf("%s: %d rejections, want %d", test.name, rejections, test.rejections)
		}
	}
}

// §5.4.1: a vote needs a log at least as up-to-date as the voter's.
func TestPaper541VoteNeedsUpToDateLog(t *testing.T) {
	for _, test := range []struct {
		log    []Term
		index  Index
		term   Term
		reject bool
	}{
		{[]Term{1}, 1, 1, false}, {[]Term{1}, 2, 1, false}, {[]Term{1, 1}, 1, 1, true}, // same last term: length
		{[]Term{1}, 1, 2, false}, {[]Term{1, 1}, 1, 2, false}, // later last term: whatever length
		{[]Term{2}, 1, 1, true}, {[]Term{2}, 5, 1, true},
		{nil, 0, 0, false}, {[]Term{1}, 0, 0, true},
	} {
		for _, typ := range []MessageType{PreVote, RequestVote} {
			c := follower(t, 3, test.log...)
			out := c.answers(t, Message{Type: typ, From: 2, To: 1, Term: 4, Index: test.index, LogTerm: test.term})
			if len(out) != 1 || out[0].Reject != test.reject {
				t.Errorf("%s: %+v is answered %v", typ, test, out)
			}
		}
	}
}

// §5.4.2: replicas of an entry of an earlier term are not counted; an entry of
// the current term commits all before it. (Figure 8 is told in
// testdata/figure_8.txt.)
func TestPaper542OnlyOwnTermIsCounted(t *testing.T) {
	for _, test := range []struct{ match, commit Index }{{1, 0}, {2, 0}, {3, 3}, {4, 4}} {
		c := newCluster(3, testConfig)
		c.node(1).disk = diskOf(2, 1, 2)
		c.node(2).disk = diskOf(2)
		for id := NodeID(1); id <= 2; id++ {
			c.start(id)
		}
		c.campaign(1)
		c.answers(t, Message{Type: PreVoteResponse, From: 2, To: 1, Term: 3})
		c.answers(t, Message{Type: RequestVoteResponse, From: 2, To: 1, Term: 3})
		core := c.core(1)
		if err := c.propose(1, "x"); err != nil { // 3 is the no-op, 4 is x
			t.Fatal(err)
		}
		c.persist(1, 1)
		if err := core.Step(Message{Type: AppendEntriesResponse, From: 2, To: 1, Term: 3, Index: test.match}); err != nil {
			t.Fatal(err)
		}
		if core.Commit() != test.commit {
			t.Errorf("a majority has %d: committed %d, want %d", test.match, core.Commit(), test.commit)
		}
	}
}

// §6: members that hear a leader refuse votes, and keep their term; after the
// shortest election timeout they vote.
func TestPaper6StickToLeader(t *testing.T) {
	c := startedCluster(3)
	c.elect(1)
	ask := Message{Type: RequestVote, From: 3, To: 2, Term: 7, Index: 1, LogTerm: 1}
	if out := c.answers(t, ask); len(out) != 0 || c.core(2).Term() != 1 {
		t.Errorf("a follower of a live leader answers %v in term %d", out, c.core(2).Term())
	}
	ask.To = 1
	if out := c.answers(t, ask); len(out) != 0 || c.core(1).Role() != Leader {
		t.Errorf("a leader answers %v and is %s", out, c.core(1).Role())
	}
	for range 10 {
		c.tick(2)
	}
	ask.To = 2
	if out := c.answers(t, ask); len(out) != 1 || out[0].Reject || out[0].Term != 7 {
		t.Errorf("after the timeout it answers %v", out)
	}
}

// Thesis §6.4: a read waits for an entry of the leader's term and for a
// majority's answer to a round that began after it. One round serves all.
func TestPaper64ReadsShareARound(t *testing.T) {
	c := startedCluster(5)
	c.elect(1)
	for request := range uint64(100) {
		if err := c.core(1).ReadIndex(request); err != nil {
			t.Fatal(err)
		}
	}
	rd, _ := c.core(1).Ready()
	if len(rd.Messages) != 4 || len(rd.Reads) != 0 {
		t.Fatalf("100 reads cause %d messages and %d answers at once", len(rd.Messages), len(rd.Reads))
	}
	for from := NodeID(2); from <= 3; from++ {
		m := Message{Type: HeartbeatResponse, From: from, To: 1, Term: 1, Round: rd.Messages[0].Round}
		if err := c.core(1).Step(m); err != nil {
			t.Fatal(err)
		}
		rd, _ := c.core(1).Ready()
		if want := int(from-2) * 100; len(rd.Reads) != want {
			t.Errorf("after the answer of %d: %d reads confirmed, want %d", from, len(rd.Reads), want)
		}
	}
}

// §8: a new leader opens its term with a no-op.
func TestPaper8NoopOpensTerm(t *testing.T) {
	c := startedCluster(3)
	c.elect(2)
	entries := c.node(3).disk.entries
	if len(entries) != 1 || entries[0].Type != EntryNoop || entries[0].Term != 1 || c.node(3).applied != 1 {
		t.Errorf("after an election a follower has %v and applied %d", entries, c.node(3).applied)
	}
}
