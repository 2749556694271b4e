package node

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"quorate/internal/exitcode"
	"quorate/raft"
)

// testConfig is a node on loopback with ports of the system's choice.
func testConfig(t testing.TB, name, dir string) Config {
	registry := prometheus.NewRegistry()
	return Config{
		Name: name, DataDir: dir, WALDir: filepath.Join(dir, "wal"), ClusterToken: "test",
		SQLListen: "127.0.0.1:0", PeerListen: "127.0.0.1:0", AdminListen: "127.0.0.1:0",
		PeerAdvertise: "127.0.0.1:7432",
		ElectionMin:   150 * time.Millisecond, ElectionMax: 300 * time.Millisecond, Heartbeat: 50 * time.Millisecond,
		QuorumTimeout: 10 * time.Second, Version: "test", Logger: zerolog.New(zerolog.NewTestWriter(t)),
		Metrics: registry, Gatherer: registry,
	}
}

// refuses shows that Open fails with the exit code, with these words in the
// error and in the hint.
func refuses(t *testing.T, cfg Config, code int, words, hint string) {
	t.Helper()
	n, err := Open(context.Background(), cfg)
	if err == nil {
		n.release()
		t.Fatalf("the node opens; want an error with %q", words)
	}
	var e *exitcode.Error
	if !errors.As(err, &e) {
		t.Fatalf("%v is no *exitcode.Error", err)
	}
	if e.Code != code || !strings.Contains(e.Error(), words) || !strings.Contains(e.Hint, hint) {
		t.Errorf("exit code %d, error %q, hint %q; want %d, %q, %q", e.Code, e.Error(), e.Hint, code, words, hint)
	}
}

// made makes a data directory by opening a node once.
func made(t *testing.T, cfg Config) {
	t.Helper()
	n, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.release()
}

func TestOpenRefuses(t *testing.T) {
	members := []raft.Member{{Name: "n1", Address: "127.0.0.1:7432"}, {Name: "n2", Address: "127.0.0.1:7433"}}

	t.Run("a directory in use", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		n, err := Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer n.release()
		refuses(t, testConfig(t, "n1", cfg.DataDir), exitcode.DataDir, "another process is using it", "Stop the other quorate process")
	})
	t.Run("another member's directory", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg)
		refuses(t, testConfig(t, "n2", cfg.DataDir), exitcode.DataDir, `it belongs to member "n1", not to "n2"`, "--name")
	})
	t.Run("another cluster's token", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg)
		cfg = testConfig(t, "n1", cfg.DataDir)
		cfg.ClusterToken = "other"
		refuses(t, cfg, exitcode.DataDir, "it belongs to cluster", "--cluster-token")
	})
	t.Run("another cluster's members", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg)
		cfg = testConfig(t, "n1", cfg.DataDir)
		cfg.InitialCluster = members
		refuses(t, cfg, exitcode.DataDir, "it belongs to cluster", "--initial-cluster")
	})
	t.Run("a name that is not in the initial cluster", func(t *testing.T) {
		cfg := testConfig(t, "n3", t.TempDir())
		cfg.InitialCluster = members
		refuses(t, cfg, exitcode.Usage, `"n3", is not in the initial cluster`, "--name")
	})
	t.Run("a name given twice", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		cfg.InitialCluster = append(members[:1:1], members[0])
		refuses(t, cfg, exitcode.Usage, `names member "n1" twice`, "a name of its own")
	})
	t.Run("a database without its log", func(t *testing.T) {
		cfg := testConfig(t, "n1", t.TempDir())
		made(t, cfg)
		if err := os.RemoveAll(cfg.WALDir); err != nil {
			t.Fatal(err)
		}
		refuses(t, testConfig(t, "n1", cfg.DataDir), exitcode.DataDir, "the log has been removed", "remove this member")
	})
	t.Run("an address that is taken", func(t *testing.T) {
		n, err := Open(context.Background(), testConfig(t, "n1", t.TempDir()))
		if err != nil {
			t.Fatal(err)
		}
		defer n.release()
		cfg := testConfig(t, "n1", t.TempDir())
		cfg.SQLListen = n.listeners.sql.Addr().String()
		refuses(t, cfg, exitcode.Failed, "address already in use", "--sql-listen")
	})
	t.Run("a file where the directory should be", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(dir, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, testConfig(t, "n1", dir), exitcode.DataDir, "not a directory", "--data-dir")
	})
}

// TestStop shows that Run ends without an error when it is told to, and that
// the directory is free again.
func TestStop(t *testing.T) {
	cfg := testConfig(t, "n1", t.TempDir())
	for range 2 {
		n, err := Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- n.Run(ctx) }()
		if err := n.CatchUp(context.Background()); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run ends with %v", err)
		}
		cfg = testConfig(t, "n1", cfg.DataDir)
	}
}
