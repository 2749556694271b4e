package chaos

import (
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"quorate/chaos/check"
)

// TestClassify: only what a server says was not carried out counts as that.
func TestClassify(t *testing.T) {
	for _, test := range []struct {
		err     error
		outcome check.Outcome
		known   bool
	}{
		{&pgconn.PgError{Code: "57P03"}, check.Failed, true},
		{&pgconn.PgError{Code: "53100"}, check.Failed, true},
		{&pgconn.PgError{Code: "40003"}, check.Unknown, true},
		{&pgconn.PgError{Code: "57P01"}, check.Unknown, true},
		{&pgconn.PgError{Code: "XX000"}, check.Unknown, false},
		{io.ErrUnexpectedEOF, check.Unknown, true},
		{pgconn.ErrConnClosed, check.Unknown, true}, // also when the statement was sent
	} {
		if outcome, known := classify(test.err); outcome != test.outcome || known != test.known {
			t.Errorf("%v: %v, known %v", test.err, outcome, known)
		}
	}
}

// TestSilence: the longest time without an acknowledgement is counted from the
// given moment on, until now.
func TestSilence(t *testing.T) {
	r := newRecorder()
	r.began = time.Now().Add(-time.Hour)
	minute := time.Minute
	r.acks = []time.Duration{1 * minute, 30 * minute, 50 * minute, 59 * minute}
	for since, want := range map[time.Duration]time.Duration{0: 29 * minute, 29 * minute: 20 * minute, 50 * minute: 9 * minute} {
		if got := r.silence(since).Round(minute); got != want {
			t.Errorf("since %v: %v, want %v", since, got, want)
		}
	}
}

// TestDeck: every fault that is possible comes before any comes again, two at
// once hurt different things, and one that is not possible is told.
func TestDeck(t *testing.T) {
	r := &run{config: Config{Faults: FaultNames()}, random: rand.New(rand.NewPCG(1, 1)), report: newReport(&Config{Out: io.Discard})}
	for i := range faults {
		if faults[i].possible != nil {
			possible := faults[i].possible
			faults[i].possible = func(*run) error { return errors.New("not here") }
			defer func() { faults[i].possible = possible }()
		}
	}
	d := newDeck(r)
	if r.report.Skipped["full"] == nil || len(d.all) != len(faults)-1 {
		t.Fatalf("left out: %v, dealt: %d of %d", r.report.Skipped, len(d.all), len(faults))
	}
	seen := map[string]int{}
	for range d.all {
		seen[d.deal("").name]++
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", name, times)
		}
	}
	for range 1000 {
		if drawn := d.draw(); len(drawn) == 2 && drawn[0].on == drawn[1].on {
			t.Fatalf("%s and %s at once", drawn[0].name, drawn[1].name)
		}
	}
}
