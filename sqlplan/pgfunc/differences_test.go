package pgfunc

// ours are the answers that differ from PostgreSQL's, and why.
var ours = map[string]string{
	// PostgreSQL says this of numbers that do not fit; ours cannot be at all.
	"'Infinity'::float8::numeric(20,3)": "ERROR 22003 infinity cannot be stored as numeric",
	// These are the nearest doubles; the C library's cbrt is one bit off.
	"cbrt('27'::float8)": `701 "3"`,
	"cbrt('2'::float8)":  `701 "1.2599210498948732"`,
	// Go's words.
	"'abc'::text ~ '('::text": "ERROR 2201B invalid regular expression: missing closing )",
}
