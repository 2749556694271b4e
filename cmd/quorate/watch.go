package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// watch shows something again and again until the context ends, which is how
// it is meant to end. On a terminal each time replaces the last; elsewhere a
// line with the time stands between. What goes wrong is said and does not end
// it: watching a cluster through its troubles is what it is for.
func watch(cmd *cobra.Command, interval time.Duration, show func() error) error {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	file, isFile := cmd.OutOrStdout().(*os.File)
	clear := isFile && term.IsTerminal(int(file.Fd()))
	for {
		now := time.Now().Format(time.DateTime)
		if clear {
			now = "\x1b[H\x1b[2J" + now // the cursor to the corner, then erase
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), now); err != nil {
			return err // nobody reads any more
		}
		if err := show(); err != nil && cmd.Context().Err() == nil {
			cmd.PrintErrln("error:", err)
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-ticks.C:
		}
	}
}
