package main

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"quorate/internal/exitcode"
)

func newMemberPromote() *cobra.Command {
	var o orderCommand
	cmd := &cobra.Command{
		Use:   "promote NAME",
		Short: "Make a learner a voter",
		Long: `Make a learner a voter. It is refused while the learner is behind: as a voter it
would keep the cluster from committing until it has caught up. A member that was
added without --learner is promoted by itself.`,
		Example: "  quorate member promote reader",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.send(cmd, "POST", memberPath(args[0])+"/promote", nil)
		},
	}
	o.add(cmd)
	return cmd
}

func newMemberUpdate() *cobra.Command {
	var o orderCommand
	cmd := &cobra.Command{
		Use:   "update NAME HOST:PEERPORT",
		Short: "Tell the cluster a member's new peer address",
		Long: `Tell the cluster that a member is at another address now. Do it first, then start
the member there with its data directory and a --peer-listen that fits: it is the
same member, with the same log.`,
		Example: "  quorate member update n3 10.0.0.9:7432",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkMember(args[0], args[1]); err != nil {
				return err
			}
			return o.send(cmd, "PATCH", memberPath(args[0]), map[string]string{"peer_addr": args[1]})
		},
	}
	o.add(cmd)
	return cmd
}

func newMemberRemove() *cobra.Command {
	var (
		o       orderCommand
		confirm confirmation
		force   string
	)
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a member, for good",
		Long: `Remove a member, for good: it stops by itself, and its data directory can never
come back to this cluster. Any member can be removed, also one that is dead, also
the leader, which hands over first.

It is refused when those that would remain and are alive are no majority: the
cluster would stop at once. And when members are quarantined, it is refused to
remove one of too few that have a good database. --force "REASON" does it all the
same, and the reason is logged. A cluster that has lost its quorum already cannot do it: see quorate
recover.`,
		Example: `  quorate member remove n3
  quorate member remove n3 --yes --force "the rack is gone"`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := o.nodes.context(cmd)
			cluster, err := askCluster(ctx, o.nodes.urls(cmd))
			cancel()
			if err != nil {
				return err
			}
			consequences, err := cluster.removal(args[0])
			if err != nil {
				return err
			}
			if err := confirm.ask(cmd, consequences, "Remove "+args[0]+"?"); err != nil {
				return err
			}
			path := memberPath(args[0])
			if force != "" {
				path += "?force=" + url.QueryEscape(force)
			}
			err = o.send(cmd, "DELETE", path, nil)
			var refusal *exitcode.Error
			if force == "" && errors.As(err, &refusal) && strings.Contains(refusal.Error(), "no majority") {
				refusal.Hint = `Wait for the others. If it is wanted all the same, say why: --force "REASON".`
			}
			return err
		},
	}
	o.add(cmd)
	confirm.add(cmd)
	cmd.Flags().StringVar(&force, "force", "", "remove it although no majority of the others is alive, or well; say why in the `REASON`")
	return cmd
}

// removal says what it means to remove the member.
func (c *clusterStatus) removal(name string) (string, error) {
	voters, member := 0, (*memberStatus)(nil)
	var silent []string // voters that would remain and do not answer here
	for i := range c.Members {
		m := &c.Members[i]
		if m.votes() {
			voters++
		}
		if m.Name == name {
			member = m
		} else if m.votes() && !m.Reachable {
			silent = append(silent, m.Name)
		}
	}
	if member == nil {
		return "", failed(fmt.Errorf("there is no member %q", name), "quorate member list shows the members.")
	}
	if member.votes() && voters == 1 {
		return "", failed(fmt.Errorf("%s is the last voter; without one there is no cluster", name), "Add or promote another first. To end the cluster, stop its nodes.")
	}
	lines := []string{fmt.Sprintf("%s (%s) will be removed for good: it stops, and its data directory cannot come back.", name, member.PeerAddr)}
	if member.votes() {
		lines = append(lines, fmt.Sprintf("The cluster will have %s instead of %d and survive the loss of %d.", plural(voters-1, "voter"), voters, max(voters-2, 0)/2))
	}
	if len(silent) > 0 {
		lines = append(lines, "Of those that remain, not heard from here: "+strings.Join(silent, ", ")+".")
	}
	if name == c.Leader {
		lines = append(lines, "It is the leader: another member takes over, which statements notice as a short pause.")
	}
	return strings.Join(lines, "\n"), nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
