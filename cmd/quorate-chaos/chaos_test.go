package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"quorate/internal/exitcode"
)

// build builds quorate once for all tests. The file is removed by TestMain.
var build = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "build", "-o", filepath.Join(buildDir, "quorate"), "quorate/cmd/quorate").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return filepath.Join(buildDir, "quorate"), nil
})

var buildDir string

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "quorate-chaos-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(code)
}

// realProcesses begins a test that runs real processes for some seconds, and
// returns the binary.
func realProcesses(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs real processes for some seconds")
	}
	t.Parallel()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// TestStaleReadsAreFound runs the whole command against a cluster that does what
// it must, whose clients ask for stale reads. Each member is cut off from the
// others in its turn, so some clients see what is no more. The verdict must be
// that something is wrong, and what tells of it must be kept.
func TestStaleReadsAreFound(t *testing.T) {
	keep := filepath.Join(t.TempDir(), "run")
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"--binary", realProcesses(t), "--minutes", "0.07", "--faults", "partition", "--workload", "register,set",
		"--seed", "1", "--reads", "stale", "--keep", keep}, &stdout, &stderr)
	if code != exitcode.Failed || !strings.Contains(stdout.String(), "VIOLATION") || !strings.Contains(stdout.String(), "FAILED") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	for _, file := range []string{"history/register.jsonl", "history/set.jsonl", "logs/n1.log", "data/n1"} {
		if _, err := os.Stat(filepath.Join(keep, file)); err != nil {
			t.Error(err)
		}
	}
}

// TestShortRun is a run that must go well, as in continuous integration, but
// short.
func TestShortRun(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"--binary", realProcesses(t), "--minutes", "0.05", "--faults", "kill,isolate,break", "--seed", "1"}, &stdout, &stderr)
	if code != exitcode.OK {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
	summary := regexp.MustCompile(`3 nodes, seed 1, \d+ s: \d+ operations .* slowest recovery .*: ok\n$`)
	if !summary.MatchString(stdout.String()) {
		t.Errorf("no summary in\n%s", &stdout)
	}
}

// TestOnce kills the leader under 64 clients of the two others: none sees an error,
// and every member has every write once.
func TestOnce(t *testing.T) {
	var stdout, stderr bytes.Buffer
	code := execute(t.Context(), []string{"measure", "once", "--binary", realProcesses(t), "--runs", "2", "--clients", "64"}, &stdout, &stderr)
	if code != exitcode.OK || !strings.Contains(stdout.String(), "each once on each member; errors 0") {
		t.Errorf("exit code %d\n%s%s", code, &stdout, &stderr)
	}
}
