package transport

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/raft"
)

// TestNetwork tells what the in-memory twin does, step by step. Three members,
// n1 to n3, know each other; what each Handler hears is printed.
func TestNetwork(t *testing.T) {
	datadriven.Walk(t, "testdata/network", func(t *testing.T, path string) {
		s := story{t: t, network: NewNetwork(), members: make(map[raft.NodeID]*Endpoint)}
		for id := one; id <= 3; id++ {
			s.join(id)
		}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.out.Reset()
			s.run(d)
			return s.out.String()
		})
	})
}

type story struct {
	t       *testing.T
	network *Network
	members map[raft.NodeID]*Endpoint
	out     strings.Builder
}

// teller is a Handler that writes down what it hears.
type teller struct {
	*story
	name string
}

func (h teller) say(format string, args ...any) {
	fmt.Fprintf(&h.out, h.name+" "+format+"\n", args...)
}

func (h teller) Messages(from raft.NodeID, messages []raft.Message) {
	for _, m := range messages {
		h.say("hears %v %d from n%s", m.Type, m.Round, from)
	}
}

func (h teller) Proposals(from raft.NodeID, proposals []Proposal) {
	for _, p := range proposals {
		h.say("hears proposal %d from n%s", p.Seq, from)
	}
}

func (h teller) Replies(from raft.NodeID, replies []ProposalReply) {
	for _, r := range replies {
		h.say("hears reply %d from n%s: %v", r.Seq, from, r.Reason)
	}
}

func (h teller) Connected(peer Hello) { h.say("is connected to %s", peer.Name) }

func (h teller) Disconnected(id raft.NodeID, err error) { h.say("has lost n%s: %v", id, err) }

func (h teller) Refused(id raft.NodeID, _ string, reason error) { h.say("and n%s: %v", id, reason) }

func (s *story) join(id raft.NodeID) {
	var peers []Peer
	for p := one; p <= 3; p++ {
		peers = append(peers, Peer{p, "n" + p.String(), ""})
	}
	e, err := s.network.Join(Config{Self: helloOf(id), Peers: peers, Handler: teller{s, "n" + id.String()}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.members[id] = e
}

func (s *story) ids(args []datadriven.CmdArg) (ids []raft.NodeID) {
	for _, arg := range args {
		var id raft.NodeID
		scan(s.t, arg.Key, "n%d", &id)
		ids = append(ids, id)
	}
	return ids
}

func (s *story) run(d *datadriven.TestData) {
	var from, to raft.NodeID
	for i, member := range []*raft.NodeID{&from, &to} {
		if i < len(d.CmdArgs) && len(d.CmdArgs[i].Vals) == 0 {
			scan(s.t, d.CmdArgs[i].Key, "n%d", member)
		}
	}
	number := func() (n uint64) {
		if d.HasArg("n") {
			d.ScanArgs(s.t, "n", &n)
		}
		return n
	}
	switch d.Cmd {
	case "connect-all":
		s.network.ConnectAll()
	case "connect":
		if err := s.network.Connect(from, to); err != nil {
			fmt.Fprintln(&s.out, err)
		}
	case "disconnect":
		s.network.Disconnect(from, to)
	case "cut":
		s.network.Cut(from, to)
	case "heal":
		s.network.Heal(from, to)
	case "leave":
		s.network.Leave(from)
	case "join":
		s.join(from)
	case "heartbeat":
		s.members[from].Send(heartbeats(to, int(number()), 1))
	case "set-peers":
		var peers []Peer
		for _, id := range s.ids(d.CmdArgs[1:]) {
			peers = append(peers, Peer{id, "n" + id.String(), ""})
		}
		s.members[from].SetPeers(peers)
	case "set-removed":
		s.members[from].SetRemoved(s.ids(d.CmdArgs[1:]))
	case "propose":
		fmt.Fprintf(&s.out, "taken: %t\n", s.members[from].SendProposals(to, []Proposal{{Origin: from, Seq: number()}}))
	case "reply":
		fmt.Fprintf(&s.out, "taken: %t\n", s.members[from].SendReplies(to, []ProposalReply{{Seq: number(), Reason: Overloaded}}))
	case "fate": // one d=… for each copy; none: lost
		var delays []uint64
		for _, arg := range d.CmdArgs {
			var delay uint64
			arg.Scan(s.t, 0, &delay)
			delays = append(delays, delay)
		}
		s.network.SetFate(func(Letter) []uint64 { return delays })
	case "tick":
		s.network.Tick()
	case "deliver":
		if !s.network.Deliver() {
			fmt.Fprintln(&s.out, "nothing is due")
		}
	case "settle":
		fmt.Fprintf(&s.out, "%d delivered\n", s.network.Settle(100))
	case "peers":
		for _, p := range s.members[from].Peers() {
			if p.Guest {
				fmt.Fprint(&s.out, "guest ")
			}
			fmt.Fprintf(&s.out, "%s connected %t, receiving %t, %d dropped\n", p.Name, p.Connected, p.Receiving, p.Dropped)
		}
	default:
		d.Fatalf(s.t, "unknown command %s", d.Cmd)
	}
}

// TestNetworkSharesNothing shows that what arrives is nobody else's: writing to
// one copy of a doubled message changes neither the other copy nor the
// sender's, and a Fate sees what is sent.
func TestNetworkSharesNothing(t *testing.T) {
	n := NewNetwork()
	r := newRecorder()
	a, err := n.Join(Config{Self: helloOf(one), Peers: []Peer{{two, "n2", ""}}, Handler: newRecorder()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Join(Config{Self: helloOf(two), Peers: []Peer{{one, "n1", ""}}, Handler: r}); err != nil {
		t.Fatal(err)
	}
	n.ConnectAll()
	n.SetFate(func(l Letter) []uint64 {
		if l.Message == nil || string(l.Message.Entries[0].Data) != "abc" {
			t.Errorf("fate of %+v", l)
		}
		return []uint64{0, 0}
	})
	sent := raft.Message{Type: raft.AppendEntries, To: two, Entries: []raft.Entry{{Term: 1, Index: 1, Data: []byte("abc")}}}
	a.Send([]raft.Message{sent})
	if n.Settle(10) != 2 {
		t.Fatal("not two letters")
	}
	r.messages[0].Entries[0].Data[0] = 'X'
	r.messages[0].Entries[0].Index = 9
	if e := r.messages[1].Entries[0]; string(e.Data) != "abc" || e.Index != 1 || string(sent.Entries[0].Data) != "abc" {
		t.Errorf("the copies share memory: %+v", e)
	}
}

// TestNetworkRefuses shows that the twin shakes hands as TCP does.
func TestNetworkRefuses(t *testing.T) {
	n := NewNetwork()
	ra, rb := newRecorder(), newRecorder()
	stranger := helloOf(two)
	stranger.TokenDigest[0] ^= 1
	for _, c := range []Config{
		{Self: helloOf(one), Peers: []Peer{{two, "n2", ""}}, Handler: ra},
		{Self: stranger, Peers: []Peer{{one, "n1", ""}}, Handler: rb},
	} {
		if _, err := n.Join(c); err != nil {
			t.Fatal(err)
		}
	}
	err := n.Connect(one, two)
	if want := "transport: refused: the cluster tokens of n2 and n1 differ"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if len(ra.refused) != 1 || len(rb.refused) != 1 || !ra.refused[0].reason.(*Refusal).ByPeer {
		t.Errorf("told %v and %v", ra.refused, rb.refused)
	}
	if err := n.Connect(one, 9); err != errNoPeer {
		t.Errorf("to a member that is not there: %v", err)
	}
	if _, err := n.Join(Config{Self: helloOf(one), Handler: ra}); err == nil {
		t.Error("a member joined twice")
	}
}

// TestEndpointRun shows that a member leaves the network with its context.
func TestEndpointRun(t *testing.T) {
	n := NewNetwork()
	e, err := n.Join(Config{Self: helloOf(one), Handler: newRecorder()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := e.Run(ctx); err != nil || slices.Contains(n.members(), one) {
		t.Errorf("after Run (%v) the network has %v", err, n.members())
	}
}
