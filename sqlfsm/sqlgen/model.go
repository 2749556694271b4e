package sqlgen

import "slices"

// model is what the generator knows of the schema, because what it drew
// succeeded.
type model struct {
	tables   []*table
	views    []*view
	indexes  []string // of planned tables
	triggers []trigger
	fullText bool // the full text index docs is there
	// wordsOnly: the one without content is there. indexed are those of tables.
	wordsOnly bool
	indexed   []textIndex
	raw       rawModel
}

// table is one that the planner made.
type table struct {
	name    string
	columns []column
	pinned  bool // a view or a trigger names it

	withoutRowID bool
}

type view struct {
	name    string
	columns []column
	on      string   // the table or view it selects from
	changes []string // what INSTEAD OF triggers take: INSERT, UPDATE, DELETE
}

type trigger struct{ name, on string }

type column struct {
	name string
	typ  string // as written, "numeric(8,2)"
	// What an INSERT must heed.
	key       bool // the primary key, or part of it
	unique    bool
	notNull   bool // and without a default
	generated bool
	serial    bool
	parent    string // the table that it references, by its first column
	check     bool   // values above 5000 violate it
	pair      bool   // with another column it refers to a table
}

// base is the type's name without a modifier and with one spelling.
func (c *column) base() string { return baseType(c.typ) }

func baseType(t string) string {
	for i := range t {
		if t[i] == '(' {
			t = t[:i]
			break
		}
	}
	switch t {
	case "serial", "int":
		return "int4"
	case "bigserial", "bigint":
		return "int8"
	case "smallint":
		return "int2"
	case "varchar", "char":
		return "text"
	case "boolean":
		return "bool"
	case "real", "double precision":
		return "float8"
	case "timestamp with time zone":
		return "timestamptz"
	}
	return t
}

// clone returns a copy that shares nothing that changes.
func (m *model) clone() model {
	c := *m
	c.tables, c.views, c.indexes, c.triggers = nil, nil, slices.Clone(m.indexes), slices.Clone(m.triggers)
	for _, t := range m.tables {
		copied := *t
		copied.columns = slices.Clone(t.columns)
		c.tables = append(c.tables, &copied)
	}
	c.indexed = nil
	for _, x := range m.indexed {
		x.table = c.table(x.table.name)
		c.indexed = append(c.indexed, x)
	}
	for _, v := range m.views {
		copied := *v
		copied.changes = slices.Clone(v.changes)
		c.views = append(c.views, &copied)
	}
	c.raw = m.raw.clone()
	return c
}

func (m *model) table(name string) *table {
	for _, t := range m.tables {
		if t.name == name {
			return t
		}
	}
	return nil
}

// isIndexed reports that a full text index names the table and its columns.
func (m *model) isIndexed(name string) bool {
	return slices.ContainsFunc(m.indexed, func(x textIndex) bool { return x.table.name == name })
}

func (m *model) dropTable(name string) {
	m.tables = slices.DeleteFunc(m.tables, func(t *table) bool { return t.name == name })
	m.triggers = slices.DeleteFunc(m.triggers, func(t trigger) bool { return t.on == name })
}

// usedBy reports that something else would be in the way of dropping or
// changing the relation.
func (m *model) usedBy(name string) bool {
	for _, v := range m.views {
		if v.on == name {
			return true
		}
	}
	for _, t := range m.tables {
		for _, c := range t.columns {
			if c.parent == name && t.name != name {
				return true
			}
		}
	}
	return false
}

// writable are the columns that an INSERT or UPDATE may name.
func (t *table) writable() []*column {
	var list []*column
	for i := range t.columns {
		if c := &t.columns[i]; !c.generated {
			list = append(list, c)
		}
	}
	return list
}

// changeable are those that an UPDATE may change without getting into the way
// of keys.
func (t *table) changeable() []*column {
	return slices.DeleteFunc(t.writable(), func(c *column) bool { return c.key || c.unique || c.parent != "" || c.pair })
}
