package node

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"quorate/admin"
	"quorate/internal/errcode"
	"quorate/internal/vfs"
)

// TestNoQuorumHints: without a quorum, a session is told of the setting that reads
// without one, who dumps of the flag, and who imports, which needs one, of neither.
func TestNoQuorumHints(t *testing.T) {
	c := startClusterWith(t, 3, func(int) vfs.FS { return vfs.OS{} }, func(cfg *Config) { cfg.QuorumTimeout = 500 * time.Millisecond })
	for _, i := range []int{1, 2} {
		if err := c.stopNode(i); err != nil {
			t.Fatal(err)
		}
	}
	n, ctx := c.nodes[0], context.Background()
	var session *errcode.Error
	if err := n.CatchUp(ctx); !errors.As(err, &session) {
		t.Fatal(err)
	}
	var dump, load *admin.Error
	if _, err := n.Dump(ctx, io.Discard, false); !errors.As(err, &dump) {
		t.Fatal(err)
	}
	if err := loadError(session); !errors.As(err, &load) {
		t.Fatal(err)
	}
	for _, c := range []struct {
		who, hint     string
		setting, flag bool
	}{
		{"a session", session.Hint, true, false},
		{"who dumps", dump.Hint, false, true},
		{"who imports", load.Hint, false, false},
	} {
		if !strings.Contains(c.hint, "A majority") ||
			strings.Contains(c.hint, "SET quorate.read_consistency") != c.setting || strings.Contains(c.hint, "--consistency stale") != c.flag {
			t.Errorf("%s is told: %s", c.who, c.hint)
		}
	}
	if _, err := n.Dump(ctx, io.Discard, true); err != nil {
		t.Errorf("a stale dump: %v", err)
	}
}
