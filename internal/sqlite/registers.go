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

// RegisterBytes looks at the large values that the running statement has in
// registers, outside of a trigger if it is in one. fresh is how large those
// together are that were not there at the last call, held how large all are, with
// what group_concat() and JSON's aggregates have gathered so far. Values of the
// statement's text and arguments are neither: nobody made a copy of them. It is
// for callbacks.
func (s *Stmt) RegisterBytes() (fresh, held int64) {
	v := (*lib.TVdbe)(unsafe.Pointer(s.ptr))
	for i := range uintptr(v.FnMem) {
		m := (*lib.TMem)(unsafe.Pointer(v.FaMem + i*unsafe.Sizeof(lib.TMem{})))
		switch {
		case m.Fflags&lib.MEM_Agg != 0:
			held += gatheredBytes(m)
		case m.Fflags&(lib.MEM_Str|lib.MEM_Blob) != 0 && m.Fflags&lib.MEM_Static == 0 && m.Fn >= registerLeast:
			held += int64(m.Fn)
			if m.Fflags&registerSeen == 0 {
				m.Fflags |= registerSeen
				fresh += int64(m.Fn)
			}
		}
	}
	return fresh, held
}

// gatheredBytes is how much an aggregate has gathered (func.c, json.c).
func gatheredBytes(m *lib.TMem) int64 {
	f := *(*uintptr)(unsafe.Pointer(&m.Fu)) // u.pDef
	if f == 0 || m.Fz == 0 {
		return 0
	}
	switch goString((*lib.TFuncDef)(unsafe.Pointer(f)).FzName) {
	case "group_concat", "string_agg":
		return int64((*lib.TGroupConcatCtx)(unsafe.Pointer(m.Fz)).Fstr.FnChar)
	case "json_group_array", "json_group_object", "jsonb_group_array", "jsonb_group_object":
		return int64((*lib.TJsonString)(unsafe.Pointer(m.Fz)).FnUsed)
	}
	return 0
}
