package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestCommandLine shows what wrong command lines and commands that need no
// node answer: exit code, standard output, standard error.
//
//	go test ./cmd/quorate -run TestCommandLine -rewrite
func TestCommandLine(t *testing.T) {
	t.Setenv("QUORATE_NAME", "n1") // not the name of this machine
	t.Setenv("QUORATE_CONFIG", "") // not the file of this machine
	datadriven.RunTest(t, "testdata/commandline", func(t *testing.T, d *datadriven.TestData) string {
		if d.Cmd != "quorate" {
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		}
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), strings.Fields(d.Input), &stdout, &stderr)
		return fmt.Sprintf("exit %d\n%s%s", code, stdout.String(), stderr.String())
	})
}

// A command that a signal ends says so by its exit code, 128 and the signal's
// number, and prints no error.
func TestSignalExitCode(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(signalError{15})
	var stdout, stderr bytes.Buffer
	if code := run(ctx, []string{"status"}, &stdout, &stderr); code != 143 || stderr.Len() > 0 {
		t.Errorf("exit %d, %q", code, stderr.String())
	}
}

const referenceFile = "../../docs/reference/cli.md"

// TestReference keeps docs/reference/cli.md equal to the commands.
//
//	go test ./cmd/quorate -run TestReference -rewrite
func TestReference(t *testing.T) {
	want := reference()
	if flag.Lookup("rewrite").Value.String() == "true" {
		if err := os.WriteFile(referenceFile, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference/cli.md is not what the commands say; run: go test ./cmd/quorate -run TestReference -rewrite")
	}
}

const referenceHead = `# Command line

<!-- Written from the commands by a test of cmd/quorate; do not edit. -->

One binary, ` + "`quorate`" + `. Tables go to standard output, words to standard error; ` + "`-o json`" + ` has a form to which
fields are only ever added. Errors are a line ` + "`error: …`" + ` and, where there is something to do, a line ` + "`hint: …`" + `.

SIGTERM and SIGINT stop a node, or a dev cluster, cleanly, with exit code 0; a second one stops at once. Cleanly means: no new
sessions, leadership is handed over, what is under way is finished, sessions are closed with 57P01.

| exit code | meaning |
|---|---|
| 0 | done, or stopped cleanly |
| 1 | failed |
| 4 | wrong command line or configuration |
| 5 | the cluster has no quorum |
| 6 | the data directory is unusable, foreign, in use, damaged, or that of a member that was removed |
| 7 | ` + "`verify`" + ` could not compare all members |
| 10 | no space left on the disk |
| 130, 143 | ended by SIGINT, SIGTERM |
`

func reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	var describe func(*cobra.Command)
	describe = func(c *cobra.Command) {
		if c.Runnable() {
			describeCommand(&b, c)
		}
		for _, sub := range c.Commands() {
			describe(sub)
		}
	}
	describe(newRoot())
	b.WriteString("\n## quorate completion\n\nWrites a completion script for `bash`, `zsh`, `fish` or `powershell`: see `quorate completion bash --help`.\n")
	return b.String()
}

func describeCommand(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n", c.CommandPath())
	if c.Long != "" {
		b.WriteString(indented(c.Long) + "\n\n")
	} else {
		b.WriteString(c.Short + ".\n\n")
	}
	fmt.Fprintf(b, "```\n%s\n```\n\n", c.Example)
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		line := "--" + f.Name
		if f.Shorthand != "" {
			line = "-" + f.Shorthand + ", " + line
		}
		if name != "" {
			line += " " + name
		}
		usage = strings.TrimPrefix(usage, name+": ")
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(b, "- `%s`: %s\n", line, usage)
	})
}

// indented makes code blocks of the indented lists in a help text.
func indented(text string) string { return strings.ReplaceAll(text, "\n  ", "\n      ") }
