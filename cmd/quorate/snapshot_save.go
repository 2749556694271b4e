package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"quorate/internal/exitcode"
	"quorate/raft"
	"quorate/snapshot/archive"
)

// saveTimeoutDefault is how long nothing may come: before the first byte, the
// member copies its database.
const saveTimeoutDefault = 5 * time.Minute

// saving is `quorate snapshot save`.
type saving struct {
	o               orderCommand
	consistency     string
	compress, force bool
	verify          bool // read the file back before it gets its name
}

func newSnapshotSave() *cobra.Command {
	var s saving
	cmd := &cobra.Command{
		Use:   "save FILE|-",
		Short: "Save the database of a running cluster to a file",
		Long: `Save the database of a running cluster to a file, from any member, while it is
being written to. The file contains all that was acknowledged before the command
began; it is checked on the way, and appears under its name when it is complete.

The file is an SQLite database: sqlite3 opens it. With --compress it is one inside
gzip. - writes to standard output.

With --verify the file is read back before it gets its name, and checked as quorate
snapshot verify does: what is not whole and sound is not saved, and what was there
under that name stays.`,
		Example: `  quorate snapshot save meta.db
  quorate snapshot save meta.db.gz --compress --verify --endpoint http://10.0.0.3:8432
  quorate snapshot save - | ssh backup 'cat > meta.db'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if s.consistency != "linearizable" && s.consistency != "stale" {
				return usage(fmt.Errorf("consistency %q is not known", s.consistency), "It is linearizable or stale.")
			}
			if s.verify && args[0] == standardStream {
				return usage(errors.New("what goes to standard output cannot be read back"), "Save without --verify, and give what arrives to quorate snapshot verify.")
			}
			return s.run(cmd, args[0])
		},
	}
	s.o.output.addFlag(cmd)
	s.o.nodes.add(cmd, saveTimeoutDefault)
	cmd.Flag("timeout").Usage = "how long to wait while nothing comes"
	cmd.Flags().BoolVar(&s.compress, "compress", false, "with gzip")
	cmd.Flags().BoolVar(&s.force, "force", false, "write over a file that is there")
	cmd.Flags().BoolVar(&s.verify, "verify", false, "read the file back and check it before it gets its name")
	cmd.Flags().StringVar(&s.consistency, "consistency", "linearizable", "`stale` saves what the member has, also without a quorum")
	return cmd
}

// run saves to the file, or standard output.
func (s *saving) run(cmd *cobra.Command, name string) error {
	if name == standardStream {
		meta, written, err := s.save(cmd, cmd.OutOrStdout(), nil)
		var local *destinationError
		if errors.As(err, &local) {
			return failed(fmt.Errorf("standard output: %w", local.err), "What reads it has got a part only.")
		}
		if err == nil {
			cmd.PrintErrln(savedSentence("standard output", meta, written))
		}
		return err
	}
	file, err := createFile(name, ".saving", s.force)
	if err != nil {
		return writeError(name, err)
	}
	defer file.Close()
	meta, written, err := s.save(cmd, file, file.Expect)
	var disk *destinationError
	if errors.As(err, &disk) {
		return writeError(name, disk.err)
	}
	if err != nil {
		return err
	}
	if s.verify {
		if err := readBack(cmd, name, file); err != nil {
			return err
		}
	}
	if err := file.Commit(); err != nil {
		return writeError(name, err)
	}
	return s.o.print(cmd, savedSentence(name, meta, written), savedJSON{name, meta.Snapshot.Index, meta.Snapshot.Term,
		meta.Bytes, written, fmt.Sprintf("%x", meta.SHA256), fmt.Sprintf("%x", meta.Cluster), meta.Member, meta.Created})
}

// readBack checks what was written, which does not have its name yet.
func readBack(cmd *cobra.Command, name string, written *archive.File) error {
	draft, err := written.Draft()
	if err != nil {
		return writeError(name, err)
	}
	file, err := os.Open(draft)
	if err != nil {
		return fileError(name, err)
	}
	defer file.Close()
	reader, err := beginArchive(name, file)
	if err == nil {
		_, err = examineFile(cmd, name, reader, file, true)
	}
	var exit *exitcode.Error
	if errors.As(err, &exit) && exit.Code == exitcode.Failed {
		return failed(exit.Err, "The file was not kept. Save from another member (--endpoint) or, to have it as it is, without --verify.")
	}
	return err
}

// savedJSON is the answer of `quorate snapshot save -o json`. Fields are only ever
// added.
type savedJSON struct {
	File          string     `json:"file"`
	Index         raft.Index `json:"index"`
	Term          raft.Term  `json:"term"`
	DatabaseBytes int64      `json:"database_bytes"`
	FileBytes     int64      `json:"file_bytes"`
	SHA256        string     `json:"sha256"` // of the database
	ClusterID     string     `json:"cluster_id"`
	Member        string     `json:"member"`
	Created       time.Time  `json:"created"`
}

func savedSentence(name string, m *archive.Meta, written int64) string {
	sizes := bytesText(m.Bytes)
	if written < m.Bytes {
		sizes += " → " + bytesText(written)
	}
	return fmt.Sprintf("saved %s: index %d, term %d, %s, sha256 %x", name, m.Snapshot.Index, m.Snapshot.Term, sizes, m.SHA256)
}

// save writes what a member sends to the destination, after telling expect how
// much will come if that is known, and returns how much was written.
func (s *saving) save(cmd *cobra.Command, destination io.Writer, expect func(bytes int64) error) (*archive.Meta, int64, error) {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	stalled := time.AfterFunc(s.o.nodes.timeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	var response *http.Response
	err := firstEndpoint(s.o.nodes.urls(cmd), func(endpoint string) (err error) {
		response, err = client.snapshot(ctx, endpoint, s.consistency)
		return err
	})
	if err != nil {
		return nil, 0, stallError(ctx, err)
	}
	defer response.Body.Close()
	if !s.compress && expect != nil && response.ContentLength > 0 {
		if err := expect(response.ContentLength); err != nil {
			return nil, 0, &destinationError{err}
		}
	}
	progress := newProgress(cmd.ErrOrStderr(), "saving", response.ContentLength)
	defer progress.end()
	body := &stallReader{response.Body, stalled, s.o.nodes.timeout}
	meta, written, err := s.copyArchive(destination, io.TeeReader(body, progress))
	return meta, written, stallError(ctx, err)
}

// copyArchive copies an archive, which it checks on the way.
func (s *saving) copyArchive(destination io.Writer, source io.Reader) (*archive.Meta, int64, error) {
	counted := &destinationWriter{w: destination}
	to := io.Writer(counted)
	var packed *gzip.Writer
	if s.compress {
		// The usual level takes four times as long and makes a file of records a fifth
		// smaller.
		packed, _ = gzip.NewWriterLevel(counted, gzip.BestSpeed) // fails for a level that there is not
		to = packed
	}
	reader, err := archive.NewReader(io.TeeReader(source, to))
	if err == nil {
		_, err = io.Copy(io.Discard, reader)
	}
	if err == nil && packed != nil {
		err = packed.Close()
	}
	var refused *archive.Error
	var local *destinationError
	switch {
	case errors.As(err, &local):
		return nil, 0, local
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, 0, failed(errors.New("the connection to the member ended before all had come"), "Nothing was saved. Is the member still up? Try again, or another --endpoint.")
	case errors.As(err, &refused):
		return nil, 0, failed(fmt.Errorf("what the member sent is not whole: %w", err), "Nothing was saved. Is the member still up? Try again, or another --endpoint.")
	case err != nil:
		return nil, 0, failed(fmt.Errorf("the connection to the member broke: %w", err), "Nothing was saved. Try again, or another --endpoint.")
	}
	return reader.Meta(), counted.bytes, nil
}

// destinationWriter tells errors of the destination from those of the source, and
// counts.
type destinationWriter struct {
	w     io.Writer
	bytes int64
}

func (d *destinationWriter) Write(b []byte) (int, error) {
	n, err := d.w.Write(b)
	d.bytes += int64(n)
	if err != nil {
		err = &destinationError{err}
	}
	return n, err
}

// destinationError says that what was saved could not be written.
type destinationError struct{ err error }

func (e *destinationError) Error() string { return e.err.Error() }
func (e *destinationError) Unwrap() error { return e.err }

// stallReader puts off, with each byte that comes, the time at which it is thought
// that none will come any more.
type stallReader struct {
	io.Reader
	stalled *time.Timer
	timeout time.Duration
}

func (r *stallReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if n > 0 {
		r.stalled.Reset(r.timeout)
	}
	return n, err
}

var errStalled = errors.New("nothing has come for too long")

// stallError says why the wait was given up, if it was.
func stallError(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errStalled) {
		return failed(errStalled, "Nothing was saved. Try again, another --endpoint, or a longer --timeout: the member first makes a copy of its database.")
	}
	return err
}

// snapshot asks a member for its database.
func (c *adminClient) snapshot(ctx context.Context, endpoint, consistency string) (*http.Response, error) {
	return c.open(ctx, endpoint, "/admin/v1/snapshot?consistency="+consistency)
}
