package sqldump

import "strings"

// Kind says what import does with a statement of SQLite's SQL.
type Kind uint8

// The kinds of statement.
const (
	Rows     Kind = iota // changes rows
	Define               // CREATE, DROP, REINDEX
	Types                // rows of the type table
	Sequence             // rows of sqlite_sequence
	Analyze              // makes statistics; alone in its command
	Skip                 // nothing: it is about the connection, or done otherwise here
	Refuse               // cannot be carried out; Why says why
)

// Classify says what a statement of SQLite's SQL is, by its first words.
func Classify(text string) (kind Kind, why *LineError) {
	s := scanner{sql: text}
	first := strings.ToUpper(s.next())
	switch first {
	case "BEGIN", "COMMIT", "END", "SAVEPOINT", "RELEASE", "PRAGMA", "VACUUM", "SELECT", "VALUES", "EXPLAIN":
		return Skip, nil
	case "ROLLBACK":
		return Refuse, &LineError{Problem: "ROLLBACK: the file takes back what it has written; sqlite3 ends the dump of a damaged database so"}
	case "ATTACH", "DETACH":
		return Refuse, &LineError{Problem: first + ": other database files cannot be attached"}
	case "ANALYZE":
		if t := strings.ToLower(nameOf(s.next())); t == "sqlite_schema" || t == "sqlite_master" {
			return Skip, nil // statistics follow, which are made anew
		}
		return Analyze, nil
	case "CREATE":
		return classifyCreate(&s)
	case "DROP", "REINDEX":
		return Define, nil
	case "ALTER":
		return Refuse, &LineError{Problem: "ALTER TABLE is not carried out here, where SQL is taken as SQLite's", Hint: "Run it with psql, or import the file with --format postgresql."}
	case "INSERT", "REPLACE", "UPDATE", "DELETE", "WITH":
		return classifyChange(first, &s)
	}
	return Refuse, &LineError{Problem: "this is no statement of SQL: " + Abbreviate(text)}
}

func classifyCreate(s *scanner) (Kind, *LineError) {
	token := strings.ToUpper(s.next())
	if token == "TEMP" || token == "TEMPORARY" {
		return Refuse, &LineError{Problem: "temporary objects cannot be imported"}
	}
	if token != "TABLE" {
		return Define, nil
	}
	token = s.next()
	if strings.EqualFold(token, "IF") {
		s.next() // NOT
		s.next() // EXISTS
		token = s.next()
	}
	switch name := strings.ToLower(nameOf(token)); {
	case name == typesTable, name == definitionsTable, name == "sqlite_sequence", strings.HasPrefix(name, "sqlite_stat"):
		return Skip, nil // they are there, or made when they are needed
	}
	return Define, nil
}

// classifyChange looks at the table that is changed.
func classifyChange(first string, s *scanner) (Kind, *LineError) {
	token := s.next()
	if first == "WITH" {
		return Rows, nil
	}
	for isOneOf(token, "OR", "REPLACE", "IGNORE", "ABORT", "FAIL", "INTO", "FROM") {
		token = s.next()
	}
	table := strings.ToLower(nameOf(token))
	switch {
	case table == typesTable && first == "INSERT":
		return Types, nil
	case table == "sqlite_sequence" && first == "INSERT":
		return Sequence, nil
	case table == definitionsTable, table == "sqlite_sequence", strings.HasPrefix(table, "sqlite_stat"):
		return Skip, nil
	case table == "sqlite_schema", table == "sqlite_master":
		return Refuse, &LineError{Problem: "the file makes a virtual table by writing to " + table + ", which is not possible in a cluster",
			Hint: "Import the database file itself instead of its .dump: quorate import FILE.sqlite"}
	}
	return Rows, nil
}

// ChangedTable returns the table that an INSERT, UPDATE, DELETE or DROP TABLE is
// about; "" when it cannot be told.
func ChangedTable(text string) string {
	s := scanner{sql: text}
	first := s.next()
	if !isOneOf(first, "INSERT", "REPLACE", "UPDATE", "DELETE", "DROP") {
		return ""
	}
	token := s.next()
	for isOneOf(token, "OR", "REPLACE", "IGNORE", "ABORT", "FAIL", "INTO", "FROM", "TABLE", "VIEW", "IF", "EXISTS") {
		token = s.next()
	}
	if s.next() == "." { // main.t
		return nameOf(s.next())
	}
	return nameOf(token)
}

// SessionOnly reports that a statement of PostgreSQL's SQL changes nothing but the
// session that would run it: pg_dump sets how its file is to be read, and where
// sequences go on, which they find out themselves here.
func SessionOnly(text string) bool {
	s := scanner{sql: text}
	return isOneOf(s.next(), "SELECT", "VALUES", "TABLE", "SET", "RESET", "SHOW")
}

func isOneOf(word string, list ...string) bool {
	for _, w := range list {
		if strings.EqualFold(word, w) {
			return true
		}
	}
	return false
}

// Abbreviate shows the beginning of a statement on one line.
func Abbreviate(text string) string {
	const most = 60
	short := strings.Join(strings.Fields(text[:min(len(text), 4*most)]), " ")
	if len(short) > most {
		short = strings.ToValidUTF8(short[:most], "") + "…"
	}
	return short
}
