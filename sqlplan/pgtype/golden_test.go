package pgtype

import (
	"bufio"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"quorate/internal/errcode"
)

// A golden file holds what PostgreSQL 15 answers when a text is stored into a
// column of a type and read back: one line a text, with the text it gives, the
// binary form in hexadecimal, or the error. capture_test.go makes the answers
// anew; the tests need no PostgreSQL.
type golden struct {
	typeName string
	zone     string
	lines    []goldenLine
}

type goldenLine struct {
	input        string
	text, binary string // when stored
	code         string // when refused
	message      string
}

func readGolden(t *testing.T, path string) golden {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var g golden
	scanner := bufio.NewScanner(file)
	for scanner.Scan() {
		line := scanner.Text()
		if name, ok := strings.CutPrefix(line, "# type "); ok {
			g.typeName = name
			continue
		}
		if zone, ok := strings.CutPrefix(line, "# zone "); ok {
			g.zone = zone
			continue
		}
		fields := strings.Split(line, "\t")
		l := goldenLine{input: unquote(t, fields[0])}
		switch {
		case len(fields) == 4 && fields[1] == "ERROR":
			l.code, l.message = fields[2], unquote(t, fields[3])
		case len(fields) == 3:
			l.text, l.binary = unquote(t, fields[1]), fields[2]
		case len(fields) != 1:
			t.Fatalf("%s: bad line %q", path, line)
		}
		g.lines = append(g.lines, l)
	}
	return g
}

func unquote(t *testing.T, s string) string {
	t.Helper()
	u, err := strconv.Unquote(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return u
}

// typeOf reads "numeric(10,2)".
func typeOf(t *testing.T, s string) Type {
	t.Helper()
	name, modifiers, ok := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	oid, known := ByName(name)
	if !known {
		t.Fatalf("no type %s", name)
	}
	typ := Of(oid)
	if !ok {
		return typ
	}
	first, second, _ := strings.Cut(modifiers, ",")
	n, _ := strconv.Atoi(first)
	switch oid {
	case Varchar, BPChar:
		typ.Mod = LengthMod(n)
	case Numeric:
		scale, _ := strconv.Atoi(second)
		typ.Mod = PrecisionMod(n, scale)
	case Interval:
		typ.Mod = 0x7fff<<16 | int32(n) // every field, and a precision
	default:
		typ.Mod = int32(n)
	}
	return typ
}

// ours are the answers that differ from PostgreSQL's, and why.
var ours = map[string]map[string]string{
	// The shortest digits nearest to the double; PostgreSQL's algorithm leaves
	// out digits that read back the same only by rounding half to even.
	"float8": {"1e23": "1e+23 44b52d02c7e14af6"},
	// A scale that is not declared is not kept, and only 64 bits are.
	"numeric": {
		"12.30":                 "12.3 0002000000000001000c0bb8",
		"NaN":                   "ERROR 22003 NaN cannot be stored as numeric",
		"Infinity":              "ERROR 22003 infinity cannot be stored as numeric",
		"9223372036854775808":   `ERROR 22003 numeric value "9223372036854775808" cannot be stored exactly`,
		"123456789012345678.5":  `ERROR 22003 numeric value "123456789012345678.5" cannot be stored exactly`,
		"0.1234567890123456789": `ERROR 22003 numeric value "0.1234567890123456789" cannot be stored exactly`,
	},
	// Years are 0001 to 9999, and there is no infinity.
	"date": {
		"2026-03-01 BC": `ERROR 22008 date out of range: "2026-03-01 BC"`,
		"10000-01-01":   `ERROR 22008 date out of range: "10000-01-01"`,
		"5874897-12-31": `ERROR 22008 date/time field value out of range: "5874897-12-31"`,
		"infinity":      "ERROR 22008 infinity cannot be stored as date",
		"-infinity":     "ERROR 22008 infinity cannot be stored as date",
	},
	"timestamp": {
		"9999-12-31 23:59:59.9999999": `ERROR 22008 timestamp out of range: "9999-12-31 23:59:59.9999999"`,
		"infinity":                    "ERROR 22008 infinity cannot be stored as timestamp without time zone",
		"-infinity":                   "ERROR 22008 infinity cannot be stored as timestamp without time zone",
		"2026-03-01 14:05:09 BC":      `ERROR 22008 timestamp out of range: "2026-03-01 14:05:09 BC"`,
		"294276-12-31 23:59:59":       `ERROR 22008 timestamp out of range: "294276-12-31 23:59:59"`,
	},
	"timestamptz": {
		"9999-12-31 23:59:59.999999": `ERROR 22008 timestamp out of range: "9999-12-31 23:59:59.999999"`,
		"infinity":                   "ERROR 22008 infinity cannot be stored as timestamp with time zone",
		// The clock is the command's; text has none.
		"now": `ERROR 0A000 the word "now" in a date or time is not supported`,
	},
	"timestamptz_kolkata": {"0001-01-01 00:00:00": `ERROR 22008 timestamp out of range: "0001-01-01 00:00:00"`},
}

// TestGolden stores every text of the golden files and reads it back in both
// formats, and compares with PostgreSQL's answers.
func TestGolden(t *testing.T) {
	paths, err := filepath.Glob("testdata/golden/*.tsv")
	if err != nil || len(paths) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".tsv")
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, path)
			for _, l := range g.lines {
				want := "ERROR " + l.code + " " + l.message
				if l.code == "" {
					want = l.text + " " + l.binary
				}
				got := answer(t, g, l.input)
				if differs, ok := ours[name][l.input]; ok {
					if got == want {
						t.Errorf("%q: the answer is PostgreSQL's; it need not be listed as different", l.input)
					}
					want = differs
				}
				if got != want {
					t.Errorf("%q:\n got %s\nwant %s", l.input, got, want)
				}
			}
		})
	}
}

// answer is what a text becomes, in the words of the golden files.
func answer(t *testing.T, g golden, input string) string {
	t.Helper()
	typ := typeOf(t, g.typeName)
	loc, err := LoadLocation(g.zone)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseText(typ, []byte(input), loc)
	if err != nil {
		var e *errcode.Error
		if !errors.As(err, &e) {
			t.Fatalf("%q: error %v has no code", input, err)
		}
		return "ERROR " + string(e.Code) + " " + e.Message
	}
	text, err := AppendText(nil, typ, v, &Encoding{Location: loc, ExtraFloatDigits: 1})
	if err != nil {
		t.Fatalf("%q: stored as %#v: %v", input, v, err)
	}
	binary, err := AppendBinary(nil, typ, v)
	if err != nil {
		t.Fatalf("%q: stored as %#v: %v", input, v, err)
	}
	again, err := ParseBinary(typ, binary)
	if err != nil || !again.Equal(v) {
		t.Errorf("%q: stored as %#v, through binary %#v, %v", input, v, again, err)
	}
	again, err = ParseText(typ, text, loc)
	if err != nil || !again.Equal(v) {
		t.Errorf("%q: stored as %#v, through text %s %#v, %v", input, v, text, again, err)
	}
	return string(text) + " " + hex.EncodeToString(binary)
}
