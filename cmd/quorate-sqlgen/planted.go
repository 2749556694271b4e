package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
// runs seeds until the bug is caught. The exit code is 0 when all are.
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
	looked, caught := 0, 0
	for i := range bugs {
		b := &bugs[i]
		switch {
		case which == "list":
			fmt.Fprintf(stdout, "%-30s %s (%s)\n", b.Name, b.Rule, b.File)
			continue
		case which != "all" && which != b.Name:
			continue
		}
		looked++
		verdict, ok := hunt(b, root, dir)
		if ok {
			caught++
		}
		fmt.Fprintf(stdout, "%-30s %s\n", b.Name, verdict)
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
