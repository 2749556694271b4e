package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"quorate/internal/config"
	"quorate/internal/exitcode"
	"quorate/node"
	"quorate/raft"
	"quorate/snapshot/archive"
	"quorate/sqlfsm"
)

func newSnapshotRestore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Make a data directory for a new cluster from a saved database",
		Long: `Make a data directory for a new cluster from a saved database, or from an SQLite file
that another program has made. The directory must be empty, or not exist.

The cluster that begins there is another one than the one that was saved: none of
its members can come among the new ones. For a cluster of several, restore the
same file on each of them, with the same --initial-cluster; without it the node
takes its name, its addresses and its cluster from quorate start.

If something is wrong with the file, nothing is left in the directory. A directory
in which the command was killed does not start: empty it and restore again.`,
		Example: `  quorate snapshot restore meta.db --data-dir /var/lib/quorate
  quorate snapshot restore meta.db.gz --data-dir /var/lib/quorate --name n1 \
    --initial-cluster n1=10.0.0.1:7432,n2=10.0.0.2:7432,n3=10.0.0.3:7432`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return restoreSnapshot(cmd, args[0], loaded)
		},
	}
	addConfigFlags(cmd, "data-dir", "wal-dir", "name", "initial-cluster")
	return cmd
}

func restoreSnapshot(cmd *cobra.Command, name string, loaded *config.Loaded) error {
	reader, file, err := openArchive(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if reader.Kind == archive.Plain {
		if err := checkPlain(name, reader, file); err != nil {
			return err
		}
	}
	progress := newProgress(cmd.ErrOrStderr(), "restoring", reader.Bytes)
	restored, err := node.Restore(cmd.Context(), node.RestoreConfig{
		DataDir: loaded.DataDir, WALDir: loaded.WALDir, Name: restoredName(loaded), Members: membersOf(loaded),
		Source: reader, Wrap: func(r io.Reader) io.Reader { return io.TeeReader(r, progress) }, MinFreeBytes: int64(loaded.MinFreeBytes),
	})
	progress.end()
	var exit *exitcode.Error
	var unfit *sqlfsm.UnfitError
	var damaged *sqlfsm.DamagedError
	switch {
	case errors.As(err, &exit), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &unfit):
		return failed(fmt.Errorf("%s is an SQLite database that cannot be taken as it is: %w", archiveName(name), unfit), "Nothing was restored. Change that with sqlite3, in a copy, and restore the copy.")
	case errors.As(err, &damaged):
		return failed(fmt.Errorf("%s: the database in it is damaged: %w", archiveName(name), damaged), "Nothing was restored. Take another one.")
	case err != nil:
		return archiveError(name, err)
	}
	for _, note := range restored.Notes {
		cmd.PrintErrln("note:", note)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "restored %s into %s: index %d, term %d, %s; quorate start --data-dir %[2]s begins the new cluster\n",
		archiveName(name), loaded.DataDir, restored.Index, restored.Term, bytesText(restored.Bytes))
	return err
}

// restoredName is the name that the node is to have, if it was given.
func restoredName(loaded *config.Loaded) string {
	i := slices.IndexFunc(loaded.Values, func(v config.Value) bool { return v.Key == "name" })
	if len(loaded.InitialCluster) == 0 && loaded.Values[i].Source == "default" {
		return ""
	}
	return loaded.Name
}

// membersOf are the members that a new cluster begins with.
func membersOf(loaded *config.Loaded) []raft.Member {
	members := make([]raft.Member, len(loaded.InitialCluster))
	for i, m := range loaded.InitialCluster {
		members[i] = raft.Member{Name: m.Name, Address: string(m.Address)}
	}
	return members
}

// checkPlain refuses an SQLite file that may not be all of its database: what it
// lacks would be beside it.
func checkPlain(name string, reader *archive.Reader, file *os.File) error {
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() || name == standardStream || reader.Compressed {
		if reader.InWAL() {
			return failed(errors.New(archiveName(name)+": the database may lack what is in a WAL beside it"), "Give the file itself, not packed; or first run sqlite3 FILE \"PRAGMA journal_mode=DELETE\".")
		}
		return nil
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if info, err := os.Stat(name + suffix); err == nil && info.Size() > 0 {
			return failed(fmt.Errorf("%s: it is in use, or was not closed: %s is beside it", name, filepath.Base(name)+suffix),
				"Stop what uses it, and run sqlite3 FILE \"PRAGMA wal_checkpoint(TRUNCATE)\".")
		}
	}
	return nil
}
