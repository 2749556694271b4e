package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"quorate/admin"
	"quorate/internal/exitcode"
)

// verifyTimeoutDefault is long: members read all that they have, and rest in
// between.
const verifyTimeoutDefault = time.Hour

func newVerify() *cobra.Command {
	var (
		output outputFormat
		nodes  endpointFlags
		wait   time.Duration
	)
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare the databases of all members at one index",
		Long: `Compare the databases of all members at one index: every row and storage class of
every table, SQLite's own and Quorate's included, the rowids and the schema. Where
members differ, the first row that does is shown from both sides. Clients go on
meanwhile: members take a quarter of one processor for it.

The exit code is 0 if all members are equal, 1 if some differ, 7 if a member could
not be compared and the others are equal, 5 if there is no quorum.`,
		Example: `  quorate verify
  quorate verify -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if wait <= 0 {
				return usage(errors.New("--wait must be longer than nothing"), "")
			}
			report, err := askVerify(cmd, &nodes, wait)
			if err != nil {
				return verifyError(err)
			}
			if output == outputJSON {
				err = writeJSON(cmd.OutOrStdout(), report)
			} else {
				err = printVerify(cmd.OutOrStdout(), report, output)
			}
			if err != nil {
				return verifyError(err)
			}
			return verdict(report)
		},
	}
	output.addFlag(cmd)
	nodes.add(cmd, verifyTimeoutDefault)
	cmd.Flags().DurationVar(&wait, "wait", admin.VerifyWaitDefault, "how long a member may take to reach the index; then it is left out")
	return cmd
}

// askVerify has a member compare all, and shows how far it is.
func askVerify(cmd *cobra.Command, nodes *endpointFlags, wait time.Duration) (report *admin.VerifyReport, err error) {
	ctx, cancel := nodes.context(cmd)
	defer cancel()
	client := &adminClient{}
	defer client.http.CloseIdleConnections()
	shown := newProgress(cmd.ErrOrStderr(), "", 0)
	defer shown.end()
	err = firstEndpoint(nodes.urls(cmd), func(endpoint string) (err error) {
		report, err = client.verify(ctx, endpoint, wait, func(p admin.VerifyProgress) {
			if now := time.Now(); shown.terminal || now.Sub(shown.shown) >= lineEvery {
				shown.shown = now
				shown.line(verifyProgressText(&p))
			}
		})
		return err
	})
	return report, err
}

func verifyProgressText(p *admin.VerifyProgress) string {
	switch {
	case p.TablesTotal > 0:
		return fmt.Sprintf("%s: %d of %d tables, %d rows", p.Stage, p.TablesDone, p.TablesTotal, p.Rows)
	default:
		return p.Stage
	}
}

// verifyLineMax bounds a line of the answer: the report is one.
const verifyLineMax = 64 << 20

// verify reads the lines that a comparison is answered with.
func (c *adminClient) verify(ctx context.Context, endpoint string, wait time.Duration, progress func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	const path = "/admin/v1/verify"
	body := fmt.Sprintf(`{"wait_seconds": %g}`, wait.Seconds())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint+path, strings.NewReader(body))
	if err != nil {
		return nil, usage(err, "An endpoint is a URL such as http://10.0.0.1:8432.")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, requestError(http.MethodGet, endpoint, err) // nothing is changed, so another may be asked
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, answerBytesMax))
		var refusal admin.Error
		if json.Unmarshal(text, &refusal) == nil && refusal.Message != "" {
			return nil, verifyRefused(&refusal)
		}
		return nil, unexpected(endpoint+path, response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, verifyLineMax)
	for lines.Scan() {
		var event admin.VerifyEvent
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return nil, fmt.Errorf("%s%s: not an answer of quorate: %w", endpoint, path, err)
		}
		switch {
		case event.Report != nil:
			return event.Report, nil
		case event.Error != nil:
			return nil, verifyRefused(event.Error)
		case event.Progress != nil:
			progress(*event.Progress)
		}
	}
	err = lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, failed(errors.New("the comparison has not ended in time"), "--timeout gives it more.")
	}
	return nil, failed(fmt.Errorf("%s: the answer broke off: %w", endpoint, err), "Is the node still running? Ask it again, or another one.")
}

func verifyRefused(refusal *admin.Error) error {
	code := exitcode.Failed
	switch refusal.Status {
	case http.StatusBadRequest:
		code = exitcode.Usage
	case http.StatusServiceUnavailable:
		code = exitcode.NoQuorum
	}
	return &exitcode.Error{Code: code, Err: refusal, Hint: refusal.Hint}
}

// verifyError keeps the general exit code for members that differ: what fails
// otherwise has compared nothing.
func verifyError(err error) error {
	var exit *exitcode.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &exit):
		return &exitcode.Error{Code: exitcode.Incomplete, Err: err}
	case exit.Code == exitcode.Failed:
		return &exitcode.Error{Code: exitcode.Incomplete, Err: exit.Err, Hint: exit.Hint}
	}
	return err
}

// verdict is the error that a report ends with, nil if all members are equal.
func verdict(r *admin.VerifyReport) error {
	differing := 0
	for _, t := range r.Tables {
		if !t.Equal {
			differing++
		}
	}
	var left []string
	for _, m := range r.Members {
		if !m.Compared {
			left = append(left, m.Name+": "+m.Error)
		}
	}
	missing := ""
	if len(left) > 0 {
		missing = "not compared: " + strings.Join(left, "; ")
	}
	switch {
	case r.Verdict == admin.VerdictEqual:
		return nil
	case r.Verdict == admin.VerdictIncomplete:
		return &exitcode.Error{Code: exitcode.Incomplete, Err: errors.New(missing), Hint: "See quorate status; verify again when they are back."}
	case missing != "":
		missing = " (" + missing + ")"
	}
	return failed(fmt.Errorf("the members differ in %s%s", counted(differing, "table"), missing),
		"docs/operate/verify.md says what to do about a member that differs.")
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printVerify writes a line for each table, then where they differ.
func printVerify(w io.Writer, r *admin.VerifyReport, output outputFormat) error {
	t := &table{}
	t.row("TABLE", "ROWS", "DIGEST", "RESULT")
	var rows int64
	for _, x := range r.Tables {
		first := x.Copies[0]
		if first.Missing || first.Error != "" {
			t.row(x.Name, "-", "-", tableResult(&x))
			continue
		}
		rows += first.Rows
		t.row(x.Name, strconv.FormatInt(first.Rows, 10), first.Digest, tableResult(&x))
	}
	if err := t.write(w, output); err != nil || output == outputPlain {
		return err
	}
	var b bytes.Buffer
	for i := range r.Tables {
		printDifferences(&b, &r.Tables[i])
	}
	var compared []string
	for _, m := range r.Members {
		if m.Compared {
			compared = append(compared, m.Name)
		}
	}
	fmt.Fprintf(&b, "\ncompared %s at index %d: %s, %s, in %.1f s\n", strings.Join(compared, ", "), r.Index,
		counted(len(r.Tables), "table"), counted(int(rows), "row"), r.TookSecs)
	_, err := w.Write(b.Bytes())
	return err
}

// tableResult says in a few words how a table is.
func tableResult(t *admin.VerifyTable) string {
	if t.Equal {
		return "equal"
	}
	var results []string
	for i, c := range t.Copies {
		names := strings.Join(c.Members, ", ")
		switch {
		case c.Missing:
			results = append(results, "missing on "+names)
		case c.Error != "":
			results = append(results, "unreadable on "+names)
		case i > 0:
			results = append(results, "differs on "+names)
		}
	}
	return strings.Join(results, "; ")
}

// printDifferences shows what differs in a table.
func printDifferences(b *bytes.Buffer, t *admin.VerifyTable) {
	for _, c := range t.Copies {
		if c.Error != "" {
			fmt.Fprintf(b, "\n%s cannot be read on %s: %s\n", t.Name, strings.Join(c.Members, ", "), c.Error)
		}
	}
	for _, d := range t.Differences {
		members, others := strings.Join(d.Members, ", "), strings.Join(d.Others, ", ")
		fmt.Fprintf(b, "\n%s on %s and on %s: ", t.Name, members, others)
		switch {
		case d.Error != "":
			fmt.Fprintf(b, "the first row that differs was not found: %s\n", d.Error)
			continue
		case d.Missing == "members":
			fmt.Fprintf(b, "the first difference is %s, which %s lacks\n", rowName(&d), members)
		case d.Missing == "others":
			fmt.Fprintf(b, "the first difference is %s, which %s lacks\n", rowName(&d), others)
		default:
			fmt.Fprintf(b, "the first difference is %s\n", rowName(&d))
		}
		columns := &table{}
		columns.row("  COLUMN", members, others)
		for _, c := range d.Columns {
			columns.row("  "+c.Name, valueText(c.Members), valueText(c.Others))
		}
		_ = columns.write(b, outputTable) // a buffer takes all
	}
}

// rowName says which row differs, by its key if it has one.
func rowName(d *admin.VerifyDifference) string {
	var key []string
	for _, c := range d.Key {
		v := c.Members
		if v == nil {
			v = c.Others
		}
		if v != nil {
			key = append(key, c.Name+" = "+v.SQL)
		}
	}
	if len(key) == 0 {
		return fmt.Sprintf("row number %d", d.Row+1)
	}
	return "the row " + strings.Join(key, ", ")
}

// valueText shows a value: a literal, and its type where the literal does not say it.
func valueText(v *admin.VerifyValue) string {
	switch {
	case v == nil:
		return "-"
	case v.Type == "null":
		return v.SQL
	case v.Bytes > 0:
		return fmt.Sprintf("%s… (%s, %d bytes)", v.SQL, v.Type, v.Bytes)
	}
	return fmt.Sprintf("%s (%s)", v.SQL, v.Type)
}
