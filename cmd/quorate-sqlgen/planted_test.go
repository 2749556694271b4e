package main

import (
	"path/filepath"
	"testing"

	"quorate/sim/planted"
)

// TestBugsApply shows that every bug still fits the code. When this test fails
// after a change of the code, change the bug along with it: what Old says must
// be in the file once, and New must break the rule.
func TestBugsApply(t *testing.T) {
	for _, problem := range planted.Check(bugs, filepath.Join("..", "..")) {
		t.Error(problem)
	}
}
