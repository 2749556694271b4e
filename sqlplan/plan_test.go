package sqlplan

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// TestTranscripts runs the stories of testdata. Each begins with an empty
// schema. The commands:
//
//	schema      plans DDL statements and goes on with the schema after them;
//	            with quiet, only errors are shown
//	plan        plans each statement and shows SQL and what else is not empty;
//	            params=(int4,0,…) are the types that the client gives,
//	            tz= the session's time zone
//	error       plans each statement of a line of its own and shows its error
//	split       shows the statements of a query
//	run         plans statements and runs them on SQLite; args=(…) are the
//	            parameters as text
func TestTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		schema := emptySchema()
		var e *engine
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "schema":
				return runSchema(&schema, d)
			case "plan":
				return runPlan(schema, d)
			case "error":
				return runErrors(schema, d)
			case "split":
				return runSplit(d)
			case "run":
				if e == nil {
					e = newEngine(t)
				}
				return e.run(&schema, d)
			}
			t.Fatalf("%s: unknown command %q", d.Pos, d.Cmd)
			return ""
		})
	})
}

func emptySchema() *Schema { return &Schema{Version: 1, Relations: map[string]*Relation{}} }

func options(d *datadriven.TestData) Options {
	var o Options
	for _, arg := range d.CmdArgs {
		switch arg.Key {
		case "tz":
			o.TimeZone = arg.Vals[0]
		case "params":
			for _, name := range arg.Vals {
				oid, _ := pgtype.ByName(name)
				o.ParamTypes = append(o.ParamTypes, oid)
			}
		}
	}
	return o
}

func runSchema(schema **Schema, d *datadriven.TestData) string {
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
		if !d.HasArg("quiet") {
			b.WriteString(showPlan(plan))
		}
		*schema = (*schema).After(plan)
	}
	return b.String()
}

func runPlan(schema *Schema, d *datadriven.TestData) string {
	statements, err := Split(d.Input)
	if err != nil {
		return showError(err)
	}
	var b strings.Builder
	for _, s := range statements {
		plan, err := schema.Plan(s.Text, options(d))
		if err != nil {
			b.WriteString(showError(err))
			continue
		}
		b.WriteString(showPlan(plan))
	}
	return b.String()
}

// runErrors shows a line for each statement, which are one on a line.
func runErrors(schema *Schema, d *datadriven.TestData) string {
	var b strings.Builder
	for _, line := range strings.Split(d.Input, "\n") {
		plan, err := schema.Plan(line, options(d))
		if err != nil {
			b.WriteString(showError(err))
			continue
		}
		b.WriteString("planned: " + plan.SQL + "\n")
	}
	return b.String()
}

func runSplit(d *datadriven.TestData) string {
	statements, err := Split(d.Input)
	if err != nil {
		return showError(err)
	}
	var b strings.Builder
	for _, s := range statements {
		fmt.Fprintf(&b, "%d: %s\n", s.Offset, strconv.Quote(s.Text))
	}
	return b.String()
}

func showError(err error) string {
	var e *errcode.Error
	if !errors.As(err, &e) {
		return fmt.Sprintf("not a client's error: %v\n", err)
	}
	s := fmt.Sprintf("%s at %d: %s\n", e.Code, e.Position, e.Message)
	if e.Detail != "" {
		s += "  detail: " + e.Detail + "\n"
	}
	if e.Hint != "" {
		s += "  hint: " + e.Hint + "\n"
	}
	return s
}

var kindNames = map[Kind]string{
	Empty: "empty", Read: "read", Write: "write", Set: "set", Show: "show",
	Transaction: "transaction", Deallocate: "deallocate", Discard: "discard",
}

func showPlan(p *Plan) string {
	var b strings.Builder
	b.WriteString(kindNames[p.Kind])
	if p.Tag != "" {
		b.WriteString(" " + p.Tag)
	}
	if p.Schema {
		b.WriteString(" (schema)")
	}
	if p.UsesTimeZone {
		b.WriteString(" (time zone)")
	}
	b.WriteString("\n")
	line := func(name, text string) {
		if text != "" {
			b.WriteString("  " + name + ": " + text + "\n")
		}
	}
	line("sql", p.SQL)
	line("params", listOf(p.Params, showType))
	line("session", listOf(p.Session, func(s SessionValue) string { return sessionNames[s] }))
	line("columns", listOf(p.Columns, func(c ResultColumn) string {
		s := c.Name + " " + showType(c.Type)
		if c.Attribute != 0 {
			s += fmt.Sprintf(" (%d)", c.Attribute)
		}
		return s
	}))
	line("types", listOf(p.Types, showChange))
	if p.Setting != (Setting{}) {
		line("setting", fmt.Sprintf("%+v", p.Setting))
	}
	line("scan order", p.ScanOrder)
	line("warnings", strings.Join(p.Warnings, "; "))
	return b.String()
}

func listOf[T any](items []T, show func(T) string) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = show(item)
	}
	return strings.Join(words, ", ")
}

func showType(t pgtype.Type) string {
	if t.OID == 0 {
		return "-"
	}
	return pgtype.Format(t)
}

func showChange(c TypeChange) string {
	switch c.Op {
	case SetType:
		return "set " + c.Relation + "." + c.Column + " " + showType(c.Type)
	case DropRelation:
		return "drop " + c.Relation
	case RenameRelation:
		return "rename " + c.Relation + " to " + c.NewName
	case DropColumn:
		return "drop " + c.Relation + "." + c.Column
	case RenameColumn:
		return "rename " + c.Relation + "." + c.Column + " to " + c.NewName
	}
	return "?"
}
