package sqlplan

import (
	"strconv"

	"quorate/sqlplan/pgtype"
)

// print writes CREATE TABLE.
func (t *newTable) print(p *printer) {
	p.bare = true
	p.w("CREATE TABLE ")
	p.ifNotExists(t.def.ifNotExists)
	p.name(t.relation.Name)
	p.w(" (")
	for i := range t.def.columns {
		if i > 0 {
			p.w(", ")
		}
		p.column(&t.def.columns[i], &t.relation.Columns[i], t.inlineKey(i))
	}
	for i := range t.def.constraints {
		c := &t.def.constraints[i]
		if c == t.key && t.hasIdentity() {
			continue // printed with its column
		}
		p.w(", ")
		p.constraint(c)
	}
	p.w(") STRICT")
	if t.def.withoutRowid {
		p.w(", WITHOUT ROWID")
	}
}

func (t *newTable) hasIdentity() bool {
	for _, c := range t.relation.Columns {
		if c.Identity {
			return true
		}
	}
	return false
}

// inlineKey is the primary key constraint to print with column i: its own, or
// the table's when the column is an identity, because AUTOINCREMENT has no
// other place.
func (t *newTable) inlineKey(i int) *constraint {
	if t.key != nil && t.relation.Columns[i].PrimaryKey == 1 && (t.key.columns == nil || t.relation.Columns[i].Identity) {
		return t.key
	}
	return nil
}

// column writes a column's definition.
func (p *printer) column(d *columnDef, c *Column, key *constraint) {
	p.name(d.name)
	p.w(" ", storageClass(c.Type.OID))
	if key != nil {
		p.constraintName(key)
		p.w(" PRIMARY KEY")
		if c.Identity {
			p.w(" AUTOINCREMENT")
		}
	}
	for i := range d.constraints {
		k := &d.constraints[i]
		switch k.kind {
		case "PRIMARY KEY", "IDENTITY":
			continue
		}
		p.w(" ")
		p.constraint(k)
	}
	p.typeCheck(d.name, c.Type)
}

func (p *printer) constraintName(c *constraint) {
	if c.name != "" {
		p.w(" CONSTRAINT ")
		p.name(c.name)
	}
}

// constraint writes one constraint of a column or a table.
func (p *printer) constraint(c *constraint) {
	if c.name != "" {
		p.w("CONSTRAINT ")
		p.name(c.name)
		p.w(" ")
	}
	switch c.kind {
	case "NOT NULL":
		p.w("NOT NULL")
	case "DEFAULT":
		p.w("DEFAULT ")
		p.defaultExpr(c.x)
	case "GENERATED":
		p.w("GENERATED ALWAYS AS (")
		p.expr(c.x)
		if c.virtual {
			p.w(") VIRTUAL")
		} else {
			p.w(") STORED")
		}
	case "CHECK":
		p.w("CHECK (")
		p.expr(c.x)
		p.w(")")
	case "PRIMARY KEY", "UNIQUE":
		p.w(c.kind)
		if c.columns != nil {
			p.w(" ")
			p.columnList(c.columns)
		}
	case "REFERENCES":
		if c.columns != nil {
			p.w("FOREIGN KEY ")
			p.columnList(c.columns)
			p.w(" ")
		}
		p.reference(c.ref)
	}
}

// defaultExpr writes a default: a literal as it is, else in parentheses
// (https://sqlite.org/lang_createtable.html#dfltval).
func (p *printer) defaultExpr(x expr) {
	if c, ok := x.(*constant); ok {
		p.value(c.val)
		return
	}
	p.w("(")
	p.expr(x)
	p.w(")")
}

func (p *printer) columnList(list []nameAt) {
	p.w("(")
	for i, n := range list {
		if i > 0 {
			p.w(", ")
		}
		p.name(n.name)
	}
	p.w(")")
}

func (p *printer) reference(ref *reference) {
	p.w("REFERENCES ")
	p.name(ref.table.name)
	if ref.columns != nil {
		p.w(" ")
		p.columnList(ref.columns)
	}
	if ref.onDelete != "" {
		p.w(" ON DELETE ", ref.onDelete)
	}
	if ref.onUpdate != "" {
		p.w(" ON UPDATE ", ref.onUpdate)
	}
	if ref.deferrable != "" {
		p.w(" ", ref.deferrable)
	}
}

// typeCheck writes the CHECK that enforces what a type demands beyond its
// storage class. The constraint's name tells the state machine which error to
// report. bigint, text, timestamps and the others need none: STRICT keeps the
// class, and the planner and the front door convert every value before.
func (p *printer) typeCheck(column string, t pgtype.Type) {
	name, check := typeCheck(column, t)
	if name != "" {
		p.w(` CONSTRAINT "quorate `, name, `" CHECK (`, check, ")")
	}
}

func typeCheck(column string, t pgtype.Type) (name, check string) {
	c := quoteName(column)
	switch t.OID {
	case pgtype.Int2:
		return "smallint", c + " BETWEEN -32768 AND 32767"
	case pgtype.Int4:
		return "integer", c + " BETWEEN -2147483648 AND 2147483647"
	case pgtype.Bool:
		return "boolean", c + " IN (0, 1)"
	case pgtype.OID:
		return "oid", c + " BETWEEN 0 AND 4294967295"
	case pgtype.Varchar, pgtype.BPChar:
		if n, ok := t.Length(); ok {
			length := strconv.Itoa(n)
			return pgtype.InternalName(t.OID) + " " + length, "length(" + c + ") <= " + length
		}
	case pgtype.Numeric:
		return numericCheck(c, t)
	}
	return "", ""
}

// numericCheck: a number, and below 10^(precision-scale).
func numericCheck(c string, t pgtype.Type) (name, check string) {
	name, check = "numeric", "typeof("+c+") IN ('integer', 'real', 'null')"
	if precision, scale, ok := t.Precision(); ok {
		name += " " + strconv.Itoa(precision) + " " + strconv.Itoa(scale)
		check += " AND abs(" + c + ") < 1e" + strconv.Itoa(precision-scale)
	}
	return name, check
}
