package sqlite

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// vfsName is the VFS of all connections.
const vfsName = "quorate"

// julianEpochMillis is the Unix epoch in SQLite's clock, which counts
// milliseconds since noon of 24 November 4714 BC (https://sqlite.org/c3ref/vfs.html).
const julianEpochMillis = 210866760000000

// baseVFS is the VFS that ours is a copy of; zero until initialize ran.
var baseVFS uintptr

var initializeOnce sync.Once

// initialize puts our functions before SQLite's allocator, starts SQLite, makes the
// localtime and utc modifiers of its date functions the identity, and registers
// the clocked VFS. All four concern the process as a whole.
func initialize() {
	initializeOnce.Do(func() {
		tls := libc.NewTLS()
		defer tls.Close()
		coverAllocator(tls)
		if rc := lib.Xsqlite3_initialize(tls); rc != lib.SQLITE_OK {
			panic("sqlite: cannot initialize: " + Code(rc).String())
		}
		forceUTC(tls)
		registerVFS(tls)
	})
}

// registerVFS registers a copy of unix-excl with our clock.
//
// SQLite decides by the VFS's *name* whether a file is exclusive, so a renamed
// copy would make a -shm file and lock with fcntl at every statement. Our
// xOpen therefore hands over to the original with the original's pointer;
// only the clock, which SQLite reads through the connection's own VFS, is ours.
func registerVFS(tls *libc.TLS) {
	name := cString(tls, "unix-excl")
	defer free(tls, name)
	baseVFS = lib.Xsqlite3_vfs_find(tls, name)
	if baseVFS == 0 {
		panic("sqlite: this platform has no unix-excl VFS")
	}
	p := libc.Xcalloc(tls, 1, types.Size_t(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	v := (*lib.Tsqlite3_vfs)(unsafe.Pointer(p))
	*v = *(*lib.Tsqlite3_vfs)(unsafe.Pointer(baseVFS))
	v.FpNext = 0
	v.FzName = cString(tls, vfsName) // lives as long as the process
	v.FxOpen = funcPtr(vfsOpen)
	v.FxCurrentTime = funcPtr(vfsCurrentTime)
	v.FxCurrentTimeInt64 = funcPtr(vfsCurrentTimeInt64)
	if rc := lib.Xsqlite3_vfs_register(tls, p, 0); rc != lib.SQLITE_OK {
		panic("sqlite: cannot register the VFS: " + Code(rc).String())
	}
}

// vfsOpen opens a file. SQLite leaves the naming of temporary files to the VFS,
// which would put them into /var/tmp: another disk, that may be small, read
// only, or missing. Ours are beside the database.
func vfsOpen(tls *libc.TLS, _, name, file uintptr, flags int32, outFlags uintptr) int32 {
	if c := threads.lookup(tls); name == 0 && c != nil {
		name = c.tempName
	}
	open := (*lib.Tsqlite3_vfs)(unsafe.Pointer(baseVFS)).FxOpen
	return (*(*func(*libc.TLS, uintptr, uintptr, uintptr, int32, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{open})))(
		tls, baseVFS, name, file, flags, outFlags)
}

func vfsCurrentTimeInt64(tls *libc.TLS, _, out uintptr) int32 {
	if c := threads.lookup(tls); c != nil && c.clock != 0 {
		*(*int64)(unsafe.Pointer(out)) = c.clock
		return lib.SQLITE_OK
	}
	now := (*lib.Tsqlite3_vfs)(unsafe.Pointer(baseVFS)).FxCurrentTimeInt64
	return (*(*func(*libc.TLS, uintptr, uintptr) int32)(unsafe.Pointer(&struct{ uintptr }{now})))(tls, baseVFS, out)
}

func vfsCurrentTime(tls *libc.TLS, vfs, out uintptr) int32 {
	var millis int64
	pinned := tls.Alloc(8)
	defer tls.Free(8)
	rc := vfsCurrentTimeInt64(tls, vfs, pinned)
	millis = *(*int64)(unsafe.Pointer(pinned))
	*(*float64)(unsafe.Pointer(out)) = float64(millis) / 86400000
	return rc
}

// threadTable finds the connection whose thread calls: the VFS's functions are
// told the VFS, which all connections share, and the TLS, which is the
// connection's own. Readers never wait; Open and Close copy the map.
type threadTable struct {
	mu    sync.Mutex // guards changes of byTLS
	byTLS atomic.Pointer[map[*libc.TLS]*Conn]
}

var threads threadTable

func (t *threadTable) lookup(tls *libc.TLS) *Conn {
	m := t.byTLS.Load()
	if m == nil {
		return nil
	}
	return (*m)[tls]
}

// set enters c for its thread, or removes the entry when c is nil.
func (t *threadTable) set(tls *libc.TLS, c *Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := make(map[*libc.TLS]*Conn)
	if old := t.byTLS.Load(); old != nil {
		for k, v := range *old {
			next[k] = v
		}
	}
	if c == nil {
		delete(next, tls)
	} else {
		next[tls] = c
	}
	t.byTLS.Store(&next)
}

// forceUTC replaces localtime_r by gmtime_r, so that the TZ of a node's
// environment cannot reach SQL.
func forceUTC(tls *libc.TLS) {
	args := malloc(tls, 16)
	defer free(tls, args)
	lib.Xsqlite3_test_control(tls, lib.SQLITE_TESTCTRL_LOCALTIME_FAULT, libc.VaList(args, int32(2), funcPtr(utcAsLocaltime)))
}

func utcAsLocaltime(tls *libc.TLS, t, tm uintptr) int32 {
	if libc.Xgmtime_r(tls, t, tm) == 0 {
		return 1
	}
	return 0
}
