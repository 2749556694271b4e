package sqlgen

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Count is what became of the statements of a kind.
type Count struct {
	Tried   int
	Refused int // by the planner
	Failed  int // when they were run
	Skipped int // because another statement of the command failed
	Done    int // in commands that succeeded
}

// Report is what a run, or several, came to.
type Report struct {
	Seed       uint64
	Statements int
	Entries    int
	Stale      int // entries that were planned with an old schema
	Duplicates int // entries that were in the log before
	Kinds      map[string]*Count
	// Violation is what is wrong, "" when nothing is.
	Violation string
	// Script is what was drawn.
	Script []Command
}

func (r *Report) kind(s *Statement) *Count {
	c := r.Kinds[s.Kind]
	if c == nil {
		c = &Count{}
		r.Kinds[s.Kind] = c
	}
	return c
}

// Add adds another report's counts.
func (r *Report) Add(o *Report) {
	if r.Kinds == nil {
		r.Kinds = map[string]*Count{}
	}
	r.Statements += o.Statements
	r.Entries += o.Entries
	r.Stale += o.Stale
	r.Duplicates += o.Duplicates
	for kind, c := range o.Kinds {
		sum := r.kind(&Statement{Kind: kind})
		sum.Tried += c.Tried
		sum.Refused += c.Refused
		sum.Failed += c.Failed
		sum.Skipped += c.Skipped
		sum.Done += c.Done
	}
}

// String is one line with all counts: kind done/tried.
func (r *Report) String() string {
	var b strings.Builder
	done := 0
	for _, c := range r.Kinds {
		done += c.Done
	}
	fmt.Fprintf(&b, "%d statements in %d entries, %d succeeded (%d %%):", r.Statements, r.Entries, done, 100*done/max(r.Statements, 1))
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, " %s %d/%d,", kind, r.Kinds[kind].Done, r.Kinds[kind].Tried)
	}
	return strings.TrimSuffix(b.String(), ",")
}
