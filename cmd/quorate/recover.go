package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"quorate/node"
	"quorate/raft"
)

func newRecover() *cobra.Command {
	var (
		output  outputFormat
		confirm confirmation
		accept  bool
	)
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a cluster of one survivor when the quorum is lost for good",
		Long: `Make a cluster of one survivor, when a majority of the voters is gone for good and
nothing can bring it back. Read docs/operate/recover.md first.

The last writes that were acknowledged may be lost: those that this member never
got. The other members are removed: each must begin anew with an empty data
directory. If they could still run, they must not: together they would go on as
the old cluster, with other data than this one.

The node must not run. Without --accept-data-loss the command changes nothing and
shows what the member has: of several survivors, recover the one whose last entry
has the highest term and, of equal ones, the highest number.`,
		Example: `  quorate recover --data-dir /var/lib/quorate
  quorate recover --data-dir /var/lib/quorate --accept-data-loss`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			remains, err := node.OpenRemains(loaded.DataDir, loaded.WALDir)
			if err != nil {
				return err
			}
			defer remains.Close()
			if err := printRemains(cmd.OutOrStdout(), output, remains); err != nil {
				return err
			}
			if !accept {
				return usage(errors.New("nothing was changed: it needs --accept-data-loss"),
					"Compare this with the other survivors, and read docs/operate/recover.md, before you give it.")
			}
			return recoverCluster(cmd, &confirm, remains)
		},
	}
	output.addFlag(cmd)
	addConfigFlags(cmd, "data-dir", "wal-dir")
	confirm.add(cmd)
	cmd.Flags().BoolVar(&accept, "accept-data-loss", false, "do it: make this member the cluster, with what it has")
	return cmd
}

func recoverCluster(cmd *cobra.Command, confirm *confirmation, remains *node.Remains) error {
	consequences := fmt.Sprintf("%s will be the whole cluster. What it does not have is lost, acknowledged or not.", remains.Self.Name)
	for _, m := range remains.Others() {
		consequences += fmt.Sprintf("\n%s (%s) will be removed, and must never run again with the data that it has.", m.Name, m.Address)
	}
	if err := confirm.ask(cmd, consequences, "Make "+remains.Self.Name+" the cluster?"); err != nil {
		return err
	}
	index, err := remains.Force()
	if err != nil {
		return err
	}
	cmd.PrintErrf("%s is a cluster of one since entry %d. Start it, look at your data, and let the others join with empty data directories.\n", remains.Self.Name, index)
	return nil
}

// remainsJSON is the answer of `quorate recover -o json`. Fields are only ever
// added.
type remainsJSON struct {
	Name        string        `json:"name"`
	ID          string        `json:"id"`
	ClusterID   string        `json:"cluster_id"`
	LastTerm    raft.Term     `json:"last_term"`
	LastIndex   raft.Index    `json:"last_index"`
	CommitIndex raft.Index    `json:"commit_index"` // as far as it knows
	Applied     raft.Index    `json:"applied_index"`
	Term        raft.Term     `json:"term"`
	Members     []memberFound `json:"members"`
}

type memberFound struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Suffrage string `json:"suffrage"`
	PeerAddr string `json:"peer_addr"`
	Self     bool   `json:"self"`
}

func printRemains(w io.Writer, output outputFormat, r *node.Remains) error {
	members := make([]memberFound, 0, len(r.Configuration.Members))
	for _, m := range append([]raft.Member{r.Self}, r.Others()...) {
		members = append(members, memberFound{m.Name, m.ID.String(), m.Suffrage.String(), m.Address, m.ID == r.Self.ID})
	}
	if output == outputJSON {
		return writeJSON(w, remainsJSON{r.Self.Name, r.Self.ID.String(), fmt.Sprintf("%x", r.Cluster),
			r.LastTerm, r.Last, r.Commit, r.Applied, r.Term, members})
	}
	_, err := fmt.Fprintf(w, "%s (%s), id %s, of cluster %x\n\n"+
		"  last entry    %d of term %d\n  committed     %d, as far as it knows\n  in database   %d\n  highest term  %d\n\nThe members that it knows:\n",
		r.Self.Name, r.Self.Address, r.Self.ID, r.Cluster, r.Last, r.LastTerm, r.Commit, r.Applied, r.Term)
	if err != nil {
		return err
	}
	t := &table{}
	t.row("NAME", "ID", "SUFFRAGE", "PEER ADDRESS", "")
	for _, m := range members {
		becomes := "will be removed"
		if m.Self {
			becomes = "this member"
		}
		t.row(m.Name, m.ID, m.Suffrage, m.PeerAddr, becomes)
	}
	return t.write(w, output)
}
