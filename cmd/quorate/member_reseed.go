package main

import (
	"github.com/spf13/cobra"
)

func newMemberReseed() *cobra.Command {
	var (
		o       orderCommand
		confirm confirmation
	)
	cmd := &cobra.Command{
		Use:   "reseed NAME",
		Short: "Give a member that is quarantined for good another database",
		Long: `Give a member that is quarantined for good the leader's database. A member is
quarantined for good when its database has differed from the majority's for the
second time: then the machine is suspected. Find the cause and mend it first, or
the member will differ again.

The member forgets what it remembers of that, gets another database by itself, also
when it is restarted meanwhile, and serves as soon as a majority agrees with it. One
that is quarantined for the first time does so without being told.`,
		Example: "  quorate member reseed n3",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			consequences := args[0] + " will replace its database by the leader's, and serve again. If what made it differ twice is still there, it will differ again."
			if err := confirm.ask(cmd, consequences, "Is the cause found and mended?"); err != nil {
				return err
			}
			return o.send(cmd, "POST", memberPath(args[0])+"/reseed", nil)
		},
	}
	o.add(cmd)
	confirm.add(cmd)
	return cmd
}
