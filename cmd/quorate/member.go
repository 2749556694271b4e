package main

import (
	"io"

	"github.com/spf13/cobra"
)

func newMember() *cobra.Command {
	cmd := &cobra.Command{Use: "member", Short: "List and change the members of the cluster"}
	transfer := newTransferLeader()
	transfer.Hidden = true // here for those who look for it here
	cmd.AddCommand(newMemberList(), newMemberAdd(), newMemberPromote(), newMemberRemove(), newMemberUpdate(), newMemberReseed(), transfer)
	return cmd
}

func newMemberList() *cobra.Command {
	var (
		output outputFormat
		nodes  endpointFlags
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show who the members are and where",
		Long: `Show who the members are and where. SUFFRAGE is voter, learner, or staging: a
learner that becomes a voter by itself when it has caught up. BEHIND counts the
entries that the leader has applied and the member has not.`,
		Example: "  quorate member list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := nodes.context(cmd)
			defer cancel()
			cluster, err := askCluster(ctx, nodes.urls(cmd))
			if err != nil {
				return err
			}
			return cluster.printMembers(cmd.OutOrStdout(), output)
		},
	}
	output.addFlag(cmd)
	nodes.add(cmd, statusTimeoutDefault)
	return cmd
}

// printMembers writes the members; their own word is only asked for role and
// position, so that members that are down are as complete as the others.
func (c *clusterStatus) printMembers(w io.Writer, output outputFormat) error {
	if output == outputJSON {
		return writeJSON(w, c)
	}
	t := &table{}
	t.row("NAME", "ID", "SUFFRAGE", "ROLE", "PEER ADDRESS", "SQL ADDRESS", "ADMIN ADDRESS", "BEHIND")
	for i := range c.Members {
		m := &c.Members[i]
		t.row(m.Name, m.ID, m.Suffrage, m.role(), m.PeerAddr, orDash(m.SQLAddr), orDash(m.AdminAddr), c.behind(m))
	}
	return t.write(w, output)
}

// orDash stands for what is not known.
func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
