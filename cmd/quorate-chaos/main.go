// Command quorate-chaos hurts a cluster of real processes on this machine while
// clients use it, and says whether it kept its promises; its subcommand measure
// measures what the design claims.
//
// What comes in: the command line, and the source of quorate, which it builds,
// or a binary. What goes out: a line for each fault, one line of summary, and
// exit code 0 or 1. The work is done in package chaos. docs/internals/testing.md
// and docs/measured.md tell what to expect.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"quorate/internal/exitcode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute carries out a command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newChaos()
	root.AddCommand(newMeasure())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitcode.OK
	case errors.Is(err, errViolations):
		return exitcode.Failed // it was said already
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
	return exitcode.Failed
}

// place is where a command works: with which binary, in which directory.
type place struct {
	binary string
	keep   string
}

func (p *place) addFlags(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&p.binary, "binary", "", "the quorate `FILE` to run; without it, it is built from the source in this directory")
	cmd.PersistentFlags().StringVar(&p.keep, "keep", "", "work in this new or empty `DIR` and keep it, whatever comes out")
}

// prepare builds what is missing. release removes the directory, unless it is
// to be kept.
func (p *place) prepare(ctx context.Context, stderr io.Writer) (binary, dir string, release func(failed bool), err error) {
	if dir, err = p.directory(); err != nil {
		return "", "", nil, err
	}
	release = func(failed bool) {
		if p.keep != "" || failed {
			fmt.Fprintf(stderr, "logs, data and histories are in %s\n", dir)
			return
		}
		os.RemoveAll(dir) // temporary; what cannot be removed is left to the system
	}
	if binary = p.binary; binary != "" {
		binary, err = filepath.Abs(binary)
		return binary, dir, release, err
	}
	binary = filepath.Join(dir, "quorate")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, "quorate/cmd/quorate")
	build.Stdout, build.Stderr = stderr, stderr
	if err := build.Run(); err != nil {
		release(false)
		return "", "", nil, fmt.Errorf("build quorate: %w (run this in the source, or give --binary)", err)
	}
	return binary, dir, release, nil
}

func (p *place) directory() (string, error) {
	if p.keep == "" {
		return os.MkdirTemp("", "quorate-chaos-")
	}
	dir, err := filepath.Abs(p.keep)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("--keep %s: the directory is not empty", p.keep)
	}
	return dir, err
}
