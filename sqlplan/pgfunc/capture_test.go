//go:build capture

package pgfunc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// TestCapture asks the PostgreSQL of PGT_DSN for the answers of the golden
// files and writes them down:
//
//	PGT_DSN='host=/tmp user=postgres' go test -tags capture -run Capture ./sqlplan/pgfunc
//
// A new expression is added to a file as a line of its own.
func TestCapture(t *testing.T) {
	conn, err := pgconn.Connect(context.Background(), os.Getenv("PGT_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "set timezone = '"+goldenZone+"'").ReadAll(); err != nil {
		t.Fatal(err)
	}
	paths, _ := filepath.Glob("testdata/golden/*.tsv")
	for _, path := range paths {
		var out strings.Builder
		for _, l := range readGolden(t, path) {
			fmt.Fprintf(&out, "%s\t%s\n", l.expression, ask(conn, l.expression))
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func ask(conn *pgconn.PgConn, expression string) string {
	r := conn.ExecParams(context.Background(), "select "+expression, nil, nil, nil, nil).Read()
	var e *pgconn.PgError
	switch {
	case errors.As(r.Err, &e):
		return "ERROR " + e.Code + " " + e.Message
	case r.Rows[0][0] == nil:
		return fmt.Sprint(r.FieldDescriptions[0].DataTypeOID, " NULL")
	}
	return fmt.Sprintf("%d %q", r.FieldDescriptions[0].DataTypeOID, r.Rows[0][0])
}
