package pgfunc

import (
	"encoding/json"
	"math"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// JSON functions (manual, section 9.16). Those that take any type get the OIDs
// of their arguments, because the stored forms do not say that 1 is a boolean
// or that text is already JSON. SQLite's own json_ functions are in
// sqliteFunctions.
var jsonFunctions = []entry{
	{"to_json(any) json = q_to_json; types zone", toJSON(pgtype.JSON)},
	{"to_jsonb(any) jsonb = q_to_jsonb; types zone", toJSON(pgtype.JSONB)},
	{"json_build_object(any…) json = q_json_build_object; types zone null", buildObject(pgtype.JSON)},
	{"jsonb_build_object(any…) jsonb = q_jsonb_build_object; types zone null", buildObject(pgtype.JSONB)},
	{"json_build_array(any…) json = q_json_build_array; types zone null", buildArray(pgtype.JSON)},
	{"jsonb_build_array(any…) jsonb = q_jsonb_build_array; types zone null", buildArray(pgtype.JSONB)},
	{"json_typeof(json) text = q_json_typeof", jsonTypeof},
	{"jsonb_typeof(jsonb) text = q_json_typeof", nil},
	{"json_array_length(json) int4 = q_json_array_length", jsonArrayLength},
	{"jsonb_array_length(jsonb) int4 = q_json_array_length", nil},
}

// appendJSON writes a value of a type as JSON.
func appendJSON(dst []byte, v value.Value, oid uint32, e *pgtype.Encoding) ([]byte, error) {
	if v.IsNull() {
		return append(dst, "null"...), nil
	}
	switch oid {
	case pgtype.Bool:
		if v.Int() != 0 {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case pgtype.JSON, pgtype.JSONB:
		return pgtype.AppendText(dst, pgtype.Of(oid), v, e)
	}
	text, err := pgtype.AppendText(nil, pgtype.Of(oid), v, e)
	if err != nil {
		return dst, err
	}
	number := pgtype.IsNumber(oid) || oid == pgtype.Any && (v.Kind() == value.Integer || v.Kind() == value.Real)
	switch {
	case number && !math.IsInf(v.Float(), 0):
		return append(dst, text...), nil
	case oid == pgtype.Timestamp || oid == pgtype.Timestamptz:
		text = isoTimestamp(text)
	}
	return pgtype.AppendJSONString(dst, text), nil
}

// zipArrays is what unnest(a, b, …) takes apart: an array of rows, each with
// the n-th elements of JSON arrays, and null for those that are shorter.
func zipArrays(_ Context, args []value.Value) (value.Value, error) {
	lists := make([][]json.RawMessage, len(args))
	rows := 0
	for i, a := range args {
		if a.IsNull() {
			continue
		}
		if err := json.Unmarshal(a.Bytes(), &lists[i]); err != nil {
			return fail(errcode.InvalidTextRepresentation, "malformed array: %v", err)
		}
		rows = max(rows, len(lists[i]))
	}
	out := []byte{'['}
	for n := range rows {
		if n > 0 {
			out = append(out, ',')
		}
		out = append(out, '[')
		for i, list := range lists {
			if i > 0 {
				out = append(out, ',')
			}
			if n < len(list) {
				out = append(out, list[n]...)
			} else {
				out = append(out, "null"...)
			}
		}
		out = append(out, ']')
	}
	return value.TextBytes(append(out, ']')), nil
}

// isoTimestamp writes ISO 8601's T and the minutes of the offset, as JSON has
// timestamps.
func isoTimestamp(text []byte) []byte {
	text[len("2006-01-02")] = 'T'
	if n := len(text); n > 3 && (text[n-3] == '+' || text[n-3] == '-') {
		text = append(text, ":00"...)
	}
	return text
}

// finish makes the stored form of JSON that was put together.
func finish(oid uint32, text []byte) (value.Value, error) {
	if err := checkSize(len(text)); err != nil {
		return value.Value{}, err
	}
	if oid == pgtype.JSONB {
		return pgtype.ParseText(pgtype.Of(oid), text, nil)
	}
	return value.TextBytes(text), nil
}

func toJSON(result uint32) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		values, oids, e, err := splitTyped(args)
		if err != nil {
			return value.Value{}, err
		}
		text, err := appendJSON(nil, values[0], uint32(oids[0].Int()), e)
		if err != nil {
			return value.Value{}, err
		}
		return finish(result, text)
	}
}

func buildArray(result uint32) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		values, oids, e, err := splitTyped(args)
		if err != nil {
			return value.Value{}, err
		}
		text := []byte{'['}
		for i, v := range values {
			if i > 0 {
				text = append(text, ", "...)
			}
			if text, err = appendJSON(text, v, uint32(oids[i].Int()), e); err != nil {
				return value.Value{}, err
			}
		}
		return finish(result, append(text, ']'))
	}
}

func buildObject(result uint32) impl {
	return func(_ Context, args []value.Value) (value.Value, error) {
		values, oids, e, err := splitTyped(args)
		if err != nil {
			return value.Value{}, err
		}
		if len(values)%2 != 0 {
			return value.Value{}, errcode.Newf(errcode.InvalidParameterValue, "argument list must have even number of elements").
				WithHint("The arguments of json_build_object() must consist of alternating keys and values.")
		}
		text := []byte{'{'}
		for i := 0; i < len(values); i += 2 {
			if values[i].IsNull() {
				return fail(errcode.InvalidParameterValue, "argument %d cannot be null", i+1)
			}
			if i > 0 {
				text = append(text, ", "...)
			}
			key, err := pgtype.Cast(values[i], pgtype.Of(uint32(oids[i].Int())), pgtype.Of(pgtype.Text), e.Location, true)
			if err != nil {
				return value.Value{}, err
			}
			text = append(pgtype.AppendJSONString(text, key.Bytes()), " : "...)
			if text, err = appendJSON(text, values[i+1], uint32(oids[i+1].Int()), e); err != nil {
				return value.Value{}, err
			}
		}
		return finish(result, append(text, '}'))
	}
}

// canonical is an argument as canonical JSON.
func canonical(v value.Value) ([]byte, error) {
	j, err := pgtype.ParseText(pgtype.Of(pgtype.JSONB), textOf(v), nil)
	return j.Bytes(), err
}

func jsonTypeof(_ Context, args []value.Value) (value.Value, error) {
	text, err := canonical(args[0])
	if err != nil {
		return value.Value{}, err
	}
	return value.String(kindOfJSON(text)), nil
}

func kindOfJSON(text []byte) string {
	switch text[0] {
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
	return "number"
}

func jsonArrayLength(_ Context, args []value.Value) (value.Value, error) {
	text, err := canonical(args[0])
	if err != nil {
		return value.Value{}, err
	}
	switch kindOfJSON(text) {
	case "array":
	case "object":
		return fail(errcode.InvalidParameterValue, "cannot get array length of a non-array")
	default:
		return fail(errcode.InvalidParameterValue, "cannot get array length of a scalar")
	}
	return value.Int(int64(elements(text))), nil
}

// elements counts the elements of a canonical array.
func elements(text []byte) int {
	if len(text) == len("[]") {
		return 0
	}
	count, depth, quoted := 1, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			depth--
		case c == ',' && depth == 1:
			count++
		}
	}
	return count
}
