package sqlfsm

import (
	"encoding/binary"
	"errors"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
	"quorate/sqlfsm/origins"
)

// effects folds what entries do into a running digest, which is equal on all nodes
// at equal indexes. A node whose database or program differs from the others'
// shows it at the first entry that meets the difference.
//
// Folded are, in the order in which they happen: each row that is inserted,
// changed or deleted, by the statement itself, a trigger, a foreign key's action
// or REPLACE, with its table, rowid, old and new values
// (https://sqlite.org/c3ref/preupdate_blobwrite.html); the rows that a statement
// returns, and how many it has changed; after DDL the text of the whole schema. An
// entry that fails folds its error's code, and nothing of what was undone with it.
// Entries without a command, and marks, leave the digest as it is.
//
// What moves no row and returns none is not seen: a damaged row shows when an entry
// changes, deletes or returns it, or decides by it. Left out are the tables in
// which a virtual table keeps what it is told, for how FTS5 arranges its index is
// its own affair; and the single rows where SQLite does not look at them itself:
// those that DELETE without WHERE or DROP TABLE throws away (of the former the
// number is folded), and those that ALTER TABLE writes in another form.
type effects struct {
	hash effectsHash
	from EffectsDigest // before the entry
	// recording is set while an entry runs: between entries we write only what
	// depends on the batch.
	recording bool
	pending   []byte // encoded, to be hashed
	// volume is how many bytes the running statement's rows are, which the budget
	// bounds: those that it writes, and four times those that it returns, which
	// the origin keeps in memory.
	volume int64
	// steps is what writing those rows counts.
	steps   int
	failure error // reading a row's values failed
}

// What begins each part of the encoding.
const (
	effectRow byte = iota + 1
	effectResultRow
	effectStatement
	effectSchema
	effectDone
	effectFailed
	effectDuplicate
)

// effectsPendingBytes is how much is hashed at a time.
const effectsPendingBytes = 4 << 10

// begin starts an entry behind the digest of those before it.
func (e *effects) begin(index uint64, before EffectsDigest) {
	e.from = before
	e.restart(index)
	e.failure, e.recording = nil, true
}

func (e *effects) restart(index uint64) {
	e.hash.start(e.from)
	e.pending = binary.BigEndian.AppendUint64(e.pending[:0], index)
}

// end returns the digest with an entry that came to the result r.
func (e *effects) end(index uint64, r *Result) EffectsDigest {
	e.recording = false
	switch {
	case r.Duplicate:
		e.pending = append(e.pending, effectDuplicate)
	case r.Err != nil:
		e.restart(index)
		e.pending = append(e.pending, effectFailed)
		e.pending = append(e.pending, outcomeCode(r.Err)...)
	default:
		e.pending = append(e.pending, effectDone)
	}
	e.hash.add(e.pending)
	return e.hash.sum()
}

// outcomeCode names why an entry did nothing. It is not the error's text, which may
// differ between program versions.
func outcomeCode(err error) string {
	var e *errcode.Error
	switch {
	case errors.As(err, &e):
		return string(e.Code)
	case errors.Is(err, ErrSchemaChanged):
		return "schema"
	case errors.Is(err, ErrUnregistered):
		return "unregistered"
	case errors.Is(err, ErrOutsideWindow):
		return "window"
	case errors.Is(err, ErrLateRegistration):
		return "late"
	case errors.Is(err, origins.ErrTooMany):
		return "origins"
	}
	panic("sqlfsm: an outcome without a code: " + err.Error())
}

// row is the preupdate hook.
func (e *effects) row(p *sqlite.Preupdate) {
	if !e.recording {
		return
	}
	before := len(e.pending)
	if p.Shadow() {
		image, _ := p.AppendImage(e.pending)
		e.volume += int64(len(image) - before)
		e.pending = image[:before]
		return
	}
	e.pending = append(e.pending, effectRow, byte(p.Op))
	e.pending = p.Table.Append(e.pending)
	e.pending = append(e.pending, 0)
	var err error
	if e.pending, err = p.AppendImage(e.pending); err != nil && e.failure == nil {
		e.failure = err
	}
	e.volume += int64(len(e.pending) - before)
	entries := p.Indexes()
	if p.Op == sqlite.RowUpdate {
		entries *= 2
	}
	e.steps += rowSteps + indexSteps*entries + (len(e.pending)-before)/rowStepBytes
	e.flush()
}

// resultRow takes a row that a statement returns.
func (e *effects) resultRow(row []value.Value) {
	e.volume += 4 * int64(e.values(effectResultRow, row))
}

// schemaRow takes an object of the schema.
func (e *effects) schemaRow(row []value.Value) {
	e.values(effectSchema, row)
}

// values takes a row's values and returns how many bytes they are.
func (e *effects) values(kind byte, row []value.Value) (n int) {
	before := len(e.pending)
	e.pending = append(e.pending, kind)
	e.pending = binary.AppendUvarint(e.pending, uint64(len(row)))
	for i := range row {
		e.pending = row[i].Append(e.pending)
	}
	n = len(e.pending) - before
	e.flush()
	return n
}

// statement ends a statement that has changed so many rows.
func (e *effects) statement(affected int64) {
	e.pending = append(e.pending, effectStatement)
	e.pending = binary.BigEndian.AppendUint64(e.pending, uint64(affected))
}

func (e *effects) flush() {
	if len(e.pending) >= effectsPendingBytes {
		e.hash.add(e.pending)
		e.pending = e.pending[:0]
	}
}
