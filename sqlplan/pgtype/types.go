package pgtype

import (
	"strconv"
	"strings"
)

// The object ids of PostgreSQL's types (src/include/catalog/pg_type.dat). They
// are in the wire protocol, in the catalogue and in the type table.
const (
	Bool        uint32 = 16
	Bytea       uint32 = 17
	Char        uint32 = 18 // "char", one byte; character(n) is BPChar
	Name        uint32 = 19
	Int8        uint32 = 20
	Int2        uint32 = 21
	Int4        uint32 = 23
	Text        uint32 = 25
	OID         uint32 = 26
	JSON        uint32 = 114
	Float4      uint32 = 700
	Float8      uint32 = 701
	Unknown     uint32 = 705 // a literal whose type is not decided yet
	BPChar      uint32 = 1042
	Varchar     uint32 = 1043
	Date        uint32 = 1082
	Time        uint32 = 1083
	Timestamp   uint32 = 1114
	Timestamptz uint32 = 1184
	Interval    uint32 = 1186
	Numeric     uint32 = 1700
	RegClass    uint32 = 2205
	RegType     uint32 = 2206
	Record      uint32 = 2249
	Any         uint32 = 2276 // in function tables: any type, or that of the first such argument
	Void        uint32 = 2278
	UUID        uint32 = 2950
	JSONB       uint32 = 3802
)

// Type is a type with its modifier.
type Type struct {
	OID uint32
	// Mod is PostgreSQL's atttypmod: varchar(n) and char(n) n+4, numeric(p,s)
	// (p<<16|s)+4, time(p), timestamp(p) and interval(p) p; -1 for none. As in
	// PostgreSQL, every negative number means none; make Types with Of or with
	// a Mod, for the zero Mod is timestamp(0).
	Mod int32
}

// Of makes a Type without a modifier.
func Of(oid uint32) Type { return Type{OID: oid, Mod: -1} }

// typeInfo is a row of the type table. The first of names is the internal name
// (pg_type.typname), as used in the names of cast functions.
type typeInfo struct {
	oid    uint32
	size   int16  // pg_type.typlen: bytes, -1 variable
	format string // what format_type() says, without modifier
	names  []string
}

var infos = []typeInfo{
	{Bool, 1, "boolean", []string{"bool", "boolean"}},
	{Bytea, -1, "bytea", []string{"bytea"}},
	{Char, 1, `"char"`, []string{`"char"`}},
	{Name, 64, "name", []string{"name"}},
	{Int8, 8, "bigint", []string{"int8", "bigint"}},
	{Int2, 2, "smallint", []string{"int2", "smallint"}},
	{Int4, 4, "integer", []string{"int4", "integer", "int"}},
	{Text, -1, "text", []string{"text"}},
	{OID, 4, "oid", []string{"oid"}},
	{JSON, -1, "json", []string{"json"}},
	{Float4, 4, "real", []string{"float4", "real"}},
	{Float8, 8, "double precision", []string{"float8", "double precision", "float"}},
	{Unknown, -2, "unknown", []string{"unknown"}},
	{BPChar, -1, "character", []string{"bpchar", "character", "char", "nchar", "national character", "national char"}},
	{Varchar, -1, "character varying", []string{"varchar", "character varying", "char varying",
		"national character varying", "national char varying", "nchar varying"}},
	{Date, 4, "date", []string{"date"}},
	{Time, 8, "time without time zone", []string{"time", "time without time zone"}},
	{Timestamp, 8, "timestamp without time zone", []string{"timestamp", "timestamp without time zone"}},
	{Timestamptz, 8, "timestamp with time zone", []string{"timestamptz", "timestamp with time zone"}},
	{Interval, 16, "interval", []string{"interval"}},
	{Numeric, -1, "numeric", []string{"numeric", "decimal", "dec"}},
	{RegClass, 4, "regclass", []string{"regclass"}},
	{RegType, 4, "regtype", []string{"regtype"}},
	{Record, -1, "record", []string{"record"}},
	{Any, 4, `"any"`, []string{`"any"`}},
	{Void, 4, "void", []string{"void"}},
	{UUID, 16, "uuid", []string{"uuid"}},
	{JSONB, -1, "jsonb", []string{"jsonb"}},
}

var (
	byName = map[string]uint32{}
	byOID  = map[uint32]*typeInfo{}
)

func init() {
	for i := range infos {
		info := &infos[i]
		byOID[info.oid] = info
		for _, name := range info.names {
			byName[name] = info.oid
		}
	}
}

// ByName finds a type by any spelling that PostgreSQL knows, in any case, with
// one blank between words and without modifiers: "int", "character varying",
// "timestamptz". The type "char" (with its quotes) is Char, char is BPChar.
func ByName(name string) (oid uint32, ok bool) {
	oid, ok = byName[name]
	if !ok {
		oid, ok = byName[strings.ToLower(name)]
	}
	return oid, ok
}

// InternalName is the type's name in pg_type: "int4", "timestamptz". It is ""
// for a type that Quorate does not know.
func InternalName(oid uint32) string {
	switch oid {
	case Char:
		return "char"
	case Any:
		return "any"
	}
	if info := byOID[oid]; info != nil {
		return info.names[0]
	}
	return ""
}

// Size is the type's pg_type.typlen as RowDescription sends it: the size in
// bytes, -1 when it varies.
func Size(oid uint32) int16 {
	if info := byOID[oid]; info != nil {
		return info.size
	}
	return -1
}

// Format writes a type as PostgreSQL's format_type() does.
func Format(t Type) string {
	info := byOID[t.OID]
	if info == nil {
		if element := ElementOf(t.OID); element != 0 {
			return Format(Of(element)) + "[]"
		}
		return "???"
	}
	if t.Mod < 0 {
		if t.OID == BPChar {
			return "bpchar" // "character" would read as character(1)
		}
		return info.format
	}
	switch t.OID {
	case BPChar, Varchar:
		if n, ok := t.Length(); ok {
			return info.format + "(" + strconv.Itoa(n) + ")"
		}
	case Numeric:
		if p, s, ok := t.Precision(); ok {
			return "numeric(" + strconv.Itoa(p) + "," + strconv.Itoa(s) + ")"
		}
	case Time, Timestamp, Timestamptz:
		word, rest, _ := strings.Cut(info.format, " ")
		return word + "(" + strconv.Itoa(int(t.Mod)) + ") " + rest
	case Interval:
		if p, ok := t.fraction(); ok {
			return "interval(" + strconv.Itoa(p) + ")"
		}
	}
	return info.format
}

// Length is the n of varchar(n) and char(n), in characters.
func (t Type) Length() (n int, ok bool) {
	if t.Mod < 4 {
		return 0, false
	}
	return int(t.Mod) - 4, true
}

// Precision is the p and s of numeric(p,s). The scale may be negative: the
// low eleven bits are a signed number.
func (t Type) Precision() (precision, scale int, ok bool) {
	if t.Mod < 4 {
		return 0, 0, false
	}
	m := t.Mod - 4
	return int(m >> 16 & 0xffff), int((m&0x7ff)^1024) - 1024, true
}

// fraction is the p of timestamp(p): how many digits of a second are kept.
func (t Type) fraction() (digits int, ok bool) {
	if t.Mod < 0 || t.Mod&0xffff > 6 {
		return 6, false
	}
	return int(t.Mod & 0xffff), true
}

// LengthMod makes the Mod of varchar(n) and char(n).
func LengthMod(n int) int32 { return int32(n) + 4 }

// PrecisionMod makes the Mod of numeric(p,s).
func PrecisionMod(precision, scale int) int32 {
	return int32(precision<<16|scale&0x7ff) + 4
}

// IsString reports whether values of the type are character strings.
func IsString(oid uint32) bool {
	switch oid {
	case Text, Varchar, BPChar, Name, Char, Unknown:
		return true
	}
	return false
}

// IsNumber reports whether the type is a number that arithmetic works on.
func IsNumber(oid uint32) bool {
	switch oid {
	case Int2, Int4, Int8, Float4, Float8, Numeric:
		return true
	}
	return false
}
