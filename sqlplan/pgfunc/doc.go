// Package pgfunc is the table of SQL functions that Quorate knows: their types,
// for the planner, and for those that SQLite does not have or has with another
// meaning, their code, which the state machine registers on every connection.
//
// In comes a function name (Lookup) or a call with stored values (an
// Implementation); out comes the candidates or a stored value. It imports
// internal/value, internal/errcode and pgtype and nothing else of ours. Nothing
// here reads a clock, the machine's time zones or a random source: time and
// randomness come from the Context, which is the command's, so that a call
// means the same on every node. Floating-point functions are computed with
// whole numbers (exact.go) for the same reason.
//
// # Functions for the planner to emit
//
// They start with q_ or replace SQLite's; users cannot call those with q_, for
// Lookup does not know them:
//
//	q_cast_T(x, from [, mod [, zone]])    explicit cast of x to T; from is the OID of
//	                                      x's type (0: by storage class), mod T's
//	                                      modifier (-1: none), zone the session's
//	                                      time zone. T is pgtype.InternalName.
//	q_assign_T(x, from [, mod [, zone]])  the same with the rules of assignment
//	q_add q_sub q_mul (x, y)              integers checked: 22003, where SQLite goes
//	                                      over to doubles; doubles as they are
//	q_div q_mod (x, y)                    22012 for a zero divisor, where SQLite
//	                                      says NULL; q_div of integers truncates
//	q_neg(x)                              checked negation
//	q_numeric_add _sub _mul _div _mod     numeric: decimal, and / never truncates
//	q_power(x, y)                         the operator ^
//	q_numeric_sum(array), q_numeric_avg   of the numerics in a JSON array, exactly: SQLite's
//	                                      sum() adds doubles
//	q_numeric_text(x, scale)              a numeric as text, with so many digits after the point
//	q_zone()                              UTC, for the session's time zone in a DEFAULT
//	q_zip(a, b, …)                        JSON arrays to one of rows, for unnest()
//	q_single(n, x)                        x, the value of a subquery; 21000 when its rows, n,
//	                                      are more than one
//	like(pattern, x [, escape])           SQLite's LIKE operator with PostgreSQL's
//	                                      meaning: case matters, \ escapes
//	q_ilike(pattern, x [, escape])        ILIKE
//	regexp(pattern, x), q_iregexp         ~ and ~* (REGEXP is SQLite's operator)
//	q_timestamptz_add(t, interval, zone)  timestamptz + interval
//	q_timestamp_add(t, interval)          timestamp + interval
//	q_date_add_interval(d, interval)      date + interval, a timestamp
//	q_time_add(t, interval)               time + interval
//	q_timestamp_sub(t, u)                 the interval between two timestamps
//	q_date_add(d, days), q_date_sub(d, e) date + integer, date - date in days
//	q_interval_add(i, j)                  interval + interval
//	q_interval_neg(i)                     for minus, in front of the four above
//	q_interval_order(i)                   what intervals compare and sort by
//	q_interval_mul(i, x), _div            interval * and / a number
//	random(), randomblob(n)               SQLite's own, with the command's stream
//
// A Function with TypeArgs is called with all its arguments, then the OID of
// each argument's type, then the zone if it has TimeZone: concat(ts, 'x') is
// q_concat(ts, 'x', 1184, 25, zone).
//
// The checked integer functions know bigint only: an integer or smallint
// result goes through q_cast_int4 or q_cast_int2, or into a column, which
// check the range as well.
//
// random() of PostgreSQL, a double in [0,1), is emitted as q_random().
//
// # Not as in PostgreSQL
//
// There is one clock in a command, so clock_timestamp() is now(). CURRENT_TIME
// has no time zone. Regular expressions are RE2's (pattern.go, regexp.go). Numeric results
// have the digits of a double: 1/3 has 16 digits, avg() no trailing zeros.
package pgfunc
