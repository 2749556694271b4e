package node

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"quorate/admin"
	"quorate/internal/vfs"
)

// sealOnDisk makes a stopped node one that is quarantined for good.
func sealOnDisk(t *testing.T, n *Node) {
	t.Helper()
	m := memory{Format: divergenceFormat, Quarantined: true, Final: true, Findings: make([]finding, 2)}
	if err := m.write(vfs.OS{}, n.cfg.DataDir); err != nil {
		t.Fatal(err)
	}
}

// startSealed starts a cluster of which one member is quarantined for good, and
// waits until the others know.
func startSealed(t *testing.T, members int) (d *divergent, sealed int) {
	t.Helper()
	d = startDivergent(t, members)
	sealed = (d.leader(t) + 1) % members
	if err := d.stopNode(sealed); err != nil {
		t.Fatal(err)
	}
	sealOnDisk(t, d.nodes[sealed])
	d.restart(t, sealed)
	for _, n := range d.nodes {
		for _, m := range d.nodes {
			want := healthy
			if m == d.nodes[sealed] {
				want = quarantined
			}
			until(t, "everybody has said how it is", func() bool { return n.condition(m.id) == want })
		}
	}
	return d, sealed
}

// TestRemoveHealthyMember: of three members one is quarantined. The cluster could
// commit without one of the others, but only one good database would be left: it is
// refused, whoever is asked. When the quarantined one has gone, it is not.
func TestRemoveHealthyMember(t *testing.T) {
	d, sealed := startSealed(t, 3)
	ctx := context.Background()
	leader := d.leader(t)
	other := d.other(sealed, leader)
	for _, i := range []int{leader, other} {
		err := d.nodes[sealed].RemoveMember(ctx, d.nodes[i].cfg.Name, "")
		var refused *admin.Error
		if !errors.As(err, &refused) || refused.Status != http.StatusConflict ||
			!strings.Contains(refused.Message, "of the voters that stay would have a good database: "+d.nodes[sealed].cfg.Name+" is quarantined") ||
			!strings.Contains(refused.Hint, "or remove "+d.nodes[sealed].cfg.Name+" first") {
			t.Errorf("the removal of %s: %v", d.nodes[i].cfg.Name, err)
		}
	}
	for _, i := range []int{sealed, other} {
		if err := d.nodes[leader].RemoveMember(ctx, d.nodes[i].cfg.Name, ""); err != nil {
			t.Fatal(err)
		}
		<-d.done[i]
		d.done[i] = nil
	}
	d.touch(leader)
}

// TestForceRemoval: who says why may remove the last member but one that has a good
// database. The last one stays all the same: a dead one that may have one is not
// removed either when nobody else has.
func TestForceRemoval(t *testing.T) {
	d, sealed := startSealed(t, 3)
	leader := d.leader(t)
	other := d.other(sealed, leader)
	n := d.nodes[leader]
	if err := n.RemoveMember(context.Background(), d.nodes[other].cfg.Name, "a test"); err != nil {
		t.Fatal(err)
	}
	<-d.done[other]
	d.done[other] = nil
	err := n.RemoveMember(context.Background(), n.cfg.Name, "")
	if err == nil || !strings.Contains(err.Error(), "no voter that answers would have a good database") {
		t.Errorf("the last good database may go: %v", err)
	}
	d.touch(leader)
}

// TestRemoveDeadBesideQuarantined: a dead member may be replaced as long as the
// leader has a good database, whatever the third one has.
func TestRemoveDeadBesideQuarantined(t *testing.T) {
	d, sealed := startSealed(t, 3)
	leader := d.leader(t)
	dead := d.other(sealed, leader)
	if err := d.stopNode(dead); err != nil {
		t.Fatal(err)
	}
	n := d.nodes[leader]
	until(t, "the leader misses it", func() bool { return n.condition(d.nodes[dead].id) == unheard })
	if err := n.RemoveMember(context.Background(), d.nodes[dead].cfg.Name, ""); err != nil {
		t.Fatal(err)
	}
	d.touch(leader)
}
