package sim

import (
	"slices"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/raft/wal"
	"quorate/sqlfsm"
	"quorate/sqlfsm/origins"
)

// oracle looks on and ends the run when a property is broken: those of the
// paper's Figure 3, and what the driver and the log promise. It remembers
// everything that ever happened, across crashes: two leaders of one term are
// two leaders also when the first one is gone.
//
// A log is known by its chain: the hash at an index covers the entry there and
// all before it, so that two logs are equal up to an index when their hashes
// there are. Every check is a comparison or two.
type oracle struct {
	world   *World
	leaders map[raft.Term]raft.NodeID // Election Safety
	votes   map[ballot]raft.NodeID    // one vote a term, for life
	entries map[position]uint64       // Log Matching
	// committed is what is committed, once and for all.
	committed []commitment
	commands  map[command]raft.Index // where each was applied
	repeats   map[entryName]bool     // copies of commands that the world has put into a log
	never     map[command]bool       // their clients were told that they were not carried out
	confirmed []confirmation         // their clients were told that they were

	// seen is the last index that any client knows of: a read that begins now
	// must see it.
	seen raft.Index

	members map[raft.NodeID]*member
	// joined were members once, and removed are none any more, by the entries that
	// are applied.
	joined, removed map[raft.NodeID]bool
}

type ballot struct {
	voter raft.NodeID
	term  raft.Term
}

type position struct {
	index raft.Index
	term  raft.Term
}

// commitment is a committed entry.
type commitment struct {
	hash uint64
	term raft.Term // of the leader that committed it
	// Of a command that was applied somewhere, and when it was first.
	isCommand bool
	command   command
	stamp     int64
	outcome   outcome
	applied   bool
	// state is what the entries up to this one add up to, 0: nobody has applied it.
	state uint64
}

// command names one for ever.
type command = origins.Name

type confirmation struct {
	command command
	index   raft.Index
}

// member is what the oracle knows of a node.
type member struct {
	written []uint64 // chain of what was handed to its log writer
	disk    []uint64 // chain of what its log has called durable
	vote    raft.HardState
	// configurations are the indices of those among written.
	configurations []raft.Index
	base           raft.Index // they are after it: the newest image's end, or the log's base at the start
	changed        raft.Index // of these, the newest that it appended itself as leader in this turn
	damaged        bool       // a fault changed what was durable

	// Of one life.
	term            raft.Term
	committedIn     raft.Term // the last in which it led and committed something
	commit, applied raft.Index
}

func newOracle(w *World) oracle {
	return oracle{
		world: w, leaders: map[raft.Term]raft.NodeID{}, votes: map[ballot]raft.NodeID{}, entries: map[position]uint64{},
		commands: map[command]raft.Index{}, repeats: map[entryName]bool{}, never: map[command]bool{}, members: map[raft.NodeID]*member{},
		joined: map[raft.NodeID]bool{}, removed: map[raft.NodeID]bool{},
	}
}

func (o *oracle) must(ok bool, format string, args ...any) {
	if !ok {
		o.world.fail(format, args...)
	}
}

func (o *oracle) of(n *node) *member {
	m := o.members[n.id]
	if m == nil {
		m = &member{}
		o.members[n.id] = m
	}
	return m
}

// recovered: a restarted log has everything that it called durable.
func (o *oracle) recovered(n *node, log *wal.Log, s *raft.State) {
	m := o.of(n)
	hard := s.HardState
	o.must(hard.Term > m.vote.Term || hard.Term == m.vote.Term && (m.vote.Vote == 0 || hard.Vote == m.vote.Vote),
		"%v forgets its vote: term %d, vote %d on disk, after term %d, vote %d", n, hard.Term, uint64(hard.Vote), m.vote.Term, uint64(m.vote.Vote))
	m.configurations, m.base = nil, s.Base
	m.written = o.chainOf(n, m, log, s)
	kept := commonPrefix(m.written, m.disk)
	if kept < len(m.disk) {
		// A write that was under way may have superseded the rest; then the log
		// goes on with an entry of a later term.
		o.must(len(m.written) > kept, "%v has lost entries %d to %d, which its log called durable", n, kept+1, len(m.disk))
	}
	m.disk = slices.Clone(m.written)
	m.vote = s.HardState
	o.must(o.committedIn(m.written) >= int(min(s.Last, s.HardState.Commit)), "%v calls other entries committed than were", n)
}

// chainOf reads a whole log. What it begins after is committed.
func (o *oracle) chainOf(n *node, m *member, log *wal.Log, s *raft.State) []uint64 {
	hashes := o.prefix(n, s.Base, s.BaseTerm)
	for lo := s.Base + 1; lo <= s.Last; {
		entries, err := log.Entries(lo, s.Last+1, 1<<20)
		o.must(err == nil && len(entries) > 0, "%v cannot read entry %d of its log: %v", n, lo, err)
		for i := range entries {
			hashes = o.extend(n, m, hashes, &entries[i])
		}
		lo += raft.Index(len(entries))
	}
	return hashes
}

// prefix returns the chain of the committed entries up to base.
func (o *oracle) prefix(n *node, base raft.Index, term raft.Term) []uint64 {
	o.must(int(base) <= len(o.committed), "the log of %v begins after %d, and only %d entries are committed", n, base, len(o.committed))
	o.must(base == 0 || o.entries[position{base, term}] == o.committed[base-1].hash, "the log of %v begins after entry %d of term %d, which is not the committed one", n, base, term)
	hashes := make([]uint64, base, base+64)
	for i := range hashes {
		hashes[i] = o.committed[i].hash
	}
	return hashes
}

// cut: the log begins after base.
func (o *oracle) cut(n *node, base raft.Index) {
	o.must(int(base) <= len(o.committed), "%v cuts its log at %d, and only %d entries are committed", n, base, len(o.committed))
}

// installed: an image is what the committed entries up to its index add up to.
func (o *oracle) installed(n *node, index raft.Index) {
	o.must(int(index) <= len(o.committed), "%v installs an image up to %d, and only %d entries are committed", n, index, len(o.committed))
	o.of(n).applied = index
	o.state(n, "installs")
}

// state: the entries up to an index add up to one state, on whatever node,
// through whatever restarts and images.
func (o *oracle) state(n *node, does string) {
	s := &n.machine.machineState
	if s.index == 0 {
		return
	}
	c, hash := &o.committed[s.index-1], s.hash()
	if c.state == 0 {
		c.state = hash
	}
	o.must(c.state == hash, "%v %s another state at entry %d than was seen before", n, does, s.index)
}

// extend: Log Matching. An index and a term name one entry and one history
// before it.
func (o *oracle) extend(n *node, m *member, hashes []uint64, e *raft.Entry) []uint64 {
	if e.Type == raft.EntryConfiguration {
		m.configurations = append(m.configurations, e.Index)
	}
	var before uint64
	if len(hashes) > 0 {
		before = hashes[len(hashes)-1]
	}
	h := chain(before, e)
	at := position{e.Index, e.Term}
	known, ok := o.entries[at]
	o.must(!ok || known == h, "Log Matching: %v has another entry %d of term %d than was seen before, or another one before it", n, e.Index, e.Term)
	o.entries[at] = h
	return append(hashes, h)
}

func commonPrefix(a, b []uint64) int {
	n := min(len(a), len(b))
	if n == 0 || a[n-1] == b[n-1] {
		return n // a hash stands for all before it
	}
	for n > 0 && a[n-1] != b[n-1] {
		n--
	}
	return n
}

// committedIn returns how many committed entries a log begins with.
func (o *oracle) committedIn(hashes []uint64) int {
	n := min(len(hashes), len(o.committed))
	for n > 0 && hashes[n-1] != o.committed[n-1].hash {
		n--
	}
	return n
}

// refused: a log may refuse to open only after its data was changed.
func (o *oracle) refused(n *node, err error) {
	o.must(o.of(n).damaged, "%v finds its log damaged, which nobody did: %v", n, err)
}

func (o *oracle) started(n *node) {
	m := o.of(n)
	o.state(n, "starts with")
	m.term, m.commit, m.applied = 0, 0, n.machine.index
}

// wrote: what the core wants written.
func (o *oracle) wrote(n *node, w *driver.LogWrite) {
	m := o.of(n)
	if s := w.Snapshot; s != nil {
		m.written = o.prefix(n, s.Index, s.Term)
		m.configurations, m.base = nil, s.Index
	}
	if len(w.Entries) == 0 {
		return
	}
	first := int(w.Entries[0].Index)
	o.must(first >= 1 && first <= len(m.written)+1, "%v writes entry %d after %d", n, first, len(m.written))
	held := o.committedIn(m.written)
	m.written = m.written[:first-1]
	for k := len(m.configurations); k > 0 && int(m.configurations[k-1]) >= first; k-- {
		m.configurations = m.configurations[:k-1]
	}
	for i := range w.Entries {
		m.written = o.extend(n, m, m.written, &w.Entries[i])
	}
	if n.core.Role() == raft.Leader {
		if k := len(m.configurations); k > 0 && int(m.configurations[k-1]) >= first {
			m.changed = m.configurations[k-1]
		}
		o.world.moment(n, 3)
	}
	if kept := o.committedIn(m.written); kept < held {
		// What a leader of a later term has committed without this node may go once
		// more: messages from before that term were held back. A message of that term
		// may have come in the same turn, so the term before the turn counts.
		term := m.term
		if term == 0 {
			term = n.core.Term()
		}
		o.must(o.committed[kept].term > term, "%v overwrites committed entries after %d", n, kept)
	}
}

// durable: a batch of writes was made durable, if one of them asked for it.
func (o *oracle) durable(n *node, batch []driver.LogWrite) {
	if !slices.ContainsFunc(batch, func(w driver.LogWrite) bool { return w.Sync || w.Snapshot != nil }) {
		return
	}
	m := o.of(n)
	for _, w := range batch {
		if w.HardState != nil {
			m.vote = *w.HardState
		}
		if w.Snapshot != nil {
			m.disk = o.prefix(n, w.Snapshot.Index, w.Snapshot.Term)
		}
		if len(w.Entries) == 0 {
			continue
		}
		m.disk = m.disk[:min(len(m.disk), int(w.Entries[0].Index)-1)]
		for i := range w.Entries {
			e := &w.Entries[i]
			m.disk = append(m.disk, o.entries[position{e.Index, e.Term}])
		}
	}
}

// sent: a promise leaves a node only when its disk remembers it, and nobody
// votes twice in a term.
func (o *oracle) sent(n *node, message *raft.Message) {
	m := o.of(n)
	switch message.Type {
	case raft.RequestVote:
		o.vote(n, m, message.Term, message.From)
	case raft.RequestVoteResponse:
		if !message.Reject {
			o.vote(n, m, message.Term, message.To)
		}
	case raft.AppendEntriesResponse:
		if !message.Reject && message.Term == m.vote.Term {
			o.must(int(message.Index) <= len(m.disk), "%v acknowledges entry %d, its disk has %d", n, message.Index, len(m.disk))
		}
	}
}

func (o *oracle) vote(n *node, m *member, term raft.Term, candidate raft.NodeID) {
	b := ballot{n.id, term}
	known, voted := o.votes[b]
	o.must(!voted || known == candidate, "%v votes for %d and for %d in term %d", n, uint64(known), uint64(candidate), term)
	o.votes[b] = candidate
	o.must(m.vote.Term > term || m.vote.Term == term && m.vote.Vote == candidate,
		"%v votes for %d in term %d, its disk knows of a vote for %d in term %d", n, uint64(candidate), term, uint64(m.vote.Vote), m.vote.Term)
}

// afterTurn looks at a node whose core may have changed.
func (o *oracle) afterTurn(n *node) {
	m := o.of(n)
	term, commit := n.core.Term(), n.core.Commit()
	o.must(term >= m.term, "%v goes back from term %d to %d", n, m.term, term)
	o.must(commit >= m.commit, "%v goes back from commit index %d to %d", n, m.commit, commit)
	m.term = term
	if commit > m.commit {
		o.commits(n, m, term, commit)
		m.commit = commit
		if n.core.Role() == raft.Leader {
			percent := 2
			if m.committedIn != term {
				percent = 40 // the first of its term
			}
			m.committedIn = term
			o.world.moment(n, percent)
		}
	}
	if n.core.Role() == raft.Leader {
		o.leads(n, m, term)
	}
	m.changed = 0
	o.inForce(n, m)
	o.bounded(n)
}

// inForce: a member's configuration is the newest in its log, as soon as it is
// appended and no longer than it is there.
func (o *oracle) inForce(n *node, m *member) {
	newest := n.core.ConfigurationAt(n.core.Last()).Index
	if k := len(m.configurations); k > 0 {
		o.must(newest == m.configurations[k-1], "the configuration of entry %d is in force at %v, the newest in its log is that of %d", newest, n, m.configurations[k-1])
		return
	}
	o.must(newest <= m.base, "the configuration of entry %d is in force at %v, and there is none in its log after %d", newest, n, m.base)
}

// commits: State Machine Safety, and what is committed is on the disks of a
// majority.
func (o *oracle) commits(n *node, m *member, term raft.Term, commit raft.Index) {
	o.must(int(commit) <= len(m.written), "%v commits entry %d, its log ends at %d", n, commit, len(m.written))
	if known := min(int(commit), len(o.committed)); known > 0 {
		o.must(m.written[known-1] == o.committed[known-1].hash, "State Machine Safety: %v has another committed entry at or before %d", n, known)
	}
	known := len(o.committed)
	for i := known; i < int(commit); i++ {
		o.committed = append(o.committed, commitment{hash: m.written[i], term: term})
	}
	if int(commit) > known {
		holders := map[raft.NodeID]bool{}
		for _, other := range o.world.nodes {
			if disk := o.of(other).disk; int(commit) <= len(disk) && disk[commit-1] == m.written[commit-1] {
				holders[other.id] = true
			}
		}
		// A leader may append a configuration in the turn in which it commits.
		now, then := n.core.Status().Configuration.Configuration, n.core.ConfigurationAt(commit).Configuration
		o.must(hasMajority(&now, holders) || hasMajority(&then, holders), "entry %d is committed by %v on the disks of %d, no majority of %d members", commit, n, len(holders), len(now.Members))
	}
}

// leads: Election Safety, and Leader Completeness for a new leader; a
// configuration comes after a commit of its leader's term, and after the
// configuration before it is committed (thesis §4.1).
func (o *oracle) leads(n *node, m *member, term raft.Term) {
	if m.changed > 0 {
		last := len(o.committed) - 1
		o.must(last >= 0 && o.committed[last].term >= term, "%v changes the members at %d, and has committed nothing in its term %d", n, m.changed, term)
	}
	if k := len(m.configurations); k > 1 {
		o.must(int(m.configurations[k-2]) <= len(o.committed), "%v leads with two uncommitted configurations, %d and %d", n, m.configurations[k-2], m.configurations[k-1])
	}
	known, ok := o.leaders[term]
	o.must(!ok || known == n.id, "Election Safety: n%d and %v lead term %d", uint64(known), n, term)
	if ok {
		return
	}
	o.leaders[term] = n.id
	voters := map[raft.NodeID]bool{}
	for _, other := range o.world.nodes {
		voters[other.id] = o.votes[ballot{other.id, term}] == n.id
	}
	if m.vote.Term == term && m.vote.Vote == n.id {
		voters[n.id] = true // the only voter asks nobody
	}
	c := n.core.Status().Configuration.Configuration
	o.must(hasMajority(&c, voters), "Election Safety: %v leads term %d without the votes of a majority", n, term)
	o.world.elected(n)
	o.world.moment(n, 40)
	o.world.changeAtOnce(n)
	i := len(o.committed)
	for i > 0 && o.committed[i-1].term >= term {
		i--
	}
	o.must(i == 0 || i <= len(m.written) && m.written[i-1] == o.committed[i-1].hash,
		"Leader Completeness: %v leads term %d without the committed entry %d", n, term, i)
}

// applied: every node applies the committed entries in order, each once, and
// each command is applied at one of them at most.
func (o *oracle) applied(n *node, e *raft.Entry, a *applied) {
	m := o.of(n)
	o.must(e.Index == m.applied+1, "%v applies entry %d after %d", n, e.Index, m.applied)
	m.applied = e.Index
	o.must(int(e.Index) <= len(o.committed), "%v applies entry %d, which nobody has committed", n, e.Index)
	c := &o.committed[e.Index-1]
	var before uint64
	if e.Index > 1 {
		before = o.committed[e.Index-2].hash
	}
	o.must(chain(before, e) == c.hash, "%v applies another entry %d than was committed", n, e.Index)
	o.must(int(e.Index) <= len(m.disk) && m.disk[e.Index-1] == c.hash, "%v applies entry %d before its own disk has it", n, e.Index)
	o.state(n, "reaches")
	if c.applied {
		return
	}
	c.applied = true
	switch e.Type {
	case raft.EntryConfiguration:
		o.change(e)
	case raft.EntryNormal:
		o.world.repeatable = append(o.world.repeatable, e.Data)
		if a.header.Kind == sqlfsm.KindSQL {
			o.command(e, c, a)
		}
	}
}

// entryName names an entry for ever (§5.3, Log Matching).
type entryName struct {
	index raft.Index
	term  raft.Term
}

// command: a command is applied once, and its later copies are taken for what
// they are. The nodes make none: they put each into the log once, and what is there
// again is the world's doing.
func (o *oracle) command(e *raft.Entry, c *commitment, a *applied) {
	name := nameOf(&a.header)
	first := o.commands[name]
	o.must(first == 0 || o.repeats[entryName{e.Index, e.Term}], "command %v is in the log at %d, and once more at %d", name, first, e.Index)
	switch a.verdict {
	case origins.Fresh:
		o.must(first == 0, "command %v is applied at %d and at %d", name, first, e.Index)
		o.must(!o.never[name], "command %v is applied, and its client was told that it was not", name)
		o.commands[name] = e.Index
		c.isCommand, c.command, c.outcome = true, name, a.outcome
		c.stamp = o.world.history.stamp()
	case origins.Seen:
		o.must(first != 0, "command %v at %d is taken for one that was applied, and was not", name, e.Index)
		o.must(o.committed[first-1].outcome == a.outcome, "command %v did %v at %d, and is remembered with %v", name, o.committed[first-1].outcome, first, a.outcome)
	}
}

// change notes who is removed by an entry.
func (o *oracle) change(e *raft.Entry) {
	members := memberIDs(e.Data)
	for _, n := range o.world.nodes {
		id := uint64(n.id)
		if slices.Contains(members, id) {
			o.joined[n.id] = true
		} else if o.joined[n.id] {
			o.removed[n.id] = true
		}
	}
}
