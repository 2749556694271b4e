package sqldump

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"

	"quorate/internal/value"
)

// definitionsTable holds, in a dump and in what sqlite3 makes of it, the
// statements as Quorate keeps them, of which sqlite3 gets others. It is not part
// of a cluster's database.
const definitionsTable = "_quorate_definitions"

const (
	createDefinitions = `CREATE TABLE "` + definitionsTable + `" (type TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, sql TEXT NOT NULL, checksum TEXT NOT NULL) STRICT;`
	insertDefinition  = `INSERT INTO "` + definitionsTable + `" (type, name, position, sql, checksum) VALUES` + "\n"
)

// definition is a row of the table.
type definition struct {
	kind, name string
	position   int64  // among the tables, or among indexes, views and triggers
	sql        string // as Quorate keeps it
	checksum   string // pairChecksum of it and of what sqlite3 gets
}

// forImportOnly reports that sqlite3 gets nothing.
func (d *definition) forImportOnly() bool { return d.checksum == pairChecksum(d.sql, "") }

func (d *definition) row() []value.Value {
	return []value.Value{value.String(d.kind), value.String(d.name), value.Int(d.position), value.String(d.sql), value.String(d.checksum)}
}

func definitionOf(row []value.Value) definition {
	return definition{row[0].Text(), row[1].Text(), row[2].Int(), row[3].Text(), row[4].Text()}
}

// pairChecksum ties a statement to the one that sqlite3 gets instead, "" when it
// gets none: when one of them is changed, they no longer say the same.
func pairChecksum(sql, forShell string) string {
	sum := crc32.Checksum([]byte(sql+"\x00"+forShell), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf("%08x", sum)
}

// statementText is a statement as Reader returns it when it was written with a
// semicolon behind it. SQLite keeps a comment that stood before the semicolon.
func statementText(sql string) string {
	return strings.TrimRight(sql+commentEnd(sql), statementTail)
}

// isDefinition reports a row of the table, by the first tokens of a statement.
func isDefinition(text string) bool {
	s := scanner{sql: text}
	return isOneOf(s.next(), "INSERT") && isOneOf(s.next(), "INTO") && strings.EqualFold(nameOf(s.next()), definitionsTable)
}

func parseDefinition(text string) (d definition, ok bool) {
	insert, ok := ParseInsert(text)
	if !ok || insert.Width != 5 || insert.Rows() != 1 {
		return d, false
	}
	return definitionOf(insert.Values), true
}

// paired returns the statement that a row of the table stands for, in place of
// the row and of the statement for sqlite3 behind it.
func (r *Reader) paired(row Statement) (Statement, error) {
	d, ok := parseDefinition(row.Text)
	if !ok {
		return row, &LineError{row.Line, "this is no row of " + definitionsTable + ": it was changed, or cut", "Make the dump anew."}
	}
	if d.forImportOnly() {
		return Statement{Text: d.sql, Line: row.Line, End: row.End}, nil
	}
	next, err := r.next()
	if errors.Is(err, io.EOF) {
		return row, &LineError{row.Line, fmt.Sprintf("the statement for sqlite3 that makes the %s %s does not follow", d.kind, d.name), "Was the file cut off?"}
	}
	if err != nil {
		return row, err
	}
	if d.checksum != pairChecksum(d.sql, next.Text) {
		return row, &LineError{row.Line, fmt.Sprintf("the definition of the %s %s and the statement for sqlite3 behind it, in line %d, do not belong together: one was changed", d.kind, d.name, next.Line),
			"Undo the change; or remove the INSERT in this line, and what sqlite3 gets is imported."}
	}
	return Statement{Text: d.sql, Line: row.Line, End: next.End}, nil
}

// restoreDefinitions gives the objects of a database that sqlite3 has made of a
// dump the statements that Quorate had for them, where they have not been changed
// since. It returns what sqlite3 did not get.
func restoreDefinitions(src Source, objects []object) (missing []definition, err error) {
	err = src.Query(`SELECT type, name, position, sql, checksum FROM main.`+definitionsTable+` ORDER BY position`, func(row []value.Value) error {
		d := definitionOf(row)
		if d.forImportOnly() {
			missing = append(missing, d)
		}
		for i := range objects {
			o := &objects[i]
			if o.kind == d.kind && o.name == d.name && d.checksum == pairChecksum(d.sql, statementText(o.sql)) {
				o.sql = d.sql
			}
		}
		return nil
	})
	return missing, err
}

// addMissing puts what sqlite3 did not get back in its place.
func (s *schema) addMissing(missing []definition) {
	for _, d := range missing {
		at := min(max(int(d.position), 0), len(s.rest))
		s.rest = slices.Insert(s.rest, at, object{kind: d.kind, name: d.name, table: tableOf(d.sql), sql: d.sql})
	}
}

// tableOf is what an index or a trigger is on.
func tableOf(sql string) string {
	tokens := significantTokens(sql)
	for i := range len(tokens) - 1 {
		if strings.EqualFold(tokens[i], "ON") {
			return nameOf(tokens[i+1])
		}
	}
	return ""
}
