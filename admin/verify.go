package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// Verifier compares members.
type Verifier interface {
	// Verify compares the databases of all members at one index, while clients
	// go on. It tells how far it is from time to time.
	Verify(ctx context.Context, options VerifyOptions, progress func(VerifyProgress)) (*VerifyReport, error)
}

// VerifyOptions say how the members are to be compared.
type VerifyOptions struct {
	// Wait is how long a member may take to reach the index that is compared; who
	// takes longer is left out and named.
	Wait time.Duration
}

// The verdicts of a comparison.
const (
	VerdictEqual      = "equal"      // all members were compared, and are equal
	VerdictDiffer     = "differ"     // some were, and are not
	VerdictIncomplete = "incomplete" // those that were are equal; not all were
)

// VerifyReport is what a comparison of all members at one index has found.
type VerifyReport struct {
	Verdict  string         `json:"verdict"`
	Index    uint64         `json:"index"`
	TookSecs float64        `json:"took_seconds"`
	Members  []VerifyMember `json:"members"` // by name
	Tables   []VerifyTable  `json:"tables"`  // the schema, then by name
}

// VerifyMember says whether a member was compared, and if not, why.
type VerifyMember struct {
	Name     string `json:"name"`
	Compared bool   `json:"compared"`
	Error    string `json:"error,omitempty"`
}

// VerifyTable is a table. Members whose copies are equal share a copy; the first
// copy is that of the most members.
type VerifyTable struct {
	Name        string             `json:"name"`
	Equal       bool               `json:"equal"`
	Copies      []VerifyCopy       `json:"copies"`
	Differences []VerifyDifference `json:"differences,omitempty"`
}

// VerifyCopy is a table as some members have it.
type VerifyCopy struct {
	Members []string `json:"members"`
	Rows    int64    `json:"rows"`
	Digest  string   `json:"digest,omitempty"`
	Missing bool     `json:"missing,omitempty"` // they have no such table
	Error   string   `json:"error,omitempty"`   // why it could not be read
}

// VerifyDifference is the first row in which two copies differ.
type VerifyDifference struct {
	// Members and Others have the two copies.
	Members []string `json:"members"`
	Others  []string `json:"others"`
	// Row is its number in the order of the table, from 0, and Key its primary
	// key or rowid.
	Row int64          `json:"row"`
	Key []VerifyColumn `json:"key,omitempty"`
	// Missing says who has no such row: "members" or "others".
	Missing string `json:"missing,omitempty"`
	// Columns are those that differ; of a row that one side misses, all.
	Columns []VerifyColumn `json:"columns,omitempty"`
	// Error, instead of Row and what follows it: why it could not be found.
	Error string `json:"error,omitempty"`
}

// VerifyColumn is a column of a row on both sides; nil: that side has no such
// row or column.
type VerifyColumn struct {
	Name    string       `json:"name"`
	Members *VerifyValue `json:"members,omitempty"`
	Others  *VerifyValue `json:"others,omitempty"`
}

// VerifyValue is a value as it is stored.
type VerifyValue struct {
	Type string `json:"type"` // null, integer, real, text, blob
	SQL  string `json:"sql"`  // a literal; only its beginning when it is long
	// Bytes is the length of a text or blob of which SQL is only the beginning.
	Bytes int64 `json:"bytes,omitempty"`
}

// VerifyProgress is how far a comparison is: as far as the last of the members.
type VerifyProgress struct {
	Stage       string `json:"stage"` // a few words
	Rows        int64  `json:"rows"`
	TablesDone  int    `json:"tables_done"`
	TablesTotal int    `json:"tables_total"`
}

// VerifyEvent is one line of the answer to POST /admin/v1/verify: how far it is,
// any number of times, then what came of it, which is one of the others.
type VerifyEvent struct {
	Progress *VerifyProgress `json:"progress,omitempty"`
	Report   *VerifyReport   `json:"report,omitempty"`
	Error    *Error          `json:"error,omitempty"`
}

// verifyRequest is the body of POST /admin/v1/verify.
type verifyRequest struct {
	WaitSecs float64 `json:"wait_seconds"`
}

// VerifyWaitDefault is VerifyOptions.Wait where nothing is said of it.
const VerifyWaitDefault = 30 * time.Second

func handleVerify(mux *http.ServeMux, v Verifier) {
	mux.HandleFunc("POST /admin/v1/verify", func(w http.ResponseWriter, r *http.Request) { verify(w, r, v) })
}

// verify answers in lines: a comparison of large databases takes its time, and
// a silent connection looks like a dead one.
func verify(w http.ResponseWriter, r *http.Request, v Verifier) {
	options := VerifyOptions{Wait: VerifyWaitDefault}
	err := refuseBrowser(r)
	if err == nil {
		var body verifyRequest
		r.Body = http.MaxBytesReader(w, r.Body, requestBytesMax)
		err = readBody(r, &body)
		if body.WaitSecs < 0 || body.WaitSecs > time.Hour.Seconds() {
			err = &Error{Status: http.StatusBadRequest, Message: "wait_seconds is a number from 0, for the default, to 3600"}
		}
		if body.WaitSecs > 0 {
			options.Wait = time.Duration(body.WaitSecs * float64(time.Second))
		}
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	encoder := json.NewEncoder(w)
	tell := func(e VerifyEvent) {
		// Who has gone is noticed by the request's context.
		_ = encoder.Encode(e)
		_ = http.NewResponseController(w).Flush()
	}
	report, err := v.Verify(r.Context(), options, func(p VerifyProgress) { tell(VerifyEvent{Progress: &p}) })
	if err != nil {
		tell(VerifyEvent{Error: asError(err)})
		return
	}
	tell(VerifyEvent{Report: report})
}
