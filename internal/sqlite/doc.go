// Package sqlite is a thin binding on SQLite as modernc.org/sqlite/lib
// translates it into Go: no cgo, no database/sql, no reflection.
//
// What comes in are SQL texts and value.Values; what goes out are rows of
// value.Values that point into SQLite's own memory, and *Error. It imports
// nothing of ours but internal/value, and is the only package that may use
// unsafe pointers to reach SQLite: it is vetted with
//
//	go vet -unsafeptr=false ./internal/sqlite
//
// # Rules
//
// A Conn is used by one goroutine at a time. It is opened without SQLite's
// mutexes (SQLITE_OPEN_NOMUTEX) and owns one libc.TLS, which is the thread of
// the translated C code; only Interrupt may be called from elsewhere.
//
// A row's values are valid until the statement's next Step or Reset. Values
// given to a hook or a function are valid during that call.
//
// Callbacks reach Go through top-level functions and a table of handles: a
// closure that is converted to a uintptr may live on a goroutine's stack and
// move.
//
// # The file system
//
// Every connection uses one VFS, "quorate": a copy of SQLite's "unix-excl" whose
// clock is the connection's (Conn.SetClock). unix-excl locks the file once
// for the whole process and keeps the WAL index in memory, which saves about
// ten system calls a write; other processes find the file locked. Temporary
// files are made beside the database and never visible. See vfs.go for the trap
// in it.
package sqlite
