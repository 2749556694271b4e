package planted

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBugsApply shows that every bug still fits the code. When this test fails
// after a change of the code, change the bug along with it: what Old says must
// be in the file once, and New must break the rule.
func TestBugsApply(t *testing.T) {
	for _, problem := range Check(Bugs, filepath.Join("..", "..")) {
		t.Error(problem)
	}
}

// TestHunt: one bug of a name is hunted, all are listed, and one that is not there is
// said not to be. Of those that are hunted the exit code tells whether all are caught.
func TestHunt(t *testing.T) {
	caught := false
	h := Hunt{Program: "quorate-sim", Bugs: Bugs[:2], Look: func(b *Bug, binary string) (string, bool) {
		if _, err := os.Stat(binary); err != nil {
			t.Errorf("%s is looked for without a program: %v", b.Name, err)
		}
		return "looked at", caught
	}}
	run := func(which string) (int, string) {
		var out strings.Builder
		code := h.Run(which, &out)
		return code, out.String()
	}
	if code, out := run("list"); code != 0 || strings.Count(out, "\n") != 2 || !strings.Contains(out, Bugs[1].Rule) {
		t.Errorf("list: %d, %s", code, out)
	}
	if code, out := run("none"); code != 2 || !strings.Contains(out, `no bug is called "none"`) {
		t.Errorf("none: %d, %s", code, out)
	}
	for _, caught = range []bool{false, true} {
		code, out := run(Bugs[1].Name)
		if strings.Contains(out, Bugs[0].Name+" ") || !strings.Contains(out, Bugs[1].Name+" ") || !strings.Contains(out, "looked at") || (code == 0) != caught {
			t.Errorf("%s, caught %t: %d, %s", Bugs[1].Name, caught, code, out)
		}
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
