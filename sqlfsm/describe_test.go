package sqlfsm

import (
	"strings"
	"testing"

	"quorate/internal/value"
	"quorate/sqlplan"
)

// TestDescribe shows commands as people are told of them.
func TestDescribe(t *testing.T) {
	bound := func(sql string, args ...value.Value) sqlplan.Bound {
		return sqlplan.Bound{Plan: &sqlplan.Plan{SQL: sql}, Args: args}
	}
	command := func(kind Kind, statements ...sqlplan.Bound) []byte {
		return AppendCommand(nil, &Header{Kind: kind}, statements)
	}
	long := "SELECT '" + strings.Repeat("ä", 3000) + "'"
	for _, test := range []struct {
		data []byte
		want string
	}{
		{command(KindSQL, bound("DELETE FROM t WHERE a = ?1", value.String("secret"))), "DELETE FROM t WHERE a = ?1"},
		{command(KindSQL, bound("DELETE FROM t"), bound("DELETE FROM u")), "DELETE FROM t; DELETE FROM u"},
		{command(KindMark), ""},
		{command(KindSQL, bound(long), bound("DELETE FROM t")), long[:2000] + " …"},
	} {
		if got, err := Describe(test.data); err != nil || got != test.want {
			t.Errorf("%q, %v; want %q", got, err, test.want)
		}
	}
	if _, err := Describe([]byte("no command")); err == nil {
		t.Error("bytes that are no command were described")
	}
	if _, err := Describe(command(KindSQL, bound("DELETE FROM t"))[:headerBytes+5]); err == nil {
		t.Error("half a command was described")
	}
}
