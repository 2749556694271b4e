package sqlplan

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
	"quorate/sqlplan/pgtype"
)

// engine is a SQLite database with pgfunc's functions, to run plans on.
type engine struct {
	db     *sqlite.Conn
	random uint64
}

// NowMicros is a fixed instant, 2026-01-02 03:04:05 UTC.
func (e *engine) NowMicros() int64 { return 1767323045_000000 }

func (e *engine) Uint64() uint64 {
	e.random += 0x9e3779b97f4a7c15
	return e.random
}

func (e *engine) Spend(int) error                  { return nil }
func (e *engine) Limited() bool                    { return false }
func (e *engine) Expressions() *pgfunc.Expressions { return new(pgfunc.Expressions) }

func newEngine(t testing.TB) *engine {
	t.Helper()
	db, err := sqlite.Open(filepath.Join(t.TempDir(), "db"), sqlite.Create)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	e := &engine{db: db}
	db.SetClockMicros(e.NowMicros())
	for _, f := range pgfunc.Implementations() {
		impl := f.Impl
		err := db.CreateFunction(sqlite.Function{Name: f.Name, Args: f.Args, Deterministic: f.Deterministic,
			Scalar: func(args []value.Value) (value.Value, error) { return impl(e, args) }})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, option := range []sqlite.Option{sqlite.DQSInDML, sqlite.DQSInDDL} {
		if err := db.Configure(option, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Exec("PRAGMA foreign_keys=1; PRAGMA recursive_triggers=1"); err != nil {
		t.Fatal(err)
	}
	return e
}

// run plans and executes the statements of a query and shows their rows as a
// client would see them as text. Parameters come from args=(…) as text and go
// through the types of the plan, as the front door sends them.
func (e *engine) run(schema **Schema, d *datadriven.TestData) string {
	statements, err := Split(d.Input)
	if err != nil {
		return showError(err)
	}
	var b strings.Builder
	for _, s := range statements {
		plan, err := (*schema).Plan(s.Text, options(d))
		if err != nil {
			b.WriteString(showError(err))
			continue
		}
		if err := e.execute(&b, plan, d); err != nil {
			b.WriteString(engineError(err))
			continue
		}
		*schema = (*schema).After(plan)
	}
	if b.Len() == 0 {
		return "ok\n"
	}
	return b.String()
}

func engineError(err error) string {
	var told *errcode.Error
	if errors.As(err, &told) {
		return showError(told)
	}
	return err.Error() + "\n"
}

func (e *engine) execute(b *strings.Builder, plan *Plan, d *datadriven.TestData) error {
	args, err := e.args(plan, d)
	if err != nil {
		return err
	}
	s, tail, err := e.db.Prepare(plan.SQL, false)
	if err != nil {
		return fmt.Errorf("%w in %s", err, plan.SQL)
	}
	defer s.Finalize()
	if strings.TrimSpace(tail) != "" {
		return fmt.Errorf("a second statement: %q", tail)
	}
	if err := s.Bind(args); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if err := showRow(b, plan, s.Row()); err != nil {
			return err
		}
	}
}

func (e *engine) args(plan *Plan, d *datadriven.TestData) ([]value.Value, error) {
	var args []value.Value
	for _, arg := range d.CmdArgs {
		if arg.Key != "args" {
			continue
		}
		for i, text := range arg.Vals {
			if i >= len(plan.Params) {
				break
			}
			if text == "null" {
				args = append(args, value.Value{})
				continue
			}
			t := plan.Params[i]
			if t.OID == 0 {
				t = pgtype.Of(pgtype.Text)
			}
			if pgtype.ElementOf(t.OID) != 0 {
				text = strings.ReplaceAll(text, ";", ",") // the comma is between arguments
			}
			v, err := pgtype.ParseText(t, []byte(text), nil)
			if err != nil {
				return nil, err
			}
			args = append(args, v)
		}
	}
	for len(args) < len(plan.Params) {
		args = append(args, value.Value{})
	}
	for _, s := range plan.Session {
		args = append(args, map[SessionValue]value.Value{
			CurrentUser: value.String("alice"), TimeZone: value.String("Europe/Berlin"), ApplicationName: value.String("test"),
			BackendPID: value.Int(7), InRecovery: value.Bool(false),
		}[s])
	}
	return args, nil
}

// showRow writes a row as the front door would send it as text.
func showRow(b *strings.Builder, plan *Plan, row []value.Value) error {
	if plan.Columns == nil {
		return nil
	}
	if len(row) != len(plan.Columns) && len(plan.Columns) > 0 {
		return fmt.Errorf("%d values for %d columns", len(row), len(plan.Columns))
	}
	for i, c := range plan.Columns {
		if i > 0 {
			b.WriteString(" | ")
		}
		if row[i].IsNull() {
			b.WriteString("NULL")
			continue
		}
		t := c.Type
		if t.OID == 0 {
			t = pgtype.Of(pgtype.Text)
		}
		text, err := pgtype.AppendText(nil, t, row[i], nil)
		if err != nil {
			return err
		}
		b.Write(text)
	}
	b.WriteString("\n")
	return nil
}
