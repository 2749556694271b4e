package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"quorate/internal/config"
	"quorate/internal/exitcode"
)

// TestRecoverCluster loses two of three members for good. The third shows what
// it has, becomes a cluster of one when it is told to accept the loss, and
// grows again. A member that comes back from the dead is told to begin anew.
func TestRecoverCluster(t *testing.T) {
	p := startCluster(t, 3)
	p.exec("n1", "create table kept (a int); insert into kept values (1), (2)")
	p.awaitEqual("n1")
	for _, name := range []string{"n3", "n2", "n1"} {
		p.kill(name)
	}
	recover := func(args ...string) (code int, stdout, stderr string) {
		// A process of its own: in this one, other tests fork while the
		// directory's lock is held, and their children hold it for a moment.
		var out, words bytes.Buffer
		args = append([]string{"recover", "--config=", "--data-dir", p.nodes["n1"].dataDir}, args...)
		cmd := exec.CommandContext(p.ctx, os.Args[0], args...)
		cmd.Env = append(config.WithoutSettings(os.Environ()), asQuorate+"=1")
		cmd.Stdout, cmd.Stderr = &out, &words
		_ = cmd.Run() // the exit code says it
		return cmd.ProcessState.ExitCode(), out.String(), words.String()
	}
	code, found, words := recover()
	if code != exitcode.Usage || !strings.Contains(words, "nothing was changed") {
		t.Errorf("without --accept-data-loss: exit %d\n%s", code, words)
	}
	for _, want := range []string{"n1 (" + p.nodes["n1"].peer + ")", "last entry ", "this member\n", p.nodes["n3"].peer + "  will be removed\n"} {
		if !strings.Contains(found, want) {
			t.Errorf("what is found has no %q:\n%s", want, found)
		}
	}
	if code, _, words := recover("--accept-data-loss"); code != exitcode.Usage || !strings.Contains(words, "needs a yes") {
		t.Errorf("without a yes: exit %d\n%s", code, words)
	}
	if code, _, words := recover("--accept-data-loss", "--yes"); code != exitcode.OK {
		t.Fatalf("exit %d\n%s", code, words)
	}

	p.start("n1")
	p.awaitReady("n1")
	if code, _, words := recover("--accept-data-loss", "--yes"); code != exitcode.DataDir || !strings.Contains(words, "a process is using it") {
		t.Errorf("while the node runs: exit %d\n%s", code, words)
	}
	p.exec("n1", "insert into kept values (3)")
	if n := p.count("n1", "kept"); n != 3 {
		t.Errorf("%d rows of 3", n)
	}

	p.start("n2")
	if code := p.exit("n2"); code != exitcode.DataDir || !p.said("n2", "removed") {
		t.Errorf("a member from before ends with exit code %d", code)
	}
	p.define("n2", "--join", p.nodes["n1"].peer)
	p.start("n2")
	p.awaitReady("n2")
	p.awaitMember("n1", "n2", "voter")
	p.awaitEqual("n2")
	if n := p.count("n2", "kept"); n != 3 {
		t.Errorf("n2 has %d rows of 3", n)
	}
}
