package admin

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Saver hands out the database.
type Saver interface {
	// SaveSnapshot opens this node's database as of one index, which is that of all
	// that was acknowledged before, or, if it may be stale, whatever the node has.
	// The caller closes it.
	SaveSnapshot(ctx context.Context, stale bool) (*Snapshot, error)
}

// Snapshot is a saved database on its way to an operator: an archive (package
// snapshot/archive) of so many bytes.
type Snapshot struct {
	io.ReadCloser
	Bytes int64
	Name  string // a file name for it
}

// saveSnapshot sends the database. An answer that breaks off shows by its length,
// and by the archive's end, which is missing.
func saveSnapshot(w http.ResponseWriter, r *http.Request, operator Operator) {
	snapshot, err := openSnapshot(r, operator)
	if err != nil {
		writeError(w, err)
		return
	}
	defer snapshot.Close()
	w.Header().Set("Content-Type", "application/vnd.sqlite3")
	w.Header().Set("Content-Length", strconv.FormatInt(snapshot.Bytes, 10))
	w.Header().Set("Content-Disposition", "attachment; filename="+strconv.Quote(snapshot.Name))
	w.Header().Set("Cache-Control", "no-store")
	if _, err := io.Copy(&patientWriter{w, http.NewResponseController(w)}, snapshot); err != nil {
		panic(http.ErrAbortHandler) // the client has gone, or must see that it broke off
	}
}

func openSnapshot(r *http.Request, operator Operator) (*Snapshot, error) {
	if err := refuseBrowser(r); err != nil {
		return nil, err
	}
	consistency := r.URL.Query().Get("consistency")
	switch consistency {
	case "", "linearizable", "stale":
	default:
		return nil, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("consistency %q is not known", consistency),
			Hint: `It is "linearizable" or "stale".`}
	}
	return operator.SaveSnapshot(r.Context(), consistency == "stale")
}

// saveStallMax is how long a client may take nothing: the node keeps the copy that
// it sends from for as long.
const saveStallMax = 5 * time.Minute

// patientWriter gives up when nothing can be written for saveStallMax.
type patientWriter struct {
	io.Writer
	control *http.ResponseController
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.control.SetWriteDeadline(time.Now().Add(saveStallMax)); err != nil {
		return 0, err
	}
	return p.Writer.Write(b)
}
