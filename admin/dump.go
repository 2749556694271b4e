package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Dumper writes the database as SQL text.
type Dumper interface {
	// Dump writes the database as it is at one point, not before anything that was
	// acknowledged when Dump was called; with stale, as this node has it, which
	// needs no quorum. An error before the first byte is for the client; after it
	// the client can only see that the text breaks off.
	Dump(ctx context.Context, w io.Writer, stale bool) (DumpSummary, error)
}

// DumpSummary is what a dump holds.
type DumpSummary struct {
	Contents string   // "3 tables, 1000 rows"
	LeftOut  []string // what could not be dumped, in words
}

// The trailers of a dump's answer.
const (
	DumpContentsTrailer = "Quorate-Dump-Contents"
	DumpLeftOutTrailer  = "Quorate-Dump-Left-Out"
)

// dumpStallMax is how long a client may take nothing of a dump. While it takes
// nothing the view stays open, and the database's WAL grows.
const dumpStallMax = time.Minute

// handleDump adds the endpoint that writes a dump.
func handleDump(mux *http.ServeMux, dumper Dumper) {
	mux.HandleFunc("GET /admin/v1/dump", func(w http.ResponseWriter, r *http.Request) {
		if err := refuseBrowser(r); err != nil {
			writeError(w, err)
			return
		}
		consistency := r.URL.Query().Get("consistency")
		if consistency != "" && consistency != "linearizable" && consistency != "stale" {
			writeError(w, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("consistency %q is not known", consistency), Hint: `It is "linearizable" or "stale".`})
			return
		}
		out := &dumpWriter{w: w, control: http.NewResponseController(w)}
		summary, err := dumper.Dump(r.Context(), out, consistency == "stale")
		switch {
		case err != nil && !out.begun:
			writeError(w, err)
		case err != nil:
			panic(http.ErrAbortHandler) // the client sees the connection end in the middle
		default:
			w.Header().Set(DumpContentsTrailer, summary.Contents)
			for _, what := range summary.LeftOut {
				w.Header().Add(DumpLeftOutTrailer, strings.Join(strings.Fields(what), " "))
			}
		}
	})
}

// dumpWriter begins the answer with the first byte, and ends it when the client
// takes nothing more.
type dumpWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

func (d *dumpWriter) Write(p []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", "application/sql")
		d.w.Header().Set("Cache-Control", "no-store")
		d.w.Header().Set("Trailer", DumpContentsTrailer+", "+DumpLeftOutTrailer)
	}
	if err := d.control.SetWriteDeadline(time.Now().Add(dumpStallMax)); err != nil {
		return 0, err
	}
	return d.w.Write(p)
}
