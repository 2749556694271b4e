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
				cmd.Println("first")
			case 2:
				return errors.New("no quorum for a moment")
			case 3:
				cmd.Println("third")
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
	if lines := strings.Count(stdout.String(), "\n"); lines != 3 { // the time, thrice
		t.Errorf("standard output has %d lines:\n%s", lines, stdout.String())
	}
	if got, want := stderr.String(), "first\nerror: no quorum for a moment\nthird\n"; got != want {
		t.Errorf("standard error is %q, want %q", got, want)
	}
}
