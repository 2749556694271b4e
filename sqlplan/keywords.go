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
