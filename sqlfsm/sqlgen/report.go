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
	Meant   int // to fail
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
	Errors     map[string]int // statements that failed when they were run, by SQLSTATE
	Clauses    map[string]int // statements that succeeded, by what is in them (clauses.go)
	// Violation is what is wrong, "" when nothing is.
	Violation string
	// Script is what was drawn.
	Script []Command
}

func (c *Count) try(s *Statement) {
	c.Tried++
	if s.Fails {
		c.Meant++
	}
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
		r.Kinds, r.Errors, r.Clauses = map[string]*Count{}, map[string]int{}, map[string]int{}
	}
	for code, n := range o.Errors {
		r.Errors[code] += n
	}
	for clause, n := range o.Clauses {
		r.Clauses[clause] += n
	}
	r.Statements += o.Statements
	r.Entries += o.Entries
	r.Stale += o.Stale
	r.Duplicates += o.Duplicates
	for kind, c := range o.Kinds {
		sum := r.kind(&Statement{Kind: kind})
		sum.Tried += c.Tried
		sum.Meant += c.Meant
		sum.Refused += c.Refused
		sum.Failed += c.Failed
		sum.Skipped += c.Skipped
		sum.Done += c.Done
	}
}

// String is one line with all counts: kind done/tried.
func (r *Report) String() string {
	var b strings.Builder
	done, meant := 0, 0
	for _, c := range r.Kinds {
		done += c.Done
		meant += c.Meant
	}
	fmt.Fprintf(&b, "%d statements in %d entries, %d succeeded (%d %% of those that are not meant to fail):", r.Statements, r.Entries, done, 100*done/max(r.Statements-meant, 1))
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		fmt.Fprintf(&b, " %s %d/%d,", kind, r.Kinds[kind].Done, r.Kinds[kind].Tried)
	}
	return strings.TrimSuffix(b.String(), ",")
}

// Table is a line for each kind of statement, each clause and each error.
func (r *Report) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-34s %7s %7s %8s %7s %8s\n", "kind", "drawn", "done", "refused", "failed", "skipped")
	for _, kind := range slices.Sorted(maps.Keys(r.Kinds)) {
		c := r.Kinds[kind]
		fmt.Fprintf(&b, "%-34s %7d %7d %8d %7d %8d\n", kind, c.Tried, c.Done, c.Refused, c.Failed, c.Skipped)
	}
	for _, c := range clauses {
		fmt.Fprintf(&b, "%-34s %15d\n", c.name, r.Clauses[c.name])
	}
	for _, code := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(&b, "%-34s %15d\n", "error "+code, r.Errors[code])
	}
	return b.String()
}
