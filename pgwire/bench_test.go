package pgwire

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// instantBackend answers every statement at once with the same row, so that
// what is measured is the session's own work.
type instantBackend struct {
	schema *sqlplan.Schema
	row    []value.Value
}

func (b *instantBackend) Schema() *sqlplan.Schema       { return b.schema }
func (b *instantBackend) InRecovery() bool              { return false }
func (b *instantBackend) CatchUp(context.Context) error { return nil }
func (b *instantBackend) Snapshot(context.Context, Consistency, uint64, bool) (Snapshot, error) {
	return b, nil
}
func (b *instantBackend) Query(sqlplan.Bound) (Rows, error) { return &instantRows{row: b.row}, nil }
func (b *instantBackend) Close()                            {}
func (b *instantBackend) Execute(_ context.Context, statements []sqlplan.Bound) ([]value.Result, error) {
	results := make([]value.Result, len(statements))
	for i := range results {
		results[i].Affected = 1
	}
	return results, nil
}

type instantRows struct{ row []value.Value }

func (r *instantRows) Next() ([]value.Value, error) {
	row := r.row
	r.row = nil
	return row, nil
}
func (r *instantRows) Close() {}

// repeatReader gives the same bytes n times.
type repeatReader struct {
	bytes []byte
	at, n int
}

func (r *repeatReader) Read(b []byte) (int, error) {
	if r.n == 0 {
		return 0, io.EOF
	}
	n := copy(b, r.bytes[r.at:])
	if r.at += n; r.at == len(r.bytes) {
		r.at, r.n = 0, r.n-1
	}
	return n, nil
}

// discardConn is a tapeConn that keeps nothing of the answer.
type discardConn struct{ tapeConn }

func (c *discardConn) Write(b []byte) (int, error) { return len(b), nil }

// benchmarkTurns plays one turn b.N times in one session.
func benchmarkTurns(b *testing.B, before, turn []pgproto3.FrontendMessage) {
	schema, err := parseSchema(1, []string{"kv k:int8 v:text"})
	if err != nil {
		b.Fatal(err)
	}
	server := &Server{Backend: &instantBackend{schema: schema, row: []value.Value{value.Int(42), value.String(strings.Repeat("x", 100))}}}
	server.init()
	encode := func(messages []pgproto3.FrontendMessage) []byte {
		var out []byte
		for _, m := range messages {
			if out, err = m.Encode(out); err != nil {
				b.Fatal(err)
			}
		}
		return out
	}
	conn := &discardConn{tapeConn{in: io.MultiReader(bytes.NewReader(greetingBytes), bytes.NewReader(encode(before)),
		&repeatReader{bytes: encode(turn), n: b.N})}}
	b.ReportAllocs()
	b.ResetTimer()
	server.serveConn(new(connections).add(conn, 1))
}

// BenchmarkPreparedRead is a point read as pgx sends it.
func BenchmarkPreparedRead(b *testing.B) {
	benchmarkTurns(b,
		[]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s", Query: "select k, v from kv where k = $1"}, &pgproto3.Sync{}},
		[]pgproto3.FrontendMessage{
			&pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{0, 0, 0, 0, 0, 0, 0, 42}}, ResultFormatCodes: []int16{1, 0}},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		})
}

// BenchmarkPreparedWrite is an upsert as pgx sends it.
func BenchmarkPreparedWrite(b *testing.B) {
	benchmarkTurns(b,
		[]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s", Query: "insert into kv values ($1, $2)"}, &pgproto3.Sync{}},
		[]pgproto3.FrontendMessage{
			&pgproto3.Bind{PreparedStatement: "s", ParameterFormatCodes: []int16{1, 0}, Parameters: [][]byte{{0, 0, 0, 0, 0, 0, 0, 42}, bytes.Repeat([]byte("x"), 100)}},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{},
		})
}

// BenchmarkSimpleRead is a point read with its values in the text, always the
// same one.
func BenchmarkSimpleRead(b *testing.B) {
	benchmarkTurns(b, nil, []pgproto3.FrontendMessage{&pgproto3.Query{String: "select k, v from kv where k = 42"}})
}
