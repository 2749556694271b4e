package sqlfsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"quorate/internal/errcode"
	"quorate/internal/value"
	"quorate/sqlfsm/origins"
)

// Each command is applied once, however often it is in the log: package origins
// remembers what was seen and what came of it, and the rows of its memory are
// written in the transaction of the entries, once a batch. When a batch is undone
// they are read anew.

// Why a command was refused. Nothing has happened, and nothing will.
var (
	// ErrUnregistered: the command's incarnation is not registered, not yet or not
	// any more: its node was removed, or has started anew.
	ErrUnregistered = errors.New("sqlfsm: the node that the command comes from is not registered in this life of it")
	// ErrOutsideWindow: the command's number is one that its origin does not wait
	// for any more, or one that it must not use yet.
	ErrOutsideWindow = errors.New("sqlfsm: the command's number is outside of its origin's window")
	// ErrLateRegistration: the node had not seen an entry that concerns it when it
	// registered. It registers again.
	ErrLateRegistration = origins.ErrLate
)

// onceState is the FSM's part of this.
type onceState struct {
	origins origins.Memory // as of the entry that was applied last, in the running batch too
	// Of the running entry: whether rows were shown, and its outcome; lastOutcome is
	// that of the entry before it, for most are equal.
	rowsShown   bool
	outcome     []byte
	lastOutcome origins.Outcome
}

// createOrigins makes the table of what was seen. The row of origin 0 is the
// horizon. Without any row nobody is registered, which is how the copy of a
// database begins that becomes another cluster's.
const createOrigins = `
CREATE TABLE main._quorate_origins (
  origin INTEGER PRIMARY KEY, -- the member's id
  incarnation INTEGER NOT NULL,
  registered INTEGER NOT NULL, -- index of the entry
  low INTEGER NOT NULL, -- the number that the window begins with
  window BLOB NOT NULL -- see package origins
) STRICT;
`

// loadOrigins reads the memory of commands from the database.
func (f *FSM) loadOrigins() error {
	f.origins = origins.Memory{}
	var bad error
	err := f.writer.query(`SELECT origin, incarnation, registered, low, window FROM main._quorate_origins`, func(row []value.Value) {
		err := f.origins.Load(origins.Row{
			Origin: uint64(row[0].Int()), Incarnation: uint64(row[1].Int()), Registered: uint64(row[2].Int()),
			Low: uint64(row[3].Int()), Window: row[4].Bytes(),
		})
		bad = errors.Join(bad, err)
	})
	return errors.Join(err, bad)
}

// saveOrigins writes what has changed of it.
func (f *FSM) saveOrigins() error {
	return f.origins.Changes(func(r origins.Row) error {
		if r.Gone {
			return f.runOwn(f.own.dropOrigin, value.Int(int64(r.Origin)))
		}
		return f.runOwn(f.own.setOrigin, value.Int(int64(r.Origin)), value.Int(int64(r.Incarnation)),
			value.Int(int64(r.Registered)), value.Int(int64(r.Low)), value.BlobBytes(r.Window))
	})
}

// register applies a registration.
func (f *FSM) register(e *Entry, r *Result) error {
	seen, err := decodeRegistration(e.Data)
	if err != nil || r.Header.Origin == 0 || r.Header.Incarnation == 0 {
		return fmt.Errorf("entry %d: %w: a registration", e.Index, errMalformed)
	}
	r.Err = f.origins.Register(r.Header.Origin, r.Header.Incarnation, seen, e.Index)
	return nil
}

// applyOnce applies a command unless it was seen before. A command of incarnation
// 0 has no name: those who build log entries without a cluster use that.
func (f *FSM) applyOnce(e *Entry, r *Result, condemned *undone) error {
	if r.Header.Incarnation == 0 {
		return f.carryOut(e, r, condemned)
	}
	name := r.Header.name()
	switch verdict, outcome := f.origins.Look(name, r.Header.LowWater); verdict {
	case origins.Fresh:
		f.rowsShown = false
		if err := f.carryOut(e, r, condemned); err != nil {
			return err
		}
		f.outcome = appendOutcome(f.outcome[:0], r, f.rowsShown)
		if string(f.outcome) != string(f.lastOutcome) {
			f.lastOutcome = origins.Outcome(f.outcome)
		}
		f.origins.Remember(name, f.lastOutcome)
	case origins.Seen:
		return readOutcome(r, outcome)
	case origins.Unregistered:
		r.Err = ErrUnregistered
	default:
		r.Err = ErrOutsideWindow
	}
	return nil
}

// carryOut does what a command that is new says.
func (f *FSM) carryOut(e *Entry, r *Result, condemned *undone) error {
	if r.Header.Kind == KindMark {
		return nil
	}
	return f.applySQL(e, r, condemned)
}

func (h *Header) name() origins.Name {
	return origins.Name{Origin: h.Origin, Incarnation: h.Incarnation, Seq: h.Seq}
}

// Recall returns what came of a command of which only the encoding is at hand:
// the entry was applied, but not here one by one, because an image came instead.
// false: it was not applied, as far as the database goes. Rows are gone, and an
// error's message too. Recall is called as Apply is.
func (f *FSM) Recall(command []byte) (r Result, applied bool, err error) {
	if r.Header, err = DecodeHeader(command); err != nil {
		return r, false, err
	}
	if r.Header.Kind == KindRegister {
		// One that is not there may have been refused, of which nothing is kept, or may
		// still come. Another one does no harm in either case.
		if !f.origins.Registered(r.Header.Origin, r.Header.Incarnation) {
			r.Err = ErrLateRegistration
		}
		return r, true, nil
	}
	outcome := f.origins.Recall(r.Header.name())
	if outcome == "" {
		return r, false, nil
	}
	return r, true, readOutcome(&r, outcome)
}

// The first byte of an outcome. The rest is the SQLSTATE, if there was an error,
// and the number of rows affected, as uvarints, of each statement.
const (
	outcomeError  = 1 << iota // an error of the command
	outcomeSchema             // ErrSchemaChanged
	outcomeRows               // rows were returned
	outcomeLong               // there were too many statements to remember their counts
)

// appendOutcome appends what is remembered of a result.
func appendOutcome(b []byte, r *Result, rows bool) []byte {
	start := len(b)
	b = append(b, 0)
	if rows {
		b[start] |= outcomeRows
	}
	if r.Err == ErrSchemaChanged {
		b[start] |= outcomeSchema
	} else if r.Err != nil {
		b[start] |= outcomeError
		b = append(b, outcomeCode(r.Err)...)
	}
	counts := len(b)
	for i := range r.Results {
		b = binary.AppendUvarint(b, uint64(r.Results[i].Affected))
		if len(b)-start > origins.MaxOutcomeBytes {
			b[start] |= outcomeLong
			return b[:counts]
		}
	}
	return b
}

// sqlstateBytes is the length of a SQLSTATE.
const sqlstateBytes = 5

// readOutcome fills in the result of a command that was applied before.
func readOutcome(r *Result, o origins.Outcome) error {
	r.Duplicate = true
	flags, rest := o[0], []byte(o[1:])
	switch {
	case flags&outcomeSchema != 0:
		r.Err = ErrSchemaChanged
		return nil
	case flags&outcomeError != 0:
		if len(rest) < sqlstateBytes {
			return fmt.Errorf("the outcome %q of a command is damaged", o)
		}
		r.Err = errcode.Newf(errcode.Code(rest[:sqlstateBytes]), "the statement failed; the message is lost, because this node got the others' database meanwhile")
		rest = rest[sqlstateBytes:]
	}
	if flags&(outcomeRows|outcomeLong) != 0 {
		if r.Err == nil {
			r.Err = errcode.Newf(errcode.StatementCompletionUnknown, "the statement was carried out, but its result is lost, because this node got the others' database meanwhile").
				WithHint("Do not repeat the statement; look at the data.")
		}
		return nil
	}
	for len(rest) > 0 {
		n, w := binary.Uvarint(rest)
		if w <= 0 {
			return fmt.Errorf("the outcome %q of a command is damaged", o)
		}
		r.Results = append(r.Results, value.Result{Affected: int64(n)})
		rest = rest[w:]
	}
	return nil
}
