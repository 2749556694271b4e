package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

// drainTimeoutDefault leaves clients time to finish.
const drainTimeoutDefault = time.Minute

func newDrain() *cobra.Command {
	var (
		o       orderCommand
		confirm confirmation
	)
	cmd := &cobra.Command{
		Use:   "drain",
		Short: "Prepare one node for being stopped",
		Long: `Prepare the node at the endpoint for being stopped: it accepts no more sessions,
hands over leadership, finishes what is under way and closes its sessions, whose
clients connect to another node. It stays a member and keeps its copy up to date
until it is stopped; starting it again ends the drain.

SIGTERM does the same and then stops, so this is for those who want to look in
between.`,
		Example: "  quorate drain --endpoint http://10.0.0.3:8432",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			endpoints := o.nodes.urls(cmd)
			if len(endpoints) != 1 {
				return usage(errors.New("drain is for one node: give one --endpoint"), "")
			}
			client := &adminClient{}
			defer client.http.CloseIdleConnections()
			ctx, cancel := context.WithTimeout(cmd.Context(), statusTimeoutDefault)
			status, err := client.status(ctx, endpoints[0])
			cancel()
			if err != nil {
				return failed(err, "Is a node running there? --endpoint names the admin address of one.")
			}
			consequences := fmt.Sprintf("%s will close its sessions and accept no new ones until it is started again.", status.Name)
			if status.Role == "leader" {
				consequences += "\nIt is the leader: another member takes over."
			}
			if err := confirm.ask(cmd, consequences, "Drain "+status.Name+"?"); err != nil {
				return err
			}
			return o.send(cmd, "POST", "/admin/v1/drain", nil)
		},
	}
	o.output.addFlag(cmd)
	o.nodes.add(cmd, drainTimeoutDefault)
	confirm.add(cmd)
	return cmd
}
