// Package pgfunc is the table of SQL functions that Quorate knows: their types,
// for the planner, and for those that SQLite does not have or has with another
// meaning, their code, which the state machine registers on every connection.
//
// In comes a function name (Lookup) or a call with stored values (an
// Implementation); out comes the candidates or a stored value. It imports
// internal/value, internal/errcode and pgtype and nothing else of ours. Nothing
// here reads a clock, the machine's time zones or a random source: time and
// randomness come from the Context, which is the command's, so that a call
// means the same on every node.
//
// # Functions for the planner to emit
//
// They start with q_, and users cannot call them (Lookup does not know them):
//
//	q_cast_T(x, from [, mod [, zone]])    explicit cast of x to T; from is the OID of
//	                                      x's type (0: by storage class), mod T's
//	                                      modifier (-1: none), zone the session's
//	                                      time zone. T is pgtype.InternalName.
//	q_assign_T(x, from [, mod [, zone]])  the same with the rules of assignment
//	q_add q_sub q_mul (x, y)              integers checked: 22003, where SQLite goes
//	                                      over to doubles; other numbers as SQLite
//	q_div q_mod (x, y)                    22012 for a zero divisor, where SQLite
//	                                      says NULL; q_div of integers truncates
//	q_divn (x, y)                         numeric division: never truncates
//	q_neg(x)                              checked negation
//	like(pattern, x [, escape])           SQLite's LIKE operator with PostgreSQL's
//	                                      meaning: case matters, \ escapes
//	q_ilike(pattern, x [, escape])        ILIKE
//	regexp(pattern, x), q_iregexp         ~ and ~* (REGEXP is SQLite's operator)
//	q_timestamptz_add(t, interval, zone)  and q_timestamp_add(t, interval):
//	                                      + interval; q_interval_neg for minus
//	q_timestamp_sub(t, u)                 interval between two of the same type
//	q_date_add(d, days), q_date_sub(d, e) date ± integer, date - date
//	random(), randomblob(n)               SQLite's own, with the command's stream
//
// random() of PostgreSQL, a double in [0,1), is emitted as q_random().
package pgfunc
