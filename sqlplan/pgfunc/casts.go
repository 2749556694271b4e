package pgfunc

import (
	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// castTargets are the types that have q_cast_ and q_assign_ functions.
var castTargets = []uint32{
	pgtype.Bool, pgtype.Bytea, pgtype.Char, pgtype.Name, pgtype.Int8, pgtype.Int2, pgtype.Int4, pgtype.Text, pgtype.OID,
	pgtype.JSON, pgtype.Float4, pgtype.Float8, pgtype.BPChar, pgtype.Varchar, pgtype.Date, pgtype.Time, pgtype.Timestamp,
	pgtype.Timestamptz, pgtype.Interval, pgtype.Numeric, pgtype.RegClass, pgtype.RegType, pgtype.UUID, pgtype.JSONB,
}

// CastName is the function that casts to a type: q_cast_T explicitly,
// q_assign_T on assignment.
func CastName(to uint32, explicit bool) string {
	if explicit {
		return "q_cast_" + pgtype.InternalName(to)
	}
	return "q_assign_" + pgtype.InternalName(to)
}

func castFunctions() []internalFunction {
	var functions []internalFunction
	for _, oid := range castTargets {
		for _, explicit := range []bool{true, false} {
			functions = append(functions, internalFunction{name: CastName(oid, explicit), args: -1, code: castTo(oid, explicit)})
		}
	}
	return functions
}

// castTo makes q_cast_T(x, from [, mod [, zone]]).
func castTo(oid uint32, explicit bool) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		if len(args) < 2 || len(args) > 4 {
			return fail(errcode.UndefinedFunction, "%s takes two to four arguments", CastName(oid, explicit))
		}
		if args[0].IsNull() {
			return args[0], nil
		}
		from, to := pgtype.Of(uint32(args[1].Int())), pgtype.Of(oid)
		if len(args) > 2 {
			to.Mod = int32(args[2].Int())
		}
		if len(args) < 4 {
			return pgtype.Cast(args[0], from, to, nil, explicit)
		}
		loc, err := pgtype.LoadLocation(args[3].Text())
		if err != nil {
			return value.Value{}, err
		}
		return pgtype.Cast(args[0], from, to, loc, explicit)
	}
}
