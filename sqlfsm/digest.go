package sqlfsm

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"

	"quorate/internal/value"
)

// Digest returns a SHA-256 of Dump and the index that it was taken at. Nodes
// with equal indexes have equal digests.
func (f *FSM) Digest(ctx context.Context) (index uint64, sum [32]byte, err error) {
	h := sha256.New()
	index, err = f.Dump(ctx, h)
	h.Sum(sum[:0])
	return index, sum, err
}

// Dump writes the whole database as text, one line for each object of the
// schema and each row, in a fixed order: the schema by name, the rows of each
// table by rowid or primary key. It returns the index that it was taken at. It
// is for comparing nodes, not for loading.
func (f *FSM) Dump(ctx context.Context, w io.Writer) (index uint64, err error) {
	if err := f.failed(); err != nil {
		return 0, err
	}
	r, err := f.readers.take(ctx)
	if err != nil {
		return 0, err
	}
	defer f.readers.put(r)
	r.ctx = ctx
	defer func() { r.ctx = context.Background() }()
	if _, err := r.run(r.begin); err != nil {
		return 0, fmt.Errorf("sqlfsm: dump: %w", err)
	}
	defer r.run(r.commit)
	b := bufio.NewWriterSize(w, 64<<10)
	index, err = r.dump(b)
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return 0, fmt.Errorf("sqlfsm: dump: %w", err)
	}
	return index, nil
}

func (r *reader) dump(w *bufio.Writer) (index uint64, err error) {
	err = r.query(`SELECT applied_index, clock, schema_version FROM main._quorate_meta`, func(row []value.Value) {
		index = uint64(row[0].Int())
		writeLine(w, "clock and schema version", row[1:])
	})
	if err != nil {
		return 0, err
	}
	err = r.query(`SELECT type, name, tbl_name, sql FROM main.sqlite_schema ORDER BY type, name`, func(row []value.Value) {
		writeLine(w, "schema", row)
	})
	if err != nil {
		return 0, err
	}
	var tables []string
	// A full text index is in other tables. Itself it cannot always be read, as when
	// the table is gone that it is of.
	err = r.query(`SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage <> 0 AND name <> '_quorate_meta' ORDER BY name`,
		func(row []value.Value) { tables = append(tables, row[0].Text()) })
	if err != nil {
		return 0, err
	}
	for _, table := range tables {
		sql, err := r.dumpQuery(table)
		if err == nil {
			err = r.query(sql, func(row []value.Value) { writeLine(w, table, row) })
		}
		if err != nil {
			return 0, fmt.Errorf("table %s: %w", table, err)
		}
	}
	return index, nil
}

// dumpQuery makes the query for a table's rows: with and by the rowid when the
// table has one, else by its primary key.
func (r *reader) dumpQuery(table string) (sql string, err error) {
	columns := make(map[string]bool)
	var key []string
	err = r.query(`SELECT name FROM pragma_table_xinfo(?1, 'main')`, func(row []value.Value) {
		columns[strings.ToLower(row[0].Text())] = true
	}, value.String(table))
	if err != nil {
		return "", err
	}
	withoutRowID := false
	err = r.query(`SELECT l.wr, x.name FROM pragma_table_list l, pragma_table_xinfo(l.name, 'main') x
		WHERE l.schema = 'main' AND l.name = ?1 AND x.pk > 0 ORDER BY x.pk`, func(row []value.Value) {
		withoutRowID = row[0].Int() != 0
		key = append(key, quoteName(row[1].Text()))
	}, value.String(table))
	if err != nil {
		return "", err
	}
	from := " FROM main." + quoteName(table) + " ORDER BY "
	if withoutRowID {
		return "SELECT *" + from + strings.Join(key, ", "), nil
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if !columns[name] {
			return "SELECT " + name + ", *" + from + name, nil
		}
	}
	// All three names are columns, so the rowid cannot be seen in SQL, and
	// what cannot be seen need not be equal: any fixed order will do.
	return "SELECT *" + from + "rowid, _rowid_, oid", nil
}

// writeLine writes a row. The writer keeps its error for Flush.
func writeLine(w *bufio.Writer, name string, row []value.Value) {
	fmt.Fprintf(w, "%s:", name)
	for _, v := range row {
		fmt.Fprintf(w, " %#v", v)
	}
	w.WriteByte('\n')
}
