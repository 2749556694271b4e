package sqlplan

import (
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
	"quorate/sqlplan/pgtype"
)

// call resolves a function call: what the planner knows itself, else a
// function of pgfunc.
func (r *resolver) call(x *call, sc *scope) expr {
	if e, done := r.ownFunction(x, sc); done {
		return e
	}
	candidates := pgfunc.Lookup(x.name)
	aggregate := len(candidates) > 0 && candidates[0].Aggregate
	if x.over != nil {
		aggregate = false // a window function: its arguments are of the same level
	}
	if aggregate {
		if !r.beginAggregate(x, sc) {
			return x
		}
		defer func() { sc.core.inside-- }()
	}
	for i, a := range x.args {
		if _, ok := a.(*star); ok {
			r.fail(a.base().pos, errcode.SyntaxError, `syntax error at or near "*"`)
			return x
		}
		x.args[i] = r.indexOr(i == 0 && (x.name == "bm25" || x.name == "highlight" || x.name == "snippet"), a, sc)
	}
	if r.err != nil {
		return x
	}
	f := r.overload(x, candidates)
	if f == nil {
		return x
	}
	return r.applyFunction(x, f, sc)
}

// ownFunction handles what needs more than a table entry.
func (r *resolver) ownFunction(x *call, sc *scope) (expr, bool) {
	constantText := func(s string, oid uint32) expr {
		return &constant{node: node{x.pos, pgtype.Of(oid)}, val: value.String(s)}
	}
	if x.keyword {
		switch x.name {
		case "coalesce", "greatest", "least", "nullif":
			for i, a := range x.args {
				x.args[i] = r.expr(a, sc)
			}
			if r.err != nil {
				return x, true
			}
			return r.unifyCall(x), true
		case "current_user", "session_user", "user", "current_role":
			return r.session(x.pos, CurrentUser), true
		case "current_catalog":
			return constantText("quorate", pgtype.Name), true
		case "current_schema":
			return constantText("public", pgtype.Name), true
		}
		return nil, false
	}
	if len(x.args) == 0 && !x.star {
		switch x.name {
		case "pg_backend_pid":
			return r.session(x.pos, BackendPID), true
		case "pg_is_in_recovery":
			return r.session(x.pos, InRecovery), true
		case "current_schema":
			return constantText("public", pgtype.Name), true
		case "version":
			return constantText(serverVersion, pgtype.Text), true
		case "current_database", "current_catalog":
			return constantText("quorate", pgtype.Name), true
		}
	}
	switch x.name {
	case "current_setting":
		return r.currentSetting(x), true
	case "pg_typeof":
		if len(x.args) == 1 {
			t := r.expr(x.args[0], sc).base().typ
			return constantText(operandName(t), pgtype.Text), true
		}
	case "nextval", "setval", "currval", "lastval", "set_config":
		r.unsupported(x.pos, "%s()", x.name)
		return x, true
	case "total_changes", "load_extension", "sqlite_source_id", "sqlite_offset", "sqlite_log",
		"sqlite_compileoption_get", "sqlite_compileoption_used", "fts5_source_id":
		r.unsupported(x.pos, "%s()", x.name).WithHint("It answers from one node's connection or program.")
		return x, true
	}
	return nil, false
}

// serverVersion is what version() says. It begins as PostgreSQL's does, because
// clients look for the number after the name.
const serverVersion = "PostgreSQL 15.0 (Quorate)"

// currentSetting answers current_setting() for the settings whose value the
// planner or the session knows.
func (r *resolver) currentSetting(x *call) expr {
	var name string
	if len(x.args) == 1 || len(x.args) == 2 {
		if c, ok := x.args[0].(*constant); ok {
			name = strings.ToLower(c.val.Text())
		}
	}
	switch name {
	case "timezone":
		return r.session(x.pos, TimeZone)
	case "application_name":
		return r.session(x.pos, ApplicationName)
	case "transaction_read_only", "default_transaction_read_only":
		return text(x.pos, "off")
	case "transaction_isolation", "default_transaction_isolation":
		return text(x.pos, "serializable")
	case "standard_conforming_strings", "integer_datetimes":
		return text(x.pos, "on")
	case "server_encoding", "client_encoding":
		return text(x.pos, "UTF8")
	case "search_path":
		return text(x.pos, `"$user", public`)
	}
	r.unsupported(x.pos, "current_setting() of this setting").WithHint("Use SHOW.")
	return x
}

// unifyCall types COALESCE, NULLIF, GREATEST and LEAST, whose arguments are
// resolved.
func (r *resolver) unifyCall(x *call) expr {
	what := strings.ToUpper(x.name)
	if x.name == "nullif" {
		pair := []expr{x.args[0], x.args[1]}
		if t := r.comparable(pair, x.pos, "="); t.OID == pgtype.Interval {
			r.unsupported(x.pos, "NULLIF of %s", formatType(t))
		}
		x.args = pair
		x.typ = pair[0].base().typ
		x.emit = "nullif"
		return x
	}
	if len(x.args) == 1 { // SQLite's coalesce wants two
		return x.args[0]
	}
	x.typ = r.unify(x.args, what)
	if x.typ.OID == pgtype.JSON && x.name != "coalesce" || x.typ.OID == pgtype.Interval && x.name != "coalesce" {
		r.unsupported(x.pos, "%s of %s", what, formatType(x.typ))
	}
	x.emit = x.name
	if x.name != "coalesce" {
		return r.extreme(x)
	}
	return x
}

// extreme emits GREATEST and LEAST. SQLite's max(a, b) and min(a, b) are NULL
// when an argument is; PostgreSQL's leave NULLs out. So each argument falls
// back to the others: for two, max(coalesce(a, b), coalesce(b, a)).
func (r *resolver) extreme(x *call) expr {
	name := "max"
	if x.name == "least" {
		name = "min"
	}
	out := &emitCall{node: node{x.pos, x.typ}, name: name}
	known := true
	for _, a := range x.args {
		known = known && notNull(a)
	}
	for i, a := range x.args {
		if !known {
			args := append([]expr{a}, x.args[:i]...)
			a = &emitCall{node: node{x.pos, x.typ}, name: "coalesce", args: append(args, x.args[i+1:]...)}
		}
		out.args = append(out.args, a)
	}
	return out
}

// beginAggregate checks that an aggregate may stand here.
func (r *resolver) beginAggregate(x *call, sc *scope) bool {
	switch {
	case sc == nil || sc.core == nil || sc.clause != "":
		where := "this context"
		if sc != nil && sc.clause != "" {
			where = sc.clause
		}
		r.fail(x.pos, errcode.GroupingError, "aggregate functions are not allowed in %s", where)
		return false
	case sc.core.inside > 0:
		r.fail(x.pos, errcode.GroupingError, "aggregate function calls cannot be nested")
		return false
	}
	sc.core.aggregates++
	sc.core.inside++
	x.agg = true
	return true
}

// overload chooses the function for the arguments' types, as the manual's
// section 10.3 does: exact matches first, then what converts implicitly.
func (r *resolver) overload(x *call, candidates []*pgfunc.Function) *pgfunc.Function {
	var best *pgfunc.Function
	bestScore := -1
	for _, f := range candidates {
		if score := r.match(f, x); score > bestScore {
			best, bestScore = f, score
		}
	}
	if best == nil {
		if len(candidates) > 0 && x.star && x.name != "count" {
			r.fail(x.pos, errcode.WrongObjectType, "%s(*) specified, but %s is not an aggregate function", x.name, x.name)
			return nil
		}
		if len(candidates) == 0 && notYet[x.name] {
			r.unsupported(x.pos, "%s()", x.name)
			return nil
		}
		r.fail(x.pos, errcode.UndefinedFunction, "function %s(%s) does not exist", x.name, typeList(x.args)).
			WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
	}
	return best
}

func typeList(args []expr) string {
	names := make([]string, len(args))
	for i, a := range args {
		names[i] = operandName(a.base().typ)
	}
	return strings.Join(names, ", ")
}

// match scores a candidate; -1: it does not take the arguments.
func (r *resolver) match(f *pgfunc.Function, x *call) int {
	n := len(x.args)
	if x.star {
		if x.name == "count" && len(f.Args) == 0 {
			return 0
		}
		if x.name == "count" && len(f.Args) == 1 && f.Args[0] == pgtype.Any {
			return 0
		}
		return -1
	}
	if n != len(f.Args) && !(f.Variadic && n >= len(f.Args)-1) {
		return -1
	}
	score := 0
	for i, a := range x.args {
		want, have := argument(f, i), a.base().typ.OID
		switch {
		case want == have:
			score += 16
		case want == pgtype.Any:
			score += 2
		case have == pgtype.Unknown:
			score += 4
			switch {
			case isText(want): // undecided literals are text first
				score += 2
			case want == pgtype.Float8 || want == pgtype.Timestamptz: // preferred types
				score++
			}
		case have == 0:
			score++
		case !convertible(have, want, implicit):
			return -1
		case want == pgtype.Float8 || want == pgtype.Text || want == pgtype.Timestamptz:
			score += 9 // the preferred type of its category
		case isInteger(have) && isInteger(want):
			score += 10
		default:
			score += 8
		}
	}
	return score
}

func argument(f *pgfunc.Function, i int) uint32 {
	return f.Args[min(i, len(f.Args)-1)]
}

// applyFunction converts the arguments and emits the call.
func (r *resolver) applyFunction(x *call, f *pgfunc.Function, sc *scope) expr {
	result := pgtype.Of(f.Result)
	for i, a := range x.args {
		want := argument(f, i)
		if _, scaled := scaleOf(a); scaled && f.TypeArgs && f.Result == pgtype.Text && a.base().typ.OID == pgtype.Numeric {
			x.args[i] = r.coerce(a, pgtype.Of(pgtype.Text), explicit) // with its zeros
			continue
		}
		if want != pgtype.Any {
			x.args[i] = r.coerce(a, pgtype.Of(want), implicit)
			continue
		}
		if a.base().typ.OID == pgtype.Unknown {
			if _, isParam := a.(*param); !isParam {
				x.args[i] = r.coerce(a, pgtype.Of(pgtype.Text), implicit)
			}
		}
		if result.OID == pgtype.Any {
			result = pgtype.Of(x.args[i].base().typ.OID)
		}
	}
	x.typ = result
	x.typ = scaledCall(x)
	x.emit = f.SQLite
	if x.emit == "" {
		x.emit = f.Name
	}
	if x.name == "min" || x.name == "max" {
		r.orderable(x)
	}
	if f.TypeArgs {
		for _, a := range x.args[:len(x.args):len(x.args)] {
			x.args = append(x.args, integer(x.pos, int64(a.base().typ.OID)))
		}
	}
	if f.TimeZone {
		x.args = append(x.args, r.session(x.pos, TimeZone))
	}
	if f.Volatile && strings.HasPrefix(r.stored, "an index") {
		r.fail(x.pos, errcode.InvalidTableDefinition, "functions in index expression must be marked IMMUTABLE")
	}
	if f.Aggregate && len(x.args) > 0 {
		defer r.jsonElements(x)
	}
	r.aggregateClauses(x, f, sc)
	if !f.Aggregate && !f.Window {
		return &emitCall{node: x.node, name: x.emit, args: x.args}
	}
	return r.aggregateResult(x)
}

// jsonElements makes what json_agg and its like gather JSON: SQLite's
// json_group_array knows numbers and text only, so that true would be 1, and a
// document a string.
func (r *resolver) jsonElements(x *call) {
	if !strings.HasSuffix(x.name, "_agg") || !isJSON(x.typ.OID) || r.err != nil {
		return
	}
	a := &x.args[len(x.args)-1]
	at := (*a).base().pos
	t := (*a).base().typ.OID
	if isInteger(t) || isFloat(t) || isText(t) || t == 0 {
		return
	}
	zone := text(at, "UTC")
	if t == pgtype.Timestamptz {
		zone = r.session(at, TimeZone)
	}
	element := &emitCall{node: node{at, pgtype.Of(pgtype.JSON)}, name: "q_to_json", args: []expr{*a, integer(at, int64(t)), zone}}
	*a = &emitCall{node: element.node, name: "json", args: []expr{element}}
}

// aggregateResult makes PostgreSQL's result of what SQLite's aggregate gives:
// jsonb in its stored form, and sum and avg of numerics from all of them,
// because SQLite's add doubles and 0.1 + 0.2 is not 0.3 there.
func (r *resolver) aggregateResult(x *call) expr {
	switch {
	case x.name == "jsonb_agg" || x.name == "jsonb_object_agg":
		return &emitCall{node: x.node, name: "q_cast_jsonb", args: []expr{x, integer(x.pos, int64(pgtype.JSON))}}
	case (x.name == "sum" || x.name == "avg") && len(x.args) == 1 && x.args[0].base().typ.OID == pgtype.Numeric:
		x.emit = "json_group_array"
		return &emitCall{node: x.node, name: "q_numeric_" + x.name, args: []expr{x}}
	}
	return x
}

// orderable refuses min and max of what does not sort as PostgreSQL sorts it.
func (r *resolver) orderable(x *call) {
	switch x.typ.OID {
	case pgtype.JSON, pgtype.JSONB, pgtype.Interval, pgtype.Bool:
		r.fail(x.pos, errcode.UndefinedFunction, "function %s(%s) does not exist", x.name, formatType(x.typ))
	}
}

// aggregateClauses resolves DISTINCT, ORDER BY, FILTER and OVER.
func (r *resolver) aggregateClauses(x *call, f *pgfunc.Function, sc *scope) {
	if r.err != nil {
		return
	}
	if !f.Aggregate && (x.distinct || x.order != nil || x.filter != nil) {
		r.fail(x.pos, errcode.WrongObjectType, "DISTINCT, ORDER BY or FILTER specified, but %s is not an aggregate function", x.name)
		return
	}
	if f.Window && x.over == nil {
		r.fail(x.pos, errcode.WindowingError, "window function %s requires an OVER clause", x.name)
		return
	}
	if x.over != nil && !f.Aggregate && !f.Window {
		r.fail(x.pos, errcode.WrongObjectType, "OVER specified, but %s is not a window function nor an aggregate function", x.name)
		return
	}
	if x.over != nil && (x.distinct || x.order != nil) {
		r.unsupported(x.pos, "DISTINCT or ORDER BY inside a window function")
		return
	}
	if x.distinct && len(x.args) > 1 {
		r.distinctArguments(x)
	}
	for i := range x.order {
		x.order[i].x = r.expr(x.order[i].x, sc)
		x.order[i].keepNulls = keepNulls(x.order[i])
		r.sortable(x.order[i].x)
		x.order[i].x = sortKey(x.order[i].x)
	}
	if x.filter != nil {
		x.filter = r.boolean(r.expr(x.filter, sc), "FILTER")
	}
	if x.over != nil {
		r.over(x, sc)
	}
}

// distinctArguments: SQLite's DISTINCT aggregates take one argument, and
// string_agg's separator is a comma then.
func (r *resolver) distinctArguments(x *call) {
	if c, ok := x.args[1].(*constant); ok && x.name == "string_agg" && c.val.Text() == "," {
		x.args, x.emit = x.args[:1], "group_concat"
		return
	}
	r.unsupported(x.pos, "DISTINCT in %s with several arguments", x.name).
		WithHint("Select the distinct values in a subquery.")
}

func (r *resolver) over(x *call, sc *scope) {
	if sc == nil || sc.core == nil || sc.clause != "" {
		where := "this context"
		if sc != nil && sc.clause != "" {
			where = sc.clause
		}
		r.fail(x.pos, errcode.WindowingError, "window functions are not allowed in %s", where)
		return
	}
	if x.over.nameOnly || x.over.ref != "" {
		if sc.core.windows[x.over.ref] == nil {
			r.fail(x.over.pos, errcode.UndefinedObject, "window \"%s\" does not exist", x.over.ref)
			return
		}
	}
	if !x.over.nameOnly {
		r.window(x.over, sc)
	}
}

// window resolves a window's definition.
func (r *resolver) window(w *window, sc *scope) {
	for i, e := range w.partition {
		w.partition[i] = r.expr(e, sc)
	}
	for i := range w.order {
		w.order[i].x = r.expr(w.order[i].x, sc)
		w.order[i].keepNulls = keepNulls(w.order[i])
		r.sortable(w.order[i].x)
		w.order[i].x = sortKey(w.order[i].x)
	}
	if w.frame == nil || r.err != nil {
		return
	}
	for _, b := range []*frameBound{&w.frame.start, &w.frame.end} {
		if b.offset == nil {
			continue
		}
		b.offset = r.expr(b.offset, sc)
		if t := b.offset.base().typ.OID; t != pgtype.Unknown && numberRank(t) == 0 {
			r.unsupported(b.offset.base().pos, "a frame offset of type %s", operandName(b.offset.base().typ))
			return
		}
		b.offset = r.coerce(b.offset, pgtype.Of(pgtype.Int8), implicit)
	}
}

// sortable refuses to sort by what has no order, or another than here.
func (r *resolver) sortable(e expr) {
	if r.err != nil {
		return
	}
	switch t := e.base().typ; t.OID {
	case pgtype.JSON:
		r.fail(e.base().pos, errcode.UndefinedFunction, "could not identify an ordering operator for type %s", formatType(t)).
			WithHint("Use an explicit ordering operator or modify the query.")
	case pgtype.JSONB:
		r.unsupported(e.base().pos, "sorting by a value of type %s", formatType(t))
	}
}
