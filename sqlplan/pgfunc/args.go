package pgfunc

import (
	"math"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// textOf is an argument as text. The planner gives TEXT where text is due; a
// value of another class is shown as output shows it.
func textOf(v value.Value) []byte {
	if v.Kind() == value.Text || v.Kind() == value.Blob {
		return v.Bytes()
	}
	text, _ := pgtype.AppendText(nil, pgtype.Of(pgtype.Text), v, nil)
	return text
}

// intOf is an argument as a number of characters, digits and the like. It is
// within int32's range, so that callers may add and multiply: a column without a
// type may hold any number, as text too.
func intOf(v value.Value) int {
	switch v.Kind() {
	case value.Real:
		f := v.Float()
		return int(math.Max(math.Min(f, math.MaxInt32), math.MinInt32))
	case value.Text:
		n, _ := strconv.Atoi(v.Text())
		return max(min(n, math.MaxInt32), math.MinInt32)
	}
	return int(max(min(v.Int(), math.MaxInt32), math.MinInt32))
}

// splitTyped separates arguments, their types and the time zone of functions
// with TypeArgs and TimeZone.
func splitTyped(args []value.Value) (values, oids []value.Value, e *pgtype.Encoding, err error) {
	if len(args)%2 == 0 {
		return nil, nil, nil, errcode.Newf(errcode.InternalError, "a function was called without the types of its arguments")
	}
	n := len(args) / 2
	loc, err := pgtype.LoadLocation(args[len(args)-1].Text())
	return args[:n], args[n : 2*n], &pgtype.Encoding{Location: loc, ExtraFloatDigits: 1}, err
}

// shownArgs are the arguments as output shows them, at least so many.
func shownArgs(args []value.Value, least int) ([]value.Value, error) {
	values, oids, e, err := splitTyped(args)
	if err != nil {
		return nil, err
	}
	if len(values) < least {
		return nil, errcode.Newf(errcode.UndefinedFunction, "a function was called with too few arguments")
	}
	shown := make([]value.Value, len(values))
	for i, v := range values {
		if v.IsNull() {
			continue
		}
		text, err := pgtype.AppendText([]byte{}, pgtype.Of(uint32(oids[i].Int())), v, e)
		if err != nil {
			return nil, err
		}
		shown[i] = value.TextBytes(text)
	}
	return shown, nil
}

// resultBytesMost bounds what a function makes out of little: repeat('x', 1e9).
const resultBytesMost = 64 << 20

func checkSize(bytes int) error {
	if bytes > resultBytesMost {
		return errcode.Newf(errcode.ProgramLimitExceeded, "requested length too large").
			WithHint("Functions make results of up to %d MiB.", resultBytesMost>>20)
	}
	return nil
}

// fail returns an error for the client.
func fail(code errcode.Code, format string, args ...any) (value.Value, error) {
	return value.Value{}, errcode.Newf(code, format, args...)
}
