package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"quorate/raft"
	"quorate/snapshot/archive"
	"quorate/sqlfsm"
)

func newSnapshotInspect() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "inspect FILE|-",
		Short: "Show what a saved database contains",
		Long: `Show what a saved database contains: of which cluster and which moment it is, who the
members were, which tables it has and how many rows. All of the file is read, so
what is shown is what was saved. What is compressed, or comes from standard input,
is unpacked into a temporary file (TMPDIR).`,
		Example: "  quorate snapshot inspect meta.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := examineArchive(cmd, args[0], false)
			if err != nil {
				return err
			}
			return printArchive(cmd.OutOrStdout(), output, found)
		},
	}
	output.addFlag(cmd)
	return cmd
}

func newSnapshotVerify() *cobra.Command {
	var output outputFormat
	cmd := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "Check whether a saved database is whole and sound",
		Long: `Check whether a saved database is whole and sound: that it is, to the bit, what was
saved (SHA-256), that SQLite finds nothing wrong with it (integrity_check), that no
foreign key points nowhere (foreign_key_check), and that what Quorate itself keeps
in it is in order. Nothing is changed. The exit code is 0 only if all is well.`,
		Example: "  quorate snapshot verify meta.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := examineArchive(cmd, args[0], true)
			if err != nil {
				return err
			}
			if output == outputJSON {
				return writeJSON(cmd.OutOrStdout(), found.json())
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is whole and sound: index %d, term %d, %s, sha256 %x\n",
				archiveName(args[0]), found.meta.Snapshot.Index, found.meta.Snapshot.Term, bytesText(found.meta.Bytes), found.meta.SHA256)
			return err
		},
	}
	output.addFlag(cmd)
	return cmd
}

// archiveFound is what was found in a file.
type archiveFound struct {
	name       string
	compressed bool
	meta       *archive.Meta
	contents   *sqlfsm.Contents
}

// examineArchive examines the file of this name, or standard input.
func examineArchive(cmd *cobra.Command, name string, verify bool) (*archiveFound, error) {
	reader, file, err := openArchive(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return examineFile(cmd, name, reader, file, verify)
}

// examineFile reads a file to its end, which says whether it is what was saved, and
// then what is in the database.
func examineFile(cmd *cobra.Command, name string, reader *archive.Reader, file *os.File, verify bool) (*archiveFound, error) {
	if reader.Kind == archive.Plain {
		return nil, failed(fmt.Errorf("%s is an SQLite database, but nothing that quorate snapshot save has made", archiveName(name)),
			"sqlite3 can look into it; quorate snapshot restore and quorate import take it.")
	}
	path, remove, err := readArchive(cmd, name, reader, file)
	if err != nil {
		return nil, err
	}
	defer remove()
	contents, err := sqlfsm.Examine(cmd.Context(), path, verify)
	var damaged *sqlfsm.DamagedError
	switch {
	case errors.As(err, &damaged):
		return nil, failed(fmt.Errorf("%s is what was saved, but the database in it is damaged: %w", archiveName(name), err),
			"It was damaged already when it was saved. Take an older one, or save again from another member.")
	case errors.Is(err, context.Canceled):
		return nil, err
	case err != nil:
		return nil, failed(fmt.Errorf("%s: %w", archiveName(name), err), "")
	case len(contents.Dangling) > 0:
		return nil, failed(fmt.Errorf("%s is what was saved, but in it %s", archiveName(name), contents.Dangling[0]),
			"It was so already when it was saved. It can be restored; mend the rows in the cluster.")
	}
	meta := reader.Meta()
	if contents.Index != uint64(meta.Snapshot.Index) || contents.Term != uint64(meta.Snapshot.Term) {
		return nil, failed(fmt.Errorf("%s says that it is at index %d of term %d, but the database in it is at index %d of term %d",
			archiveName(name), meta.Snapshot.Index, meta.Snapshot.Term, contents.Index, contents.Term), "Take another one, or save again.")
	}
	return &archiveFound{archiveName(name), reader.Compressed, meta, contents}, nil
}

func archiveName(name string) string {
	if name == standardStream {
		return "standard input"
	}
	return name
}

// readArchive reads all of an archive and returns a file that SQLite can open: the
// archive itself if it can be, else a temporary one.
func readArchive(cmd *cobra.Command, name string, reader *archive.Reader, file *os.File) (path string, remove func(), err error) {
	info, err := file.Stat()
	if err != nil {
		return "", nil, fileError(name, err)
	}
	progress := newProgress(cmd.ErrOrStderr(), "reading", reader.Bytes)
	defer progress.end()
	source := io.TeeReader(&cancelReader{cmd.Context(), reader}, progress)
	if info.Mode().IsRegular() && name != standardStream && !reader.Compressed {
		if _, err := io.Copy(io.Discard, source); err != nil {
			return "", nil, archiveError(name, err)
		}
		return file.Name(), func() {}, nil
	}
	unpacked, err := os.CreateTemp("", "quorate-snapshot-*.db")
	if err != nil {
		return "", nil, writeError(os.TempDir(), err)
	}
	remove = func() { os.Remove(unpacked.Name()) }
	destination := &destinationWriter{w: unpacked}
	_, err = io.Copy(destination, source)
	if closeErr := unpacked.Close(); err == nil && closeErr != nil {
		err = &destinationError{closeErr}
	}
	if err == nil {
		return unpacked.Name(), remove, nil
	}
	remove()
	var local *destinationError
	if errors.As(err, &local) {
		return "", nil, writeError(unpacked.Name(), local.err)
	}
	return "", nil, archiveError(name, err)
}

// cancelReader ends with the context.
type cancelReader struct {
	ctx context.Context
	io.Reader
}

func (r *cancelReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}

// archiveJSON is the answer of `quorate snapshot inspect -o json`, and of verify.
// Fields are only ever added.
type archiveJSON struct {
	File           string          `json:"file"`
	Compressed     bool            `json:"compressed"`
	FormatVersion  int             `json:"format_version"`
	DatabaseFormat int             `json:"database_format"`
	Created        time.Time       `json:"created"`
	ClusterID      string          `json:"cluster_id"`
	Member         string          `json:"member"`
	Version        string          `json:"version"`
	Engine         string          `json:"engine"`
	Index          raft.Index      `json:"index"`
	Term           raft.Term       `json:"term"`
	LastWrite      time.Time       `json:"last_write"`
	DatabaseBytes  int64           `json:"database_bytes"`
	SHA256         string          `json:"sha256"` // of the database
	EffectsDigest  string          `json:"effects_digest"`
	Members        []archiveMember `json:"members"`
	Tables         []archiveTable  `json:"tables"`
}

type archiveMember struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Suffrage string `json:"suffrage"`
	PeerAddr string `json:"peer_addr"`
}

type archiveTable struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

func (f *archiveFound) json() *archiveJSON {
	j := &archiveJSON{
		File: f.name, Compressed: f.compressed, FormatVersion: archive.FormatVersion, DatabaseFormat: f.contents.Format,
		Created: f.meta.Created, ClusterID: fmt.Sprintf("%x", f.meta.Cluster), Member: f.meta.Member, Version: f.meta.Version, Engine: f.meta.Engine,
		Index: f.meta.Snapshot.Index, Term: f.meta.Snapshot.Term, LastWrite: f.contents.Clock,
		DatabaseBytes: f.meta.Bytes, SHA256: fmt.Sprintf("%x", f.meta.SHA256), EffectsDigest: fmt.Sprintf("%x", f.contents.Digest[:]),
		Members: []archiveMember{}, Tables: []archiveTable{},
	}
	for _, m := range f.meta.Snapshot.Configuration.Configuration.Members {
		j.Members = append(j.Members, archiveMember{m.Name, m.ID.String(), m.Suffrage.String(), m.Address})
	}
	for _, t := range f.contents.Tables {
		j.Tables = append(j.Tables, archiveTable{t.Name, t.Rows})
	}
	return j
}

func printArchive(w io.Writer, output outputFormat, found *archiveFound) error {
	j := found.json()
	if output == outputJSON {
		return writeJSON(w, j)
	}
	compression := "no"
	if j.Compressed {
		compression = "gzip"
	}
	_, err := fmt.Fprintf(w, `%s, saved %s from %s of cluster %s

  index       %d of term %d
  last write  %s
  database    %s, format %d
  sha256      %s
  effects     %s
  format      %d, compressed: %s
  written by  %s, %s

`, j.File, j.Created.Format(time.RFC3339), j.Member, j.ClusterID, j.Index, j.Term, j.LastWrite.Format(time.RFC3339Nano),
		bytesText(j.DatabaseBytes), j.DatabaseFormat, j.SHA256, j.EffectsDigest, j.FormatVersion, compression, j.Version, j.Engine)
	if err != nil {
		return err
	}
	members := &table{}
	members.row("MEMBER", "ID", "SUFFRAGE", "PEER ADDRESS")
	for _, m := range j.Members {
		members.row(m.Name, m.ID, m.Suffrage, m.PeerAddr)
	}
	if err := members.write(w, output); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	tables := &table{}
	tables.row("TABLE", "ROWS")
	for _, t := range j.Tables {
		tables.row(t.Name, fmt.Sprint(t.Rows))
	}
	return tables.write(w, output)
}
