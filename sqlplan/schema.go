package sqlplan

import "quorate/sqlplan/pgtype"

// Schema is what the planner knows of the database: immutable, replaced as a
// whole when DDL was applied. sqlfsm makes it from SQLite's schema and the
// type table.
type Schema struct {
	// Version is the log index of the last entry that changed the schema.
	Version uint64
	// Relations by name, folded to lower case (SQLite's names differ in case
	// only when quoted differently, and are the same).
	Relations map[string]*Relation
}

// Relation is a table, a view or an index.
type Relation struct {
	Name    string // as declared
	Kind    RelationKind
	OID     uint32 // stable for a schema version; assigned by sqlfsm
	Columns []Column
	// WithoutRowid tables have no rowid, oid or _rowid_ column.
	WithoutRowid bool
	// SQL is the declaration as SQLite keeps it.
	SQL string
	// Table is the table of an index.
	Table string
}

// RelationKind says what a Relation is.
type RelationKind uint8

// The kinds of relation.
const (
	Table RelationKind = iota
	View
	VirtualTable
	Index
)

// Column is a column of a table or view.
type Column struct {
	Name       string
	Type       pgtype.Type // OID 0: declared without a type (a table), or not known (a view)
	NotNull    bool
	Default    string // the SQLite expression, "" for none
	PrimaryKey int    // position in the primary key from 1; 0: not part of it
	Identity   bool   // SERIAL or IDENTITY: INTEGER PRIMARY KEY AUTOINCREMENT
	Generated  bool   // GENERATED ALWAYS AS (…)
	Hidden     bool   // a virtual table's hidden column
}

// RowIDColumn is the last column of a full text index, which SQLite does not
// list. By it the index is joined to the table whose texts it finds.
func RowIDColumn() Column {
	return Column{Name: "rowid", Type: pgtype.Of(pgtype.Int8), NotNull: true, Hidden: true}
}

// TypeChange is a change to the type table: the replicated table that keeps,
// for every declared column, the Postgres type and its modifier.
type TypeChange struct {
	Op       TypeOp
	Relation string
	Column   string
	Type     pgtype.Type // SetType
	NewName  string      // RenameRelation, RenameColumn
}

// TypeOp says what a TypeChange does.
type TypeOp uint8

// The operations. The numbers are in the log.
const (
	SetType        TypeOp = iota + 1 // one column's type
	DropRelation                     // forget a relation
	RenameRelation                   // Relation becomes NewName
	DropColumn                       // forget a column
	RenameColumn                     // Column becomes NewName
)
