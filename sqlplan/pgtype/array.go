package pgtype

import (
	"encoding/binary"
	"math"
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// arrays are the array types by their elements' (pg_type.typarray).
var arrays = map[uint32]uint32{
	Bool: 1000, Name: 1003, Int2: 1005, Int4: 1007, Text: 1009, BPChar: 1014, Varchar: 1015, Int8: 1016,
	Float4: 1021, Float8: 1022, OID: 1028, Timestamp: 1115, Date: 1182, Time: 1183, Timestamptz: 1185,
	Interval: 1187, Numeric: 1231, UUID: 2951, JSON: 199, JSONB: 3807,
}

var elements = map[uint32]uint32{}

func init() {
	for element, array := range arrays {
		elements[array] = element
	}
}

// ArrayOf is the type of arrays of a type, ElementOf the type of an array's
// elements; 0: there is none. The stored form of an array is JSON: numbers,
// 0 and 1 for booleans, and strings with the elements' stored forms.
func ArrayOf(element uint32) uint32 { return arrays[element] }

// ElementOf is the other way round.
func ElementOf(array uint32) uint32 { return elements[array] }

// SplitArray reads the text of an array of one dimension, {a,"b c",NULL}; nil
// stands for NULL (PostgreSQL manual, section 8.15.2).
func SplitArray(b []byte) ([][]byte, error) {
	malformed := func(detail string) ([][]byte, error) {
		return nil, errcode.Newf(errcode.InvalidTextRepresentation, "malformed array literal: %s", quoted(b)).WithDetail("%s", detail)
	}
	s := trimSpace(b)
	if len(s) == 0 || s[0] != '{' {
		if len(s) > 0 && s[0] == '[' {
			return nil, errDimensions()
		}
		return malformed(`Array value must start with "{" or dimension information.`)
	}
	list := [][]byte{}
	i := skipSpace(s, 1)
	for i < len(s) && s[i] != '}' {
		if s[i] == '{' {
			return nil, errDimensions()
		}
		element, next, ok := arrayElement(s, i)
		if !ok {
			return malformed("Unexpected array element.")
		}
		list = append(list, element)
		i = skipSpace(s, next)
		if i < len(s) && s[i] == ',' {
			if i = skipSpace(s, i+1); i < len(s) && s[i] == '}' {
				return malformed(`Unexpected "}" character.`)
			}
		} else if i < len(s) && s[i] != '}' {
			return malformed("Unexpected array element.")
		}
	}
	switch {
	case i >= len(s):
		return malformed("Unexpected end of input.")
	case i != len(s)-1:
		return malformed("Junk after closing right brace.")
	}
	return list, nil
}

func errDimensions() error {
	return errcode.Newf(errcode.FeatureNotSupported, "an array of several dimensions is not supported")
}

func skipSpace(s []byte, i int) int {
	for i < len(s) && isSpace(s[i]) {
		i++
	}
	return i
}

// arrayElement reads one element: quoted, or up to the next comma or brace
// without the blanks around it. NULL without quotes is nil.
func arrayElement(s []byte, i int) (element []byte, next int, ok bool) {
	element = []byte{}
	if s[i] == '"' {
		for i++; i < len(s) && s[i] != '"'; i++ {
			if s[i] == '\\' {
				i++
			}
			if i < len(s) {
				element = append(element, s[i])
			}
		}
		return element, i + 1, i < len(s)
	}
	end := 0 // of what is not blank at the end
	escaped := false
	for ; i < len(s) && s[i] != ',' && s[i] != '}'; i++ {
		c := s[i]
		switch {
		case c == '"' || c == '{':
			return nil, i, false
		case c == '\\' && i+1 < len(s):
			i++
			escaped = true
			element = append(element, s[i])
			end = len(element)
			continue
		}
		element = append(element, c)
		if !isSpace(c) {
			end = len(element)
		}
	}
	element = element[:end]
	if !escaped && equalFold(element, "null") {
		return nil, i, true
	}
	return element, i, len(element) > 0
}

// parseArray makes the stored form of an array from its text.
func parseArray(element uint32, b []byte, convert func(element []byte) (value.Value, error)) (value.Value, error) {
	list, err := SplitArray(b)
	if err != nil {
		return value.Value{}, err
	}
	return storedArray(element, list, convert)
}

func storedArray(element uint32, list [][]byte, convert func(element []byte) (value.Value, error)) (value.Value, error) {
	out := []byte{'['}
	for i, e := range list {
		if i > 0 {
			out = append(out, ',')
		}
		if e == nil {
			out = append(out, "null"...)
			continue
		}
		v, err := convert(e)
		if err != nil {
			return v, err
		}
		out = appendElement(out, v)
	}
	return value.TextBytes(append(out, ']')), nil
}

// appendElement writes a stored value so that SQLite's json_each gives it back.
func appendElement(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case value.Null:
		return append(dst, "null"...)
	case value.Integer:
		return strconv.AppendInt(dst, v.Int(), 10)
	case value.Real:
		switch f := v.Float(); {
		case math.IsInf(f, 1):
			return append(dst, "9e999"...)
		case math.IsInf(f, -1):
			return append(dst, "-9e999"...)
		case f == math.Trunc(f) && math.Abs(f) < 1e15:
			return append(strconv.AppendFloat(dst, f, 'f', -1, 64), ".0"...)
		default:
			return strconv.AppendFloat(dst, f, 'g', -1, 64)
		}
	}
	return AppendJSONString(dst, v.Bytes())
}

// The binary format of an array (src/backend/utils/adt/arrayfuncs.c,
// array_send):
//
//	+------------+-----------+---------+--------------------+------------------+
//	| dimensions | has NULLs | element | length, lower bound | length, element … |
//	|   int32    |   int32   |   oid   |   2 × int32 each    |   int32 (-1: NULL) |
//	+------------+-----------+---------+--------------------+------------------+
func parseArrayBinary(element uint32, b []byte) (value.Value, error) {
	const headerBytes, dimensionBytes = 12, 8
	array := ArrayOf(element)
	if len(b) < headerBytes {
		return value.Value{}, errBinary(array)
	}
	dimensions := binary.BigEndian.Uint32(b)
	if binary.BigEndian.Uint32(b[8:]) != element {
		return value.Value{}, errcode.Newf(errcode.DatatypeMismatch, "wrong element type")
	}
	b = b[headerBytes:]
	if dimensions == 0 && len(b) == 0 {
		return value.String("[]"), nil
	}
	if dimensions > 1 {
		return value.Value{}, errDimensions()
	}
	if dimensions != 1 || len(b) < dimensionBytes {
		return value.Value{}, errBinary(array)
	}
	count := binary.BigEndian.Uint32(b)
	b = b[dimensionBytes:]
	var list [][]byte
	for range count {
		if len(b) < 4 {
			return value.Value{}, errBinary(array)
		}
		size := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if size == -1 {
			list = append(list, nil)
			continue
		}
		if size < 0 || int(size) > len(b) {
			return value.Value{}, errBinary(array)
		}
		list = append(list, b[:size:size])
		b = b[size:]
	}
	if len(b) > 0 {
		return value.Value{}, errBinary(array)
	}
	return storedArray(element, list, func(e []byte) (value.Value, error) { return ParseBinary(Of(element), e) })
}
