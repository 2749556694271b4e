package sqlfsm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// Contents says what a database of ours contains.
type Contents struct {
	Index, Term   uint64    // of the last entry that it has
	Clock         time.Time // of the last command
	SchemaVersion uint64
	Digest        EffectsDigest // of all that its entries did
	Format        int
	Tables        []TableRows // users' tables, by name
	// Dangling are rows that refer to rows that are not there; only if that was
	// asked for.
	Dangling []string
}

// TableRows is a table and how many rows it has.
type TableRows struct {
	Name string
	Rows int64
}

// DamagedError says what is wrong with a database that was examined.
type DamagedError struct{ Findings []string }

// Error shows the first findings: a page that is gone has many.
func (e *DamagedError) Error() string {
	shown := e.Findings[:min(len(e.Findings), 5)]
	text := strings.Join(shown, "; ")
	if more := len(e.Findings) - len(shown); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Examine reads a database of ours that nobody uses, without changing anything,
// not even beside it: an image, or an archive. With verify it also looks whether
// the database is sound, which reads all of it: by SQLite's integrity_check and
// foreign_key_check, and in our own tables. What is damaged is a *DamagedError.
func Examine(ctx context.Context, path string, verify bool) (*Contents, error) {
	c, err := openImmutable(ctx, path)
	if err != nil {
		return nil, err
	}
	defer c.close()
	var application, version int64
	err = c.query("SELECT a.application_id, u.user_version FROM pragma_application_id a, pragma_user_version u", func(row []value.Value) {
		application, version = row[0].Int(), row[1].Int()
	})
	switch {
	case err != nil:
		return nil, examineError(ctx, path, err)
	case application != applicationID:
		return nil, fmt.Errorf("sqlfsm: %s is not a database of Quorate's", path)
	case version != formatVersion:
		return nil, fmt.Errorf("sqlfsm: the format of the database %s is %d and this program reads format %d: use the version that wrote it", path, version, formatVersion)
	}
	if verify {
		if err := errors.Join(c.checkIntegrity(), c.checkOwnTables()); err != nil {
			return nil, examineError(ctx, path, err)
		}
	}
	contents, err := c.contents()
	if err == nil && verify {
		contents.Dangling, err = c.dangling()
	}
	if err != nil {
		return nil, examineError(ctx, path, err)
	}
	contents.Format = int(version)
	return contents, nil
}

// openImmutable opens a file that is only looked at, until the context ends.
func openImmutable(ctx context.Context, path string) (*connection, error) {
	c, err := openConnection(path, sqlite.Immutable, 8<<20, 1)
	if err != nil {
		return nil, err
	}
	c.db.SetProgress(cancelSteps, func() bool { return ctx.Err() != nil })
	return c, nil
}

// examineError says what came of an examination that could not go on: what SQLite
// calls corrupt is a finding.
func examineError(ctx context.Context, path string, err error) error {
	var e *sqlite.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &e) && (e.Code.Primary() == sqlite.Corrupt || e.Code.Primary() == sqlite.NotADB):
		return &DamagedError{[]string{e.Message}}
	}
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		return damaged
	}
	return fmt.Errorf("sqlfsm: examine %s: %w", path, err)
}

// findingsMax is how many findings of one kind are kept.
const findingsMax = 100

// checkIntegrity looks at every page and every index.
func (c *connection) checkIntegrity() error {
	var findings []string
	err := c.query(fmt.Sprintf("PRAGMA main.integrity_check(%d)", findingsMax), func(row []value.Value) {
		if text := row[0].Text(); text != "ok" {
			findings = append(findings, text)
		}
	})
	if err == nil && len(findings) > 0 {
		err = &DamagedError{findings}
	}
	return err
}

// dangling returns rows whose foreign keys refer to rows that are not there.
func (c *connection) dangling() (findings []string, err error) {
	err = c.query(fmt.Sprintf(`SELECT "table", rowid, parent FROM pragma_foreign_key_check LIMIT %d`, findingsMax), func(row []value.Value) {
		which := "a row"
		if row[1].Kind() == value.Integer {
			which = fmt.Sprintf("row %d", row[1].Int())
		}
		findings = append(findings, fmt.Sprintf("%s of table %s refers to a row of %s that is not there", which, row[0].Text(), row[2].Text()))
	})
	return findings, err
}

// checkOwnTables looks whether our own tables are all there and speak of what is
// there.
func (c *connection) checkOwnTables() error {
	var findings []string
	found := func(format string, args ...any) { findings = append(findings, fmt.Sprintf(format, args...)) }
	own, err := c.countOwn()
	if err != nil {
		return err
	}
	if own != ownObjects {
		return &DamagedError{[]string{"its tables of Quorate's own are not those that this program makes"}}
	}
	rows := 0
	err = c.query("SELECT applied_index, applied_term FROM main._quorate_meta", func(row []value.Value) {
		rows++
		if row[0].Int() < 0 || row[1].Int() < 0 {
			found("it says that it is at entry %d of term %d", row[0].Int(), row[1].Int())
		}
	})
	if err == nil && rows != 1 {
		found("%d rows say which entry it is at, not 1", rows)
	}
	if err == nil {
		err = c.query(`SELECT relation, "column" FROM main._quorate_types t WHERE NOT EXISTS
			(SELECT 1 FROM pragma_table_xinfo(t.relation, 'main') x WHERE x.name = t."column" COLLATE NOCASE)`, func(row []value.Value) {
			found("it has a type for column %s of %s, which is not there", row[1].Text(), row[0].Text())
		})
	}
	if err == nil {
		_, err = c.readSchema()
	}
	if err == nil && len(findings) > 0 {
		err = &DamagedError{findings}
	}
	return err
}

// countOwn counts the objects of the schema whose names are reserved.
func (c *connection) countOwn() (n int, err error) {
	err = c.query(`SELECT count(*) FROM main.sqlite_schema WHERE lower(substr(name, 1, 9)) = '`+reservedPrefix+`'`,
		func(row []value.Value) { n = int(row[0].Int()) })
	return n, err
}

// contents reads where the database is, and counts.
func (c *connection) contents() (*Contents, error) {
	contents := &Contents{}
	err := c.query("SELECT applied_index, applied_term, clock, schema_version, digest FROM main._quorate_meta", func(row []value.Value) {
		contents.Index, contents.Term = uint64(row[0].Int()), uint64(row[1].Int())
		contents.Clock, contents.SchemaVersion = time.UnixMicro(row[2].Int()).UTC(), uint64(row[3].Int())
		copy(contents.Digest[:], row[4].Bytes())
	})
	if err != nil {
		return nil, err
	}
	contents.Tables, err = c.countRows()
	return contents, err
}

// countRows counts the rows of the users' tables. Those that belong to a virtual
// table are left out, as what they hold is its own affair.
func (c *connection) countRows() ([]TableRows, error) {
	var tables []TableRows
	err := c.query(`SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'virtual') ORDER BY name`, func(row []value.Value) {
		name := row[0].Text()
		if lower := strings.ToLower(name); !strings.HasPrefix(lower, reservedPrefix) && !strings.HasPrefix(lower, "sqlite_") {
			tables = append(tables, TableRows{Name: name})
		}
	})
	for i := range tables {
		if err == nil {
			err = c.query("SELECT count(*) FROM main."+quoteName(tables[i].Name), func(row []value.Value) { tables[i].Rows = row[0].Int() })
		}
	}
	return tables, err
}
