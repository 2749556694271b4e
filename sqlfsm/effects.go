package sqlfsm

import (
	"encoding/binary"
	"errors"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
	"quorate/internal/value"
)

// effects folds what an entry does into a running digest, which is equal on all
// nodes at equal indexes. A node whose database or program differs from the
// others' shows it at the first entry that meets the difference.
//
// Folded are, in the order in which they happen: each row that is inserted,
// changed or deleted, by the statement itself, a trigger, a foreign key's action
// or REPLACE, with its table, rowid, old and new values
// (https://sqlite.org/c3ref/preupdate_blobwrite.html); the rows that a statement
// returns, and how many it has changed; after DDL the text of the whole schema.
// An entry that fails folds its error's code, and nothing of what was undone with
// it. What moves no row and returns none is not seen: a damaged row shows when an
// entry changes, deletes or returns it, or decides by it.
//
// Left out are the shadow tables of virtual tables, which FTS5 writes when it
// likes, and single rows where SQLite itself does not look at them: those that
// DELETE without WHERE or DROP TABLE throws away (their number is folded), or ALTER
// TABLE writes in another form.
type effects struct {
	hash effectsHash
	from EffectsDigest // before the entry
	// recording is set while an entry runs: between entries we write only what
	// depends on the batch.
	recording bool
	pending   []byte // encoded, to be hashed
	failure   error  // reading a row's values failed
}

// What begins each part of the encoding.
const (
	effectRow byte = iota + 1
	effectResultRow
	effectStatement
	effectSchema
	effectDone
	effectFailed
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

// end returns the digest with an entry that came to the outcome err.
func (e *effects) end(index uint64, err error) EffectsDigest {
	e.recording = false
	if err == nil {
		e.pending = append(e.pending, effectDone)
	} else {
		e.restart(index)
		e.pending = append(e.pending, effectFailed)
		e.pending = append(e.pending, outcomeCode(err)...)
	}
	e.hash.add(e.pending)
	return e.hash.sum()
}

// outcomeCode names why an entry did nothing: texts may differ between program
// versions.
func outcomeCode(err error) string {
	var e *errcode.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return err.Error() // one of our sentinels
}

// row is the preupdate hook.
func (e *effects) row(p *sqlite.Preupdate) {
	if !e.recording || p.Shadow() {
		return
	}
	e.pending = append(e.pending, effectRow, byte(p.Op))
	e.pending = p.Table.Append(e.pending)
	e.pending = append(e.pending, 0)
	var err error
	if e.pending, err = p.AppendImage(e.pending); err != nil && e.failure == nil {
		e.failure = err
	}
	e.flush()
}

// resultRow takes a row that a statement returns.
func (e *effects) resultRow(row []value.Value) {
	e.values(effectResultRow, row)
}

// schemaRow takes an object of the schema.
func (e *effects) schemaRow(row []value.Value) {
	e.values(effectSchema, row)
}

func (e *effects) values(kind byte, row []value.Value) {
	e.pending = append(e.pending, kind)
	e.pending = binary.AppendUvarint(e.pending, uint64(len(row)))
	for i := range row {
		e.pending = row[i].Append(e.pending)
	}
	e.flush()
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
