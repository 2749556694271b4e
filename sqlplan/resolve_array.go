package sqlplan

import (
	"strconv"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// inArray resolves the array of = ANY and <> ALL. A constructor or a literal
// becomes the list of IN, and the caller goes on with it (true). A parameter,
// whose stored form is a JSON array, becomes IN (SELECT value FROM json_each(?)).
func (r *resolver) inArray(x *in) (list bool) {
	if r.err != nil {
		return false
	}
	if _, isRow := x.x.(*row); isRow {
		r.unsupported(x.pos, "a row in = ANY (array)")
		return false
	}
	items, p, element := r.arrayOperand(x.array)
	if r.err != nil {
		return false
	}
	if p == nil {
		x.list, x.array = items, nil
		return true
	}
	x.array = p
	if element == 0 {
		if element = x.x.base().typ.OID; element == 0 || isText(element) && element != pgtype.BPChar || element == pgtype.Unknown {
			element = pgtype.Text
		}
		if !r.arrayParam(p, element) {
			return false
		}
	}
	pair := []expr{x.x, &columnRef{node: node{p.pos, pgtype.Of(element)}}}
	common := r.comparable(pair, x.pos, "=")
	if common.OID == pgtype.Interval {
		r.unsupported(x.pos, "= ANY (array) of %s", formatType(common))
	}
	if r.err != nil {
		return false
	}
	numbers := numberRank(common.OID) > 0 && numberRank(element) > 0
	if common.OID != element && common.OID != 0 && !numbers && !(isText(common.OID) && isText(element)) {
		r.unsupported(x.pos, "comparing %s with elements of %s", formatType(x.x.base().typ), formatType(p.typ)).
			WithHint("Cast one of them.")
	}
	x.x = pair[0]
	return false
}

// arrayOperand takes an array apart: the elements of a constructor or of a
// literal, or the parameter that it is and the type of its elements, 0 when
// that is not known yet.
func (r *resolver) arrayOperand(e expr) (items []expr, p *param, element uint32) {
	if c, ok := e.(*cast); ok {
		element = pgtype.ElementOf(c.to.OID)
		if element == 0 {
			r.notArray(c.pos)
			return nil, nil, 0
		}
		e = c.x
	}
	switch a := e.(type) {
	case *arrayList:
		items = a.items
	case *constant:
		items = r.arrayLiteral(a)
	case *param:
		r.declare(a)
		if a.typ.OID == pgtype.Unknown {
			if element != 0 {
				r.arrayParam(a, element)
			}
			return nil, a, element
		}
		declared := pgtype.ElementOf(a.typ.OID)
		switch {
		case declared == 0:
			r.notArray(a.pos)
		case element != 0 && declared != element:
			r.unsupported(a.pos, "a cast of an array to another type")
		}
		return nil, a, declared
	default:
		r.unsupported(e.base().pos, "this expression as an array").WithHint("Use a parameter, ARRAY[…] or a query.")
		return nil, nil, 0
	}
	if element != 0 {
		for i, item := range items {
			items[i] = &cast{node: node{pos: item.base().pos}, x: item, to: pgtype.Of(element)}
		}
	}
	return items, nil, element
}

func (r *resolver) notArray(pos int) {
	r.fail(pos, errcode.WrongObjectType, "op ANY/ALL (array) requires array on right side")
}

// arrayParam gives a parameter the type of arrays of a type.
func (r *resolver) arrayParam(p *param, element uint32) bool {
	array := pgtype.ArrayOf(element)
	if array == 0 {
		r.unsupported(p.pos, "an array of %s", formatType(pgtype.Of(element)))
		return false
	}
	r.typeParam(p, array)
	return true
}

// arrayLiteral reads '{a,b}' as literals that are not decided yet. A NULL
// array is one whose element is not known.
func (r *resolver) arrayLiteral(c *constant) []expr {
	literal := func(b []byte) expr {
		x := &constant{node: node{c.pos, pgtype.Of(pgtype.Unknown)}}
		if b != nil {
			x.val = value.String(string(b))
		}
		return x
	}
	if c.val.IsNull() {
		return []expr{literal(nil)}
	}
	if c.typ.OID != pgtype.Unknown {
		r.notArray(c.pos)
		return nil
	}
	parts, err := pgtype.SplitArray(c.val.Bytes())
	if err != nil {
		r.failWith(c.pos, asError(err))
		return nil
	}
	items := make([]expr, len(parts))
	for i, b := range parts {
		items[i] = literal(b)
	}
	return items
}

// unnest makes unnest(array, …) in FROM a query: constructors become VALUES,
// parameters are taken apart by json_each. Shorter arrays are filled up with
// NULLs.
func (r *resolver) unnest(x *functionRef, alias string, sc *scope) fromItem {
	var lists [][]expr
	var params []expr
	q := &query{pos: x.pos, core: &selectCore{pos: x.pos}}
	for i, a := range x.call.args {
		items, p, element := r.arrayOperand(a)
		if r.err != nil {
			return x
		}
		if p == nil {
			lists = append(lists, items)
			continue
		}
		if element == 0 {
			r.fail(x.call.pos, errcode.AmbiguousFunction, "function unnest(unknown) is not unique").
				WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
			return x
		}
		params = append(params, p)
		sql := "value"
		if len(x.call.args) > 1 {
			sql = "json_extract(value, '$[" + strconv.Itoa(i) + "]')"
		}
		q.core.items = append(q.core.items, selectItem{x: &rawSQL{node: node{p.pos, pgtype.Of(element)}, sql: sql}})
	}
	switch {
	case len(x.call.args) == 0:
		r.fail(x.call.pos, errcode.UndefinedFunction, "function unnest() does not exist")
		return x
	case len(params) == 0:
		q.core, q.values = nil, &values{rows: zip(x.pos, lists)}
		if len(q.values.rows) == 0 {
			r.unsupported(x.call.pos, "unnest of an empty array")
			return x
		}
	case len(lists) == 0:
		q.core.from = []fromItem{&arrayRef{params}}
	default:
		r.unsupported(x.call.pos, "unnest of parameters and other arrays together")
		return x
	}
	names := append([]string(nil), x.columns...)
	for len(names) < len(x.call.args) {
		name := "unnest"
		if len(x.call.args) == 1 {
			name = alias
		}
		names = append(names, name)
	}
	return r.fromItem(&subqueryRef{pos: x.pos, sub: q, alias: alias, columns: names}, sc)
}

// zip makes rows of lists.
func zip(pos int, lists [][]expr) [][]expr {
	var rows [][]expr
	for i, list := range lists {
		for len(rows) < len(list) {
			row := make([]expr, len(lists))
			for k := range row {
				row[k] = &constant{node: node{pos, pgtype.Of(pgtype.Unknown)}}
			}
			rows = append(rows, row)
		}
		for k, e := range list {
			rows[k][i] = e
		}
	}
	return rows
}
