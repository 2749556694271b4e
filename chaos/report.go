package chaos

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what came of a run.
type Report struct {
	Nodes int
	Seed  uint64
	// Operations have returned; of Unknown nobody was told what came of them,
	// Failed were refused.
	Operations, Unknown, Failed int
	Faults                      map[string]int // how often each
	Skipped                     map[string]error
	// Elections were won, and Images of the database installed: what the faults
	// led to.
	Elections, Images int
	// SlowestRecovery is the longest time that all members took to serve again
	// after a fault was healed; LongestSilence the longest without an
	// acknowledged write, from the begin of a fault to that.
	SlowestRecovery, LongestSilence time.Duration
	Took                            time.Duration
	// Violations are what must not be.
	Violations []string

	out io.Writer
}

func newReport(c *Config) *Report {
	return &Report{Nodes: c.Nodes, Seed: c.Seed, Faults: map[string]int{}, Skipped: map[string]error{}, out: c.Out}
}

// OK is the verdict.
func (r *Report) OK() bool { return len(r.Violations) == 0 }

func (r *Report) note(format string, args ...any) { fmt.Fprintf(r.out, format+"\n", args...) }

func (r *Report) skip(fault string, err error) {
	r.Skipped[fault] = err
	r.note("fault %s is left out: members have no disks of their own: %v", fault, err)
}

// fault notes one fault that is over.
func (r *Report) fault(at time.Duration, what string, lasted, silence, recovery time.Duration) {
	r.SlowestRecovery = max(r.SlowestRecovery, recovery)
	r.LongestSilence = max(r.LongestSilence, silence)
	r.note("%6.1f s  %-50s for %.2f s; longest silence %.2f s; all served %.2f s after it was healed",
		at.Seconds(), what, lasted.Seconds(), silence.Seconds(), recovery.Seconds())
}

// Summary is one line.
func (r *Report) Summary() string {
	var faults []string
	total := 0
	for _, name := range slices.Sorted(maps.Keys(r.Faults)) {
		faults = append(faults, fmt.Sprintf("%s %d", name, r.Faults[name]))
		total += r.Faults[name]
	}
	verdict := "ok"
	if !r.OK() {
		verdict = fmt.Sprintf("FAILED, %d violations", len(r.Violations))
	}
	return fmt.Sprintf("%d nodes, seed %d, %.0f s: %d operations (%d acknowledged, %d refused, %d unknown), %d faults (%s), %d elections, %d images installed, slowest recovery %.2f s, longest silence %.2f s: %s",
		r.Nodes, r.Seed, r.Took.Seconds(), r.Operations, r.Operations-r.Failed-r.Unknown, r.Failed, r.Unknown,
		total, strings.Join(faults, ", "), r.Elections, r.Images, r.SlowestRecovery.Seconds(), r.LongestSilence.Seconds(), verdict)
}
