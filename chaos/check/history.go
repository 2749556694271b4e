package check

import (
	"fmt"
	"math"
	"time"
)

// Outcome says what a client knows of an operation that it called.
type Outcome uint8

// The outcomes. The zero Outcome is none.
const (
	Done    Outcome = iota + 1 // it was carried out, or answered
	Failed                     // it was certainly not carried out
	Unknown                    // it may have been, or may yet be
)

func (o Outcome) String() string {
	switch o {
	case Done:
		return "done"
	case Failed:
		return "failed"
	case Unknown:
		return "unknown"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// MarshalText writes the word into histories.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Kind says what an operation does.
type Kind string

// The kinds. Which fields of Op they use is written at each.
const (
	Read     Kind = "read"     // Key; Result is what was there
	Write    Kind = "write"    // Key, Value
	CAS      Kind = "cas"      // Key, Old, Value; Applied: Old was there
	Insert   Kind = "insert"   // Value
	Find     Kind = "find"     // Value; Applied: it was there
	Append   Kind = "append"   // Key, Value
	Transfer Kind = "transfer" // Key, From, To, Amount, Value its id; Applied: there was enough
)

// Op is one operation of one client.
type Op struct {
	Client  int           `json:"client"`
	Node    string        `json:"node"`
	Kind    Kind          `json:"kind"`
	Key     int64         `json:"key,omitempty"`
	Value   int64         `json:"value,omitempty"`
	Old     int64         `json:"old,omitempty"`
	From    int64         `json:"from,omitempty"`
	To      int64         `json:"to,omitempty"`
	Amount  int64         `json:"amount,omitempty"`
	Call    time.Duration `json:"call_ns"`
	Return  time.Duration `json:"return_ns"` // of Unknown: when the client gave up
	Outcome Outcome       `json:"outcome"`
	Error   string        `json:"error,omitempty"`
	Applied bool          `json:"applied,omitempty"`
	Result  []int64       `json:"result,omitempty"`
}

func (o *Op) String() string {
	s := fmt.Sprintf("client %d on %s, %.3f to %.3f s: %s", o.Client, o.Node, o.Call.Seconds(), o.Return.Seconds(), o.Kind)
	switch o.Kind {
	case Read:
		s += fmt.Sprintf(" of %d", o.Key)
	case CAS:
		s += fmt.Sprintf(" of %d from %d to %d", o.Key, o.Old, o.Value)
	case Write, Append:
		s += fmt.Sprintf(" of %d to %d", o.Value, o.Key)
	case Transfer:
		s += fmt.Sprintf(" %d of %d from %d to %d in bank %d", o.Value, o.Amount, o.From, o.To, o.Key)
	case Insert, Find:
		s += fmt.Sprintf(" of %d", o.Value)
	}
	return s
}

// never is the return of an operation that may take place at any time.
const never = time.Duration(math.MaxInt64)

// returned is when the operation had taken place for certain.
func (o *Op) returned() time.Duration {
	if o.Outcome == Unknown {
		return never
	}
	return o.Return
}

// violationsMax bounds how many violations a checker tells: after the first
// few they are the same.
const violationsMax = 20

// report collects violations.
type report struct {
	found []string
	more  int
}

func (r *report) addf(format string, args ...any) {
	if len(r.found) == violationsMax {
		r.more++
		return
	}
	r.found = append(r.found, fmt.Sprintf(format, args...))
}

func (r *report) result() []string {
	if r.more > 0 {
		return append(r.found, fmt.Sprintf("and %d more", r.more))
	}
	return r.found
}

// presence compares what was called with what is there at the end: copies of
// each value. It tells what was lost, doubled, or done although it had failed.
func (r *report) presence(what string, op *Op, copies int) {
	switch {
	case copies > 1:
		r.addf("%s %d is there %d times (%v)", what, op.Value, copies, op)
	case op.Outcome == Done && copies == 0:
		r.addf("%s %d was acknowledged and is lost (%v)", what, op.Value, op)
	case op.Outcome == Failed && copies > 0:
		r.addf("%s %d is there although it was refused with: %s (%v)", what, op.Value, op.Error, op)
	}
}
