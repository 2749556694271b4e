package planted

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"
)

// Hunt looks for bugs with the program that they are planted in.
type Hunt struct {
	Program string // its name, and its folder's in cmd
	Bugs    []Bug
	// Look runs binary, the program with the bug in it, and says in a line what came
	// of it. It is called for several bugs at once.
	Look func(b *Bug, binary string) (verdict string, caught bool)
}

// outcome is what came of a bug.
type outcome struct {
	verdict string
	caught  bool
}

// Run hunts the bug of a name, or all of them ("all"), or names them ("list"), as
// many at once as there are processors. The exit code is 0 when all are caught.
func (h *Hunt) Run(which string, stdout io.Writer) int {
	var bugs []*Bug
	for i := range h.Bugs {
		b := &h.Bugs[i]
		switch which {
		case "list":
			fmt.Fprintf(stdout, "%-34s %s (%s)\n", b.Name, b.Rule, b.File)
		case "all", b.Name:
			bugs = append(bugs, b)
		}
	}
	switch {
	case which == "list":
		return 0
	case len(bugs) == 0:
		fmt.Fprintf(stdout, "%s: no bug is called %q; --planted list names them\n", h.Program, which)
		return 2
	}
	root, err := ModuleRoot()
	if err != nil {
		fmt.Fprintf(stdout, "%s: %v\n", h.Program, err)
		return 2
	}
	dir, err := os.MkdirTemp("", h.Program)
	if err != nil {
		fmt.Fprintf(stdout, "%s: %v\n", h.Program, err)
		return 2
	}
	defer os.RemoveAll(dir)
	began, caught := time.Now(), 0
	for i, result := range h.all(bugs, root, dir) {
		o := <-result
		if o.caught {
			caught++
		}
		fmt.Fprintf(stdout, "%-34s %s\n", bugs[i].Name, o.verdict)
	}
	fmt.Fprintf(stdout, "caught %d / planted %d in %d s\n", caught, len(bugs), int(time.Since(began).Seconds()))
	if caught < len(bugs) {
		return 1
	}
	return 0
}

// all returns where the outcomes will be, in the order of the bugs.
func (h *Hunt) all(bugs []*Bug, root, dir string) []chan outcome {
	outcomes := make([]chan outcome, len(bugs))
	for i := range outcomes {
		outcomes[i] = make(chan outcome, 1)
	}
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(bugs)) {
		go func() {
			for i := next.Add(1) - 1; i < int64(len(bugs)); i = next.Add(1) - 1 {
				outcomes[i] <- h.one(bugs[i], root, dir)
			}
		}()
	}
	return outcomes
}

func (h *Hunt) one(b *Bug, root, dir string) outcome {
	binary := filepath.Join(dir, b.Name)
	if err := b.Build(root, dir, "./cmd/"+h.Program, binary); err != nil {
		return outcome{verdict: "NOT BUILT: " + err.Error()}
	}
	defer os.Remove(binary)
	verdict, caught := h.Look(b, binary)
	return outcome{verdict, caught}
}
