package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/exitcode"
	"quorate/internal/vfs"
)

// dumpTimeoutDefault is how long nothing may come.
const dumpTimeoutDefault = time.Minute

// dumping is `quorate dump`.
type dumping struct {
	o           orderCommand
	consistency string
	force       bool
}

func newDump() *cobra.Command {
	var d dumping
	cmd := &cobra.Command{
		Use:   "dump [FILE]",
		Short: "Write the database of a running cluster as SQL",
		Long: `Write the database of a running cluster as SQL, to a file or to standard output,
from any member, while it is being written to. It is the database as it was at one
point, with all that was acknowledged before the command began.

quorate import takes it back, and so does sqlite3 3.40 or newer. For backups,
quorate snapshot save is faster and keeps the database page by page.`,
		Example: `  quorate dump > meta.sql
  quorate dump meta.sql --endpoint http://10.0.0.3:8432
  quorate dump | sqlite3 new.db`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if d.consistency != "linearizable" && d.consistency != "stale" {
				return usage(fmt.Errorf("consistency %q is not known", d.consistency), "It is linearizable or stale.")
			}
			if len(args) == 0 || args[0] == standardStream {
				return d.toOutput(cmd)
			}
			return d.toFile(cmd, args[0])
		},
	}
	d.o.output.addFlag(cmd)
	d.o.nodes.add(cmd, dumpTimeoutDefault)
	cmd.Flag("timeout").Usage = "how long to wait while nothing comes"
	cmd.Flags().BoolVar(&d.force, "force", false, "write over a file that is there")
	cmd.Flags().StringVar(&d.consistency, "consistency", "linearizable", "`stale` dumps what the member has, also without a quorum")
	return cmd
}

// dumpJSON is the answer of `quorate dump FILE -o json`. Fields are only ever
// added.
type dumpJSON struct {
	File     string   `json:"file"`
	Contents string   `json:"contents"`
	Bytes    int64    `json:"bytes"`
	LeftOut  []string `json:"left_out"`
}

func (d *dumping) toOutput(cmd *cobra.Command) error {
	written := &destinationWriter{w: cmd.OutOrStdout()}
	result, err := d.run(cmd, written)
	var local *destinationError
	if errors.As(err, &local) {
		return failed(fmt.Errorf("standard output: %w", local.err), "What reads it has got a part only.")
	}
	if err == nil {
		cmd.PrintErrln(dumpedSentence("to standard output", result.Contents, written.bytes))
	}
	return err
}

func (d *dumping) toFile(cmd *cobra.Command, name string) error {
	file, err := createFile(name, ".dumping", d.force)
	if err != nil {
		return dumpWriteError(name, err)
	}
	defer file.Close()
	written := &destinationWriter{w: file}
	result, err := d.run(cmd, written)
	var local *destinationError
	if errors.As(err, &local) {
		return dumpWriteError(name, local.err)
	}
	if err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return dumpWriteError(name, err)
	}
	result.File, result.Bytes = name, written.bytes
	return d.o.print(cmd, dumpedSentence(name, result.Contents, written.bytes), result)
}

func dumpedSentence(where, contents string, bytes int64) string {
	return fmt.Sprintf("dumped %s: %s, %s", where, contents, bytesText(bytes))
}

func dumpWriteError(name string, err error) error {
	if vfs.IsNoSpace(err) {
		return &exitcode.Error{Code: exitcode.DiskFull, Err: fmt.Errorf("%s: there is not enough room on the disk; what was written has been removed", name),
			Hint: "Make room, or compress on the way: quorate dump | gzip > FILE"}
	}
	return fileError(name, err)
}

// run writes what a member sends.
func (d *dumping) run(cmd *cobra.Command, to io.Writer) (*dumpJSON, error) {
	ctx, cancel := context.WithCancelCause(cmd.Context())
	defer cancel(nil)
	stalled := time.AfterFunc(d.o.nodes.timeout, func() { cancel(errStalled) })
	defer stalled.Stop()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	var response *http.Response
	err := firstEndpoint(d.o.nodes.urls(cmd), func(endpoint string) (err error) {
		response, err = client.open(ctx, endpoint, "/admin/v1/dump?consistency="+d.consistency)
		return err
	})
	if err == nil {
		defer response.Body.Close()
		progress := newProgress(cmd.ErrOrStderr(), "dumping", 0)
		defer progress.end()
		_, err = io.Copy(to, io.TeeReader(&stallReader{response.Body, stalled, d.o.nodes.timeout}, progress))
		var local *destinationError
		if err != nil && !errors.As(err, &local) && !errors.Is(err, context.Canceled) {
			err = failed(fmt.Errorf("the member's answer ended before all had come: %w", err), "There is no whole dump. Is the member still up? Try again, or another --endpoint.")
		}
	}
	if errors.Is(context.Cause(ctx), errStalled) {
		return nil, failed(errStalled, "There is no whole dump. Try again, another --endpoint, or a longer --timeout.")
	}
	if err != nil {
		return nil, err
	}
	result := &dumpJSON{Contents: response.Trailer.Get(admin.DumpContentsTrailer), LeftOut: response.Trailer.Values(admin.DumpLeftOutTrailer)}
	for _, what := range result.LeftOut {
		cmd.PrintErrln("warning: left out: " + what)
	}
	return result, nil
}
