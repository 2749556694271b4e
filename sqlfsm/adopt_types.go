package sqlfsm

import (
	"strconv"
	"strings"

	"quorate/sqlplan/pgtype"
)

// declaredColumn finds out which type a column of another program's table is to
// have. OID 0: it holds anything.
func declaredColumn(table, column, declared string) columnType {
	return columnType{relation: table, column: column, declared: declared, t: declaredType(declared)}
}

// declaredType reads the type that a column was declared with, as PostgreSQL would,
// but for two: in SQLite every integer has 64 bits and every floating-point number
// is double precision (https://sqlite.org/datatype3.html, 2), whatever the
// declaration says, and no constraint keeps them smaller. Types whose text SQLite
// might take for a number in such a column, like json, are left out; so is what
// PostgreSQL does not know, like DATETIME.
func declaredType(declared string) pgtype.Type {
	name, arguments, ok := splitType(declared)
	if !ok {
		return pgtype.Type{}
	}
	if name == "blob" && len(arguments) == 0 {
		return pgtype.Of(pgtype.Bytea)
	}
	oid, known := pgtype.ByName(name)
	if !known {
		return pgtype.Type{}
	}
	t := pgtype.Of(oid)
	switch oid {
	case pgtype.Int2, pgtype.Int4, pgtype.Int8:
		t.OID = pgtype.Int8
	case pgtype.Float4, pgtype.Float8:
		t.OID = pgtype.Float8
	case pgtype.Bool, pgtype.Bytea, pgtype.Text, pgtype.Date, pgtype.UUID:
	case pgtype.Varchar, pgtype.BPChar:
		if len(arguments) == 1 && arguments[0] > 0 {
			t.Mod, arguments = pgtype.LengthMod(arguments[0]), nil
		} else if oid == pgtype.BPChar && name != "bpchar" {
			t.Mod = pgtype.LengthMod(1)
		}
	case pgtype.Time, pgtype.Timestamp, pgtype.Timestamptz:
		if len(arguments) == 1 {
			t.Mod, arguments = int32(min(arguments[0], 6)), nil
		}
	case pgtype.Numeric:
		if n := len(arguments); (n == 1 || n == 2) && arguments[0] > 0 && arguments[0] <= 1000 && append(arguments, 0)[1] <= 1000 {
			t.Mod, arguments = pgtype.PrecisionMod(arguments[0], append(arguments, 0)[1]), nil
		}
	default:
		return pgtype.Type{}
	}
	if len(arguments) > 0 {
		return pgtype.Type{} // PostgreSQL knows no INT(11)
	}
	return t
}

// splitType takes a declaration apart: "NUMERIC (10, 2)" is the name "numeric", 10
// and 2. SQLite allows nothing behind the parenthesis.
func splitType(declared string) (name string, arguments []int, ok bool) {
	before, rest, found := strings.Cut(declared, "(")
	if !found {
		return strings.ToLower(strings.Join(strings.Fields(declared), " ")), nil, declared != ""
	}
	for _, text := range strings.Split(strings.TrimSuffix(rest, ")"), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 0 || n > 10485760 { // PostgreSQL's longest varchar(n)
			return "", nil, false
		}
		arguments = append(arguments, n)
	}
	return strings.ToLower(strings.Join(strings.Fields(before), " ")), arguments, true
}
