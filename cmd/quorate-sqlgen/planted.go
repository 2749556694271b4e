package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"quorate/sim/planted"
)

// plantedStatements and plantedTime bound how long a bug is looked for.
const (
	plantedStatements = 20_000
	plantedTime       = 3 * time.Minute
)

// runPlanted builds this program with each of the bugs in it and runs seeds until
// it is caught.
func runPlanted(which string, stdout io.Writer) int {
	h := planted.Hunt{Program: "quorate-sqlgen", Bugs: bugs, Look: hunt}
	return h.Run(which, stdout)
}

// hunt runs the program with a bug in it.
func hunt(_ *planted.Bug, binary string) (verdict string, caught bool) {
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
