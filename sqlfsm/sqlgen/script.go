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
}

// String shows a command, a statement a line.
func (c *Command) String() string {
	var b strings.Builder
	if len(c.Statements) == 0 {
		b.WriteString("(no command)\n")
	}
	if c.Stale {
		b.WriteString("(planned with an old schema)\n")
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
