package pgfunc

import (
	"math"
	"strings"

	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// date_trunc and date_part (manual, sections 9.9.1 and 9.9.2).

// truncate cuts wall time down to a unit.
func truncate(m pgtype.Micros, unit string) (pgtype.Micros, bool) {
	c := pgtype.CivilOf(m)
	day := pgtype.Civil{Year: c.Year, Month: c.Month, Day: c.Day}
	switch strings.TrimSuffix(unit, "s") {
	case "microsecond":
		return m, true
	case "millisecond":
		return m - pgtype.Micros(c.Micros%1000), true
	case "second":
		return m - pgtype.Micros(c.Micros), true
	case "minute":
		return m - pgtype.Micros(c.Second*1_000_000+c.Micros), true
	case "hour":
		day.Hour = c.Hour
		return day.Join(), true
	case "day":
		return day.Join(), true
	case "week":
		day.Day -= weekday(m) - 1
		return day.Join(), true
	case "month":
		return pgtype.Civil{Year: c.Year, Month: c.Month, Day: 1}.Join(), true
	case "quarter":
		return pgtype.Civil{Year: c.Year, Month: (c.Month-1)/3*3 + 1, Day: 1}.Join(), true
	case "year":
		return pgtype.Civil{Year: c.Year, Month: 1, Day: 1}.Join(), true
	case "decade":
		return pgtype.Civil{Year: max(c.Year/10*10, 1), Month: 1, Day: 1}.Join(), true
	case "century", "centurie":
		return pgtype.Civil{Year: (c.Year-1)/100*100 + 1, Month: 1, Day: 1}.Join(), true
	case "millennium", "millennia":
		return pgtype.Civil{Year: (c.Year-1)/1000*1000 + 1, Month: 1, Day: 1}.Join(), true
	}
	return 0, false
}

// weekday is 1 for Monday to 7 for Sunday.
func weekday(m pgtype.Micros) int {
	days := int(m / microsPerDay)
	if m%microsPerDay < 0 {
		days--
	}
	return (days%7+7+3)%7 + 1 // 1970-01-01 was a Thursday
}

func dateTrunc(_ Context, args []value.Value) (value.Value, error) {
	m, err := timestampOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	m, ok := truncate(m, unit)
	if !ok {
		return value.Value{}, errUnit(unit, "timestamp without time zone")
	}
	return pgtype.TimestampValue(m)
}

// dateTruncZone cuts on the wall of the zone that is the last argument. Within
// an hour the point in time itself is cut, for the wall's may be there twice.
func dateTruncZone(_ Context, args []value.Value) (value.Value, error) {
	m, loc, err := stampAndZone(args[1], args[2])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	wall := pgtype.InZone(m, loc)
	cut, ok := truncate(wall, unit)
	if !ok {
		return value.Value{}, errUnit(unit, "timestamp with time zone")
	}
	if wall-cut < 3600*1_000_000 {
		return pgtype.TimestampValue(m - (wall - cut))
	}
	return pgtype.TimestampValue(pgtype.FromZone(cut, loc))
}

func intervalTrunc(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	keepMonths, keepMicros := int32(0), int64(0)
	switch strings.TrimSuffix(unit, "s") {
	case "microsecond":
		keepMicros = 1
	case "millisecond":
		keepMicros = 1000
	case "second":
		keepMicros = 1_000_000
	case "minute":
		keepMicros = 60_000_000
	case "hour":
		keepMicros = 3_600_000_000
	case "day":
	case "month":
		keepMonths = 1
	case "quarter":
		keepMonths = 3
	case "year":
		keepMonths = 12
	case "decade":
		keepMonths = 120
	case "century", "centurie":
		keepMonths = 1200
	case "millennium", "millennia":
		keepMonths = 12000
	default:
		return value.Value{}, errUnit(unit, "interval")
	}
	switch {
	case keepMicros != 0:
		s.Micros -= s.Micros % keepMicros
	case keepMonths != 0:
		s = pgtype.Span{Months: s.Months - s.Months%keepMonths}
	default:
		s.Micros = 0
	}
	return s.Value(), nil
}

// decimalValue makes the number n/10^digits, an INTEGER when it is whole.
func decimalValue(n int64, digits int) value.Value {
	f := float64(n) / math.Pow10(digits)
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 {
		return value.Int(int64(f))
	}
	return value.Float(f)
}

// partOf is date_part on wall time. Epoch and the zone's parts are the
// callers' matter.
func partOf(unit string, m pgtype.Micros) (value.Value, bool) {
	c := pgtype.CivilOf(m)
	n := 0
	switch unit {
	case "year", "years":
		n = c.Year
	case "month", "months", "mon":
		n = c.Month
	case "day", "days":
		n = c.Day
	case "hour", "hours":
		n = c.Hour
	case "minute", "minutes":
		n = c.Minute
	case "second", "seconds":
		return decimalValue(int64(c.Second*1_000_000+c.Micros), 6), true
	case "millisecond", "milliseconds":
		return decimalValue(int64(c.Second*1_000_000+c.Micros), 3), true
	case "microsecond", "microseconds":
		n = c.Second*1_000_000 + c.Micros
	case "dow":
		n = weekday(m) % 7
	case "isodow":
		n = weekday(m)
	case "doy":
		n = dayOfYear(m)
	case "week":
		_, n = isoWeek(m)
	case "isoyear":
		n, _ = isoWeek(m)
	case "quarter":
		n = (c.Month-1)/3 + 1
	case "decade":
		n = c.Year / 10
	case "century":
		n = (c.Year-1)/100 + 1
	case "millennium":
		n = (c.Year-1)/1000 + 1
	default:
		return value.Value{}, false
	}
	return value.Int(int64(n)), true
}

func dayOfYear(m pgtype.Micros) int {
	c := pgtype.CivilOf(m)
	first := pgtype.Civil{Year: c.Year, Month: 1, Day: 1}.Join()
	return int((m-first)/microsPerDay) + 1
}

// isoWeek numbers weeks by their Thursday.
func isoWeek(m pgtype.Micros) (year, week int) {
	thursday := m + pgtype.Micros(4-weekday(m))*microsPerDay
	return pgtype.CivilOf(thursday).Year, (dayOfYear(thursday)-1)/7 + 1
}

func part(_ Context, args []value.Value) (value.Value, error) {
	m, err := timestampOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	if unit == "epoch" {
		return decimalValue(int64(m), 6), nil
	}
	v, ok := partOf(unit, m)
	if !ok {
		return v, errUnit(unit, "timestamp without time zone")
	}
	return v, nil
}

func partZone(_ Context, args []value.Value) (value.Value, error) {
	m, loc, err := stampAndZone(args[1], args[2])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	wall := pgtype.InZone(m, loc)
	offset := int64(wall-m) / 1_000_000
	switch unit {
	case "epoch":
		return decimalValue(int64(m), 6), nil
	case "timezone":
		return value.Int(offset), nil
	case "timezone_hour":
		return value.Int(offset / 3600), nil
	case "timezone_minute":
		return value.Int(offset / 60 % 60), nil
	}
	v, ok := partOf(unit, wall)
	if !ok {
		return v, errUnit(unit, "timestamp with time zone")
	}
	return v, nil
}

func partTime(_ Context, args []value.Value) (value.Value, error) {
	ofDay, err := timeOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	switch unit {
	case "epoch":
		return decimalValue(ofDay, 6), nil
	case "hour", "hours":
		return value.Int(ofDay / 3_600_000_000), nil
	case "minute", "minutes", "second", "seconds", "millisecond", "milliseconds", "microsecond", "microseconds":
		v, _ := partOf(unit, pgtype.Micros(ofDay))
		return v, nil
	}
	return value.Value{}, errUnit(unit, "time without time zone")
}

func partInterval(_ Context, args []value.Value) (value.Value, error) {
	s, err := spanOf(args[1])
	if err != nil {
		return value.Value{}, err
	}
	unit := unitOf(args[0])
	months, micros := int64(s.Months), s.Micros
	switch unit {
	case "epoch":
		return intervalEpoch(s), nil
	case "year", "years":
		return value.Int(months / 12), nil
	case "quarter":
		return value.Int(months%12/3 + 1), nil
	case "month", "months", "mon":
		return value.Int(months % 12), nil
	case "day", "days":
		return value.Int(int64(s.Days)), nil
	case "hour", "hours":
		return value.Int(micros / 3_600_000_000), nil
	case "minute", "minutes":
		return value.Int(micros / 60_000_000 % 60), nil
	case "second", "seconds":
		return decimalValue(micros%60_000_000, 6), nil
	case "millisecond", "milliseconds":
		return decimalValue(micros%60_000_000, 3), nil
	case "microsecond", "microseconds":
		return value.Int(micros % 60_000_000), nil
	case "decade":
		return value.Int(months / 120), nil
	case "century":
		return value.Int(months / 1200), nil
	case "millennium":
		return value.Int(months / 12000), nil
	}
	return value.Value{}, errUnit(unit, "interval")
}

// intervalEpoch counts a year as 365.25 days and a month as 30.
func intervalEpoch(s pgtype.Span) value.Value {
	const secondsPerYear = 31_557_600 // 365.25 days
	seconds := int64(s.Months/12)*secondsPerYear + int64(s.Months%12)*30*86400 + int64(s.Days)*86400
	if s.Micros%1_000_000 == 0 {
		return value.Int(seconds + s.Micros/1_000_000)
	}
	return value.Float(float64(seconds) + float64(s.Micros)/1e6)
}
