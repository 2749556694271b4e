package sqlgen

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlfsm"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// Options say what a run is.
type Options struct {
	// Seed decides about everything.
	Seed uint64
	// Statements is about how many are drawn. Default: 400.
	Statements int
	// Choices, when not nil, are made by the generator in place of the seed's.
	Choices []byte
	// Script, when not nil, are the commands, in place of a generator's.
	Script []Command
	// Child is where the third machine lives; nil: in this process.
	Child *Child
	// Trace, when not nil, is told of each command and what it did.
	Trace func(line string)
}

// start is the time of the first command of all runs: of another year than
// that of any machine's clock. See wallClock.
var start = time.Date(2019, 3, 10, 23, 58, 20, 123457000, time.UTC).UnixMicro()

// Run runs one seed. The error says that the run itself was not possible; what
// is wrong with the state machine is in the report.
func Run(o Options) (*Report, error) {
	if o.Statements <= 0 {
		o.Statements = 400
	}
	dir, err := os.MkdirTemp("", "quorate-sqlgen")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := newRun(o, dir)
	if err := r.record(); err != nil {
		return nil, err
	}
	if r.report.Violation == "" {
		if err := r.compare(); err != nil {
			return nil, err
		}
	}
	return r.report, nil
}

// run is a run under way.
type run struct {
	o        Options
	dir      string
	report   *Report
	fsm      *sqlfsm.FSM
	entries  []sqlfsm.Entry
	outcomes []outcome // of the reference
	dump     string
	older    *sqlplan.Schema // before the newest change
	lives    map[uint64]*life
}

func newRun(o Options, dir string) *run {
	return &run{o: o, dir: dir, report: &Report{Seed: o.Seed, Kinds: map[string]*Count{}, Errors: map[string]int{}, Clauses: map[string]int{}}, lives: map[uint64]*life{}}
}

func (r *run) violate(format string, args ...any) {
	if r.report.Violation == "" {
		r.report.Violation = fmt.Sprintf(format, args...)
	}
}

// record draws commands, plans them and applies each by itself.
func (r *run) record() error {
	path := filepath.Join(r.dir, "reference", "db")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := sqlfsm.Open(path, sqlfsm.Options{Readers: 1, Limits: limitsOf(r.o.Seed)})
	if err != nil {
		return err
	}
	r.fsm, r.older = f, f.Schema()
	defer f.Close()
	if r.o.Script != nil {
		for i := range r.o.Script {
			r.command(&r.o.Script[i])
		}
	} else {
		r.draw()
	}
	if r.report.Violation != "" {
		return nil
	}
	if r.dump, err = dump(f, r.entries); err != nil {
		return err
	}
	if today := time.Now().UTC().Format(time.DateOnly); strings.Contains(r.dump, today) {
		r.violate("this machine's clock got into the database: it says %s", today)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := checkIntegrity(path); err != nil {
		r.violate("the reference: %v", err)
	}
	return nil
}

// draw runs what a generator draws.
func (r *run) draw() {
	c := newChance(r.o.Seed, "sql")
	if r.o.Choices != nil {
		c = &chance{bytes: r.o.Choices}
	}
	g := newGenerator(c, limitsOf(r.o.Seed))
	for r.report.Statements < r.o.Statements && r.report.Violation == "" && !g.c.usedUp() {
		c := g.command()
		r.report.Script = append(r.report.Script, c)
		g.learn(r.command(&c))
	}
}

// command plans and applies a command, and reports whether it succeeded.
func (r *run) command(c *Command) (succeeded bool) {
	schema := r.fsm.Schema()
	planned := schema
	if c.Stale {
		planned = r.older
	}
	statements, ok := r.plan(c, planned)
	if !ok {
		r.trace(c, "not planned")
		return false
	}
	var data []byte
	switch {
	case c.Again > 0 && c.Again <= len(r.entries):
		data = r.entries[len(r.entries)-c.Again].Data
	case c.Mark || len(statements) > 0:
		h := sqlfsm.Header{Time: c.Time, Seed: seedOf(c.Seed), SchemaVersion: planned.Version}
		if !r.name(&h, c) {
			return false
		}
		data = sqlfsm.AppendCommand(nil, &h, statements)
	}
	result := r.apply(data, c)
	if result == nil {
		return false
	}
	r.trace(c, r.outcomes[len(r.outcomes)-1].Head)
	r.count(result, c)
	if v := r.fsm.Schema(); v.Version != schema.Version {
		r.older = schema
	}
	return result.Err == nil
}

// apply adds an entry to the log and applies it. nil: that was not possible.
func (r *run) apply(data []byte, c *Command) *sqlfsm.Result {
	e := sqlfsm.Entry{Index: uint64(len(r.entries)) + 1, Term: 1 + uint64(len(r.entries))/50, Data: data, Collect: true, Members: c.Members}
	results, err := r.fsm.Apply([]sqlfsm.Entry{e})
	if err != nil {
		r.trace(c, err.Error())
		r.violate("entry %d would stop every node: %v\n%s", e.Index, err, c)
		return nil
	}
	r.entries = append(r.entries, e)
	for id, l := range r.lives {
		l.forgotten = l.forgotten || c.Members != nil && !slices.Contains(c.Members, id)
	}
	got, err := outcomesOf(r.fsm, []sqlfsm.Entry{e}, results)
	if err != nil {
		r.violate("%v", err)
		return nil
	}
	r.outcomes = append(r.outcomes, got...)
	return &results[0]
}

// life is one of an origin.
type life struct {
	incarnation, seq uint64
	forgotten        bool // it was no member for a while
}

// name gives a command the next number of its origin, which registers first when
// it is new.
func (r *run) name(h *sqlfsm.Header, c *Command) bool {
	if h.Kind = sqlfsm.KindSQL; c.Mark {
		h.Kind = sqlfsm.KindMark
	} else if c.Load {
		h.Kind = sqlfsm.KindLoad
	}
	if c.Origin == 0 {
		return true
	}
	l := r.lives[c.Origin]
	if l == nil || c.Reborn || l.forgotten && c.Seed%8 != 0 {
		if l == nil {
			l = &life{}
		}
		l = &life{incarnation: l.incarnation + 1}
		r.lives[c.Origin] = l
		own := sqlfsm.Header{Origin: c.Origin, Incarnation: l.incarnation, Time: c.Time}
		applied := uint64(len(r.entries))
		if c.Seed%16 == 0 { // it was under way for long
			applied -= min(applied, 200)
		}
		if r.apply(sqlfsm.AppendRegistration(nil, &own, applied), c) == nil {
			return false
		}
	}
	if c.Seed%64 == 0 { // far ahead of what may be remembered
		h.Origin, h.Incarnation, h.Seq, h.LowWater = c.Origin, l.incarnation, l.seq+100_000, 1
		return true
	}
	l.seq++
	h.Origin, h.Incarnation, h.Seq = c.Origin, l.incarnation, l.seq
	h.LowWater = max(1, l.seq-min(l.seq, c.Seed%12))
	return true
}

// seedOf makes the seed of a header of a command's number.
func seedOf(n uint64) (seed [32]byte) {
	binary.LittleEndian.PutUint64(seed[:], n)
	return seed
}

// plan makes of a command's statements what goes into the log. When one of them
// is refused, none does, as in a session's transaction.
func (r *run) plan(c *Command, schema *sqlplan.Schema) (statements []sqlplan.Bound, ok bool) {
	for i := range c.Statements {
		s := &c.Statements[i]
		b, err := bind(s, schema, c.Zone)
		if err != nil {
			r.trace(nil, fmt.Sprintf("refused: %s: %v", s.SQL, err))
			r.checkNamed(err, s, c)
			r.tally(c, i, func(count *Count) { count.Refused++ })
			return nil, false
		}
		statements = append(statements, b)
		if !s.Raw {
			schema = schema.After(b.Plan)
		}
	}
	return statements, true
}

// tally counts the statement with the number at, by how it ended; those before
// and behind it were, or might as well have been, without effect.
func (r *run) tally(c *Command, at int, ended func(*Count)) {
	for i := range c.Statements {
		r.report.Statements++
		count := r.report.kind(&c.Statements[i])
		count.try(&c.Statements[i])
		if i == at {
			ended(count)
		} else {
			count.Skipped++
		}
	}
}

// bind plans a statement and makes values of its parameters.
func bind(s *Statement, schema *sqlplan.Schema, zone string) (sqlplan.Bound, error) {
	if s.Raw {
		return sqlplan.Bound{Plan: rawPlan(s.SQL), Args: s.Args}, nil
	}
	p, err := schema.Plan(s.SQL, sqlplan.Options{TimeZone: zone})
	if err != nil {
		return sqlplan.Bound{}, err
	}
	if p.Kind != sqlplan.Write && p.Kind != sqlplan.Read {
		return sqlplan.Bound{}, fmt.Errorf("%s does not go into a command", p.Tag)
	}
	b := sqlplan.Bound{Plan: p}
	for i, t := range p.Params {
		v, err := paramValue(s, i, t)
		if err != nil {
			return sqlplan.Bound{}, err
		}
		b.Args = append(b.Args, v)
	}
	for _, v := range p.Session {
		b.Args = append(b.Args, map[sqlplan.SessionValue]value.Value{
			sqlplan.CurrentUser:     value.String("alice"),
			sqlplan.TimeZone:        value.String(zone),
			sqlplan.ApplicationName: value.String("sqlgen"),
		}[v])
	}
	return b, nil
}

func paramValue(s *Statement, i int, t pgtype.Type) (value.Value, error) {
	if i >= len(s.Params) || s.Params[i].Null {
		return value.Value{}, nil
	}
	if t.OID == 0 {
		t = pgtype.Of(pgtype.Text)
	}
	return pgtype.ParseText(t, []byte(s.Params[i].Text), nil)
}

// rawPlan says of SQLite's SQL what a planner would have to say.
func rawPlan(sql string) *sqlplan.Plan {
	p := &sqlplan.Plan{Kind: sqlplan.Write, SQL: sql}
	switch word, _, _ := strings.Cut(sql, " "); word {
	case "CREATE", "DROP", "ALTER", "ANALYZE", "REINDEX", "VACUUM":
		p.Schema = true
	case "SELECT", "WITH", "VALUES":
		p.Columns = []sqlplan.ResultColumn{}
	}
	if strings.Contains(sql, "RETURNING") {
		p.Columns = []sqlplan.ResultColumn{}
	}
	return p
}

// count counts what became of an entry's statements.
func (r *run) count(result *sqlfsm.Result, c *Command) {
	r.report.Entries++
	switch {
	case result.Duplicate:
		r.report.Duplicates++
		return
	case errors.Is(result.Err, sqlfsm.ErrSchemaChanged):
		r.report.Stale++
		return
	case len(c.Statements) == 0:
		return
	}
	if result.Err == nil {
		for i := range c.Statements {
			r.report.Statements++
			count := r.report.kind(&c.Statements[i])
			count.try(&c.Statements[i])
			count.Done++
			r.report.clauses(c.Statements[i].SQL)
		}
		return
	}
	r.report.Errors[codeOf(result.Err)]++
	// When all have results, it is what they did together that failed.
	failed := min(len(result.Results), len(c.Statements)-1)
	r.tally(c, failed, func(count *Count) { count.Failed++ })
	r.checkNamed(result.Err, &c.Statements[failed], c)
}

// codeOf is an error's SQLSTATE, or its text when it has none.
func codeOf(err error) string {
	var e *errcode.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return err.Error()
}

// checkNamed: what a client says has an error of its own, not the one for what
// nobody has thought of. What goes past the planner may.
func (r *run) checkNamed(err error, s *Statement, c *Command) {
	var e *errcode.Error
	if !s.Raw && errors.As(err, &e) && e.Code == errcode.InternalError {
		r.violate("an error without a code of its own: %v\n%s", err, c)
	}
}

func (r *run) trace(c *Command, what string) {
	if r.o.Trace == nil {
		return
	}
	if c == nil {
		r.o.Trace(what)
		return
	}
	r.o.Trace(fmt.Sprintf("%d: %s  => %s", len(r.entries), strings.ReplaceAll(strings.TrimSpace(c.String()), "\n", "\n    "), what))
}

// compare replays the log on the other machines.
func (r *run) compare() error {
	c := newChance(r.o.Seed, "restless")
	for _, other := range []struct {
		name string
		live func(dir string) (*answer, error)
	}{
		{"the restless machine", func(dir string) (*answer, error) {
			return replay(dir, c, restlessWay(c, r.o.Seed), r.entries), nil
		}},
		{"the machine in another process", func(dir string) (*answer, error) {
			a := assignment{Seed: r.o.Seed, Dir: dir}
			for i := range r.entries {
				a.Entries = append(a.Entries, r.entries[i].Data)
				a.Members = append(a.Members, r.entries[i].Members)
			}
			if r.o.Child == nil {
				return a.replay(), nil
			}
			return r.o.Child.replay(a)
		}},
	} {
		dir, err := os.MkdirTemp(r.dir, "")
		if err != nil {
			return err
		}
		a, err := other.live(dir)
		if err != nil {
			return err
		}
		r.compareAnswer(other.name, a)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) compareAnswer(name string, a *answer) {
	if a.Failure != "" {
		r.violate("%s: %s", name, a.Failure)
		return
	}
	for i, want := range r.outcomes {
		if got := a.Outcomes[i]; got.differs(&want, a.Asked[i]) {
			r.violate("%s answers entry %d with\n  %s\nthe reference with\n  %s", name, i+1, &got, &want)
			return
		}
	}
	if a.Dump != r.dump {
		got, want := firstDifference(a.Dump, r.dump)
		r.violate("%s has another database:\n  %s\nthe reference:\n  %s", name, got, want)
	}
}

func firstDifference(a, b string) (string, string) {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range x {
		if i >= len(y) || x[i] != y[i] {
			return x[i], strings.Join(y[min(i, len(y)):min(i+1, len(y))], "")
		}
	}
	return "(ends)", y[len(x)]
}

// entriesOf makes entries of commands; the terms are as in record.
func entriesOf(data [][]byte, members [][]uint64) []sqlfsm.Entry {
	entries := make([]sqlfsm.Entry, len(data))
	for i := range data {
		entries[i] = sqlfsm.Entry{Index: uint64(i) + 1, Term: 1 + uint64(i)/50, Members: members[i]}
		if len(data[i]) > 0 {
			entries[i].Data = data[i]
		}
	}
	return entries
}
