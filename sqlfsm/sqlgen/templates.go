package sqlgen

// templates are what expressions of a type are made of: PostgreSQL's functions
// and operators, as far as the planner has them. In braces is a type, or a word
// that thing knows.
var templates = map[string][]string{
	"int2": {"abs({int2})", "mod({int2}, {small}::int2)", "({small})::int2"},
	"int4": {
		"({int4} + {small})", "({int4} - {int4})", "({int4} * {small})", "({int4} / {small})", "({int4} % {small})", "(- {int4})",
		"({int4} & {int4})", "({int4} | {small})", "({small} << {small})", "({int4} >> {small})",
		"length({text})", "length({bytea})", "octet_length({text})", "octet_length({bytea})", "bit_length({text})", "bit_length({bytea})", "char_length({text})", "character_length({text})",
		"abs({int4})", "mod({int4}, {small})", "gcd({int4}, {int4})", "ascii({text})", "strpos({text}, {text})", "position({text} IN {text})",
		"json_array_length('[1, 2]'::json)", "jsonb_array_length('[{small}]'::jsonb)", "regexp_count({text}, {pattern})", "unicode({text})",
		"random(1, {small})", "({bool})::int4", "({int8})::int4",
		"sign({int4})::int4",
	},
	"int8": {
		"({int8} + {int4})", "({int8} * {small})", "({int8} / {small})", "abs({int8})", "mod({int8}, {small}::int8)", "gcd({int8}, {int8})", "div({numeric}, {small})::int8",
		"(SELECT count(*) FROM {table})", "random({small}::int8, 1000000::int8)", "unixepoch()", "instr({text}, {text})", "({int4})::int8", "last_insert_rowid()",
		"(SELECT count({any}) FROM {table})", "(SELECT count(DISTINCT {int4}) FROM {table})",
	},
	"numeric": {
		"({numeric} + {numeric})", "({numeric} - {numeric})", "({numeric} * {small})", "({numeric} / {small})", "round({numeric}, {small})", "round({numeric})",
		"trunc({numeric})", "trunc({numeric}, {small})", "ceil({numeric})", "ceiling({numeric})", "floor({numeric})", "abs({numeric})", "sign({numeric})",
		"mod({numeric}, {small}::numeric)", "div({numeric}, {small}::numeric)", "({int4})::numeric", "extract({field} FROM {timestamp})",
		"extract('day' FROM {date})", "extract({timefield} FROM {time})", "extract({timefield} FROM {interval})",
		"sqrt({small}::numeric)", "exp({angle}::numeric)", "ln({small}::numeric)", "log({small}::numeric)", "log10({small}::numeric)", "log(2::numeric, {small}::numeric)",
		"power({small}::numeric, 2::numeric)", "pow({small}::numeric, 2::numeric)", "(SELECT sum({int4}) FROM {table})::numeric", "(SELECT avg({int8}) FROM {table})",
		"(SELECT sum({numeric}) FROM {table})",
	},
	"float8": {
		"({float8} + {float8})", "({float8} * {angle})", "({float8} / {positive})", "random()", "abs({float8})", "ceil({float8})", "ceiling({float8})", "floor({float8})", "round({float8})", "trunc({float8})",
		"sign({float8})", "sqrt({positive}::float8)", "cbrt({float8})", "exp({angle}::float8)", "ln({positive}::float8)", "log({positive}::float8)", "log10({positive}::float8)",
		"power({positive}::float8, {small}::float8)", "pow({positive}::float8, {angle}::float8)", "pi()", "degrees({float8})", "radians({float8})",
		"sin({angle}::float8)", "cos({angle}::float8)", "tan({angle}::float8)", "cot({positive}::float8)", "asin({angle}::float8)", "acos({angle}::float8)", "atan({float8})", "atan2({float8}, {positive}::float8)",
		"julianday('now')", "julianday({moment})", "unixepoch({moment})", "({int4})::float8", "date_part({field}, {timestamp})",
		"date_part('month', {date})", "date_part({timefield}, {time})", "date_part({timefield}, {interval})",
		"(SELECT sum({float8}) FROM {table})", "(SELECT avg({float8}) FROM {table})", "(SELECT total({int4}) FROM {table})",
	},
	"text": {
		"({text} || {text})", "({text} || {int4})", "lower({text})", "upper({text})", "initcap({text})", "reverse({text})", "left({text}, {small})", "right({text}, {small})",
		"lpad({text}, {small})", "lpad({text}, {small}, 'xy')", "rpad({text}, {small})", "rpad({text}, {small}, '.')", "btrim({text})", "btrim({text}, 'a')", "trim({text})", "ltrim({text})", "ltrim({text}, 'x')", "rtrim({text})", "rtrim({text}, 'b')",
		"repeat({text}, {small})", "replace({text}, {text}, {text})", "translate({text}, 'abc', 'xy')", "split_part({text}, ' ', {small})",
		"substr({text}, {small})", "substr({text}, {small}, {small})", "substring({text}, {small})", "substring({text}, {small}, {small})", "substring({text}, {pattern})", "overlay({text} PLACING {text} FROM {small})", "overlay({text} PLACING 'o' FROM {small} FOR {small})",
		"chr(65 + {small})", "md5({text})", "md5({bytea})", "encode({bytea}, 'hex')", "encode({bytea}, 'base64')",
		"quote_ident({text})", "to_hex({small})", "to_hex({small}::int8)", "regexp_replace({text}, {pattern}, {text})", "regexp_replace({text}, {pattern}, 'r', 'g')", "regexp_substr({text}, {pattern})",
		"typeof({any})", "hex({text})", "char(72, {small} + 60)", "quote({any})", "printf('%d %s', {small}, {text})",
		"date('now', '+1 day')", "time({moment})", "datetime()", "datetime('now')", "datetime({moment})", "strftime({strftime}, {moment})", "strftime({strftime})", "timediff('now', '2000-01-01')",
		"json_type({jsonb})", "json_extract({object}, '$.a')", "json_extract({object}, '$.b', '$.a')", "json_typeof({json})", "jsonb_typeof({jsonb})", "json_pretty({object})", "json_type({object}, '$.a')",
		"({object} ->> 'a')", "({object} ->> 0)", "gen_random_uuid()::text", "random()::text",
		"(SELECT string_agg({text}, ',') FROM {table})", "(SELECT group_concat({int4}) FROM {table})", "(SELECT group_concat({text}, ';') FROM {table})", "(SELECT min({text}) FROM {table})",
	},
	"bool": {
		"({int4} < {int4})", "({text} = {text})", "({timestamptz} > {timestamptz})", "({numeric} >= {numeric})", "({float8} <> {float8})", "({bool} AND {bool})", "({bool} OR {bool})", "(NOT {bool})",
		"({any} IS NULL)", "({int4} IS NOT DISTINCT FROM {int4})", "({text} LIKE {like})", "({text} ILIKE {like})", "({text} NOT LIKE {like})", "({text} ~ {pattern})", "({text} !~* {pattern})", "starts_with({text}, {text})",
		"regexp_like({text}, {pattern})", "regexp_like({text}, {pattern}, 'i')", "glob('a*', {text})", "json_valid({text})", "({int4} IN (1, {int4}, 3))", "({text} BETWEEN 'a' AND {text})", "(random() < 0.5)",
		"EXISTS (SELECT 1 FROM {table} WHERE {bool})", "({int4} = ANY ('{{1,2,3}'))",
		"(SELECT bool_and({bool}) FROM {table})", "(SELECT bool_or({bool}) FROM {table})", "(SELECT every({bool}) FROM {table})",
	},
	"date": {
		"({date} + {small})", "({date} - {small})", "({timestamp})::date", "make_date(2019, {small}, {small})", "date('now')",
	},
	"time": {"({timestamp})::time", "make_time({small}, {small}, {angle} + 1)", "({time} + '1 hour'::interval)"},
	"timestamp": {
		"({timestamp} + {interval})", "({timestamp} - {interval})", "date_trunc({field}, {timestamp})", "({date})::timestamp", "make_timestamp(2020, {small}, {small}, {small}, 30, 1.5)",
		"({timestamptz} AT TIME ZONE {zone})", "timezone({zone}, {timestamptz})",
	},
	"timestamptz": {
		"now()", "CURRENT_TIMESTAMP", "clock_timestamp()", "statement_timestamp()", "transaction_timestamp()", "({timestamptz} + {interval})", "({timestamptz} - {interval})", "date_trunc({field}, {timestamptz}, {zone})",
		"to_timestamp({small} * 1e8)", "({timestamp} AT TIME ZONE {zone})", "timezone({zone}, {timestamp})",
	},
	"interval": {
		"({interval} + {interval})", "({interval} * {small})", "({timestamptz} - {timestamptz})", "({timestamp} - {timestamp})", "age({timestamp}, {timestamp})",
		"justify_hours({interval})", "justify_days({interval})", "date_trunc('hour', {interval})", "({time})::interval",
	},
	"uuid": {"gen_random_uuid()", "md5({text})::uuid"},
	"json": {
		"json_quote({text})",
		"json_patch('{{\"a\": 1}'::json, '{{\"b\": 2}'::json)", "json_remove('[1,2,3]'::json, '$[0]')", "json_set('{{\"a\": 1}'::json, '$.b', {text})", "json_insert('{{}'::json, '$.c', {int4})", "json_replace('{{\"a\": 1}'::json, '$.a', {int4})", "json({object})",
		"(SELECT json_agg({int4}) FROM {table})", "(SELECT json_group_array({text}) FROM {table})", "(SELECT json_object_agg('k' || {int4}, {text}) FROM {table})", "(SELECT json_group_object('k', {int4}) FROM {table})",
	},
	"jsonb": {
		"({object} -> 'a')", "({object} -> 0)",
		"(SELECT jsonb_agg({text}) FROM {table})", "(SELECT jsonb_object_agg('k' || {int4}, {int4}) FROM {table})",
	},
	"bytea": {
		"randomblob({small})", "sha224({bytea})", "sha256({bytea})", "sha384({bytea})", "sha512({bytea})", "decode('616263', 'hex')", "substr({bytea}, {small})", "substr({bytea}, {small}, {small})", "substring({bytea}, {small})", "substring({bytea}, {small}, {small})", "zeroblob({small})", "unhex('abcd')", "unhex('ab-cd', '-')",
	},
}

// sessionTemplates take a value of the session, its time zone for one, which has
// no place in views and triggers.
var sessionTemplates = map[string][]string{
	"int4":        {"extract({field} FROM {timestamptz})::int4"},
	"numeric":     {"extract({field} FROM {timestamptz})"},
	"float8":      {"date_part({field}, {timestamptz})"},
	"text":        {"now()::text", "clock_timestamp()::text", "CURRENT_DATE::text", "CURRENT_TIMESTAMP::text", "({any})::text", "concat({any}, {text}, {int4})", "concat_ws(',', {text}, {any})", "quote_nullable({any})", "quote_literal({text})", "format('%s-%s', {text}, {int4})", "current_user::text", "session_user::text", "changes()::text"},
	"date":        {"CURRENT_DATE", "({timestamptz})::date"},
	"time":        {"LOCALTIME"},
	"timestamp":   {"LOCALTIMESTAMP"},
	"timestamptz": {"date_trunc({field}, {timestamptz})", "make_timestamptz(2021, {small}, {small}, {small}, 0, 0.25)"},
	"interval":    {"age({timestamptz}, {timestamptz})", "age({timestamptz})", "age({timestamp})"},
	"json":        {"json_build_object('k', {any})", "json_build_array({any}, {int4})", "to_json({any})"},
	"jsonb":       {"jsonb_build_object('k', {any}, 'n', {int4})", "jsonb_build_array({any}, {text})", "to_jsonb({any})"},
	"bool":        {"({date} <= CURRENT_DATE)"},
}
