package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

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

// importTwo imports two statements, each a batch of its own, into a member that
// keeps how far the import is, and answers batches as answer does from the first on.
func importTwo(t *testing.T, answer func(w http.ResponseWriter, batch int)) (code, batches int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	reached := "{}"
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // so that the client has sent all of it
		switch r.Method {
		case http.MethodGet:
			fmt.Fprint(w, reached)
		case http.MethodPost:
			reached = r.URL.Query().Get("reached")
			batches++
			answer(w, batches)
		case http.MethodDelete:
			fmt.Fprint(w, `{"violations": []}`)
		}
	}))
	defer member.Close()
	if err := os.WriteFile("two.sql", []byte("INSERT INTO t VALUES (1);\nINSERT INTO t VALUES (2);\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), []string{"import", "two.sql", "--batch-size", "1B", "--endpoint", member.URL}, &out, &errs)
	return code, batches, out.String(), errs.String()
}

// The first batch is loaded, but its answer is lost: it is not loaded again, its
// statements are counted, and that its rows are not is said.
func TestImportWithoutAnswer(t *testing.T) {
	code, batches, stdout, stderr := importTwo(t, func(w http.ResponseWriter, batch int) {
		if batch == 1 {
			panic(http.ErrAbortHandler)
		}
		fmt.Fprint(w, `{"statements": 1, "rows": 1}`)
	})
	want := "imported two.sql: 2 statements, 1 rows (without those of 1 batches, which are loaded, but the answer was lost), 51 B in "
	if code != 0 || batches != 2 || !strings.HasPrefix(stdout, want) {
		t.Errorf("exit %d after %d batches: %s%s", code, batches, stdout, stderr)
	}
}

// TestImportAfterKill goes on behind a run that was killed. Its last batch is still
// on its way, and comes before the first of this one, which is the same.
func TestImportAfterKill(t *testing.T) {
	code, batches, stdout, stderr := importTwo(t, func(w http.ResponseWriter, batch int) {
		if batch == 1 {
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"error": "the import \"two.sql\" is not where this batch begins"}`)
			return
		}
		fmt.Fprint(w, `{"statements": 1, "rows": 1}`)
	})
	if code != 0 || batches != 2 || !strings.HasPrefix(stdout, "imported two.sql: 2 statements, 1 rows ") {
		t.Errorf("exit %d after %d batches: %s%s", code, batches, stdout, stderr)
	}
}
