// Package sqlplan turns PostgreSQL's SQL into plans: what a statement is (a
// read, a write, a change of the session), the SQLite SQL that does it, and the
// types of its parameters and results.
//
// In comes the text of a statement and a Schema; out comes a Plan, or an
// *errcode.Error with PostgreSQL's code, words and position. Planning is a pure
// function: no clock, no file, no state but the Cache. Of ours the package
// imports only its own folders pgtype and pgfunc, internal/value and
// internal/errcode.
//
//	text ──lexer──▶ tokens ──parser──▶ tree ──resolver──▶ typed tree ──printer──▶ SQLite SQL
//	                                            ▲
//	                                         Schema
//
// # The rule
//
// What is not understood is refused, with 42601 or with 0A000 and a hint, and
// never passed on: SQLite would accept much of it and mean something else.
// Where the two databases differ silently, the plan says what PostgreSQL means:
//
//   - $n is ?n, by number; SQLite numbers $n by appearance.
//   - An undecided literal takes the type of what is beside it ('2' beside an
//     integer is 2), and constants are in their stored form already.
//   - Operands that PostgreSQL does not compare are refused (42883).
//   - Integer arithmetic that may overflow and division by what may be zero
//     call checked functions (pgfunc's q_add, q_div …). Arithmetic on smallint
//     and integer is done in 64 bits, which cannot overflow; a result that is
//     too large for its type is an error where it is stored or sent.
//   - DISTINCT ON keeps the first row by a row_number(); intervals compare by
//     q_interval_order.
//   - ORDER BY puts NULLs last (DESC: first), as PostgreSQL does. Where the
//     column cannot be NULL nothing is said, so that an index can serve.
//   - A SELECT with aggregates is held to the GROUP BY rule (42803).
//   - Set operations get PostgreSQL's precedence, comma joins its grouping, and
//     columns of the same name in a subquery get names of their own.
//   - A query used as a value has one row: where more are possible they are
//     counted (21000).
//   - sum() and avg() of numerics add decimals: they are gathered in a JSON
//     array and added by q_numeric_sum.
//   - LIMIT NULL is no limit, DEFAULT in VALUES is the column's default,
//     GREATEST and LEAST leave NULLs out, ->> gives text.
//
// # Types
//
// Every value that goes into a column is in the stored form of the column's
// type (package pgtype): literals are converted while planning, parameters get
// the column's type so that the front door converts them, expressions of
// another type are wrapped in q_assign_T when PostgreSQL has an assignment cast
// and refused (42804) when not. Tables are STRICT; what a type demands beyond
// its storage class is a CHECK named "quorate <type> <modifiers>", from which
// the state machine makes PostgreSQL's error.
//
// Calculations with numeric are decimal and then rounded to a double's digits;
// numeric values are rounded to the column's scale when they are stored. The
// zeros at a numeric's end are shown where its scale is known (scale.go).
//
// A column without a type, which PostgreSQL does not have, holds anything and
// follows SQLite's rules in comparisons and arithmetic.
//
// # Arrays
//
// There are no columns of arrays yet. A parameter may be one in = ANY ($1), <>
// ALL ($1) and unnest($1::int[], …) in FROM: its stored form is a JSON array,
// which SQLite's json_each takes apart. ARRAY[…] and '{…}' there are lists.
//
// # Keys
//
// A primary key of one integer column is SQLite's rowid: the fastest key there
// is. SERIAL and IDENTITY are INTEGER PRIMARY KEY AUTOINCREMENT; GENERATED
// ALWAYS takes explicit values as BY DEFAULT does. For other integer keys
// SQLite would make up an id for a NULL; so a missing or NULL literal key is
// refused while planning (23502), and a value that may turn out NULL is
// replaced by an empty text, which SQLite refuses as a key (SQLITE_MISMATCH).
//
// # Names
//
// Unquoted names are folded to lower case; names are compared without regard
// to ASCII case, as SQLite does, and cut at 63 bytes. There is one schema,
// public, whose name may be written; functions may be written with pg_catalog.
//
// # Triggers and full text
//
// CREATE TRIGGER has SQLite's form, with a body between BEGIN and END; its
// statements are planned like any others. CREATE VIRTUAL TABLE … USING fts5
// makes a full text index, asked with table MATCH 'words'.
package sqlplan
