package pgfunc

import (
	"unicode/utf8"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// reserved are the words that quote_ident must quote: PostgreSQL's keywords
// that are not "unreserved" (manual, appendix C).
var reserved = map[string]bool{}

func init() {
	for _, w := range []string{
		"all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between", "bigint",
		"binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce", "collate", "collation",
		"column", "concurrently", "constraint", "create", "cross", "current_catalog", "current_date", "current_role",
		"current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable", "desc",
		"distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch", "float", "for", "foreign", "freeze",
		"from", "full", "grant", "greatest", "group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", "int",
		"integer", "intersect", "interval", "into", "is", "isnull", "join", "lateral", "leading", "least", "left", "like",
		"limit", "localtime", "localtimestamp", "national", "natural", "nchar", "none", "normalize", "not", "notnull", "null",
		"nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay", "placing", "position",
		"precision", "primary", "real", "references", "returning", "right", "row", "select", "session_user", "setof", "similar",
		"smallint", "some", "substring", "symmetric", "table", "tablesample", "then", "time", "timestamp", "to", "trailing",
		"treat", "trim", "true", "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where",
		"window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse",
		"xmlpi", "xmlroot", "xmlserialize", "xmltable",
	} {
		reserved[w] = true
	}
}

// format is format(): %s, %I and %L with position, minus flag and width
// (manual, section 9.4.1).
func format(_ Context, args []value.Value) (value.Value, error) {
	shown, err := shownArgs(args, 1)
	if err != nil || shown[0].IsNull() {
		return value.Value{}, err
	}
	f := formatter{pattern: textOf(shown[0]), args: shown[1:], out: []byte{}}
	for len(f.pattern) > 0 {
		c := f.pattern[0]
		f.pattern = f.pattern[1:]
		if c != '%' {
			f.out = append(f.out, c)
			continue
		}
		if err := f.specifier(); err != nil {
			return value.Value{}, err
		}
	}
	return value.TextBytes(f.out), nil
}

type formatter struct {
	pattern []byte // what is left
	args    []value.Value
	next    int // index of the next argument without a position
	out     []byte
}

func errFormat(text, hint string) error {
	return errcode.Newf(errcode.InvalidParameterValue, "%s", text).WithHint("%s", hint)
}

// number reads digits, -1 when there are none.
func (f *formatter) number() int {
	n := -1
	for len(f.pattern) > 0 && f.pattern[0] >= '0' && f.pattern[0] <= '9' {
		n = min(max(n, 0)*10+int(f.pattern[0]-'0'), resultBytesMost)
		f.pattern = f.pattern[1:]
	}
	return n
}

func (f *formatter) take(c byte) bool {
	if len(f.pattern) > 0 && f.pattern[0] == c {
		f.pattern = f.pattern[1:]
		return true
	}
	return false
}

// specifier reads what follows a %.
func (f *formatter) specifier() error {
	position, width := f.number(), -1
	if position >= 0 && !f.take('$') {
		position, width = -1, position
	}
	left := false
	for f.take('-') {
		left = true
	}
	if width < 0 {
		width = f.number()
	}
	if f.take('*') {
		v, err := f.argument(-1)
		if err != nil {
			return err
		}
		if width = intOf(v); width < 0 {
			left, width = true, -width
		}
	}
	if len(f.pattern) == 0 {
		return errFormat("unterminated format() type specifier", `For a single "%" use "%%".`)
	}
	kind := f.pattern[0]
	f.pattern = f.pattern[1:]
	if kind == '%' {
		f.out = append(f.out, '%')
		return nil
	}
	if kind != 's' && kind != 'I' && kind != 'L' {
		return errFormat("unrecognized format() type specifier \""+string(rune(kind))+"\"", `For a single "%" use "%%".`)
	}
	v, err := f.argument(position)
	if err != nil {
		return err
	}
	return f.write(kind, v, width, left)
}

func (f *formatter) argument(position int) (value.Value, error) {
	if position == 0 {
		return fail(errcode.InvalidParameterValue, "format specifies argument 0, but arguments are numbered from 1")
	}
	if position > 0 {
		f.next = position - 1
	}
	if f.next >= len(f.args) {
		return fail(errcode.InvalidParameterValue, "too few arguments for format()")
	}
	f.next++
	return f.args[f.next-1], nil
}

func (f *formatter) write(kind byte, v value.Value, width int, left bool) error {
	var text []byte
	switch {
	case v.IsNull() && kind == 'I':
		_, err := fail("22004", "null values cannot be formatted as an SQL identifier")
		return err
	case v.IsNull() && kind == 'L':
		text = []byte("NULL")
	case v.IsNull():
	case kind == 'I':
		text = quoteIdent(textOf(v))
	case kind == 'L':
		text = quoteLiteral(textOf(v))
	default:
		text = textOf(v)
	}
	blanks := max(width-utf8.RuneCount(text), 0)
	if err := checkSize(len(f.out) + len(text) + blanks); err != nil {
		return err
	}
	if left {
		f.out = append(f.out, text...)
	}
	for range blanks {
		f.out = append(f.out, ' ')
	}
	if !left {
		f.out = append(f.out, text...)
	}
	return nil
}
