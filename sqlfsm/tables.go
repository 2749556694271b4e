package sqlfsm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"slices"
	"strings"

	"quorate/internal/value"
)

// Table is a table of a Pinned, as it is compared: SQLite's own and ours are
// tables like others, and so is the schema (SchemaTable). Rows come in the order of
// the table's b-tree and are numbered from 0.
//
// Left out are indexes, which follow from the tables; virtual tables, whose
// content is in shadow tables that are compared; and generated columns that are
// not stored.
type Table struct {
	Name string
	// Columns name a row's values. The first is the rowid, if the table has one
	// that is no column and that SQL can name.
	Columns []string
	// Key are the columns by which Find finds a row: the rowid, or the primary key
	// of a table without. A table all of whose names for the rowid are names of
	// columns has no key: what cannot be seen need not be equal.
	Key []int
	// Primary are the declared primary key, by which people know a row.
	Primary []int
}

// SchemaTable is the name of the table that holds the schema.
const SchemaTable = "sqlite_schema"

// RowsDigest is a digest of rows: the storage class and the bytes of each value.
type RowsDigest [16]byte

// String writes the digest in hexadecimal.
func (d RowsDigest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText and UnmarshalText give it the same form in JSON.
func (d RowsDigest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (d *RowsDigest) UnmarshalText(text []byte) error {
	if n, err := hex.Decode(d[:], text); err != nil || n != len(d) {
		return fmt.Errorf("sqlfsm: %q is not a digest", text)
	}
	return nil
}

// Tables returns all tables: the schema first, then by name.
func (p *Pinned) Tables(ctx context.Context) ([]Table, error) {
	// Which pages an object has is left out: it is no part of what SQL sees.
	tables := []Table{{Name: SchemaTable, Columns: []string{"rowid", "type", "name", "tbl_name", "sql"}, Key: []int{0}, Primary: []int{1, 2}}}
	err := p.query(ctx, `SELECT s.name FROM main.sqlite_schema s JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name
		WHERE s.type = 'table' AND l.type <> 'virtual' ORDER BY s.name`, func(row []value.Value) error {
		tables = append(tables, Table{Name: row[0].Text()})
		return nil
	})
	for i := 1; i < len(tables) && err == nil; i++ {
		err = p.describe(ctx, &tables[i])
	}
	if err != nil {
		return nil, fmt.Errorf("sqlfsm: tables: %w", err)
	}
	return tables, nil
}

// describe fills in a table's columns.
func (p *Pinned) describe(ctx context.Context, t *Table) error {
	var primary []int // in the order of the key: primary[i] is a column
	names := make(map[string]bool)
	withoutRowID := false
	err := p.query(ctx, `SELECT x.name, x.pk, x.hidden, l.wr FROM pragma_table_list l, pragma_table_xinfo(l.name, 'main') x
		WHERE l.schema = 'main' AND l.name = ?1 ORDER BY x.cid`, func(row []value.Value) error {
		const virtualGenerated = 2 // https://sqlite.org/pragma.html#pragma_table_xinfo
		names[strings.ToLower(row[0].Text())] = true
		withoutRowID = row[3].Int() != 0
		if row[2].Int() == virtualGenerated {
			return nil
		}
		if n := int(row[1].Int()); n > 0 {
			primary = append(primary, make([]int, max(0, n-len(primary)))...)
			primary[n-1] = len(t.Columns)
		}
		t.Columns = append(t.Columns, row[0].Text())
		return nil
	}, value.String(t.Name))
	if err != nil {
		return err
	}
	t.Primary = primary
	alias := false // the primary key is the rowid: no index is made for it
	err = p.query(ctx, `SELECT NOT EXISTS (SELECT 1 FROM pragma_index_list(?1, 'main') WHERE origin = 'pk')`, func(row []value.Value) error {
		alias = len(primary) > 0 && row[0].Int() != 0
		return nil
	}, value.String(t.Name))
	if err != nil {
		return err
	}
	if withoutRowID || alias {
		t.Key = primary
		return nil
	}
	for _, name := range rowIDNames {
		if !names[name] {
			t.Columns = slices.Insert(t.Columns, 0, name)
			t.Key = []int{0}
			for i := range t.Primary {
				t.Primary[i]++
			}
			return nil
		}
	}
	return nil
}

// rowIDNames are the rowid's names (https://sqlite.org/rowidtable.html), each of
// which a column may take.
var rowIDNames = []string{"rowid", "_rowid_", "oid"}

// selectFrom begins a query of the table's rows. Without an index and without an
// order of its own, SQLite reads the b-tree from its beginning to its end.
func (t *Table) selectFrom() string {
	var b strings.Builder
	for i, name := range t.Columns {
		b.WriteString([]string{"SELECT ", ", "}[min(i, 1)] + quoteName(name))
	}
	return b.String() + " FROM main." + quoteName(t.Name) + " NOT INDEXED"
}

// Digest digests so many rows from the row with number first on, and hands to each
// a digest for every piece rows, and how many they were: the last piece may be
// smaller. A table without rows there has no piece.
func (p *Pinned) Digest(ctx context.Context, t *Table, first, rows, piece int64, each func(d RowsDigest, rows int64) error) error {
	d := digester{hash: sha256.New()}
	err := p.query(ctx, t.selectFrom()+" LIMIT ?1 OFFSET ?2", func(row []value.Value) error {
		d.add(row)
		if d.rows < piece {
			return nil
		}
		return each(d.end())
	}, value.Int(rows), value.Int(first))
	if err == nil && d.rows > 0 {
		err = each(d.end())
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: table %s: %w", t.Name, err)
	}
	return nil
}

// DigestTable digests a whole table. From time to time it tells how many rows it
// has done.
func (p *Pinned) DigestTable(ctx context.Context, t *Table, progress func(rows int64)) (d RowsDigest, rows int64, err error) {
	// A digest of pieces' digests: so there is something to tell on the way.
	const piece = 4096
	sum := sha256.New()
	err = p.Digest(ctx, t, 0, math.MaxInt64, piece, func(d RowsDigest, n int64) error {
		sum.Write(d[:])
		rows += n
		progress(rows)
		return nil
	})
	copy(d[:], sum.Sum(nil))
	return d, rows, err
}

// digester digests rows.
type digester struct {
	hash hash.Hash
	rows int64
	buf  []byte
}

// digestKeepBytes is the largest buffer that is kept from row to row.
const digestKeepBytes = 1 << 20

func (d *digester) add(row []value.Value) {
	d.buf = d.buf[:0]
	for _, v := range row {
		d.buf = v.Append(d.buf)
	}
	d.hash.Write(d.buf)
	d.rows++
	if cap(d.buf) > digestKeepBytes {
		d.buf = nil
	}
}

// DigestRow digests one row, or some of its values.
func DigestRow(row []value.Value) RowsDigest {
	d := digester{hash: sha256.New()}
	d.add(row)
	sum, _ := d.end()
	return sum
}

func (d *digester) end() (sum RowsDigest, rows int64) {
	copy(sum[:], d.hash.Sum(d.buf[:0]))
	rows = d.rows
	d.hash.Reset()
	d.rows = 0
	return sum, rows
}

// Row returns the row with number n, nil if the table has no such row.
func (p *Pinned) Row(ctx context.Context, t *Table, n int64) ([]value.Value, error) {
	return p.one(ctx, t, " LIMIT 1 OFFSET ?1", value.Int(n))
}

// Find returns the row with the key, nil if there is none.
func (p *Pinned) Find(ctx context.Context, t *Table, key []value.Value) ([]value.Value, error) {
	var b strings.Builder
	for i, column := range t.Key {
		fmt.Fprintf(&b, "%s%s = ?%d", []string{" WHERE ", " AND "}[min(i, 1)], quoteName(t.Columns[column]), i+1)
	}
	return p.one(ctx, t, b.String(), key...)
}

// one returns the row that a query finds.
func (p *Pinned) one(ctx context.Context, t *Table, which string, args ...value.Value) (found []value.Value, err error) {
	err = p.query(ctx, t.selectFrom()+which, func(row []value.Value) error {
		found = make([]value.Value, len(row))
		for i, v := range row {
			found[i] = v.Clone()
		}
		return nil
	}, args...)
	if err != nil {
		return nil, fmt.Errorf("sqlfsm: table %s: %w", t.Name, err)
	}
	return found, nil
}
