package pgwire

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// fakeBackend is a server behind that does not compute: what statements answer
// is scripted by their text. It keeps a log of what it was asked, and counts
// the snapshots that are open.
type fakeBackend struct {
	mu       sync.Mutex // guards the fields below
	schema   *sqlplan.Schema
	replies  map[string]fakeReply
	calls    []string
	open     int             // snapshots
	follower bool            //
	late     *sqlplan.Schema // becomes the schema at the next CatchUp
	racing   *sqlplan.Schema // becomes the schema at the next Snapshot or Execute, which fails
	noQuorum bool            // CatchUp fails
	silent   bool            // CatchUp waits for an answer that does not come

	blocked chan struct{} // a statement that blocks says so here
}

// fakeReply is what one statement answers.
type fakeReply struct {
	rows     [][]value.Value
	affected int64
	err      error
	block    bool // until the context ends; then err, or the context's
	repeat   int  // how often the rows come; 0 is once
}

func newFakeBackend() *fakeBackend {
	return &fakeBackend{
		schema:  &sqlplan.Schema{Version: 1, Relations: map[string]*sqlplan.Relation{}},
		replies: map[string]fakeReply{},
		blocked: make(chan struct{}, 100),
	}
}

func (b *fakeBackend) logf(format string, args ...any) {
	b.calls = append(b.calls, fmt.Sprintf(format, args...))
}

// takeCalls returns the log and empties it.
func (b *fakeBackend) takeCalls() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	return calls
}

// forgetBlocked forgets statements that blocked earlier.
func (b *fakeBackend) forgetBlocked() {
	for {
		select {
		case <-b.blocked:
		default:
			return
		}
	}
}

func (b *fakeBackend) Schema() *sqlplan.Schema {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.schema
}

func (b *fakeBackend) InRecovery() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.follower
}

func (b *fakeBackend) CatchUp(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.logf("catch up")
	if b.silent {
		b.mu.Unlock()
		<-ctx.Done()
		b.mu.Lock()
		return ctx.Err()
	}
	if b.noQuorum {
		return errcode.Newf(errcode.CannotConnectNow, "there is no quorum")
	}
	if b.late != nil {
		b.schema, b.late = b.late, nil
	}
	return nil
}

// checkVersion is where the schema is found to have changed.
func (b *fakeBackend) checkVersion(version uint64) error {
	if b.racing != nil {
		b.schema, b.racing = b.racing, nil
	}
	if version != b.schema.Version {
		b.logf("schema changed: planned with %d, is %d", version, b.schema.Version)
		return ErrSchemaChanged
	}
	return nil
}

func (b *fakeBackend) Snapshot(ctx context.Context, consistency Consistency, version uint64, many bool) (Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if many {
		if err := b.checkVersion(version); err != nil {
			return nil, err
		}
	}
	b.logf("snapshot, %s", map[Consistency]string{Linearizable: "linearizable", Stale: "stale"}[consistency])
	b.open++
	return &fakeSnapshot{backend: b, ctx: ctx, many: many, version: version}, nil
}

func (b *fakeBackend) Execute(ctx context.Context, statements []sqlplan.Bound) ([]value.Result, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, statement := range statements {
		if err := b.checkVersion(statement.Plan.SchemaVersion); err != nil {
			return nil, err
		}
	}
	b.logf("command")
	var results []value.Result
	schema := b.schema
	for _, statement := range statements {
		b.logf("  %s", showBound(statement))
		reply := b.reply(statement)
		if reply.block {
			b.mu.Unlock()
			b.blocked <- struct{}{}
			<-ctx.Done()
			b.mu.Lock()
			if reply.err != nil {
				return results, reply.err
			}
			return results, ctx.Err()
		}
		if reply.err != nil {
			return results, reply.err
		}
		result := value.Result{Affected: reply.affected}
		for _, row := range reply.rows {
			result.Rows.Append(row)
		}
		results = append(results, result)
		if statement.Plan.Schema {
			schema = schema.After(statement.Plan)
		}
	}
	if schema != b.schema {
		next := *schema
		next.Version = b.schema.Version + 1
		b.schema = &next
	}
	return results, nil
}

// reply finds what a statement answers; the caller holds mu.
func (b *fakeBackend) reply(statement sqlplan.Bound) fakeReply {
	reply, ok := b.replies[statement.Plan.Source]
	if !ok && statement.Plan.Kind == sqlplan.Write {
		return fakeReply{affected: 1}
	}
	if !ok {
		return fakeReply{err: errcode.Newf(errcode.InternalError, "no reply is scripted for %q", statement.Plan.Source)}
	}
	return reply
}

func showBound(statement sqlplan.Bound) string {
	text := statement.Plan.Source
	for i, arg := range statement.Args {
		text += fmt.Sprintf(" [%d]=%#v", i+1, arg)
	}
	return text
}

type fakeSnapshot struct {
	backend *fakeBackend
	ctx     context.Context
	version uint64 // a snapshot for one query looks when it comes
	many, used,
	querying,
	closed bool
}

func (s *fakeSnapshot) Query(statement sqlplan.Bound) (Rows, error) {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	if s.querying || s.closed {
		panic("a query on a snapshot that is busy or closed")
	}
	if !s.many {
		if s.used {
			panic("a second query on a snapshot for one")
		}
		s.used = true
		if err := s.backend.checkVersion(s.version); err != nil {
			return nil, err
		}
	}
	s.backend.logf("  %s", showBound(statement))
	reply := s.backend.reply(statement)
	if reply.err != nil && reply.rows == nil {
		return nil, reply.err
	}
	s.querying = true
	return &fakeRows{snapshot: s, reply: reply}, nil
}

func (s *fakeSnapshot) Close() {
	s.backend.mu.Lock()
	defer s.backend.mu.Unlock()
	if s.querying || s.closed {
		panic("a snapshot is closed twice, or under its rows")
	}
	s.closed = true
	s.backend.open--
}

type fakeRows struct {
	snapshot *fakeSnapshot
	reply    fakeReply
	at       int
	closed   bool
}

func (r *fakeRows) Next() ([]value.Value, error) {
	if r.closed {
		panic("rows are read after their end")
	}
	if r.reply.block {
		r.snapshot.backend.blocked <- struct{}{}
		<-r.snapshot.ctx.Done()
		return nil, r.snapshot.ctx.Err()
	}
	if r.at == len(r.reply.rows)*max(r.reply.repeat, 1) {
		return nil, r.reply.err
	}
	r.at++
	return r.reply.rows[(r.at-1)%len(r.reply.rows)], nil
}

func (r *fakeRows) Close() {
	if !r.closed {
		r.closed = true
		r.snapshot.querying = false
	}
}

// parseReply reads the lines of a scripted answer: rows of literals with | in
// between, "affected N", "error CODE message", "block", "repeat N".
func parseReply(lines []string) (fakeReply, error) {
	var reply fakeReply
	for _, line := range lines {
		word, rest, _ := strings.Cut(line, " ")
		switch word {
		case "affected":
			n, err := strconv.ParseInt(rest, 10, 64)
			if err != nil {
				return reply, err
			}
			reply.affected = n
		case "repeat":
			n, err := strconv.Atoi(rest)
			if err != nil {
				return reply, err
			}
			reply.repeat = n
		case "block":
			reply.block = true
		case "error":
			code, message, _ := strings.Cut(rest, " ")
			if code == "internal" {
				reply.err = fmt.Errorf("%s", message)
			} else {
				reply.err = errcode.Newf(errcode.Code(code), "%s", message)
			}
		default:
			var row []value.Value
			for _, literal := range strings.Split(line, "|") {
				v, err := parseLiteral(strings.TrimSpace(literal))
				if err != nil {
					return reply, err
				}
				row = append(row, v)
			}
			reply.rows = append(reply.rows, row)
		}
	}
	return reply, nil
}

func parseLiteral(s string) (value.Value, error) {
	switch {
	case s == "null":
		return value.Value{}, nil
	case strings.HasPrefix(s, "'"):
		return value.String(strings.Trim(s, "'")), nil
	case strings.HasPrefix(s, "x'"):
		var b []byte
		_, err := fmt.Sscanf(strings.Trim(s[1:], "'"), "%x", &b)
		return value.BlobBytes(b), err
	case strings.ContainsAny(s, ".e"):
		f, err := strconv.ParseFloat(s, 64)
		return value.Float(f), err
	}
	i, err := strconv.ParseInt(s, 10, 64)
	return value.Int(i), err
}

// parseSchema reads tables, a line each: "t id:int8 name:text".
func parseSchema(version uint64, lines []string) (*sqlplan.Schema, error) {
	schema := &sqlplan.Schema{Version: version, Relations: map[string]*sqlplan.Relation{}}
	for i, line := range lines {
		words := strings.Fields(line)
		relation := &sqlplan.Relation{Name: words[0], Kind: sqlplan.Table, OID: uint32(16384 + i)}
		for _, word := range words[1:] {
			name, typeName, _ := strings.Cut(word, ":")
			oid, ok := pgtype.ByName(typeName)
			if !ok {
				return nil, fmt.Errorf("there is no type %q", typeName)
			}
			relation.Columns = append(relation.Columns, sqlplan.Column{Name: name, Type: pgtype.Of(oid)})
		}
		schema.Relations[words[0]] = relation
	}
	return schema, nil
}
