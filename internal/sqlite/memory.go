package sqlite

import (
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

// funcPtr makes of a top-level Go function what translated code calls as a C
// function pointer. A closure must never be given to it.
func funcPtr[F any](f F) uintptr {
	return *(*uintptr)(unsafe.Pointer(&struct{ f F }{f}))
}

// cString copies s, with a NUL after it, into C memory. free releases it.
func cString(tls *libc.TLS, s string) uintptr {
	p := malloc(tls, len(s)+1)
	b := unsafe.Slice((*byte)(unsafe.Pointer(p)), len(s)+1)
	copy(b, s)
	b[len(s)] = 0
	return p
}

// goString copies a C string.
func goString(p uintptr) string {
	if p == 0 {
		return ""
	}
	return libc.GoString(p)
}

// bytesAt is C memory seen as a slice. It is never nil, so that an empty TEXT
// stays different from NULL.
func bytesAt(p uintptr, n int32) []byte {
	if p == 0 || n <= 0 {
		return emptyBytes
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(p)), n)
}

var emptyBytes = []byte{}

// malloc allocates C memory. There is no way on when there is none left: the
// translated code would meet the same wall at its next step.
func malloc(tls *libc.TLS, n int) uintptr {
	p := libc.Xmalloc(tls, types.Size_t(max(n, 1)))
	if p == 0 {
		panic("sqlite: out of memory")
	}
	return p
}

func free(tls *libc.TLS, p uintptr) {
	if p != 0 {
		libc.Xfree(tls, p)
	}
}

// destructor frees what resultBytes allocated.
var destructor = funcPtr(freeResult)

func freeResult(tls *libc.TLS, p uintptr) { lib.Xsqlite3_free(tls, p) }

// resultBytes copies b into memory that SQLite owns and frees with destructor.
func resultBytes(tls *libc.TLS, b []byte) uintptr {
	p := lib.Xsqlite3_malloc64(tls, uint64(max(len(b), 1)))
	if p != 0 {
		copy(unsafe.Slice((*byte)(unsafe.Pointer(p)), len(b)), b)
	}
	return p
}
