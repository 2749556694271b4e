package pgfunc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// A golden file holds expressions and what PostgreSQL 15 answers in the time
// zone America/New_York: one a line, with the OID of the result's type and its
// text, or the error. capture_test.go makes the answers anew.
type goldenLine struct {
	expression string
	answer     string // `25 "text"`, `25 NULL`, `ERROR 22012 division by zero`
}

const goldenZone = "America/New_York"

func readGolden(t *testing.T, path string) []goldenLine {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var lines []goldenLine
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		expression, answer, _ := strings.Cut(scanner.Text(), "\t")
		lines = append(lines, goldenLine{expression, answer})
	}
	return lines
}

// TestGolden evaluates every expression as the planner would have it done and
// compares type and text of the result with PostgreSQL's.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.tsv")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".tsv"), func(t *testing.T) {
			for _, l := range readGolden(t, path) {
				got, want := answer(t, l.expression), l.answer
				if differs, ok := ours[l.expression]; ok {
					if got == want {
						t.Errorf("%s: the answer is PostgreSQL's; it need not be listed as different", l.expression)
					}
					want = differs
				}
				if got != want {
					t.Errorf("%s:\n got %s\nwant %s", l.expression, got, want)
				}
			}
		})
	}
}

func answer(t *testing.T, expression string) string {
	t.Helper()
	v, typ, err := evaluate(t, expression)
	var e *errcode.Error
	switch {
	case errors.As(err, &e):
		return "ERROR " + string(e.Code) + " " + e.Message
	case err != nil:
		t.Fatalf("%s: error %v has no code", expression, err)
	case v.IsNull():
		return fmt.Sprint(typ.OID, " NULL")
	}
	loc, _ := pgtype.LoadLocation(goldenZone)
	text, err := pgtype.AppendText(nil, typ, v, &pgtype.Encoding{Location: loc, ExtraFloatDigits: 1})
	if errors.As(err, &e) {
		return "ERROR " + string(e.Code) + " " + e.Message
	}
	return fmt.Sprintf("%d %q", typ.OID, text)
}

// typed is a value with its type.
type typed struct {
	value value.Value
	typ   pgtype.Type
}

// evaluate understands f(literal, …), literal operator literal and
// literal::type, where a literal is 'text'::type or NULL::type.
func evaluate(t *testing.T, expression string) (value.Value, pgtype.Type, error) {
	t.Helper()
	if expression[0] != '\'' {
		name, rest, _ := strings.Cut(expression, "(")
		var args []typed
		for rest = strings.TrimSpace(rest); rest != ")"; rest = strings.TrimPrefix(rest, ", ") {
			var a typed
			var err error
			if a, rest, err = literal(t, rest); err != nil {
				return a.value, a.typ, err
			}
			args = append(args, a)
		}
		return callFunction(t, name, args)
	}
	left, rest, err := literal(t, expression)
	if err != nil {
		return value.Value{}, left.typ, err
	}
	if to, ok := strings.CutPrefix(rest, "::"); ok {
		typ, _ := typeName(t, to)
		if pgtype.CastOf(left.typ.OID, typ.OID) == pgtype.NoCast {
			return value.Value{}, typ, errcode.Newf(errcode.CannotCoerce, "cannot cast type %s to %s",
				pgtype.Format(pgtype.Of(left.typ.OID)), pgtype.Format(pgtype.Of(typ.OID)))
		}
		v, err := call(t, CastName(typ.OID, true), left.value, value.Int(int64(left.typ.OID)), value.Int(int64(typ.Mod)), value.String(goldenZone))
		return v, typ, err
	}
	operator, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	right, _, err := literal(t, rest)
	if err != nil {
		return value.Value{}, right.typ, err
	}
	return callOperator(t, left, operator, right)
}

// literal reads 'text'::type and gives it its stored form.
func literal(t *testing.T, s string) (typed, string, error) {
	t.Helper()
	text, isNull := "", false
	if after, ok := strings.CutPrefix(s, "NULL"); ok {
		isNull, s = true, after
	} else {
		end := 1
		for end < len(s) && (s[end] != '\'' || end+1 < len(s) && s[end+1] == '\'') {
			if s[end] == '\'' {
				end++
			}
			end++
		}
		text, s = strings.ReplaceAll(s[1:end], "''", "'"), s[end+1:]
	}
	typ, rest := typeName(t, strings.TrimPrefix(s, "::"))
	if isNull {
		return typed{typ: typ}, rest, nil
	}
	loc, _ := pgtype.LoadLocation(goldenZone)
	v, err := pgtype.ParseText(typ, []byte(text), loc)
	return typed{v, typ}, rest, err
}

// typeName reads a type with its modifier from the front of s.
func typeName(t *testing.T, s string) (pgtype.Type, string) {
	t.Helper()
	n := strings.IndexFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9') })
	if n < 0 {
		n = len(s)
	}
	oid, ok := pgtype.ByName(s[:n])
	if !ok {
		t.Fatalf("no type at %q", s)
	}
	typ, rest := pgtype.Of(oid), s[n:]
	if oid == pgtype.BPChar {
		typ.Mod = pgtype.LengthMod(1)
	}
	if !strings.HasPrefix(rest, "(") {
		return typ, rest
	}
	modifiers, rest, _ := strings.Cut(rest[1:], ")")
	first, second, _ := strings.Cut(modifiers, ",")
	p, _ := strconv.Atoi(first)
	scale, _ := strconv.Atoi(second)
	switch oid {
	case pgtype.Varchar, pgtype.BPChar:
		typ.Mod = pgtype.LengthMod(p)
	case pgtype.Numeric:
		typ.Mod = pgtype.PrecisionMod(p, scale)
	default:
		typ.Mod = int32(p)
	}
	return typ, rest
}

// testContext is a command's clock, random stream and limit that count.
type testContext struct {
	drawn       uint64
	limit       int // of steps; 0: none
	spent       int
	expressions Expressions
}

func (c *testContext) Limited() bool             { return c.limit > 0 }
func (c *testContext) Expressions() *Expressions { return &c.expressions }

func (c *testContext) Spend(steps int) error {
	c.spent += steps
	if c.limit > 0 && c.spent > c.limit {
		return errSpent
	}
	return nil
}

var errSpent = errcode.Newf(errcode.StatementTooComplex, "spent")

func (*testContext) NowMicros() int64 { return 1772373909250000 } // 2026-03-01 14:05:09.25 UTC

func (c *testContext) Uint64() uint64 {
	c.drawn++
	return c.drawn * 0x9e3779b97f4a7c15
}

// call calls an implementation as SQLite would find it.
func call(t *testing.T, name string, args ...value.Value) (value.Value, error) {
	t.Helper()
	for _, exact := range []bool{true, false} {
		for _, i := range Implementations() {
			if i.Name == name && (exact && i.Args == len(args) || !exact && i.Args == -1) {
				return i.Impl(&testContext{}, args)
			}
		}
	}
	t.Fatalf("%s with %d arguments is not implemented", name, len(args))
	return value.Value{}, nil
}

// callFunction resolves the overload and passes what the signature asks for.
func callFunction(t *testing.T, name string, given []typed) (value.Value, pgtype.Type, error) {
	t.Helper()
	f := resolve(name, given)
	if f == nil {
		t.Fatalf("no function %s for %v", name, given)
	}
	loc, _ := pgtype.LoadLocation(goldenZone)
	var args, oids []value.Value
	result := f.Result
	for i, g := range given {
		parameter := f.Args[min(i, len(f.Args)-1)]
		if parameter == pgtype.Any && result == pgtype.Any {
			result = g.typ.OID
		}
		to := pgtype.Of(parameter)
		if parameter == pgtype.Any {
			to = g.typ
		}
		v, err := pgtype.Cast(g.value, g.typ, to, loc, true)
		if err != nil {
			return v, to, err
		}
		args, oids = append(args, v), append(oids, value.Int(int64(g.typ.OID)))
	}
	if f.TypeArgs {
		args = append(args, oids...)
	}
	if f.TimeZone {
		args = append(args, value.String(goldenZone))
	}
	v, err := call(t, f.SQLite, args...)
	return v, pgtype.Of(result), err
}

// resolve takes the first function whose parameters are the arguments' types,
// or else what they become without being asked.
func resolve(name string, given []typed) *Function {
	for _, cast := range []pgtype.CastContext{pgtype.ImplicitCast + 1, pgtype.ImplicitCast} {
		for _, f := range Lookup(name) {
			if len(given) != len(f.Args) && !(f.Variadic && len(given) >= len(f.Args)-1) {
				continue
			}
			fits := true
			for i, g := range given {
				parameter := f.Args[min(i, len(f.Args)-1)]
				fits = fits && (parameter == g.typ.OID || parameter == pgtype.Any || pgtype.CastOf(g.typ.OID, parameter) >= cast)
			}
			if fits {
				return f
			}
		}
	}
	return nil
}

// operators tells what the planner emits for an operator.
var operators = map[string]struct {
	name   string
	result uint32
}{
	"timestamptz + interval": {"q_timestamptz_add", pgtype.Timestamptz}, "timestamptz - interval": {"q_timestamptz_add", pgtype.Timestamptz},
	"timestamp + interval": {"q_timestamp_add", pgtype.Timestamp}, "timestamp - timestamp": {"q_timestamp_sub", pgtype.Interval},
	"date + int4": {"q_date_add", pgtype.Date}, "date - date": {"q_date_sub", pgtype.Int4},
	"date + interval": {"q_date_add_interval", pgtype.Timestamp}, "time + interval": {"q_time_add", pgtype.Time},
	"interval + interval": {"q_interval_add", pgtype.Interval}, "interval - interval": {"q_interval_add", pgtype.Interval},
	"interval * float8": {"q_interval_mul", pgtype.Interval}, "interval / float8": {"q_interval_div", pgtype.Interval},
	"text LIKE text": {"like", pgtype.Bool}, "text ILIKE text": {"q_ilike", pgtype.Bool},
	"text ~ text": {"regexp", pgtype.Bool}, "text ~* text": {"q_iregexp", pgtype.Bool},
}

var arithmeticNames = map[string]string{"+": "add", "-": "sub", "*": "mul", "/": "div", "%": "mod"}

func callOperator(t *testing.T, left typed, operator string, right typed) (value.Value, pgtype.Type, error) {
	t.Helper()
	if pgtype.IsNumber(left.typ.OID) && pgtype.IsNumber(right.typ.OID) {
		name := "q_" + arithmeticNames[operator]
		if left.typ.OID == pgtype.Numeric {
			name = "q_numeric_" + arithmeticNames[operator]
		}
		v, err := call(t, name, left.value, right.value)
		return v, pgtype.Of(left.typ.OID), err
	}
	key := pgtype.InternalName(left.typ.OID) + " " + operator + " " + pgtype.InternalName(right.typ.OID)
	o, ok := operators[key]
	if !ok {
		t.Fatalf("no operator %s", key)
	}
	args := []value.Value{left.value, right.value}
	if right.typ.OID == pgtype.Interval && operator == "-" {
		v, err := call(t, "q_interval_neg", right.value)
		if err != nil {
			return v, pgtype.Of(o.result), err
		}
		args[1] = v
	}
	if o.result == pgtype.Timestamptz {
		args = append(args, value.String(goldenZone))
	}
	if o.result == pgtype.Bool { // the pattern comes first
		args[0], args[1] = args[1], args[0]
	}
	v, err := call(t, o.name, args...)
	return v, pgtype.Of(o.result), err
}
