package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresConn runs operations over the extended protocol, each statement
// prepared once. It stays below pgx's typed layer, which would cost the
// measuring machine more than the measured one.
type postgresConn struct {
	conn     *pgconn.PgConn
	prepared map[string]string // SQL to statement name
}

// DialPostgres connects to a database that speaks PostgreSQL.
func DialPostgres(ctx context.Context, url string) (Conn, error) {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	return &postgresConn{conn: conn, prepared: map[string]string{}}, nil
}

func (c *postgresConn) Broken() bool { return c.conn.IsClosed() }

func (c *postgresConn) Close() { _ = c.conn.Close(context.Background()) } // the server notices either way

func (c *postgresConn) Run(ctx context.Context, op Op) error {
	name, err := c.prepare(ctx, op.SQL)
	if err != nil {
		return err
	}
	if len(op.Args) == 1 {
		reader := c.conn.ExecPrepared(ctx, name, op.Args[0], nil, nil)
		for reader.NextRow() {
		}
		_, err := reader.Close()
		return err
	}
	return c.transaction(ctx, name, op.Args)
}

// transaction sends all executions and one Sync: without a BEGIN, that is one
// implicit transaction (PostgreSQL manual, "Pipelining").
func (c *postgresConn) transaction(ctx context.Context, name string, args [][][]byte) error {
	pipeline := c.conn.StartPipeline(ctx)
	for _, a := range args {
		pipeline.SendQueryPrepared(name, a, nil, nil)
	}
	if err := pipeline.Sync(); err != nil {
		_ = pipeline.Close() // the first error says more
		return err
	}
	var first error
	for synced := false; !synced; {
		answer, err := pipeline.GetResults()
		if err == nil {
			switch answer := answer.(type) {
			case *pgconn.ResultReader:
				_, err = answer.Close()
			case *pgconn.PipelineSync:
				synced = true
			}
		}
		if err != nil && first == nil {
			first = err
		}
		if err != nil && c.conn.IsClosed() {
			break
		}
	}
	if err := pipeline.Close(); first == nil {
		first = err
	}
	return first
}

func (c *postgresConn) prepare(ctx context.Context, sql string) (string, error) {
	if name, ok := c.prepared[sql]; ok {
		return name, nil
	}
	name := fmt.Sprintf("bench%d", len(c.prepared))
	if _, err := c.conn.Prepare(ctx, name, sql, nil); err != nil {
		return "", err
	}
	c.prepared[sql] = name
	return name, nil
}

const loadBatchRows = 500

// Prepare makes the table and fills in the keys that are missing.
func Prepare(ctx context.Context, url string, keys, valueBytes int) error {
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer conn.Close(ctx)
	if err := exec(ctx, conn, createTable); err != nil {
		return err
	}
	value := strings.Repeat("v", valueBytes)
	for first := 0; first < keys; first += loadBatchRows {
		var sql strings.Builder
		sql.WriteString("insert into bench_kv (k, v) values ")
		for k := first; k < min(first+loadBatchRows, keys); k++ {
			if k > first {
				sql.WriteString(", ")
			}
			fmt.Fprintf(&sql, "(%d, '%s')", k, value)
		}
		sql.WriteString(" on conflict (k) do nothing")
		if err := exec(ctx, conn, sql.String()); err != nil {
			return err
		}
	}
	return nil
}

func exec(ctx context.Context, conn *pgconn.PgConn, sql string) error {
	if _, err := conn.Exec(ctx, sql).ReadAll(); err != nil {
		return fmt.Errorf("bench: prepare: %w", err)
	}
	return nil
}

// SplitURLs splits a list of URLs at its commas, but not one URL with several
// hosts: a comma separates when another URL follows.
func SplitURLs(list string) []string {
	var urls []string
	for part := range strings.SplitSeq(list, ",") {
		if len(urls) == 0 || strings.HasPrefix(part, "postgres://") || strings.HasPrefix(part, "postgresql://") {
			urls = append(urls, part)
			continue
		}
		urls[len(urls)-1] += "," + part
	}
	return urls
}
