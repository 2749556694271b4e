package pgtype

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// The files testdata/*.tsv are what PostgreSQL 15's catalogue and functions
// say of the types: pg_type, the spellings that regtype reads, format_type()
// with modifiers, and pg_cast.

func readTable(t *testing.T, name string) [][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(data)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTypesAreThoseOfTheCatalogue(t *testing.T) {
	rows := readTable(t, "types.tsv")
	if len(rows) != len(infos) {
		t.Errorf("%d types here, %d in the catalogue's list", len(infos), len(rows))
	}
	for _, row := range rows {
		oid := uint32(number(t, row[0]))
		if InternalName(oid) != row[1] || int(Size(oid)) != number(t, row[2]) || Format(Of(oid)) != row[3] {
			t.Errorf("%d is %s, %d bytes, %s; want %q", oid, InternalName(oid), Size(oid), Format(Of(oid)), row)
		}
	}
}

func TestSpellings(t *testing.T) {
	for _, row := range readTable(t, "names.tsv") {
		if oid, ok := ByName(row[1]); !ok || int(oid) != number(t, row[0]) {
			t.Errorf("%s is %d, want %s", row[1], oid, row[0])
		}
	}
	if oid, ok := ByName("serial"); ok {
		t.Errorf("serial is a type: %d", oid)
	}
}

func TestModifiers(t *testing.T) {
	for _, row := range readTable(t, "modifiers.tsv") {
		typ := Type{uint32(number(t, row[0])), int32(number(t, row[1]))}
		if got := Format(typ); got != row[2] {
			t.Errorf("%v is %s, want %s", typ, got, row[2])
		}
	}
}

// TestCastsAreThoseOfTheCatalogue: where we say that a cast applies by itself,
// pg_cast says so too, and the other way round.
func TestCastsAreThoseOfTheCatalogue(t *testing.T) {
	contexts := map[string]CastContext{"e": ExplicitCast, "a": AssignmentCast, "i": ImplicitCast}
	listed := map[[2]uint32]bool{}
	for _, row := range readTable(t, "casts.tsv") {
		from, to := uint32(number(t, row[0])), uint32(number(t, row[1]))
		listed[[2]uint32{from, to}] = true
		if got := CastOf(from, to); got != contexts[row[2]] {
			t.Errorf("%s to %s is %d, want %d", InternalName(from), InternalName(to), got, contexts[row[2]])
		}
	}
	for pair, context := range casts {
		if context != NoCast && !listed[pair] && !(IsString(pair[0]) && IsString(pair[1])) {
			t.Errorf("%s to %s is %d, and not in pg_cast", InternalName(pair[0]), InternalName(pair[1]), context)
		}
	}
}
