package main

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/config"
)

func newMemberAdd() *cobra.Command {
	var (
		output  outputFormat
		nodes   endpointFlags
		learner bool
	)
	cmd := &cobra.Command{
		Use:   "add NAME HOST:PEERPORT",
		Short: "Add a member, and print the command that starts it",
		Long: `Add a member that will listen for the others at this address, and print the
command that starts it. It begins as a learner, which slows nobody down, and
becomes a voter by itself when it has caught up; with --learner it stays one.

Adding before starting is one way; a node that is started with --join adds
itself. Change one member at a time: the next change waits until the last one
is committed.`,
		Example: `  quorate member add n4 10.0.0.4:7432
  quorate member add reader 10.0.1.4:7432 --learner`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, address := args[0], args[1]
			if err := checkMember(name, address); err != nil {
				return err
			}
			added, cluster, err := addMember(cmd, &nodes, name, address, learner)
			if err != nil {
				return err
			}
			return printAdded(cmd.OutOrStdout(), output, added, startCommand(added, cluster, learner))
		},
	}
	output.addFlag(cmd)
	nodes.add(cmd, orderTimeoutDefault)
	cmd.Flags().BoolVar(&learner, "learner", false, "it stays a learner: it has all data and does not vote")
	return cmd
}

// checkMember finds mistakes before a node is asked.
func checkMember(name, address string) error {
	if err := config.CheckName(name); err != nil {
		return usage(fmt.Errorf("the name %q: %w", name, err), "")
	}
	if err := config.CheckPeerAddress(address); err != nil {
		return usage(fmt.Errorf("the peer address %q: %w", address, err), "")
	}
	return nil
}

// addMember adds it, and asks who the others are, whom it will join.
func addMember(cmd *cobra.Command, nodes *endpointFlags, name, address string, learner bool) (added admin.Member, cluster []admin.Member, err error) {
	ctx, cancel := nodes.context(cmd)
	defer cancel()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	body := map[string]any{"name": name, "peer_addr": address, "learner": learner}
	err = firstEndpoint(nodes.urls(cmd), func(endpoint string) error {
		if cluster, err = client.cluster(ctx, endpoint); err != nil {
			return err
		}
		return client.order(ctx, "POST", endpoint, "/admin/v1/members", body, &added)
	})
	return added, cluster, err
}

func printAdded(w io.Writer, output outputFormat, added admin.Member, start string) error {
	if output == outputJSON {
		return writeJSON(w, struct {
			Member admin.Member `json:"member"`
			Start  string       `json:"start"` // the command that starts it
		}{added, strings.ReplaceAll(strings.TrimSpace(start), " \\\n   ", "")})
	}
	what := "It becomes a voter by itself when it has caught up."
	if added.Suffrage == "learner" {
		what = "It stays a learner."
	}
	_, err := fmt.Fprintf(w, "%s is a member now, with the id %s. %s\nStart it with a new, empty data directory, and with the cluster's --cluster-token if it has one:\n\n%s\n",
		added.Name, added.ID, what, start)
	return err
}

// startCommand is the command line that starts a new member. Its ports are the
// usual ones, or the next ones when other members share its host.
func startCommand(added admin.Member, cluster []admin.Member, learner bool) string {
	host, _, _ := net.SplitHostPort(added.PeerAddr)
	join := make([]string, 0, len(cluster))
	sqlPort, adminPort := 4432, 8432
	for _, m := range cluster {
		if m.Name == added.Name {
			continue
		}
		join = append(join, m.PeerAddr)
		sqlPort = max(sqlPort, nextPort(m.SQLAddr, host))
		adminPort = max(adminPort, nextPort(m.AdminAddr, host))
	}
	line := fmt.Sprintf("  quorate start --name %s --data-dir %s-data --join %s \\\n    --peer-listen %s --sql-listen %s --admin-listen %s",
		added.Name, added.Name, strings.Join(join, ","),
		added.PeerAddr, net.JoinHostPort(host, strconv.Itoa(sqlPort)), net.JoinHostPort(host, strconv.Itoa(adminPort)))
	if learner {
		line += " --learner"
	}
	if !config.Loopback(added.PeerAddr) {
		line += " --insecure"
	}
	return line
}

// nextPort is the port after that of the address, if it is on the host.
func nextPort(address, host string) int {
	memberHost, port, err := net.SplitHostPort(address)
	n, numberErr := strconv.Atoi(port)
	if cmp.Or(err, numberErr) != nil || memberHost != host {
		return 0
	}
	return n + 1
}
