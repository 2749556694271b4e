package main

import (
	"context"

	"quorate/admin"
)

func (f *fakeOperator) Verify(_ context.Context, options admin.VerifyOptions, _ func(admin.VerifyProgress)) (*admin.VerifyReport, error) {
	return &admin.VerifyReport{Verdict: admin.VerdictEqual}, f.ask("verify, waiting %v", options.Wait)
}
