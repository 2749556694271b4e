//go:build capture

package pgtype

import (
	"context"
	"encoding/hex"
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
//	PGT_DSN='host=/tmp user=postgres' go test -tags capture -run Capture ./sqlplan/pgtype
//
// A new text is added to a file as a line with nothing but the quoted text.
func TestCapture(t *testing.T) {
	conn, err := pgconn.Connect(context.Background(), os.Getenv("PGT_DSN"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	paths, _ := filepath.Glob("testdata/golden/*.tsv")
	for _, path := range paths {
		g := readGolden(t, path)
		setup := fmt.Sprintf("drop table if exists p; create temp table p (x %s); set timezone = '%s'", g.typeName, g.zone)
		if _, err := conn.Exec(context.Background(), setup).ReadAll(); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		fmt.Fprintf(&out, "# type %s\n# zone %s\n", g.typeName, g.zone)
		for _, l := range g.lines {
			fmt.Fprintf(&out, "%q\t%s\n", l.input, ask(conn, l.input))
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func ask(conn *pgconn.PgConn, input string) string {
	var answers [2][]byte
	for format := range int16(2) {
		r := conn.ExecParams(context.Background(), "insert into p values ($1) returning x", [][]byte{[]byte(input)}, nil, nil, []int16{format}).Read()
		var e *pgconn.PgError
		if errors.As(r.Err, &e) {
			return fmt.Sprintf("ERROR\t%s\t%q", e.Code, e.Message)
		}
		answers[format] = r.Rows[0][0]
	}
	return fmt.Sprintf("%q\t%s", answers[0], hex.EncodeToString(answers[1]))
}
