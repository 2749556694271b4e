package sqlite

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// Mode says how a file is opened.
type Mode int

// The modes of Open.
const (
	Existing Mode = iota // read and write; the file must be there
	Create               // read and write; the file is made if it is missing
	// Immutable reads a file that nobody changes meanwhile, as it is: no lock is
	// taken, nothing is written, and a WAL or journal beside it is not looked at
	// (https://sqlite.org/c3ref/open.html, "immutable").
	Immutable
)

// escapeURI are the characters that mean something in a file's URI.
var escapeURI = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23")

// Conn is a connection: see the package comment for who may use it when.
type Conn struct {
	tls    *libc.TLS
	db     uintptr
	out    uintptr // 32 bytes of C memory for results through pointers
	handle uintptr // index in connections

	clock int64 // milliseconds since the Julian epoch; 0: the real clock
	// tempName is the C string that names the connection's temporary files:
	// each is unlinked as soon as it is open.
	tempName uintptr

	fullText uintptr // FTS5's Fts5Global, once asked for

	hooks     hooks
	watched   watched
	changing  Preupdate // during the preupdate hook
	functions []*function
	overrides map[uintptr]*override // by the address of what SQLite calls
	compiling bool                  // the last function called is one that the compiler asks
	failure   error                 // the last error that a Go function returned
}

// Open opens a database file.
func Open(path string, mode Mode) (*Conn, error) {
	initialize()
	flags := int32(lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_NOMUTEX | lib.SQLITE_OPEN_EXRESCODE)
	uri := path
	switch mode {
	case Create:
		flags |= lib.SQLITE_OPEN_CREATE
	case Immutable:
		flags = flags&^lib.SQLITE_OPEN_READWRITE | lib.SQLITE_OPEN_READONLY | lib.SQLITE_OPEN_URI
		uri = "file:" + escapeURI.Replace(path) + "?immutable=1"
	}
	tls := libc.NewTLS()
	c := &Conn{tls: tls, out: malloc(tls, 32)}
	name, vfs := cString(tls, uri), cString(tls, vfsName)
	defer free(tls, name)
	defer free(tls, vfs)
	rc := lib.Xsqlite3_open_v2(tls, name, c.out, flags, vfs)
	c.db = *(*uintptr)(unsafe.Pointer(c.out))
	if rc != lib.SQLITE_OK {
		err := &Error{Code: Code(rc), Message: Code(rc).String(), Offset: -1}
		lib.Xsqlite3_close_v2(tls, c.db)
		free(tls, c.out)
		tls.Close()
		return nil, fmt.Errorf("sqlite: open %s: %w", path, err)
	}
	c.handle = connections.add(c)
	temp := fmt.Sprintf("%s-temp-%d", path, c.handle)
	os.Remove(temp) // what a crash between the opening and the unlinking has left
	c.tempName = cString(tls, temp)
	threads.set(tls, c)
	return c, nil
}

// Close closes the connection. All its statements must have been finalized.
// The last connection to a file checkpoints and removes its WAL.
func (c *Conn) Close() error {
	rc := lib.Xsqlite3_close(c.tls, c.db)
	if rc != lib.SQLITE_OK {
		return c.errorFor(rc)
	}
	threads.set(c.tls, nil)
	connections.remove(c.handle)
	free(c.tls, c.tempName)
	free(c.tls, c.out)
	c.tls.Close()
	c.db = 0
	return nil
}

// SetClock fixes what the connection's SQL takes for the present: the date
// functions and CURRENT_TIMESTAMP see t to the millisecond. The zero Time
// gives the machine's clock back.
func (c *Conn) SetClock(t time.Time) {
	if t.IsZero() {
		c.clock = 0
		return
	}
	c.SetClockMicros(t.UnixMicro())
}

// SetClockMicros is SetClock for a time in microseconds since the Unix epoch.
func (c *Conn) SetClockMicros(micros int64) {
	millis := micros / 1000
	if micros%1000 < 0 {
		millis--
	}
	c.clock = millis + julianEpochMillis
}

// Exec runs all statements of a script and discards their rows.
func (c *Conn) Exec(script string) error {
	for script != "" {
		s, tail, err := c.Prepare(script, false)
		if err != nil {
			return err
		}
		script = tail
		if s == nil {
			continue
		}
		err = s.Run()
		s.Finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

// Changes is the number of rows that the last INSERT, UPDATE or DELETE
// changed. DDL leaves the number of the statement before it.
func (c *Conn) Changes() int64 { return lib.Xsqlite3_changes64(c.tls, c.db) }

// LastInsertRowID is what the SQL function last_insert_rowid() answers.
func (c *Conn) LastInsertRowID() int64 { return lib.Xsqlite3_last_insert_rowid(c.tls, c.db) }

// SetLastInsertRowID sets what last_insert_rowid() answers.
func (c *Conn) SetLastInsertRowID(id int64) { lib.Xsqlite3_set_last_insert_rowid(c.tls, c.db, id) }

// Autocommit reports whether no transaction is open.
func (c *Conn) Autocommit() bool { return lib.Xsqlite3_get_autocommit(c.tls, c.db) != 0 }

// Interrupt makes the running statement end soon with Interrupt. It may be
// called from any goroutine while the connection is open; a statement that
// starts while another one is still being interrupted ends too.
func (c *Conn) Interrupt() {
	tls := libc.NewTLS()
	defer tls.Close()
	lib.Xsqlite3_interrupt(tls, c.db)
}

// DeferredForeignKeys reports whether a commit now would fail because a
// deferred foreign key is violated (SQLITE_DBSTATUS_DEFERRED_FKS).
func (c *Conn) DeferredForeignKeys() bool {
	lib.Xsqlite3_db_status(c.tls, c.db, lib.SQLITE_DBSTATUS_DEFERRED_FKS, c.out, c.out+8, 0)
	return *(*int32)(unsafe.Pointer(c.out)) != 0
}

// Checkpoint moves what it can of the WAL into the database file without
// waiting for anyone (SQLITE_CHECKPOINT_PASSIVE). It returns the frames in the
// WAL and how many of them are in the file now, both -1 when there is no WAL.
func (c *Conn) Checkpoint() (frames, moved int, err error) {
	rc := lib.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, lib.SQLITE_CHECKPOINT_PASSIVE, c.out, c.out+8)
	frames, moved = int(*(*int32)(unsafe.Pointer(c.out))), int(*(*int32)(unsafe.Pointer(c.out + 8)))
	if rc != lib.SQLITE_OK {
		return frames, moved, c.errorFor(rc)
	}
	return frames, moved, nil
}

// Autoincrement reports whether a table's column was declared INTEGER PRIMARY
// KEY AUTOINCREMENT.
func (c *Conn) Autoincrement(table, column string) bool {
	t, n := cString(c.tls, table), cString(c.tls, column)
	defer free(c.tls, t)
	defer free(c.tls, n)
	rc := lib.Xsqlite3_table_column_metadata(c.tls, c.db, 0, t, n, 0, 0, 0, 0, c.out)
	return rc == lib.SQLITE_OK && *(*int32)(unsafe.Pointer(c.out)) != 0
}

// errorFor makes an Error of a result code and the connection's message. An
// error that one of our functions returned comes out as it is.
func (c *Conn) errorFor(rc int32) error {
	message := goString(lib.Xsqlite3_errmsg(c.tls, c.db))
	if failure := c.failure; failure != nil {
		c.failure = nil
		if Code(rc).Primary() == ErrError && message == failure.Error() {
			return failure
		}
	}
	return &Error{Code: Code(rc), Message: message, Offset: int(lib.Xsqlite3_error_offset(c.tls, c.db))}
}

// connectionTable turns the handles that travel through C back into
// connections. Lookups never wait; Open and Close copy the slice.
type connectionTable struct {
	mu    sync.Mutex // guards changes of slots
	slots atomic.Pointer[[]*Conn]
}

var connections connectionTable

func (t *connectionTable) lookup(handle uintptr) *Conn { return (*t.slots.Load())[handle] }

func (t *connectionTable) add(c *Conn) uintptr {
	t.mu.Lock()
	defer t.mu.Unlock()
	var next []*Conn
	if old := t.slots.Load(); old != nil {
		next = append(next, *old...)
	}
	for i, slot := range next {
		if slot == nil {
			next[i] = c
			t.slots.Store(&next)
			return uintptr(i)
		}
	}
	next = append(next, c)
	t.slots.Store(&next)
	return uintptr(len(next) - 1)
}

func (t *connectionTable) remove(handle uintptr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := append([]*Conn(nil), *t.slots.Load()...)
	next[handle] = nil
	t.slots.Store(&next)
}

// Version is SQLite's version, "3.54.1".
func Version() string {
	tls := libc.NewTLS()
	defer tls.Close()
	return goString(lib.Xsqlite3_libversion(tls))
}

// SourceID is the check-in that SQLite was built from.
func SourceID() string {
	tls := libc.NewTLS()
	defer tls.Close()
	return goString(lib.Xsqlite3_sourceid(tls))
}

// CompileOptions are the options that SQLite was built with.
func CompileOptions() []string {
	tls := libc.NewTLS()
	defer tls.Close()
	var options []string
	for i := int32(0); ; i++ {
		p := lib.Xsqlite3_compileoption_get(tls, i)
		if p == 0 {
			return options
		}
		options = append(options, goString(p))
	}
}
