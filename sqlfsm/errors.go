package sqlfsm

import (
	"errors"
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// isEnvironment reports that an error is the node's, not the statement's: the
// same statement may succeed on another node, or later.
func isEnvironment(c sqlite.Code) bool {
	switch c.Primary() {
	case sqlite.NoMem, sqlite.IOErr, sqlite.Full, sqlite.Busy, sqlite.Locked, sqlite.Corrupt, sqlite.NotADB,
		sqlite.CantOpen, sqlite.ReadOnly, sqlite.Protocol, sqlite.NoLFS, sqlite.Interrupt, sqlite.Internal,
		sqlite.Perm, sqlite.Misuse, sqlite.Abort, sqlite.Schema:
		return true
	}
	return false
}

// IsFull reports whether an error says that there is no room: on the disk of the
// database, on that of temporary files, or in the greatest size that a database has.
func IsFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code.Primary() == sqlite.Full
}

// environmentError tells a query's client what is wrong with the node.
func environmentError(e *sqlite.Error) *errcode.Error {
	code, hint := errcode.InternalError, ""
	switch e.Code.Primary() {
	case sqlite.Full:
		code, hint = errcode.DiskFull, "A query needs room for temporary files (SQLITE_TMPDIR, TMPDIR or /var/tmp of the node) when it sorts much."
	case sqlite.NoMem:
		code = errcode.OutOfMemory
	case sqlite.Corrupt, sqlite.NotADB:
		code = errcode.DataCorrupted
	case sqlite.Interrupt:
		code = errcode.QueryCanceled
	}
	return errcode.Newf(code, "the database of this node failed: %s", e.Message).WithHint("%s", hint)
}

// explain sorts out an error of a command's statement: an *errcode.Error is
// the command's and the same on every node; anything else is this node's.
func (f *FSM) explain(p *prepared, err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		if f.highest { // a function's, maybe of a random number
			return errHighestRowID()
		}
		return err
	}
	code := e.Code.Primary()
	exhausted := f.counter.exhausted() && (code == sqlite.Interrupt || code == sqlite.NoMem || !isEnvironment(e.Code))
	switch {
	case e.Code == sqlite.CorruptVTab && !exhausted:
		return errFullTextDiffers(e)
	case f.highest && (exhausted || code == sqlite.Full || !isEnvironment(e.Code)):
		return errHighestRowID() // what else came of it depends on a random number
	case exhausted:
		return f.counter.verdict()
	case isEnvironment(e.Code):
		return err
	}
	return translate(f.writer, p, e, &f.names)
}

// translate makes of an SQLite error what PostgreSQL would have said, an
// *errcode.Error that depends on the statement and the schema only; any other
// error is the node's, which could not look up the names for it. p may be nil,
// and names is nil on readers.
func translate(c *connection, p *prepared, e *sqlite.Error, names *constraintNames) error {
	switch e.Code.Primary() {
	case sqlite.Constraint:
		return translateConstraint(c, p, e, names)
	case sqlite.Mismatch:
		return keyViolation(c, p)
	case sqlite.TooBig:
		return errcode.Newf(errcode.ProgramLimitExceeded, "%s", e.Message)
	case sqlite.Auth:
		return errcode.Newf(errcode.InsufficientPrivilege, "%s", e.Message)
	case sqlite.Range:
		return errcode.Newf(errcode.ProtocolViolation, "%s", e.Message)
	}
	if p != nil && p.fullText && e.Message == "SQL logic error" {
		return errcode.Newf(errcode.InvalidParameterValue, "the full text index %s does not know this command, or not its operand", p.target)
	}
	return translateMessage(e.Message)
}

// messages are the beginnings or parts of SQLite's messages and what they
// are in PostgreSQL; %s is the rest of the message. The first that fits wins.
var messages = []struct {
	part   string // "x" anywhere, "^x" at the beginning
	code   errcode.Code
	format string // "" keeps SQLite's words
}{
	{"^no such table: ", errcode.UndefinedTable, `relation "%s" does not exist`},
	{"^no such view: ", errcode.UndefinedTable, `view "%s" does not exist`},
	{"^no such column: ", errcode.UndefinedColumn, `column "%s" does not exist`},
	{"^no such index: ", errcode.UndefinedObject, `index "%s" does not exist`},
	{"^no such trigger: ", errcode.UndefinedObject, `trigger "%s" does not exist`},
	{"^no such collation sequence: ", errcode.UndefinedObject, `collation "%s" does not exist`},
	{"^no such function: ", errcode.UndefinedFunction, `function %s does not exist`},
	{"^wrong number of arguments to function ", errcode.UndefinedFunction, `function %s does not exist with these arguments`},
	{"^ambiguous column name: ", errcode.AmbiguousColumn, `column reference "%s" is ambiguous`},
	{"^duplicate column name: ", errcode.DuplicateColumn, `column "%s" specified more than once`},
	{"has no column named ", errcode.UndefinedColumn, `column "%s" does not exist`},
	{"already another table or index with this name", errcode.DuplicateTable, ""},
	{"^there is already ", errcode.DuplicateTable, ""},
	{"^trigger ", errcode.DuplicateObject, ""},
	{"already exists", errcode.DuplicateTable, ""},
	{": syntax error", errcode.SyntaxError, ""},
	{"^incomplete input", errcode.SyntaxError, "syntax error at end of input"},
	{"^unrecognized token", errcode.SyntaxError, ""},
	{"values were supplied", errcode.SyntaxError, ""},
	{"values for ", errcode.SyntaxError, ""},
	{"^integer overflow", errcode.NumericValueOutOfRange, "bigint out of range"},
	{"^malformed JSON", errcode.InvalidTextRepresentation, "invalid input syntax for type json"},
	{"^JSON cannot hold BLOB", errcode.InvalidParameterValue, "JSON cannot hold a bytea value"},
	{"^bad JSON path", errcode.InvalidParameterValue, ""},
	{"^too many columns", errcode.TooManyColumns, ""},
	{"^too many ", errcode.StatementTooComplex, ""},
	{"nested too deep", errcode.StatementTooComplex, ""},
	{"^parser stack overflow", errcode.StatementTooComplex, ""},
	{"^Expression tree is too large", errcode.StatementTooComplex, ""},
	{"^string or blob too big", errcode.ProgramLimitExceeded, ""},
	{"^misuse of aggregate", errcode.GroupingError, ""},
	{"^misuse of window", errcode.GroupingError, ""},
	{"because it is a view", errcode.WrongObjectType, ""},
	{"^foreign key mismatch", errcode.InvalidTableDefinition, ""},
	{"non-deterministic", errcode.InvalidTableDefinition, ""},
	{"^Cannot add a", errcode.InvalidTableDefinition, ""},
	{"ON CONFLICT clause does not match", errcode.InvalidColumnReference, "there is no unique constraint matching the ON CONFLICT specification"},
	{"sub-select returns", errcode.SyntaxError, ""},
	{"^row value misused", errcode.SyntaxError, ""},
	{"^cannot ", errcode.FeatureNotSupported, ""},
	{"may not be ", errcode.InsufficientPrivilege, ""},
	{"reserved for internal use", errcode.InsufficientPrivilege, ""},
	{"is prohibited", errcode.InsufficientPrivilege, ""},
	{"not authorized", errcode.InsufficientPrivilege, ""},
	{"error in ", errcode.InvalidTableDefinition, ""},
	// Full text search.
	{"^no such tokenizer: ", errcode.UndefinedObject, `tokenizer "%s" does not exist`},
	{"^reserved fts5 ", errcode.InvalidTableDefinition, ""},
	{"^unterminated string", errcode.SyntaxError, "syntax error in the full text query: unterminated string"},
	{"^unknown special query", errcode.InvalidParameterValue, ""},
	{"^no such cursor", errcode.FeatureNotSupported, "a full text function outside a full text query"}, // the message has a number of the connection's
	{"^unable to use function", errcode.FeatureNotSupported, ""},
	{"^'delete", errcode.FeatureNotSupported, ""},
	{"RETURNING is not available", errcode.FeatureNotSupported, ""},
	{"^UPSERT not implemented", errcode.FeatureNotSupported, ""},
}

func translateMessage(message string) *errcode.Error {
	for _, m := range messages {
		part, anchored := strings.CutPrefix(m.part, "^")
		i := strings.Index(message, part)
		if i < 0 || anchored && i > 0 {
			continue
		}
		if strings.Contains(m.format, "%s") {
			rest, _, _ := strings.Cut(message[i+len(part):], " - should this be ")
			return errcode.Newf(m.code, m.format, strings.Trim(rest, `"`))
		}
		if m.format != "" {
			message = m.format
		}
		return &errcode.Error{Code: m.code, Message: message}
	}
	return &errcode.Error{Code: errcode.InternalError, Message: "the database refused the statement: " + message}
}

// translateConstraint handles the SQLITE_CONSTRAINT codes.
func translateConstraint(c *connection, p *prepared, e *sqlite.Error, names *constraintNames) error {
	_, what, _ := strings.Cut(e.Message, " constraint failed: ")
	if what == "" && p != nil {
		what = p.target + ".rowid" // of a full text index, which tells no names
	}
	switch e.Code {
	case sqlite.ConstraintUnique, sqlite.ConstraintPrimaryKey, sqlite.ConstraintRowID:
		return uniqueViolation(c, e.Code, what, names)
	case sqlite.ConstraintNotNull:
		table, column, _ := strings.Cut(what, ".")
		v := errcode.Newf(errcode.NotNullViolation, `null value in column "%s" of relation "%s" violates not-null constraint`, column, table)
		v.Table, v.Column = table, column
		return v
	case sqlite.ConstraintForeignKey:
		return foreignKeyViolation(p)
	case sqlite.ConstraintCheck:
		return checkViolation(p, what)
	case sqlite.ConstraintDataType:
		return datatypeViolation(c, e.Message)
	}
	return errcode.Newf(errcode.IntegrityConstraintViolation, "%s", e.Message) // RAISE in a trigger
}

// uniqueViolation reads "t.a, t.b" or "index 'i'".
func uniqueViolation(c *connection, code sqlite.Code, what string, names *constraintNames) error {
	var table, constraint string
	if index, ok := strings.CutPrefix(what, "index '"); ok {
		constraint = strings.TrimSuffix(index, "'")
	} else {
		var columns []string
		for _, column := range strings.Split(what, ", ") {
			t, name, _ := strings.Cut(column, ".")
			table = t
			columns = append(columns, name)
		}
		constraint = table + "_pkey"
		if code == sqlite.ConstraintUnique {
			var err error
			if constraint, err = names.unique(c, table, columns); err != nil {
				return err
			}
		}
	}
	v := errcode.Newf(errcode.UniqueViolation, `duplicate key value violates unique constraint "%s"`, constraint)
	v.Table, v.Constraint = table, constraint
	return v
}

// constraintNames keeps the names of unique constraints, which SQLite's
// messages leave out, so that a workload that runs into one at every second
// statement does not look it up each time.
type constraintNames struct{ byColumns map[string]string }

func (n *constraintNames) forget() { n.byColumns = nil }

// unique returns the name of the unique index over the columns: the one it
// was created with, or the one that PostgreSQL would give to a constraint.
func (n *constraintNames) unique(c *connection, table string, columns []string) (name string, err error) {
	list := strings.Join(columns, "_")
	key := table + "." + list
	if n != nil && n.byColumns[key] != "" {
		return n.byColumns[key], nil
	}
	name = table + "_" + list + "_key"
	err = c.query(`SELECT l.name FROM pragma_index_list(?1, 'main') l WHERE l."unique" AND l.origin = 'c'
		AND (SELECT group_concat(i.name, '_') FROM (SELECT name FROM pragma_index_info(l.name, 'main') ORDER BY seqno) i) = ?2
		ORDER BY l.name DESC`, func(row []value.Value) { name = row[0].Text() }, value.String(table), value.String(list))
	if err == nil && n != nil {
		if n.byColumns == nil {
			n.byColumns = make(map[string]string)
		}
		n.byColumns[key] = name
	}
	return name, err
}

// keyViolation handles SQLITE_MISMATCH: a rowid that is not an integer. The
// planner converts every value that goes into one and writes an empty text for
// a NULL, for which SQLite would make up a rowid. Where no key is being written
// it is a LIMIT or OFFSET.
func keyViolation(c *connection, p *prepared) error {
	var column string
	if p != nil && p.target != "" {
		err := c.query(`SELECT name FROM pragma_table_info(?1, 'main') WHERE pk = 1`, func(row []value.Value) { column = row[0].Text() }, value.String(p.target))
		if err != nil {
			return err
		}
	}
	if column == "" {
		return errcode.Newf(errcode.DatatypeMismatch, "a row number, LIMIT or OFFSET is not an integer")
	}
	v := errcode.Newf(errcode.NotNullViolation, `null value in column "%s" of relation "%s" violates not-null constraint`, column, p.target)
	v.Table, v.Column = p.target, column
	return v
}

func foreignKeyViolation(p *prepared) *errcode.Error {
	if p == nil || p.target == "" {
		return errcode.Newf(errcode.ForeignKeyViolation, "a foreign key constraint is violated")
	}
	verb := "insert or update"
	if p.verb == sqlite.Delete {
		verb = "update or delete"
	} else if p.verb == sqlite.Update {
		verb = "update"
	}
	v := errcode.Newf(errcode.ForeignKeyViolation, `%s on table "%s" violates a foreign key constraint`, verb, p.target)
	v.Table = p.target
	return v
}

// typeCheckPrefix begins the names of the CHECK constraints with which the
// planner enforces declared types: "quorate varchar 50".
const typeCheckPrefix = "quorate "

// checkViolation handles a failed CHECK, of which SQLite tells the name or,
// when it has none, the expression.
func checkViolation(p *prepared, name string) *errcode.Error {
	if words, ok := strings.CutPrefix(name, typeCheckPrefix); ok {
		return typeViolation(strings.Fields(words))
	}
	v := errcode.Newf(errcode.CheckViolation, `new row violates check constraint "%s"`, name)
	if p != nil && p.target != "" {
		v.Message = `new row for relation "` + p.target + `" violates check constraint "` + name + `"`
		v.Table = p.target
	}
	v.Constraint = name
	return v
}

// typeViolation says that a value is not one of a declared type; words are the
// type's name and its modifiers.
func typeViolation(words []string) *errcode.Error {
	if len(words) == 0 {
		return errcode.Newf(errcode.DatatypeMismatch, "a value does not fit its column's type")
	}
	oid, _ := pgtype.ByName(words[0])
	name := words[0]
	if oid != 0 {
		name = pgtype.Format(pgtype.Of(oid))
	}
	switch oid {
	case pgtype.Varchar, pgtype.BPChar:
		if len(words) > 1 {
			name += "(" + words[1] + ")"
		}
		return errcode.Newf(errcode.StringDataRightTruncation, "value too long for type %s", name)
	case pgtype.Int2, pgtype.Int4, pgtype.Int8, pgtype.Float4, pgtype.Float8:
		return errcode.Newf(errcode.NumericValueOutOfRange, "%s out of range", name)
	case pgtype.Numeric:
		v := errcode.Newf(errcode.NumericValueOutOfRange, "numeric field overflow")
		if len(words) > 2 {
			v.WithDetail("A field with precision %s, scale %s must round to an absolute value that fits it.", words[1], words[2])
		}
		return v
	case pgtype.Date, pgtype.Time, pgtype.Timestamp, pgtype.Timestamptz, pgtype.Interval:
		return errcode.Newf(errcode.InvalidDatetimeFormat, "invalid input syntax for type %s", name)
	}
	return errcode.Newf(errcode.InvalidTextRepresentation, "invalid input syntax for type %s", name)
}

// storageTypes are the PostgreSQL types of SQLite's storage classes, as its
// messages about STRICT tables name them.
var storageTypes = map[string]string{"INTEGER": "bigint", "REAL": "double precision", "TEXT": "text", "BLOB": "bytea", "NUMERIC": "numeric"}

// datatypeViolation reads "cannot store TEXT value in INTEGER column t.c", what
// STRICT tables say.
func datatypeViolation(c *connection, message string) error {
	words := strings.SplitN(message, " ", 8)
	if len(words) < 8 {
		return errcode.Newf(errcode.DatatypeMismatch, "%s", message)
	}
	from := words[2]
	table, column, _ := strings.Cut(words[7], ".")
	to, err := c.declaredType(table, column)
	if err != nil {
		return err
	}
	if to == "" {
		to = storageTypes[words[5]]
	}
	v := errcode.Newf(errcode.DatatypeMismatch, `column "%s" is of type %s but expression is of type %s`, column, to, storageTypes[from])
	if from == "TEXT" {
		v = errcode.Newf(errcode.InvalidTextRepresentation, `invalid input syntax for type %s in column "%s"`, to, column)
	}
	v.Table, v.Column = table, column
	return v
}

// declaredType returns a column's declared type as PostgreSQL writes it, ""
// when it has none.
func (c *connection) declaredType(table, column string) (name string, err error) {
	err = c.query(`SELECT type, modifier FROM main._quorate_types WHERE relation = ?1 AND "column" = ?2`, func(row []value.Value) {
		if oid, ok := pgtype.ByName(row[0].Text()); ok {
			name = pgtype.Format(pgtype.Type{OID: oid, Mod: int32(row[1].Int())})
		}
	}, value.String(table), value.String(column))
	return name, err
}
