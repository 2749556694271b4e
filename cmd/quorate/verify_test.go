package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/admin"
)

// Verify tells of one step and answers as told.
func (f *fakeOperator) Verify(_ context.Context, options admin.VerifyOptions, progress func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	if err := f.ask("verify, waiting %v", options.Wait); err != nil {
		return nil, err
	}
	progress(admin.VerifyProgress{Stage: "reading", Rows: 4096, TablesDone: 1, TablesTotal: 2})
	return f.report, nil
}

// TestVerifyCommand shows what quorate verify makes of reports: "report" is what the
// node answers, the output of "quorate" what the command prints, and its exit code.
//
//	go test ./cmd/quorate -run TestVerifyCommand -rewrite
func TestVerifyCommand(t *testing.T) {
	operator := &fakeOperator{}
	cluster := newFakeCluster(t, "n1 leader n1 7 182440", operator)
	t.Setenv("QUORATE_ENDPOINT", "127.0.0.1:1,"+cluster.endpoint)
	datadriven.RunTest(t, "testdata/verify", func(t *testing.T, d *datadriven.TestData) string {
		switch d.Cmd {
		case "fail":
			e := &admin.Error{Message: d.Input, Hint: "Do something about it."}
			d.ScanArgs(t, "status", &e.Status)
			operator.err = e
			return ""
		case "report":
			operator.report = new(admin.VerifyReport)
			if err := json.Unmarshal([]byte(d.Input), operator.report); err != nil {
				t.Fatal(err)
			}
			return ""
		case "verify":
			var stdout, stderr bytes.Buffer
			args := []string{"verify"}
			for _, arg := range d.CmdArgs {
				args = append(args, arg.String())
			}
			code := run(t.Context(), args, &stdout, &stderr)
			operator.err = nil
			return fmt.Sprintf("%s%sexit %d\n", stdout.String(), stderr.String(), code)
		}
		t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
		return ""
	})
}
