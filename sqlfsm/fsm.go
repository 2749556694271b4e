package sqlfsm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/internal/vfs"
	"quorate/sqlfsm/internal/limit"
	"quorate/sqlfsm/origins"
	"quorate/sqlplan"
	"quorate/sqlplan/pgfunc"
)

// Options are what Open may be told. They concern one node's resources, never
// what a command does.
type Options struct {
	// Readers is how many queries can run at once. Each costs a connection:
	// its part of the cache, and about 200 KiB for the schema and statements.
	// Default: twice the processors, at least 4.
	Readers int
	// CacheBytes is the page cache of the readers together; the writer has
	// writerCacheBytes. A page that is not cached is read from the operating
	// system's cache, for about 1 µs. Default: 16 MiB.
	CacheBytes int
	// CheckpointBytes is how large the WAL may grow before it is moved into the
	// database file. Larger: fewer pages written twice, a longer recovery of
	// the WAL after a crash (about 1 s a GiB). Default: 16 MiB.
	CheckpointBytes int
	// ReaderAgeBytes is how much may be written while one view of the database is
	// open: a query with error 57014, or all further ones of its snapshot, end then,
	// for the WAL keeps all of it until the last view from before is closed. A Pinned
	// ends with OutdatedError; images are not views. Larger: longer queries beside many writes, and as
	// much more disk. Default: 1 GiB.
	ReaderAgeBytes int
	// OnCheckpoint, when not nil, is told how long each checkpoint took.
	OnCheckpoint func(took time.Duration)
	// FS is what images are written, and databases are replaced, through. SQLite
	// reads and writes the database itself by the operating system's calls, so
	// that anything else than the default, vfs.OS, must be a cover over it.
	FS vfs.FS
	// Limits are for tests: see the package. Default, nil: the real ones.
	Limits *limit.Statement
}

func (o *Options) setDefaults() {
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 16 << 20
	}
	if o.CheckpointBytes <= 0 {
		o.CheckpointBytes = 16 << 20
	}
	if o.ReaderAgeBytes <= 0 {
		o.ReaderAgeBytes = 1 << 30
	}
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
}

const (
	writerStatements = 512 // cached by the writer
	// writerCacheBytes is the writer's page cache, the same on all nodes: in pieces
	// of this size SQLite sorts, and the budget counts what a sort has on disk.
	writerCacheBytes = 16 << 20
	readerStatements = 256 // cached by each reader
	pageBytes        = 4096

	// applicationID is "QUOR" in the file's header, formatVersion what the file's
	// tables of ours look like.
	applicationID = 0x51554f52
	formatVersion = 2
)

// ErrSchemaChanged says that the schema is not the one that a statement was
// planned with, and that nothing has happened.
var ErrSchemaChanged = errors.New("sqlfsm: the schema has changed since the statement was planned")

// ErrClosed is returned by an FSM that is closed.
var ErrClosed = errors.New("sqlfsm: closed")

// FSM is the state machine on one database file. Apply and Install are called
// by one goroutine; everything else but Close by any.
type FSM struct {
	path    string
	options Options

	// What Apply uses.
	writer  *connection
	own     ownStatements
	meta    meta            // as of the last committed batch, and the running one while it runs
	counter budget          // the instruction budget of the running statement
	names   constraintNames // names of constraints, looked up for error messages
	highest bool            // the running statement used the highest rowid
	vacuum  vacuum          // how far the VACUUM is that is being applied
	pending bool            // a full text index may hold what the entry wrote in memory
	decoder decoder
	effects effects
	onceState

	applied atomic.Pointer[position] // as of the last committed batch
	schema  atomic.Pointer[sqlplan.Schema]
	gate    schemaGate
	ring    effectsRing
	readers readers
	pins    pins
	pages   atomic.Int64 // of the database, when Size last asked
	// files is held while the database's files are looked up by their names,
	// and, for writing, while Install gives the names to other files.
	files sync.RWMutex
	checkpointer

	failure atomic.Pointer[error] // why the FSM applies no more; it serves no reads either
}

// position is a place in the log.
type position struct {
	index, term uint64
	effects     EffectsDigest
}

// meta is the row of _quorate_meta.
type meta struct {
	index, term   uint64
	clock         int64 // the time of the last command, µs since the Unix epoch
	schemaVersion uint64
	effects       EffectsDigest
}

// ownStatements are the writer's statements that never change.
type ownStatements struct {
	begin, commit, rollback            *sqlite.Stmt
	savepoint, release, rollbackTo     *sqlite.Stmt
	setMeta                            *sqlite.Stmt
	setType, dropRelation              *sqlite.Stmt
	renameRelation, dropColumn, rename *sqlite.Stmt
	setOrigin, dropOrigin              *sqlite.Stmt
}

// Open opens a database file, and creates it when it is missing.
func Open(path string, o Options) (*FSM, error) {
	o.setDefaults()
	f := &FSM{path: path, options: o, counter: budget{limit: statementSteps, bytes: statementBytes, held: statementHeldBytes}}
	if l := o.Limits; l != nil {
		f.counter = budget{limit: l.Steps, bytes: l.Bytes, held: l.HeldBytes}
	}
	f.gate.visible.Store(schemaChanging)
	if err := f.open(); err != nil {
		f.closeConnections()
		return nil, err
	}
	f.checkpointer.start(f)
	return f, nil
}

func (f *FSM) open() error {
	if err := finishInstall(f.options.FS, f.path); err != nil {
		return err
	}
	if err := rewriteWAL(f.options.FS, f.path); err != nil {
		return err
	}
	if err := f.openConnections(); err != nil {
		return err
	}
	// The names of a new database and of its WAL.
	if err := f.options.FS.SyncDir(filepath.Dir(f.path)); err != nil {
		return fmt.Errorf("sqlfsm: open: %w", err)
	}
	return nil
}

// openConnections opens the database that is now at the path, in place of the
// one that was there, and shows it.
func (f *FSM) openConnections() (err error) {
	f.writer, err = openConnection(f.path, sqlite.Create, writerCacheBytes, writerStatements)
	if err != nil {
		return err
	}
	f.writer.counter = &f.counter
	if l := f.options.Limits; l != nil {
		f.writer.db.SetLimit(sqlite.LimitLength, l.LengthBytes)
	}
	if err := f.initialize(); err != nil {
		return fmt.Errorf("sqlfsm: open %s: %w", f.path, err)
	}
	p, err := openPool(f.path, f.options, &f.readers.open, &f.horizon)
	if err != nil {
		return err
	}
	if err := f.checkpointer.open(f); err != nil {
		p.retire()
		return err
	}
	f.gate.shut()
	old := f.readers.replace(p)
	f.ring.reset(f.meta.index, f.meta.effects)
	f.applied.Store(&position{f.meta.index, f.meta.term, f.meta.effects}) // who sees it takes a reader of the new file
	err = f.publishSchema()
	f.gate.open()
	if old != nil {
		old.retire()
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: open %s: %w", f.path, err)
	}
	return nil
}

// initialize makes our tables in a new file and reads them in an old one, to
// which it writes nothing: a node starts on a full disk too.
func (f *FSM) initialize() error {
	w := f.writer
	if err := w.refuseFunctions(); err != nil {
		return err
	}
	if err := w.meterFunctions(); err != nil {
		return err
	}
	isNew, err := f.checkIdentity()
	if err != nil {
		return err
	}
	mode, err := w.queryText("PRAGMA journal_mode=WAL")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("the journal mode is %q and cannot be made WAL", mode)
	}
	if isNew {
		if err := w.script(fmt.Sprintf(createScript, applicationID, formatVersion)); err != nil {
			return err
		}
	}
	err = w.query(`SELECT applied_index, applied_term, clock, schema_version, digest FROM main._quorate_meta`, func(row []value.Value) {
		f.meta = meta{index: uint64(row[0].Int()), term: uint64(row[1].Int()), clock: row[2].Int(), schemaVersion: uint64(row[3].Int())}
		copy(f.meta.effects[:], row[4].Bytes())
	})
	if err != nil {
		return err
	}
	if err := f.loadOrigins(); err != nil {
		return err
	}
	if err := f.prepareOwn(); err != nil {
		return err
	}
	f.setHooks()
	return nil
}

// createScript makes our tables. The application id says that a file is ours
// even to the file command.
const createScript = `
BEGIN IMMEDIATE;
CREATE TABLE main._quorate_meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  applied_index INTEGER NOT NULL,
  applied_term INTEGER NOT NULL,
  clock INTEGER NOT NULL, -- microseconds since 1970-01-01 UTC
  schema_version INTEGER NOT NULL,
  digest BLOB NOT NULL CHECK (length(digest) = 16) -- of the effects of all entries
) STRICT;
INSERT INTO main._quorate_meta VALUES (1, 0, 0, 0, 0, zeroblob(16));
CREATE TABLE main._quorate_types (
  relation TEXT NOT NULL COLLATE NOCASE,
  "column" TEXT NOT NULL COLLATE NOCASE,
  type TEXT NOT NULL, -- pg_type.typname
  modifier INTEGER NOT NULL, -- pg_attribute.atttypmod
  PRIMARY KEY (relation, "column")
) STRICT, WITHOUT ROWID;
` + createOrigins + `
PRAGMA application_id=%d;
PRAGMA user_version=%d;
COMMIT;
`

// ownObjects is how many objects of the schema bear the reserved prefix.
const ownObjects = 3

// checkIdentity refuses a database that something else made, or a newer
// version of this program, and reports whether the file is a new one.
func (f *FSM) checkIdentity() (isNew bool, err error) {
	var id, version, objects int64
	err = f.writer.query(`SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`, func(row []value.Value) {
		id, version, objects = row[0].Int(), row[1].Int(), row[2].Int()
	})
	switch {
	case err != nil:
		return false, err
	case id == 0 && objects == 0:
		return true, nil
	case id != applicationID:
		return false, errors.New("this is not a database of Quorate's; name another file, or move this one away")
	case version != formatVersion:
		return false, fmt.Errorf("the file's format is %d and this program reads format %d: use the version that wrote it", version, formatVersion)
	}
	return false, nil
}

// script runs several of our own statements.
func (c *connection) script(sql string) error {
	c.guard.start(internal)
	return c.db.Exec(sql)
}

func (f *FSM) prepareOwn() error {
	f.writer.guard.start(internal)
	for _, s := range []struct {
		to  **sqlite.Stmt
		sql string
	}{
		{&f.own.begin, "BEGIN IMMEDIATE"},
		{&f.own.commit, "COMMIT"},
		{&f.own.rollback, "ROLLBACK"},
		{&f.own.savepoint, "SAVEPOINT entry"},
		{&f.own.release, "RELEASE entry"},
		{&f.own.rollbackTo, "ROLLBACK TO entry"},
		{&f.own.setMeta, "UPDATE main._quorate_meta SET applied_index=?1, applied_term=?2, clock=?3, schema_version=?4, digest=?5 WHERE id=1"},
		{&f.own.setType, "INSERT OR REPLACE INTO main._quorate_types VALUES (?1, ?2, ?3, ?4)"},
		{&f.own.dropRelation, "DELETE FROM main._quorate_types WHERE relation=?1"},
		{&f.own.renameRelation, "UPDATE OR REPLACE main._quorate_types SET relation=?2 WHERE relation=?1"},
		{&f.own.dropColumn, `DELETE FROM main._quorate_types WHERE relation=?1 AND "column"=?2`},
		{&f.own.rename, `UPDATE OR REPLACE main._quorate_types SET "column"=?3 WHERE relation=?1 AND "column"=?2`},
		{&f.own.setOrigin, "INSERT OR REPLACE INTO main._quorate_origins VALUES (?1, ?2, ?3, ?4, ?5)"},
		{&f.own.dropOrigin, "DELETE FROM main._quorate_origins WHERE origin=?1"},
	} {
		var err error
		if *s.to, _, err = f.writer.db.Prepare(s.sql, true); err != nil {
			return err
		}
	}
	return nil
}

func (o *ownStatements) finalize() {
	for _, s := range []*sqlite.Stmt{o.begin, o.commit, o.rollback, o.savepoint, o.release, o.rollbackTo, o.setMeta,
		o.setType, o.dropRelation, o.renameRelation, o.dropColumn, o.rename, o.setOrigin, o.dropOrigin} {
		if s != nil {
			s.Finalize()
		}
	}
}

// Applied returns the index and term of the last entry that was applied.
func (f *FSM) Applied() (index, term uint64) {
	p := f.applied.Load()
	return p.index, p.term
}

// Schema returns the schema as of the last Apply. It is never changed.
func (f *FSM) Schema() *sqlplan.Schema { return f.schema.Load() }

// Size returns the bytes of the database: its pages as of the last commit,
// wherever they are, in the file or still in the WAL, whose own length says how
// long ago the last checkpoint was and nothing of the data. Nodes with equal
// databases answer the same. While all readers are busy, and when the FSM is
// closed, the last answer holds.
func (f *FSM) Size() int64 {
	if r := f.readers.takeFree(); r != nil {
		// An error leaves the last answer; whoever applies or reads will tell it.
		r.query("PRAGMA page_count", func(row []value.Value) { f.pages.Store(row[0].Int()) })
		f.readers.put(r)
	}
	return f.pages.Load() * pageBytes
}

// ReadersActive returns how many snapshots are open. When it stays at
// Options.Readers, queries wait for each other.
func (f *FSM) ReadersActive() int { return int(f.readers.active.Load()) }

// fail records why the FSM cannot go on and returns it.
func (f *FSM) fail(err error) error {
	f.failure.CompareAndSwap(nil, &err)
	return err
}

// failed returns why the FSM cannot go on, nil when it can.
func (f *FSM) failed() error {
	if p := f.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// Close waits for the open snapshots to be closed and closes the file. An image
// that is being made is given up. Neither Apply nor Install may be running.
func (f *FSM) Close() error {
	f.files.Lock()
	f.fail(ErrClosed) // no image is begun from here on
	f.files.Unlock()
	f.checkpointer.stop()
	return f.closeConnections()
}

// closeConnections closes what is open. The writer comes last: it moves the
// rest of the WAL into the file, unless something has failed. Then it may be that
// the disk has not all of the WAL, and a checkpoint that loses power on its way
// would leave a file that nothing can complete.
func (f *FSM) closeConnections() error {
	f.readers.close()
	f.checkpointer.close()
	if f.writer == nil {
		return nil
	}
	var err error
	if f.failed() == ErrClosed {
		err = f.writer.db.Configure(sqlite.NoCheckpointOnClose, false)
	}
	if closeErr := f.closeWriter(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("sqlfsm: close %s: %w", f.path, err)
	}
	return nil
}

// closeWriter closes the writer and leaves the WAL as it is.
func (f *FSM) closeWriter() error {
	f.own.finalize()
	err := f.writer.close()
	f.writer, f.own = nil, ownStatements{}
	return err
}

// Engine names what decides how a statement runs: SQLite's version and build, and
// the C library that it was translated with; the functions that we register, and
// Go's version, from which they have Unicode's tables, time zones and regular
// expressions; the limits; and the processor, on which a few floating-point
// functions of SQLite's, as full text ranks, may differ in the last bit. Nodes with
// equal names run every command alike.
func Engine() string { return engine() }

var engine = sync.OnceValue(func() string {
	build := sha256.New()
	fmt.Fprintln(build, sqlite.SourceID())
	fmt.Fprintln(build, strings.Join(sqlite.CompileOptions(), "\n"))
	fmt.Fprintln(build, settings, limits, statementSteps, definitionFactor, fullTextWeight, statementBytes, statementHeldBytes, largeBytes, fullTextLargeBytes, stepBytes, freshBytes, rowSteps, indexSteps, rowStepBytes, sortSteps, stepsGrain, writerCacheBytes, expandedWords)
	fmt.Fprintln(build, origins.Window, origins.MaxOutcomeBytes, origins.MaxOrigins)
	var functions []string
	for _, f := range pgfunc.Implementations() {
		functions = append(functions, fmt.Sprintf("%s/%d/%t", f.Name, f.Args, f.Deterministic))
	}
	sort.Strings(functions)
	fmt.Fprintln(build, functions, functionCostsVersion)
	fmt.Fprintln(build, runtime.Version(), libraries())
	return fmt.Sprintf("sqlite-%s-%.6x-%s", sqlite.Version(), build.Sum(nil), runtime.GOARCH)
})

// libraries are the modules whose code decides results, with their versions.
func libraries() (list []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, m := range info.Deps {
		if strings.HasPrefix(m.Path, "modernc.org/") || strings.HasPrefix(m.Path, "golang.org/x/text") {
			list = append(list, m.Path+" "+m.Version)
		}
	}
	sort.Strings(list)
	return list
}
