package sqlite

import (
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// hooks are a connection's callbacks; each is nil when it is not set.
type hooks struct {
	authorize func(Access) Verdict
	progress  func() bool
	wal       func(frames int)
	preupdate func(*Preupdate)
}

// Name is a name in SQLite's memory: it is valid during the callback, and
// costs a copy only when it is looked at.
type Name uintptr

func (n Name) String() string { return goString(uintptr(n)) }

// Append appends the name to dst.
func (n Name) Append(dst []byte) []byte {
	for p := uintptr(n); p != 0; p++ {
		b := *(*byte)(unsafe.Pointer(p))
		if b == 0 {
			break
		}
		dst = append(dst, b)
	}
	return dst
}

// Action is what a statement wants to do, one of the authorizer's action
// codes (https://sqlite.org/c3ref/c_alter_table.html).
type Action int32

// The actions.
const (
	CreateIndex       Action = lib.SQLITE_CREATE_INDEX
	CreateTable       Action = lib.SQLITE_CREATE_TABLE
	CreateTempIndex   Action = lib.SQLITE_CREATE_TEMP_INDEX
	CreateTempTable   Action = lib.SQLITE_CREATE_TEMP_TABLE
	CreateTempTrigger Action = lib.SQLITE_CREATE_TEMP_TRIGGER
	CreateTempView    Action = lib.SQLITE_CREATE_TEMP_VIEW
	CreateTrigger     Action = lib.SQLITE_CREATE_TRIGGER
	CreateView        Action = lib.SQLITE_CREATE_VIEW
	CreateVTable      Action = lib.SQLITE_CREATE_VTABLE
	Delete            Action = lib.SQLITE_DELETE
	DropIndex         Action = lib.SQLITE_DROP_INDEX
	DropTable         Action = lib.SQLITE_DROP_TABLE
	DropTempIndex     Action = lib.SQLITE_DROP_TEMP_INDEX
	DropTempTable     Action = lib.SQLITE_DROP_TEMP_TABLE
	DropTempTrigger   Action = lib.SQLITE_DROP_TEMP_TRIGGER
	DropTempView      Action = lib.SQLITE_DROP_TEMP_VIEW
	DropTrigger       Action = lib.SQLITE_DROP_TRIGGER
	DropView          Action = lib.SQLITE_DROP_VIEW
	DropVTable        Action = lib.SQLITE_DROP_VTABLE
	Insert            Action = lib.SQLITE_INSERT
	Pragma            Action = lib.SQLITE_PRAGMA
	Read              Action = lib.SQLITE_READ
	Select            Action = lib.SQLITE_SELECT
	Transaction       Action = lib.SQLITE_TRANSACTION
	Update            Action = lib.SQLITE_UPDATE
	Attach            Action = lib.SQLITE_ATTACH
	Detach            Action = lib.SQLITE_DETACH
	AlterTable        Action = lib.SQLITE_ALTER_TABLE
	Reindex           Action = lib.SQLITE_REINDEX
	Analyze           Action = lib.SQLITE_ANALYZE
	CallFunction      Action = lib.SQLITE_FUNCTION
	Savepoint         Action = lib.SQLITE_SAVEPOINT
	Recursive         Action = lib.SQLITE_RECURSIVE
)

// Access is one thing that a statement that is being compiled wants to do. What
// First and Second are depends on the action; Through is the trigger or view
// that the statement does it through, "" when it does so itself.
type Access struct {
	Action        Action
	First, Second Name
	Database      Name
	Through       Name
}

// Verdict is what is decided about an access.
type Verdict int32

// The verdicts.
const (
	Allow Verdict = lib.SQLITE_OK
	Deny  Verdict = lib.SQLITE_DENY   // the statement fails with Auth
	Skip  Verdict = lib.SQLITE_IGNORE // of Analyze: the table is left out
)

// SetAuthorizer has judge decide about every access while statements are
// compiled.
func (c *Conn) SetAuthorizer(judge func(Access) Verdict) {
	c.hooks.authorize = judge
	lib.Xsqlite3_set_authorizer(c.tls, c.db, funcPtr(onAuthorize), c.handle)
}

func onAuthorize(_ *libc.TLS, handle uintptr, action int32, first, second, database, through uintptr) int32 {
	return int32(connections.lookup(handle).hooks.authorize(Access{Action(action), Name(first), Name(second), Name(database), Name(through)}))
}

// SetProgress has stop called about every n instructions of the virtual
// machine, and now and then while statements are compiled; when it says true,
// the statement ends with Interrupt. See Stmt.ResetSteps for when exactly.
func (c *Conn) SetProgress(n int, stop func() bool) {
	c.hooks.progress = stop
	lib.Xsqlite3_progress_handler(c.tls, c.db, int32(n), funcPtr(onProgress), c.handle)
}

func onProgress(_ *libc.TLS, handle uintptr) int32 {
	if connections.lookup(handle).hooks.progress() {
		return 1
	}
	return 0
}

// Operation is a change of a row.
type Operation int32

// The operations.
const (
	RowInsert Operation = lib.SQLITE_INSERT
	RowUpdate Operation = lib.SQLITE_UPDATE
	RowDelete Operation = lib.SQLITE_DELETE
)

// SetWALHook has f called after every commit with the number of frames in the
// WAL. It turns SQLite's automatic checkpoints off.
func (c *Conn) SetWALHook(f func(frames int)) {
	c.hooks.wal = f
	lib.Xsqlite3_wal_hook(c.tls, c.db, funcPtr(onWAL), c.handle)
}

func onWAL(_ *libc.TLS, handle, _, _ uintptr, frames int32) int32 {
	connections.lookup(handle).hooks.wal(int(frames))
	return lib.SQLITE_OK
}
