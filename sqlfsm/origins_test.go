package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlfsm/origins"
	"quorate/sqlplan"
)

// These tests put commands into the log more than once, in every way that a
// cluster could: each is applied once, and its later copies get what is remembered
// of it, whatever the batches, restarts and images in between. The window itself
// is tested in package origins.

// life makes the entries of one incarnation of an origin.
type life struct {
	log                 *log
	origin, incarnation uint64
}

// register registers the life, as a node that has applied the log up to seen.
func (o *life) register(seen uint64) Entry {
	o.log.index++
	h := Header{Origin: o.origin, Incarnation: o.incarnation, Time: testStart}
	return Entry{Index: o.log.index, Term: 1, Data: AppendRegistration(nil, &h, seen), Collect: true}
}

// command makes a command with a number.
func (o *life) command(seq, low uint64, statements ...sqlplan.Bound) Entry {
	o.log.index++
	h := Header{Origin: o.origin, Incarnation: o.incarnation, Seq: seq, LowWater: low, Time: testStart, SchemaVersion: o.log.schemaVersion}
	for _, s := range statements {
		if s.Plan.Schema {
			o.log.schemaVersion = o.log.index
		}
	}
	return Entry{Index: o.log.index, Term: 1, Data: AppendCommand(nil, &h, statements), Collect: true}
}

// again puts an entry into the log once more.
func (l *log) again(e Entry) Entry {
	l.index++
	e.Index = l.index
	return e
}

// remembered shows a result as the one of a command that was applied before.
func remembered(r Result) string {
	if !r.Duplicate {
		return "not remembered: " + show(r)
	}
	var e *errcode.Error
	if errors.As(r.Err, &e) {
		return string(e.Code)
	}
	return show(r)
}

// TestOnce tells how a command that is in the log twice is applied once.
func TestOnce(t *testing.T) {
	f, l := openTest(t), &log{}
	node := &life{l, 7, 70}
	apply(t, f, l.sql(`CREATE TABLE t (k INTEGER PRIMARY KEY, n INTEGER)`)...)

	stranger := apply(t, f, node.command(1, 1, bound(`INSERT INTO t VALUES (1, 0)`)))[0]
	if !errors.Is(stranger.Err, ErrUnregistered) {
		t.Errorf("a command before its incarnation is registered: %v", stranger.Err)
	}

	registration := node.register(l.index)
	insert := node.command(2, 1, bound(`INSERT INTO t VALUES (1, 0), (2, 0)`))
	twice := node.command(3, 1, bound(`INSERT INTO t VALUES (3, 0)`), bound(`UPDATE t SET n = n + 1`))
	returning := node.command(4, 1, bound(`UPDATE t SET n = n + 1 WHERE k = 1 RETURNING n`))
	failing := node.command(5, 1, bound(`INSERT INTO t VALUES (4, 0)`), bound(`INSERT INTO t VALUES (1, 0)`))
	stale := node.command(6, 1, bound(`UPDATE t SET n = 9`))
	mark := node.command(7, 1)
	mark.Data[1] = byte(KindMark)
	before := apply(t, f, registration, insert, twice, returning, failing)
	before = append(before, apply(t, f, l.entry(bound(`CREATE TABLE u (a)`)), l.again(stale), l.again(mark))...)
	for _, r := range before {
		if r.Duplicate {
			t.Errorf("a first copy is taken for another: %s", show(r))
		}
	}

	for _, c := range []struct {
		name string
		Entry
		want string
	}{
		{"an insert", insert, "2"},
		{"two statements", twice, "1; 3"},
		{"what returned rows", returning, "40003"},
		{"what failed", failing, "23505"},
		{"a mark", mark, show(Result{})},
	} {
		if got := remembered(apply(t, f, l.again(c.Entry))[0]); got != c.want {
			t.Errorf("%s, once more: %s, want %s", c.name, got, c.want)
		}
	}
	if r := apply(t, f, l.again(stale))[0]; !r.Duplicate || r.Err != ErrSchemaChanged {
		t.Errorf("a command of another schema, once more: %v", r.Err)
	}
	if r := apply(t, f, l.again(registration))[0]; r.Err != nil {
		t.Errorf("the registration, once more: %v", r.Err)
	}
	if got, want := fmt.Sprint(query(t, f, `SELECT k, n FROM t ORDER BY k`)), "[(1, 2) (2, 1) (3, 1)]"; got != want {
		t.Errorf("the table holds %s, want %s", got, want)
	}

	// The origin waits for nothing below 8 any more.
	apply(t, f, node.command(8, 8, bound(`INSERT INTO t VALUES (9, 9)`)))
	if r := apply(t, f, l.again(insert))[0]; !errors.Is(r.Err, ErrOutsideWindow) {
		t.Errorf("a number that is settled: %v", r.Err)
	}

	// The node starts anew: its last life is not known any more, nor can come back.
	next := &life{l, 7, 71}
	apply(t, f, next.register(l.index))
	if r := apply(t, f, l.again(registration))[0]; !errors.Is(r.Err, ErrLateRegistration) {
		t.Errorf("the last life registers after this one: %v", r.Err)
	}
	if r := apply(t, f, l.again(insert))[0]; !errors.Is(r.Err, ErrUnregistered) {
		t.Errorf("a command of the last life: %v", r.Err)
	}

	// And is removed.
	l.index++
	apply(t, f, Entry{Index: l.index, Term: 1, Members: []uint64{8}})
	if r := apply(t, f, next.command(1, 1, bound(`DELETE FROM t`)))[0]; !errors.Is(r.Err, ErrUnregistered) {
		t.Errorf("a command of a member that was removed: %v", r.Err)
	}
	if r := apply(t, f, l.again(next.register(l.index-2)))[0]; !errors.Is(r.Err, ErrLateRegistration) {
		t.Errorf("its registration, late: %v", r.Err)
	}
}

// TestTooManyOrigins registers more origins than are remembered: the last one is
// refused, and the node goes on.
func TestTooManyOrigins(t *testing.T) {
	f, l := openTest(t), &log{}
	var entries []Entry
	for id := range uint64(origins.MaxOrigins) {
		entries = append(entries, (&life{l, id + 1, 1}).register(l.index))
	}
	apply(t, f, entries...)
	late := &life{l, origins.MaxOrigins + 1, 1}
	results := apply(t, f, late.register(l.index), late.command(1, 1, bound(`CREATE TABLE t (k)`)))
	if err := results[0].Err; !errors.Is(err, origins.ErrTooMany) {
		t.Errorf("one origin too many registers: %v", err)
	}
	if err := results[1].Err; !errors.Is(err, ErrUnregistered) {
		t.Errorf("and sends a command: %v", err)
	}
}

// TestRecall asks for what came of commands of which the database tells alone, as
// after an image came instead of their entries.
func TestRecall(t *testing.T) {
	f, l := openTest(t), &log{}
	node := &life{l, 7, 70}
	apply(t, f, l.sql(`CREATE TABLE t (k INTEGER PRIMARY KEY)`)...)
	registration := node.register(l.index)
	done, failed := node.command(2, 1, bound(`INSERT INTO t VALUES (1), (2)`)), node.command(3, 1, bound(`INSERT INTO t VALUES (1)`))
	apply(t, f, registration, done, failed)
	never := node.command(4, 1, bound(`INSERT INTO t VALUES (4)`))
	path := filepath.Join(t.TempDir(), "image")
	if _, err := f.Image(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	other := openTest(t)
	if err := installAs(other, path, f); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		Entry
		want string
	}{
		{"a registration", registration, "applied 70"},
		{"one that did not count, if it came", (&life{l, 7, 71}).register(0), "applied 71 " + ErrLateRegistration.Error()},
		{"a command", done, "applied 70 2"},
		{"one that failed", failed, "applied 70 23505"},
		{"one that is not there", never, "not applied"},
	} {
		r, applied, err := other.Recall(c.Data)
		got := "not applied"
		if err != nil {
			t.Fatal(err)
		}
		if applied {
			text := strings.TrimPrefix(remembered(r), "not remembered: ")
			if r.Err != nil && !r.Duplicate {
				text = r.Err.Error()
			}
			got = strings.TrimSpace(fmt.Sprint("applied ", r.Header.Incarnation, " ", text))
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestOnceAnyhow writes a log in which commands of several origins are there again
// and again, in any order, and origins start anew and are removed. However it is cut
// into batches, and wherever a node is stopped, started, gets an image or finds no room, each
// command is applied at most once, and all nodes have the same database, their
// memory of commands included, and the same results.
func TestOnceAnyhow(t *testing.T) {
	full := 0
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 1))
		entries := repetitiousLog(r)
		var first string
		for i := range 3 {
			f := &restless{t: t, rand: r, dir: t.TempDir()}
			f.open()
			text := f.applyAll(entries)
			full += f.full
			if i == 0 {
				first = text
				if got := fmt.Sprint(query(t, f.FSM, `SELECT count(*) FROM t WHERE n > 1`)); got != "[(0)]" {
					t.Errorf("seed %d: %s commands were applied more than once", seed, got)
				}
			} else if text != first {
				t.Errorf("seed %d: results and database differ:\n%s\nand\n%s", seed, first, text)
			}
			f.Close()
		}
	}
	if full == 0 {
		t.Error("there was room everywhere")
	}
}

// repetitiousLog makes a log of commands that each count in a row of their own.
func repetitiousLog(r *rand.Rand) []Entry {
	l := &log{}
	entries := l.sql(`CREATE TABLE t (name TEXT PRIMARY KEY, n INTEGER)`)
	lives := []*life{}
	for origin := range uint64(3) {
		lives = append(lives, &life{l, origin + 1, 0})
	}
	var named []Entry
	next := map[*life]uint64{}
	for range 150 {
		o := lives[r.IntN(len(lives))]
		switch dice := r.IntN(20); {
		case o.incarnation == 0 || dice == 0:
			o.incarnation = r.Uint64() | 1
			next[o] = 1
			named = append(named, o.register(l.index-r.Uint64N(min(l.index, 30))))
			entries = append(entries, named[len(named)-1])
		case dice == 1:
			l.index++
			entries = append(entries, Entry{Index: l.index, Term: 1, Members: []uint64{1, 2}})
		case dice < 10:
			seq := next[o]
			next[o]++
			name := value.String(fmt.Sprintf("%d/%x/%d", o.origin, o.incarnation, seq))
			sql := `INSERT INTO t VALUES (?1, 1) ON CONFLICT DO UPDATE SET n = n + 1`
			if r.IntN(3) == 0 {
				sql += ` RETURNING n`
			}
			statements := []sqlplan.Bound{bound(sql, name)}
			if r.IntN(6) == 0 { // takes the whole transaction with it, or fails
				statements = append(statements, bound([]string{`INSERT OR ROLLBACK INTO t VALUES (?1, 0)`, `INSERT INTO t VALUES (?1, 0)`}[r.IntN(2)], name))
			}
			named = append(named, o.command(seq, seq-min(seq-1, r.Uint64N(9)), statements...))
			entries = append(entries, named[len(named)-1])
		default:
			if len(named) > 0 {
				entries = append(entries, l.again(named[len(named)-1-r.IntN(min(len(named), 12))]))
			}
		}
	}
	return entries
}

// restless is a state machine that is stopped and started, or moved into an image
// of itself, again and again.
type restless struct {
	*FSM
	t    *testing.T
	rand *rand.Rand
	dir  string
	full int // how often there was no room
}

func (f *restless) open() {
	var err error
	if f.FSM, err = Open(filepath.Join(f.dir, "db"), Options{Readers: 1}); err != nil {
		f.t.Fatal(err)
	}
}

// applyWithLittleRoom applies entries on a disk that has room for nothing, and for
// one page more each time that they do not fit.
func (f *restless) applyWithLittleRoom(entries []Entry) (all []Result) {
	for pages := 1; ; pages++ { // no fewer than there are
		if err := f.writer.query(fmt.Sprintf("PRAGMA max_page_count=%d", pages), func([]value.Value) {}); err != nil {
			f.t.Fatal(err)
		}
		results, err := f.Apply(entries[len(all):])
		all = append(all, results...)
		switch {
		case err == nil:
			return all
		case !IsFull(err):
			f.t.Fatal(err)
		}
		f.full++
	}
}

// applyAll applies the entries in batches of any size and returns the results and
// the database as text.
func (f *restless) applyAll(entries []Entry) string {
	var b strings.Builder
	for len(entries) > 0 {
		n := 1 + f.rand.IntN(min(len(entries), 40))
		for i, r := range f.applyWithLittleRoom(entries[:n]) {
			fmt.Fprintln(&b, entries[i].Index, show(r), r.Duplicate)
		}
		entries = entries[n:]
		switch f.rand.IntN(4) {
		case 0:
			if err := f.Close(); err != nil {
				f.t.Fatal(err)
			}
			f.open()
		case 1:
			path := filepath.Join(f.dir, "image")
			if _, err := f.Image(context.Background(), path); err != nil {
				f.t.Fatal(err)
			}
			if err := installAs(f.FSM, path, f.FSM); err != nil {
				f.t.Fatal(err)
			}
		}
	}
	if _, err := f.Dump(context.Background(), &b); err != nil {
		f.t.Fatal(err)
	}
	return b.String()
}
