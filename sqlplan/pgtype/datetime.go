package pgtype

import (
	"bytes"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// parseDatetimeText reads date, time, timestamp and timestamptz. The stored
// form is taken without looking further.
func parseDatetimeText(t Type, b []byte, loc *time.Location) (value.Value, error) {
	if t.Mod < 0 && isCanonicalTime(t.OID, b) && (t.OID != Timestamptz || loc == nil || loc == time.UTC) {
		return value.TextBytes(b), nil
	}
	p := datetimeParser{oid: t.OID, in: b, s: trimSpace(b)}
	if err := p.parse(); err != nil {
		return value.Value{}, err
	}
	if t.OID == Time {
		if !p.hasTime {
			return value.Value{}, errSyntax(t.OID, b)
		}
		return timeValue(roundTimeOfDay(t, p.ofDay)), nil
	}
	if !p.hasDate() {
		return value.Value{}, errSyntax(t.OID, b)
	}
	days, err := p.days()
	if err != nil {
		return value.Value{}, err
	}
	if t.OID == Date {
		v, err := dateValue(days)
		if err != nil {
			return v, errYears("date out of range: " + quoted(b))
		}
		return v, nil
	}
	m := Micros(int64(days)*microsPerDay + p.ofDay)
	if t.OID == Timestamptz {
		switch {
		case p.hasOffset:
			m -= Micros(p.offset) * microsPerSecond
		case p.zone != nil:
			m = FromZone(m, p.zone)
		default:
			m = FromZone(m, loc)
		}
	}
	if m = m.round(t); !m.inYears() {
		return value.Value{}, errYears("timestamp out of range: " + quoted(b))
	}
	return TimestampValue(m)
}

// datetimeParser reads the forms of a date and a time that PostgreSQL takes
// with DateStyle "ISO, MDY" (manual, section 8.5.1 and appendix B.1): ISO 8601
// with and without separators, m/d/y, month names in any place, am and pm,
// offsets and zone names.
type datetimeParser struct {
	oid uint32
	in  []byte // all the text, for messages
	s   []byte // what is left

	year, month, day int // 0: not seen
	bc               bool
	hasTime          bool
	ofDay            int64
	half             byte // 'a' or 'p' of am and pm, 0 for none
	hasOffset        bool
	offset           int // seconds east of UTC
	zone             *time.Location
	epoch            bool
}

func (p *datetimeParser) hasDate() bool { return p.month != 0 || p.epoch }

func (p *datetimeParser) syntax() error { return errSyntax(p.oid, p.in) }

func (p *datetimeParser) overflow() error {
	return errcode.Newf(errcode.DatetimeFieldOverflow, "date/time field value out of range: %s", quoted(p.in))
}

func (p *datetimeParser) parse() error {
	if len(p.s) == 0 {
		return p.syntax()
	}
	for len(p.s) > 0 {
		var err error
		switch c := p.s[0]; {
		case isSpace(c) || c == ',':
			p.s = p.s[1:]
		case isDigit(c):
			err = p.numbers()
		case isAlpha(c):
			err = p.word()
		case (c == '+' || c == '-') && (p.hasTime || p.hasDate()):
			err = p.displacement()
		default:
			err = p.syntax()
			if equalFold(p.s, "-infinity") {
				err = errInfinity(p.oid)
			}
		}
		if err != nil {
			return err
		}
	}
	return p.applyHalf()
}

// run is how many bytes from the start of s satisfy is.
func run(s []byte, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

// numbers reads what starts with a digit: a time, a date with separators, or
// digits whose meaning their number and place decide.
func (p *datetimeParser) numbers() error {
	n := run(p.s, isDigit)
	next := byte(0)
	if n < len(p.s) {
		next = p.s[n]
	}
	switch {
	case next == ':':
		return p.clock()
	case !p.hasDateFields() && (next == '-' || next == '/' || next == '.') && p.isDate(n, next):
		return p.separated(next)
	}
	return p.plain(n)
}

// hasDateFields reports whether any part of a date was read.
func (p *datetimeParser) hasDateFields() bool { return p.year != 0 || p.month != 0 || p.day != 0 }

// isDate tells 1.8.1999 from 121530.25: a second separator follows.
func (p *datetimeParser) isDate(n int, separator byte) bool {
	rest := p.s[n+1:]
	middle := run(rest, func(c byte) bool { return isDigit(c) || separator != '.' && isAlpha(c) })
	return middle > 0 && middle < len(rest) && rest[middle] == separator
}

// clock reads H:M[:S[.fraction]].
func (p *datetimeParser) clock() error {
	if p.hasTime {
		return p.syntax()
	}
	var parts [3]int
	for i := range parts {
		n := run(p.s, isDigit)
		if n == 0 || n > 6 {
			return p.syntax()
		}
		parts[i], _ = digitsAt(p.s, 0, n)
		p.s = p.s[n:]
		if i == 2 || len(p.s) == 0 || p.s[0] != ':' {
			break
		}
		p.s = p.s[1:]
	}
	return p.setTime(parts[0], parts[1], parts[2])
}

// setTime checks the parts and reads a fraction, if there is one.
func (p *datetimeParser) setTime(hour, minute, second int) error {
	micros := int64(0)
	if len(p.s) > 0 && p.s[0] == '.' {
		n := run(p.s[1:], isDigit)
		micros = fractionMicros(p.s[1 : 1+n])
		p.s = p.s[1+n:]
	}
	p.hasTime = true
	p.ofDay = int64(hour)*microsPerHour + int64(minute)*microsPerMinute + int64(second)*microsPerSecond + micros
	if hour > 24 || minute > 59 || second > 60 || hour == 24 && p.ofDay != microsPerDay || second == 60 && micros > 0 ||
		p.ofDay > microsPerDay {
		return p.overflow()
	}
	return nil
}

// fractionMicros reads the digits after a second's point, rounded to six; a
// half goes to the even number.
func fractionMicros(digits []byte) int64 {
	micros := int64(0)
	for i := range 6 {
		micros *= 10
		if i < len(digits) {
			micros += int64(digits[i] - '0')
		}
	}
	if len(digits) > 6 && (digits[6] > '5' || digits[6] == '5' && (micros%2 == 1 || len(bytes.Trim(digits[7:], "0")) > 0)) {
		micros++
	}
	return micros
}

// separated reads a date of three fields with - / or . between them.
func (p *datetimeParser) separated(separator byte) error {
	var fields [3][]byte
	for i := range fields {
		n := run(p.s, func(c byte) bool { return isDigit(c) })
		if n == 0 {
			n = run(p.s, isAlpha)
		}
		if n == 0 {
			return p.syntax()
		}
		fields[i] = p.s[:n]
		p.s = p.s[n:]
		if i == 2 {
			break
		}
		if len(p.s) == 0 || p.s[0] != separator {
			return p.syntax()
		}
		p.s = p.s[1:]
	}
	first, second, third := fields[0], fields[1], fields[2]
	switch {
	case isAlpha(second[0]) && len(first) > 2: // 1999-Jan-08
		return p.setFields(first, second, third)
	case isAlpha(second[0]): // 08-Jan-1999
		return p.setFields(third, second, first)
	case isAlpha(third[0]):
		return p.syntax()
	case len(first) > 2: // 1999-01-08
		return p.setFields(first, second, third)
	}
	return p.setFields(third, first, second) // 01/08/1999
}

// setFields takes a date's texts.
func (p *datetimeParser) setFields(year, month, day []byte) error {
	if isAlpha(month[0]) {
		m := monthOf(month)
		if m == 0 {
			return p.syntax()
		}
		p.month = m
	} else if !p.setNumber(&p.month, month, 12) {
		return p.overflow()
	}
	if isAlpha(day[0]) {
		return p.syntax()
	}
	if !p.setNumber(&p.day, day, 31) {
		return p.overflow()
	}
	return p.setYear(year)
}

func (p *datetimeParser) setYear(digits []byte) error {
	if !isDigit(digits[0]) || p.year != 0 {
		return p.syntax()
	}
	if !p.setNumber(&p.year, digits, 999999) {
		return p.overflow()
	}
	return nil
}

// setNumber stores a number from 1 to most (a year of two digits may be 00).
func (p *datetimeParser) setNumber(field *int, digits []byte, most int) bool {
	if len(digits) > 6 {
		return false
	}
	n, _ := digitsAt(digits, 0, len(digits))
	if field == &p.year && len(digits) <= 2 {
		if n < 70 {
			n += 100
		}
		n += 1900
	}
	*field = n
	return n >= 1 && n <= most
}

// plain reads digits without separators.
func (p *datetimeParser) plain(n int) error {
	digits := p.s[:n]
	p.s = p.s[n:]
	at := func(from, width int) int { v, _ := digitsAt(digits, from, width); return v }
	switch {
	case n == 8 && !p.hasDateFields():
		return p.setFields(digits[:4], digits[4:6], digits[6:])
	case n == 6 && !p.hasDateFields() && p.oid != Time:
		return p.setFields(digits[:2], digits[2:4], digits[4:])
	case n == 6 && !p.hasTime && (p.year != 0 || p.oid == Time):
		return p.setTime(at(0, 2), at(2, 2), at(4, 2))
	case n == 4 && !p.hasTime && (p.year != 0 || p.oid == Time):
		return p.setTime(at(0, 2), at(2, 2), 0)
	case n <= 2 && p.day == 0:
		if !p.setNumber(&p.day, digits, 31) {
			return p.overflow()
		}
		return nil
	case p.year == 0 && (p.month != 0 || p.day != 0):
		return p.setYear(digits)
	}
	return p.syntax()
}

var monthNames = [...]string{"january", "february", "march", "april", "may", "june", "july", "august", "september",
	"october", "november", "december"}

// monthOf reads a month's name or its first three letters ("sept" as well).
func monthOf(word []byte) int {
	for i, name := range monthNames {
		if equalFold(word, name) || equalFold(word, name[:3]) {
			return i + 1
		}
	}
	if equalFold(word, "sept") {
		return 9
	}
	return 0
}

var dayNames = [...]string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
	"tues", "wednes", "weds", "thur", "thurs"}

func isDayName(word []byte) bool {
	for _, name := range dayNames {
		if equalFold(word, name) || equalFold(word, name[:3]) {
			return true
		}
	}
	return false
}

// word reads what starts with a letter.
func (p *datetimeParser) word() error {
	// ISO 8601's T between date and time.
	if lower(p.s[0]) == 't' && len(p.s) > 1 && isDigit(p.s[1]) {
		p.s = p.s[1:]
		if n := run(p.s, isDigit); n == len(p.s) || p.s[n] != ':' {
			return p.compactTime(n)
		}
		return p.clock()
	}
	word := p.s[:run(p.s, isAlpha)]
	rest := p.s[len(word):]
	switch {
	case equalFold(word, "am"), equalFold(word, "pm"):
		p.half = lower(word[0])
	case equalFold(word, "ad"):
	case equalFold(word, "bc"):
		p.bc = true
	case equalFold(word, "at"), equalFold(word, "on"):
	case equalFold(word, "allballs"):
		p.hasTime, p.hasOffset = true, true
	case equalFold(word, "epoch") && p.oid != Time:
		p.epoch, p.hasTime, p.hasOffset = true, true, true
	case equalFold(word, "now"), equalFold(word, "today"), equalFold(word, "tomorrow"), equalFold(word, "yesterday"):
		return errcode.Newf(errcode.FeatureNotSupported, "the word %s in a date or time is not supported", quoted(word)).
			WithHint("Use now(), current_date or current_timestamp and intervals.")
	case equalFold(word, "infinity"), equalFold(word, "inf"):
		return errInfinity(p.oid)
	case p.month == 0 && monthOf(word) != 0:
		p.month = monthOf(word)
		if len(rest) > 0 && (rest[0] == '-' || rest[0] == '/') { // Jan-08-1999
			rest = rest[1:]
			return p.afterMonth(rest)
		}
	case isDayName(word):
	default:
		return p.zoneName()
	}
	p.s = rest
	return nil
}

// afterMonth reads the rest of Jan-08-1999.
func (p *datetimeParser) afterMonth(rest []byte) error {
	n := run(rest, isDigit)
	if n == 0 || n >= len(rest) || rest[n] != '-' && rest[n] != '/' {
		return p.syntax()
	}
	day, year := rest[:n], rest[n+1:]
	year = year[:run(year, isDigit)]
	if len(year) == 0 {
		return p.syntax()
	}
	p.s = rest[n+1+len(year):]
	if !p.setNumber(&p.day, day, 31) {
		return p.overflow()
	}
	return p.setYear(year)
}

// compactTime reads the HHMMSS, HHMM or HH after a T.
func (p *datetimeParser) compactTime(n int) error {
	if p.hasTime || n != 2 && n != 4 && n != 6 {
		return p.syntax()
	}
	var parts [3]int
	for i := 0; i < n/2; i++ {
		parts[i], _ = digitsAt(p.s, 2*i, 2)
	}
	p.s = p.s[n:]
	return p.setTime(parts[0], parts[1], parts[2])
}

// zoneName reads an abbreviation, an IANA name, or a POSIX zone with its
// offset.
func (p *datetimeParser) zoneName() error {
	if p.hasOffset || p.zone != nil {
		return p.syntax()
	}
	n := run(p.s, func(c byte) bool { return isAlpha(c) || c == '/' || c == '_' })
	if n < len(p.s) && (p.s[n] == '+' || p.s[n] == '-') {
		longer := n + 1 + run(p.s[n+1:], func(c byte) bool { return isDigit(c) || c == ':' || isAlpha(c) || c == '/' || c == '_' })
		if longer > n+1 {
			n = longer
		}
	}
	name := strings.ToLower(string(p.s[:n]))
	zone, err := ZoneOf(name)
	if err != nil {
		if strings.Contains(name, "/") {
			return err
		}
		return p.syntax()
	}
	p.zone = zone
	p.s = p.s[n:]
	return nil
}

// displacement reads a numeric offset.
func (p *datetimeParser) displacement() error {
	negative := p.s[0] == '-'
	seconds, n, ok := parseOffset(p.s[1:])
	if !ok || p.hasOffset {
		return p.syntax()
	}
	if seconds > zoneSecondsMost {
		return errcode.Newf(errcode.InvalidTimeZoneDisplacement, "time zone displacement out of range: %s", quoted(p.in))
	}
	if negative {
		seconds = -seconds
	}
	p.s = p.s[1+n:]
	p.hasOffset, p.offset = true, seconds
	return nil
}

// applyHalf applies am and pm.
func (p *datetimeParser) applyHalf() error {
	if p.half == 0 {
		return nil
	}
	if !p.hasTime {
		return p.syntax()
	}
	hour := p.ofDay / microsPerHour
	if hour > 12 {
		return p.overflow()
	}
	if hour == 12 {
		p.ofDay -= 12 * microsPerHour
	}
	if p.half == 'p' {
		p.ofDay += 12 * microsPerHour
	}
	return nil
}

// days checks the date and counts its days.
func (p *datetimeParser) days() (int, error) {
	if p.epoch {
		return 0, nil
	}
	if p.year == 0 || p.day == 0 {
		return 0, p.syntax()
	}
	year := p.year
	if p.bc {
		year = 1 - year
	}
	if p.day > daysIn(year, p.month) {
		return 0, p.overflow()
	}
	return daysOf(year, p.month, p.day), nil
}
