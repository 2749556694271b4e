package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/exitcode"
)

// statusTimeoutDefault is how long commands that only ask wait by default.
const statusTimeoutDefault = 5 * time.Second

func newStatus() *cobra.Command {
	var (
		output   outputFormat
		nodes    endpointFlags
		interval float64
		ready    bool
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show one row a member: role, term, applied index, size, version",
		Long: `Show one row a member. One endpoint is asked who the members are, then each of
them how it is, so that every row is the member's own word. BEHIND counts the
entries that the leader has applied and the member has not.

It exits with 5 when the cluster has no quorum. With --ready it asks one node
alone whether it can serve, and exits with 0 or 1: for health checks.`,
		Example: `  quorate status
  quorate status --endpoint http://10.0.0.1:8432 -o json
  quorate status -w 2                       again every two seconds, until Ctrl-C
  quorate status --ready && psql …`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := func() error { return showStatus(cmd, &nodes, output) }
			switch {
			case ready && interval != 0:
				return usage(errors.New("--ready answers once, --watch never ends: give one of them"), "")
			case ready:
				return showReady(cmd, &nodes)
			case cmd.Flags().Changed("watch") && interval <= 0:
				return usage(fmt.Errorf("--watch %v: expected a positive number of seconds", interval), "")
			case interval > 0:
				return watch(cmd, time.Duration(interval*float64(time.Second)), show)
			}
			return show()
		},
	}
	output.addFlag(cmd)
	nodes.add(cmd, statusTimeoutDefault)
	cmd.Flags().Float64VarP(&interval, "watch", "w", 0, "show it again every so many `SECONDS`")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask the endpoint whether it can serve; the answer is the exit code, 0 or 1")
	return cmd
}

func showStatus(cmd *cobra.Command, nodes *endpointFlags, output outputFormat) error {
	ctx, cancel := nodes.context(cmd)
	defer cancel()
	cluster, err := askCluster(ctx, nodes.urls(cmd))
	if err != nil {
		return err
	}
	if err := cluster.print(cmd.OutOrStdout(), output); err != nil {
		return err
	}
	return cluster.checkQuorum()
}

func (c *clusterStatus) checkQuorum() error {
	if c.Quorum {
		return nil
	}
	return &exitcode.Error{Code: exitcode.NoQuorum, Err: errors.New("the cluster has no quorum"),
		Hint: "A majority of the voters must run and reach each other; start those that are down."}
}

// showReady prints the checks of the first node that answers.
func showReady(cmd *cobra.Command, nodes *endpointFlags) error {
	ctx, cancel := nodes.context(cmd)
	defer cancel()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	return firstEndpoint(nodes.urls(cmd), func(endpoint string) error {
		ready, checks, err := client.ready(ctx, endpoint)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprint(cmd.OutOrStdout(), checks); err != nil {
			return err
		}
		if !ready {
			return failed(fmt.Errorf("%s is not ready", endpoint), "")
		}
		return nil
	})
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
	ID        string        `json:"id"`
	Suffrage  string        `json:"suffrage"` // voter, learner, staging
	PeerAddr  string        `json:"peer_addr"`
	SQLAddr   string        `json:"sql_addr"`
	AdminAddr string        `json:"admin_addr"`
	Reachable bool          `json:"reachable"`
	Error     string        `json:"error,omitempty"`  // why it is not reachable
	Behind    uint64        `json:"behind"`           // entries applied by the leader and not here
	Status    *admin.Status `json:"status,omitempty"` // its own word
}

// askCluster asks the first endpoint that answers for the members, and each
// member for its status.
func askCluster(ctx context.Context, endpoints []string) (cluster *clusterStatus, err error) {
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	err = firstEndpoint(endpoints, func(endpoint string) error {
		members, err := client.cluster(ctx, endpoint)
		if err == nil {
			cluster = askMembers(ctx, client, endpoint, members)
		}
		return err
	})
	return cluster, err
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
	row := memberStatus{Name: member.Name, ID: member.ID, Suffrage: member.Suffrage,
		PeerAddr: member.PeerAddr, SQLAddr: member.SQLAddr, AdminAddr: member.AdminAddr}
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
// it cannot be reached from here, a majority of the voters must follow it.
func (c *clusterStatus) conclude() {
	followers := map[string]int{}
	voters := 0
	var newest *admin.Status // the leader of the highest term; a deposed one may not know yet
	for _, m := range c.Members {
		if m.votes() {
			voters++
		}
		if m.Status == nil {
			continue
		}
		if m.Status.Leader != "" && m.votes() {
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
		if newest == nil && n > voters/2 {
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

// votes reports whether the member counts in majorities. One that says nothing
// of it is of a version in which all do.
func (m *memberStatus) votes() bool { return m.Suffrage != "learner" && m.Suffrage != "staging" }

// role is what people call the member's part: a learner is a follower to Raft.
func (m *memberStatus) role() string {
	switch {
	case m.Status == nil:
		return "unreachable"
	case !m.votes():
		return "learner"
	}
	return m.Status.Role
}

// behind is the number of entries that the leader has applied and the member
// has not; "-" for the leader, and where it is not known.
func (c *clusterStatus) behind(m *memberStatus) string {
	if m.Status == nil || m.Name == c.Leader {
		return "-"
	}
	return strconv.FormatUint(m.Behind, 10)
}

func (c *clusterStatus) print(w io.Writer, output outputFormat) error {
	if output == outputJSON {
		return writeJSON(w, c)
	}
	t := &table{}
	t.row("NAME", "ROLE", "TERM", "APPLIED", "BEHIND", "DB SIZE", "VERSION", "UPTIME")
	for i := range c.Members {
		m := &c.Members[i]
		if m.Status == nil {
			t.row(m.Name, m.role(), "-", "-", "-", "-", "-", "-")
			continue
		}
		s := m.Status
		t.row(s.Name, m.role(), strconv.FormatUint(s.Term, 10), strconv.FormatUint(s.AppliedIndex, 10), c.behind(m),
			bytesText(s.DBBytes), s.Version, durationText(time.Duration(s.UptimeSecs*float64(time.Second))))
	}
	if err := t.write(w, output); err != nil || output == outputPlain {
		return err
	}
	return c.printAlarms(w)
}

// printAlarms says under the table what is wrong, and what should not stay as it is.
func (c *clusterStatus) printAlarms(w io.Writer) error {
	var lines strings.Builder
	var notes []string // members mostly say the same
	for i := range c.Members {
		m := &c.Members[i]
		if m.Status == nil {
			continue
		}
		for _, alarm := range m.Status.Alarms {
			fmt.Fprintf(&lines, "ALARM  %s: %s\n", m.Name, alarm)
		}
		for _, note := range m.Status.Notes {
			if !slices.Contains(notes, note) {
				notes = append(notes, note)
			}
		}
	}
	for _, note := range notes {
		fmt.Fprintf(&lines, "note   %s\n", note)
	}
	_, err := io.WriteString(w, lines.String())
	return err
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
