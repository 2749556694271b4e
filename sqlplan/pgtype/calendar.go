package pgtype

import (
	"encoding/binary"
	"math"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Micros is a point in time: microseconds since 1970-01-01 00:00:00 UTC, or,
// for timestamp without time zone, since that moment on the wall.
type Micros int64

const (
	microsPerSecond = 1_000_000
	microsPerMinute = 60 * microsPerSecond
	microsPerHour   = 60 * microsPerMinute
	microsPerDay    = 24 * microsPerHour

	// pgEpochDays is 2000-01-01, from which PostgreSQL counts.
	pgEpochDays = 10957

	microsLeast Micros = -62135596800 * microsPerSecond   // 0001-01-01 00:00:00
	microsMost  Micros = 253402300800*microsPerSecond - 1 // 9999-12-31 23:59:59.999999

	dateLength      = len("2006-01-02")
	timeLength      = len("15:04:05.000000")
	timestampLength = dateLength + 1 + timeLength
)

// daysOf counts days from 1970-01-01 in the proleptic Gregorian calendar. Years
// start in March here, so that leap days come last.
func daysOf(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	dayOfYear := (153*(month-3)+2)/5 + day - 1
	return era*146097 + yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear - 719468
}

// dateOf is the inverse of daysOf.
func dateOf(days int) (year, month, day int) {
	days += 719468
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	m := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*m+2)/5 + 1
	month = m + 3
	year = yearOfEra + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

var monthDays = [13]int{0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// daysIn is the length of a month.
func daysIn(year, month int) int {
	if month == 2 && (year%4 == 0 && year%100 != 0 || year%400 == 0) {
		return 29
	}
	return monthDays[month]
}

// split returns the day, counted from 1970-01-01, and the time of day.
func (m Micros) split() (days int, ofDay int64) {
	days = floorDiv(int(m), microsPerDay)
	return days, int64(m) - int64(days)*microsPerDay
}

// inYears reports whether the year is one that can be stored.
func (m Micros) inYears() bool { return m >= microsLeast && m <= microsMost }

// AppendTimestamp writes the stored form of timestamp and timestamptz.
func AppendTimestamp(dst []byte, m Micros) []byte {
	days, ofDay := m.split()
	dst = appendDate(dst, days)
	return appendTimeOfDay(append(dst, ' '), ofDay)
}

// TimestampValue makes a stored timestamp or timestamptz, or says that the
// year is out of range.
func TimestampValue(m Micros) (value.Value, error) {
	if !m.inYears() {
		return value.Value{}, errYears("timestamp out of range")
	}
	return value.TextBytes(AppendTimestamp(make([]byte, 0, timestampLength), m)), nil
}

func dateValue(days int) (value.Value, error) {
	if days < daysOf(1, 1, 1) || days > daysOf(9999, 12, 31) {
		return value.Value{}, errYears("date out of range")
	}
	return value.TextBytes(appendDate(make([]byte, 0, dateLength), days)), nil
}

func timeValue(ofDay int64) value.Value {
	return value.TextBytes(appendTimeOfDay(make([]byte, 0, timeLength), ofDay))
}

// errYears is the refusal of what PostgreSQL can store and we cannot.
func errYears(message string) error {
	return errcode.Newf(errcode.DatetimeFieldOverflow, "%s", message).
		WithHint("Dates and times are kept for the years 0001 to 9999, without infinity.")
}

func appendDate(dst []byte, days int) []byte {
	year, month, day := dateOf(days)
	dst = appendDigits(dst, year, 4)
	dst = appendDigits(append(dst, '-'), month, 2)
	return appendDigits(append(dst, '-'), day, 2)
}

// appendTimeOfDay writes HH:MM:SS.ffffff.
func appendTimeOfDay(dst []byte, ofDay int64) []byte {
	dst = appendDigits(dst, int(ofDay/microsPerHour), 2)
	dst = appendDigits(append(dst, ':'), int(ofDay/microsPerMinute%60), 2)
	dst = appendDigits(append(dst, ':'), int(ofDay/microsPerSecond%60), 2)
	return appendDigits(append(dst, '.'), int(ofDay%microsPerSecond), 6)
}

// appendDigits writes n with at least width digits.
func appendDigits(dst []byte, n, width int) []byte {
	for limit := 10; width > 1; width, limit = width-1, limit*10 {
		if n < limit {
			for ; width > 1; width-- {
				dst = append(dst, '0')
			}
			break
		}
	}
	return appendInt(dst, n)
}

func appendInt(dst []byte, n int) []byte {
	var buf [20]byte
	i := len(buf)
	for {
		i--
		buf[i] = byte('0' + n%10)
		if n /= 10; n == 0 {
			return append(dst, buf[i:]...)
		}
	}
}

// digitsAt reads n digits; ok is false when there are others.
func digitsAt(b []byte, at, n int) (v int, ok bool) {
	for _, c := range b[at : at+n] {
		if !isDigit(c) {
			return 0, false
		}
		v = v*10 + int(c-'0')
	}
	return v, true
}

// readDate reads a stored date.
func readDate(b []byte) (days int, ok bool) {
	if len(b) != dateLength || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	year, ok1 := digitsAt(b, 0, 4)
	month, ok2 := digitsAt(b, 5, 2)
	day, ok3 := digitsAt(b, 8, 2)
	if !ok1 || !ok2 || !ok3 || year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	return daysOf(year, month, day), true
}

// readTimeOfDay reads a stored time; 24:00:00 is allowed.
func readTimeOfDay(b []byte) (ofDay int64, ok bool) {
	if len(b) != timeLength || b[2] != ':' || b[5] != ':' || b[8] != '.' {
		return 0, false
	}
	hour, ok1 := digitsAt(b, 0, 2)
	minute, ok2 := digitsAt(b, 3, 2)
	second, ok3 := digitsAt(b, 6, 2)
	micros, ok4 := digitsAt(b, 9, 6)
	ofDay = int64(hour)*microsPerHour + int64(minute)*microsPerMinute + int64(second)*microsPerSecond + int64(micros)
	return ofDay, ok1 && ok2 && ok3 && ok4 && minute < 60 && second < 60 && ofDay <= microsPerDay
}

// ReadTimestamp reads a stored timestamp or timestamptz.
func ReadTimestamp(b []byte) (Micros, bool) {
	if len(b) != timestampLength || b[dateLength] != ' ' {
		return 0, false
	}
	days, ok := readDate(b[:dateLength])
	ofDay, ok2 := readTimeOfDay(b[dateLength+1:])
	return Micros(int64(days)*microsPerDay + ofDay), ok && ok2 && ofDay < microsPerDay
}

// isCanonicalTime reports whether b is in the stored form of its type.
func isCanonicalTime(oid uint32, b []byte) (ok bool) {
	switch oid {
	case Date:
		_, ok = readDate(b)
	case Time:
		_, ok = readTimeOfDay(b)
	default:
		_, ok = ReadTimestamp(b)
	}
	return ok
}

// trimFraction cuts the zeros that PostgreSQL does not print.
func trimFraction(b []byte) []byte {
	for len(b) > 0 && b[len(b)-1] == '0' && b[len(b)-2] != ':' && hasPoint(b) {
		b = b[:len(b)-1]
	}
	if len(b) > 0 && b[len(b)-1] == '.' {
		b = b[:len(b)-1]
	}
	return b
}

// hasPoint reports whether b still ends in a fraction.
func hasPoint(b []byte) bool {
	for i := len(b) - 1; i >= 0 && b[i] != ':'; i-- {
		if b[i] == '.' {
			return true
		}
	}
	return false
}

// appendTimestamptz writes a stored timestamptz in a time zone.
func appendTimestamptz(dst, stored []byte, loc *time.Location) []byte {
	if loc == nil || loc == time.UTC {
		return append(append(dst, trimFraction(stored)...), "+00"...)
	}
	m, _ := ReadTimestamp(stored)
	offset := offsetAt(m, loc)
	local := m + Micros(offset)*microsPerSecond
	days, ofDay := local.split()
	year, _, _ := dateOf(days)
	if year < 1 { // the zone's calendar is one day behind UTC's
		dst = append(dst, "0001-12-31"...)
	} else {
		dst = appendDate(dst, days)
	}
	var buf [timeLength]byte
	dst = append(append(dst, ' '), trimFraction(appendTimeOfDay(buf[:0], ofDay))...)
	dst = appendOffset(dst, offset)
	if year < 1 {
		dst = append(dst, " BC"...)
	}
	return dst
}

// appendOffset writes seconds east of UTC as +HH[:MM[:SS]].
func appendOffset(dst []byte, seconds int) []byte {
	if seconds < 0 {
		dst = append(dst, '-')
		seconds = -seconds
	} else {
		dst = append(dst, '+')
	}
	dst = appendDigits(dst, seconds/3600, 2)
	if seconds%3600 != 0 {
		dst = appendDigits(append(dst, ':'), seconds/60%60, 2)
	}
	if seconds%60 != 0 {
		dst = appendDigits(append(dst, ':'), seconds%60, 2)
	}
	return dst
}

// The binary formats: date, days since 2000-01-01 (int32); time, microseconds
// since midnight; timestamp and timestamptz, microseconds since 2000-01-01
// (int64). The extreme numbers stand for infinity.

func parseDatetimeBinary(t Type, b []byte) (value.Value, error) {
	if t.OID == Date {
		days := int32(binary.BigEndian.Uint32(b))
		if days == math.MaxInt32 || days == math.MinInt32 {
			return value.Value{}, errInfinity(t.OID)
		}
		return dateValue(int(days) + pgEpochDays)
	}
	n := int64(binary.BigEndian.Uint64(b))
	if t.OID == Time {
		if n < 0 || n > microsPerDay {
			return value.Value{}, errTimeOfDay()
		}
		return timeValue(roundTimeOfDay(t, n)), nil
	}
	if n == math.MaxInt64 || n == math.MinInt64 {
		return value.Value{}, errInfinity(t.OID)
	}
	m := Micros(n) + pgEpochDays*microsPerDay
	if n > 0 && m < 0 && n > math.MaxInt64-pgEpochDays*microsPerDay {
		return value.Value{}, errYears("timestamp out of range")
	}
	return TimestampValue(m.round(t))
}

func errTimeOfDay() error {
	return errcode.Newf(errcode.DatetimeFieldOverflow, "time out of range")
}

func errInfinity(oid uint32) error {
	return errYears("infinity cannot be stored as " + typeWord(oid))
}

func appendDatetimeBinary(dst []byte, t Type, stored []byte) []byte {
	switch t.OID {
	case Date:
		days, _ := readDate(stored)
		return binary.BigEndian.AppendUint32(dst, uint32(days-pgEpochDays))
	case Time:
		ofDay, _ := readTimeOfDay(stored)
		return binary.BigEndian.AppendUint64(dst, uint64(ofDay))
	}
	m, _ := ReadTimestamp(stored)
	return binary.BigEndian.AppendUint64(dst, uint64(m-pgEpochDays*microsPerDay))
}

var powersOf10 = [7]int64{1, 10, 100, 1000, 10_000, 100_000, 1_000_000}

// round keeps the digits of timestamp(p). Halves go away from 2000-01-01, as
// in PostgreSQL.
func (m Micros) round(t Type) Micros {
	digits, ok := t.fraction()
	if !ok || digits == 6 {
		return m
	}
	const epoch = pgEpochDays * microsPerDay
	return Micros(roundTo(int64(m)-epoch, powersOf10[6-digits]) + epoch)
}

// roundTimeOfDay keeps the digits of time(p).
func roundTimeOfDay(t Type, ofDay int64) int64 {
	digits, ok := t.fraction()
	if !ok {
		return ofDay
	}
	return roundTo(ofDay, powersOf10[6-digits])
}

// roundTo rounds to a multiple of unit, halves away from zero.
func roundTo(n, unit int64) int64 {
	if n < 0 {
		return -((-n + unit/2) / unit * unit)
	}
	return (n + unit/2) / unit * unit
}
