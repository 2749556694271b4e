package sqlfsm

import (
	"fmt"
	"strings"

	"quorate/internal/value"
)

// Behind the highest rowid SQLite has no next one: it takes random ones, or, with
// AUTOINCREMENT, says that the database is full (https://sqlite.org/autoinc.html),
// which cannot be told from a full disk and would stop every node. Rows that get
// there are refused as they are written (setHooks), but SQLite reports no changes of
// sqlite_sequence, and a database of another program may be there already.

// usedUp returns the AUTOINCREMENT tables that have given out the highest number.
// SQLite makes an integer of what is in sqlite_sequence, whatever it is.
func (c *connection) usedUp() (tables []string, err error) {
	exists := false
	err = c.query("SELECT 1 FROM main.sqlite_schema WHERE name = 'sqlite_sequence'", func([]value.Value) { exists = true })
	if err == nil && exists {
		err = c.query("SELECT name FROM main.sqlite_sequence WHERE CAST(seq AS INTEGER) = 9223372036854775807 ORDER BY rowid", func(row []value.Value) {
			tables = append(tables, row[0].Text())
		})
	}
	return tables, err
}

// rowsAtHighest returns the tables that have a row of the highest number. Full text
// indexes keep their rows in shadow tables.
func (c *connection) rowsAtHighest() (tables []string, err error) {
	var candidates []string
	err = c.query("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') AND NOT wr ORDER BY name", func(row []value.Value) {
		candidates = append(candidates, row[0].Text())
	})
	for _, table := range candidates {
		rowID := ""
		if err == nil {
			rowID, err = c.rowIDName(table)
		}
		if err == nil && rowID != "" {
			err = c.query(fmt.Sprintf("SELECT 1 FROM main.%s WHERE %s = 9223372036854775807", quoteName(table), rowID), func([]value.Value) {
				tables = append(tables, table)
			})
		}
	}
	return tables, err
}

// rowIDName returns a name of a table's rowid that no column hides; "" when there
// is none.
func (c *connection) rowIDName(table string) (string, error) {
	hidden := make(map[string]bool)
	err := c.query("SELECT name FROM pragma_table_xinfo(?1, 'main')", func(row []value.Value) {
		hidden[strings.ToLower(row[0].Text())] = true
	}, value.String(table))
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !hidden[name] {
			return name, err
		}
	}
	return "", err
}
