package sqlgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"quorate/internal/errcode"
	"quorate/sqlfsm"
	"quorate/sqlplan"
)

// outcome is what an entry did, as text. It is exported to encoding/gob by its
// fields.
type outcome struct {
	Head string // counts and the error
	Rows string // of the results; "" when they were not collected
	// Effects is the running digest of all that was done up to the entry.
	Effects sqlfsm.EffectsDigest
}

// outcomesOf tells what a batch did that has just been applied.
func outcomesOf(f *sqlfsm.FSM, batch []sqlfsm.Entry, results []sqlfsm.Result) ([]outcome, error) {
	outcomes := make([]outcome, len(results))
	for i := range results {
		outcomes[i] = outcomeOf(&results[i])
		d, ok := f.EffectsDigestAt(batch[i].Index)
		if !ok {
			return nil, fmt.Errorf("there is no digest of the effects of entry %d, which was just applied", batch[i].Index)
		}
		outcomes[i].Effects = d
	}
	return outcomes, nil
}

func outcomeOf(r *sqlfsm.Result) outcome {
	var head, rows strings.Builder
	for i := range r.Results {
		s := &r.Results[i]
		fmt.Fprintf(&head, "%d; ", s.Affected)
		for c := s.Rows.Cursor(); ; {
			row := c.Next()
			if row == nil {
				break
			}
			for k, v := range row {
				if k > 0 {
					rows.WriteString(", ")
				}
				fmt.Fprintf(&rows, "%#v", v)
			}
			rows.WriteString("\n")
		}
	}
	if r.Duplicate {
		head.WriteString("seen before; ")
	}
	if r.Err != nil {
		head.WriteString(errorText(r.Err))
	}
	return outcome{Head: head.String(), Rows: rows.String()}
}

// differs compares the rows only when both were collected.
func (o *outcome) differs(p *outcome, rows bool) bool {
	return o.Head != p.Head || o.Effects != p.Effects || rows && o.Rows != p.Rows
}

func (o *outcome) String() string {
	return fmt.Sprintf("%q, effects %x, rows %q", o.Head, o.Effects[:4], o.Rows)
}

// errorText is all that a client can see of an error.
func errorText(err error) string {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return "error: " + err.Error()
	}
	return fmt.Sprintf("error %s: %s [detail %s] [hint %s] [table %s] [column %s] [constraint %s]",
		e.Code, e.Message, e.Detail, e.Hint, e.Table, e.Column, e.Constraint)
}

// way is how a machine lives.
type way struct {
	batch     int // entries at once, at most
	restarts  int // once in so many batches, 0: never; and so on
	crashes   int
	images    int
	readers   int
	options   sqlfsm.Options
	collected bool // all rows are asked for, not only those of some entries
}

// restless ways differ from seed to seed. SQLite's WAL may be copied while no
// checkpoint runs; so a machine that crashes makes none.
func restlessWay(c *chance, seed uint64) way {
	w := way{batch: c.in(1, 30), restarts: 8, images: 8, readers: 2, collected: c.one(2)}
	w.options = sqlfsm.Options{Readers: 2, CacheBytes: 128 << 10, CheckpointBytes: 64 << 10, Limits: limitsOf(seed)}
	if c.n(2) == 0 {
		w.crashes, w.options.CheckpointBytes = 6, 1<<40
	}
	return w
}

// farWay is that of the machine in another process.
func farWay(c *chance, seed uint64) way {
	return way{batch: c.in(20, 400), restarts: 6, readers: 6, collected: true, options: sqlfsm.Options{Readers: 1, Limits: limitsOf(seed)}}
}

// machine is a state machine that is given a log.
type machine struct {
	way
	c        *chance
	dir      string // its own
	path     string // of the database
	files    int    // directories used so far
	fsm      *sqlfsm.FSM
	held     *sqlfsm.Snapshot // a reader that stays while entries are applied
	halfway  *sqlfsm.Rows     // of its query, which has not come to its end
	outcomes []outcome
	known    []bool // that outcomes has the entry's
	asked    []bool // that its rows were collected
}

// answer is what a machine made of a log. It is exported to encoding/gob.
type answer struct {
	Outcomes []outcome
	Asked    []bool
	Dump     string
	Failure  string // why it could not go on, or contradicts itself
}

// replay lets a new machine in dir live the way through the entries.
func replay(dir string, c *chance, w way, entries []sqlfsm.Entry) *answer {
	m := &machine{way: w, c: c, dir: dir, outcomes: make([]outcome, len(entries)), known: make([]bool, len(entries)), asked: make([]bool, len(entries))}
	a := &answer{}
	err := m.live(entries)
	m.release() // it may be the only reader
	if err == nil {
		a.Dump, err = dump(m.fsm, entries)
	}
	if m.fsm != nil {
		err = errors.Join(err, m.fsm.Close())
	}
	if err == nil {
		err = checkIntegrity(m.path)
	}
	if err != nil {
		a.Failure = err.Error()
	}
	a.Outcomes, a.Asked = m.outcomes, m.asked
	return a
}

// live applies the entries; the index of the first one is 1.
func (m *machine) live(entries []sqlfsm.Entry) error {
	if err := m.open(m.newPath()); err != nil {
		return err
	}
	for {
		applied, _ := m.fsm.Applied()
		rest := entries[applied:]
		if len(rest) == 0 {
			return nil
		}
		batch := slices.Clone(rest[:m.c.in(1, min(m.batch, len(rest)))])
		for i := range batch {
			batch[i].Collect = m.collected || m.c.one(2)
		}
		if err := m.meet(batch); err != nil {
			return err
		}
	}
}

// meet applies a batch, after something or other has happened.
func (m *machine) meet(batch []sqlfsm.Entry) error {
	now := func(often int) bool { return often > 0 && m.c.one(often) }
	switch {
	case now(m.restarts):
		if err := m.restart(); err != nil {
			return err
		}
	case now(m.images):
		return m.install(batch)
	case now(m.crashes):
		if err := m.apply(m.fsm, batch); err != nil {
			return err
		}
		return m.crash()
	}
	if now(m.readers) {
		if err := m.read(); err != nil {
			return fmt.Errorf("a reader: %w", err)
		}
	}
	if now(2 * m.readers) {
		return m.beside(func() error { return m.apply(m.fsm, batch) })
	}
	return m.apply(m.fsm, batch)
}

// apply applies a batch and keeps what came of it. What an entry does when it
// is applied again, after a crash, must be what it did before.
func (m *machine) apply(f *sqlfsm.FSM, batch []sqlfsm.Entry) error {
	results, err := f.Apply(batch)
	if err != nil {
		return fmt.Errorf("entries %d to %d: %w", batch[0].Index, batch[len(batch)-1].Index, err)
	}
	outcomes, err := outcomesOf(f, batch, results)
	if err != nil {
		return err
	}
	for i, got := range outcomes {
		k, asked := batch[i].Index-1, batch[i].Collect
		if m.known[k] && got.differs(&m.outcomes[k], asked && m.asked[k]) {
			return fmt.Errorf("entry %d did\n  %s\nand when it was applied again\n  %s", k+1, &m.outcomes[k], &got)
		}
		if asked || !m.known[k] {
			m.outcomes[k], m.asked[k] = got, asked
		}
		m.known[k] = true
	}
	return nil
}

func (m *machine) newPath() string {
	m.files++
	return filepath.Join(m.dir, fmt.Sprint(m.files), "db")
}

func (m *machine) open(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	m.path = path
	m.fsm, err = sqlfsm.Open(path, m.options)
	return err
}

// release closes the reader that is held, for which Close would wait.
func (m *machine) release() {
	if m.halfway != nil {
		m.halfway.Close()
		m.halfway = nil
	}
	if m.held != nil {
		m.held.Close()
		m.held = nil
	}
}

func (m *machine) restart() error {
	m.release()
	if err := m.fsm.Close(); err != nil {
		return err
	}
	return m.open(m.path)
}

// crash goes on with copies of the files as they are, of which the WAL may have
// lost its end, as after a power loss.
func (m *machine) crash() error {
	old, next := m.path, m.newPath()
	if err := os.MkdirAll(filepath.Dir(next), 0o700); err != nil {
		return err
	}
	for _, suffix := range []string{"", "-wal"} {
		content, err := os.ReadFile(old + suffix)
		if err != nil {
			return err
		}
		if suffix != "" && m.c.one(2) {
			content = content[:len(content)-min(len(content), m.c.n(64<<10))]
		}
		if err := os.WriteFile(next+suffix, content, 0o600); err != nil {
			return err
		}
	}
	m.release()
	if err := m.fsm.Close(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Dir(old)); err != nil {
		return err
	}
	return m.open(next)
}

// install lets another replica, which begins with an image of this one, apply
// the batch, and installs an image of that one here.
func (m *machine) install(batch []sqlfsm.Entry) error {
	dir := filepath.Dir(m.newPath())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	there, back := filepath.Join(dir, "db"), filepath.Join(dir, "image")
	if _, err := m.fsm.Image(context.Background(), there); err != nil {
		return err
	}
	other, err := sqlfsm.Open(there, m.options)
	if err != nil {
		return err
	}
	defer other.Close()
	if err := m.apply(other, batch); err != nil {
		return err
	}
	info, err := other.Image(context.Background(), back)
	if err != nil {
		return err
	}
	return m.fsm.Install(back, info.Index, info.Term)
}

// read asks for the time, for random numbers and for a table, on a snapshot that
// may stay while entries are applied.
func (m *machine) read() error {
	m.release()
	schema := m.fsm.Schema()
	s, err := m.fsm.Snapshot(context.Background(), schema.Version, true)
	if err != nil {
		return err
	}
	m.held = s
	queries := []string{"SELECT random(), randomblob(9), datetime('now'), last_insert_rowid(), changes()"}
	var names []string
	for _, r := range schema.Relations {
		if r.Kind == sqlplan.Table {
			names = append(names, r.Name)
		}
	}
	if slices.Sort(names); len(names) > 0 {
		queries = append(queries, "SELECT * FROM "+quoted(pick(m.c, names))+" ORDER BY random()")
	}
	for _, q := range queries {
		if err := readAll(s, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	switch m.c.n(4) {
	case 0, 1:
		m.release()
	case 2:
		if m.halfway, err = s.Query(asked(queries[len(queries)-1])); err == nil {
			_, err = m.halfway.Next()
		}
	}
	return err
}

// beside lets a reader look at the whole of a table again and again while a batch
// is applied: it must see the same each time.
func (m *machine) beside(apply func() error) error {
	m.release()
	schema := m.fsm.Schema()
	s, err := m.fsm.Snapshot(context.Background(), schema.Version, true)
	if err != nil {
		return err
	}
	m.held = s
	sql := "SELECT name, sql FROM sqlite_schema ORDER BY name"
	for _, r := range schema.Relations {
		if r.Kind == sqlplan.Table {
			sql = "SELECT count(*), total(length(t.c)) FROM (SELECT " + quoted(r.Columns[0].Name) + " AS c FROM " + quoted(r.Name) + ") t"
		}
	}
	before, err := readRows(s, sql)
	if err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	done, saw := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			after, err := readRows(s, sql)
			if err == nil && after != before {
				err = fmt.Errorf("%s answers %s, then %s on one snapshot", sql, before, after)
			}
			select {
			case <-done:
				saw <- err
				return
			default:
			}
			if err != nil {
				saw <- err
				return
			}
		}
	}()
	err = apply()
	close(done)
	return errors.Join(err, <-saw)
}

func asked(sql string) sqlplan.Bound {
	return sqlplan.Bound{Plan: &sqlplan.Plan{Kind: sqlplan.Read, SQL: sql}}
}

func readAll(s *sqlfsm.Snapshot, sql string) error {
	_, err := readRows(s, sql)
	return err
}

// readRows returns a query's rows as text.
func readRows(s *sqlfsm.Snapshot, sql string) (string, error) {
	rows, err := s.Query(asked(sql))
	if err != nil {
		return "", err
	}
	defer rows.Close()
	var b strings.Builder
	for {
		row, err := rows.Next()
		if row == nil {
			return b.String(), err
		}
		for i := range row {
			fmt.Fprintf(&b, "%#v ", row[i])
		}
	}
}

// dump returns the whole database as text, the digests by which members compare
// theirs, and what is remembered of the commands.
func dump(f *sqlfsm.FSM, entries []sqlfsm.Entry) (string, error) {
	var b strings.Builder
	if _, err := f.Dump(context.Background(), io.Writer(&b)); err != nil {
		return "", err
	}
	if err := writeDigests(&b, f); err != nil {
		return "", err
	}
	for i := range entries {
		if entries[i].Data == nil {
			continue
		}
		r, applied, err := f.Recall(entries[i].Data)
		if err != nil {
			return "", fmt.Errorf("what is remembered of entry %d: %w", i+1, err)
		}
		got := outcomeOf(&r)
		fmt.Fprintf(&b, "entry %d: %t %s\n", i+1, applied, got.Head)
	}
	return b.String(), nil
}

func writeDigests(b *strings.Builder, f *sqlfsm.FSM) error {
	p, err := f.Reserve()
	if err != nil {
		return err
	}
	defer p.Close()
	if _, err := p.Pin(); err != nil {
		return err
	}
	ctx := context.Background()
	tables, err := p.Tables(ctx)
	if err != nil {
		return err
	}
	for i := range tables {
		d, rows, err := p.DigestTable(ctx, &tables[i], func(int64) {})
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%s: %d rows, digest %s\n", tables[i].Name, rows, d)
	}
	return nil
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
