package raft

import (
	"fmt"
	"slices"
)

// Membership changes one member at a time (thesis §4.1): every majority of the
// old configuration has a member in common with every majority of the new one,
// so there is never a moment in which two leaders could be elected or two
// histories committed. A configuration is in force from the moment that it is
// appended, on each member for itself, and no longer when a new leader removes
// its entry again. Two rules keep that sound:
//
//   - A change is proposed only when the one before it is committed.
//   - And only when the leader has committed an entry of its own term. Else two
//     leaders, neither of which knows of the other's uncommitted change, could
//     move two steps apart.
//
// The alternative, a configuration that is in force when it is applied, can leave
// a majority without a leader: those who must vote do not know yet that they
// are voters.

const (
	// maxVoters bounds the voters of a cluster. More would make every commit
	// wait for more disks and survive no more accidents than anybody plans for.
	maxVoters = 7
	// maxMembers bounds the members, learners included: the leader sends the
	// whole log to each.
	maxMembers = 16
)

// ConfChangeOp says what a ConfChange does.
type ConfChangeOp uint8

// The changes.
const (
	// AddMember takes Member in, as Learner or as Staging.
	AddMember ConfChangeOp = iota + 1
	// PromoteMember makes a voter of the member with Member.ID.
	PromoteMember
	// RemoveMember removes the member with Member.ID. Force allows it when the
	// rest is not known to be able to go on.
	RemoveMember
	// UpdateMember gives the member with Member.ID the address Member.Address.
	UpdateMember
)

func (op ConfChangeOp) String() string {
	switch op {
	case AddMember:
		return "add"
	case PromoteMember:
		return "promote"
	case RemoveMember:
		return "remove"
	case UpdateMember:
		return "update"
	}
	return fmt.Sprintf("change %d", uint8(op))
}

// ConfChange is one step from a configuration to the next.
type ConfChange struct {
	Op     ConfChangeOp
	Member Member
	Force  bool
}

// ProposeConfChange appends the configuration that c leads to, and returns its
// index and term. It is in force at once; it may be lost with this leader, like
// any entry. Refusals are a *ConfChangeError, *NotLeaderError, ErrTransferring
// and ErrFull.
func (r *Raft) ProposeConfChange(c ConfChange) (Index, Term, error) {
	if err := r.mayPropose(); err != nil {
		return 0, 0, err
	}
	if r.log.commit < r.termStart {
		return 0, 0, retryLater("this leader is new and has committed nothing yet")
	}
	if r.newest().Index > r.log.commit {
		return 0, 0, retryLater("another membership change, at index %d, is not committed yet", r.newest().Index)
	}
	next, err := r.changed(c)
	if err != nil {
		return 0, 0, err
	}
	r.appendConfiguration(next)
	r.checkInvariants()
	return r.log.last(), r.term, nil
}

// appendConfiguration appends a configuration to the leader's own log.
func (r *Raft) appendConfiguration(c Configuration) {
	err := c.validate()
	assert(err == nil && len(c.Members) > 0, "a leader proposes a wrong configuration")
	r.appendEntry(Entry{Type: EntryConfiguration, Data: AppendConfiguration(nil, c)})
	r.confirmReadRound() // a smaller majority may have answered already
}

// changed returns the configuration that c leads to, or why not.
func (r *Raft) changed(c ConfChange) (Configuration, error) {
	now := &r.newest().Configuration
	next := Configuration{Members: slices.Clone(now.Members), Removed: slices.Clone(now.Removed)}
	if c.Op == AddMember {
		return r.withMember(next, c.Member)
	}
	i := slices.IndexFunc(next.Members, func(m Member) bool { return m.ID == c.Member.ID })
	switch {
	case i < 0 && c.Op == RemoveMember && slices.Contains(now.Removed, c.Member.ID):
		return next, alreadyDone("member %s is removed already", c.Member.ID)
	case i < 0:
		return next, notPossible("there is no member %s", c.Member.ID)
	}
	m := &next.Members[i]
	switch c.Op {
	case PromoteMember:
		if m.Suffrage == Voter {
			return next, alreadyDone("member %s is a voter already", m.label())
		}
		if err := r.mayPromote(m); err != nil {
			return next, err
		}
		m.Suffrage = Voter
	case RemoveMember:
		return r.withoutMember(next, *m, c.Force)
	case UpdateMember:
		if m.Address == c.Member.Address {
			return next, alreadyDone("member %s has the address %s already", m.label(), m.Address)
		}
		if other, ok := next.addressed(c.Member.Address); ok {
			return next, notPossible("member %s has the address %s", other.label(), other.Address)
		}
		m.Address = c.Member.Address
	default:
		return next, notPossible("%q is unknown; is the caller a newer version?", c.Op)
	}
	return next, nil
}

// withMember adds m. It comes in without a vote: a majority must not depend on
// somebody who first has to get the whole log (thesis §4.2.1).
func (r *Raft) withMember(c Configuration, m Member) (Configuration, error) {
	if old, ok := c.Member(m.ID); ok && old.Name == m.Name && old.Address == m.Address {
		return c, alreadyDone("member %s is a %s already", old.label(), old.Suffrage)
	}
	switch {
	case m.ID == 0:
		return c, notPossible("member %q has the id 0, which means no node", m.Name)
	case m.Suffrage != Learner && m.Suffrage != Staging:
		return c, notPossible("member %s cannot come in as %s: it becomes a voter when it has the log", m.label(), m.Suffrage)
	case slices.Contains(c.Removed, m.ID):
		return c, notPossible("member %s was removed, and an id is never used again: it has to come back with a new one, and an empty log", m.label())
	case len(c.Members) >= maxMembers:
		return c, notPossible("there are %d members already, which is the most there may be", maxMembers)
	case m.Suffrage == Staging && c.votersToBe() >= maxVoters:
		return c, notPossible("there are %d voters already, which is the most there may be; add it as a learner", maxVoters)
	}
	if old, ok := c.Member(m.ID); ok {
		return c, notPossible("id %s belongs to member %s at %s", m.ID, old.label(), old.Address)
	}
	if old, ok := c.Named(m.Name); ok && m.Name != "" {
		return c, notPossible("member %s, at %s, has that name; remove it first", old.label(), old.Address)
	}
	if old, ok := c.addressed(m.Address); ok {
		return c, notPossible("member %s has the address %s", old.label(), old.Address)
	}
	i, _ := slices.BinarySearchFunc(c.Members, m.ID, func(m Member, id NodeID) int {
		if m.ID < id {
			return -1
		}
		return 1
	})
	c.Members = slices.Insert(c.Members, i, m)
	return c, nil
}

// withoutMember removes m, if those that stay can go on by themselves.
func (r *Raft) withoutMember(c Configuration, m Member, force bool) (Configuration, error) {
	c.Members = slices.DeleteFunc(c.Members, func(other Member) bool { return other.ID == m.ID })
	c.Removed = append(c.Removed, m.ID)
	c.Removed = c.Removed[max(0, len(c.Removed)-removedMax):]
	voters, live := 0, 0
	for _, other := range c.Members {
		if other.Suffrage != Voter {
			continue
		}
		voters++
		if p := r.peer(other.ID); other.ID == r.id || p != nil && r.lives(p) {
			live++
		}
	}
	if voters == 0 {
		return c, notPossible("member %s is the last voter; without one there is no cluster", m.label())
	}
	if live < voters/2+1 && !force {
		return c, retryLater("without member %s there are %d voters, of which %d can be heard: no majority, so nothing could be committed any more", m.label(), voters, live)
	}
	return c, nil
}

// mayPromote says why m cannot become a voter yet.
func (r *Raft) mayPromote(m *Member) error {
	p := r.peer(m.ID)
	switch {
	case r.voters >= maxVoters:
		return notPossible("there are %d voters already, which is the most there may be", maxVoters)
	case p == nil || !r.active(p):
		return retryLater("member %s was not heard from lately", m.label())
	case p.full:
		return retryLater("member %s has no room on its disk", m.label())
	case !r.caughtUp(p):
		return retryLater("member %s is not caught up: it has the log up to index %d, %d entries behind the last committed one", m.label(), p.match, r.lag(p))
	}
	return nil
}

// caughtUp: the follower lacks no more than one message brings, so that a
// majority that needs it does not have to wait for it.
func (r *Raft) caughtUp(p *peer) bool {
	return p.state == replicate && r.log.commit >= r.termStart && r.lag(p) <= r.config.MaxEntriesPerMessage
}

// lag is how many committed entries the follower is not known to have.
func (r *Raft) lag(p *peer) int {
	if p.match >= r.log.commit {
		return 0
	}
	return int(r.log.commit - p.match)
}

// promoteStaging makes a voter of a staging member that has caught up.
func (r *Raft) promoteStaging() {
	now := r.newest()
	if now.Index > r.log.commit || r.log.commit < r.termStart || r.mayPropose() != nil {
		return
	}
	for i := range now.Configuration.Members {
		m := &now.Configuration.Members[i]
		if m.Suffrage != Staging || r.mayPromote(m) != nil {
			continue
		}
		next, err := r.changed(ConfChange{Op: PromoteMember, Member: *m})
		assert(err == nil, "a member that may be promoted cannot be")
		r.appendConfiguration(next)
		return // one at a time
	}
}

// newest returns the newest configuration in the log: the one in force.
func (r *Raft) newest() *ConfigurationAt { return &r.configurations[len(r.configurations)-1] }

// ConfigurationAt returns the configuration in force at i, which is in [base,
// last]. A member that joined knows none before the first that its log brought:
// there it has no members, and an image that ends there is refused.
func (r *Raft) ConfigurationAt(i Index) ConfigurationAt {
	assert(i >= r.log.base && i <= r.log.last(), "a configuration is asked for where there is no log")
	k := len(r.configurations) - 1
	for r.configurations[k].Index > i && k > 0 {
		k--
	}
	return r.configurations[k]
}

// Removed: a configuration that is known to be committed says that this member
// was removed. Nobody will talk to it any more.
func (r *Raft) Removed() bool { return r.wasRemoved(r.id) }

// wasRemoved: a configuration that is known to be committed says that the member
// was removed.
func (r *Raft) wasRemoved(id NodeID) bool {
	c := r.ConfigurationAt(r.log.commit)
	return slices.Contains(c.Configuration.Removed, id)
}

// appended takes a configuration that was appended to the log into force.
func (r *Raft) appended(e *Entry) {
	if e.Type != EntryConfiguration {
		return
	}
	c, err := DecodeConfiguration(e.Data)
	assert(err == nil, "a configuration is appended that cannot be read")
	r.configurations = append(r.configurations, ConfigurationAt{Index: e.Index, Configuration: c})
	r.configure()
}

// truncate removes every entry after k, and with them their configurations.
func (r *Raft) truncate(k Index) {
	r.log.truncate(k)
	n := len(r.configurations)
	for n > 1 && r.configurations[n-1].Index > k {
		n--
	}
	if n < len(r.configurations) {
		r.configurations = slices.Clip(r.configurations[:n])
		r.configure()
	}
}

// configure makes the newest configuration the one in force. What is known of
// members that stay is kept. A leader keeps those that it has removed, too,
// until they know (see dismiss).
func (r *Raft) configure() {
	now, old := r.newest(), r.peers
	r.peers, r.voters, r.voter = nil, 0, false
	for _, m := range now.Configuration.Members {
		if m.Suffrage == Voter {
			r.voters++
		}
		if m.ID == r.id {
			r.voter = m.Suffrage == Voter
			continue
		}
		p := find(old, m.ID)
		if p == nil {
			p = &peer{id: m.ID}
			p.reset(r.log.last(), r.ticks)
		}
		p.voter = m.Suffrage == Voter
		r.peers = append(r.peers, p)
	}
	if r.role == Leader {
		for _, p := range old {
			if find(r.peers, p.id) == nil {
				p.leave(now.Index)
				r.peers = append(r.peers, p)
			}
		}
		slices.SortFunc(r.peers, func(a, b *peer) int {
			if a.id < b.id {
				return -1
			}
			return 1
		})
	}
}

// dismiss stops to replicate to members that were removed, once they had an
// election timeout to learn it, or do not answer. One that has not learned it
// asks for votes in vain (see handlePreVote).
func (r *Raft) dismiss() {
	r.peers = slices.DeleteFunc(r.peers, func(p *peer) bool {
		if p.leaving == 0 {
			return false
		}
		if p.toldAt == 0 && p.match >= p.leaving && p.commitSent >= p.leaving {
			p.toldAt = r.ticks
		}
		return !r.active(p) || p.state == snapshot ||
			p.toldAt > 0 && r.ticks-p.toldAt > uint64(r.config.ElectionTicksMax)
	})
}

// mayCampaign: this member is a voter in the newest configuration, or in one
// before it that is not known to be superseded. Who was removed by an
// uncommitted entry may be the only one that holds it and can be elected
// (thesis §4.2.2); its own vote does not count then.
func (r *Raft) mayCampaign() bool {
	for k := len(r.configurations) - 1; k >= 0; k-- {
		c := &r.configurations[k]
		if m, ok := c.Configuration.Member(r.id); ok && m.Suffrage == Voter {
			return true
		}
		if c.Index <= r.log.commit {
			break
		}
	}
	return false
}

// resignRemoved ends the leadership of a member that is no voter any more, when
// that is committed. It tells everybody what is committed and hands over to the
// voter that has most of the log, so that nobody has to wait for an election
// timeout (thesis §4.2.2).
func (r *Raft) resignRemoved() {
	if r.voter || r.newest().Index > r.log.commit {
		return
	}
	var heir *peer
	for _, p := range r.peers {
		r.replicate(p)
		if p.voter && r.active(p) && (heir == nil || p.match > heir.match) {
			heir = p
		}
	}
	if heir != nil {
		r.send(Message{Type: TimeoutNow, To: heir.id})
	}
	r.becomeFollower(r.term, 0)
}

// quorum is how many voters make a majority (§5.2: any two majorities have a
// member in common).
func (r *Raft) quorum() int { return r.voters/2 + 1 }

// atQuorum returns the largest value that a majority of the voters has reached.
// own is this member's value, which counts if it is a voter: a leader that is
// removing itself does not count (thesis §4.2.2).
func atQuorum[T ~uint64](r *Raft, own T, of func(*peer) T) T {
	var values [maxVoters]T
	n := 0
	if r.voter {
		values[n] = own
		n++
	}
	for _, p := range r.peers {
		if p.voter {
			values[n] = of(p)
			n++
		}
	}
	slices.Sort(values[:n])
	return values[(n-1)/2]
}

func find(peers []*peer, id NodeID) *peer {
	for _, p := range peers {
		if p.id == id {
			return p
		}
	}
	return nil
}
