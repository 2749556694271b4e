package sqlite

import (
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// watched are the large allocations that a connection has made since
// WatchAllocations and not freed yet.
type watched struct {
	larger int32                        // than so many bytes an allocation is large
	allow  func(n int, held int64) bool // nil: nobody watches
	sizes  map[uintptr]int32            // by address
	held   int64                        // the sum of sizes
	benign int                          // > 0: SQLite does without what it now asks for
}

// watchedBlocks is how many allocations all connections watch. While there is
// none, nothing need be looked up when memory is freed.
var watchedBlocks atomic.Int64

// leastWatched is how large an allocation is at least that can be watched.
const leastWatched = 64 << 10

// WatchAllocations has allow called before SQLite allocates n bytes for this
// connection, n > larger >= 64 KiB: for values, for what aggregates gather, for
// sorts. held is what it has of such then, with the n bytes and without what they
// replace. When allow says false there is no memory: whoever wanted it fails with
// NoMem, a statement and maybe its transaction with it (https://sqlite.org/malloc.html).
//
// Unlike the progress handler, which is called where a program jumps, this misses
// nothing of a program without loops. Statements that the running one begins by
// itself (Nested) are left out, and whatever depends on the connection's past and
// not on the statement (forItself). It goes on until UnwatchAllocations.
func (c *Conn) WatchAllocations(larger int, allow func(n int, held int64) bool) {
	c.watched.larger, c.watched.allow = int32(max(larger, leastWatched)), allow
}

// UnwatchAllocations ends what WatchAllocations began.
func (c *Conn) UnwatchAllocations() {
	if n := len(c.watched.sizes); n > 0 {
		watchedBlocks.Add(-int64(n))
		clear(c.watched.sizes)
	}
	c.watched.allow, c.watched.held = nil, 0
}

// WatchedBytes is how many bytes the connection has that WatchAllocations watches.
func (c *Conn) WatchedBytes() int64 { return c.watched.held }

// baseAllocator are SQLite's own functions for memory.
var baseAllocator lib.Tsqlite3_mem_methods

// coverAllocator puts our functions before SQLite's own, which must happen before
// sqlite3_initialize (https://sqlite.org/c3ref/mem_methods.html).
func coverAllocator(tls *libc.TLS) {
	methods := malloc(tls, int(unsafe.Sizeof(baseAllocator)))
	args := malloc(tls, 16)
	defer free(tls, methods)
	defer free(tls, args)
	configure := func(option int32) {
		if rc := lib.Xsqlite3_config(tls, option, libc.VaList(args, methods)); rc != lib.SQLITE_OK {
			panic("sqlite: cannot configure the allocator: " + Code(rc).String())
		}
	}
	configure(lib.SQLITE_CONFIG_GETMALLOC)
	m := (*lib.Tsqlite3_mem_methods)(unsafe.Pointer(methods))
	baseAllocator = *m
	m.FxMalloc, m.FxRealloc, m.FxFree = funcPtr(allocate), funcPtr(reallocate), funcPtr(release)
	configure(lib.SQLITE_CONFIG_MALLOC)
	lib.Xsqlite3_test_control(tls, lib.SQLITE_TESTCTRL_BENIGN_MALLOC_HOOKS,
		libc.VaList(args, funcPtr(benignBegins), funcPtr(benignEnds)))
}

// benignBegins is called before, and benignEnds after SQLite asks for memory that it
// can do without.
func benignBegins(tls *libc.TLS) {
	if c := threads.lookup(tls); c != nil {
		c.watched.benign++
	}
}

func benignEnds(tls *libc.TLS) {
	if c := threads.lookup(tls); c != nil {
		c.watched.benign--
	}
}

// forItself reports that what SQLite asks for is not the running statement's. A page
// cache makes its hash table larger when it has more pages: the caches of all
// connections share their pages, so that depends on what others read
// (pcache1ResizeHash in pcache1.c; it can do without). What is compiled meanwhile is
// compiled once in a connection's life: statements of a virtual table, views.
func (c *Conn) forItself() bool {
	return c.watched.benign > 0 || c.internals().FpParse != 0
}

func allocate(tls *libc.TLS, n int32) uintptr {
	if n > leastWatched {
		return replace(tls, 0, n)
	}
	return baseAllocate(tls, 0, n)
}

func reallocate(tls *libc.TLS, p uintptr, n int32) uintptr {
	if n > leastWatched || watchedBlocks.Load() > 0 {
		return replace(tls, p, n)
	}
	return baseAllocate(tls, p, n)
}

func release(tls *libc.TLS, p uintptr) {
	if watchedBlocks.Load() > 0 {
		if c := watcher(tls); c != nil {
			c.watched.forget(p)
		}
	}
	(*(*func(*libc.TLS, uintptr))(unsafe.Pointer(&struct{ uintptr }{baseAllocator.FxFree})))(tls, p)
}

// replace allocates n bytes in the place of those at old, 0 for none.
func replace(tls *libc.TLS, old uintptr, n int32) uintptr {
	c := watcher(tls)
	if c == nil {
		return baseAllocate(tls, old, n)
	}
	w := &c.watched
	large := n > w.larger && !c.Nested() && !c.forItself()
	if large && !w.allow(int(n), w.held-int64(w.sizes[old])+int64(n)) {
		return 0
	}
	p := baseAllocate(tls, old, n)
	if p == 0 {
		return 0
	}
	w.forget(old)
	if large {
		w.note(p, n)
	}
	return p
}

// watcher returns the connection whose thread calls, if it watches.
func watcher(tls *libc.TLS) *Conn {
	if c := threads.lookup(tls); c != nil && c.watched.allow != nil {
		return c
	}
	return nil
}

func (w *watched) note(p uintptr, n int32) {
	if w.sizes == nil {
		w.sizes = make(map[uintptr]int32)
	}
	w.sizes[p] = n
	w.held += int64(n)
	watchedBlocks.Add(1)
}

func (w *watched) forget(p uintptr) {
	if n, ok := w.sizes[p]; ok {
		delete(w.sizes, p)
		w.held -= int64(n)
		watchedBlocks.Add(-1)
	}
}

// baseAllocate allocates n bytes, in the place of those at old if it is not 0.
func baseAllocate(tls *libc.TLS, old uintptr, n int32) uintptr {
	if old == 0 {
		return (*(*func(*libc.TLS, int32) uintptr)(unsafe.Pointer(&struct{ uintptr }{baseAllocator.FxMalloc})))(tls, n)
	}
	return (*(*func(*libc.TLS, uintptr, int32) uintptr)(unsafe.Pointer(&struct{ uintptr }{baseAllocator.FxRealloc})))(tls, old, n)
}
