// Command quorate is the one binary: it runs a node, runs a cluster to try
// things on, and asks running nodes how they are. docs/reference/cli.md is the
// manual, written from the commands themselves.
//
// Each command has a file named after it. What comes in: the command line, the
// environment, signals. What goes out: tables on standard output, words on
// standard error, and an exit code of internal/exitcode. The work itself is
// done elsewhere: by node, by bench, by the admin endpoints that status asks.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"quorate/internal/buildinfo"
	"quorate/internal/exitcode"
)

func main() {
	ctx := watchSignals()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run carries out a command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	begun := false // what fails before a command begins is a wrong command line
	root := newRoot()
	root.PersistentPreRun = func(*cobra.Command, []string) { begun = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitcode.OK
	}
	var signalled signalError
	if errors.As(context.Cause(ctx), &signalled) && (errors.Is(err, context.Canceled) || errors.As(err, &signalled)) {
		return 128 + int(signalled.signal)
	}
	var exit *exitcode.Error
	if !errors.As(err, &exit) {
		exit = &exitcode.Error{Code: exitcode.Failed, Err: err}
		if !begun {
			exit.Code, exit.Hint = exitcode.Usage, usageHint(root, args)
		}
	}
	fmt.Fprintf(stderr, "error: %v\n", err)
	if exit.Hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", exit.Hint)
	}
	return exit.Code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "quorate",
		Short: "A replicated SQL metadata database that speaks PostgreSQL",
		Example: `  quorate dev                                            three nodes on this machine, to try things
  psql "postgres://quorate@localhost:4432/quorate"       talk to any of them
  quorate status                                         how they are`,
		Version:                    buildinfo.Get().Version,
		SilenceUsage:               true,
		SilenceErrors:              true,
		DisableSuggestions:         true, // usageHint makes them
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate(buildinfo.Get().String() + "\n")
	root.AddCommand(newStart(), newDev(), newStatus(), newMember(), newTransferLeader(), newDrain(), newRecover(), newVerify(), newSnapshot(), newBackup(), newRestore(), newDump(), newImport(), newBench(), newConfig(), newVersion())
	return root
}

// usageHint says what to do about a wrong command line.
func usageHint(root *cobra.Command, args []string) string {
	command, rest, err := root.Find(args)
	if err != nil && len(rest) > 0 {
		if near := root.SuggestionsFor(rest[0]); len(near) > 0 {
			return "Did you mean " + strings.Join(near, " or ") + "?"
		}
	}
	return fmt.Sprintf("See %s --help.", command.CommandPath())
}

// signalError is the cause with which the context ends at a signal.
type signalError struct{ signal syscall.Signal }

func (e signalError) Error() string { return "signal: " + e.signal.String() }

// signalEcho is the time in which a signal that comes again is the same wish:
// timeout(1), for one, signals a process and then its whole group.
const signalEcho = 100 * time.Millisecond

// watchSignals returns a context that ends at the first SIGINT or SIGTERM, so
// that the command can stop cleanly. A second one ends the process at once.
func watchSignals() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		cancel(signalError{(<-signals).(syscall.Signal)})
		for first := time.Now(); ; {
			if again := <-signals; time.Since(first) > signalEcho {
				os.Exit(128 + int(again.(syscall.Signal)))
			}
		}
	}()
	return ctx
}

// failed is an error with the general exit code and a hint.
func failed(err error, hint string) error {
	return &exitcode.Error{Code: exitcode.Failed, Err: err, Hint: hint}
}

// usage is an error of the command line.
func usage(err error, hint string) error {
	return &exitcode.Error{Code: exitcode.Usage, Err: err, Hint: hint}
}
