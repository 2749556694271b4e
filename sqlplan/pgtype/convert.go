package pgtype

import (
	"time"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// Encoding holds the session settings that change how values look as text.
// A nil *Encoding means PostgreSQL's defaults, in UTC.
type Encoding struct {
	Location         *time.Location // TimeZone; nil: UTC
	ExtraFloatDigits int            // extra_float_digits; above 0: the shortest exact form
	ByteaEscape      bool           // bytea_output = 'escape'
}

// ParseText turns text, from the wire or from a literal, into the stored form
// of t. loc is the session's time zone; nil is UTC. The value may alias b.
func ParseText(t Type, b []byte, loc *time.Location) (value.Value, error) {
	return value.Value{}, errcode.Newf(errcode.FeatureNotSupported, "not yet")
}

// ParseBinary turns the wire's binary format into the stored form of t. The
// value may alias b.
func ParseBinary(t Type, b []byte) (value.Value, error) {
	return value.Value{}, errcode.Newf(errcode.FeatureNotSupported, "not yet")
}

// AppendText writes a stored value after dst as text. A value that is not of
// type t is an error, never a wrong message. NULL has no text: the caller
// sends it by length.
func AppendText(dst []byte, t Type, v value.Value, e *Encoding) ([]byte, error) {
	return dst, errcode.Newf(errcode.FeatureNotSupported, "not yet")
}

// AppendBinary writes a stored value after dst in the wire's binary format.
func AppendBinary(dst []byte, t Type, v value.Value) ([]byte, error) {
	return dst, errcode.Newf(errcode.FeatureNotSupported, "not yet")
}

// HasBinary reports whether the type has a binary format here.
func HasBinary(oid uint32) bool {
	switch oid {
	case Bool, Bytea, Char, Name, Int8, Int2, Int4, Text, OID, JSON, Float4, Float8, Unknown, BPChar, Varchar,
		Date, Time, Timestamp, Timestamptz, Interval, Numeric, RegClass, RegType, Void, UUID, JSONB:
		return true
	}
	return false
}

// Cast converts a stored value of one type to the stored form of another, as
// PostgreSQL's casts do: explicit is CAST and ::, else assignment to a column.
func Cast(v value.Value, from, to Type, loc *time.Location, explicit bool) (value.Value, error) {
	return value.Value{}, errcode.Newf(errcode.FeatureNotSupported, "not yet")
}

// LoadLocation finds a time zone by the names that SET TIME ZONE knows.
func LoadLocation(name string) (*time.Location, error) {
	return time.UTC, nil
}
