package sqlgen

import (
	"fmt"
	"strings"

	"quorate/internal/value"
)

// Statement is one statement of a command.
type Statement struct {
	Kind string // what it is counted as
	// Raw: the SQL is SQLite's and goes into the log as it is, with Args. Else
	// it is PostgreSQL's and is planned, with Params.
	Raw    bool
	SQL    string
	Params []Param
	Args   []value.Value
	// Fails: it is meant to fail.
	Fails bool
}

// Param is a parameter as a client sends it: text, which becomes a value of the
// type that the plan says.
type Param struct {
	Text string
	Null bool
}

// Command is what one log entry is made of; without statements it is an entry
// without a command, as Raft itself makes them.
type Command struct {
	Statements []Statement
	Time       int64  // the origin's clock, µs since the Unix epoch
	Seed       uint64 // of the command's randomness
	Zone       string // the session's time zone
	// Stale: it was planned before the newest change of the schema.
	Stale bool
	// Load: it is one that loads a dump.
	Load bool
	// Mark: it is a mark, at which batches end.
	Mark bool
	// Origin is the node that it comes from, which remembers it by a number. 0:
	// it has no name.
	Origin uint64
	// Reborn: the origin was started anew before.
	Reborn bool
	// Again: it is the entry of so many entries ago, once more; 0: it is new.
	Again int
}

// String shows a command, a statement a line.
func (c *Command) String() string {
	var b strings.Builder
	for _, what := range []struct {
		is   bool
		text string
	}{
		{c.Again > 0, fmt.Sprintf("(the entry before the last %d, again)", c.Again-1)},
		{c.Mark, "(a mark)"},
		{c.Again == 0 && !c.Mark && len(c.Statements) == 0, "(no command)"},
		{c.Stale, "(planned with an old schema)"},
		{c.Load, "(loads a dump)"},
		{c.Reborn, fmt.Sprintf("(node %d was started anew)", c.Origin)},
		{c.Origin != 0, fmt.Sprintf("(from node %d)", c.Origin)},
	} {
		if what.is {
			b.WriteString(what.text + "\n")
		}
	}
	for i := range c.Statements {
		s := &c.Statements[i]
		language := "sql"
		if s.Raw {
			language = "sqlite"
		}
		fmt.Fprintf(&b, "%s: %s", language, s.SQL)
		for k, p := range s.Params {
			text := fmt.Sprintf("%q", p.Text)
			if p.Null {
				text = "NULL"
			}
			fmt.Fprintf(&b, " $%d=%s", k+1, text)
		}
		for k, a := range s.Args {
			fmt.Fprintf(&b, " ?%d=%#v", k+1, a)
		}
		b.WriteString("\n")
	}
	return b.String()
}
