package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"quorate/internal/config"
	"quorate/internal/exitcode"
)

// TestWipedMember shows what becomes of a member that has lost its data
// directory: the others refuse it, and it ends with the exit code for that and
// says what to do.
func TestWipedMember(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "cluster")
	dev := startDev(t, append(freePorts(t), "--data-dir", dir)...)
	layout, err := readLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(dev.pids["n3"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(ctx, t, "n3", dev.pids["n3"])
	if err := os.RemoveAll(filepath.Join(dir, "n3")); err != nil {
		t.Fatal(err)
	}
	address := func(port int) string { return "localhost:" + strconv.Itoa(port) }
	n3 := layout.Nodes[2]
	code, stderr := runQuorate(t, "start", "--config=", "--name", n3.Name, "--data-dir", filepath.Join(dir, n3.Name),
		"--initial-cluster", layout.initialCluster(),
		"--sql-listen", address(n3.SQL), "--peer-listen", address(n3.Peer), "--admin-listen", address(n3.Admin))
	if code != exitcode.DataDir || !strings.Contains(stderr, "storage id") ||
		!strings.Contains(stderr, "hint: Give it back its data directory, or remove the member and add it again.") {
		t.Errorf("a member with an emptied directory: exit %d\n%s", code, stderr)
	}
	dev.stop(t)
}

// TestWithoutQuorum kills two of three nodes and asks the third what one asks
// then: what reads no table and what reads stale is answered, the HTTP
// endpoints say what is wrong, and status has an exit code for it.
func TestWithoutQuorum(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), e2eTimeout)
	defer cancel()
	dev := startDev(t, freePorts(t)...)
	conn, err := pgx.Connect(ctx, dev.urls["n1"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table kept (a int); insert into kept values (7)"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"n2", "n3"} {
		if err := syscall.Kill(dev.pids[name], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	poll(ctx, t, "n1 to notice", func() bool {
		code, body := get(t, dev.admin["n1"]+"/readyz")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "[-]leader failed: ") && strings.Contains(body, "[+]applied ok")
	})
	if code, _ := get(t, dev.admin["n1"]+"/livez"); code != http.StatusOK {
		t.Errorf("/livez answers %d", code)
	}
	if code, stderr := runQuorate(t, "status", "--endpoint", dev.admin["n1"]); code != exitcode.NoQuorum {
		t.Errorf("quorate status: exit %d\n%s", code, stderr)
	}
	var recovering bool
	if err := conn.QueryRow(ctx, "select pg_is_in_recovery()").Scan(&recovering); err != nil || !recovering {
		t.Errorf("pg_is_in_recovery() is %v: %v", recovering, err)
	}
	if _, err := conn.Exec(ctx, "set quorate.read_consistency = 'stale'"); err != nil {
		t.Fatal(err)
	}
	var kept int
	if err := conn.QueryRow(ctx, "select a from kept").Scan(&kept); err != nil || kept != 7 {
		t.Errorf("a stale read gives %d: %v", kept, err)
	}
	dev.stop(t)
}

// stop stops a dev cluster as an operator does.
func (d *devRun) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := d.wait(t); err != nil {
		t.Errorf("dev after SIGTERM: %v\n%s", err, d.stderr)
	}
}

// runQuorate runs a command as a process of its own.
func runQuorate(t *testing.T, args ...string) (code int, stderr string) {
	t.Helper()
	var words bytes.Buffer
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(config.WithoutSettings(os.Environ()), asQuorate+"=1")
	cmd.Stderr = &words
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), words.String()
}

// get asks an endpoint.
func get(t *testing.T, url string) (code int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
