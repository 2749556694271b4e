package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// typeName reads a type with its modifiers (PostgreSQL manual, chapter 8).
func (p *parser) typeName() pgtype.Type {
	pos := p.tok.pos
	t := p.scalarType()
	if p.isOp("[") || p.is("array") {
		p.unsupported(pos, "an array type").WithHint("Use jsonb, or a table of its own.")
	}
	return t
}

// castType reads the type of a cast, where arrays are known: what is done with
// them, the resolver says.
func (p *parser) castType() pgtype.Type {
	pos := p.tok.pos
	t := p.scalarType()
	if !p.isOp("[") {
		return t
	}
	array := pgtype.ArrayOf(t.OID)
	if array == 0 && p.err == nil {
		p.unsupported(pos, "an array of %s", formatType(t))
	}
	for p.acceptOp("[") {
		if p.tok.kind == tokInt {
			p.advance()
		}
		p.expectOp("]")
	}
	return pgtype.Of(array)
}

func (p *parser) scalarType() pgtype.Type {
	pos := p.tok.pos
	if p.tok.kind == tokQuoted && p.tok.text == "char" {
		p.advance()
		return pgtype.Of(pgtype.Char)
	}
	name := p.label()
	if name == "pg_catalog" || name == "public" {
		if p.acceptOp(".") {
			name = p.label()
		}
	}
	if name == "setof" {
		p.unsupported(pos, "SETOF")
	}
	name = p.typeWords(name)
	if serialTypes[name] != 0 {
		p.stop(p.fail(pos, errcode.UndefinedObject, "type \"%s\" does not exist", name))
	}
	oid, ok := pgtype.ByName(name)
	if !ok || oid == pgtype.Unknown || oid == pgtype.Any || oid == pgtype.Record || oid == pgtype.Void {
		p.stop(p.fail(pos, errcode.UndefinedObject, "type \"%s\" does not exist", name))
		return pgtype.Type{}
	}
	t := pgtype.Of(oid)
	if p.isOp("(") {
		t = p.typeModifier(t, pos)
	} else if name == "character" || name == "char" || name == "nchar" {
		t.Mod = pgtype.LengthMod(1)
	}
	if oid == pgtype.Time || oid == pgtype.Timestamp {
		t = p.timeZoneWords(t)
	}
	return t
}

// typeWords reads the further words of a type of several.
func (p *parser) typeWords(name string) string {
	switch name {
	case "double":
		p.expect("precision")
		return "double precision"
	case "national":
		if !p.accept("character") {
			p.expect("char")
		}
		name = "character"
	}
	if (name == "character" || name == "char" || name == "nchar") && p.accept("varying") {
		return "character varying"
	}
	return name
}

// timeZoneWords reads WITH TIME ZONE after timestamp or time.
func (p *parser) timeZoneWords(t pgtype.Type) pgtype.Type {
	if p.is("with") && p.peek().is("time") {
		pos := p.tok.pos
		p.advance()
		p.expect("time", "zone")
		if t.OID == pgtype.Time {
			p.unsupported(pos, "time with time zone")
		}
		t.OID = pgtype.Timestamptz
	} else if p.is("without") && p.peek().is("time") {
		p.advance()
		p.expect("time", "zone")
	}
	return t
}

// typeModifier reads (n) or (p, s).
func (p *parser) typeModifier(t pgtype.Type, pos int) pgtype.Type {
	bad := func(format string, args ...any) pgtype.Type {
		p.stop(p.fail(pos, errcode.InvalidParameterValue, format, args...))
		return t
	}
	p.expectOp("(")
	const most = 1 << 24
	first := p.number(most)
	second, two := 0, false
	if p.acceptOp(",") {
		negative := p.acceptOp("-")
		second, two = p.number(most), true
		if negative {
			second = -second
		}
	}
	p.expectOp(")")
	if p.err != nil {
		return t
	}
	switch t.OID {
	case pgtype.Varchar, pgtype.BPChar:
		if two {
			break
		}
		if first < 1 || first > 10485760 {
			return bad("length for type %s must be between 1 and 10485760", pgtype.InternalName(t.OID))
		}
		t.Mod = pgtype.LengthMod(first)
		return t
	case pgtype.Numeric:
		if first < 1 || first > 1000 {
			return bad("NUMERIC precision %d must be between 1 and 1000", first)
		}
		if second < -1000 || second > 1000 {
			return bad("NUMERIC scale %d must be between -1000 and 1000", second)
		}
		t.Mod = pgtype.PrecisionMod(first, second)
		return t
	case pgtype.Timestamp, pgtype.Timestamptz, pgtype.Time, pgtype.Interval:
		if two {
			break
		}
		t.Mod = int32(min(first, 6))
		return t
	case pgtype.Float8: // float(p), section 8.1.3
		if two {
			break
		}
		switch {
		case first < 1:
			return bad("precision for type float must be at least 1 bit")
		case first <= 24:
			t.OID = pgtype.Float4
		case first > 53:
			return bad("precision for type float must be less than 54 bits")
		}
		return t
	}
	p.stop(p.fail(pos, errcode.SyntaxError, "type modifier is not allowed for type \"%s\"", pgtype.InternalName(t.OID)))
	return t
}

// typedLiteral reads type 'literal'; nil when there is none.
func (p *parser) typedLiteral() expr {
	t := p.tok
	if reserved[t.text] {
		return nil
	}
	next := p.peek()
	words := next.kind == tokWord && (t.text == "double" && next.text == "precision" ||
		(t.text == "timestamp" || t.text == "time") && (next.text == "with" || next.text == "without"))
	if next.kind != tokString && !words {
		return nil
	}
	if _, known := pgtype.ByName(t.text); !known && !words {
		return nil
	}
	to := p.typeName()
	if p.tok.kind != tokString {
		p.unexpected()
		return &constant{}
	}
	s := p.tok
	p.advance()
	x := &constant{node: node{s.pos, pgtype.Of(pgtype.Unknown)}, val: value.String(s.text)}
	return &cast{node: node{pos: t.pos}, x: x, to: to, literal: true}
}

// intervalLiteral reads INTERVAL '…'; with a field after it it would mean
// something else.
func (p *parser) intervalLiteral() expr {
	pos := p.tok.pos
	p.advance()
	s := p.tok
	p.advance()
	switch p.tok.text {
	case "year", "month", "day", "hour", "minute", "second":
		if p.tok.kind == tokWord {
			p.unsupported(p.tok.pos, "INTERVAL with a field").WithHint("Write interval '%s %s'.", s.text, strings.ToLower(p.tok.text))
		}
	}
	x := &constant{node: node{s.pos, pgtype.Of(pgtype.Unknown)}, val: value.String(s.text)}
	return &cast{node: node{pos: pos}, x: x, to: pgtype.Of(pgtype.Interval), literal: true}
}

// serialTypes are the pseudo-types of CREATE TABLE and the integers they are.
var serialTypes = map[string]uint32{
	"serial": pgtype.Int4, "serial4": pgtype.Int4,
	"bigserial": pgtype.Int8, "serial8": pgtype.Int8,
	"smallserial": pgtype.Int2, "serial2": pgtype.Int2,
}
