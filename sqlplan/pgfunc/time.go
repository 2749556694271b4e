package pgfunc

import (
	"math"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// Date and time functions (manual, section 9.9). The command's clock is the
// transaction's time, so that all the forms of now() are one; CURRENT_DATE and
// its like, which SQL writes without parentheses, are here under their names.
var timeFunctions = []entry{
	{"now() timestamptz = q_now; volatile", now},
	{"transaction_timestamp() timestamptz = q_now; volatile", nil},
	{"statement_timestamp() timestamptz = q_now; volatile", nil},
	{"clock_timestamp() timestamptz = q_now; volatile", nil},
	{"current_timestamp() timestamptz = q_now; volatile", nil},
	{"current_timestamp(int4) timestamptz = q_now; volatile", nowRounded},
	{"localtimestamp() timestamp = q_localtimestamp; volatile zone", localTimestamp},
	{"current_date() date = q_current_date; volatile zone", currentDate},
	{"localtime() time = q_localtime; volatile zone", localTime},
	{"current_time() time = q_localtime; volatile zone", nil},
	{"date_trunc(text, timestamptz) timestamptz = q_date_trunc_zone; zone", dateTruncZone},
	{"date_trunc(text, timestamptz, text) timestamptz = q_date_trunc_zone", nil},
	{"date_trunc(text, timestamp) timestamp = q_date_trunc", dateTrunc},
	{"date_trunc(text, interval) interval = q_interval_trunc", intervalTrunc},
	{"date_part(text, timestamptz) float8 = q_part_zone; zone", partZone},
	{"date_part(text, timestamp) float8 = q_part", part},
	{"date_part(text, date) float8 = q_part", nil},
	{"date_part(text, time) float8 = q_part_time", partTime},
	{"date_part(text, interval) float8 = q_part_interval", partInterval},
	{"extract(text, timestamptz) numeric = q_part_zone; zone", nil},
	{"extract(text, timestamp) numeric = q_part", nil},
	{"extract(text, date) numeric = q_part", nil},
	{"extract(text, time) numeric = q_part_time", nil},
	{"extract(text, interval) numeric = q_part_interval", nil},
	{"age(timestamptz, timestamptz) interval = q_age_zone; zone", ageZone},
	{"age(timestamp, timestamp) interval = q_age", age},
	{"age(timestamptz) interval = q_age_today_zone; volatile zone", ageToday(true)},
	{"age(timestamp) interval = q_age_today; volatile zone", ageToday(false)},
	{"to_timestamp(float8) timestamptz = q_to_timestamp", toTimestamp},
	{"make_date(int4, int4, int4) date = q_make_date", makeDate},
	{"make_time(int4, int4, float8) time = q_make_time", makeTime},
	{"make_timestamp(int4, int4, int4, int4, int4, float8) timestamp = q_make_timestamp", makeTimestamp},
	{"make_timestamptz(int4, int4, int4, int4, int4, float8) timestamptz = q_make_timestamptz; zone", makeTimestamptz},
	{"timezone(text, timestamptz) timestamp = q_to_zone", toZone},
	{"timezone(text, timestamp) timestamptz = q_from_zone", fromZone},
	{"justify_hours(interval) interval = q_justify_hours", justifyHours},
	{"justify_days(interval) interval = q_justify_days", justifyDays},
}

// spanFunctions are the operators + - * / on dates, times and intervals.
var spanFunctions = []internalFunction{
	{name: "q_timestamptz_add", args: 3, strict: true, code: timestamptzAdd},
	{name: "q_timestamp_add", args: 2, strict: true, code: timestampAdd},
	{name: "q_timestamp_sub", args: 2, strict: true, code: timestampSub},
	{name: "q_date_add", args: 2, strict: true, code: dateAdd},
	{name: "q_date_sub", args: 2, strict: true, code: dateSub},
	{name: "q_date_add_interval", args: 2, strict: true, code: timestampAdd},
	{name: "q_time_add", args: 2, strict: true, code: timeAdd},
	{name: "q_interval_add", args: 2, strict: true, code: intervalAdd},
	{name: "q_interval_neg", args: 1, strict: true, code: intervalNeg},
	{name: "q_interval_order", args: 1, strict: true, code: intervalOrder},
	{name: "q_interval_mul", args: 2, strict: true, code: intervalMul},
	{name: "q_interval_div", args: 2, strict: true, code: intervalDiv},
}

func now(ctx Context, _ []value.Value) (value.Value, error) {
	return pgtype.TimestampValue(pgtype.Micros(ctx.NowMicros()))
}

// nowRounded is CURRENT_TIMESTAMP(p).
func nowRounded(ctx Context, args []value.Value) (value.Value, error) {
	v, err := now(ctx, nil)
	if err != nil {
		return v, err
	}
	t := pgtype.Type{OID: pgtype.Timestamptz, Mod: int32(max(min(intOf(args[0]), 6), 0))}
	return pgtype.Cast(v, pgtype.Of(pgtype.Timestamptz), t, nil, true)
}

// localNow is the command's time on the session's wall.
func localNow(ctx Context, args []value.Value) (pgtype.Micros, error) {
	loc, err := pgtype.LoadLocation(args[len(args)-1].Text())
	return pgtype.InZone(pgtype.Micros(ctx.NowMicros()), loc), err
}

func localTimestamp(ctx Context, args []value.Value) (value.Value, error) {
	m, err := localNow(ctx, args)
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(m)
}

func currentDate(ctx Context, args []value.Value) (value.Value, error) {
	m, err := localNow(ctx, args)
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.DateValue(m)
}

func localTime(ctx Context, args []value.Value) (value.Value, error) {
	m, err := localNow(ctx, args)
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimeValue(m), nil
}

// timestampOf reads an argument that is a stored timestamp, timestamptz or
// date, or text that can become one.
func timestampOf(v value.Value) (pgtype.Micros, error) {
	if m, ok := pgtype.ReadTimestamp(v.Bytes()); ok {
		return m, nil
	}
	if m, ok := pgtype.ReadDate(v.Bytes()); ok {
		return m, nil
	}
	v, err := pgtype.ParseText(pgtype.Of(pgtype.Timestamp), textOf(v), nil)
	if err != nil {
		return 0, err
	}
	m, _ := pgtype.ReadTimestamp(v.Bytes())
	return m, nil
}

func spanOf(v value.Value) (pgtype.Span, error) { return pgtype.ReadSpan(textOf(v)) }

// stampAndZone reads a timestamptz and the zone's name after it.
func stampAndZone(stamp, zone value.Value) (pgtype.Micros, *time.Location, error) {
	m, err := timestampOf(stamp)
	if err != nil {
		return 0, nil, err
	}
	loc, err := pgtype.ZoneOf(zone.Text())
	return m, loc, err
}

func timestamptzAdd(_ Context, args []value.Value) (value.Value, error) {
	m, loc, err := stampAndZone(args[0], args[2])
	if err != nil {
		return value.Value{}, err
	}
	s, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	if m, err = m.AddInZone(s, loc); err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(m)
}

func timestampAdd(_ Context, args []value.Value) (value.Value, error) {
	m, err := timestampOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	s, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	if m, err = m.Add(s); err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(m)
}

func twoTimestamps(args []value.Value) (a, b pgtype.Micros, err error) {
	if a, err = timestampOf(args[0]); err != nil {
		return a, b, err
	}
	b, err = timestampOf(args[1])
	return a, b, err
}

func timestampSub(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoTimestamps(args)
	if err != nil {
		return value.Value{}, err
	}
	return a.Sub(b).Value(), nil
}

const microsPerDay = 24 * 3600 * 1_000_000

func dateAdd(_ Context, args []value.Value) (value.Value, error) {
	m, err := timestampOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.DateValue(m + pgtype.Micros(intOf(args[1]))*microsPerDay)
}

func dateSub(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoTimestamps(args)
	if err != nil {
		return value.Value{}, err
	}
	return value.Int(int64(a-b) / microsPerDay), nil
}

// timeAdd stays within the day.
func timeAdd(_ Context, args []value.Value) (value.Value, error) {
	ofDay, err := timeOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	s, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimeValue(pgtype.Micros(ofDay + s.Micros%microsPerDay)), nil
}

func timeOf(v value.Value) (int64, error) {
	if m, ok := pgtype.ReadTime(v.Bytes()); ok {
		return m, nil
	}
	v, err := pgtype.ParseText(pgtype.Of(pgtype.Time), textOf(v), nil)
	m, _ := pgtype.ReadTime(v.Bytes())
	return m, err
}

func intervalAdd(_ Context, args []value.Value) (value.Value, error) {
	a, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	b, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	sum, err := a.Add(b)
	return sum.Value(), err
}

func intervalNeg(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	return s.Negate().Value(), nil
}

// intervalOrder is what intervals compare by: their length in microseconds, a
// month being 30 days and a day 24 hours (interval_cmp_value).
func intervalOrder(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	n, ok := mulInt(int64(s.Months)*30+int64(s.Days), 24*60*60*1000000)
	if ok {
		n, ok = addInt(n, s.Micros)
	}
	if !ok {
		return fail(errcode.DatetimeFieldOverflow, "interval out of range for a comparison")
	}
	return value.Int(n), nil
}

func intervalMul(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	product, err := s.Times(args[1].Float())
	return product.Value(), err
}

func intervalDiv(_ Context, args []value.Value) (value.Value, error) {
	if args[1].Float() == 0 {
		return errDivision()
	}
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	quotient, err := s.Times(1 / args[1].Float())
	return quotient.Value(), err
}

func justifyHours(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	days := int64(s.Days) + s.Micros/microsPerDay
	s.Micros %= microsPerDay
	if days > 0 && s.Micros < 0 {
		s.Micros += microsPerDay
		days--
	} else if days < 0 && s.Micros > 0 {
		s.Micros -= microsPerDay
		days++
	}
	if days != int64(int32(days)) {
		return fail(errcode.DatetimeFieldOverflow, "interval out of range")
	}
	s.Days = int32(days)
	return s.Value(), nil
}

func justifyDays(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[0])
	if err != nil {
		return value.Value{}, err
	}
	months := int64(s.Months) + int64(s.Days/30)
	s.Days %= 30
	if months > 0 && s.Days < 0 {
		s.Days += 30
		months--
	} else if months < 0 && s.Days > 0 {
		s.Days -= 30
		months++
	}
	if months != int64(int32(months)) {
		return fail(errcode.DatetimeFieldOverflow, "interval out of range")
	}
	s.Months = int32(months)
	return s.Value(), nil
}

func toZone(_ Context, args []value.Value) (value.Value, error) {
	m, loc, err := stampAndZone(args[1], args[0])
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(pgtype.InZone(m, loc))
}

func fromZone(_ Context, args []value.Value) (value.Value, error) {
	m, loc, err := stampAndZone(args[1], args[0])
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(pgtype.FromZone(m, loc))
}

func age(_ Context, args []value.Value) (value.Value, error) {
	a, b, err := twoTimestamps(args)
	if err != nil {
		return value.Value{}, err
	}
	return a.Age(b).Value(), nil
}

// ageZone counts on the session's wall.
func ageZone(_ Context, args []value.Value) (value.Value, error) {
	a, loc, err := stampAndZone(args[0], args[2])
	if err != nil {
		return value.Value{}, err
	}
	b, err := timestampOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.InZone(a, loc).Age(pgtype.InZone(b, loc)).Value(), nil
}

// ageToday is age(t): the time from t to the beginning of today.
func ageToday(zoned bool) impl {
	return func(ctx Context, args []value.Value) (value.Value, error) {
		m, loc, err := stampAndZone(args[0], args[1])
		if err != nil {
			return value.Value{}, err
		}
		if zoned {
			m = pgtype.InZone(m, loc)
		}
		today := pgtype.CivilOf(pgtype.InZone(pgtype.Micros(ctx.NowMicros()), loc))
		midnight := pgtype.Civil{Year: today.Year, Month: today.Month, Day: today.Day}.Join()
		return midnight.Age(m).Value(), nil
	}
}

// toTimestamp reads seconds since 1970.
func toTimestamp(_ Context, args []value.Value) (value.Value, error) {
	f := args[0].Float()
	if math.Abs(f) > 1e12 {
		return fail(errcode.DatetimeFieldOverflow, "timestamp out of range: \"%g\"", f)
	}
	return pgtype.TimestampValue(pgtype.Micros(math.RoundToEven(f * 1e6)))
}

func makeDate(_ Context, args []value.Value) (value.Value, error) {
	return pgtype.CivilValue(intOf(args[0]), intOf(args[1]), intOf(args[2]))
}

// clockMicros checks and joins hour, minute and seconds.
func clockMicros(args []value.Value) (pgtype.Micros, error) {
	hour, minute, second := intOf(args[0]), intOf(args[1]), args[2].Float()
	micros := math.RoundToEven(second * 1e6)
	m := pgtype.Civil{Year: 1970, Month: 1, Day: 1, Hour: hour, Minute: minute, Micros: int(math.Max(math.Min(micros, 61e6), -1))}.Join()
	if hour < 0 || minute < 0 || minute > 59 || !(micros >= 0 && micros <= 60e6) || m > microsPerDay {
		return 0, errcode.Newf(errcode.DatetimeFieldOverflow, "time field value out of range: %d:%02d:%g", hour, minute, second)
	}
	return m, nil
}

func makeTime(_ Context, args []value.Value) (value.Value, error) {
	m, err := clockMicros(args)
	if err != nil {
		return value.Value{}, err
	}
	if m == microsPerDay {
		return value.String("24:00:00.000000"), nil
	}
	return pgtype.TimeValue(m), nil
}

func makeWall(args []value.Value) (pgtype.Micros, error) {
	date, err := makeDate(nil, args)
	if err != nil {
		return 0, err
	}
	clock, err := clockMicros(args[3:])
	day, _ := pgtype.ReadDate(date.Bytes())
	return day + clock, err
}

func makeTimestamp(_ Context, args []value.Value) (value.Value, error) {
	m, err := makeWall(args)
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(m)
}

func makeTimestamptz(_ Context, args []value.Value) (value.Value, error) {
	m, err := makeWall(args)
	if err != nil {
		return value.Value{}, err
	}
	loc, err := pgtype.ZoneOf(args[6].Text())
	if err != nil {
		return value.Value{}, err
	}
	return pgtype.TimestampValue(pgtype.FromZone(m, loc))
}

// unitOf reads the first argument of date_trunc and date_part.
func unitOf(v value.Value) string { return strings.ToLower(strings.TrimSpace(v.Text())) }

func errUnit(unit, of string) error {
	return errcode.Newf(errcode.InvalidParameterValue, "unit %q not recognized for type %s", unit, of)
}
