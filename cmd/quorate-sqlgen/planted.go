package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"quorate/sim/planted"
)

// plantedStatements and plantedTime bound how long a bug is looked for.
const (
	plantedStatements = 20_000
	plantedTime       = 3 * time.Minute
)

// runPlanted builds this program with each of the bugs in it, one at a time, and
// runs seeds until the bug is caught; as many bugs are hunted at once as there are
// processors. The exit code is 0 when all are caught.
func runPlanted(which string, stdout io.Writer) int {
	root, err := planted.ModuleRoot()
	if err != nil {
		fmt.Fprintln(stdout, "quorate-sqlgen:", err)
		return 2
	}
	dir, err := os.MkdirTemp("", "quorate-sqlgen")
	if err != nil {
		fmt.Fprintln(stdout, "quorate-sqlgen:", err)
		return 2
	}
	defer os.RemoveAll(dir)
	var hunts []*hunting
	processors := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range bugs {
		b := &bugs[i]
		switch which {
		case "list":
			fmt.Fprintf(stdout, "%-30s %s (%s)\n", b.Name, b.Rule, b.File)
		case "all", b.Name:
			h := &hunting{bug: b, done: make(chan struct{})}
			hunts = append(hunts, h)
			go func() {
				processors <- struct{}{}
				h.verdict, h.caught = hunt(b, root, dir)
				<-processors
				close(h.done)
			}()
		}
	}
	looked, caught := len(hunts), 0
	for _, h := range hunts {
		<-h.done
		if h.caught {
			caught++
		}
		fmt.Fprintf(stdout, "%-30s %s\n", h.bug.Name, h.verdict)
	}
	switch {
	case which == "list":
		return 0
	case looked == 0:
		fmt.Fprintf(stdout, "quorate-sqlgen: no bug is called %q; --planted list names them\n", which)
		return 2
	}
	fmt.Fprintf(stdout, "caught %d / planted %d\n", caught, looked)
	if caught < looked {
		return 1
	}
	return 0
}

// hunting is a hunt under way; done is closed behind its outcome.
type hunting struct {
	bug     *planted.Bug
	done    chan struct{}
	verdict string
	caught  bool
}

// hunt builds the program with the bug and runs it.
func hunt(b *planted.Bug, root, dir string) (verdict string, caught bool) {
	binary := filepath.Join(dir, b.Name)
	if err := b.Build(root, dir, "./cmd/quorate-sqlgen", binary); err != nil {
		return "NOT BUILT: " + err.Error(), false
	}
	defer os.Remove(binary)
	ctx, cancel := context.WithTimeout(context.Background(), plantedTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, binary, "--statements", fmt.Sprint(plantedStatements)).CombinedOutput()
	text := strings.TrimSpace(string(out))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		return fmt.Sprintf("NOT CAUGHT (%v)", err), false
	}
	first, _, _ := strings.Cut(text, "\n")
	if !strings.HasPrefix(first, "seed ") {
		return fmt.Sprintf("NOT CAUGHT: %q", first), false
	}
	last := text[strings.LastIndexByte(text, '\n')+1:]
	seeds, _, _ := strings.Cut(last, ",")
	return fmt.Sprintf("caught after %s: %s", seeds, shortened(first)), true
}

// shortened is about a line of text.
func shortened(s string) string {
	const runes = 110
	if r := []rune(s); len(r) > runes {
		return string(r[:runes]) + "…"
	}
	return s
}
