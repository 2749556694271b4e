package sqlplan

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"quorate/internal/errcode"
)

// TestStatementLimits: what would cost SQLite's prepare quadratic time is
// refused while parsing; many constants, which cost linear time, are not. A
// hash in a text below stands for a number.
func TestStatementLimits(t *testing.T) {
	schema := emptySchema()
	plan, err := schema.Plan("create table t (a int, b text, c int, d text, e int, f text)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	schema = schema.After(plan)
	for _, c := range []struct {
		before, item, separator, after string
		count                          int
		want                           errcode.Code // "": planned
	}{
		{"select ", "1", ",", "", maxItems, ""},
		{"select ", "1", ",", "", maxItems + 1, errcode.TooManyColumns},
		{"select ", "1 as a#", ",", "", maxItems + 1, errcode.TooManyColumns},
		{"select ", "t.*", ",", " from t", maxItems / 6, ""},
		{"select ", "t.*", ",", " from t", maxItems/6 + 1, errcode.TooManyColumns},
		{"delete from t returning ", "a", ",", "", maxItems + 1, errcode.TooManyColumns},

		{"select a from t where ", "a=#", " or ", "", maxTerms/2 - 1, ""},
		{"select a from t where ", "a=#", " or ", "", maxTerms/2 + 1, errcode.StatementTooComplex},
		{"select a from t where ", "a<>#", " and ", "", maxTerms/2 + 1, errcode.StatementTooComplex},
		{"select case a ", "when # then 1", " ", " end from t", maxTerms + 1, errcode.StatementTooComplex},
		{"select a from t where a in (", "a+#", ",", ")", maxTerms + 1, errcode.StatementTooComplex},
		{"select a from t where a in (", "- a", ",", ")", maxTerms + 1, errcode.StatementTooComplex},
		{"insert into t (a) values ", "((select #))", ",", "", maxTerms + 1, errcode.StatementTooComplex},
		{"insert into t (b) values ", "(lower('x#'))", ",", "", maxTerms + 1, errcode.StatementTooComplex},
		{"insert into t (b) values ", "(coalesce(null, 'x#'))", ",", "", maxTerms + 1, errcode.StatementTooComplex},
		{"select greatest(", "a", ",", ") from t", 102, errcode.StatementTooComplex},
		{"insert into t (b) values ", "(a::text)", ",", "", maxTerms + 1, errcode.StatementTooComplex},

		{"select a from t where a in (", "#", ",", ")", 4 * maxTerms, ""},
		{"insert into t values ", "(#,'x#',-#,'y','#'::int,null)", ",", "", 2 * maxTerms, ""},
	} {
		items := make([]string, c.count)
		for i := range items {
			items[i] = strings.ReplaceAll(c.item, "#", strconv.Itoa(i))
		}
		_, err := schema.Plan(c.before+strings.Join(items, c.separator)+c.after, Options{})
		var told *errcode.Error
		var got errcode.Code
		if errors.As(err, &told) {
			got = told.Code
		}
		if got != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%s%s… (%d): %v, not %q", c.before, c.item, c.count, err, c.want)
		}
	}
}

// TestUniqueNames: a name that is asked for again never is one given before.
func TestUniqueNames(t *testing.T) {
	used := names{}
	var got []string
	for _, name := range []string{"a", "A", "a:2", "a", "a:1", "b", "a"} {
		got = append(got, used.unique(name))
	}
	if want := "a A:1 a:2 a:3 a:1:1 b a:4"; strings.Join(got, " ") != want {
		t.Errorf("%q, not %q", got, want)
	}
}
