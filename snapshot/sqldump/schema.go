package sqldump

import (
	"fmt"
	"strings"

	"quorate/internal/value"
)

// Source answers queries on one view of a database: all see the same.
type Source interface {
	// Query runs a query and hands each row to each. The values are valid until it
	// returns. Query returns the error of each as it is.
	Query(sql string, each func(row []value.Value) error) error
}

// ProgressTable is where imports keep how far they are. It belongs to the
// cluster, not to the data, and is left out of dumps.
const ProgressTable = "quorate_imports"

// typesTable is the state machine's table of declared types.
const typesTable = "_quorate_types"

// metaTable is in a cluster's database.
const metaTable = "_quorate_meta"

// object is a row of sqlite_schema.
type object struct {
	kind, name, table, sql string
	shell                  shellText // what sqlite3 gets
}

// table is a table with rows to dump.
type table struct {
	object
	virtual      bool
	withoutRowID bool
	columns      []string // those that are inserted, quoted
	computed     []string // those that are inserted in sqlite3 only, quoted
	key          []string // the primary key's, in its order, quoted
	rowID        string   // the name of a rowid that no column holds; "" when there is none
}

// schema is what a dump says of a database besides its rows.
type schema struct {
	tables   []*table
	rest     []object            // indexes, views and triggers, in the order to make them in
	types    map[string][]string // by folded relation: rows of the type table as literals
	sequence []string            // rows of sqlite_sequence as literals
	analyzed bool
	leftOut  []string // what cannot be dumped, and why
	restored bool     // sqlite3 has made the database of a dump of ours
}

func readSchema(src Source) (*schema, error) {
	s := &schema{types: make(map[string][]string)}
	kinds := make(map[string]string)
	without := make(map[string]bool)
	err := src.Query(`SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'`, func(row []value.Value) error {
		kinds[row[0].Text()], without[row[0].Text()] = row[1].Text(), row[2].Int() != 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	var objects []object
	err = src.Query(`SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY rowid`, func(row []value.Value) error {
		objects = append(objects, object{kind: row[0].Text(), name: row[1].Text(), table: row[2].Text(), sql: row[3].Text()})
		return nil
	})
	if err != nil {
		return nil, err
	}
	is := make(map[string]bool)
	for _, o := range objects {
		is[o.name] = true
	}
	var missing []definition
	if is[definitionsTable] && !is[metaTable] {
		s.restored = true
		if missing, err = restoreDefinitions(src, objects); err != nil {
			return nil, err
		}
	}
	s.analyzed = is["sqlite_stat1"]
	for _, o := range objects {
		if o.sql == "" || ours(o.name) || ours(o.table) || o.kind == "table" && kinds[o.name] == "shadow" {
			continue
		}
		if o.kind != "table" {
			s.rest = append(s.rest, o)
			continue
		}
		t := &table{object: o, virtual: kinds[o.name] == "virtual", withoutRowID: without[o.name]}
		if t.virtual && fullText(o.sql) == noFullText {
			s.leftOut = append(s.leftOut, fmt.Sprintf("the virtual table %s: only fts5 can be dumped", o.name))
			continue
		}
		if err := t.readColumns(src); err != nil {
			return nil, fmt.Errorf("table %s: %w", o.name, err)
		}
		s.tables = append(s.tables, t)
	}
	s.sortRest()
	s.addMissing(missing)
	if err := s.translate(src); err != nil {
		return nil, err
	}
	if is[typesTable] {
		if err := s.readTypes(src); err != nil {
			return nil, err
		}
	}
	if is["sqlite_sequence"] {
		return s, s.readSequence(src)
	}
	return s, nil
}

// objects are all that are made, in their order.
func (s *schema) objects() []object {
	var all []object
	for _, t := range s.tables {
		all = append(all, t.object)
	}
	return append(all, s.rest...)
}

// differs reports that sqlite3 gets another statement.
func (o object) differs() bool { return o.shell.sql != statementText(o.sql) }

// ours reports that a name is SQLite's or Quorate's own.
func ours(name string) bool {
	lower := strings.ToLower(name)
	return strings.HasPrefix(lower, "sqlite_") || strings.HasPrefix(lower, "_quorate_") || lower == ProgressTable
}

// sortRest puts indexes before views and views before triggers, which may be
// on views.
func (s *schema) sortRest() {
	var sorted []object
	for _, kind := range []string{"index", "view", "trigger"} {
		for _, o := range s.rest {
			if o.kind == kind {
				sorted = append(sorted, o)
			}
		}
	}
	s.rest = sorted
}

func (t *table) readColumns(src Source) error {
	names := make(map[string]bool)
	keys := make(map[int64]string)
	integerKey := false
	err := src.Query(`SELECT name, type, pk, hidden FROM pragma_table_xinfo(`+quoteText(t.name)+`, 'main') ORDER BY cid`, func(row []value.Value) error {
		name := row[0].Text()
		names[strings.ToLower(name)] = true
		if row[3].Int() == 0 { // neither generated nor a virtual table's own
			t.columns = append(t.columns, quoteName(name))
		}
		if pk := row[2].Int(); pk > 0 {
			keys[pk] = quoteName(name)
			integerKey = pk == 1 && strings.EqualFold(row[1].Text(), "INTEGER")
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := int64(1); i <= int64(len(keys)); i++ {
		t.key = append(t.key, keys[i])
	}
	if t.withoutRowID {
		return nil
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !names[name] {
			t.rowID = name
			break
		}
	}
	if integerKey && len(keys) == 1 {
		// The key is the rowid (https://sqlite.org/rowidtable.html), but for
		// INTEGER PRIMARY KEY DESC: then writing both does no harm. That it has an
		// index of its own tells them apart.
		isIndex := false
		err = src.Query(`SELECT 1 FROM pragma_index_list(`+quoteText(t.name)+`, 'main') WHERE origin = 'pk'`, func([]value.Value) error {
			isIndex = true
			return nil
		})
		if !isIndex {
			t.rowID = ""
		}
	}
	return err
}

func (s *schema) readTypes(src Source) error {
	return src.Query(`SELECT relation, "column", type, modifier FROM main._quorate_types ORDER BY relation, "column"`, func(row []value.Value) error {
		if ours(row[0].Text()) {
			return nil
		}
		key := strings.ToLower(row[0].Text())
		s.types[key] = append(s.types[key], string(AppendRow(nil, row)))
		return nil
	})
}

func (s *schema) readSequence(src Source) error {
	return src.Query(`SELECT rowid, name, seq FROM main.sqlite_sequence ORDER BY rowid`, func(row []value.Value) error {
		if !ours(row[1].Text()) {
			s.sequence = append(s.sequence, string(AppendRow(nil, row)))
		}
		return nil
	})
}

// AppendRow appends (…, …).
func AppendRow(dst []byte, row []value.Value) []byte {
	dst = append(dst, '(')
	for i, v := range row {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendLiteral(dst, v)
	}
	return append(dst, ')')
}

// The kinds of virtual table, by where a full text index has its text.
type content int

const (
	noFullText   content = iota // another module
	ownContent                  // in itself
	otherContent                // in another table
	noContent                   // nowhere: only the index is kept
)

// fullText looks at CREATE VIRTUAL TABLE (https://sqlite.org/fts5.html, section 4.4).
func fullText(sql string) content {
	tokens := significantTokens(sql)
	kind := noFullText
	for i, t := range tokens {
		if strings.EqualFold(t, "using") && i+1 < len(tokens) && strings.EqualFold(tokens[i+1], "fts5") {
			kind = ownContent
		}
		if kind == ownContent && strings.EqualFold(t, "content") && i+2 < len(tokens) && tokens[i+1] == "=" {
			if strings.Trim(tokens[i+2], `'"`) == "" {
				return noContent
			}
			return otherContent
		}
	}
	return kind
}
