package sqlfsm

import (
	"math"

	"quorate/internal/errcode"
	"quorate/internal/value"
)

// While a view of the database is open, the WAL cannot start from its beginning:
// what was written since then stays in it. So a view may grow only so old, and its
// age is what was written since it began (Options.ReaderAgeBytes), not time: where
// nobody writes, an old view costs nothing.
//
// The checkpointer ends views that are too old, and what is pinned (pinned.go). A
// running query notices by itself; a view whose owner is busy elsewhere is ended
// behind its back, which is why a reader has a lock and rows are copied.

// noView is a reader's since while it has no view.
const noView = math.MaxInt64

// endOldViews ends the views that are too old.
func (f *FSM) endOldViews() {
	horizon := f.written.Load() - int64(f.options.ReaderAgeBytes/pageBytes)
	f.horizon.Store(horizon)
	for _, r := range f.readers.current.Load().all {
		if r.since.Load() < horizon {
			r.endOldView(horizon)
		}
	}
	f.pins.endOld(horizon)
}

// endOldView ends the reader's view, if it still is the old one.
func (r *reader) endOldView(horizon int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.snapshot; s != nil && r.since.Load() < horizon {
		s.end()
		s.ended = true
	}
}

// tooOld reports whether the view was, or is about to be, ended for its age.
func (s *Snapshot) tooOld() bool {
	return s.ended || s.reader.since.Load() < s.fsm.horizon.Load()
}

// end lets go of what the view sees.
func (s *Snapshot) end() {
	if s.rows.statement != nil {
		s.rows.statement.Reset()
	}
	if s.many {
		// What is open is a read transaction: ending it cannot lose anything.
		s.reader.run(s.reader.commit)
	}
	s.reader.since.Store(noView)
}

func errTooOld(ageBytes int) error {
	return errcode.Newf(errcode.QueryCanceled, "canceling statement because more than %d MiB were written to the database since it began to read", ageBytes>>20).
		WithHint("As long as it reads, the space of what is written cannot be used again. Read in smaller pieces, or give the node a larger reader.age-bytes.")
}

// keepBytes is the largest buffer for a row that a reader keeps.
const keepBytes = 64 << 10

// copyRow copies a row out of SQLite's memory, where it would not outlive the end
// of an old view.
func (r *reader) copyRow(row []value.Value) []value.Value {
	r.row, r.bytes = r.row[:0], r.bytes[:0]
	if cap(r.bytes) > keepBytes {
		r.bytes = nil
	}
	for _, v := range row {
		switch v.Kind() {
		case value.Text:
			v = value.TextBytes(r.keep(v.Bytes()))
		case value.Blob:
			v = value.BlobBytes(r.keep(v.Bytes()))
		}
		r.row = append(r.row, v)
	}
	return r.row
}

func (r *reader) keep(b []byte) []byte {
	at := len(r.bytes)
	r.bytes = append(r.bytes, b...)
	if r.bytes == nil {
		return []byte{} // an empty TEXT is not NULL
	}
	return r.bytes[at:len(r.bytes):len(r.bytes)]
}
