package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/exitcode"
)

const defaultEndpoint = "http://localhost:8432"

func newStatus() *cobra.Command {
	var (
		output    outputFormat
		endpoints []string
		timeout   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show one row a member: role, term, applied index, size, version",
		Long: `Show one row a member. One endpoint is asked who the members are, then each of
them how it is, so that every row is the member's own word. BEHIND counts the
entries that the leader has applied and the member has not.

It exits with 5 when the cluster has no quorum.`,
		Example: `  quorate status
  quorate status --endpoint http://10.0.0.1:8432 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if fromEnv := os.Getenv("QUORATE_ENDPOINT"); fromEnv != "" && !cmd.Flags().Changed("endpoint") {
				endpoints = strings.Split(fromEnv, ",")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			cluster, err := askCluster(ctx, endpoints)
			if err != nil {
				return err
			}
			if err := cluster.print(cmd.OutOrStdout(), output); err != nil {
				return err
			}
			if !cluster.Quorum {
				return &exitcode.Error{Code: exitcode.NoQuorum, Err: errors.New("the cluster has no quorum"),
					Hint: "A majority of the members must run and reach each other; start those that are down."}
			}
			return nil
		},
	}
	output.addFlag(cmd)
	cmd.Flags().StringSliceVar(&endpoints, "endpoint", []string{defaultEndpoint}, "admin `URL` of a member; several are tried in turn (QUORATE_ENDPOINT)")
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for answers")
	return cmd
}

// clusterStatus is the answer of `quorate status -o json`. Fields are only
// ever added.
type clusterStatus struct {
	Leader  string         `json:"leader"` // "" when there is none
	Quorum  bool           `json:"quorum"`
	Members []memberStatus `json:"members"`
}

type memberStatus struct {
	Name      string        `json:"name"`
	Reachable bool          `json:"reachable"`
	Error     string        `json:"error,omitempty"`  // why it is not reachable
	Behind    uint64        `json:"behind"`           // entries applied by the leader and not here
	Status    *admin.Status `json:"status,omitempty"` // its own word
}

// askCluster asks the first endpoint that answers for the members, and each
// member for its status.
func askCluster(ctx context.Context, endpoints []string) (*clusterStatus, error) {
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	var failures []error
	for _, endpoint := range endpoints {
		endpoint = endpointURL(endpoint)
		members, err := client.cluster(ctx, endpoint)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		return askMembers(ctx, client, endpoint, members), nil
	}
	return nil, failed(errors.Join(failures...), "Is a node running there? --endpoint names the admin address of one.")
}

func askMembers(ctx context.Context, client *adminClient, endpoint string, members []admin.Member) *clusterStatus {
	cluster := &clusterStatus{Members: make([]memberStatus, len(members))}
	var wait sync.WaitGroup
	for i, member := range members {
		wait.Go(func() { cluster.Members[i] = askMember(ctx, client, endpoint, member) })
	}
	wait.Wait()
	cluster.conclude()
	return cluster
}

// askMember asks one member. The endpoint is the way to the node that told of
// the others: it may be known here under another address than it advertises.
func askMember(ctx context.Context, client *adminClient, endpoint string, member admin.Member) memberStatus {
	row := memberStatus{Name: member.Name}
	if !member.Self {
		if member.AdminAddr == "" {
			row.Error = "its admin address is not known yet: it has not been connected since the asked node started"
			return row
		}
		endpoint = endpointURL(member.AdminAddr)
	}
	status, err := client.status(ctx, endpoint)
	if err != nil {
		row.Error = err.Error()
		return row
	}
	row.Reachable, row.Status = true, &status
	return row
}

// conclude finds leader and quorum in what the members said. A leader that
// still answers would have stepped down without a quorum (check-quorum); when
// it cannot be reached from here, a majority of others must follow it.
func (c *clusterStatus) conclude() {
	followers := map[string]int{}
	var newest *admin.Status // the leader of the highest term; a deposed one may not know yet
	for _, m := range c.Members {
		if m.Status == nil {
			continue
		}
		if m.Status.Leader != "" {
			followers[m.Status.Leader]++
		}
		if m.Status.Role == "leader" && (newest == nil || m.Status.Term > newest.Term) {
			newest = m.Status
		}
	}
	if newest != nil {
		c.Leader, c.Quorum = newest.Name, true
	}
	for leader, n := range followers {
		if newest == nil && n > len(c.Members)/2 {
			c.Leader, c.Quorum = leader, true
		}
	}
	var applied uint64
	for _, m := range c.Members {
		if m.Status != nil && (newest == nil || m.Status == newest) {
			applied = max(applied, m.Status.AppliedIndex)
		}
	}
	for i := range c.Members {
		if m := &c.Members[i]; m.Status != nil && m.Status.AppliedIndex < applied {
			m.Behind = applied - m.Status.AppliedIndex
		}
	}
}

func (c *clusterStatus) print(w io.Writer, output outputFormat) error {
	if output == outputJSON {
		return writeJSON(w, c)
	}
	t := &table{}
	t.row("NAME", "ROLE", "TERM", "APPLIED", "BEHIND", "DB SIZE", "VERSION", "UPTIME")
	for _, m := range c.Members {
		if m.Status == nil {
			t.row(m.Name, "unreachable", "-", "-", "-", "-", "-", "-")
			continue
		}
		behind := strconv.FormatUint(m.Behind, 10)
		if m.Name == c.Leader {
			behind = "-"
		}
		s := m.Status
		t.row(s.Name, s.Role, strconv.FormatUint(s.Term, 10), strconv.FormatUint(s.AppliedIndex, 10), behind,
			bytesText(s.DBBytes), s.Version, durationText(time.Duration(s.UptimeSecs*float64(time.Second))))
	}
	return t.write(w)
}

// bytesText writes a size as people read it: 512 B, 64.0 KiB, 3.2 GiB.
func bytesText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/1024, 0
	for size >= 1024 && unit < 3 {
		size, unit = size/1024, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", size, "KMGT"[unit])
}

// durationText writes the two largest units: 18s, 4m07s, 4h12m, 3d04h.
func durationText(d time.Duration) string {
	seconds := int64(d / time.Second)
	switch {
	case seconds < 60:
		return fmt.Sprintf("%ds", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%dm%02ds", seconds/60, seconds%60)
	case seconds < 86400:
		return fmt.Sprintf("%dh%02dm", seconds/3600, seconds%3600/60)
	}
	return fmt.Sprintf("%dd%02dh", seconds/86400, seconds%86400/3600)
}
