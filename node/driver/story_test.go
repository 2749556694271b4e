package driver

import (
	"errors"
	"slices"
	"testing"

	"quorate/raft"
	"quorate/sqlfsm"
	"quorate/sqlfsm/origins"
	"quorate/sqlplan"
	"quorate/transport"
)

// These stories are about one decision of the driver each, in the same small
// world as TestCommandsOnce but without faults other than the story's. The
// simulator (sim) tries everything together.

// rest lets everything that is on its way happen, without time passing.
func (w *world) rest() {
	for moved := true; moved; {
		moved = len(w.net) > 0
		for len(w.net) > 0 {
			w.now += 1000
			w.deliverOne()
		}
		for _, n := range w.nodes {
			n.turn(0)
			moved = moved || len(n.unsynced) > 0 && !n.stalled || len(n.committed) > 0
			n.sync(len(n.unsynced))
			n.applySome(len(n.committed))
			n.answerReads()
			n.turn(0)
		}
		moved = moved || len(w.net) > 0
	}
}

// pass lets time pass on all nodes.
func (w *world) pass(ticks int) {
	for range ticks {
		w.now += 1000
		for _, n := range w.nodes {
			n.turn(1)
		}
		w.rest()
	}
}

// leader lets time pass until a node leads that others follow and that has
// registered, and returns it.
func (w *world) leader(but raft.NodeID) *worldNode {
	for range 1000 {
		for _, n := range w.nodes {
			if n.id != but && n.driver.core.Role() == raft.Leader && n.driver.registrar.registered {
				return n
			}
		}
		w.pass(1)
	}
	w.t.Fatal("nobody leads")
	return nil
}

// other returns a node that is not n.
func (w *world) other(n *worldNode) *worldNode { return w.node(n.id%raft.NodeID(len(w.nodes)) + 1) }

// isolate cuts a node off.
func (w *world) isolate(n *worldNode) {
	for _, other := range w.nodes {
		if other != n {
			w.cut[[2]raft.NodeID{n.id, other.id}], w.cut[[2]raft.NodeID{other.id, n.id}] = true, true
		}
	}
}

// command is a session's command, whose outcome is in its Done.
func (n *worldNode) command() *Pending {
	p := n.commands.Reserve()
	h := sqlfsm.Header{Origin: uint64(n.id), Incarnation: n.incarnation, Seq: p.Seq, Time: n.world.now}
	n.commands.Charge(p, sqlfsm.AppendCommand(nil, &h, []sqlplan.Bound{{Plan: &sqlplan.Plan{SQL: "x"}}}), 1<<30)
	n.inbox.Commands = append(n.inbox.Commands, p)
	return p
}

// outcome returns a command's outcome; false: it has none yet.
func outcome(p *Pending) (error, bool) {
	select {
	case o := <-p.Done:
		return o.Err, true
	default:
		return nil, false
	}
}

func (n *worldNode) change(c *Change) *Change {
	n.inbox.Changes = append(n.inbox.Changes, c)
	n.turn(0)
	return c
}

func changed(c *Change) (error, bool) {
	select {
	case err := <-c.Done:
		return err, true
	default:
		return nil, false
	}
}

func (n *worldNode) setFull(full bool) {
	n.inbox.Full = &full
	n.turn(0)
}

// execute many commands and let them be applied.
func (n *worldNode) fill(commands int) {
	for range commands {
		n.execute()
	}
	n.world.rest()
}

// TestLogIsCut shows when the log is cut and what stays of it.
func TestLogIsCut(t *testing.T) {
	w := tunedWorld(t, 1, 1, func(c *Config) { c.SnapshotEntries = 10 })
	n := w.leader(0)
	n.fill(18) // and the no-op and the registration: twice SnapshotEntries
	w.pass(1)
	if n.flushes+len(n.cuts) > 0 {
		t.Fatalf("a log of 20 entries, of which 10 are to stay, is cut: %d flushes, cuts %v", n.flushes, n.cuts)
	}
	n.fill(10)
	w.pass(3)
	if n.flushes != 1 || len(n.cuts) > 0 {
		t.Fatalf("before anything is durable: %d flushes, cuts %v; want one flush, no cut", n.flushes, n.cuts)
	}
	n.inbox.Durable = 12
	w.pass(1)
	if n.flushes != 1 || len(n.cuts) != 1 || n.cuts[0] != 12 {
		t.Fatalf("with 12 entries durable: %d flushes, cuts %v; want a cut up to 12, while the flush is under way", n.flushes, n.cuts)
	}
	n.inbox.Base, n.inbox.Durable = 8, 30 // segments are removed as a whole
	w.pass(1)
	if len(n.cuts) != 2 || n.cuts[1] != 20 {
		t.Fatalf("with everything durable: cuts %v; want one up to 20, so that 10 of 30 stay", n.cuts)
	}
	n.inbox.Base = 20
	w.pass(1)
	if len(n.cuts) != 2 {
		t.Errorf("a short log is cut: %v", n.cuts)
	}
	n.inbox.LogBytes = 1 << 30 // 10 entries of 100 MiB
	w.pass(1)
	if last := n.cuts[len(n.cuts)-1]; len(n.cuts) != 3 || last != 30 {
		t.Errorf("a log of 1 GiB: cuts %v; want one up to 30", n.cuts)
	}
}

// TestCutWaitsForImages shows that the entries stay which a follower needs after
// the image that it is being sent, unless it takes too long.
func TestCutWaitsForImages(t *testing.T) {
	w := tunedWorld(t, 1, 3, func(c *Config) { c.SnapshotEntries = 10 })
	leader := w.leader(0)
	behind := w.other(leader)
	w.isolate(behind)
	leader.fill(19)
	leader.inbox.Base, leader.inbox.Durable = 15, 20
	w.pass(1)
	clear(w.cut)
	w.pass(10)
	if len(leader.images) != 1 || leader.images[0] != behind.id {
		t.Fatalf("images are wanted for %v, want one for %v", leader.images, behind.id)
	}
	cuts := len(leader.cuts)
	leader.fill(20) // 25 in the log
	leader.inbox.Durable = 40
	w.pass(2)
	if len(leader.cuts) != cuts {
		t.Fatalf("while an image is on its way the log is cut: %v", leader.cuts)
	}
	leader.inbox.ImagesSent = append(leader.inbox.ImagesSent, ImageSent{To: behind.id, Index: 18})
	w.pass(2)
	if got := leader.cuts[cuts:]; len(got) != 1 || got[0] != 18 {
		t.Fatalf("the follower has an image at 18: cuts %v, want up to 18", got)
	}
	leader.inbox.Base = 18
	leader.fill(30) // more than four times SnapshotEntries
	leader.inbox.Durable = 70
	w.pass(1)
	if last := leader.cuts[len(leader.cuts)-1]; last <= 40 {
		t.Errorf("a follower that is too slow keeps the log from being cut: %v", leader.cuts)
	}
}

// TestChangeOutcomes shows how changes of the configuration end.
func TestChangeOutcomes(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	learner := raft.Member{ID: 9, Name: "n9", Address: "nine", Suffrage: raft.Learner}
	add := raft.ConfChange{Op: raft.AddMember, Member: learner}

	var notLeader *raft.NotLeaderError
	if err, over := changed(w.other(leader).change(NewConfChange(add))); !over || !errors.As(err, &notLeader) {
		t.Errorf("a follower takes a change: %v, %v", err, over)
	}
	c := leader.change(NewConfChange(add))
	if err, over := changed(c); over {
		t.Errorf("a change is over before it is committed: %v", err)
	}
	w.rest()
	if err, over := changed(c); !over || err != nil {
		t.Errorf("a change that is applied: %v, %v", err, over)
	}

	// The leader is cut off with an uncommitted change; another takes over.
	w.isolate(leader)
	lost := leader.change(NewConfChange(raft.ConfChange{Op: raft.RemoveMember, Member: learner}))
	w.leader(leader.id)
	clear(w.cut)
	w.pass(30)
	if err, over := changed(lost); !over || !errors.Is(err, ErrChangeLost) {
		t.Errorf("a change that another leader has replaced: %v, %v", err, over)
	}
}

// TestTransferOutcomes shows how transfers end.
func TestTransferOutcomes(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	to := w.other(leader)
	c := leader.change(NewTransfer(to.id))
	w.rest()
	if err, over := changed(c); !over || err != nil || to.driver.core.Role() != raft.Leader {
		t.Fatalf("a transfer: %v, %v; %v is %v", err, over, to.id, to.driver.core.Role())
	}
	w.pass(5)
	w.isolate(w.other(to))
	c = to.change(NewTransfer(w.other(to).id)) // was heard from lately
	w.pass(25)
	if err, over := changed(c); over {
		t.Errorf("a transfer is over while the other may still campaign: %v", err)
	}
	w.pass(25)
	if err, over := changed(c); !over || !errors.Is(err, ErrTransferFailed) {
		t.Errorf("a transfer to a member that cannot be reached: %v, %v", err, over)
	}
}

// TestFullLeader fills the leader's disk, and the others'. Commands wait while
// somebody else may take over, and are refused after that, wherever their session
// is; what a leader has refused it does not accept any more.
func TestFullLeader(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	w.pass(5)
	follower := w.other(leader)
	for _, n := range w.nodes {
		if n != follower { // which would refuse by itself
			n.setFull(true)
		}
	}
	w.isolate(follower) // so that it cannot take over
	w.pass(1)
	own, others := leader.command(), follower.command()
	w.pass(5)
	if err, over := outcome(own); over {
		t.Fatalf("a command is refused at once, %v; somebody might have had room", err)
	}
	// The follower is back for messages of sessions only.
	clear(w.cut)
	late := transport.Proposal{Origin: follower.id, Term: leader.driver.core.Term(), Seq: others.Seq, LowWater: 1, Data: others.data}
	w.isolate(follower)
	w.pass(20)
	if err, over := outcome(own); !over || !errors.Is(err, ErrFull) {
		t.Errorf("the leader's own command: %v, %v", err, over)
	}
	reply := func() transport.ProposalReply {
		leader.inbox.Proposals = append(leader.inbox.Proposals, late)
		leader.turn(0)
		return leader.driver.acceptor.replies[0]
	}
	if r := reply(); r.Accepted || r.Reason != transport.DiskFull {
		t.Errorf("a follower's command is answered with %+v", r)
	}
	for _, n := range w.nodes {
		n.setFull(false)
	}
	w.pass(2)
	if r := reply(); r.Accepted || r.Reason != transport.DiskFull {
		t.Errorf("another copy of it, when there is room, is answered with %+v", r)
	}
}

// TestNamelessCommands sends a leader commands of which no later copy would be known:
// it does not take them, whoever they come from.
func TestNamelessCommands(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	w.pass(5)
	other := w.other(leader)
	last := leader.driver.core.Last()
	for _, h := range []sqlfsm.Header{
		{Origin: uint64(other.id), Incarnation: 0, Seq: 7},                     // of no life
		{Origin: uint64(leader.id), Incarnation: leader.incarnation, Seq: 7},   // of another node
		{Origin: uint64(other.id), Incarnation: other.incarnation, Seq: 7 + 1}, // of another number
	} {
		data := sqlfsm.AppendCommand(nil, &h, []sqlplan.Bound{{Plan: &sqlplan.Plan{SQL: "x"}}})
		leader.wrong++
		leader.inbox.Proposals = append(leader.inbox.Proposals, transport.Proposal{Origin: other.id, Term: leader.driver.core.Term(), Seq: 7, LowWater: 1, Data: data})
		leader.turn(0)
		if leader.refused != leader.wrong || leader.driver.core.Last() != last {
			t.Errorf("a proposal of member %v with a command called %d/%d/%d is taken", other.id, h.Origin, h.Incarnation, h.Seq)
		}
	}
}

// TestFullFollower shows that a node without room refuses its sessions' commands,
// because it would not learn what became of them.
func TestFullFollower(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	w.pass(5)
	follower := w.other(leader)
	follower.setFull(true)
	refused, done := follower.command(), leader.command()
	w.rest()
	if err, over := outcome(refused); !over || !errors.Is(err, ErrFull) {
		t.Errorf("the command of a session of the full node: %v, %v", err, over)
	}
	if leader.commands.Get(done.Seq) != nil {
		t.Error("the others do not go on")
	}
	follower.setFull(false)
	w.pass(5)
	if follower.appliedTo != leader.appliedTo {
		t.Errorf("with room again the node has applied %d, the leader %d", follower.appliedTo, leader.appliedTo)
	}
}

// TestBatches shows how much is proposed, and written, at a time.
func TestBatches(t *testing.T) {
	w := tunedWorld(t, 1, 1, func(c *Config) { c.MaxBatchEntries = 3 })
	n := w.leader(0)
	for range 8 {
		n.execute()
	}
	n.turn(0)
	var sizes []int
	for _, write := range n.unsynced {
		sizes = append(sizes, len(write.Entries))
	}
	if len(sizes) != 3 || sizes[0] != 3 || sizes[1] != 3 || sizes[2] != 2 {
		t.Errorf("8 commands in writes of %v, want 3, 3 and 2", sizes)
	}
}

// TestCompany shows how long a command waits for others.
func TestCompany(t *testing.T) {
	w := tunedWorld(t, 1, 1, func(c *Config) { c.MaxBatchEntries, c.MaxBatchDelay = 3, 500 })
	n := w.leader(0)
	w.now += 1000
	n.execute()
	n.turn(0)
	if due := n.driver.NextTurn(); len(n.unsynced) > 0 || due != w.now+500 {
		t.Errorf("one command: %d writes, the next turn at %d; want none, and %d", len(n.unsynced), due, w.now+500)
	}
	w.now += 500
	n.turn(0)
	if len(n.unsynced) != 1 || n.driver.NextTurn() != 0 {
		t.Errorf("after the delay: %d writes, the next turn at %d", len(n.unsynced), n.driver.NextTurn())
	}
	for range 3 {
		n.execute()
	}
	n.turn(0)
	if len(n.unsynced) != 2 {
		t.Errorf("a full batch waits: %d writes", len(n.unsynced))
	}
}

// TestOvertakenByAnImage gives a node the others' database while a command of one
// of its sessions is under way. The applier finds it in there, and settles it; or it
// does not, and then the command is proposed again if the image ends in a later
// term, and else is still on its way into the log.
func TestOvertakenByAnImage(t *testing.T) {
	for _, c := range []struct {
		name  string
		later raft.Term // than the command's is the image's term
		in    bool      // the command is in it
		want  int32
	}{
		{"in the image", 1, true, finished},
		{"in the image, of the same term", 0, true, finished},
		{"not in the image", 1, false, queued},
		{"not in the image, of the same term", 0, false, proposed},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1, 3)
			leader := w.leader(0)
			w.pass(5)
			n := w.other(leader)
			p := n.command()
			n.turn(0)
			if p.term != leader.driver.core.Term() || p.state.Load() != proposed {
				t.Fatal("the command was not proposed")
			}
			w.isolate(n)
			w.net = nil
			image := raft.Snapshot{Index: 100, Term: p.term + c.later, Configuration: raft.ConfigurationAt{Index: 1, Configuration: n.config}}
			n.inbox.Images = []Image{{Snapshot: image, From: leader.id, Term: image.Term}}
			n.turn(0)
			n.sync(len(n.unsynced))
			n.turn(0)
			if len(n.installs) != 1 {
				t.Fatalf("images to be installed: %v", n.installs)
			}
			if list := n.commands.Proposed(); len(list) != 1 || list[0] != p {
				t.Fatalf("the commands to look for in the image: %v", list)
			}
			if c.in {
				n.commands.Settle(p, Outcome{})
			}
			n.inbox.Applied = Applied{Index: image.Index, Term: image.Term}
			n.driver.core.Leader()
			n.turn(0)
			if got := p.state.Load(); got != c.want && !(c.want == queued && p.term == image.Term) {
				t.Errorf("then the command is in state %d, want %d", got, c.want)
			}
			if _, over := outcome(p); over != c.in {
				t.Errorf("its session has an answer: %v, want %v", over, c.in)
			}
		})
	}
}

// TestPassedEntries shows a node that lets entries pass, its own command among them,
// because it is to get a database that contains them. Until it has looked there,
// the command may have been carried out: it is not taken back, whatever comes after
// it, and its session is never told that it was not carried out.
func TestPassedEntries(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	w.pass(5)
	n, next := w.other(leader), (*worldNode)(nil)
	for _, x := range w.nodes {
		if x != n && x != leader {
			next = x
		}
	}
	p := n.command()
	n.turn(0)
	for range 10 { // in which n applies nothing
		for len(w.net) > 0 {
			w.deliverOne()
		}
		for _, x := range w.nodes {
			x.sync(len(x.unsynced))
			x.turn(0)
		}
	}
	if got := n.driver.core.Commit(); got != leader.driver.core.Commit() || leader.driver.core.Last() != got {
		t.Fatalf("the command is not committed everywhere: %d of %d", got, leader.driver.core.Last())
	}
	term := leader.driver.core.Term()
	leader.change(NewTransfer(next.id))
	for range 200 {
		for len(w.net) > 0 {
			w.deliverOne()
		}
		for _, x := range w.nodes {
			x.sync(len(x.unsynced))
			x.turn(1)
		}
	}
	last := n.committed[len(n.committed)-1]
	if last.Term <= term {
		t.Fatalf("the leader of term %d has no successor", term)
	}
	w.isolate(n) // so that a command that is taken back stays with the node
	for range 50 {
		n.turn(1)
	}
	n.inbox.Applied = Applied{Index: last.Index, Term: last.Term, Passed: true}
	n.turn(0)
	if n.commands.Withdraw(p) {
		t.Error("the session is told that its command was not carried out, which was")
	}
	n.setFull(true)
	n.turn(1)
	if err, over := outcome(p); over {
		t.Errorf("the session is told %v", err)
	}
	// The database has come, and does not contain the command, say.
	n.setFull(false)
	n.inbox.Applied = Applied{Index: last.Index, Term: last.Term}
	n.turn(0)
	if !n.commands.Withdraw(p) {
		t.Error("the command is not taken back, though nothing of its term can come any more")
	}
}

// TestFlushOnce lets much be applied while the state machine is being made durable,
// which takes its time. The driver wants it done once.
func TestFlushOnce(t *testing.T) {
	w := tunedWorld(t, 1, 1, func(c *Config) { c.SnapshotEntries = 10 })
	n := w.leader(0)
	for range 40 {
		n.inbox.Durable = 1 // what every batch that is applied says
		n.fill(1)
		w.pass(1)
	}
	if n.flushes != 1 || len(n.cuts) != 1 {
		t.Errorf("%d flushes are wanted at a time, and cuts up to %v; want one, and one up to 1", n.flushes, n.cuts)
	}
	n.inbox.Durable = 41
	w.pass(1)
	if len(n.cuts) != 2 {
		t.Errorf("when that is done, cuts up to %v, want another one", n.cuts)
	}
}

// TestBusyDisk: a leader whose disk has more to do than it can, but does it, stays
// leader; one whose disk does nothing for two election timeouts gives up.
func TestBusyDisk(t *testing.T) {
	w := newWorld(t, 1, 3)
	n := w.leader(0)
	patience := 2 * n.driver.config.ElectionTicks
	n.stalled = true
	for range 2 * patience { // two writes come while one is made durable
		for range 2 {
			n.command()
			w.pass(1)
		}
		n.stalled = false
		n.sync(1)
		n.stalled = true
	}
	if n.driver.core.Role() != raft.Leader {
		t.Fatal("a leader whose disk is busy gave up")
	}
	if len(n.unsynced) == 0 {
		t.Fatal("the disk was not busy")
	}
	for range patience + 2 {
		w.pass(1)
	}
	if n.driver.core.Role() == raft.Leader || n.driver.Stalls() != 1 {
		t.Errorf("a leader whose disk hangs is %v after %d stalls", n.driver.core.Role(), n.driver.Stalls())
	}
}

// TestTwoCopiesInOneTurn gives a leader that takes no proposals just now two
// copies of one. Neither may be told that it was accepted: its origin would wait
// for good.
func TestTwoCopiesInOneTurn(t *testing.T) {
	w := newWorld(t, 1, 3)
	leader := w.leader(0)
	w.pass(5)
	origin := w.other(leader)
	w.isolate(w.other(origin))
	leader.change(NewTransfer(w.other(origin).id)) // which does not answer: proposals are refused meanwhile
	p := origin.command()
	origin.turn(0)
	for _, parcel := range w.net {
		if parcel.from == origin.id && parcel.to == leader.id {
			w.net = append(w.net, parcel)
			break
		}
	}
	for len(w.net) > 0 {
		w.deliverOne()
	}
	leader.turn(0)
	w.rest()
	if p.accepted {
		t.Error("the origin was told that its command is accepted, and it was not")
	}
	w.pass(50)
	if origin.commands.Pending() != 0 {
		t.Error("the command has no outcome after the transfer has failed")
	}
}

// kinds returns what a node has in the log, by kind, in the order of application.
func (w *world) kinds(of raft.NodeID) (kinds []sqlfsm.Kind) {
	for _, e := range w.nodes[0].entries[:w.nodes[0].appliedTo] {
		if e.Type != raft.EntryNormal {
			continue
		}
		if h, err := sqlfsm.DecodeHeader(e.Data); err == nil && h.Origin == uint64(of) {
			kinds = append(kinds, h.Kind)
		}
	}
	return kinds
}

// TestRegistration starts nodes whose sessions write at once. Each node registers
// first, again when that is refused, and then its sessions' commands go.
func TestRegistration(t *testing.T) {
	w := newWorld(t, 1, 3)
	w.node(2).late = 2
	for _, n := range w.nodes {
		n.command()
	}
	w.leader(0)
	w.pass(20)
	for _, n := range w.nodes {
		want := []sqlfsm.Kind{sqlfsm.KindRegister, sqlfsm.KindSQL}
		if n.id == 2 {
			want = append([]sqlfsm.Kind{sqlfsm.KindRegister, sqlfsm.KindRegister}, want...)
		}
		if got := w.kinds(n.id); !slices.Equal(got, want) {
			t.Errorf("node %v has %v in the log, want %v", n.id, got, want)
		}
	}
}

// TestRegistrationWithoutRoom starts a cluster whose disks are full: sessions are
// told so, and when there is room the nodes register by themselves.
func TestRegistrationWithoutRoom(t *testing.T) {
	w := newWorld(t, 1, 3)
	for _, n := range w.nodes {
		n.setFull(true)
	}
	var commands []*Pending
	for _, n := range w.nodes {
		commands = append(commands, n.command())
	}
	w.pass(100)
	for i, p := range commands {
		if err, over := outcome(p); !over || !errors.Is(err, ErrFull) {
			t.Errorf("the command of a session of node %d: %v, %v", i+1, err, over)
		}
	}
	for _, n := range w.nodes {
		n.setFull(false)
	}
	w.pass(10)
	for _, n := range w.nodes {
		n.execute()
	}
	w.pass(10)
	for _, n := range w.nodes {
		if n.commands.Pending() > 0 {
			t.Errorf("with room again node %v has %d commands without an outcome", n.id, n.commands.Pending())
		}
	}
}

// TestWindowIsKept: a node does not go further beyond a command that is pending
// than the state machine remembers.
func TestWindowIsKept(t *testing.T) {
	c := NewCommands(1)
	stuck := c.Reserve()
	if !c.Charge(stuck, []byte("x"), 1<<30) {
		t.Fatal("the first command is refused")
	}
	for range origins.Window - 1 {
		p := c.Reserve()
		if !c.Charge(p, nil, 1<<30) {
			t.Fatalf("command %d is refused", p.Seq)
		}
		c.Remove(p)
	}
	ahead := c.Reserve()
	if c.Charge(ahead, nil, 1<<30) {
		t.Errorf("command %d is taken while %d is pending", ahead.Seq, stuck.Seq)
	}
	c.Remove(ahead)
	c.Remove(stuck)
	if p := c.Reserve(); !c.Charge(p, nil, 1<<30) || p.LowWater != p.Seq {
		t.Errorf("command %d is refused, or its low-water mark is %d", p.Seq, p.LowWater)
	}
}
