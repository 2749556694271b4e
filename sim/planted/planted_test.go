package planted

import (
	"path/filepath"
	"testing"
)

// TestBugsApply shows that every bug still fits the code. When this test fails
// after a change of the code, change the bug along with it: what Old says must
// be in the file once, and New must break the rule.
func TestBugsApply(t *testing.T) {
	for _, problem := range Check(Bugs, filepath.Join("..", "..")) {
		t.Error(problem)
	}
	if Named(Bugs[0].Name) != &Bugs[0] || Named("none") != nil {
		t.Error("Named does not find what is there, or finds what is not")
	}
}

// TestCheck: bugs that do not fit are reported.
func TestCheck(t *testing.T) {
	good := Bugs[0]
	nameless, misplaced, gone, broken := good, good, good, good
	nameless.Name, misplaced.File, gone.Old, broken.New = "", "nowhere.go", "what nobody wrote", "}}"
	for _, bugs := range [][]Bug{{good, good}, {nameless}, {misplaced}, {gone}, {broken}} {
		if problems := Check(bugs, filepath.Join("..", "..")); len(problems) != 1 {
			t.Errorf("%d problems are found: %v", len(problems), problems)
		}
	}
	if problems := Check([]Bug{good}, filepath.Join("..", "..")); len(problems) != 0 {
		t.Errorf("a bug that fits: %v", problems)
	}
}
