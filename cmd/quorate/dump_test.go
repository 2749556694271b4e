package main

import (
	"context"
	"io"

	"quorate/admin"
)

func (f *fakeOperator) Dump(_ context.Context, w io.Writer, stale bool) (admin.DumpSummary, error) {
	if err := f.ask("dump, stale %v", stale); err != nil {
		return admin.DumpSummary{}, err
	}
	_, err := io.WriteString(w, "SELECT 1;\n")
	return admin.DumpSummary{Contents: "1 table, 0 rows", LeftOut: []string{"the virtual table box"}}, err
}
