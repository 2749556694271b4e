package node

import (
	"net/http"
	"testing"

	"github.com/rs/zerolog"

	"quorate/node/driver"
	"quorate/raft"
	"quorate/transport"
)

// TestRefusedByOthers shows whose refusals end a node: those of a majority of its
// members, itself included. Strangers are none.
func TestRefusedByOthers(t *testing.T) {
	members := func(count int) (c raft.Configuration) {
		for i := range count {
			c.Members = append(c.Members, raft.Member{ID: raft.NodeID(i + 1), Name: "n"})
		}
		return c
	}
	for _, test := range []struct {
		name    string
		members int
		by      []raft.NodeID
		ends    bool
	}{
		{"a stranger, of a member that is alone", 1, []raft.NodeID{77}, false},
		{"the only other member", 2, []raft.NodeID{2}, false},
		{"one of two others, again and again", 3, []raft.NodeID{2, 2, 2}, false},
		{"strangers, and one of two others", 3, []raft.NodeID{77, 0, 78, 2}, false},
		{"both others", 3, []raft.NodeID{2, 3}, true},
		{"a node that has not joined", 0, []raft.NodeID{1, 2, 3}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := &Node{id: 1, cfg: Config{Logger: zerolog.Nop()}, fatal: make(chan error, 1)}
			n.members.Store(&membership{raft.ConfigurationAt{Configuration: members(test.members)}})
			for _, id := range test.by {
				peerHandler{n}.Refused(id, "127.0.0.1:1", &transport.Refusal{Code: transport.RefusedProtocol, ByPeer: true})
			}
			if ends := len(n.fatal) > 0; ends != test.ends {
				t.Errorf("the node ends: %v, want %v", ends, test.ends)
			}
		})
	}
}

// TestChangeLost shows that an order is passed on to the next leader when it was
// lost with the last one: it is certain that nothing was done.
func TestChangeLost(t *testing.T) {
	if refused, notLeader := new(Node).orderError(driver.ErrChangeLost); !notLeader {
		t.Errorf("the operator is told: %v", refused)
	}
}

// TestRemoveWhoWasMeant repeats an order to remove a member after another one has
// come under its name, as when the first answer was lost. The newcomer stays.
func TestRemoveWhoWasMeant(t *testing.T) {
	ctx := t.Context()
	c := kvCluster(t, 1, func(*Config) {})
	n := c.nodes[0]
	old, err := n.AddMember(ctx, "n2", "127.0.0.1:1", true)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := n.members.Load().Configuration.Named("n2")
	if err := n.RemoveMember(ctx, "n2", ""); err != nil {
		t.Fatal(err)
	}
	young, err := n.AddMember(ctx, "n2", "127.0.0.1:1", true)
	if err != nil || young.ID == old.ID {
		t.Fatalf("the second n2: %+v, %v", young, err)
	}
	answer := n.lead(ctx, order{Op: opRemove, Name: "n2", ID: m.ID})
	if answer.Error == nil || answer.Error.Status != http.StatusNotFound {
		t.Errorf("removing the first n2 again: %+v", answer)
	}
	if suffrage(n, "n2") != "learner" {
		t.Error("the second n2 is removed")
	}
	if _, err := n.carryOut(ctx, order{Op: opRemove, Name: "n2"}); err != nil {
		t.Errorf("removing the second n2: %v", err)
	}
}
