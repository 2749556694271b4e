package pgfunc

import (
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"testing"

	_ "modernc.org/sqlite" // to ask it which functions it has
	"pgregory.net/rapid"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// TestEveryFunctionCanBeCalled: what the planner may emit for a function is
// registered by us or exists in SQLite, with that many arguments.
func TestEveryFunctionCanBeCalled(t *testing.T) {
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	known := map[string]bool{}
	for _, i := range Implementations() {
		known[fmt.Sprint(i.Name, i.Args)] = true
	}
	rows, err := db.Query("select name, narg from pragma_function_list")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var name string
		var args int
		if err := rows.Scan(&name, &args); err != nil {
			t.Fatal(err)
		}
		if args < 0 {
			args = -1
		}
		known[fmt.Sprint(name, args)] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, functions := range byName {
		for _, f := range functions {
			if !known[fmt.Sprint(f.SQLite, f.arity())] && !known[fmt.Sprint(f.SQLite, -1)] {
				t.Errorf("%s with %d arguments is emitted as %s, which nobody has", f.Name, len(f.Args), f.SQLite)
			}
		}
	}
}

// TestInternalNamesAreHidden: users cannot call what only the planner emits.
func TestInternalNamesAreHidden(t *testing.T) {
	for name := range byName {
		if strings.HasPrefix(name, "q_") {
			t.Errorf("%s is known to users", name)
		}
	}
}

// TestClockAndRandomness: these take everything from the command.
func TestClockAndRandomness(t *testing.T) {
	for _, test := range []struct{ expression, want string }{
		{"now()", `1184 "2026-03-01 09:05:09.25-05"`},
		{"clock_timestamp()", `1184 "2026-03-01 09:05:09.25-05"`},
		{"current_timestamp('0'::int4)", `1184 "2026-03-01 09:05:09-05"`},
		{"localtimestamp()", `1114 "2026-03-01 09:05:09.25"`},
		{"current_date()", `1082 "2026-03-01"`},
		{"localtime()", `1083 "09:05:09.25"`},
		{"age('2026-02-01 00:00'::timestamp)", `1186 "1 mon"`},
		{"random()", `701 "0.6180339887498948"`},
		{"random('1'::int4, '6'::int4)", `23 "4"`},
		{"random('2'::int4, '1'::int4)", "ERROR 22023 lower bound must be less than or equal to upper bound"},
		{"random('-9223372036854775808'::int8, '9223372036854775807'::int8)", `20 "-7046029254386353131"`},
		{"gen_random_uuid()", `2950 "9e3779b9-7f4a-4c15-bc6e-f372fe94f82a"`},
		{"randomblob('3'::int4)", `17 "\\x157c4a"`},
	} {
		if got := answer(t, test.expression); got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.expression, got, test.want)
		}
	}
}

// TestLikeIsItsRegularExpression compares LIKE with a translation of the
// pattern, on an alphabet so small that the two often match.
func TestLikeIsItsRegularExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`([ab_é]|%|\\[ab%_\\]){0,8}`).Draw(t, "pattern")
		s := rapid.StringMatching(`[abé%_\\]{0,10}`).Draw(t, "s")
		var translated strings.Builder
		for i, escaped := 0, false; i < len(pattern); i++ {
			switch c := pattern[i]; {
			case escaped:
				translated.WriteString(regexp.QuoteMeta(string(c)))
				escaped = false
			case c == '\\':
				escaped = true
			case c == '%':
				translated.WriteString(".*")
			case c == '_':
				translated.WriteString(".")
			default:
				translated.WriteByte(c)
			}
		}
		want := regexp.MustCompile("^(?s:" + translated.String() + ")$").MatchString(s)
		got, err := like(&testContext{}, []byte(pattern), []byte(s), '\\', false)
		if err != nil || got != want {
			t.Fatalf("%q LIKE %q is %v, %v; as %s it is %v", s, pattern, got, err, &translated, want)
		}
	})
}

// TestLikeTakesNoExponentialTime: a pattern that a backtracking matcher would
// not finish.
func TestLikeTakesNoExponentialTime(t *testing.T) {
	pattern := strings.Repeat("%a", 60) + "b"
	got, err := like(&testContext{}, []byte(pattern), []byte(strings.Repeat("a", 2000)), '\\', false)
	if got || err != nil {
		t.Errorf("it matches: %v, %v", got, err)
	}
}

// TestIntegerArithmeticIsExactOrRefused compares with unbounded integers.
func TestIntegerArithmeticIsExactOrRefused(t *testing.T) {
	names := map[string]func(z, x, y *big.Int) *big.Int{
		"q_add": (*big.Int).Add, "q_sub": (*big.Int).Sub, "q_mul": (*big.Int).Mul, "q_div": (*big.Int).Quo, "q_mod": (*big.Int).Rem,
	}
	codes := map[string]impl{}
	for _, i := range Implementations() {
		codes[i.Name] = i.Impl
	}
	edge := rapid.OneOf(rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, 0, 1, -1, 1 << 32, -1 << 31}))
	rapid.Check(t, func(t *rapid.T) {
		x, y := edge.Draw(t, "x"), edge.Draw(t, "y")
		for name, exact := range names {
			if y == 0 && (name == "q_div" || name == "q_mod") {
				continue
			}
			want := exact(new(big.Int), big.NewInt(x), big.NewInt(y))
			got, err := codes[name](nil, []value.Value{value.Int(x), value.Int(y)})
			if want.IsInt64() != (err == nil) || err == nil && !got.Equal(value.Int(want.Int64())) {
				t.Fatalf("%s(%d, %d) is %#v, %v; want %s", name, x, y, got, err, want)
			}
		}
	})
}

// TestExactFunctionsAgreeWithTheLibrary: the portable functions are within two
// units in the last place of the standard library's.
func TestExactFunctionsAgreeWithTheLibrary(t *testing.T) {
	for name, f := range map[string]struct {
		ours, library func(float64) float64
		low, high     float64
	}{
		"exp": {exactExp, math.Exp, -700, 700}, "ln": {exactLn, math.Log, 1e-300, 1e300}, "log10": {exactLog10, math.Log10, 1e-300, 1e300},
		"cbrt": {exactCbrt, math.Cbrt, -1e300, 1e300}, "sin": {exactSin, math.Sin, -50, 50}, "cos": {exactCos, math.Cos, -50, 50},
		"asin": {exactAsin, math.Asin, -1, 1}, "acos": {exactAcos, math.Acos, -1, 1}, "atan": {exactAtan, math.Atan, -1e10, 1e10},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				x := rapid.Float64Range(f.low, f.high).Draw(t, "x")
				got, want := f.ours(x), f.library(x)
				// The library's own error is larger near a zero of sin and cos; and it
				// takes asin and acos from the root of 1 - x*x, of which little is
				// right near 1.
				near := 1e-16
				if name == "asin" || name == "acos" {
					near = 5e-16 / math.Sqrt(1-x*x)
				}
				if diff := math.Abs(got - want); diff > 1e-15*math.Abs(want) && diff > near {
					t.Fatalf("%s(%v) is %v, the library's %v", name, x, got, want)
				}
			})
		})
	}
}

// FuzzImplementations calls every function with values of every class: a
// result or an error with a code, never a panic.
func FuzzImplementations(f *testing.F) {
	f.Add(uint16(0), []byte{3, 2, 1, 0}, []byte("2026-03-01 12:00:00.000000"), int64(3), 1.5)
	f.Add(uint16(40), []byte{3, 1, 1}, []byte("abc"), int64(-1), 0.0)
	f.Fuzz(func(t *testing.T, number uint16, kinds, text []byte, n int64, x float64) {
		all := Implementations()
		i := all[int(number)%len(all)]
		count := i.Args
		if count < 0 {
			count = min(len(kinds), 7)
		}
		if len(kinds) == 0 && count > 0 || len(text) > 1000 {
			return
		}
		args := make([]value.Value, count)
		for a := range args {
			switch kinds[a%len(kinds)] % 7 {
			case 1:
				args[a] = value.Int(n % 1000)
			case 2:
				args[a] = value.Float(x)
			case 3:
				args[a] = value.TextBytes(text)
			case 4:
				args[a] = value.BlobBytes(text)
			case 5:
				args[a] = value.String("UTC")
			case 6:
				args[a] = value.Int(n)
			}
		}
		if _, err := i.Impl(&testContext{}, args); err != nil {
			var e *errcode.Error
			if !errors.As(err, &e) || e.Code == "" {
				t.Fatalf("%s: error %v has no code", i.Name, err)
			}
		}
	})
}

// TestCastsOfEveryType: q_cast_T gives every type's stored form.
func TestCastsOfEveryType(t *testing.T) {
	for _, oid := range castTargets {
		for _, explicit := range []bool{true, false} {
			v, err := call(t, CastName(oid, explicit), value.Value{}, value.Int(int64(pgtype.Text)))
			if err != nil || !v.IsNull() {
				t.Errorf("%s of NULL is %#v, %v", CastName(oid, explicit), v, err)
			}
		}
	}
	v, err := call(t, "q_cast_timestamptz", value.String("2026-03-01 12:00"), value.Int(int64(pgtype.Text)), value.Int(-1), value.String("Asia/Tokyo"))
	if err != nil || v.Text() != "2026-03-01 03:00:00.000000" {
		t.Errorf("noon in Tokyo is %#v, %v", v, err)
	}
}

// TestLengthsOfAnySize: a length as text or beyond an integer's range, which a
// direct call may bring, is an answer or an error, never a panic.
func TestLengthsOfAnySize(t *testing.T) {
	lengths := []value.Value{value.String("9223372036854775807"), value.String("-9223372036854775808"), value.String("x"),
		value.Int(math.MaxInt64), value.Int(math.MinInt64)}
	for _, f := range []impl{pad(true), pad(false), substring, left, right, repeat} {
		for _, n := range lengths {
			if _, err := f(nil, []value.Value{value.String("abc"), n}); err != nil {
				var told *errcode.Error
				if !errors.As(err, &told) {
					t.Errorf("%s: %v has no code", n.Text(), err)
				}
			}
		}
	}
}
