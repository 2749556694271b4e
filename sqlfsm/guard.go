package sqlfsm

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
)

// class is what kind of statement is being compiled or run, which decides what
// it may touch.
type class uint8

const (
	internal class = iota // our own
	reading               // a query on a reader
	writing               // a command's statement
	defining              // a command's DDL
)

// reservedPrefix begins the names of our own tables.
const reservedPrefix = "_quorate_"

// guard is a connection's authorizer (https://sqlite.org/c3ref/set_authorizer.html).
// It refuses what cannot be made equal on all nodes, what would outlive a
// command on one connection, and what would damage our own tables. SQLite asks
// while it compiles, so a cached statement costs nothing.
type guard struct {
	class   class
	create  bool           // the statement begins with CREATE: it may contain a query of the user's
	refused *errcode.Error // why the statement was refused, nil when it was not
	// What the statement itself, not a trigger, writes.
	target   string
	verb     sqlite.Action
	analyzes bool // it is ANALYZE

	loading bool // the command loads a dump

	indexes  map[string]bool // the full text indexes, by folded name
	fullText bool            // the statement uses one of them
}

// start prepares the guard for compiling a statement.
func (g *guard) start(c class) { *g = guard{class: c, loading: g.loading} }

// decide decides about one access.
func (g *guard) decide(a sqlite.Access) sqlite.Verdict {
	if g.class == internal {
		return sqlite.Allow
	}
	if g.refused == nil {
		g.refused = g.judge(a)
	}
	switch {
	case g.refused != nil:
		return sqlite.Deny
	case a.Action == sqlite.Analyze && strings.HasPrefix(strings.ToLower(a.First.String()), reservedPrefix):
		// Tables of ours are written once a batch: how many rows ANALYZE finds
		// there depends on where batches end.
		return sqlite.Skip
	}
	return sqlite.Allow
}

func (g *guard) judge(a sqlite.Access) *errcode.Error {
	g.notice(a)
	switch a.Action {
	case sqlite.Select, sqlite.Recursive:
		return nil
	case sqlite.CallFunction:
		if isName(a.Second, "load_extension") {
			return errcode.Newf(errcode.InsufficientPrivilege, "extensions cannot be loaded")
		}
		return nil
	case sqlite.Read:
		return g.judgeRead(a)
	case sqlite.Pragma:
		return g.judgePragma(a)
	case sqlite.Attach, sqlite.Detach:
		return notSupported("other database files cannot be attached")
	case sqlite.Transaction, sqlite.Savepoint:
		return notSupported("transaction control cannot be part of a command")
	}
	if g.class == reading {
		return errcode.Newf(errcode.InsufficientPrivilege, "a query cannot change the database")
	}
	if isName(a.Database, "temp") && !g.alters(a) {
		return errTemporary()
	}
	switch a.Action {
	case sqlite.Insert, sqlite.Update, sqlite.Delete:
		return g.judgeWrite(a)
	}
	return g.judgeDefinition(a)
}

// notice sees whether the statement, or a trigger of its, uses a full text index.
func (g *guard) notice(a sqlite.Access) {
	if g.fullText || len(g.indexes) == 0 {
		return
	}
	switch a.Action {
	case sqlite.Read, sqlite.Insert, sqlite.Update, sqlite.Delete:
		g.fullText = g.indexes[strings.ToLower(a.First.String())]
	}
}

// alters reports that ALTER TABLE looks for temporary triggers and views that
// name the table. There are none.
func (g *guard) alters(a sqlite.Access) bool {
	return g.class == defining && a.Action == sqlite.Update && isName(a.First, "sqlite_temp_master")
}

// judgeRead decides about reading a column.
func (g *guard) judgeRead(a sqlite.Access) *errcode.Error {
	table := strings.ToLower(a.First.String())
	switch table {
	case "sqlite_dbpage", "dbstat", "sqlite_stmt", "bytecode", "tables_used":
		return errReserved(table)
	}
	if g.class != writing && !g.create {
		return nil
	}
	switch {
	case table == "sqlite_sequence":
		return nil
	case g.create && table == "sqlite_master" && !isName(a.Second, "rootpage"):
		return nil // where CREATE itself looks
	case strings.HasPrefix(table, reservedPrefix), strings.HasPrefix(table, "sqlite_"):
		// The applied index moves once a batch, and page numbers depend on
		// history: neither may get into a table.
		return errReserved(table)
	case strings.HasPrefix(table, "pragma_"):
		return notSupported("a command cannot read " + table)
	case isName(a.Database, "temp"):
		return errTemporary()
	}
	return nil
}

// readPragmas are those that only look at the schema.
var readPragmas = map[string]bool{
	"table_info": true, "table_xinfo": true, "table_list": true,
	"index_list": true, "index_info": true, "index_xinfo": true,
	"foreign_key_list": true, "foreign_key_check": true, "collation_list": true, "function_list": true,
	"compile_options": true, "database_list": true,
}

func (g *guard) judgePragma(a sqlite.Access) *errcode.Error {
	name := strings.ToLower(a.First.String())
	switch {
	case name == "data_version":
		return nil // how a full text index sees that another connection has written
	case g.class == reading && readPragmas[name]:
		return nil
	case g.class == defining && (name == "quick_check" || name == "integrity_check"):
		return nil // ALTER TABLE … ADD COLUMN looks whether the rows fit
	}
	return notSupported("PRAGMA " + name + " is not available")
}

// judgeWrite decides about INSERT, UPDATE and DELETE on a table.
func (g *guard) judgeWrite(a sqlite.Access) *errcode.Error {
	table := a.First.String()
	lower := strings.ToLower(table)
	if strings.HasPrefix(lower, reservedPrefix) {
		return errReserved(table)
	}
	if g.class == defining {
		return nil // SQLite writes its own tables; the verb is CREATE, ALTER, DROP …
	}
	if strings.HasPrefix(lower, "sqlite_") && !(g.loading && lower == "sqlite_sequence") {
		return errReserved(table)
	}
	if g.target == "" && a.Through == 0 {
		g.target, g.verb = table, a.Action
	}
	return nil
}

// judgeDefinition decides about DDL. a.First and a.Second are the object and
// its table, or the database and the table.
func (g *guard) judgeDefinition(a sqlite.Access) *errcode.Error {
	switch a.Action {
	case sqlite.CreateTempIndex, sqlite.CreateTempTable, sqlite.CreateTempTrigger, sqlite.CreateTempView,
		sqlite.DropTempIndex, sqlite.DropTempTable, sqlite.DropTempTrigger, sqlite.DropTempView:
		return errTemporary()
	case sqlite.CreateVTable, sqlite.DropVTable:
		// Of the modules that there are, only full text search is known to keep
		// nothing in a connection that could not be written out: see fulltext.go.
		if !isName(a.Second, "fts5") {
			return notSupported("virtual tables other than USING fts5 are not supported")
		}
	}
	if g.class != defining {
		return notSupported("the schema can only be changed by a statement that was planned so")
	}
	if a.Action == sqlite.Analyze {
		g.analyzes = true
		return nil
	}
	for _, n := range []sqlite.Name{a.First, a.Second} {
		name := strings.ToLower(n.String())
		drop := a.Action == sqlite.DropTable || a.Action == sqlite.DropIndex || a.Action == sqlite.AlterTable
		if strings.HasPrefix(name, reservedPrefix) || drop && strings.HasPrefix(name, "sqlite_") {
			return errReserved(n.String())
		}
	}
	return nil
}

func isName(n sqlite.Name, name string) bool {
	return n != 0 && strings.EqualFold(n.String(), name)
}

func errReserved(table string) *errcode.Error {
	e := errcode.Newf(errcode.InsufficientPrivilege, "permission denied for table %s", table)
	e.Table = table
	return e
}

func errTemporary() *errcode.Error {
	return notSupported("temporary objects are not supported").
		WithHint("A temporary object would exist on one connection of one node only. Use a table.")
}

func notSupported(sentence string) *errcode.Error {
	return &errcode.Error{Code: errcode.FeatureNotSupported, Message: sentence}
}
