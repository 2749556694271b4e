package sqlite

import (
	"unsafe"

	lib "modernc.org/sqlite/lib"
)

// registerSeen marks a register whose value has been counted: a bit of Mem.flags
// that SQLite does not use. Whatever gives the register another value clears it
// (sqlite3VdbeMemRelease, MEM_TypeMask in vdbeInt.h).
const registerSeen = 0x80

// registerLeast is how large a value must be to be counted.
const registerLeast = 1 << 10

// RegisterBytes looks at the values that the running statement has in registers.
// fresh is how large those together are that were not there at the last call;
// in a trigger only its own are looked at. held is how large those are that
// WatchAllocations leaves out as too small, also outside of the trigger. Values of
// less than registerLeast bytes are left out, and those of the statement's text and
// arguments, of which nobody made a copy. It is for callbacks.
func (s *Stmt) RegisterBytes() (fresh, held int64) {
	v := (*lib.TVdbe)(unsafe.Pointer(s.ptr))
	small := s.conn.watched.larger
	for i := range uintptr(v.FnMem) {
		m := memAt(v.FaMem, i)
		if m.Fn < registerLeast || m.Fflags&(lib.MEM_Str|lib.MEM_Blob) == 0 || m.Fflags&lib.MEM_Static != 0 {
			continue
		}
		held += heldBytes(m, small)
		if m.Fflags&registerSeen == 0 {
			m.Fflags |= registerSeen
			fresh += int64(m.Fn)
		}
	}
	for at := v.FpFrame; at != 0; {
		frame := (*lib.TVdbeFrame)(unsafe.Pointer(at))
		for i := range uintptr(frame.FnMem) {
			if m := memAt(frame.FaMem, i); m.Fn >= registerLeast && m.Fflags&(lib.MEM_Str|lib.MEM_Blob) != 0 {
				held += heldBytes(m, small)
			}
		}
		at = frame.FpParent
	}
	return fresh, held
}

// heldBytes is how large a text or BLOB is if the register holds it, and does not
// show another's, and it is small.
func heldBytes(m *lib.TMem, small int32) int64 {
	if m.Fn > small || m.Fflags&(lib.MEM_Static|lib.MEM_Ephem) != 0 {
		return 0
	}
	return int64(m.Fn)
}
