package sqlgen

import "slices"

// rawModel is what the generator knows of what it made past the planner.
type rawModel struct {
	tables     []rawTable
	views      []string // with the columns k, v and w
	insertable []string // those of them with a trigger that takes an INSERT; and so on
	deletable  []string
	updatable  []string
	indexes    []string
	triggers   []string
	fullText   []rawFullText
}

type rawTable struct {
	name         string
	columns      []rawColumn
	strict       bool
	withoutRowID bool
	pinned       bool // a view, a trigger or a foreign key names it
	sequence     bool // AUTOINCREMENT
	indexed      bool // a full text index is of its rows and names its columns
}

type rawColumn struct {
	name, declared string // what is written behind the name first
	key            bool
	auto           bool // SQLite makes up a value
	generated      bool
	unique         bool
	parent         string
}

func (m *rawModel) clone() rawModel {
	c := rawModel{views: slices.Clone(m.views), insertable: slices.Clone(m.insertable), deletable: slices.Clone(m.deletable), updatable: slices.Clone(m.updatable), indexes: slices.Clone(m.indexes), triggers: slices.Clone(m.triggers), fullText: slices.Clone(m.fullText)}
	for _, t := range m.tables {
		t.columns = slices.Clone(t.columns)
		c.tables = append(c.tables, t)
	}
	return c
}

// writable are the columns that may be given a value.
func (t *rawTable) writable() []rawColumn {
	return slices.DeleteFunc(slices.Clone(t.columns), func(c rawColumn) bool { return c.generated })
}

// changeable are those without a constraint in the way.
func (t *rawTable) changeable() []rawColumn {
	return slices.DeleteFunc(t.writable(), func(c rawColumn) bool { return c.key || c.unique || c.parent != "" })
}
