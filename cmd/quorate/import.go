package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/config"
	"quorate/internal/exitcode"
	"quorate/snapshot/sqldump"
)

const (
	importTimeoutDefault = time.Minute
	// importBatchDefault makes batches of some ten thousand rows: large enough that
	// what a batch costs does not matter, small enough that others' writes, which
	// wait while one is carried out, do not notice it.
	importBatchDefault = 1 << 20
	importBatchMax     = 16 << 20
)

// importing is `quorate import`.
type importing struct {
	o         orderCommand
	format    string
	name      string
	batch     config.Size
	fromStart bool
}

func newImport() *cobra.Command {
	i := importing{batch: importBatchDefault}
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "Load SQL, or an SQLite database, into a running cluster",
		Long: `Load a file into a running cluster, while others use it:

  a dump of quorate dump         comes back as it was
  .dump of the sqlite3 shell     keeps SQLite's types and rowids
  an SQLite database file        is read as it is, which nobody may change meanwhile
  any other SQL                  means what a session would understand, such as the
                                 output of pg_dump --data-only --inserts

Statements go in batches, each all or nothing. When one is refused its line is
named, and the batches before it stay. How far an import is is kept in the cluster:
the same command goes on there. Foreign keys are not checked until the end.`,
		Example: `  quorate import meta.sql
  quorate import app.sqlite --endpoint http://10.0.0.3:8432
  sqlite3 app.sqlite .dump | quorate import -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd, args[0]) },
	}
	i.o.output.addFlag(cmd)
	i.o.nodes.add(cmd, importTimeoutDefault)
	flags := cmd.Flags()
	flags.Lookup("timeout").Usage = "how long to go on trying when no member can take a batch"
	flags.StringVar(&i.format, "format", "auto", "`FORMAT` of the SQL: quorate, sqlite, postgresql, or auto: by how the file begins")
	flags.StringVar(&i.name, "name", "", "`NAME` under which the cluster keeps how far the import is (default the file's name)")
	flags.Var(&sizeFlag{&i.batch}, "batch-size", "how much SQL goes into one batch")
	flags.BoolVar(&i.fromStart, "from-start", false, "forget an import of this name that was not finished")
	return cmd
}

// sizeFlag makes a flag of a size.
type sizeFlag struct{ size *config.Size }

func (f *sizeFlag) Set(text string) error { return f.size.UnmarshalText([]byte(text)) }
func (f *sizeFlag) String() string        { return f.size.String() }
func (f *sizeFlag) Type() string          { return "SIZE" }

// importJSON is the answer of `quorate import -o json`. Fields are only ever added.
type importJSON struct {
	File       string   `json:"file"`
	Statements int      `json:"statements"`
	Rows       int64    `json:"rows"`       // but for those of batches that are not answered
	Unanswered int      `json:"unanswered"` // batches that are loaded, but the answer was lost
	Bytes      int64    `json:"bytes"`
	WentOnAt   int64    `json:"went_on_at"` // the position where an earlier import had stopped; 0: the beginning
	Seconds    float64  `json:"seconds"`
	Violations []string `json:"violations"`
	Violating  int64    `json:"violating"`
}

func (r *importJSON) sentence() string {
	rows := fmt.Sprintf("%d rows", r.Rows)
	if r.Unanswered > 0 {
		rows += fmt.Sprintf(" (without those of %d batches, which are loaded, but the answer was lost)", r.Unanswered)
	}
	return fmt.Sprintf("imported %s: %d statements, %s, %s in %.1f s", r.File, r.Statements, rows, bytesText(r.Bytes), r.Seconds)
}

func (i *importing) run(cmd *cobra.Command, file string) error {
	var format sqldump.Format
	switch f := sqldump.Format(i.format); f {
	case "auto":
	case sqldump.Quorate, sqldump.SQLite, sqldump.PostgreSQL:
		format = f
	default:
		return usage(fmt.Errorf("format %q is not known", i.format), "It is quorate, sqlite, postgresql or auto.")
	}
	if i.batch < 1 || i.batch > importBatchMax {
		return usage(fmt.Errorf("--batch-size %v: expected at most %v", i.batch, config.Size(importBatchMax)), "")
	}
	source, err := openImport(cmd, file, format)
	if err != nil {
		return err
	}
	defer source.close()
	if i.name == "" {
		i.name = source.key
	}
	client := &importClient{endpoints: i.o.nodes.urls(cmd), timeout: i.o.nodes.timeout, name: i.name, format: string(source.format)}
	defer client.http.CloseIdleConnections()
	progress := newProgress(cmd.ErrOrStderr(), "importing", source.bytes)
	l := &loading{importing: i, source: source, client: client, progress: progress, sum: sha256.New(), began: time.Now()}
	err = l.run(cmd)
	progress.end()
	if err != nil {
		return err
	}
	r := &l.result
	r.File, r.Seconds = source.name, time.Since(l.began).Seconds()
	err = i.o.print(cmd, r.sentence(), r)
	if err == nil && r.Violating > 0 {
		err = failed(fmt.Errorf("all is loaded, but %d rows refer to rows that are not there: %s", r.Violating, strings.Join(r.Violations, "; ")), "Foreign keys are checked again for what is written from now on.")
	}
	return err
}

// loading is one run of an import.
type loading struct {
	*importing
	source   *importSource
	client   *importClient
	progress *progress
	began    time.Time

	at      admin.ImportProgress // behind what is loaded
	sum     hash.Hash            // of the text up to there
	pending bytes.Buffer         // the text from there on, as far as it is read
	result  importJSON
}

func (l *loading) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if l.fromStart {
		if _, err := l.client.finish(ctx); err != nil {
			return err
		}
	}
	if err := l.goOn(cmd); err != nil {
		return err
	}
	if err := l.batches(ctx); err != nil {
		return err
	}
	if err := l.source.check(); err != nil {
		return err
	}
	findings, err := l.client.finish(ctx)
	l.result.Violations, l.result.Violating = findings.Violations, findings.Violating
	return err
}

// goOn passes over what an earlier run has loaded, after looking that it is the
// same.
func (l *loading) goOn(cmd *cobra.Command) error {
	at, err := l.client.progress(cmd.Context())
	if err != nil {
		return err
	}
	at.Line = max(at.Line, 1)
	l.at, l.result.WentOnAt = at, at.Position
	if at.Position == 0 {
		return nil
	}
	_, err = io.CopyN(io.MultiWriter(l.sum, l.progress), l.source, at.Position)
	if err != nil && !errors.Is(err, io.EOF) {
		return importFailed(l.source.name, err)
	}
	if hex.EncodeToString(l.sum.Sum(nil)) != at.SHA256 {
		return failed(fmt.Errorf("an import %q of another file was begun and not finished, or %s has changed before line %d since", l.name, l.source.name, at.Line),
			"To import this file from its beginning, forget the other with --from-start, or give this one another --name.")
	}
	cmd.PrintErrf("going on in line %d, where the import stopped\n", at.Line)
	return nil
}

// batches loads the rest.
func (l *loading) batches(ctx context.Context) error {
	reader := sqldump.NewReader(io.TeeReader(l.source, &l.pending), l.source.format, l.at.Position, l.at.Line)
	end := l.at.Position // behind the last statement
	statements := 0      // that were not sent yet
	for {
		statement, err := reader.Next()
		if err == nil {
			end = statement.End
			statements++
		}
		over := errors.Is(err, io.EOF)
		if err != nil && !over {
			return importFailed(l.source.name, err)
		}
		if bytes := end - l.at.Position; bytes >= int64(l.batch) || over && bytes > 0 {
			if err := l.send(ctx, int(bytes)); err != nil {
				return err
			}
			l.result.Statements += statements
			statements = 0
		}
		if over {
			if l.source.format == sqldump.Quorate && !reader.Complete() {
				return failed(fmt.Errorf("%s is cut off: the last line of a dump is missing; what is there is loaded", l.source.name), "With the whole file, the same command goes on from there.")
			}
			return nil
		}
	}
}

// send loads the next bytes of what is pending.
func (l *loading) send(ctx context.Context, bytes int) error {
	text := l.pending.Next(bytes)
	l.sum.Write(text)
	batch := &admin.ImportBatch{Position: l.at.Position, Line: l.at.Line, Text: text,
		Reached: admin.ImportProgress{Position: l.at.Position + int64(bytes), Line: l.at.Line + countLines(text), SHA256: hex.EncodeToString(l.sum.Sum(nil))}}
	result, answered, err := l.client.send(ctx, batch)
	if err != nil {
		return l.explain(err)
	}
	l.at = batch.Reached
	l.result.Rows += result.Rows
	if !answered {
		l.result.Unanswered++
	}
	l.result.Bytes += int64(bytes)
	l.progress.Write(text)
	return nil
}

// explain names the file in what a member says of a line.
func (l *loading) explain(err error) error {
	var exit *exitcode.Error
	if errors.As(err, &exit) && exit.Code == exitcode.Failed && strings.HasPrefix(exit.Err.Error(), "line ") {
		return &exitcode.Error{Code: exit.Code, Err: fmt.Errorf("%s: %w", l.source.name, exit.Err), Hint: exit.Hint}
	}
	return err
}

func countLines(text []byte) int { return bytes.Count(text, []byte{'\n'}) }
