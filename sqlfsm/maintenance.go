package sqlfsm

import (
	"errors"
	"fmt"

	"quorate/internal/errcode"
	"quorate/internal/sqlite"
)

// VACUUM and ANALYZE are entries like others, since what they do shows: VACUUM
// numbers the rows of tables without a key and the objects of the schema anew, and
// by ANALYZE's statistics SQLite chooses plans, and so the order of rows. Each is a
// batch of its own: ANALYZE looks at our tables too, some of which are
// written at a batch's end, and VACUUM cannot run in a transaction.
//
// So VACUUM is not committed together with the applied index. Applying it is
// three steps:
//
//  1. The entry is applied with a VACUUM that does nothing, and undone: does it
//     come to that statement, or is it refused before?
//  2. VACUUM, which either is in the file as a whole after a crash, or not at all.
//  3. The entry is applied again, now with its index, and committed.
//
// A node that stops between 2 and 3 does all three once more. A second VACUUM
// changes nothing that SQL can see: the first has numbered rows from 1 in their
// order and put the schema's objects into the order in which it makes them
// (TestVacuumTwice).

// vacuum says how far the VACUUM is that is being applied.
type vacuum struct {
	stage   vacuumStage
	failure error // why VACUUM failed, when that is a result
}

type vacuumStage uint8

const (
	noVacuum      vacuumStage = iota
	rehearsing                // step 1
	vacuumReached             // step 1 has come to the statement
	vacuumDone                // step 3
)

// errRehearsed ends step 1.
var errRehearsed = errors.New("sqlfsm: the batch was a rehearsal")

func (v *vacuum) rehearsing() bool { return v.stage == rehearsing || v.stage == vacuumReached }

// maintenance returns which kind of maintenance a command is, "" for none. A
// VACUUM among other statements is none: it is refused.
func maintenance(data []byte) string {
	const countOffset, flagsOffset = headerBytes, headerBytes + 1
	if len(data) <= flagsOffset || Kind(data[1]) != KindSQL || data[countOffset] != 1 || data[flagsOffset]&flagSchema == 0 {
		return ""
	}
	var d decoder
	var s statement
	d.begin(data)
	d.next(&s)
	return maintenanceVerb(s.sql)
}

// maintenanceVerb returns "VACUUM" or "ANALYZE" for a statement that is that,
// without INTO, and "" for others.
func maintenanceVerb(sql []byte) string {
	w := words{sql: string(sql)}
	switch first := w.next(); {
	case isOneOf(first, "VACUUM") && w.next() == "":
		return "VACUUM"
	case isOneOf(first, "ANALYZE"):
		return "ANALYZE"
	}
	return ""
}

// applyAlone applies a batch, which is VACUUM alone or without one.
func (f *FSM) applyAlone(entries []Entry, results []Result) error {
	if maintenance(entries[0].Data) != "VACUUM" {
		return f.applyBatch(entries, results, nil)
	}
	defer func() { f.vacuum = vacuum{} }()
	f.vacuum = vacuum{stage: rehearsing}
	if err := f.applyBatch(entries, results, nil); !errors.Is(err, errRehearsed) {
		return err
	}
	if f.vacuum.stage == vacuumReached {
		if err := f.runVacuum(); err != nil {
			return err
		}
	}
	f.vacuum.stage = vacuumDone
	return f.applyBatch(entries, results, nil)
}

// reachVacuum is what the statement VACUUM does within its entry.
func (f *FSM) reachVacuum(alone bool) error {
	switch {
	case !alone || f.vacuum.stage == noVacuum:
		return errcode.Newf(errcode.ActiveSQLTransaction, "VACUUM cannot run inside a transaction block").
			WithHint("Send it by itself.")
	case f.vacuum.stage == rehearsing:
		f.vacuum.stage = vacuumReached
	}
	if f.vacuum.failure != nil {
		return f.vacuum.failure
	}
	return f.forgetSchema()
}

// runVacuum writes the database anew. VACUUM attaches the new one while it
// copies.
func (f *FSM) runVacuum() error {
	db := f.writer.db
	none := db.SetLimit(sqlite.LimitAttached, 1)
	err := f.writer.script("VACUUM")
	db.SetLimit(sqlite.LimitAttached, none)
	if err == nil {
		return nil
	}
	var verdict *errcode.Error
	if err = f.explain(nil, err); errors.As(err, &verdict) {
		f.vacuum.failure = verdict
		return nil
	}
	return fmt.Errorf("VACUUM: %w", err)
}
