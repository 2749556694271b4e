package sqldump

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"quorate/internal/value"
)

const (
	// header begins every dump, before the number of its format.
	//
	//	1  one text for import and sqlite3
	//	2  with definitionsTable, where sqlite3 gets a statement of its own
	header = "-- Quorate SQL dump, format "
	format = "2"
	// trailer begins its last line.
	trailer = "-- end of dump: "

	// An INSERT ends after so many rows or bytes: the reader keeps one statement in
	// memory, and what a statement costs beside its rows is little by then.
	insertRows  = 1000
	insertBytes = 32 << 10
)

// Summary is what a dump holds.
type Summary struct {
	Tables int
	Rows   int64
	// LeftOut says in words what could not be dumped.
	LeftOut []string
}

func (s Summary) String() string {
	return count(int64(s.Tables), "table") + ", " + count(s.Rows, "row")
}

func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Write writes the dump of a database. Memory is needed for the schema and one
// statement.
func Write(w io.Writer, src Source) (Summary, error) {
	d := &dumper{src: src, w: bufio.NewWriterSize(w, 64<<10)}
	s, err := readSchema(src)
	if err != nil {
		return Summary{}, fmt.Errorf("sqldump: read the schema: %w", err)
	}
	if err := d.write(s); err != nil {
		return Summary{}, fmt.Errorf("sqldump: %w", err)
	}
	return d.summary, nil
}

type dumper struct {
	src     Source
	w       *bufio.Writer // keeps its error for Flush
	summary Summary
	insert  []byte // the INSERT that is being made
	rows    int    // in it
}

func (d *dumper) write(s *schema) error {
	d.summary.Tables, d.summary.LeftOut = len(s.tables), s.leftOut
	d.line(header + format)
	d.line("-- It is read by quorate import, and by sqlite3 3.40 or newer: sqlite3 new.db < FILE")
	for _, what := range s.leftOut {
		d.remark("left out: " + what)
	}
	objects := s.objects()
	for _, o := range objects {
		d.notes(o)
	}
	d.line("PRAGMA foreign_keys=OFF;")
	d.line("PRAGMA ignore_check_constraints=ON;")
	d.line("BEGIN;")
	if slices.ContainsFunc(objects, object.differs) {
		d.line(createDefinitions)
	}
	if len(s.types) > 0 {
		d.line(`CREATE TABLE "_quorate_types" (relation TEXT NOT NULL COLLATE NOCASE, "column" TEXT NOT NULL COLLATE NOCASE, type TEXT NOT NULL, modifier INTEGER NOT NULL, PRIMARY KEY (relation, "column")) STRICT, WITHOUT ROWID;`)
	}
	for i, t := range s.tables {
		d.define(s, t.object, i)
	}
	if len(s.sequence) > 0 {
		d.line("INSERT INTO sqlite_sequence (rowid, name, seq) VALUES\n" + strings.Join(s.sequence, ",\n") + ";")
	}
	for _, t := range s.tables {
		if err := d.data(t); err != nil {
			return fmt.Errorf("table %s: %w", t.name, err)
		}
	}
	for i, o := range s.rest {
		d.define(s, o, i)
	}
	// Their text may be that of a view.
	for _, t := range s.tables {
		if t.virtual && fullText(t.sql) == otherContent {
			d.line("INSERT INTO " + quoteName(t.name) + " (" + quoteName(t.name) + ") VALUES ('rebuild');")
		}
	}
	d.line("COMMIT;")
	d.line("PRAGMA ignore_check_constraints=OFF;")
	if s.analyzed {
		d.line("ANALYZE;")
	}
	d.line(trailer + d.summary.String())
	return d.w.Flush()
}

func (d *dumper) line(text string) {
	d.w.WriteString(text)
	d.w.WriteByte('\n')
}

// remark writes a comment.
func (d *dumper) remark(text string) {
	d.line("-- " + strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), " "))
}

// notes says what is otherwise in sqlite3.
func (d *dumper) notes(o object) {
	for _, what := range o.shell.notes {
		d.remark("in sqlite3, " + what)
	}
}

// define writes a CREATE statement as the database keeps it, for sqlite3 in its
// words where they are others, and the types that go with it.
func (d *dumper) define(s *schema, o object, position int) {
	d.notes(o)
	if o.differs() {
		sql := statementText(o.sql)
		row := definition{o.kind, o.name, int64(position), sql, pairChecksum(sql, o.shell.sql)}
		d.line(insertDefinition + string(AppendRow(nil, row.row())) + ";")
	}
	if o.shell.sql != "" {
		d.line(o.shell.sql + commentEnd(o.shell.sql) + ";")
	}
	if types := s.types[strings.ToLower(o.name)]; len(types) > 0 && o.kind != "index" && o.kind != "trigger" {
		d.line(`INSERT INTO "_quorate_types" (relation, "column", type, modifier) VALUES` + "\n" + strings.Join(types, ",\n") + ";")
	}
}

// data writes a table's rows.
func (d *dumper) data(t *table) error {
	if t.virtual {
		switch fullText(t.sql) {
		case otherContent:
			return nil
		case noContent:
			d.line("-- left out: what is in " + strings.ReplaceAll(t.name, "\n", " ") + ": a full text index without content does not keep it")
			d.summary.LeftOut = append(d.summary.LeftOut, "what is in "+t.name+": a full text index without content does not keep it")
			return nil
		}
	}
	columns, order := t.columns, t.key
	if t.rowID != "" {
		columns = append([]string{t.rowID}, columns...)
	}
	if !t.withoutRowID {
		order = nil
		if name := t.rowID; name != "" {
			order = []string{name}
		} else if len(t.key) == 1 {
			order = t.key
		}
	}
	if len(columns) == 0 {
		return d.emptyRows(t)
	}
	list := strings.Join(columns, ", ")
	names := list
	for _, c := range t.computed {
		list += ", " + c
		names += ", " + c + computedMark
	}
	query := "SELECT " + list + " FROM main." + quoteName(t.name)
	if len(order) > 0 {
		query += " ORDER BY " + strings.Join(order, ", ")
	}
	head := "INSERT INTO " + quoteName(t.name) + " (" + names + ") VALUES\n"
	err := d.src.Query(query, func(row []value.Value) error { return d.row(head, row) })
	if err != nil {
		return err
	}
	return d.endInsert()
}

// emptyRows writes the rows of a table all of whose columns are generated and
// whose rowid has no name left.
func (d *dumper) emptyRows(t *table) error {
	return d.src.Query("SELECT 1 FROM main."+quoteName(t.name), func([]value.Value) error {
		d.summary.Rows++
		d.line("INSERT INTO " + quoteName(t.name) + " DEFAULT VALUES;")
		return nil
	})
}

func (d *dumper) row(head string, row []value.Value) error {
	if d.rows == 0 {
		d.insert = append(d.insert[:0], head...)
	} else {
		d.insert = append(d.insert, ",\n"...)
	}
	d.insert = AppendRow(d.insert, row)
	d.rows++
	d.summary.Rows++
	if d.rows == insertRows || len(d.insert) >= insertBytes {
		return d.endInsert()
	}
	return nil
}

func (d *dumper) endInsert() error {
	if d.rows == 0 {
		return nil
	}
	d.rows = 0
	d.insert = append(d.insert, ";\n"...)
	_, err := d.w.Write(d.insert)
	return err
}
