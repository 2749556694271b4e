package pgfunc

// SQLite's own functions that its users expect (lang_corefunc.html,
// lang_datefunc.html, json1.html), typed and passed on. What names the node or
// the engine's inside (total_changes, load_extension …) is not here.
var sqliteFunctions = []entry{
	{"typeof(any) text; null", nil},
	{"hex(any) text; null", nil},
	{"unhex(text) bytea", nil},
	{"unhex(text, text) bytea", nil},
	{"instr(any, any) int8", nil},
	{"unicode(text) int4", nil},
	{"char(int4…) text = q_char", chars},
	{"quote(any) text; null", nil},
	{"zeroblob(int4) bytea", nil},
	{"printf(text, any…) text; null", nil},
	{"glob(text, text) bool", nil},
	{"iif(bool, any, any) any; null", nil},
	{"ifnull(any, any) any; null", nil},
	{"last_insert_rowid() int8; volatile", nil},
	{"changes() int8; volatile", nil},
	{"sqlite_version() text; volatile", nil}, // in reads: the state machine refuses it in writes

	{"date() date; volatile", nil},
	{"date(any) date; volatile", nil},
	{"date(any, text…) text; volatile", nil},
	{"time() text; volatile", nil},
	{"time(any, text…) text; volatile", nil},
	{"datetime(any…) text; volatile", nil},
	{"julianday(any…) float8; volatile", nil},
	{"unixepoch() int8; volatile", nil},
	{"unixepoch(any, any…) float8; volatile", nil}, // an argument may say subsec
	{"strftime(text, any…) text; volatile", nil},
	{"timediff(any, any) text; volatile", nil},

	// The functions of a full text query; the first argument is the table's name
	// (https://sqlite.org/fts5.html, section 5).
	{"bm25(any, float8…) float8; volatile", nil},
	{"highlight(any, int4, text, text) text; volatile", nil},
	{"snippet(any, int4, text, text, text, int4) text; volatile", nil},

	{"json(any) json", nil},
	{"json_valid(any) bool", nil},
	{"json_type(any) text", nil},
	{"json_type(any, text) text", nil},
	{"json_extract(any, text…) text", nil},
	{"json_array(any…) json; null", nil},
	{"json_object(any…) json; null", nil},
	{"json_quote(any) json; null", nil},
	{"json_patch(json, json) json", nil},
	{"json_remove(json, text…) json", nil},
	{"json_set(json, any…) json; null", nil},
	{"json_insert(json, any…) json; null", nil},
	{"json_replace(json, any…) json; null", nil},
	{"json_pretty(any) text", nil},
}
