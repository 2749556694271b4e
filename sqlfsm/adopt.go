package sqlfsm

import (
	"context"

	"fmt"
	"strings"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// AdoptedIndex and AdoptedTerm are where an adopted database is in its new
// cluster's log, which begins after it. They are not 0: a member that joins with an
// empty log must be told that it needs the database.
const (
	AdoptedIndex = 1
	AdoptedTerm  = 1
)

// UnfitError says what an SQLite database has that ours cannot have.
type UnfitError struct{ Findings []string }

func (e *UnfitError) Error() string { return (&DamagedError{e.Findings}).Error() }

// Adopt makes of an SQLite database that something else has made, and that is ours
// to change, one of ours: an image. Its tables stay as they are. A column gets the
// PostgreSQL type that it is declared with if all its values are values of that
// type; else it holds anything, and a note says why. What cannot be taken is an
// *UnfitError, and nothing has happened; after another error the file is of no use.
// The same file gives the same database everywhere. What was written is not
// durable yet.
func Adopt(ctx context.Context, path string) (notes []string, err error) {
	types, notes, err := planAdoption(ctx, path)
	if err != nil {
		return nil, err
	}
	c, err := openConnection(path, sqlite.Existing, 8<<20, 1)
	if err != nil {
		return nil, err
	}
	err = c.adopt(types)
	if closeErr := c.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("sqlfsm: adopt %s: %w", path, err)
	}
	return notes, nil
}

// Renew makes of one cluster's image another cluster's: nobody is registered in it,
// for the new members have nothing to do with the commands of the old ones
// (origins.go). It stays at its index. The same image gives the same one everywhere.
// What was written is not durable yet.
func Renew(path string) error {
	c, err := openConnection(path, sqlite.Existing, 8<<20, 1)
	if err != nil {
		return err
	}
	err = c.query("DELETE FROM main._quorate_origins", nil)
	if closeErr := c.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: renew %s: %w", path, err)
	}
	return nil
}

// adopt makes our tables.
func (c *connection) adopt(types []columnType) error {
	mode, err := c.queryText("PRAGMA journal_mode=DELETE") // it may have been used with a WAL
	if err == nil && mode != "delete" {
		err = fmt.Errorf("the journal mode is %q and cannot be changed", mode)
	}
	if err == nil {
		err = c.script(fmt.Sprintf(createScript, applicationID, formatVersion))
	}
	if err == nil {
		err = c.query("UPDATE main._quorate_meta SET applied_index=?1, applied_term=?2, schema_version=1", nil, value.Int(AdoptedIndex), value.Int(AdoptedTerm))
	}
	for _, t := range types {
		if err == nil {
			err = c.query("INSERT INTO main._quorate_types VALUES (?1, ?2, ?3, ?4)", nil,
				value.String(t.relation), value.String(t.column), value.String(pgtype.InternalName(t.t.OID)), value.Int(int64(t.t.Mod)))
		}
	}
	return err
}

// planAdoption looks whether a database can be adopted, without changing it, and
// finds the types of its columns.
func planAdoption(ctx context.Context, path string) (types []columnType, notes []string, err error) {
	c, err := openImmutable(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	defer c.close()
	unfit, err := c.unfit()
	if err == nil && len(unfit) == 0 {
		err = c.checkIntegrity()
	}
	if err == nil && len(unfit) == 0 {
		unfit, err = c.dangling()
	}
	if err == nil && len(unfit) == 0 {
		unfit, err = c.unfitRowIDs()
	}
	if err == nil && len(unfit) == 0 {
		types, notes, unfit, err = c.planTypes()
	}
	if err == nil && len(unfit) > 0 {
		return nil, nil, &UnfitError{unfit}
	}
	if err != nil {
		return nil, nil, examineError(ctx, path, err)
	}
	return types, notes, nil
}

// unfit says what in the file, or its schema, cannot be taken.
func (c *connection) unfit() (findings []string, err error) {
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	err = c.query(`SELECT p.page_size, e.encoding, a.application_id FROM pragma_page_size p, pragma_encoding e, pragma_application_id a`, func(row []value.Value) {
		if n := row[0].Int(); n != pageBytes {
			found("its pages have %d bytes, not %d (PRAGMA page_size=%d; VACUUM changes that)", n, pageBytes, pageBytes)
		}
		if row[1].Text() != "UTF-8" {
			found("its text is %s, not UTF-8", row[1].Text())
		}
		if id := uint32(row[2].Int()); id != 0 {
			found("it belongs to another program (application_id %#x)", id)
		}
	})
	if err != nil {
		return nil, err
	}
	var readable []string
	err = c.query(`SELECT type, name, coalesce(sql, '') FROM main.sqlite_schema ORDER BY name, type`, func(row []value.Value) {
		kind, name := row[0].Text(), row[1].Text()
		switch {
		case strings.HasPrefix(strings.ToLower(name), reservedPrefix):
			found("the name of %s %s is reserved for Quorate's own", kind, name)
		case kind == "table" && !isKnownTable(row[2].Text()):
			found("table %s is a virtual table of a kind that is not supported (%s)", name, strings.Join(strings.Fields(row[2].Text()), " "))
		case kind == "table":
			readable = append(readable, name)
		}
	})
	for _, name := range readable {
		if err == nil {
			err = c.query("SELECT * FROM main."+quoteName(name)+" LIMIT 0", nil)
		}
	}
	if err == nil {
		err = c.readViews()
	}
	if err != nil {
		return nil, err
	}
	if refused := c.views.checkAll(); refused != nil {
		found("%s", refused.Message)
	}
	return findings, nil
}

// unfitRowIDs says where no row could follow (highest.go).
func (c *connection) unfitRowIDs() (findings []string, err error) {
	rows, err := c.rowsAtHighest()
	for _, table := range rows {
		findings = append(findings, fmt.Sprintf("table %s has a row of the number 9223372036854775807: no row could follow it", table))
	}
	if err != nil {
		return nil, err
	}
	used, err := c.usedUp()
	for _, table := range used {
		findings = append(findings, fmt.Sprintf("AUTOINCREMENT has given out the highest number in table %s (sqlite_sequence)", table))
	}
	return findings, err
}

// isKnownTable reports whether a table is an ordinary one, or a virtual one that we
// know (guard.judgeDefinition).
func isKnownTable(sql string) bool {
	w := words{sql: sql}
	if w.next(); !strings.EqualFold(w.next(), "VIRTUAL") {
		return true
	}
	for word := w.next(); word != ""; word = w.next() {
		if strings.EqualFold(word, "USING") {
			return strings.EqualFold(w.next(), "fts5")
		}
	}
	return false
}

// columnType is the type that a column gets.
type columnType struct {
	relation, column string
	t                pgtype.Type
	declared         string
}

// planTypes finds the types of all columns of all tables.
func (c *connection) planTypes() (types []columnType, notes, unfit []string, err error) {
	var tables []string
	err = c.query(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name`, func(row []value.Value) {
		if name := row[0].Text(); !strings.HasPrefix(strings.ToLower(name), "sqlite_") {
			tables = append(tables, name)
		}
	})
	for _, table := range tables {
		var wanted []columnType
		if err == nil {
			err = c.query("SELECT name, type FROM pragma_table_xinfo(?1, 'main') WHERE hidden <> 1 ORDER BY cid", func(row []value.Value) {
				wanted = append(wanted, declaredColumn(table, row[0].Text(), row[1].Text()))
			}, value.String(table))
		}
		if err != nil {
			return nil, nil, nil, err
		}
		missing, err := c.nullKey(table)
		if err != nil {
			return nil, nil, nil, err
		}
		unfit = append(unfit, missing...)
		fitting, why, err := c.checkTypes(wanted)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("table %s: %w", table, err)
		}
		types, notes = append(types, fitting...), append(notes, why...)
	}
	return types, notes, unfit, err
}

// nullKey finds out whether a primary key is NULL somewhere, which SQLite allows
// for historical reasons (https://sqlite.org/lang_createtable.html, 3.5) and
// PostgreSQL does not.
func (c *connection) nullKey(table string) (unfit []string, err error) {
	var columns []string
	err = c.query("SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0 ORDER BY pk", func(row []value.Value) {
		columns = append(columns, quoteName(row[0].Text())+" IS NULL")
	}, value.String(table))
	if err != nil || len(columns) == 0 {
		return nil, err
	}
	err = c.query("SELECT 1 FROM main."+quoteName(table)+" WHERE "+strings.Join(columns, " OR ")+" LIMIT 1", func([]value.Value) {
		unfit = append(unfit, fmt.Sprintf("in table %s a column of the primary key is NULL", table))
	})
	return unfit, err
}

// checkTypes keeps those of a table's columns whose values are all of their types.
func (c *connection) checkTypes(wanted []columnType) (fitting []columnType, notes []string, err error) {
	var names []string
	misfit := make([]string, len(wanted)) // why a column does not get its type
	for i, w := range wanted {
		names = append(names, quoteName(w.column))
		if w.t.OID == 0 && w.declared != "" && !strings.EqualFold(w.declared, "ANY") {
			misfit[i] = fmt.Sprintf("its type %s cannot be taken over", w.declared)
		}
	}
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	row := 0
	err = c.query("SELECT "+strings.Join(names, ", ")+" FROM main."+quoteName(wanted[0].relation), func(values []value.Value) {
		row++
		for i, v := range values {
			if w := &wanted[i]; w.t.OID != 0 && misfit[i] == "" && !holds(w.t, v) {
				misfit[i] = fmt.Sprintf("its type is %s, and in row %d of the table it is %s", w.declared, row, shorten(fmt.Sprintf("%#v", v)))
			}
		}
	})
	for i, w := range wanted {
		switch {
		case misfit[i] != "":
			notes = append(notes, fmt.Sprintf("column %s of table %s will hold anything: %s", w.column, w.relation, misfit[i]))
		case w.t.OID != 0:
			fitting = append(fitting, w)
		}
	}
	return fitting, notes, err
}

// holds reports whether a stored value is one of the type, in the form in which we
// store it: what is compared and sorted must have one form only.
func holds(t pgtype.Type, v value.Value) bool {
	if v.IsNull() {
		return true
	}
	text, err := pgtype.AppendText(nil, t, v, nil)
	if err != nil {
		return false
	}
	stored, err := pgtype.ParseText(t, text, nil)
	if err != nil || stored.Kind() != v.Kind() {
		return false
	}
	switch v.Kind() {
	case value.Integer:
		return stored.Int() == v.Int()
	case value.Real:
		return stored.Float() == v.Float()
	}
	return string(stored.Bytes()) == string(v.Bytes())
}

// shorten keeps a message readable whatever a value is.
func shorten(text string) string {
	const most = 40
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
