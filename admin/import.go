package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// Importer loads SQL text into the cluster, batch by batch. How far an import is
// is kept in the cluster, changed with each batch in one step: so whoever does not
// know whether a batch was carried out can ask.
type Importer interface {
	// ImportProgress returns how far the import of this name is, with position 0
	// when there is none.
	ImportProgress(ctx context.Context, name string) (ImportProgress, error)
	// Import carries a batch out, all of it or nothing, if the import is where the
	// batch begins.
	Import(ctx context.Context, batch ImportBatch) (ImportResult, error)
	// FinishImport forgets the import and looks whether the foreign keys hold.
	FinishImport(ctx context.Context, name string) (ImportFindings, error)
}

// ImportProgress is how far an import is.
type ImportProgress struct {
	Position int64 `json:"position"` // in the file, behind the last batch
	Line     int   `json:"line"`     // at the position
	// SHA256 is that of the file up to the position, hexadecimal: the file to go on
	// with must be the one that was begun.
	SHA256 string `json:"sha256"`
}

// ImportBatch is a part of the file that ends behind a statement.
type ImportBatch struct {
	Name   string
	Format string // quorate, sqlite or postgresql
	// Position and Line are those of the text's beginning, Reached those of its end.
	Position int64
	Line     int
	Reached  ImportProgress
	Text     []byte
}

// ImportResult says what a batch did.
type ImportResult struct {
	Statements int   `json:"statements"`
	Rows       int64 `json:"rows"`
}

// ImportFindings is what is wrong with what was loaded.
type ImportFindings struct {
	// Violations name rows that refer to rows that are not there, the first few;
	// Violating is how many there are.
	Violations []string `json:"violations"`
	Violating  int64    `json:"violating"`
}

// importBytesMax bounds a batch. The longest statement is longer than the command
// that it becomes, because of its hexadecimal digits.
const importBytesMax = 96 << 20

func handleImport(mux *http.ServeMux, importer Importer) {
	handle := func(pattern string, carryOut func(r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := refuseBrowser(r)
			var answer any
			if err == nil {
				r.Body = http.MaxBytesReader(w, r.Body, importBytesMax)
				answer, err = carryOut(r)
			}
			if err != nil {
				writeError(w, err)
				return
			}
			writeJSON(w, http.StatusOK, answer)
		})
	}
	handle("GET /admin/v1/imports/{name}", func(r *http.Request) (any, error) {
		return importer.ImportProgress(r.Context(), r.PathValue("name"))
	})
	handle("POST /admin/v1/imports/{name}", func(r *http.Request) (any, error) {
		batch, err := readBatch(r)
		if err != nil {
			return nil, err
		}
		return importer.Import(r.Context(), batch)
	})
	handle("DELETE /admin/v1/imports/{name}", func(r *http.Request) (any, error) {
		return importer.FinishImport(r.Context(), r.PathValue("name"))
	})
}

// readBatch reads a batch: its text is the body, the rest the query.
func readBatch(r *http.Request) (ImportBatch, error) {
	query := r.URL.Query()
	bad := func(format string, args ...any) (ImportBatch, error) {
		return ImportBatch{}, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Hint: "docs/reference/http.md describes the requests."}
	}
	batch := ImportBatch{Name: r.PathValue("name"), Format: query.Get("format")}
	if batch.Format != "quorate" && batch.Format != "sqlite" && batch.Format != "postgresql" {
		return bad("format %q is not known: it is quorate, sqlite or postgresql", batch.Format)
	}
	var err error
	if batch.Position, err = strconv.ParseInt(query.Get("position"), 10, 64); err != nil || batch.Position < 0 {
		return bad("position %q is not an offset in the file", query.Get("position"))
	}
	if batch.Line, err = strconv.Atoi(query.Get("line")); err != nil || batch.Line < 1 {
		return bad("line %q is not a line's number", query.Get("line"))
	}
	if err := json.Unmarshal([]byte(query.Get("reached")), &batch.Reached); err != nil || batch.Reached.Position <= batch.Position {
		return bad("reached is not JSON of a position behind the batch, its line and the file's SHA-256")
	}
	if batch.Text, err = io.ReadAll(r.Body); err != nil {
		return bad("the batch cannot be read: %v", err)
	}
	return batch, nil
}
