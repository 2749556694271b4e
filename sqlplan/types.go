package sqlplan

import (
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// context is where a conversion happens; each allows what the one before does
// and more (PostgreSQL manual, section 10.4 and CREATE CAST).
type context uint8

const (
	implicit    context = iota // an operand or an argument
	assignment_                // a value for a column
	explicit                   // CAST and ::
)

// numberRank orders the numeric types by what converts to what; 0: no number.
func numberRank(oid uint32) int {
	switch oid {
	case pgtype.Int2:
		return 1
	case pgtype.Int4:
		return 2
	case pgtype.Int8:
		return 3
	case pgtype.Numeric:
		return 4
	case pgtype.Float4:
		return 5
	case pgtype.Float8:
		return 6
	}
	return 0
}

// timeRank orders the types of points in time likewise.
func timeRank(oid uint32) int {
	switch oid {
	case pgtype.Date:
		return 1
	case pgtype.Timestamp:
		return 2
	case pgtype.Timestamptz:
		return 3
	}
	return 0
}

func isInteger(oid uint32) bool {
	return oid == pgtype.Int2 || oid == pgtype.Int4 || oid == pgtype.Int8
}

func isFloat(oid uint32) bool { return oid == pgtype.Float4 || oid == pgtype.Float8 }

// isText is pgtype.IsString without the undecided literals.
func isText(oid uint32) bool { return oid != pgtype.Unknown && pgtype.IsString(oid) }

func isJSON(oid uint32) bool { return oid == pgtype.JSON || oid == pgtype.JSONB }

// convertible says whether PostgreSQL has a cast from one type to another that
// may be used here (pg_cast, and conversion through text).
func convertible(from, to uint32, c context) bool {
	if from == to || from == 0 || to == 0 || from == pgtype.Unknown {
		return true
	}
	fn, tn := numberRank(from), numberRank(to)
	ft, tt := timeRank(from), timeRank(to)
	switch {
	case fn > 0 && tn > 0:
		return fn <= tn || c >= assignment_
	case isText(from) && isText(to):
		return true
	case ft > 0 && tt > 0:
		return ft <= tt || c >= assignment_
	case isText(to):
		return c >= assignment_
	case isText(from):
		return c == explicit
	case isJSON(from) && isJSON(to):
		return c >= assignment_
	case from == pgtype.JSONB:
		return c == explicit && (tn > 0 || to == pgtype.Bool)
	case from == pgtype.Int4 && to == pgtype.Bool, from == pgtype.Bool && to == pgtype.Int4:
		return c == explicit
	case to == pgtype.OID || from == pgtype.OID:
		return isInteger(from) || c >= assignment_ && (to == pgtype.Int4 || to == pgtype.Int8)
	case to == pgtype.Time && (ft >= 2):
		return c >= assignment_
	case from == pgtype.Time && to == pgtype.Interval:
		return true
	case from == pgtype.Interval && to == pgtype.Time:
		return c >= assignment_
	}
	return false
}

// commonType finds the type that operands, branches of CASE, or rows of VALUES
// share (section 10.5). ok is false when there is none. It has a modifier only
// when all of them have that one: an undecided literal is not cut to it.
func commonType(types []pgtype.Type) (t pgtype.Type, ok bool) {
	t = pgtype.Of(pgtype.Unknown)
	undecided := false
	for _, u := range types {
		switch {
		case u.OID == pgtype.Unknown:
			undecided = true
		case u == t:
		case t.OID == pgtype.Unknown:
			t = u
		case t.OID == 0 || u.OID == 0:
			t = pgtype.Type{Mod: -1}
		case t.OID == u.OID:
			t.Mod = -1
		case convertible(u.OID, t.OID, implicit) && !(isText(u.OID) && u.OID == pgtype.Text):
			t.Mod = -1
		case convertible(t.OID, u.OID, implicit):
			t = pgtype.Of(u.OID)
		default:
			return t, false
		}
	}
	switch {
	case t.OID == pgtype.Unknown:
		t = pgtype.Of(pgtype.Text)
	case undecided:
		t.Mod = -1
	}
	return t, true
}

// needsZone says whether a conversion depends on the session's time zone.
func needsZone(from, to uint32) bool {
	return (from == pgtype.Timestamptz) != (to == pgtype.Timestamptz) &&
		(timeRank(from) > 0 || timeRank(to) > 0)
}

// sameStored says whether values of one type are stored as those of another,
// whatever the value, when nothing has to be checked or rounded.
func sameStored(from, to uint32) bool {
	switch {
	case from == to:
		return true
	case isInteger(from) && (to == pgtype.Numeric || isInteger(to) && numberRank(from) <= numberRank(to)):
		return true
	case isText(from) && isText(to):
		return to != pgtype.BPChar && to != pgtype.Char && to != pgtype.Name
	case isInteger(from) && to == pgtype.OID, from == pgtype.OID && to == pgtype.Int8:
		return from != pgtype.Int8 || to != pgtype.OID
	case from == pgtype.JSONB && to == pgtype.JSON:
		return true
	case from == pgtype.Float4 && to == pgtype.Float8:
		return true
	}
	return false
}

// coerce makes e a value of type to, or fails as PostgreSQL does.
func (r *resolver) coerce(e expr, to pgtype.Type, c context) expr {
	n := e.base()
	if r.err != nil || to.OID == 0 {
		return e
	}
	if x, ok := e.(*param); ok && n.typ.OID == pgtype.Unknown {
		r.typeParam(x, to.OID)
	}
	if x, ok := e.(*constant); ok {
		return r.convertConstant(x, to, c)
	}
	from := n.typ
	if from.OID == pgtype.Unknown { // a subquery's or CASE's undecided text
		from.OID = pgtype.Text
		if c < explicit && !isText(to.OID) {
			c = explicit
		}
	}
	if !convertible(from.OID, to.OID, c) {
		r.cannotConvert(n.pos, from, to)
		return e
	}
	if from.OID == to.OID && to.Mod < 0 && n.typ.OID == to.OID {
		return e // keeps its modifier
	}
	if sameStored(from.OID, to.OID) && (to.Mod < 0 || to.Mod == from.Mod && from.OID == to.OID || r.checked(to, c)) {
		n.typ = pgtype.Type{OID: to.OID, Mod: max(to.Mod, -1)}
		return e
	}
	if c < explicit && numberRank(from.OID) > 0 && to.OID == pgtype.Float8 {
		return &storageCast{node: node{n.pos, to}, x: e, class: "REAL"}
	}
	if c == assignment_ && isInteger(from.OID) && isInteger(to.OID) {
		n.typ = to // the column's CHECK knows the range
		return e
	}
	return r.castCall(e, from, to, c)
}

// checked says whether the column's own CHECK keeps a modifier: the lengths
// of varchar do not change a value, they only refuse it.
func (r *resolver) checked(to pgtype.Type, c context) bool {
	return c == assignment_ && to.OID == pgtype.Varchar
}

// castCall emits q_cast_T or q_assign_T (package pgfunc).
func (r *resolver) castCall(e expr, from, to pgtype.Type, c context) expr {
	name := "q_cast_"
	if c == assignment_ {
		name = "q_assign_"
	}
	pos := e.base().pos
	if scale, ok := scaleOf(e); ok && from.OID == pgtype.Numeric && isText(to.OID) {
		e = &emitCall{node: node{pos, pgtype.Of(pgtype.Text)}, name: "q_numeric_text", args: []expr{e, integer(pos, int64(scale))}}
		if from = e.base().typ; sameStored(from.OID, to.OID) && to.Mod < 0 {
			return e
		}
	}
	call := &emitCall{node: node{pos, to}, name: name + pgtype.InternalName(to.OID)}
	call.args = []expr{e, integer(pos, int64(from.OID))}
	zone := needsZone(from.OID, to.OID)
	if to.Mod >= 0 || zone {
		call.args = append(call.args, integer(pos, int64(max(to.Mod, -1))))
	}
	if zone {
		call.args = append(call.args, r.session(pos, TimeZone))
	}
	return call
}

func integer(pos int, i int64) *constant {
	return &constant{node: node{pos, pgtype.Of(pgtype.Int8)}, val: value.Int(i)}
}

func (r *resolver) cannotConvert(pos int, from, to pgtype.Type) {
	r.fail(pos, errcode.CannotCoerce, "cannot cast type %s to %s", formatType(from), formatType(to))
}

// formatType is pgtype.Format without the modifier, as messages want it.
func formatType(t pgtype.Type) string { return pgtype.Format(pgtype.Of(t.OID)) }

// typeParam gives a parameter its type: its first use decides. A modifier is
// not part of it, for another use may have another; it is applied where the
// parameter is used.
func (r *resolver) typeParam(x *param, oid uint32) {
	x.typ = pgtype.Of(oid)
	r.params[x.n-1] = x.typ
}

// convertConstant converts a literal now, so that SQLite and every node see
// the stored form.
func (r *resolver) convertConstant(x *constant, to pgtype.Type, c context) expr {
	from := x.typ
	if x.val.IsNull() {
		if !convertible(from.OID, to.OID, c) {
			r.cannotConvert(x.pos, from, to)
		}
		x.typ = to
		return x
	}
	if from == to || from.OID == to.OID && to.Mod < 0 {
		return x
	}
	if !convertible(from.OID, to.OID, c) {
		r.cannotConvert(x.pos, from, to)
		return x
	}
	convert := func(zone *time.Location) (value.Value, error) {
		if from.OID == pgtype.Unknown {
			v, err := pgtype.ParseText(pgtype.Of(to.OID), x.val.Bytes(), zone)
			if err != nil || to.Mod < 0 {
				return v, err
			}
			return pgtype.Cast(v, pgtype.Of(to.OID), to, zone, c == explicit)
		}
		return pgtype.Cast(x.val, from, to, zone, c == explicit)
	}
	zone := time.UTC
	if needsZone(from.OID, to.OID) || from.OID == pgtype.Unknown && to.OID == pgtype.Timestamptz {
		zone = r.location()
	}
	v, err := convert(zone)
	if err != nil {
		r.failWith(x.pos, asError(err))
		return x
	}
	if zone != time.UTC || to.OID == pgtype.Timestamptz || from.OID == pgtype.Timestamptz {
		if other, err := convert(elsewhere); err != nil || !other.Equal(v) {
			r.usesTimeZone(x.pos)
		}
	}
	return &constant{node: node{x.pos, to}, val: v.Clone()}
}

// elsewhere is a time zone that nobody lives in: a literal that reads the same
// there does not depend on the time zone.
var elsewhere = time.FixedZone("elsewhere", 11*60+7)
