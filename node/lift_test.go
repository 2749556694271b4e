package node

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"quorate/admin"
	"quorate/internal/vfs"
)

// TestReseed: a member that is quarantined for good gets another database when an
// operator says so, through any member, and serves; a statement that it is given
// afterwards has an outcome. Its memory is clean: the next difference counts as the
// first, and is mended by itself.
func TestReseed(t *testing.T) {
	d, victim := startSealed(t, 3)
	ctx := context.Background()
	name := d.nodes[victim].cfg.Name
	good := d.nodes[d.other(victim)]
	d.touch(d.other(victim)) // it has passed something by
	if message, err := good.ReseedMember(ctx, name); err != nil || !strings.Contains(message, name+" gets another database") {
		t.Fatalf("%q, %v", message, err)
	}
	d.awaitMended(victim)
	if got := counter(t, d.nodes[victim], "sqlfsm_quarantined"); got != 0 {
		t.Errorf("sqlfsm_quarantined is %v", got)
	}
	if m, err := readMemory(vfs.OS{}, d.nodes[victim].cfg.DataDir); err != nil || m.Quarantined || m.Final || len(m.Findings) > 0 {
		t.Errorf("it remembers %+v, %v", m, err)
	}
	d.touch(victim)
	d.sameEverywhere()

	d.logs[name] = &logBuffer{}
	d.damage(victim)
	d.touch(d.other(victim))
	d.awaitMended(victim)
	d.sameEverywhere()
}

// TestReseedRefused: what there is nothing to lift of is said so.
func TestReseedRefused(t *testing.T) {
	d := startDivergent(t, 1)
	n := d.nodes[0]
	for name, want := range map[string]int{"n1": http.StatusConflict, "n9": http.StatusNotFound} {
		_, err := n.ReseedMember(context.Background(), name)
		var refused *admin.Error
		if !errors.As(err, &refused) || refused.Status != want || refused.Hint == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReseedSurvivesRestart: the member is stopped when the order is on its disk and
// the other database is not there yet. It goes on when it is started again.
func TestReseedSurvivesRestart(t *testing.T) {
	d, victim := startSealed(t, 3)
	if err := d.stopNode(victim); err != nil {
		t.Fatal(err)
	}
	stopping := make(chan struct{})
	release := sync.OnceFunc(func() { close(stopping) })
	defer release()
	d.fs = func(i int) vfs.FS {
		return heldFS{vfs.OS{}, func(name string) {
			if i == victim && (name == damagedFile+".tmp" || name == "incoming") {
				<-stopping
			}
		}}
	}
	n := d.restart(t, victim)
	if message, err := n.ReseedMember(context.Background(), n.cfg.Name); err != nil {
		t.Fatalf("%q, %v", message, err)
	}
	if message, err := n.ReseedMember(context.Background(), n.cfg.Name); err != nil || !strings.Contains(message, "already") {
		t.Errorf("the same order again: %q, %v", message, err)
	}
	d.stop[victim]()
	release()
	if err := <-d.done[victim]; err != nil {
		t.Fatal(err)
	}
	d.done[victim] = nil
	if m, err := readMemory(vfs.OS{}, n.cfg.DataDir); err != nil || !m.Quarantined || m.Final {
		t.Fatalf("it was to be stopped in the middle; it remembers %+v, %v", m, err)
	}
	d.restart(t, victim)
	d.awaitMended(victim)
	d.touch(victim)
	d.sameEverywhere()
}
