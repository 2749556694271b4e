package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func newTransferLeader() *cobra.Command {
	var o orderCommand
	cmd := &cobra.Command{
		Use:     "transfer-leader [NAME]",
		Aliases: []string{"stepdown"},
		Short:   "Hand leadership over to a member",
		Long: `Hand leadership over to a member or, without a name, to the follower that is best
prepared. Statements notice it as a pause of milliseconds. If it does not succeed
within an election timeout, the old leader goes on.`,
		Example: `  quorate transfer-leader n2
  quorate transfer-leader`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := strings.Join(args, "")
			before, after, err := o.transfer(cmd, name)
			if err != nil {
				return err
			}
			sentence := after + " leads now"
			if before == after {
				sentence = after + " is the leader already"
			}
			return o.print(cmd, sentence, map[string]string{"leader": after, "previous": before})
		},
	}
	o.add(cmd)
	return cmd
}

// transfer returns who led before and who leads now.
func (o *orderCommand) transfer(cmd *cobra.Command, name string) (before, after string, err error) {
	ctx, cancel := o.nodes.context(cmd)
	defer cancel()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	err = firstEndpoint(o.nodes.urls(cmd), func(endpoint string) error {
		status, err := client.status(ctx, endpoint)
		if err != nil {
			return err
		}
		var answer struct {
			Leader string `json:"leader"`
		}
		err = client.order(ctx, "POST", endpoint, "/admin/v1/leader", map[string]string{"name": name}, &answer)
		before, after = status.Leader, answer.Leader
		return err
	})
	return before, after, err
}
