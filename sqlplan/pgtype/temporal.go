package pgtype

import (
	"math"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Civil is a point in time taken apart.
type Civil struct {
	Year, Month, Day     int
	Hour, Minute, Second int
	Micros               int // of the second
}

// CivilOf takes wall time apart.
func CivilOf(m Micros) Civil {
	days, ofDay := m.split()
	var c Civil
	c.Year, c.Month, c.Day = dateOf(days)
	c.Hour = int(ofDay / microsPerHour)
	c.Minute = int(ofDay / microsPerMinute % 60)
	c.Second = int(ofDay / microsPerSecond % 60)
	c.Micros = int(ofDay % microsPerSecond)
	return c
}

// Join is the inverse of CivilOf. Days, hours and smaller parts may be out of
// their range and carry over.
func (c Civil) Join() Micros {
	return Micros(int64(daysOf(c.Year, c.Month, 1)+c.Day-1)*microsPerDay + int64(c.Hour)*microsPerHour +
		int64(c.Minute)*microsPerMinute + int64(c.Second)*microsPerSecond + int64(c.Micros))
}

// ReadDate reads a stored date as the beginning of its day.
func ReadDate(b []byte) (Micros, bool) {
	days, ok := readDate(b)
	return Micros(days) * microsPerDay, ok
}

// ReadTime reads a stored time.
func ReadTime(b []byte) (micros int64, ok bool) { return readTimeOfDay(b) }

// DateValue makes the stored date of a point in wall time.
func DateValue(m Micros) (value.Value, error) {
	days, _ := m.split()
	return dateValue(days)
}

// TimeValue makes the stored time of day of a point in wall time.
func TimeValue(m Micros) value.Value {
	_, ofDay := m.split()
	return timeValue(ofDay)
}

// CivilValue makes a stored date from its parts, or refuses them.
func CivilValue(year, month, day int) (value.Value, error) {
	if month < 1 || month > 12 || year == 0 || day < 1 || day > daysIn(year, month) {
		return value.Value{}, errcode.Newf(errcode.DatetimeFieldOverflow, "date field value out of range: %d-%02d-%02d", year, month, day)
	}
	if year < 1 || year > 9999 {
		return value.Value{}, errYears("date out of range")
	}
	return dateValue(daysOf(year, month, day))
}

// Add adds an interval to wall time: months first, where a day that the month
// does not have becomes its last, then days, then the rest.
func (m Micros) Add(s Span) (Micros, error) {
	out := m
	if s.Months != 0 {
		c := CivilOf(m)
		months := c.Year*12 + c.Month - 1 + int(s.Months)
		c.Year, c.Month = floorDiv(months, 12), months-floorDiv(months, 12)*12+1
		if c.Year < -400000 || c.Year > 400000 {
			return 0, errYears("timestamp out of range")
		}
		c.Day = min(c.Day, daysIn(c.Year, c.Month))
		out = c.Join()
	}
	// The sum stays far from overflow as long as each step is checked.
	const most = Micros(math.MaxInt64 / 2)
	days := Micros(s.Days)
	if days > most/microsPerDay || days < -most/microsPerDay || Micros(s.Micros) > most || Micros(s.Micros) < -most {
		return 0, errYears("timestamp out of range")
	}
	out += days * microsPerDay
	if out > most || out < -most {
		return 0, errYears("timestamp out of range")
	}
	out += Micros(s.Micros)
	if !out.inYears() {
		return 0, errYears("timestamp out of range")
	}
	return out, nil
}

// AddInZone adds an interval to a point in time: months and days count on the
// zone's wall, so that a day is 23 or 25 hours when the clocks change.
func (m Micros) AddInZone(s Span, loc *time.Location) (Micros, error) {
	if s.Months != 0 || s.Days != 0 {
		wall, err := InZone(m, loc).Add(Span{Months: s.Months, Days: s.Days})
		if err != nil {
			return 0, err
		}
		m = FromZone(wall, loc)
	}
	return m.Add(Span{Micros: s.Micros})
}

// Sub is timestamp minus timestamp: days and time, never months.
func (m Micros) Sub(n Micros) Span {
	diff := int64(m - n)
	return Span{Days: int32(diff / microsPerDay), Micros: diff % microsPerDay}
}

// Age is age(m, n): the difference in years, months, days and time, as it is
// counted on a calendar.
func (m Micros) Age(n Micros) Span {
	if m < n {
		return n.Age(m).Negate()
	}
	a, b := CivilOf(m), CivilOf(n)
	months := (a.Year-b.Year)*12 + a.Month - b.Month
	days := a.Day - b.Day
	_, timeA := m.split()
	_, timeB := n.split()
	micros := timeA - timeB
	if micros < 0 {
		micros += microsPerDay
		days--
	}
	if days < 0 {
		days += daysIn(b.Year, b.Month)
		months--
	}
	return Span{Months: int32(months), Days: int32(days), Micros: micros}
}

// Negate is -interval. Stored intervals have a negative in every part.
func (iv Span) Negate() Span {
	return Span{Months: -iv.Months, Days: -iv.Days, Micros: -iv.Micros}
}

// Add adds two intervals part by part.
func (iv Span) Add(other Span) (Span, error) {
	var months, days, usec wide
	months.add(int64(iv.Months), 1)
	months.add(int64(other.Months), 1)
	days.add(int64(iv.Days), 1)
	days.add(int64(other.Days), 1)
	usec.add(iv.Micros, 1)
	usec.add(other.Micros, 1)
	m, ok1 := months.int32()
	d, ok2 := days.int32()
	sum := Span{Months: m, Days: d, Micros: usec.n}
	if !ok1 || !ok2 || usec.overflow || !sum.ok() {
		return Span{}, errInterval()
	}
	return sum, nil
}

// Times multiplies an interval; fractions of months become days of 1/30 month
// and fractions of days become time.
func (iv Span) Times(f float64) (Span, error) {
	// Every product is rounded on its own: without the conversions a compiler
	// may fuse multiplication and addition on some machines and not on others.
	months := float64(float64(iv.Months) * f)
	wholeMonths := math.Trunc(months)
	monthDays := float64((months - wholeMonths) * 30)
	days := float64(float64(iv.Days) * f)
	wholeDays := math.Trunc(days)
	rest := math.Round(float64((days-wholeDays)+(monthDays-math.Trunc(monthDays)))*1e6) / 1e6
	wholeDays += math.Trunc(monthDays) + math.Trunc(rest)
	rest -= math.Trunc(rest)
	micros := math.RoundToEven(float64(float64(iv.Micros)*f) + float64(rest*microsPerDay))
	const most = 1 << 62
	if math.Abs(wholeMonths) > math.MaxInt32 || math.Abs(wholeDays) > math.MaxInt32 || !(math.Abs(micros) < most) {
		return Span{}, errInterval()
	}
	return Span{Months: int32(wholeMonths), Days: int32(wholeDays), Micros: int64(micros)}, nil
}
