package node

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/exitcode"
	"quorate/internal/vfs"
	"quorate/raft"
	"quorate/sqlplan"
)

// TestRecover gives a member whose two companions never existed a cluster of
// its own: it shows what it has, and after Force it elects itself and takes
// writes.
func TestRecover(t *testing.T) {
	cfg := testConfig(t, "n1", t.TempDir())
	cfg.InitialCluster = []raft.Member{{Name: "n1", Address: "127.0.0.1:7432"}, {Name: "n2", Address: "127.0.0.1:1"}, {Name: "n3", Address: "127.0.0.1:2"}}
	made(t, cfg)

	remains, err := OpenRemains(cfg.DataDir, cfg.WALDir)
	if err != nil {
		t.Fatal(err)
	}
	if others := remains.Others(); remains.Self.Name != "n1" || len(others) != 2 || others[0].Name != "n2" || others[1].Name != "n3" {
		t.Errorf("the members are %s and %v", remains.Self.Name, others)
	}
	if remains.Last != 0 || remains.Commit != 0 || remains.Applied != 0 {
		t.Errorf("an empty log has last %d, commit %d, applied %d", remains.Last, remains.Commit, remains.Applied)
	}
	if _, err := OpenRemains(cfg.DataDir, cfg.WALDir); !strings.Contains(err.Error(), "a process is using it") {
		t.Errorf("opened twice: %v", err)
	}
	before := remains.Term
	if index, err := remains.Force(); err != nil || index != 1 {
		t.Fatalf("Force: entry %d, %v", index, err)
	}
	remains.Close()

	cfg = testConfig(t, "n1", cfg.DataDir)
	n, stop, done := openOn(t, cfg, vfs.OS{})
	until(t, "a leader", func() bool { return n.Status().Role == "leader" })
	execute(t, n, raw(n, sqlplan.Write, "CREATE TABLE t (a INTEGER)", true))
	stop()
	if err := <-done; err != nil {
		t.Errorf("the node ended with %v", err)
	}

	remains, err = OpenRemains(cfg.DataDir, cfg.WALDir)
	if err != nil {
		t.Fatal(err)
	}
	defer remains.Close()
	if c := remains.Configuration; len(c.Members) != 1 || len(c.Removed) != 2 {
		t.Errorf("the configuration is %+v", c)
	}
	if remains.Term <= before || remains.Applied < 3 || remains.LastTerm != remains.Term {
		t.Errorf("what is left after some use: %+v", remains)
	}
}

// TestRecoverRefuses shows that there is nothing to recover where there is no
// log, and where the log is damaged.
func TestRecoverRefuses(t *testing.T) {
	check := func(t *testing.T, dir, words string) {
		t.Helper()
		remains, err := OpenRemains(dir, filepath.Join(dir, "wal"))
		if err == nil {
			remains.Close()
			t.Fatalf("it opens; want an error with %q", words)
		}
		var e *exitcode.Error
		if !errors.As(err, &e) || e.Code != exitcode.DataDir || e.Hint == "" || !strings.Contains(err.Error(), words) {
			t.Errorf("error %#v, want one with %q", err, words)
		}
	}
	t.Run("no log", func(t *testing.T) { check(t, t.TempDir(), "there is no log in") })
	t.Run("a damaged log", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg)
		segment := filepath.Join(cfg.WALDir, "0000000000000001.wal")
		if err := os.WriteFile(segment, make([]byte, 8192), 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, cfg.DataDir, "wal: ")
	})
}

// TestRecoverFindsSelf shows in which configuration a member looks for itself:
// a removal that may never have been committed does not count.
func TestRecoverFindsSelf(t *testing.T) {
	with := raft.Configuration{Members: []raft.Member{{ID: 1, Name: "n1"}, {ID: 2, Name: "n2"}}}
	without := raft.Configuration{Members: []raft.Member{{ID: 2, Name: "n2"}}}
	for _, test := range []struct {
		name   string
		newest raft.ConfigurationAt
		commit raft.Index
		want   string
	}{
		{"it is in the newest", raft.ConfigurationAt{Index: 7, Configuration: with}, 5, "n1"},
		{"its removal may not be committed", raft.ConfigurationAt{Index: 7, Configuration: without}, 6, "n1"},
		{"its removal is committed", raft.ConfigurationAt{Index: 7, Configuration: without}, 7, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			state := raft.State{HardState: raft.HardState{Commit: test.commit}, Configurations: []raft.ConfigurationAt{{Configuration: with}, test.newest}}
			var r Remains
			if r.findSelf(1, &state); r.Self.Name != test.want {
				t.Errorf("it finds itself as %q, want %q", r.Self.Name, test.want)
			}
		})
	}
}
