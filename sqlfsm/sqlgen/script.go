package sqlgen

import "quorate/internal/value"

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
	typ  string // for drawing another one; "": none fits
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
	// Members, when not nil, are the cluster's from its entry on.
	Members []uint64
}
