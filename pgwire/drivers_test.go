package pgwire

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/lib/pq"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// echoBackend answers "select * from v" with the parameters of the last
// INSERT, so that values make the way in and out as they were stored.
type echoBackend struct{ *fakeBackend }

const (
	echoColumns = "i2:int2 i4:int4 i8:int8 f4:float4 f8:float8 b:bool t:text vc:varchar by:bytea " +
		"tz:timestamptz ts:timestamp d:date u:uuid j:json jb:jsonb n:numeric"
	echoInsert = "insert into v values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
	echoSelect = "select i2, i4, i8, f4, f8, b, t, vc, by, tz, ts, d, u, j, jb, n from v"
)

func newEchoBackend(t *testing.T) *echoBackend {
	b := &echoBackend{newFakeBackend()}
	schema, err := parseSchema(1, []string{"v " + echoColumns})
	if err != nil {
		t.Fatal(err)
	}
	b.schema = schema
	return b
}

func (b *echoBackend) Execute(ctx context.Context, statements []sqlplan.Bound) ([]value.Result, error) {
	b.mu.Lock()
	for _, statement := range statements {
		if statement.Plan.Tag == "INSERT" {
			row := make([]value.Value, len(statement.Args))
			for i, v := range statement.Args {
				row[i] = v.Clone()
			}
			b.replies[echoSelect] = fakeReply{rows: [][]value.Value{row}}
		}
	}
	b.mu.Unlock()
	return b.fakeBackend.Execute(ctx, statements)
}

// echoStored is how echoArgs are stored, whichever driver and format they came
// by.
const echoStored = `-7 70000 5000000000 1.5 -2.25 1 'tëxt' 'vc' x'00ff10' '2026-03-01 12:05:09.250000' '2026-03-01 14:05:09.250000' ` +
	`'2026-03-01' '0191e3b5-7b1c-7d1e-8f2a-6b1f2c3d4e5f' '{"a": [1]}' '{"b": 2}' 12.5`

func echoArgs() []any {
	berlin := time.FixedZone("", 2*3600)
	local := time.Date(2026, 3, 1, 14, 5, 9, 250e6, time.UTC)
	return []any{
		int16(-7), int32(70000), int64(5e9), float32(1.5), -2.25, true, "tëxt", "vc", []byte{0, 255, 16},
		time.Date(2026, 3, 1, 14, 5, 9, 250e6, berlin), local, time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		"0191e3b5-7b1c-7d1e-8f2a-6b1f2c3d4e5f", `{"a": [1]}`, `{"b": 2}`, "12.5",
	}
}

func (b *echoBackend) stored() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var words []string
	for _, v := range b.replies[echoSelect].rows[0] {
		words = append(words, fmt.Sprintf("%#v", v))
	}
	return strings.Join(words, " ")
}

// scanned reads a row into Go values of the types of echoArgs, and compares.
func scanned(t *testing.T, scan func(...any) error) {
	t.Helper()
	args := echoArgs()
	targets := make([]any, len(args))
	for i, arg := range args {
		targets[i] = reflect.New(reflect.TypeOf(arg)).Interface()
	}
	if err := scan(targets...); err != nil {
		t.Errorf("scan: %v", err)
		return
	}
	for i, arg := range args {
		got := reflect.ValueOf(targets[i]).Elem().Interface()
		if at, ok := got.(time.Time); ok {
			if !at.Equal(arg.(time.Time)) {
				t.Errorf("column %d: got %v, want %v", i+1, at, arg)
			}
		} else if !reflect.DeepEqual(got, arg) {
			t.Errorf("column %d: got %#v, want %#v", i+1, got, arg)
		}
	}
}

// pgx, in each of its modes: every type in and out, text and binary.
func TestPgx(t *testing.T) {
	ctx := context.Background()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe,
		pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(strings.ReplaceAll(mode.String(), " ", "_"), func(t *testing.T) {
			backend := newEchoBackend(t)
			config, err := pgx.ParseConfig("postgres://quorate@" + startServer(t, &Server{Backend: backend}) + "/quorate?sslmode=prefer")
			if err != nil {
				t.Fatal(err)
			}
			config.DefaultQueryExecMode = mode
			conn, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			if err := conn.Ping(ctx); err != nil {
				t.Errorf("ping: %v", err)
			}
			args := echoArgs()
			insertMode := mode
			if mode == pgx.QueryExecModeSimpleProtocol {
				insertMode = pgx.QueryExecModeExec // the values must come as parameters to be echoed
			}
			for range 2 { // the second time with a cached statement
				tag, err := conn.Exec(ctx, echoInsert, append([]any{insertMode}, args...)...)
				if err != nil {
					t.Fatal(err)
				}
				if tag.String() != "INSERT 0 1" {
					t.Errorf("tag %q", tag)
				}
				if got := backend.stored(); got != echoStored {
					t.Errorf("stored\n%s, want\n%s", got, echoStored)
				}
				rows, err := conn.Query(ctx, echoSelect)
				if err != nil {
					t.Fatal(err)
				}
				if rows.Next() {
					scanned(t, rows.Scan)
				}
				rows.Close()
				if err := rows.Err(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// lib/pq through database/sql, with text and with binary parameters.
func TestLibPQ(t *testing.T) {
	for _, binary := range []string{"no", "yes"} {
		t.Run("binary_parameters="+binary, func(t *testing.T) {
			backend := newEchoBackend(t)
			db, err := sql.Open("postgres", "postgres://quorate@"+startServer(t, &Server{Backend: backend})+
				"/quorate?sslmode=disable&binary_parameters="+binary)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Ping(); err != nil {
				t.Errorf("ping: %v", err)
			}
			result, err := db.Exec(echoInsert, echoArgs()...)
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := result.RowsAffected(); n != 1 {
				t.Errorf("%d rows", n)
			}
			if got := backend.stored(); got != echoStored {
				t.Errorf("stored\n%s, want\n%s", got, echoStored)
			}
			rows, err := db.Query(echoSelect)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			for rows.Next() {
				scanned(t, rows.Scan)
			}
			if err := rows.Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

// pgx's batches are one command; its errors have the fields of PgError; its
// contexts cancel the statement here.
func TestPgxBatchErrorCancel(t *testing.T) {
	ctx := context.Background()
	backend := newEchoBackend(t)
	backend.replies["select 1"] = fakeReply{block: true}
	conn, err := pgx.Connect(ctx, "postgres://quorate@"+startServer(t, &Server{Backend: backend})+"/quorate?sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)

	batch := &pgx.Batch{}
	for range 3 {
		batch.Queue(echoInsert, echoArgs()...)
	}
	if err := conn.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatal(err)
	}
	commands := 0
	for _, call := range backend.takeCalls() {
		if call == "command" {
			commands++
		}
	}
	if commands != 1 {
		t.Errorf("a batch was carried out as %d commands", commands)
	}

	_, err = conn.Exec(ctx, "select nothing from v")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "42703" || pgErr.Position != 8 {
		t.Errorf("got %v", err)
	}

	limited, cancel := context.WithCancel(ctx)
	go func() {
		<-backend.blocked
		cancel()
	}()
	if _, err = conn.Exec(limited, "select 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
