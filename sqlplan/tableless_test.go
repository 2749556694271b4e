package sqlplan

import "testing"

// TestTableless: a read is tableless when no table or view is named in it, however deep.
func TestTableless(t *testing.T) {
	relation := &Relation{Name: "t", Kind: Table, Columns: []Column{{Name: "a"}}}
	schema := &Schema{Version: 1, Relations: map[string]*Relation{"t": relation}}
	for _, c := range []struct {
		text string
		want bool
	}{
		{"select 1", true},
		{"select pg_is_in_recovery(), current_user, now()", true},
		{"values (1), (2)", true},
		{"with x as (select 1 as n) select n from x", true},
		{"with recursive x(n) as (select 1 union all select n + 1 from x where n < 9) select n from x", true},
		{"select a from t", false},
		{"table t", false},
		{"select name from sqlite_schema", false},
		{"select (select max(a) from t)", false},
		{"select 1 where exists (select 1 from t)", false},
		{"select 1 where 1 in (select a from t)", false},
		{"select 1 union all select a from t", false},
		{"with x as (select a from t) select 1", false},
		{"select 1 order by (select max(a) from t)", false},
		{"select 1 limit (select count(*) from t)", false},
		{"insert into t values (1)", false},
		{"set application_name = 'x'", false},
	} {
		plan, err := schema.Plan(c.text, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if plan.Tableless != c.want {
			t.Errorf("%s: tableless is %v", c.text, plan.Tableless)
		}
	}
}
