package sqldump

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"quorate/internal/value"
)

// TestRead shows how scripts are cut into statements: each with its line, what is
// done with it when the script is SQLite's, and, of an INSERT of literals, its rows.
// <NUL>, <CR> and <BOM> stand for what an editor does not show.
//
//	go test ./snapshot/sqldump -run TestRead/ -rewrite
func TestRead(t *testing.T) {
	bytes := strings.NewReplacer("<NUL>", "\x00", "<CR>", "\r", "<BOM>", "\xEF\xBB\xBF")
	datadriven.RunTest(t, "testdata/read", func(t *testing.T, d *datadriven.TestData) string {
		script := bytes.Replace(d.Input)
		format, err := Detect([]byte(script))
		if err != nil {
			return err.Error() + "\n"
		}
		if format == Database {
			return string(format) + "\n"
		}
		return fmt.Sprintf("%s\n%s", format, readAll(strings.NewReader(script+"\n"), format, true))
	})
}

// readAll shows the statements of a script.
func readAll(in io.Reader, format Format, explain bool) string {
	var b strings.Builder
	r := NewReader(in, format, 0, 1)
	for {
		s, err := r.Next()
		var line *LineError
		switch {
		case err == io.EOF:
			if r.Complete() {
				b.WriteString("complete\n")
			}
			return b.String()
		case errors.As(err, &line) && line.Hint != "":
			fmt.Fprintf(&b, "%v. %s\n", err, line.Hint)
			return b.String()
		case err != nil:
			fmt.Fprintf(&b, "%v\n", err)
			return b.String()
		}
		fmt.Fprintf(&b, "%d-%d: %q", s.Line, s.End, s.Text)
		if explain && format != PostgreSQL {
			b.WriteString(explained(s.Text))
		}
		b.WriteByte('\n')
	}
}

func explained(text string) string {
	kind, why := Classify(text)
	if why != nil {
		return " refused: " + why.Problem
	}
	var out string
	if kind != Rows {
		out = " " + []string{Define: "define", Types: "types", Sequence: "sequence", Analyze: "analyze", Skip: "skip"}[kind]
	}
	insert, ok := ParseInsert(text)
	if !ok {
		return out
	}
	out += fmt.Sprintf("\n  %s %q", insert.Table, insert.Columns)
	for i := range insert.Rows() {
		out += fmt.Sprintf(" +%d%s", insert.Lines[i], AppendRow(nil, insert.Values[i*insert.Width:(i+1)*insert.Width]))
	}
	return out
}

// However the bytes come, the statements are the same.
func TestReadInPieces(t *testing.T) {
	pieces := rapid.SampledFrom([]string{"a", " ", "\n", ";", "'", "''", `"`, "`", "[", "]", "--", "/*", "*/", "$$", "$x$", "$1", "e'", `\`, "\\'",
		"CREATE TRIGGER ", " BEGIN ", " CASE ", " END", "SELECT 1;", "-- end of dump: \n", "é", "x'00'", "(", ")"})
	rapid.Check(t, func(r *rapid.T) {
		script := strings.Join(rapid.SliceOfN(pieces, 0, 40).Draw(r, "script"), "")
		for _, format := range []Format{Quorate, PostgreSQL} {
			whole := readAll(strings.NewReader(script), format, false)
			if got := readAll(iotest.OneByteReader(strings.NewReader(script)), format, false); got != whole {
				r.Fatalf("byte by byte:\n%s\nat once:\n%s", got, whole)
			}
		}
	})
}

// A statement without an end does not fill the memory.
func TestReadEndless(t *testing.T) {
	r := NewReader(io.MultiReader(strings.NewReader("SELECT 1;\nINSERT INTO t VALUES ('"), endless{}), SQLite, 0, 1)
	r.max = 1 << 20
	if s, err := r.Next(); err != nil || s.Text != "SELECT 1" {
		t.Fatalf("%q, %v", s.Text, err)
	}
	var line *LineError
	if _, err := r.Next(); !errors.As(err, &line) || line.Line != 2 {
		t.Errorf("error %v", err)
	}
	if cap(r.buffer) > 8<<20 {
		t.Errorf("the buffer has grown to %d bytes", cap(r.buffer))
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

// What AppendRow writes, ParseInsert reads, to the last bit.
func TestLiterals(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		row := rapid.SliceOfN(anyValue(), 1, 5).Draw(r, "row")
		text := "INSERT INTO t VALUES " + string(AppendRow(nil, row))
		insert, ok := ParseInsert(text)
		if !ok || insert.Width != len(row) {
			r.Fatalf("%s is not understood", text)
		}
		for i, v := range insert.Values {
			if !v.Equal(row[i]) {
				r.Fatalf("%s: value %d came back as %#v", text, i, v)
			}
		}
	})
}

// FuzzParseInsert: what is understood as an INSERT of literals is one for SQLite as
// well, with the same values, but that SQLite does not read numbers of more than 17
// digits exactly.
func FuzzParseInsert(f *testing.F) {
	for _, values := range []string{"1, -2, +3", "1e400, -.5, 5.", "'a''b', X'00fF', NULL", "CAST(X'61' AS TEXT)", "9223372036854775808, -9223372036854775808", "0x10", "1_000, 00012"} {
		f.Add(values)
	}
	d := newDatabase(f, "db")
	f.Fuzz(func(t *testing.T, values string) {
		insert, ok := ParseInsert("INSERT INTO t VALUES (" + values + ")")
		if !ok || insert.Rows() != 1 || insert.Width > 100 || strings.Contains(values, "\x00") { // SQLite takes no NUL in its text
			return
		}
		var got []value.Value
		err := d.Query("VALUES ("+values+")", func(row []value.Value) error {
			for _, v := range row {
				got = append(got, v.Clone())
			}
			return nil
		})
		if err != nil {
			t.Fatalf("VALUES (%s): %v", values, err)
		}
		for i, v := range insert.Values {
			if i < len(got) && v.Kind() == value.Real && got[i].Kind() == value.Real && math.Abs(v.Float()-got[i].Float()) <= 1e-15*math.Abs(v.Float()) {
				continue
			}
			if i >= len(got) || !v.Equal(got[i]) {
				t.Fatalf("VALUES (%s): value %d is %#v for us, SQLite has %#v", values, i, v, got)
			}
		}
	})
}
