package pgtype

import (
	"encoding/binary"
	"math"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Span is an interval as PostgreSQL keeps it: three amounts that do not
// convert into each other, for months and days differ in length.
type Span struct {
	Months int32
	Days   int32
	Micros int64
}

// ReadSpan reads a stored interval.
func ReadSpan(b []byte) (Span, error) { return parseInterval(b) }

// Value makes the stored form.
func (iv Span) Value() value.Value { return value.TextBytes(iv.append(nil)) }

func errInterval() error {
	return errcode.Newf(errcode.DatetimeFieldOverflow, "interval out of range")
}

// append writes the interval in intervalstyle postgres: 1 year 2 mons 3 days
// 04:05:06.7. After a negative part, positive ones get a plus sign.
func (iv Span) append(dst []byte) []byte {
	start := len(dst)
	before := false
	part := func(n int32, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if before && n > 0 {
			dst = append(dst, '+')
		}
		before = n < 0
		dst = append(strconv.AppendInt(dst, int64(n), 10), ' ')
		dst = append(dst, unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
	}
	part(iv.Months/12, "year")
	part(iv.Months%12, "mon")
	part(iv.Days, "day")
	if iv.Micros == 0 && len(dst) > start {
		return dst
	}
	if len(dst) > start {
		dst = append(dst, ' ')
	}
	micros := uint64(iv.Micros)
	if iv.Micros < 0 {
		dst = append(dst, '-')
		micros = -micros
	} else if before {
		dst = append(dst, '+')
	}
	hours := micros / microsPerHour
	if hours < 10 {
		dst = append(dst, '0')
	}
	dst = strconv.AppendUint(dst, hours, 10)
	var buf [timeLength]byte
	rest := appendTimeOfDay(buf[:0], int64(micros%microsPerHour))
	return append(dst, trimFraction(rest)[2:]...)
}

// round keeps the digits of interval(p).
func (iv Span) round(t Type) Span {
	if digits, ok := t.fraction(); ok {
		iv.Micros = roundTo(iv.Micros, powersOf10[6-digits])
	}
	return iv
}

// The binary format: microseconds (int64), days (int32), months (int32).

func parseIntervalBinary(t Type, b []byte) (value.Value, error) {
	iv := Span{
		Micros: int64(binary.BigEndian.Uint64(b)),
		Days:   int32(binary.BigEndian.Uint32(b[8:])),
		Months: int32(binary.BigEndian.Uint32(b[12:])),
	}
	if !iv.ok() {
		return value.Value{}, errInterval()
	}
	return iv.round(t).Value(), nil
}

func (iv Span) appendBinary(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(iv.Micros))
	dst = binary.BigEndian.AppendUint32(dst, uint32(iv.Days))
	return binary.BigEndian.AppendUint32(dst, uint32(iv.Months))
}

// ok reports whether every part has a negative.
func (iv Span) ok() bool {
	return iv.Micros > math.MinInt64+microsPerSecond && iv.Micros < math.MaxInt64-microsPerSecond &&
		iv.Days != math.MinInt32 && iv.Months != math.MinInt32
}

// spanParser reads an interval's text.
type spanParser struct {
	in, s              []byte
	months, days, usec wide
	seen               map[spanUnit]bool // units given, each at most once
}

// wide adds up with a guard against overflow.
type wide struct {
	n        int64
	overflow bool
}

func (w *wide) add(n, times int64) {
	product := n * times
	if n != 0 && (product/n != times || n == -1 && times == math.MinInt64) {
		w.overflow = true
	}
	sum := w.n + product
	if (sum > w.n) != (product > 0) && product != 0 {
		w.overflow = true
	}
	w.n = sum
}

func (w wide) int32() (int32, bool) { return int32(w.n), !w.overflow && w.n == int64(int32(w.n)) }

// parseInterval reads the forms of the manual's section 8.5.4: quantities with
// units and a time, ISO 8601 with designators, the SQL standard's years-months,
// and "ago".
func parseInterval(b []byte) (Span, error) {
	p := spanParser{in: b, s: trimSpace(b)}
	if err := p.parse(); err != nil {
		return Span{}, err
	}
	months, ok1 := p.months.int32()
	days, ok2 := p.days.int32()
	iv := Span{Months: months, Days: days, Micros: p.usec.n}
	if !ok2 || p.usec.overflow {
		return Span{}, p.overflow()
	}
	if !ok1 || !iv.ok() {
		return Span{}, errInterval()
	}
	return iv, nil
}

func (p *spanParser) syntax() error { return errSyntax(Interval, p.in) }

func (p *spanParser) overflow() error {
	return errcode.Newf(errcode.IntervalFieldOverflow, "interval field value out of range: %s", quoted(p.in))
}

func (p *spanParser) parse() error {
	if len(p.s) == 0 {
		return p.syntax()
	}
	if p.s[0] == 'P' {
		return p.iso()
	}
	if p.s[0] == '@' {
		p.s = p.s[1:]
	}
	seen, ago := false, false
	for len(p.s) > 0 {
		c := p.s[0]
		switch {
		case isSpace(c) || c == ',':
			p.s = p.s[1:]
		case isAlpha(c):
			word := p.s[:run(p.s, isAlpha)]
			if !equalFold(word, "ago") || !seen || len(trimSpace(p.s[len(word):])) > 0 {
				return p.syntax()
			}
			ago = true
			p.s = nil
		default:
			if err := p.field(); err != nil {
				return err
			}
			seen = true
		}
	}
	if !seen {
		return p.syntax()
	}
	if ago {
		p.months.n, p.days.n, p.usec.n = -p.months.n, -p.days.n, -p.usec.n
	}
	return nil
}

// quantity is a signed decimal number: sign × (whole + micro/1e6).
type quantity struct {
	sign  int64
	whole int64
	micro int64
}

// sign reads an optional sign.
func (p *spanParser) sign() int64 {
	if len(p.s) > 0 && (p.s[0] == '-' || p.s[0] == '+') {
		negative := p.s[0] == '-'
		p.s = p.s[1:]
		if negative {
			return -1
		}
	}
	return 1
}

// digits reads an unsigned whole number.
func (p *spanParser) digits() (n int64, count int, ok bool) {
	for count < len(p.s) && isDigit(p.s[count]) {
		if n > (math.MaxInt64-9)/10 {
			return 0, count, false
		}
		n = n*10 + int64(p.s[count]-'0')
		count++
	}
	p.s = p.s[count:]
	return n, count, true
}

func (p *spanParser) quantity() (q quantity, err error) {
	q.sign = p.sign()
	whole, count, ok := p.digits()
	if !ok {
		return q, p.overflow()
	}
	q.whole = whole
	if len(p.s) > 0 && p.s[0] == '.' {
		n := run(p.s[1:], isDigit)
		q.micro = fractionMicros(p.s[1 : 1+n])
		p.s = p.s[1+n:]
		count += n
	}
	if count == 0 {
		return q, p.syntax()
	}
	return q, nil
}

// field reads one quantity with its unit, a time, or years-months.
func (p *spanParser) field() error {
	q, err := p.quantity()
	if err != nil {
		return err
	}
	if len(p.s) > 0 && p.s[0] == ':' && q.micro == 0 {
		return p.clock(q)
	}
	if len(p.s) > 1 && p.s[0] == '-' && isDigit(p.s[1]) && q.micro == 0 {
		p.s = p.s[1:]
		months, _, ok := p.digits()
		if !ok || months > 11 {
			return p.syntax()
		}
		p.months.add(q.sign*q.whole, 12)
		p.months.add(q.sign*months, 1)
		return nil
	}
	for len(p.s) > 0 && isSpace(p.s[0]) {
		p.s = p.s[1:]
	}
	n := run(p.s, isAlpha)
	word := p.s[:n]
	switch {
	case n == 0 && isClock(p.s):
		word = []byte("d") // 3 4:05:06 is three days and a time
	case n == 0:
		word = []byte("s") // a number alone is seconds
	}
	p.s = p.s[n:]
	if !p.addUnit(q, word) {
		return p.syntax()
	}
	return nil
}

// isClock reports whether a time H:M comes first.
func isClock(s []byte) bool {
	n := run(s, isDigit)
	return n > 0 && n < len(s) && s[n] == ':'
}

// clock reads the rest of H:M[:S[.fraction]], or of M:S.fraction.
func (p *spanParser) clock(hours quantity) error {
	parts := [3]int64{hours.whole}
	micro, count := int64(0), 1
	for count < 3 && len(p.s) > 1 && p.s[0] == ':' && isDigit(p.s[1]) {
		p.s = p.s[1:]
		n, _, ok := p.digits()
		if !ok {
			return p.syntax()
		}
		parts[count] = n
		count++
	}
	if len(p.s) > 0 && p.s[0] == '.' {
		n := run(p.s[1:], isDigit)
		micro = fractionMicros(p.s[1 : 1+n])
		p.s = p.s[1+n:]
		if count == 2 {
			parts = [3]int64{0, parts[0], parts[1]}
		}
	}
	if count == 1 {
		return p.syntax()
	}
	if parts[1] > 59 || parts[2] > 60 {
		return p.overflow()
	}
	p.usec.add(hours.sign*parts[0], microsPerHour)
	p.usec.add(hours.sign*parts[1], microsPerMinute)
	p.usec.add(hours.sign*parts[2], microsPerSecond)
	p.usec.add(hours.sign*micro, 1)
	return nil
}

// spanUnit is what a unit stands for: one of the amounts is not zero.
type spanUnit struct{ months, days, micros int64 }

var spanUnits = map[string]spanUnit{}

func init() {
	for unit, names := range map[spanUnit][]string{
		{micros: 1}:               {"us", "usec", "usecs", "usecond", "useconds", "microsecond", "microseconds", "microsecon"},
		{micros: 1000}:            {"ms", "msec", "msecs", "msecond", "mseconds", "millisecond", "milliseconds", "millisecon"},
		{micros: microsPerSecond}: {"s", "sec", "secs", "second", "seconds"},
		{micros: microsPerMinute}: {"m", "min", "mins", "minute", "minutes"},
		{micros: microsPerHour}:   {"h", "hr", "hrs", "hour", "hours"},
		{days: 1}:                 {"d", "day", "days"},
		{days: 7}:                 {"w", "week", "weeks"},
		{months: 1}:               {"mon", "mons", "month", "months"},
		{months: 12}:              {"y", "yr", "yrs", "year", "years"},
		{months: 120}:             {"dec", "decs", "decade", "decades"},
		{months: 1200}:            {"c", "cent", "century", "centuries"},
		{months: 12000}:           {"mil", "mils", "millennium", "millennia"},
	} {
		for _, name := range names {
			spanUnits[name] = unit
		}
	}
}

func (p *spanParser) addUnit(q quantity, word []byte) bool {
	if len(word) > 16 {
		return false
	}
	var buf [16]byte
	for i, c := range word {
		buf[i] = lower(c)
	}
	unit, ok := spanUnits[string(buf[:len(word)])]
	if !ok || p.seen[unit] {
		return false
	}
	if p.seen == nil {
		p.seen = map[spanUnit]bool{}
	}
	p.seen[unit] = true
	p.add(q, unit)
	return true
}

// add adds q units. A fraction of a month becomes days of 1/30 month, a
// fraction of a day becomes time; fractions of years are whole months.
func (p *spanParser) add(q quantity, unit spanUnit) {
	micro := q.sign * q.micro
	switch {
	case unit.micros != 0:
		p.usec.add(q.sign*q.whole, unit.micros)
		p.usec.add(roundTo(micro*unit.micros, 1_000_000)/1_000_000, 1)
	case unit.days != 0:
		p.days.add(q.sign*q.whole, unit.days)
		p.addDays(micro * unit.days)
	case unit.months == 1:
		p.months.add(q.sign*q.whole, 1)
		p.addDays(micro * 30)
	default:
		p.months.add(q.sign*q.whole, unit.months)
		p.months.add(roundTo(micro*unit.months, 1_000_000)/1_000_000, 1)
	}
}

// addDays adds millionths of a day.
func (p *spanParser) addDays(micro int64) {
	p.days.add(micro/1_000_000, 1)
	p.usec.add(micro%1_000_000, microsPerDay/1_000_000)
}

// iso reads ISO 8601's form with designators, P1Y2M3DT4H5M6.7S.
func (p *spanParser) iso() error {
	p.s = p.s[1:]
	dateUnits := map[byte]spanUnit{'Y': {months: 12}, 'M': {months: 1}, 'W': {days: 7}, 'D': {days: 1}}
	timeUnits := map[byte]spanUnit{'H': {micros: microsPerHour}, 'M': {micros: microsPerMinute}, 'S': {micros: microsPerSecond}}
	units := dateUnits
	if len(p.s) == 0 {
		return p.syntax()
	}
	for len(p.s) > 0 {
		if p.s[0] == 'T' {
			units = timeUnits
			p.s = p.s[1:]
			continue
		}
		q, err := p.quantity()
		if err != nil {
			return err
		}
		if len(p.s) == 0 {
			return p.syntax()
		}
		unit, ok := units[p.s[0]]
		if !ok {
			return p.syntax()
		}
		p.s = p.s[1:]
		p.add(q, unit)
	}
	return nil
}
