package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// Watching shows again what there is to show, also after something went
// wrong, and ends without an error when it is told to.
func TestWatch(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var stdout, stderr bytes.Buffer
	cmd := &cobra.Command{RunE: func(cmd *cobra.Command, _ []string) error {
		shown := 0
		return watch(cmd, time.Millisecond, func() error {
			switch shown++; shown {
			case 1:
				stdout.WriteString("first\n")
			case 2:
				return errors.New("no quorum for a moment")
			case 3:
				stdout.WriteString("third\n")
				cancel()
			}
			return nil
		})
	}}
	cmd.SetArgs(nil)
	cmd.SetOut(&stdout)
	cmd.SetErr(&stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		t.Errorf("it ended with %v", err)
	}
	var shown []string
	for line := range strings.Lines(stdout.String()) {
		if _, err := time.Parse(time.DateTime, strings.TrimSpace(line)); err == nil {
			line = "TIME\n"
		}
		shown = append(shown, line)
	}
	if got, want := strings.Join(shown, ""), "TIME\nfirst\nTIME\nTIME\nthird\n"; got != want {
		t.Errorf("standard output is %q, want %q", got, want)
	}
	if got, want := stderr.String(), "error: no quorum for a moment\n"; got != want {
		t.Errorf("standard error is %q, want %q", got, want)
	}
}
