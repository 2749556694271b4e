package sqlfsm

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan"
	"quorate/sqlplan/pgtype"
)

// firstOID is where the object ids of relations begin, as PostgreSQL's users'
// objects do (FirstNormalObjectId). A relation's is that plus its rowid in
// sqlite_schema, so it is the same on all nodes and stays while others come
// and go.
const firstOID = 16384

// schemaChanging is what visible holds while a schema change is being
// committed.
const schemaChanging = math.MaxUint64

// schemaGate keeps a reader from pairing a plan with another schema than its
// own. A reader compares visible with its plan's version before its
// transaction begins and again after its first read: when both times it was
// the same, no schema change was committed between, since visible is
// schemaChanging from before such a commit until the new schema is published.
type schemaGate struct {
	visible  atomic.Uint64 // the version that a transaction begun now sees
	changing sync.RWMutex  // held while visible is schemaChanging
}

func (g *schemaGate) shut() {
	g.changing.Lock()
	g.visible.Store(schemaChanging)
}

func (g *schemaGate) open() { g.changing.Unlock() }

// version returns the visible version, after a change under way.
func (g *schemaGate) version() uint64 {
	v := g.visible.Load()
	if v == schemaChanging {
		g.changing.RLock()
		defer g.changing.RUnlock()
		v = g.visible.Load()
	}
	return v
}

// publishSchema reads the schema and shows it to planners and readers.
func (f *FSM) publishSchema() error {
	schema, err := f.writer.readSchema()
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	schema.Version = f.meta.schemaVersion
	f.schema.Store(schema)
	f.gate.visible.Store(schema.Version)
	return nil
}

// typeKey is the primary key of the type table, folded.
type typeKey struct{ relation, column string }

func keyOf(relation, column string) typeKey {
	return typeKey{strings.ToLower(relation), strings.ToLower(column)}
}

// readSchema makes a sqlplan.Schema of sqlite_schema, the table-valued
// PRAGMAs and the type table.
func (c *connection) readSchema() (*sqlplan.Schema, error) {
	types, err := c.readTypes()
	if err != nil {
		return nil, err
	}
	schema := &sqlplan.Schema{Relations: make(map[string]*sqlplan.Relation)}
	var relations []*sqlplan.Relation
	err = c.query(`SELECT s.rowid, s.type, s.name, s.tbl_name, coalesce(s.sql, ''), coalesce(l.type, ''), coalesce(l.wr, 0)
		FROM main.sqlite_schema s LEFT JOIN pragma_table_list l ON l.schema = 'main' AND l.name = s.name
		WHERE s.type IN ('table', 'view', 'index') ORDER BY s.rowid`, func(row []value.Value) {
		r := &sqlplan.Relation{OID: uint32(firstOID + row[0].Int()), Name: row[2].Text(), SQL: row[4].Text(), WithoutRowid: row[6].Int() != 0}
		switch row[1].Text() {
		case "index":
			r.Kind, r.Table = sqlplan.Index, row[3].Text()
		case "view":
			r.Kind = sqlplan.View
		default:
			if row[5].Text() == "virtual" {
				r.Kind = sqlplan.VirtualTable
			}
		}
		relations = append(relations, r)
	})
	if err != nil {
		return nil, err
	}
	for _, r := range relations {
		if err := c.readColumns(r, types); err != nil {
			return nil, fmt.Errorf("%s: %w", r.Name, err)
		}
		schema.Relations[strings.ToLower(r.Name)] = r
	}
	return schema, nil
}

func (c *connection) readTypes() (map[typeKey]pgtype.Type, error) {
	types := make(map[typeKey]pgtype.Type)
	var unknown string
	err := c.query(`SELECT relation, "column", type, modifier FROM main._quorate_types`, func(row []value.Value) {
		oid, ok := pgtype.ByName(row[2].Text())
		if !ok {
			unknown = row[2].Text()
		}
		types[keyOf(row[0].Text(), row[1].Text())] = pgtype.Type{OID: oid, Mod: int32(row[3].Int())}
	})
	if err == nil && unknown != "" {
		err = fmt.Errorf("the type table names a type %q that this program does not know: use the version that wrote it", unknown)
	}
	return types, err
}

// readColumns fills in a relation's columns.
func (c *connection) readColumns(r *sqlplan.Relation, types map[typeKey]pgtype.Type) error {
	if r.Kind == sqlplan.Index {
		return c.query(`SELECT coalesce(name, '') FROM pragma_index_info(?1, 'main') ORDER BY seqno`, func(row []value.Value) {
			r.Columns = append(r.Columns, sqlplan.Column{Name: row[0].Text()})
		}, value.String(r.Name))
	}
	err := c.query(`SELECT name, "notnull", coalesce(dflt_value, ''), pk, hidden FROM pragma_table_xinfo(?1, 'main') ORDER BY cid`, func(row []value.Value) {
		column := sqlplan.Column{Name: row[0].Text(), NotNull: row[1].Int() != 0, Default: row[2].Text(), PrimaryKey: int(row[3].Int())}
		column.Hidden = row[4].Int() == 1
		column.Generated = row[4].Int() >= 2
		// Every table that the planner makes is STRICT, where a primary key
		// implies NOT NULL (https://sqlite.org/stricttables.html).
		column.NotNull = column.NotNull || column.PrimaryKey > 0
		column.Type = types[keyOf(r.Name, column.Name)]
		r.Columns = append(r.Columns, column)
	}, value.String(r.Name))
	if err != nil {
		if r.Kind == sqlplan.View {
			return nil // what it selects from is gone; it can still be dropped
		}
		return err
	}
	switch r.Kind {
	case sqlplan.VirtualTable:
		r.Columns = append(r.Columns, sqlplan.RowIDColumn())
	case sqlplan.Table:
		for i := range r.Columns {
			column := &r.Columns[i]
			column.Identity = column.PrimaryKey == 1 && c.db.Autoincrement(r.Name, column.Name)
		}
	case sqlplan.View:
		c.readViewTypes(r, types)
	}
	return nil
}

// readViewTypes gives a view's columns the types of the table columns that
// they are.
func (c *connection) readViewTypes(r *sqlplan.Relation, types map[typeKey]pgtype.Type) {
	c.guard.start(internal)
	s, _, err := c.db.Prepare("SELECT * FROM main."+quoteName(r.Name), false)
	if err != nil {
		return // as in readColumns
	}
	defer s.Finalize()
	for i := range r.Columns {
		if r.Columns[i].Type.OID == 0 && i < s.Columns() {
			table, column := s.Origin(i)
			r.Columns[i].Type = types[keyOf(table, column)]
		}
	}
}

// changeTypes makes the changes to the type table that go with a statement.
func (f *FSM) changeTypes(s *statement) error {
	for i := range s.types {
		if err := f.changeType(&s.types[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *FSM) changeType(t *sqlplan.TypeChange) error {
	relation, column, name := value.String(t.Relation), value.String(t.Column), value.String(t.NewName)
	switch t.Op {
	case sqlplan.SetType:
		typeName := pgtype.InternalName(t.Type.OID)
		if typeName == "" {
			return errcode.Newf(errcode.UndefinedObject, "there is no type with OID %d", t.Type.OID)
		}
		return f.runOwn(f.own.setType, relation, column, value.String(typeName), value.Int(int64(t.Type.Mod)))
	case sqlplan.DropRelation:
		return f.runOwn(f.own.dropRelation, relation)
	case sqlplan.RenameRelation:
		return f.runOwn(f.own.renameRelation, relation, name)
	case sqlplan.DropColumn:
		return f.runOwn(f.own.dropColumn, relation, column)
	case sqlplan.RenameColumn:
		return f.runOwn(f.own.rename, relation, column, name)
	}
	return fmt.Errorf("%w: type change %d", errMalformed, t.Op)
}
