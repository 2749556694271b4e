package sqlplan

import (
	"quorate/internal/value"
	"quorate/sqlplan/pgtype"
)

// node is what every expression has: where it stands in the text and, once
// resolved, its type. The type's OID is pgtype.Unknown for literals and
// parameters whose type is not decided, and 0 for values whose type nobody
// knows (columns declared without one).
type node struct {
	pos int
	typ pgtype.Type
}

func (n *node) base() *node { return n }

// expr is an expression. The parser makes the nodes of the first group; the
// resolver replaces some by nodes of the second, which say what SQLite runs.
type expr interface{ base() *node }

type (
	// constant is a literal. A string that has no type yet is Unknown.
	constant struct {
		node
		val value.Value
	}
	param struct {
		node
		n int // from 1
	}
	// columnRef is c or t.c; the resolver fills from and col.
	columnRef struct {
		node
		table, column string
		from          *rangeItem
		col           *rangeColumn
	}
	// star is * or t.* in a select list.
	star struct {
		node
		table string
	}
	unary struct {
		node
		op string // - + ~ NOT
		x  expr
	}
	binary struct {
		node
		op   string
		l, r expr
	}
	// logical is a chain of one of AND, OR.
	logical struct {
		node
		op   string
		args []expr
	}
	// isTest is x IS [NOT] NULL | TRUE | FALSE | UNKNOWN.
	isTest struct {
		node
		x    expr
		not  bool
		what string
	}
	between struct {
		node
		x, lo, hi expr
		not       bool
	}
	// in is x [NOT] IN (list) or (query), or x = ANY (array), x <> ALL (array).
	in struct {
		node
		x     expr
		list  []expr
		sub   *query
		array expr // resolved: a parameter; what else it can be is a list then
		not   bool
	}
	// arrayList is ARRAY[x, …].
	arrayList struct {
		node
		items []expr
	}
	// like is x [NOT] LIKE or ILIKE pattern [ESCAPE escape].
	like struct {
		node
		x, pattern, escape expr
		not, fold          bool
	}
	caseExpr struct {
		node
		operand expr // or nil
		whens   []when
		other   expr // or nil
	}
	cast struct {
		node
		x       expr
		to      pgtype.Type
		literal bool // t 'x' rather than CAST or ::
	}
	// call is a function call; special syntax (EXTRACT, COALESCE …) is one too.
	call struct {
		node
		name     string
		args     []expr
		star     bool // count(*)
		distinct bool
		order    []orderItem
		filter   expr
		over     *window
		keyword  bool // written as syntax of its own; name is how the result is named
		emit     string
		agg      bool
	}
	exists struct {
		node
		sub *query
	}
	// subquery is a query used as a value. When single is not set, that it gives
	// no more than one row has to be checked as it runs.
	subquery struct {
		node
		sub    *query
		single bool
	}
	row struct {
		node
		items []expr
	}
	collate struct {
		node
		x expr
	}
	// defaultValue is DEFAULT in VALUES and SET.
	defaultValue struct{ node }
	// raise is RAISE(…) in a trigger's body.
	raise struct {
		node
		action  string
		message expr
	}
)

type when struct{ cond, then expr }

// What the resolver makes.
type (
	// emitCall is a call of a SQLite function.
	emitCall struct {
		node
		name string
		args []expr
	}
	// storageCast is SQLite's CAST: it changes the storage class only.
	storageCast struct {
		node
		x     expr
		class string
	}
	sessionRef struct {
		node
		which SessionValue
	}
	// zonedDefault is a column's default with the session's time zone between
	// its parts.
	zonedDefault struct {
		node
		parts []string
		zone  expr
	}
	// rawSQL is an expression that is SQLite's already: a column's default.
	rawSQL struct {
		node
		sql string
	}
)

type orderItem struct {
	x         expr
	desc      bool
	nulls     string // FIRST, LAST or ""
	ordinal   int    // resolved: the result column, from 1; 0: x
	keepNulls bool   // resolved: SQLite's place for NULLs is right
}

// window is what follows OVER, or an entry of WINDOW.
type window struct {
	pos       int
	ref       string // OVER name, or the window that (…) begins with
	nameOnly  bool   // OVER name without parentheses
	partition []expr
	order     []orderItem
	frame     *frame
}

type frame struct {
	unit       string // ROWS, RANGE, GROUPS
	start, end frameBound
	exclude    string
}

type frameBound struct {
	kind   string // UNBOUNDED PRECEDING, PRECEDING, CURRENT ROW, FOLLOWING, UNBOUNDED FOLLOWING
	offset expr
}

type namedWindow struct {
	name string
	def  *window
}

// query is a SELECT, VALUES or TABLE with what goes around it.
type query struct {
	pos           int
	with          *with
	core          *selectCore // exactly one of core, set, values
	set           *setOperation
	values        *values
	order         []orderItem
	limit, offset expr
	locking       bool

	cols []outColumn // resolved
}

type selectCore struct {
	pos      int
	distinct bool
	on       []expr // DISTINCT ON (…)
	items    []selectItem
	from     []fromItem
	where    expr
	group    []expr
	having   expr
	windows  []namedWindow

	aggregated bool // resolved: there are aggregates
}

type setOperation struct {
	pos         int
	op          string // UNION, INTERSECT, EXCEPT
	all         bool
	left, right *query
}

type values struct{ rows [][]expr }

type selectItem struct {
	x     expr
	alias string
}

// outColumn is a column of a query's result.
type outColumn struct {
	name    string // PostgreSQL's
	emit    string // what SQLite knows it by, unique in the query
	typ     pgtype.Type
	notNull bool
	// The table column that it is, for RowDescription.
	relation  uint32
	attribute int16
}

type with struct {
	recursive bool
	ctes      []*cte
}

type cte struct {
	pos          int
	name         string
	columns      []string
	materialized string // "", MATERIALIZED, NOT MATERIALIZED
	query        *query
	cols         []rangeColumn // resolved
}

// fromItem is an item of FROM.
type fromItem interface{ fromItem() }

type (
	tableRef struct {
		pos     int
		schema  string
		name    string
		alias   string
		columns []string // of t AS a (x, y)
		item    *rangeItem
		cte     *cte
	}
	subqueryRef struct {
		pos     int
		sub     *query
		alias   string
		columns []string
		item    *rangeItem
	}
	functionRef struct {
		pos     int
		call    *call
		alias   string
		columns []string
	}
	// arrayRef, made by the resolver, is json_each over arrays: a row for each
	// element, or a row of their n-th elements.
	arrayRef struct{ arrays []expr }
	join     struct {
		pos         int
		kind        string // INNER, LEFT, RIGHT, FULL, CROSS
		natural     bool
		left, right fromItem
		on          expr
		using       []string
	}
)

func (*tableRef) fromItem()    {}
func (*subqueryRef) fromItem() {}
func (*functionRef) fromItem() {}
func (*arrayRef) fromItem()    {}
func (*join) fromItem()        {}

// The statements.
type statement interface{ statement() }

type (
	selectStatement struct{ query *query }

	insertStatement struct {
		with      *with
		target    *tableRef
		columns   []nameAt
		source    *query // nil: DEFAULT VALUES
		conflict  *onConflict
		returning []selectItem
	}
	updateStatement struct {
		with      *with
		target    *tableRef
		sets      []assignment
		from      []fromItem
		where     expr
		returning []selectItem
	}
	deleteStatement struct {
		with      *with
		target    *tableRef
		using     []fromItem
		where     expr
		returning []selectItem
	}
)

type nameAt struct {
	pos  int
	name string
}

type onConflict struct {
	pos    int
	target []indexColumn
	where  expr // of the target
	update []assignment
	filter expr // WHERE of DO UPDATE
	doing  string
}

type indexColumn struct {
	x    expr
	desc bool
}

// assignment is c = x, or (a, b) = (SELECT …) when there are several columns.
type assignment struct {
	columns []nameAt
	x       expr
	sub     *query
}

func (*selectStatement) statement() {}
func (*insertStatement) statement() {}
func (*updateStatement) statement() {}
func (*deleteStatement) statement() {}
