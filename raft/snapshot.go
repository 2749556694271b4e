package raft

import "slices"

// A follower whose next entry is no longer in the log gets an image of the
// state machine instead (§7). Images are large and the core has no part in
// their bytes:
//
//	leader                                 follower
//	Ready.Images names the follower
//	  (the driver makes and sends one)  →  (complete and durable)
//	ImageSent                              Step(InstallSnapshot)
//	                                       Ready.Snapshot, in a write
//	                                       Persisted → Ready.Install
//	AppendEntriesResponse{Index}  ←────────┘           → Applied
//
// While an image is on its way the follower gets heartbeats and nothing else,
// and counts in no commit. When it fails, it is asked for again after the next
// heartbeat that the follower answers.

// Compact tells that the log was cut: it begins after base now, which the state
// machine has durably. A base that the log is past already is ignored.
func (r *Raft) Compact(base Index) {
	if base <= r.log.base {
		return
	}
	r.log.cut(base)
	n := 0
	for n+1 < len(r.configurations) && r.configurations[n+1].Index <= base {
		n++
	}
	r.configurations = slices.Clone(r.configurations[n:])
	r.checkInvariants()
}

// requestImage asks the driver to send the follower an image. A follower that
// was removed gets none.
func (r *Raft) requestImage(p *peer) {
	p.becomeSnapshot()
	if p.leaving == 0 {
		r.images = append(r.images, p.id)
	}
}

// ImageSent answers Ready.Images: the member has received the whole image, which
// ends at index. 0: it failed, and is asked for again later.
func (r *Raft) ImageSent(to NodeID, index Index) {
	assert(index <= r.log.commit, "an image was sent that ends after the commit index")
	p := r.peer(to)
	if p == nil || r.role != Leader || p.state != snapshot {
		return // it has overtaken the image, or this is another term
	}
	// Whether it took the image is its own word to say, by an
	// AppendEntriesResponse. Should that be lost, it is asked after a heartbeat.
	p.becomeProbe(index + 1)
	p.paused, p.resend = true, false
	r.checkInvariants()
}

// handleInstallSnapshot takes an image that is complete and durable here. What it
// contains is committed, so the term of its sender does not matter for that.
func (r *Raft) handleInstallSnapshot(m *Message) error {
	if r.role == Leader {
		return nil // a leader has everything that is committed
	}
	switch {
	case m.Term == r.term:
		if err := r.heardLeader(m); err != nil {
			return err
		}
	case m.Term > r.term:
		r.becomeFollower(m.Term, m.From)
		r.electionElapsed = 0
	default:
		r.becomeFollower(r.term, r.leader)
	}
	s := *m.Snapshot
	switch {
	case s.Index <= r.log.commit:
		// Late or doubled.
	case r.log.matches(s.Index, s.Term):
		// The log has all that the image has. It must stay: what follows in it may
		// have been acknowledged.
		r.commitTo(s.Index)
	default:
		r.log.reset(s)
		r.configurations = []ConfigurationAt{s.Configuration}
		r.configure()
	}
	r.sendDurable(Message{Type: AppendEntriesResponse, To: m.From, Index: r.log.commit})
	return nil
}
