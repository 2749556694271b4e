package pgfunc

import (
	"encoding/binary"
	"math"
	"math/bits"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// What takes from the command's random stream. PostgreSQL's random() is a
// double and SQLite's a 64-bit integer: users get the double (q_random), and
// SQLite's name stays registered, with the command's stream, for SQL that
// never went through the planner.
var sessionFunctions = []entry{
	{"random() float8 = q_random; volatile", random},
	{"random(int4, int4) int4 = q_random_between; volatile", randomBetween},
	{"random(int8, int8) int8 = q_random_between; volatile", nil},
	{"gen_random_uuid() uuid = q_gen_random_uuid; volatile", genRandomUUID},
	{"randomblob(int4) bytea; volatile", randomBlob},
}

// zoneOfDefault is q_zone(): the time zone of a default where no session gives
// one.
func zoneOfDefault(Context, []value.Value) (value.Value, error) { return value.String("UTC"), nil }

// sqliteRandom is SQLite's random().
var sqliteRandom = []internalFunction{{name: "random", volatile: true, code: func(ctx Context, _ []value.Value) (value.Value, error) {
	return value.Int(int64(ctx.Uint64())), nil
}}}

// random is a double in [0,1), with all its 53 bits random.
func random(ctx Context, _ []value.Value) (value.Value, error) {
	return value.Float(float64(ctx.Uint64()>>11) / (1 << 53)), nil
}

// randomBetween is PostgreSQL 17's random(min, max), both included. The high
// half of a 128-bit product spreads evenly but for one part in 2^64.
func randomBetween(ctx Context, args []value.Value) (value.Value, error) {
	low, high := args[0].Int(), args[1].Int()
	if low > high {
		return fail(errcode.InvalidParameterValue, "lower bound must be less than or equal to upper bound")
	}
	span := uint64(high) - uint64(low) + 1
	if span == 0 { // every int64
		return value.Int(int64(ctx.Uint64())), nil
	}
	offset, _ := bits.Mul64(ctx.Uint64(), span)
	return value.Int(int64(uint64(low) + offset)), nil
}

func genRandomUUID(ctx Context, _ []value.Value) (value.Value, error) {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], ctx.Uint64())
	binary.BigEndian.PutUint64(raw[8:], ctx.Uint64())
	raw[6] = raw[6]&0x0f | 0x40 // version 4
	raw[8] = raw[8]&0x3f | 0x80 // variant of RFC 4122
	return pgtype.FormatUUID(raw), nil
}

// randomBlob makes one byte at least, as SQLite's does.
func randomBlob(ctx Context, args []value.Value) (value.Value, error) {
	n := int(max(min(args[0].Int(), math.MaxInt32), 1))
	if err := checkSize(n); err != nil {
		return value.Value{}, err
	}
	out := make([]byte, 0, n+8)
	for len(out) < n {
		out = binary.LittleEndian.AppendUint64(out, ctx.Uint64())
	}
	return value.BlobBytes(out[:n]), nil
}
