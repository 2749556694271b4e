package admin

import (
	"context"
	"testing"
)

// TestVerify asks for comparisons, as TestOperator does for the rest.
//
//	go test ./admin -run TestVerify -rewrite
func TestVerify(t *testing.T) { giveOrders(t, "testdata/verify") }

// Verify tells of one step, then fails when it is told to, or reports a table in
// which a member differs.
func (f *fakeOperator) Verify(_ context.Context, options VerifyOptions, progress func(VerifyProgress)) (*VerifyReport, error) {
	if err := f.ask("verify, waiting %v", options.Wait); err != nil {
		return nil, err
	}
	progress(VerifyProgress{Stage: "reading", Rows: 4096, TablesDone: 1, TablesTotal: 2})
	return &VerifyReport{Verdict: VerdictDiffer, Index: 17, Members: []VerifyMember{{Name: "n1", Compared: true}, {Name: "n2", Error: "no answer"}},
		Tables: []VerifyTable{{Name: "t", Copies: []VerifyCopy{{Members: []string{"n1"}, Rows: 1, Digest: "d1"}}}}}, nil
}
