package sqlfsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlplan/pgfunc"
)

// connection is an SQLite connection with its statements and with what its
// functions see. It is the pgfunc.Context of the functions that run on it.
type connection struct {
	db    *sqlite.Conn
	cache *cache
	guard guard
	views *views // of the schema that the connection sees; nil: to be read
	// fullText are the full text indexes of that schema, by folded name.
	fullText map[string]bool
	micros   int64   // the clock, µs since the Unix epoch
	counter  *budget // of the writer, which counts what functions work on; nil on readers
	// random is the stream of a command; on readers, which nobody compares, it
	// starts from a number of the runtime's.
	random      *rand.ChaCha8
	expressions pgfunc.Expressions
	stopped     func() bool // of a reader: its query is to end; nil: it has no such
}

// NowMicros implements pgfunc.Context.
func (c *connection) NowMicros() int64 { return c.micros }

// Uint64 implements pgfunc.Context.
func (c *connection) Uint64() uint64 { return c.random.Uint64() }

// Limited implements pgfunc.Context: a statement of a command is.
func (c *connection) Limited() bool {
	return c.counter != nil && (c.counter.running != nil || c.db.Compiling())
}

// Spend implements pgfunc.Context.
func (c *connection) Spend(steps int) error {
	switch {
	case c.Limited() && c.db.Compiling():
		return c.counter.spendCompiling(steps)
	case c.Limited():
		return c.counter.spend(steps)
	case c.stopped != nil && steps >= cancelSteps && c.stopped():
		return errInterrupted // Snapshot.explain knows why
	}
	return nil
}

var errInterrupted = errcode.Newf(errcode.QueryCanceled, "canceling statement due to user request")

// Expressions implements pgfunc.Context.
func (c *connection) Expressions() *pgfunc.Expressions { return &c.expressions }

func (c *connection) setClock(micros int64) {
	c.micros = micros
	c.db.SetClockMicros(micros)
}

// settings are the same on every connection of every node: what a statement
// does depends on them.
const settings = `
PRAGMA synchronous=NORMAL;
PRAGMA foreign_keys=ON;
PRAGMA recursive_triggers=ON;
PRAGMA cell_size_check=ON;
PRAGMA temp_store=FILE;
PRAGMA wal_autocheckpoint=0;
PRAGMA journal_size_limit=67108864;
PRAGMA busy_timeout=10000;
`

// limits are part of what commands mean and must be equal on all nodes: a
// statement that is over one fails with the same error everywhere.
var limits = []struct {
	id sqlite.LimitID
	n  int
}{
	{sqlite.LimitLength, 64 << 20}, // a value or row: 64 MiB
	{sqlite.LimitSQLLength, 16 << 20},
	{sqlite.LimitColumns, 1600}, // as PostgreSQL, appendix K
	{sqlite.LimitExprDepth, 1000},
	{sqlite.LimitCompoundSelect, 500},
	{sqlite.LimitVDBEOps, 250_000_000},
	{sqlite.LimitFunctionArgs, 127},
	{sqlite.LimitLikePatternLength, 50_000},
	{sqlite.LimitVariables, 32766},
	{sqlite.LimitTriggerDepth, 100},
	{sqlite.LimitAttached, 0},
	{sqlite.LimitWorkerThreads, 0},
}

// openConnection opens a connection with a page cache of cacheBytes and room
// for so many prepared statements.
func openConnection(path string, mode sqlite.Mode, cacheBytes, statements int) (*connection, error) {
	db, err := sqlite.Open(path, mode)
	if err != nil {
		return nil, err
	}
	c := &connection{db: db, cache: newCache(statements), random: rand.NewChaCha8([32]byte{})}
	if err := c.configure(cacheBytes); err != nil {
		db.Close()
		return nil, fmt.Errorf("sqlfsm: open %s: %w", path, err)
	}
	return c, nil
}

func (c *connection) configure(cacheBytes int) error {
	if err := c.db.Exec(settings + fmt.Sprintf("PRAGMA cache_size=%d;", -max(cacheBytes>>10, 64))); err != nil {
		return err
	}
	for _, o := range []struct {
		option sqlite.Option
		on     bool
	}{
		{sqlite.QPSG, true},
		{sqlite.Defensive, true},
		{sqlite.DQSInDML, false},
		{sqlite.DQSInDDL, false},
		{sqlite.TrustedSchema, false},
		{sqlite.LoadExtension, false},
		{sqlite.AttachCreate, false},
		{sqlite.AttachWrite, false},
		// The writer does it, when it is the last: see closeConnections.
		{sqlite.NoCheckpointOnClose, true},
	} {
		if err := c.db.Configure(o.option, o.on); err != nil {
			return err
		}
	}
	for _, l := range limits {
		c.db.SetLimit(l.id, l.n)
	}
	c.db.SetAuthorizer(c.guard.decide)
	return c.register()
}

// register makes our functions known, in place of SQLite's own of the same
// names.
func (c *connection) register() error {
	for _, f := range pgfunc.Implementations() {
		err := c.db.CreateFunction(sqlite.Function{Name: f.Name, Args: f.Args, Deterministic: f.Deterministic,
			Scalar: func(args []value.Value) (value.Value, error) { return c.call(&f, args) }})
		if err != nil {
			return err
		}
	}
	return nil
}

// call calls a function. One that panics fails its statement only: functions
// are pure, so nothing is left half done; whereas in a command the panic would
// come again on every node at every start.
func (c *connection) call(f *pgfunc.Implementation, args []value.Value) (v value.Value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errFunctionFailed(f.Name, r)
		}
	}()
	v, err = f.Impl(c, args)
	if c.counter != nil && !c.db.Nested() && !c.db.Compiling() {
		c.counter.call(args, v)
	}
	if err != nil {
		err = withoutNUL(err)
	}
	return v, err
}

func errFunctionFailed(name string, why any) error {
	return errcode.Newf(errcode.InternalError, "the function %s failed: %v", name, why)
}

// withoutNUL replaces the NULs in the message of a function's error, which may
// quote a value: SQLite and clients read messages up to the first.
func withoutNUL(err error) error {
	var e *errcode.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "\x00") {
		return err
	}
	shown := *e
	shown.Message = strings.ReplaceAll(e.Message, "\x00", `\0`)
	return &shown
}

// refusedFunctions answer from what a connection, a file or a program version
// happens to be. A default or a trigger can reach them without the authorizer
// being asked, so on the writer they are replaced.
var refusedFunctions = []struct {
	name string
	args int
}{
	{"total_changes", 0},
	{"sqlite_version", 0}, {"sqlite_source_id", 0},
	{"sqlite_compileoption_get", 1}, {"sqlite_compileoption_used", 1},
	{"sqlite_offset", 1}, {"sqlite_log", 2},
	{"load_extension", 1}, {"load_extension", 2}, {"fts5_source_id", 0},
	// Of modules that a database cannot use.
	{"rtreecheck", -1}, {"rtreedepth", 1}, {"rtreenode", 2},
	{"geopoly_area", 1}, {"geopoly_bbox", 1}, {"geopoly_blob", 1}, {"geopoly_ccw", 1}, {"geopoly_contains_point", 3},
	{"geopoly_debug", 1}, {"geopoly_group_bbox", 1}, {"geopoly_json", 1}, {"geopoly_overlap", 2}, {"geopoly_regular", 4},
	{"geopoly_svg", -1}, {"geopoly_within", 2}, {"geopoly_xform", 7},
}

// refuseFunctions replaces functions that may not be used in writes.
func (c *connection) refuseFunctions() error {
	for _, f := range refusedFunctions {
		refusal := notSupported("the function " + f.name + " cannot be used in a write")
		err := c.db.CreateFunction(sqlite.Function{Name: f.name, Args: f.args,
			Scalar: func([]value.Value) (value.Value, error) { return value.Value{}, refusal }})
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare compiles a statement that is not in the cache, and puts it there. The
// caller gives it back with cache.release.
func (c *connection) prepare(text string, cl class) (*prepared, error) {
	if err := c.readViews(); err != nil {
		return nil, err
	}
	if refused := c.views.checkStatement(text); refused != nil {
		return nil, refused
	}
	c.guard.start(cl)
	c.guard.indexes = c.fullText
	if cl != reading {
		first, refused := checkWords(text, cl)
		if refused != nil {
			return nil, refused
		}
		c.guard.create = strings.EqualFold(first, "CREATE")
	}
	// So that DELETE without WHERE need not look at each row: see effects.
	c.db.HoldPreupdateHook()
	s, tail, err := c.db.Prepare(text, cl != defining)
	c.db.ResumePreupdateHook()
	if err != nil {
		if c.guard.refused != nil {
			return nil, c.guard.refused
		}
		return nil, err
	}
	if s == nil {
		return nil, errEmpty()
	}
	if w := (words{sql: tail}); w.next() != "" {
		s.Finalize()
		return nil, errcode.Newf(errcode.SyntaxError, "cannot insert multiple commands into a prepared statement")
	}
	p := &prepared{Stmt: s, text: text, class: cl, target: c.guard.target, verb: c.guard.verb, analyze: c.guard.analyzes,
		fullText: c.guard.fullText}
	if cl != defining {
		c.cache.put(p)
	}
	return p, nil
}

// query runs one of our own statements and hands its rows to each, which may
// be nil.
func (c *connection) query(sql string, each func(row []value.Value), args ...value.Value) error {
	before := c.guard.class
	c.guard.start(internal)
	defer func() { c.guard.class = before }()
	s, _, err := c.db.Prepare(sql, false)
	if err != nil {
		return err
	}
	defer s.Finalize()
	if err := s.Bind(args); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		if !more {
			return err
		}
		if each != nil {
			each(s.Row())
		}
	}
}

// queryText runs one of our own statements that answers with one value.
func (c *connection) queryText(sql string, args ...value.Value) (text string, err error) {
	err = c.query(sql, func(row []value.Value) {
		text = row[0].Text()
		if row[0].Kind() == value.Integer {
			text = fmt.Sprint(row[0].Int())
		}
	}, args...)
	return text, err
}

func (c *connection) close() error {
	c.cache.clear()
	return c.db.Close()
}

// quoteName quotes an identifier.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// seedReader gives a reader's random stream a start that no other has.
func (c *connection) seedReader() {
	var seed [32]byte
	for i := 0; i < len(seed); i += 8 {
		binary.LittleEndian.PutUint64(seed[i:], rand.Uint64())
	}
	c.random.Seed(seed)
}
