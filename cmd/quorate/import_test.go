package main

import (
	"context"

	"quorate/admin"
)

func (f *fakeOperator) ImportProgress(_ context.Context, name string) (admin.ImportProgress, error) {
	return admin.ImportProgress{Position: 40, Line: 3, SHA256: "9f2c"}, f.ask("say how far the import %q is", name)
}

func (f *fakeOperator) Import(_ context.Context, b admin.ImportBatch) (admin.ImportResult, error) {
	return admin.ImportResult{Statements: 2, Rows: 1}, f.ask("import %q (%s) from %d, line %d, to %v: %q", b.Name, b.Format, b.Position, b.Line, b.Reached, b.Text)
}

func (f *fakeOperator) FinishImport(_ context.Context, name string) (admin.ImportFindings, error) {
	return admin.ImportFindings{Violations: []string{}}, f.ask("finish the import %q", name)
}
