package pgtype

import (
	"encoding/binary"
	"math"
	"strconv"
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Encoding holds the session settings that change how values look as text.
// A nil *Encoding means PostgreSQL's defaults, in UTC.
type Encoding struct {
	Location *time.Location // TimeZone; nil: UTC
	// ExtraFloatDigits is extra_float_digits: above 0 (PostgreSQL's default is
	// 1) the shortest text that reads back as the same number, else 15 digits
	// (6 for real) and that many more.
	ExtraFloatDigits int
	ByteaEscape      bool // bytea_output = 'escape'
}

var defaultEncoding = Encoding{Location: time.UTC, ExtraFloatDigits: 1}

// ParseText turns text, from the wire or from a literal, into the stored form
// of t. loc is the session's time zone; nil is UTC. The value may alias b.
func ParseText(t Type, b []byte, loc *time.Location) (value.Value, error) {
	switch t.OID {
	case Int4, Int8, Int2:
		return parseInt(t.OID, b)
	case Text, Varchar, BPChar, Name, Char, Unknown, Record:
		return parseString(t, b, false)
	case Bool:
		return parseBool(b)
	case Float8, Float4:
		return parseFloat(t.OID, b)
	case Numeric:
		return parseNumeric(t, b)
	case Timestamptz, Timestamp, Date, Time:
		return parseDatetimeText(t, b, loc)
	case Interval:
		iv, err := parseInterval(b)
		if err != nil {
			return value.Value{}, err
		}
		return value.TextBytes(iv.round(t).append(nil)), nil
	case UUID:
		return parseUUID(b)
	case JSON:
		return parseJSON(b)
	case JSONB:
		return parseJSONB(b)
	case Bytea:
		return parseBytea(b)
	case OID:
		return parseOID(b)
	case RegClass, RegType:
		return parseReg(t.OID, b)
	case Void:
		return value.Value{}, nil
	}
	if element := ElementOf(t.OID); element != 0 {
		return parseArray(element, b, func(e []byte) (value.Value, error) { return ParseText(Of(element), e, loc) })
	}
	return value.Value{}, errNoInput(t.OID)
}

func errNoInput(oid uint32) error {
	return errcode.Newf(errcode.FeatureNotSupported, "cannot accept a value of type %s", typeWord(oid))
}

// ParseBinary turns the wire's binary format into the stored form of t. The
// value may alias b.
func ParseBinary(t Type, b []byte) (value.Value, error) {
	if size := Size(t.OID); size > 0 && len(b) != int(size) && t.OID != Name {
		return value.Value{}, errBinary(t.OID)
	}
	switch t.OID {
	case Int2:
		return value.Int(int64(int16(binary.BigEndian.Uint16(b)))), nil
	case Int4:
		return value.Int(int64(int32(binary.BigEndian.Uint32(b)))), nil
	case Int8:
		return value.Int(int64(binary.BigEndian.Uint64(b))), nil
	case OID, RegClass, RegType:
		return value.Int(int64(binary.BigEndian.Uint32(b))), nil
	case Bool:
		return value.Bool(b[0] != 0), nil
	case Float4:
		return floatValue(Float4, float64(math.Float32frombits(binary.BigEndian.Uint32(b))))
	case Float8:
		return floatValue(Float8, math.Float64frombits(binary.BigEndian.Uint64(b)))
	case Char:
		if b[0] == 0 {
			return value.String(""), nil
		}
		return parseString(t, b, false)
	case Text, Varchar, BPChar, Name, Unknown:
		return parseString(t, b, false)
	case Bytea:
		return value.BlobBytes(notNil(b)), nil
	case UUID:
		return value.TextBytes(appendUUID(make([]byte, 0, uuidLength), b)), nil
	case JSON:
		return parseJSON(b)
	case JSONB:
		if len(b) == 0 || b[0] != jsonbVersion {
			return value.Value{}, errBinary(JSONB)
		}
		return parseJSONB(b[1:])
	case Numeric:
		return parseNumericBinary(t, b)
	case Date, Time, Timestamp, Timestamptz:
		return parseDatetimeBinary(t, b)
	case Interval:
		return parseIntervalBinary(t, b)
	}
	if element := ElementOf(t.OID); element != 0 {
		return parseArrayBinary(element, b)
	}
	return value.Value{}, errNoInput(t.OID)
}

// notNil makes an empty value of nil, which callers may take for NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// AppendText writes a stored value after dst as text. A value that is not of
// type t is an error, never a wrong message. NULL has no text: the caller
// sends it by length, and here it appends nothing.
func AppendText(dst []byte, t Type, v value.Value, e *Encoding) ([]byte, error) {
	if v.IsNull() {
		return dst, nil
	}
	if e == nil {
		e = &defaultEncoding
	}
	switch t.OID {
	case Text, Varchar, Name, Char, Unknown, JSON, JSONB, Record, Any, 0:
		return appendAny(dst, v, e), nil
	case Void:
		return dst, nil
	}
	v, err := fit(t, v)
	if err != nil {
		return dst, err
	}
	switch t.OID {
	case Int2, Int4, Int8, OID:
		return strconv.AppendInt(dst, v.Int(), 10), nil
	case Bool:
		return append(dst, "ft"[v.Int()]), nil
	case Float4, Float8:
		return appendFloat(dst, t.OID, v.Float(), e.ExtraFloatDigits), nil
	case Numeric:
		return appendNumeric(dst, t, v), nil
	case BPChar:
		return appendBlankPadded(dst, t, v.Bytes()), nil
	case Bytea:
		return appendBytea(dst, v.Bytes(), e.ByteaEscape), nil
	case Timestamptz:
		return appendTimestamptz(dst, v.Bytes(), e.Location), nil
	case Timestamp, Time:
		return append(dst, trimFraction(v.Bytes())...), nil
	case Date, UUID, Interval:
		return append(dst, v.Bytes()...), nil
	case RegType, RegClass:
		return appendReg(dst, t.OID, v), nil
	}
	return dst, errStored(t.OID, v)
}

// AppendBinary writes a stored value after dst in the wire's binary format.
func AppendBinary(dst []byte, t Type, v value.Value) ([]byte, error) {
	if v.IsNull() || t.OID == Void {
		return dst, nil
	}
	switch t.OID {
	case Text, Varchar, Name, Unknown, JSON, Record, Any, 0:
		return appendAny(dst, v, &defaultEncoding), nil
	case Char:
		if len(v.Bytes()) == 1 {
			return append(dst, v.Bytes()[0]), nil
		}
		return append(dst, 0), nil // "", or a character that is not one byte
	case JSONB:
		return appendAny(append(dst, jsonbVersion), v, &defaultEncoding), nil
	}
	v, err := fit(t, v)
	if err != nil {
		return dst, err
	}
	switch t.OID {
	case Int2:
		return binary.BigEndian.AppendUint16(dst, uint16(v.Int())), nil
	case Int4, OID, RegClass, RegType:
		return binary.BigEndian.AppendUint32(dst, uint32(v.Int())), nil
	case Int8:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Int())), nil
	case Bool:
		return append(dst, byte(v.Int())), nil
	case Float4:
		return binary.BigEndian.AppendUint32(dst, math.Float32bits(float32(v.Float()))), nil
	case Float8:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Float())), nil
	case Numeric:
		return appendNumericBinary(dst, t, v), nil
	case BPChar:
		return appendBlankPadded(dst, t, v.Bytes()), nil
	case Bytea:
		return append(dst, v.Bytes()...), nil
	case UUID:
		return appendUUIDBinary(dst, v.Bytes()), nil
	case Date, Time, Timestamp, Timestamptz:
		return appendDatetimeBinary(dst, t, v.Bytes()), nil
	case Interval:
		iv, err := parseInterval(v.Bytes())
		if err != nil {
			return dst, errStored(t.OID, v)
		}
		return iv.appendBinary(dst), nil
	}
	return dst, errStored(t.OID, v)
}

// HasBinary reports whether the type has a binary format here. Arrays have one
// as parameters; as results they do not occur.
func HasBinary(oid uint32) bool {
	switch oid {
	case Bool, Bytea, Char, Name, Int8, Int2, Int4, Text, OID, JSON, Float4, Float8, Unknown, BPChar, Varchar,
		Date, Time, Timestamp, Timestamptz, Interval, Numeric, RegClass, RegType, Void, UUID, JSONB:
		return true
	}
	return ElementOf(oid) != 0
}

// fit returns v in the storage class and canonical form of t, or an error. What
// a column holds fits as it is; what an expression of SQLite computed may be a
// whole double where an integer is due, or a time without its fraction.
func fit(t Type, v value.Value) (value.Value, error) {
	switch t.OID {
	case Int2, Int4, Int8, OID, RegClass, RegType:
		return fitInt(t.OID, v)
	case Bool:
		if v.Kind() == value.Integer && uint64(v.Int()) <= 1 {
			return v, nil
		}
	case Float4, Float8:
		switch v.Kind() {
		case value.Real:
			return v, nil
		case value.Integer:
			return value.Float(v.Float()), nil
		}
	case Numeric:
		if v.Kind() == value.Integer || v.Kind() == value.Real {
			return v, nil
		}
	case BPChar:
		if v.Kind() == value.Text {
			return v, nil
		}
		return value.TextBytes(appendAny(nil, v, &defaultEncoding)), nil
	case Bytea:
		switch v.Kind() {
		case value.Blob:
			return v, nil
		case value.Text:
			return value.BlobBytes(v.Bytes()), nil
		}
		return v, errStored(t.OID, v)
	case UUID:
		if v.Kind() == value.Text && isCanonicalUUID(v.Bytes()) {
			return v, nil
		}
	case Date, Time, Timestamp, Timestamptz:
		if v.Kind() == value.Text && isCanonicalTime(t.OID, v.Bytes()) {
			return v, nil
		}
	}
	if v.Kind() == value.Text {
		if parsed, err := ParseText(t, v.Bytes(), time.UTC); err == nil {
			return parsed, nil
		}
	}
	return v, errStored(t.OID, v)
}

// appendAny writes a value of any storage class as text.
func appendAny(dst []byte, v value.Value, e *Encoding) []byte {
	switch v.Kind() {
	case value.Integer:
		return strconv.AppendInt(dst, v.Int(), 10)
	case value.Real:
		return appendFloat(dst, Float8, v.Float(), e.ExtraFloatDigits)
	case value.Blob:
		return appendBytea(dst, v.Bytes(), e.ByteaEscape)
	}
	return append(dst, v.Bytes()...)
}
