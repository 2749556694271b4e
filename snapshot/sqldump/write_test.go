package sqldump

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"quorate/internal/value"
)

// TestWrite shows what dumps look like. "exec" changes a database, "dump" writes
// it; then the dump is loaded, by this package's reader and, where it is
// installed, by the sqlite3 shell, and the dumps of both must be the same, but
// for what is "lossy".
//
//	go test ./snapshot/sqldump -run TestWrite -rewrite
func TestWrite(t *testing.T) {
	datadriven.RunTest(t, "testdata/write", func(t *testing.T, c *datadriven.TestData) string {
		d := newDatabase(t, "db")
		if err := d.Exec(c.Input); err != nil {
			t.Fatalf("%s: %v", c.Pos, err)
		}
		dump := d.dump(t)
		if !c.HasArg("lossy") {
			checkRoundTrips(t, dump)
		}
		return dump
	})
}

func checkRoundTrips(t testing.TB, dump string) {
	t.Helper()
	again := newDatabase(t, "again")
	again.load(t, dump, Quorate)
	if got := again.dump(t); got != dump {
		t.Fatalf("loaded and dumped again:\n%s\nbefore:\n%s", got, dump)
	}
	if got := shell(t, dump).dump(t); got != dump {
		t.Fatalf("after sqlite3:\n%s\nbefore:\n%s", got, dump)
	}
}

// Every value comes back bit for bit: through our reader and through the sqlite3
// shell.
func TestValuesRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := openDatabase(t, t.TempDir()+"/db")
		defer d.Close()
		script := "CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT;\n"
		if err := d.Exec(script); err != nil {
			t.Fatal(err)
		}
		s, _, err := d.Prepare("INSERT INTO t (v) VALUES (?1)", false)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range rapid.SliceOfN(anyValue(), 1, 50).Draw(r, "values") {
			if err := s.Run(v); err != nil {
				t.Fatal(err)
			}
		}
		s.Finalize()
		dump := d.dump(t)
		again := openDatabase(t, t.TempDir()+"/again")
		defer again.Close()
		again.load(t, dump, Quorate)
		if got := rows(t, again); got != rows(t, d) {
			r.Fatalf("%s\nbecame\n%s", rows(t, d), got)
		}
	})
}

// TestShellReadsValues is the same through the shell, with one start of it.
func TestShellReadsValues(t *testing.T) {
	d := newDatabase(t, "db")
	if err := d.Exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v ANY) STRICT;"); err != nil {
		t.Fatal(err)
	}
	s, _, err := d.Prepare("INSERT INTO t (v) VALUES (?1)", false)
	if err != nil {
		t.Fatal(err)
	}
	generate := rapid.SliceOfN(anyValue(), 200, 200)
	for seed := range 20 {
		for _, v := range generate.Example(seed) {
			if err := s.Run(v); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Finalize()
	got, want := strings.Split(rows(t, shell(t, d.dump(t))), "\n"), strings.Split(rows(t, d), "\n")
	for i := range want {
		if i >= len(got) || got[i] != want[i] {
			t.Fatalf("row %d: %s became %v", i, want[i], got[min(i, len(got)-1)])
		}
	}
}

// rows shows all values of t with their bits.
func rows(t testing.TB, d *database) string {
	t.Helper()
	var b strings.Builder
	err := d.Query("SELECT id, v FROM t ORDER BY id", func(row []value.Value) error {
		fmt.Fprintf(&b, "%d %v %#v %x\n", row[0].Int(), row[1].Kind(), row[1], math.Float64bits(row[1].Float()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func anyValue() *rapid.Generator[value.Value] {
	return rapid.OneOf(
		rapid.Just(value.Value{}),
		rapid.Map(rapid.Int64(), value.Int),
		rapid.Map(rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, -1, 0}), value.Int),
		rapid.Map(rapid.Float64(), value.Float),
		rapid.Map(rapid.Uint64(), func(bits uint64) value.Value { return value.Float(math.Float64frombits(bits)) }),
		rapid.Map(rapid.SampledFrom([]float64{math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 0, 1, -1e15, 1e16, 0.1, math.MaxFloat64,
			math.SmallestNonzeroFloat64, 2.2250738585072011e-308, 9007199254740993, 1e23, 123456789012345680}), value.Float),
		rapid.Map(rapid.String(), value.String),
		rapid.Map(rapid.SliceOf(rapid.Byte()), value.TextBytes),
		rapid.Map(rapid.StringOf(rapid.SampledFrom([]rune("'\"\n\r\x00;-/*.\\[`é "))), value.String),
		rapid.Map(rapid.SliceOf(rapid.Byte()), value.BlobBytes),
	)
}
