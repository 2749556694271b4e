package pgtype

import (
	"math"
	"strconv"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// CastContext says where a cast applies by itself (pg_cast.castcontext).
type CastContext uint8

// The contexts, each including the ones before.
const (
	NoCast         CastContext = iota
	ExplicitCast               // only with CAST or ::
	AssignmentCast             // also when stored into a column
	ImplicitCast               // also in expressions
)

// CastOf reports where a value of one type becomes another, as pg_cast says.
func CastOf(from, to uint32) CastContext {
	if from == to || from == Unknown || from == Any || from == 0 {
		return ImplicitCast
	}
	if context, ok := casts[[2]uint32{from, to}]; ok {
		return context
	}
	switch {
	case IsString(to):
		return AssignmentCast // by way of the text form
	case IsString(from):
		return ExplicitCast
	}
	return NoCast
}

var casts = map[[2]uint32]CastContext{}

func init() {
	numbers := []uint32{Int2, Int4, Int8, Numeric, Float4, Float8}
	for i, small := range numbers {
		for _, large := range numbers[i+1:] {
			casts[[2]uint32{small, large}] = ImplicitCast
			casts[[2]uint32{large, small}] = AssignmentCast
		}
		casts[[2]uint32{JSONB, small}] = ExplicitCast
	}
	for _, integer := range []uint32{Int2, Int4, Int8} {
		for _, object := range []uint32{OID, RegClass, RegType} {
			casts[[2]uint32{integer, object}] = ImplicitCast
			casts[[2]uint32{object, integer}] = AssignmentCast
		}
	}
	for _, object := range []uint32{OID, RegClass, RegType} {
		delete(casts, [2]uint32{object, Int2})
	}
	strings := []uint32{Text, Varchar, BPChar, Name, Char}
	for _, from := range strings {
		for _, to := range strings {
			casts[[2]uint32{from, to}] = ImplicitCast
		}
	}
	for pair, context := range map[[2]uint32]CastContext{
		{Name, Varchar}: AssignmentCast, {Name, BPChar}: AssignmentCast, {Text, Char}: AssignmentCast,
		{Char, Varchar}: AssignmentCast, {Char, BPChar}: AssignmentCast,
		{Varchar, Char}: AssignmentCast, {BPChar, Char}: AssignmentCast,
		{Bool, Int4}: ExplicitCast, {Int4, Bool}: ExplicitCast, {Char, Int4}: ExplicitCast, {Int4, Char}: ExplicitCast,
		{OID, RegClass}: ImplicitCast, {OID, RegType}: ImplicitCast, {RegClass, OID}: ImplicitCast, {RegType, OID}: ImplicitCast,
		{Text, RegClass}: ImplicitCast, {Varchar, RegClass}: ImplicitCast,
		{Date, Timestamp}: ImplicitCast, {Date, Timestamptz}: ImplicitCast, {Timestamp, Timestamptz}: ImplicitCast,
		{Timestamp, Date}: AssignmentCast, {Timestamptz, Date}: AssignmentCast, {Timestamptz, Timestamp}: AssignmentCast,
		{Timestamp, Time}: AssignmentCast, {Timestamptz, Time}: AssignmentCast,
		{Time, Interval}: ImplicitCast, {Interval, Time}: AssignmentCast,
		{JSON, JSONB}: AssignmentCast, {JSONB, JSON}: AssignmentCast, {JSONB, Bool}: ExplicitCast,
		{RegType, RegClass}: NoCast,
	} {
		casts[pair] = context
	}
}

// Cast converts a stored value of one type to the stored form of another, as
// PostgreSQL's casts do. explicit is CAST and ::, which cut strings that are
// too long; else it is assignment, which refuses them. Whether the cast is
// allowed in its place (CastOf) is the planner's to check. A from of Any, of
// Unknown or without OID is what the storage class says.
func Cast(v value.Value, from, to Type, loc *time.Location, explicit bool) (value.Value, error) {
	if v.IsNull() {
		return v, nil
	}
	if from.OID == 0 || from.OID == Any || from.OID == Unknown {
		from = Of(classType(v))
	}
	if IsString(from.OID) {
		if IsString(to.OID) {
			return parseString(to, castText(nil, from, v), explicit)
		}
		return castFromString(v, from, to, loc)
	}
	v, err := fit(from, v)
	if err != nil && from.OID != JSON && from.OID != JSONB {
		return v, err
	}
	if IsString(to.OID) {
		text, err := appendCastText(from, v, loc)
		if err != nil {
			return v, err
		}
		return parseString(to, text, explicit)
	}
	switch {
	case isWhole(from.OID):
		return castInt(v, from, to)
	case from.OID == Float4 || from.OID == Float8:
		return castFloat(v, from, to)
	case from.OID == Numeric:
		return castNumeric(v, from, to)
	case from.OID == to.OID:
		return castSame(v, to)
	}
	switch from.OID {
	case Bool:
		if to.OID == Int4 {
			return v, nil
		}
	case Date, Time, Timestamp, Timestamptz:
		return castTime(v, from, to, loc)
	case Interval:
		if to.OID == Time {
			iv, err := parseInterval(v.Bytes())
			if err != nil {
				return v, err
			}
			micros := iv.Micros % microsPerDay
			if micros < 0 {
				micros += microsPerDay
			}
			return timeValue(roundTimeOfDay(to, micros)), nil
		}
	case JSON, JSONB:
		return castJSON(v, from, to)
	}
	return v, errCast(from, to)
}

func errCast(from, to Type) error {
	return errcode.Newf(errcode.CannotCoerce, "cannot cast type %s to %s", typeWord(from.OID), typeWord(to.OID))
}

// classType is the type that a storage class is nearest to.
func classType(v value.Value) uint32 {
	switch v.Kind() {
	case value.Integer:
		return Int8
	case value.Real:
		return Float8
	case value.Blob:
		return Bytea
	}
	return Text
}

func isWhole(oid uint32) bool {
	switch oid {
	case Int2, Int4, Int8, OID, RegClass, RegType:
		return true
	}
	return false
}

// castText is the text of a string value; of other classes what output shows.
func castText(dst []byte, from Type, v value.Value) []byte {
	if v.Kind() == value.Text {
		return v.Bytes()
	}
	return appendAny(dst, v, &defaultEncoding)
}

func castFromString(v value.Value, from, to Type, loc *time.Location) (value.Value, error) {
	text := castText(nil, from, v)
	if from.OID == Char && to.OID == Int4 {
		if len(text) == 0 {
			return value.Int(0), nil
		}
		return value.Int(int64(int8(text[0]))), nil
	}
	return ParseText(to, text, loc)
}

// appendCastText is the text that a cast gives: a boolean's whole word, else
// what output shows.
func appendCastText(from Type, v value.Value, loc *time.Location) ([]byte, error) {
	if from.OID == Bool {
		return strconv.AppendBool(nil, v.Int() != 0), nil
	}
	return AppendText(nil, from, v, &Encoding{Location: loc, ExtraFloatDigits: 1})
}

// castSame applies the modifier of a column to a value of its type.
func castSame(v value.Value, to Type) (value.Value, error) {
	if to.Mod < 0 {
		return v, nil
	}
	switch to.OID {
	case Timestamp, Timestamptz:
		m, _ := ReadTimestamp(v.Bytes())
		return TimestampValue(m.round(to))
	case Time:
		ofDay, _ := readTimeOfDay(v.Bytes())
		return timeValue(roundTimeOfDay(to, ofDay)), nil
	case Interval:
		iv, err := parseInterval(v.Bytes())
		return iv.round(to).Value(), err
	}
	return v, nil
}

func castInt(v value.Value, from, to Type) (value.Value, error) {
	i := v.Int()
	switch to.OID {
	case Int2, Int4, Int8, OID, RegClass, RegType:
		if !inRange(to.OID, i) {
			return v, errOverflow(to.OID)
		}
		return v, nil
	case Float8:
		return value.Float(float64(i)), nil
	case Float4:
		return value.Float(float64(float32(i))), nil
	case Numeric:
		if to.Mod < 0 {
			return v, nil
		}
		return intDecimal(i).numeric(to)
	case Bool:
		if from.OID == Int4 || from.OID == Int8 {
			return value.Bool(i != 0), nil
		}
	}
	return v, errCast(from, to)
}

func intDecimal(i int64) decimal {
	var buf [24]byte
	d, _ := parseDecimal(strconv.AppendInt(buf[:0], i, 10))
	return d
}

func castFloat(v value.Value, from, to Type) (value.Value, error) {
	f := v.Float()
	switch to.OID {
	case Float8:
		return v, nil
	case Float4:
		return toFloat4(f)
	case Int2, Int4, Int8:
		return wholeFloat(math.RoundToEven(f), to.OID)
	case Numeric:
		if math.IsInf(f, 0) {
			return v, errNumericWord(nil, []byte("inf"))
		}
		digits := 15 // as float8_numeric: what a double surely holds
		if from.OID == Float4 {
			digits = 6
		}
		var buf [32]byte
		d, _ := parseDecimal(strconv.AppendFloat(buf[:0], f, 'e', digits-1, 64))
		return d.numeric(to)
	}
	return v, errCast(from, to)
}

// toFloat4 rounds to a real. Only infinity itself may become infinite, and
// only zero zero.
func toFloat4(f float64) (value.Value, error) {
	g := float64(float32(f))
	if math.IsInf(g, 0) && !math.IsInf(f, 0) {
		return value.Value{}, errOverflow(Float4)
	}
	if g == 0 && f != 0 {
		return value.Value{}, errcode.Newf(errcode.NumericValueOutOfRange, "value out of range: underflow")
	}
	return value.Float(g), nil
}

// wholeFloat makes an integer of a double without a fraction.
func wholeFloat(f float64, oid uint32) (value.Value, error) {
	if !(f >= -1<<63 && f < 1<<63) || !inRange(oid, int64(f)) {
		return value.Value{}, errOverflow(oid)
	}
	return value.Int(int64(f)), nil
}

func castNumeric(v value.Value, from, to Type) (value.Value, error) {
	if v.Kind() == value.Integer {
		switch to.OID {
		case Int2, Int4, Int8, Float4, Float8, Numeric:
			return castInt(v, Of(Int8), to)
		}
		return v, errCast(from, to)
	}
	f := v.Float()
	if math.IsInf(f, 0) && (isWhole(to.OID) || to.OID == Numeric) {
		return v, errcode.Newf(errcode.FeatureNotSupported, "cannot convert infinity to %s", typeWord(to.OID))
	}
	switch to.OID {
	case Float8:
		return v, nil
	case Float4:
		return toFloat4(f)
	case Int2, Int4, Int8:
		return wholeFloat(math.Round(f), to.OID)
	case Numeric:
		return floatDecimal(f).numeric(to)
	}
	return v, errCast(from, to)
}

// castTime converts between the types of dates and times, all through the wall
// time in the session's zone.
func castTime(v value.Value, from, to Type, loc *time.Location) (value.Value, error) {
	if from.OID == Time {
		ofDay, _ := readTimeOfDay(v.Bytes())
		switch to.OID {
		case Time:
			return timeValue(roundTimeOfDay(to, ofDay)), nil
		case Interval:
			return Span{Micros: ofDay}.round(to).Value(), nil
		}
		return v, errCast(from, to)
	}
	var wall Micros
	if from.OID == Date {
		days, _ := readDate(v.Bytes())
		wall = Micros(days) * microsPerDay
	} else {
		wall, _ = ReadTimestamp(v.Bytes())
	}
	if from.OID == to.OID {
		return castSame(v, to)
	}
	if from.OID == Timestamptz {
		wall = InZone(wall, loc)
	}
	days, ofDay := wall.split()
	switch to.OID {
	case Timestamp:
		return TimestampValue(wall.round(to))
	case Timestamptz:
		return TimestampValue(FromZone(wall, loc).round(to))
	case Date:
		return dateValue(days)
	case Time:
		if from.OID != Date {
			return timeValue(roundTimeOfDay(to, ofDay)), nil
		}
	}
	return v, errCast(from, to)
}

// castJSON converts json, jsonb and the scalars in jsonb.
func castJSON(v value.Value, from, to Type) (value.Value, error) {
	text := appendAny(nil, v, &defaultEncoding)
	switch {
	case to.OID == JSON:
		return parseJSON(text)
	case to.OID == JSONB:
		return parseJSONB(text)
	case from.OID == JSONB && to.OID == Bool && (string(text) == "true" || string(text) == "false"):
		return value.Bool(text[0] == 't'), nil
	case from.OID == JSONB && IsNumber(to.OID) && isJSONNumber(text):
		number, err := parseNumeric(Of(Numeric), text)
		if err != nil {
			return v, err
		}
		return castNumeric(number, Of(Numeric), to)
	case from.OID == JSONB && (to.OID == Bool || IsNumber(to.OID)):
		return v, errcode.Newf(errcode.InvalidParameterValue, "cannot cast jsonb %s to type %s", jsonKind(text), typeWord(to.OID))
	}
	return v, errCast(from, to)
}

// jsonKind names what canonical JSON text is.
func jsonKind(b []byte) string {
	if len(b) > 0 {
		switch b[0] {
		case '{':
			return "object"
		case '[':
			return "array"
		case '"':
			return "string"
		case 't', 'f':
			return "boolean"
		case 'n':
			return "null"
		}
	}
	return "numeric"
}
