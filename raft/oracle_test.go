package raft

import "fmt"

// oracle watches a cluster and stops the test when a property of the paper's
// Figure 3, or a promise of this package, is broken. It remembers everything
// that ever happened, across crashes: two leaders of one term are two leaders
// also when the first one is gone.
type oracle struct {
	leaders   map[Term]NodeID             // Election Safety
	votes     map[nodeTerm]NodeID         // one vote a term, for life
	chains    map[indexTerm]uint64        // Log Matching
	entries   map[indexTerm]Entry         // that were ever written
	committed []committedEntry            // State Machine Safety: [i] has index i+1
	logs      map[NodeID][]uint64         // chain of every member's log
	floor     map[NodeID]incarnationFloor // commit and applied never go back

	founders     []Member // the first configuration
	acknowledged Index    // highest index that any member applied
}

// committedEntry is an entry that was committed, with the chain up to it.
type committedEntry struct {
	chain uint64
	entry Entry
}

type nodeTerm struct {
	node NodeID
	term Term
}

type indexTerm struct {
	index Index
	term  Term
}

type incarnationFloor struct {
	term    Term
	commit  Index
	applied Index
}

func newOracle() oracle {
	return oracle{
		leaders: map[Term]NodeID{}, votes: map[nodeTerm]NodeID{}, chains: map[indexTerm]uint64{}, entries: map[indexTerm]Entry{},
		logs: map[NodeID][]uint64{}, floor: map[NodeID]incarnationFloor{},
	}
}

// broken carries a violated property to the test that owns the cluster.
type broken string

func (o *oracle) must(ok bool, format string, args ...any) {
	if !ok {
		panic(broken(fmt.Sprintf(format, args...)))
	}
}

// started: a member came up with what its disk held.
func (o *oracle) started(n *testNode) {
	o.floor[n.id] = incarnationFloor{}
	o.logs[n.id] = nil
	if n.disk.base.Index > 0 {
		o.reset(n, &n.disk.base)
	}
	o.wrote(n, n.disk.entries)
}

// reset: a log begins after what s has. That is committed, so that the log has
// everything that it had before and that anybody may count on.
func (o *oracle) reset(n *testNode, s *Snapshot) {
	if s == nil {
		return
	}
	o.must(int(s.Index) <= len(o.committed) && o.committed[s.Index-1].entry.Term == s.Term,
		"member %d begins its log after %d/%d, which is not committed", n.id, s.Index, s.Term)
	want, got := describeConfiguration(o.configurationAt(s.Index)), describeConfiguration(s.Configuration)
	unknown := n.members == nil && got == describeConfiguration(ConfigurationAt{}) // it joined later
	o.must(got == want || unknown, "member %d begins its log after %d with configuration %s, want %s", n.id, s.Index, got, want)
	o.logs[n.id] = nil
	for _, c := range o.committed[:s.Index] {
		o.logs[n.id] = append(o.logs[n.id], c.chain)
	}
}

// configurationAt is the configuration that was in force at a committed index.
func (o *oracle) configurationAt(i Index) ConfigurationAt {
	for ; i > 0; i-- {
		if e := o.committed[i-1].entry; e.Type == EntryConfiguration {
			c, _ := DecodeConfiguration(e.Data)
			return ConfigurationAt{i, c}
		}
	}
	return ConfigurationAt{Configuration: Configuration{Members: o.founders}}
}

// install: the state machine jumps to an image, forward.
func (o *oracle) install(n *testNode, s *Snapshot) {
	o.must(s.Index > n.behind, "member %d installs the image of %d after %d", n.id, s.Index, n.behind)
	o.must(n.disk.base.Index == s.Index, "member %d installs the image of %d before its log begins there", n.id, s.Index)
}

// wrote: Log Matching. An index and a term name one entry and one history
// before it.
func (o *oracle) wrote(n *testNode, entries []Entry) {
	if len(entries) == 0 {
		return
	}
	log := o.logs[n.id]
	first := entries[0].Index
	o.must(int(first) <= len(log)+1, "member %d writes entry %d after %d", n.id, first, len(log))
	held := o.committedIn(log)
	log = log[:first-1]
	for _, e := range entries {
		var before uint64
		if len(log) > 0 {
			before = log[len(log)-1]
		}
		h := chain(before, e)
		key := indexTerm{e.Index, e.Term}
		if known, ok := o.chains[key]; ok {
			o.must(known == h, "Log Matching: member %d has another entry %d of term %d, or another one before it", n.id, e.Index, e.Term)
		}
		o.chains[key] = h
		o.entries[key] = e
		log = append(log, h)
	}
	o.logs[n.id] = log
	o.must(o.committedIn(log) >= held, "member %d overwrites a committed entry after %d", n.id, o.committedIn(log))
}

// committedIn returns how many committed entries a log begins with.
func (o *oracle) committedIn(log []uint64) int {
	n := 0
	for n < min(len(log), len(o.committed)) && log[n] == o.committed[n].chain {
		n++
	}
	return n
}

// sent: a vote leaves a member at most for one candidate a term, its own
// candidacy included, and only when its disk remembers it.
func (o *oracle) sent(m Message) {
	var candidate NodeID
	switch {
	case m.Type == RequestVote:
		candidate = m.From
	case m.Type == RequestVoteResponse && !m.Reject:
		candidate = m.To
	default:
		return
	}
	key := nodeTerm{m.From, m.Term}
	known, voted := o.votes[key]
	o.must(!voted || known == candidate, "member %d votes for %d and for %d in term %d", m.From, known, candidate, m.Term)
	o.votes[key] = candidate
}

// apply: the state machine gets the entries of the log in order.
func (o *oracle) apply(n *testNode, entries []Entry) {
	o.must(entries[0].Index == n.behind+1, "member %d applies %d after %d", n.id, entries[0].Index, n.behind)
	for _, e := range entries {
		o.must(n.disk.holds(e.Index, e.Term),
			"member %d applies %d before its own disk has it", n.id, e.Index)
		o.acknowledged = max(o.acknowledged, e.Index)
	}
}

func (o *oracle) answered(n *testNode, request uint64, index Index) {
	floor, open := n.reads[request]
	o.must(open, "member %d answers read %d, which is not open", n.id, request)
	o.must(index >= floor, "stale read: member %d may read %d at %d, but %d was acknowledged before it was asked", n.id, request, index, floor)
	delete(n.reads, request)
}

func (o *oracle) lost(n *testNode, request uint64) {
	_, open := n.reads[request]
	o.must(open, "member %d loses read %d, which is not open", n.id, request)
	delete(n.reads, request)
}

// check looks at every member that is up.
func (o *oracle) check(c *cluster) {
	for _, n := range c.nodes {
		if n.core == nil {
			continue
		}
		f := o.floor[n.id]
		s := incarnationFloor{n.core.Term(), n.core.Commit(), n.applied}
		o.must(s.term >= f.term && s.commit >= f.commit && s.applied >= f.applied, "member %d goes back from %v to %v", n.id, f, s)
		o.floor[n.id] = s
		o.checkCommitted(c, n)
		if n.core.Role() == Leader {
			o.checkLeader(n)
		}
	}
}

// checkLeader: Election Safety, and Leader Completeness for a new leader.
func (o *oracle) checkLeader(n *testNode) {
	term := n.core.Term()
	known, ok := o.leaders[term]
	o.must(!ok || known == n.id, "Election Safety: members %d and %d lead term %d", known, n.id, term)
	if ok {
		return
	}
	o.leaders[term] = n.id
	log := o.logs[n.id]
	for i, c := range o.committed {
		o.must(i < len(log) && log[i] == c.chain, "Leader Completeness: member %d leads term %d without the committed entry %d", n.id, term, i+1)
	}
}

// checkCommitted: State Machine Safety, and what is committed is on the disks
// of a majority of the configuration that its leader was in.
func (o *oracle) checkCommitted(c *cluster, n *testNode) {
	l := &n.core.log
	if l.unwrittenReset != nil {
		return // o.logs does not know of it yet
	}
	log := o.logs[n.id]
	end := min(l.commit, l.written) // what was not written yet, o.logs does not know
	for i := int(n.committedChecked); i < int(end); i++ {
		if i < len(o.committed) {
			o.must(log[i] == o.committed[i].chain, "State Machine Safety: member %d has another committed entry %d", n.id, i+1)
			continue
		}
		term, _ := l.term(Index(i + 1))
		entry := o.entries[indexTerm{Index(i + 1), term}]
		voters, holders := 0, 0
		for _, m := range n.core.newest().Configuration.Members {
			if m.Suffrage != Voter {
				continue
			}
			voters++
			if c.node(m.ID).disk.holds(entry.Index, entry.Term) {
				holders++
			}
		}
		o.must(holders > voters/2, "entry %d is committed on the disks of %d of %d voters", i+1, holders, voters)
		o.checkStep(entry)
		o.committed = append(o.committed, committedEntry{log[i], entry})
	}
	n.committedChecked = max(n.committedChecked, end)
}

// checkStep: a committed configuration differs from the one before it by one
// voter at most.
func (o *oracle) checkStep(e Entry) {
	if e.Type != EntryConfiguration {
		return
	}
	before := o.configurationAt(e.Index - 1).Configuration
	after, err := DecodeConfiguration(e.Data)
	o.must(err == nil, "configuration %d: %v", e.Index, err)
	changes := 0
	for _, pair := range [][2]*Configuration{{&before, &after}, {&after, &before}} {
		for _, m := range pair[0].Members {
			if other, ok := pair[1].Member(m.ID); m.Suffrage == Voter && (!ok || other.Suffrage != Voter) {
				changes++
			}
		}
	}
	o.must(changes <= 1, "configuration %d changes %d voters at once", e.Index, changes)
}
