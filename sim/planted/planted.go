package planted

import (
	"fmt"
	"strings"
)

// Bug is a rule and how to break it.
type Bug struct {
	Name string
	// Rule says what holds without the bug.
	Rule string
	// File is the source file, from the module's root; Old stands in it exactly
	// once, and New takes its place.
	File, Old, New string
	// Restless: the hunt has restless seeds only, which are one in four of the
	// others. The bug needs leaders that follow each other quickly.
	Restless bool
}

// Apply returns the source with the bug in it.
func (b *Bug) Apply(source string) (string, error) {
	if n := strings.Count(source, b.Old); n != 1 {
		return "", fmt.Errorf("planted bug %s: its old text is in %s %d times, not once: adapt the bug to the code", b.Name, b.File, n)
	}
	return strings.Replace(source, b.Old, b.New, 1), nil
}
