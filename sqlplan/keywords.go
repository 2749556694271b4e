package sqlplan

// words makes a set.
func words(list ...string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, w := range list {
		set[w] = true
	}
	return set
}

// reserved are the key words that cannot name a column or a table without
// quotes (PostgreSQL manual, appendix C: reserved).
var reserved = words(
	"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "both", "case", "cast",
	"check", "collate", "column", "constraint", "create", "current_catalog", "current_date",
	"current_role", "current_time", "current_timestamp", "current_user", "default", "deferrable", "desc",
	"distinct", "do", "else", "end", "except", "false", "fetch", "for", "foreign", "from", "grant", "group",
	"having", "in", "initially", "intersect", "into", "lateral", "leading", "limit", "localtime",
	"localtimestamp", "not", "null", "offset", "on", "only", "or", "order", "placing", "primary",
	"references", "returning", "select", "session_user", "some", "symmetric", "table", "then", "to",
	"trailing", "true", "union", "unique", "user", "using", "variadic", "when", "where", "window", "with",
)

// reservedOrFunction are those that may name a function but not a column or
// a table.
var reservedOrFunction = words(
	"authorization", "binary", "collation", "concurrently", "cross", "current_schema", "freeze", "full",
	"ilike", "inner", "is", "isnull", "join", "left", "like", "natural", "notnull", "outer", "overlaps",
	"right", "similar", "tablesample", "verbose",
)

// needAs are the unreserved words that cannot name a result column without AS.
var needAs = words(
	"char", "character", "day", "filter", "hour", "minute", "month", "over", "precision", "second",
	"varying", "within", "without", "year",
)

// notYet are functions that PostgreSQL has and Quorate does not: "does not
// exist" would send people looking for a typing error.
var notYet = words(
	"array_agg", "array_append", "array_cat", "array_length", "array_position", "array_prepend", "array_remove",
	"array_to_json", "array_to_string", "cardinality", "convert_from", "convert_to", "corr", "covar_pop", "covar_samp",
	"date_bin", "factorial", "gcd", "generate_series", "generate_subscripts", "get_byte", "isfinite",
	"json_array_elements", "json_array_elements_text", "json_each", "json_each_text", "json_extract_path",
	"json_extract_path_text", "json_object_keys", "json_populate_record", "json_strip_nulls", "json_to_record",
	"jsonb_array_elements", "jsonb_array_elements_text", "jsonb_each", "jsonb_each_text", "jsonb_exists",
	"jsonb_extract_path", "jsonb_extract_path_text", "jsonb_insert", "jsonb_object_keys", "jsonb_path_query",
	"jsonb_pretty", "jsonb_set", "jsonb_strip_nulls", "justify_interval", "lcm", "make_interval", "min_scale", "mode",
	"percentile_cont", "percentile_disc", "pg_advisory_lock", "pg_advisory_unlock", "pg_advisory_xact_lock",
	"pg_notify", "pg_sleep", "pg_try_advisory_lock", "pg_try_advisory_xact_lock", "plainto_tsquery", "regexp_count",
	"regexp_instr", "regexp_like", "regexp_match", "regexp_matches", "regexp_split_to_array", "regexp_split_to_table",
	"regexp_substr", "row_to_json", "scale", "set_byte", "similarity", "stddev", "stddev_pop", "stddev_samp",
	"string_to_array", "string_to_table", "to_char", "to_date", "to_number", "to_tsquery", "to_tsvector",
	"trim_scale", "txid_current", "unnest", "var_pop", "var_samp", "variance", "width_bucket",
)

// sqliteKeywords are SQLite's (https://sqlite.org/lang_keywords.html) and the
// names that it reads as a row id or a constant: as identifiers they are
// printed in quotes.
var sqliteKeywords = words(
	"abort", "action", "add", "after", "all", "alter", "always", "analyze", "and", "as", "asc", "attach",
	"autoincrement", "before", "begin", "between", "by", "cascade", "case", "cast", "check", "collate",
	"column", "commit", "conflict", "constraint", "create", "cross", "current", "current_date",
	"current_time", "current_timestamp", "database", "default", "deferrable", "deferred", "delete",
	"desc", "detach", "distinct", "do", "drop", "each", "else", "end", "escape", "except", "exclude",
	"exclusive", "exists", "explain", "fail", "false", "filter", "first", "following", "for", "foreign", "from",
	"full", "generated", "glob", "group", "groups", "having", "if", "ignore", "immediate", "in", "index",
	"indexed", "initially", "inner", "insert", "instead", "intersect", "into", "is", "isnull", "join",
	"key", "last", "left", "like", "limit", "match", "materialized", "natural", "no", "not", "nothing",
	"notnull", "null", "nulls", "of", "offset", "on", "or", "order", "others", "outer", "over",
	"partition", "plan", "pragma", "preceding", "primary", "query", "raise", "range", "recursive",
	"references", "regexp", "reindex", "release", "rename", "replace", "restrict", "returning", "right",
	"rollback", "row", "rows", "savepoint", "select", "set", "table", "temp", "temporary", "then", "ties",
	"to", "transaction", "trigger", "true", "unbounded", "union", "unique", "update", "using", "vacuum",
	"values", "view", "virtual", "when", "where", "window", "with", "within", "without",
	"rowid", "oid", "_rowid_", "new", "old", "excluded", "stored", "strict",
)
