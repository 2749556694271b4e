package pgwire

import (
	"strconv"
	"strings"
	"time"

	"quorate/internal/errcode"
	"quorate/sqlplan/pgtype"
)

// The checks of the table of settings. Each takes a value as the client gave
// it and returns it as SHOW shows it. An error without a message gets the
// usual one: invalid value for parameter "x": "y".

func invalidValue() *errcode.Error { return &errcode.Error{Code: errcode.InvalidParameterValue} }

func anyText(value string) (string, *errcode.Error) { return value, nil }

// anyName takes printable ASCII, and a question mark for everything else, as
// PostgreSQL's pg_clean_ascii did until version 15.
func anyName(value string) (string, *errcode.Error) {
	clean := []byte(value)
	for i, c := range clean {
		if c < ' ' || c > '~' {
			clean[i] = '?'
		}
	}
	return string(clean[:min(len(clean), nameMaxBytes)]), nil
}

// parseBool takes what PostgreSQL takes for a boolean: on, off, true, false,
// yes, no, 1, 0 and their unambiguous beginnings.
func parseBool(value string) (on, ok bool) {
	v := strings.ToLower(strings.TrimSpace(value))
	if v == "" || v == "o" {
		return false, false
	}
	for _, word := range []string{"true", "yes", "on", "1"} {
		if strings.HasPrefix(word, v) {
			return true, true
		}
	}
	for _, word := range []string{"false", "no", "off", "0"} {
		if strings.HasPrefix(word, v) {
			return false, true
		}
	}
	return false, false
}

func boolean(value string) (string, *errcode.Error) {
	on, ok := parseBool(value)
	if !ok {
		return "", invalidValue()
	}
	return onOff(on), nil
}

// oneOf takes one of some words, in any case.
func oneOf(words ...string) func(string) (string, *errcode.Error) {
	return func(value string) (string, *errcode.Error) {
		for _, word := range words {
			if strings.EqualFold(word, value) {
				return word, nil
			}
		}
		return "", invalidValue().WithHint("Available values: %s.", strings.Join(words, ", "))
	}
}

// only takes the one value that there is; PostgreSQL has others.
func only(name, word string) func(string) (string, *errcode.Error) {
	return func(value string) (string, *errcode.Error) {
		if strings.EqualFold(word, value) {
			return word, nil
		}
		if on, ok := parseBool(value); ok && on && word == "on" {
			return word, nil
		}
		return "", errcode.Newf(errcode.FeatureNotSupported, "parameter %q can only be %q, not %q", name, word, value)
	}
}

func integer(low, high int) func(string) (string, *errcode.Error) {
	return func(value string) (string, *errcode.Error) {
		n, err := strconv.Atoi(strings.TrimSpace(value))
		if err != nil {
			return "", invalidValue()
		}
		if n < low || n > high {
			return "", errcode.Newf(errcode.InvalidParameterValue, "%d is outside the valid range (%d .. %d)", n, low, high)
		}
		return strconv.Itoa(n), nil
	}
}

// The units of a duration, largest first. A number without a unit counts
// milliseconds.
var durationUnits = []struct {
	name string
	unit time.Duration
}{
	{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond},
}

// duration takes "0", "250", "30s", "1.5 min", and writes the number with the
// largest unit that divides it.
func duration(value string) (string, *errcode.Error) {
	d, ok := parseDuration(value)
	if !ok {
		return "", invalidValue().WithHint(`Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".`)
	}
	if d < 0 || d > (1<<31-1)*time.Millisecond {
		return "", errcode.Newf(errcode.InvalidParameterValue, "%d ms is outside the valid range (0 .. 2147483647)", d.Milliseconds())
	}
	if d == 0 {
		return "0", nil
	}
	for _, u := range durationUnits {
		if d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.name, nil
		}
	}
	panic("pgwire: a duration that is not whole milliseconds")
}

func parseDuration(value string) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	digits := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz")
	unit := time.Millisecond
	if name := value[len(digits):]; name != "" {
		unit = 0
		for _, u := range durationUnits {
			if u.name == name {
				unit = u.unit
			}
		}
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(digits), 64)
	if err != nil || unit == 0 || n != n || n > 1e15 || n < -1e15 {
		return 0, false
	}
	// Rounded to a millisecond, the unit that the settings are kept in.
	milliseconds := n * float64(unit) / float64(time.Millisecond)
	if milliseconds > 1<<40 || milliseconds < -1<<40 {
		return 0, false
	}
	rounded := int64(milliseconds + 0.5)
	if milliseconds < 0 {
		rounded = int64(milliseconds - 0.5)
	}
	return time.Duration(rounded) * time.Millisecond, true
}

// durationOf reads a value that duration has written.
func durationOf(value string) time.Duration {
	d, _ := parseDuration(value)
	return d
}

// clientEncoding takes UTF-8 by its names. SQL_ASCII is what libpq asks for
// when its locale is C, as in many containers; it means "no conversion" and
// so is answered with UTF-8 bytes as well.
func clientEncoding(value string) (string, *errcode.Error) {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, value)
	switch name {
	case "utf8", "unicode":
		return "UTF8", nil
	case "sqlascii":
		return "SQL_ASCII", nil
	}
	return "", invalidValue().WithHint("Quorate speaks UTF8 only.")
}

// dateStyle takes ISO, with an order of day, month and year or without.
func dateStyle(value string) (string, *errcode.Error) {
	order := "MDY"
	for _, word := range strings.Split(value, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "iso", "default":
		case "mdy", "us", "noneuro", "noneuropean":
			order = "MDY"
		case "dmy", "euro", "european":
			order = "DMY"
		case "ymd":
			order = "YMD"
		case "sql", "postgres", "german":
			return "", errcode.Newf(errcode.FeatureNotSupported, `parameter "DateStyle" can only be ISO, not %q`, value)
		default:
			return "", invalidValue()
		}
	}
	return "ISO, " + order, nil
}

// isolation takes every level and gives the strongest.
func isolation(value string) (string, *errcode.Error) {
	switch strings.Join(strings.Fields(strings.ToLower(value)), " ") {
	case "serializable", "repeatable read", "read committed", "read uncommitted":
		return "serializable", nil
	}
	return "", invalidValue()
}

func readConsistency(value string) (string, *errcode.Error) {
	switch strings.ToLower(value) {
	case "linearizable":
		return "linearizable", nil
	case "stale":
		return "stale", nil
	case "leader":
		return "", errcode.Newf(errcode.FeatureNotSupported, `the read consistency "leader" is not supported yet`).
			WithHint("Available values: linearizable, stale.")
	}
	return "", invalidValue().WithHint("Available values: linearizable, stale.")
}

// timeZone takes what pgtype.LoadLocation takes. The location's own name finds
// it again, on every node.
func timeZone(value string) (string, *errcode.Error) {
	value = strings.TrimSpace(value)
	if strings.EqualFold(value, "local") || strings.EqualFold(value, "default") {
		return "UTC", nil
	}
	if value == "" {
		return "", invalidValue()
	}
	location, err := pgtype.LoadLocation(value)
	if err != nil {
		return "", invalidValue()
	}
	return location.String(), nil
}
