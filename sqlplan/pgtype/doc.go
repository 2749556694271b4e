// Package pgtype holds PostgreSQL's types as Quorate has them: their object
// ids, names and modifiers, the one form in which a value of each is stored in
// SQLite, and the ways between that form and the wire.
//
// In come bytes of the wire or of a literal (ParseText, ParseBinary), or a
// value of another type (Cast); out comes a value.Value in canonical form. In
// comes a stored value, out go the wire's bytes (AppendText, AppendBinary).
// Errors are *errcode.Error with PostgreSQL's codes and words. The package
// imports internal/value and internal/errcode and nothing else of ours.
//
// # Canonical forms
//
//	type                      class            stored form
//	smallint integer bigint   INTEGER
//	oid                       INTEGER          0 … 4294967295
//	boolean                   INTEGER          0 or 1
//	real double precision     REAL             no NaN: SQLite has none (22003)
//	numeric                   INTEGER or REAL  INTEGER when it is whole and fits,
//	                                           else the double whose shortest
//	                                           decimal form is the number; a number
//	                                           without one is refused (22003)
//	text varchar name "char"  TEXT
//	character(n)              TEXT             without trailing blanks; they come
//	                                           back on output
//	bytea                     BLOB
//	timestamp                 TEXT             2026-03-01 14:05:09.250000
//	timestamptz               TEXT             the same, in UTC
//	date                      TEXT             2026-03-01
//	time                      TEXT             14:05:09.250000
//	interval                  TEXT             1 year 2 mons 3 days 04:05:06.7
//	uuid                      TEXT             lower case, with hyphens
//	json                      TEXT             as given
//	jsonb                     TEXT             as PostgreSQL prints it
//	array (parameters only)   TEXT             a JSON array of the elements' forms
//
// Time forms have one length each, so that TEXT comparison is time order and
// max() is right. Years are 0001 to 9999; infinity and BC are refused (22008).
// Intervals compare by q_interval_order (package pgfunc); as text, which is how
// GROUP BY, DISTINCT and unique indexes see them, '1 day' and '24 hours' differ.
//
// Time zones come from the data inside the binary (LoadLocation), never from
// the machine's, so that every node knows the same rules. The words now, today
// and their like are refused in text (0A000): text has no clock.
//
// # Reading back
//
// AppendText and AppendBinary take what SQLite computed, too: a whole double
// where an integer is due, a time without its fraction, text that reads as the
// type. Whatever else does not fit is 22P02, and an integer that overflowed
// into a double is 22003. JSON is written as it is stored; jsonb that SQLite's
// own functions made has their spacing unless it is cast to jsonb again.
//
// Beyond their declared scale, numerics are decimals in a double: arithmetic
// on them (NumericAdd …) is exact as long as a double can hold the result.
//
// # Tests
//
// testdata holds what PostgreSQL 15 answered. The answers are taken anew with
//
//	PGT_DSN='host=/tmp user=postgres' go test -tags capture -run Capture ./sqlplan/pgtype ./sqlplan/pgfunc
package pgtype
