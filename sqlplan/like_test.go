package sqlplan

import (
	"strings"
	"testing"

	"quorate/internal/value"
)

// rows runs a statement and returns its rows as text, the columns of each
// joined by blanks.
func (e *engine) rows(t *testing.T, sql string) []string {
	t.Helper()
	s, _, err := e.db.Prepare(sql, false)
	if err != nil {
		t.Fatalf("%v in %s", err, sql)
	}
	defer s.Finalize()
	var rows []string
	for {
		more, err := s.Step()
		if err != nil {
			t.Fatalf("%v in %s", err, sql)
		}
		if !more {
			return rows
		}
		var words []string
		for _, v := range s.Row() {
			words = append(words, shownValue(v))
		}
		rows = append(rows, strings.Join(words, " "))
	}
}

func shownValue(v value.Value) string {
	if v.Kind() == value.Text {
		return v.Text()
	}
	return v.GoString()
}

// TestLikePrefix: the range that the planner adds to LIKE 'prefix%' lets an
// index serve, and changes no answer: every text is matched against every
// pattern, as a column, where the range is added, and as an expression, where
// it is not.
func TestLikePrefix(t *testing.T) {
	e, schema := newEngine(t), emptySchema()
	do := func(sql string) *Plan {
		plan, err := schema.Plan(sql, Options{})
		if err != nil {
			t.Fatalf("%v in %s", err, sql)
		}
		return plan
	}
	for _, sql := range []string{"CREATE TABLE t (x text)", "CREATE INDEX i ON t (x)"} {
		plan := do(sql)
		e.rows(t, plan.SQL)
		schema = schema.After(plan)
	}
	texts := []string{"", "a", "ab", "aB", "abc", "b", "a%", "a_", `a\`, "a\ud7ff", "a\ud7ffz", "a\ue000", "a\U0010ffff", "a\U0010ffffz", "é", "éa", "z", "ab\U0001f600"}
	for _, x := range texts {
		e.rows(t, do("INSERT INTO t VALUES ("+quoteText(x)+")").SQL)
	}
	e.rows(t, do("INSERT INTO t VALUES (NULL)").SQL)
	ranged := 0
	for _, x := range append(texts, "ab%c", "a_c", `a\%`, `\a%`, "%a", "_b") {
		for _, pattern := range []string{x, x + "%", x + "_"} {
			if strings.HasSuffix(pattern, `\`) {
				continue // an error
			}
			column := do("SELECT x FROM t WHERE x LIKE " + quoteText(pattern) + " ORDER BY x").SQL
			plain := do("SELECT x FROM t WHERE x || '' LIKE " + quoteText(pattern) + " ORDER BY x").SQL
			if got, want := e.rows(t, column), e.rows(t, plain); strings.Join(got, "|") != strings.Join(want, "|") {
				t.Errorf("LIKE %q: %q, want %q", pattern, got, want)
			}
			if strings.Contains(column, ">=") {
				ranged++
				if plan := e.rows(t, "EXPLAIN QUERY PLAN "+column); !strings.Contains(strings.Join(plan, "\n"), "SEARCH t USING COVERING INDEX i (x>? AND x<?)") {
					t.Errorf("LIKE %q: %q", pattern, plan)
				}
			}
		}
	}
	if ranged < len(texts) {
		t.Errorf("only %d patterns had a range", ranged)
	}
}
